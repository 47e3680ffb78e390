// Package member keeps the accounts: who uses this server, and the passwords of those that sign in by name.
package member

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alexedwards/argon2id"
	"github.com/nyaruka/phonenumbers"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all accounts, without their passwords.
const topic = "member"

// Keeper keeps accounts.
type Keeper struct {
	store     *store.Store
	standard  account.Limits
	all       *store.Cached[*register]
	passwords *passwords
}

// New returns the keeper of the store's accounts. The limits are of those that have no plan.
func New(s *store.Store, standard account.Limits) *Keeper {
	k := &Keeper{store: s, standard: standard, passwords: newPasswords()}
	k.all = store.NewCached(s, topic, k.load)
	return k
}

// Standard are the limits of accounts that have no plan.
func (k *Keeper) Standard() account.Limits { return k.standard }

// register is all accounts in memory.
type register struct {
	list   []account.Account
	plans  []Plan
	byID   map[account.ID]account.Account
	byName map[string]account.Account
	signIn map[account.ID]int64 // what changes with how the account signs in
}

func (k *Keeper) load(ctx context.Context, q store.Queryer) (*register, error) {
	r := &register{byID: map[account.ID]account.Account{}, byName: map[string]account.Account{}, signIn: map[account.ID]int64{}}
	limits, err := r.loadPlans(ctx, q)
	if err != nil {
		return nil, err
	}
	limits[""] = k.standard
	rows, err := on(q).Accounts(ctx)
	if err != nil {
		return nil, err
	}
	plans := map[account.ID]string{}
	for _, row := range rows {
		plans[row.ID] = row.Plan
	}
	for _, row := range rows {
		a := accountOf(accountByIDRow(row))
		a.Limits = limits[plans[a.Root()]]
		r.list, r.byID[a.ID], r.byName[row.Username], r.signIn[a.ID] = append(r.list, a), a, a, row.SignIn
	}
	return r, nil
}

// accountOf is the account of a row, without the limits of its plan.
func accountOf(row accountByIDRow) account.Account {
	return account.Account{
		ID: row.ID, Parent: row.ParentID, Username: row.Username, Name: row.Name, Region: row.Region, Currency: row.Currency,
		Operator: row.Operator == 1, Active: row.Active == 1, ParentPays: row.ParentPays == 1, Closed: row.ClosedAt > 0, Plan: row.Plan,
		Number: int(row.Number), Denied: account.Denied(row.Denied),
	}
}

// hashing is the cost of a password (OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, 2 passes, 1 lane).
var hashing = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

var (
	// A user name may be an address of mail. It has no colon, which ends it in HTTP Basic (RFC 7617, 2).
	usernames = regexp.MustCompile(`^[a-z0-9][a-z0-9._+@-]{0,127}$`)
	// New currencies appear; ISO 4217 keeps their shape.
	currencies = regexp.MustCompile(`^[A-Z]{3}$`)
)

// Create stores a new, active account, or fails with fault.AlreadyThere when the user name is taken. Without a user name
// the account's id is its name; without a password nobody signs in with one.
func (k *Keeper) Create(tx *store.Tx, by audit.Actor, a account.Account, username, password string) (account.Account, error) {
	if a.ID == 0 {
		a.ID = account.ID(tx.NewID())
	}
	if username = canonical(username); username == "" {
		username = a.ID.String()
	}
	a.Active, a.Username = true, username
	if err := check(tx, &a, username); err != nil {
		return a, err
	}
	hash, err := hashOf(password)
	if err != nil {
		return a, err
	}
	if a.Number, err = tx.NextNumber(numbers); err != nil {
		return a, err
	}
	added, err := store.Each(tx, addAccount, []addAccountParams{{
		ID: a.ID, ParentID: a.Parent, Name: a.Name, Region: a.Region, Currency: a.Currency, Operator: flag(a.Operator),
		Username: username, Password: hash, UpdatedAt: tx.NowMilli(), ParentPays: flag(a.ParentPays), Plan: a.Plan,
		Number: int64(a.Number), SignIn: tx.NewID(), Denied: int64(a.Denied),
	}})
	if err != nil {
		return a, fmt.Errorf("create account: %w", err)
	}
	if added[0] == 0 {
		return a, nameTaken()
	}
	return a, changed(tx, by, "account.create", a.ID, username)
}

// check refuses what no account can be.
func check(tx *store.Tx, a *account.Account, username string) error {
	a.Region, a.Currency = strings.ToUpper(a.Region), strings.ToUpper(a.Currency)
	if a.Currency == "" {
		a.Currency = "USD"
	}
	switch {
	case a.Name == "":
		return fault.New(fault.MissingField, "an account has a name").In("name")
	case !usernames.MatchString(username):
		return fault.New(fault.InvalidField, "a user name has letters, digits and . _ + @ -").In("username")
	case a.Region != "" && !phonenumbers.GetSupportedRegions()[a.Region]:
		return fault.New(fault.InvalidField, "a region is a country of ISO 3166, such as KE").In("region")
	case !currencies.MatchString(a.Currency):
		return fault.New(fault.InvalidField, "a currency is a code of ISO 4217, such as KES").In("currency")
	}
	if err := checkPlan(tx, a.Plan); err != nil {
		return err
	}
	return checkParent(tx, a)
}

// checkParent refuses a parent that cannot be one. A subaccount has none of its own, and its parent pays in its own currency.
func checkParent(tx *store.Tx, a *account.Account) error {
	if a.Parent == 0 {
		if a.ParentPays {
			return fault.New(fault.InvalidField, "an account without a parent pays for itself").In("wallet")
		}
		return nil
	}
	parent, err := one(tx, a.Parent)
	switch {
	case err != nil:
		return err
	case parent == nil || parent.Closed:
		return fault.New(fault.NotHere, "account %s", a.Parent).In("parent_id")
	case a.Plan != "":
		return fault.New(fault.InvalidField, "a subaccount shares its parent's plan").In("plan")
	case parent.Parent != 0:
		return fault.New(fault.InvalidField, "a subaccount has no subaccounts").In("parent_id")
	case a.ParentPays && parent.Currency != a.Currency:
		return fault.New(fault.InvalidField, "the parent pays in %s, so that this account must count in it too", parent.Currency).In("wallet")
	}
	return nil
}

// one reads an account as the transaction sees it; nil when it is not there.
func one(tx *store.Tx, id account.ID) (*account.Account, error) {
	rows, err := store.First[accountByIDRow](tx, accountByID, []account.ID{id})
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	if rows[0] == nil {
		return nil, nil
	}
	a := accountOf(*rows[0])
	return &a, nil
}

// canonical is a user name as it is stored: case does not tell users apart.
func canonical(username string) string { return strings.ToLower(strings.TrimSpace(username)) }

func hashOf(password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	hash, err := argon2id.CreateHash(password, &hashing)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// SetSignIn gives an account another user name and password, or fails with fault.AlreadyThere when the name is taken.
func (k *Keeper) SetSignIn(tx *store.Tx, by audit.Actor, id account.ID, username, password string) error {
	username = canonical(username)
	if !usernames.MatchString(username) {
		return fault.New(fault.InvalidField, "a user name has letters, digits and . _ + @ -").In("username")
	}
	hash, err := hashOf(password)
	if err != nil {
		return err
	}
	touched, err := store.Each(tx, setSignIn, []setSignInParams{{Username: username, Password: hash, SignIn: tx.NewID(), UpdatedAt: tx.NowMilli(), ID: id}})
	if err != nil {
		return fmt.Errorf("set sign-in: %w", err)
	}
	if touched[0] == 0 {
		return nameTaken()
	}
	return changed(tx, by, "account.sign_in", id, username)
}

func nameTaken() error { return fault.New(fault.AlreadyThere, "the user name is taken").In("username") }

func changed(tx *store.Tx, by audit.Actor, action string, id account.ID, detail string) error {
	return noted(tx, audit.Entry{Account: id, Actor: by, Action: action, Subject: id.String(), Detail: detail})
}

func noted(tx *store.Tx, e audit.Entry) error {
	if err := audit.Append(tx, e); err != nil {
		return err
	}
	return tx.Touch(topic)
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

// Get returns an account.
func (k *Keeper) Get(ctx context.Context, id account.ID) (account.Account, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return account.Account{}, false, err
	}
	a, ok := r.byID[id]
	return a, ok, nil
}

// Working returns an account that may do something: neither it nor its parent is suspended or closed. Else fault.AccountInactive.
func (k *Keeper) Working(ctx context.Context, id account.ID) (account.Account, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return account.Account{}, err
	}
	a := r.byID[id]
	if !a.Active || a.Parent != 0 && !r.byID[a.Parent].Active {
		return a, fault.New(fault.AccountInactive, "the account is not active")
	}
	return a, nil
}

// All lists the accounts, in the order in which they were made.
func (k *Keeper) All(ctx context.Context) ([]account.Account, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.list), nil
}

// ByUsername returns the account with the user name, in any case.
func (k *Keeper) ByUsername(ctx context.Context, name string) (account.Account, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return account.Account{}, false, err
	}
	a, ok := r.byName[canonical(name)]
	return a, ok, nil
}
