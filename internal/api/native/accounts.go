package native

import (
	"context"
	"net/http"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

func (s *server) accountsOperations() []operation {
	return []operation{
		op[input[accountRequest], output[TenantReply]]("POST /accounts", account.Admin, "createAccount", "Make a subaccount; for the operator, any account", s.createAccount).answers(201).once(),
		op[PageInput, output[page[TenantReply]]]("GET /accounts", account.Admin, "listAccounts", "List subaccounts; for the operator, all accounts", s.listAccounts),
		op[IDInput, output[TenantReply]]("GET /accounts/{id}", account.Admin, "readOneAccount", "Read a subaccount", s.readTenant),
		op[accountChangeInput, output[TenantReply]]("PATCH /accounts/{id}", account.Admin, "changeAccount", "Change a subaccount", s.changeAccount),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/suspend", account.Admin, "suspendAccount", "Suspend a subaccount: its keys are refused", s.settingActive(false)).once(),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/activate", account.Admin, "activateAccount", "Let a suspended subaccount work again", s.settingActive(true)).once(),
		op[IDInput, output[madeKeyReply]]("POST /accounts/{id}/key", account.Admin, "renewAccountKey", "Give a subaccount a new key in place of its main one", s.renewAccountKey).answers(201).once(),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/close", account.Admin, "closeAccount", "Close a subaccount for good", s.closeAccount).once(),
	}
}

// Where the money for an account's messages comes from.
const (
	ownWallet    = "own"
	parentWallet = "parent"
)

// accountRequest is an account to make.
type accountRequest struct {
	Name      string    `json:"name"`
	Region    string    `json:"region,omitempty" doc:"The country whose national numbers it may write; the parent's without it." example:"KE"`
	Currency  string    `json:"currency,omitempty" doc:"Of its wallet; the parent's without it." example:"KES"`
	Username  string    `json:"username,omitempty" doc:"Its user name, for APIs that take one; its id without it." maxLength:"128"`
	Wallet    string    `json:"wallet,omitempty" doc:"Who pays for what it sends; own without it." enum:"own,parent"`
	Parent    string    `json:"parent_id,omitempty" format:"uuid" doc:"The account it is a subaccount of. Only the operator gives it; anyone else makes subaccounts of their own."`
	Plan      string    `json:"plan,omitempty" doc:"How much it may do. Only the operator gives it; a subaccount shares its parent's."`
	Password  string    `json:"password,omitempty" doc:"For APIs that take one: at least 8 characters, with a letter and something else among them. Nobody signs in without it." maxLength:"512"`
	Email     *string   `json:"email,omitempty" maxLength:"254" doc:"Of who is behind it."`
	Phone     *string   `json:"phone_number,omitempty" example:"+254701234567"`
	FirstName *string   `json:"first_name,omitempty" maxLength:"255"`
	LastName  *string   `json:"last_name,omitempty" maxLength:"255"`
	Notes     *string   `json:"notes,omitempty" maxLength:"2000"`
	Access    *[]string `json:"access,omitempty" doc:"What it may do, whoever asks in its name; everything without it."`
}

// accountChangeRequest is what an update changes; what is absent stays.
type accountChangeRequest struct {
	Name   *string `json:"name,omitempty"`
	Region *string `json:"region,omitempty" example:"KE"`
	Wallet *string `json:"wallet,omitempty" doc:"Who pays for what it sends from now on." enum:"own,parent"`
	Plan   *string `json:"plan,omitempty" doc:"How much it may do; empty for the server's own limits. Only the operator gives it."`

	Username  *string   `json:"username,omitempty" maxLength:"128"`
	Password  *string   `json:"password,omitempty" maxLength:"512"`
	Email     *string   `json:"email,omitempty" maxLength:"254" doc:"Of who is behind it."`
	Phone     *string   `json:"phone_number,omitempty" example:"+254701234567"`
	FirstName *string   `json:"first_name,omitempty" maxLength:"255"`
	LastName  *string   `json:"last_name,omitempty" maxLength:"255"`
	Notes     *string   `json:"notes,omitempty" maxLength:"2000"`
	Access    *[]string `json:"access,omitempty" doc:"What it may do from now on, whoever asks in its name."`
}

type accountChangeInput struct {
	IDInput
	Body accountChangeRequest
}

// TenantReply is an account as those see it who look after it.
type TenantReply struct {
	ID        string   `json:"id" format:"uuid"`
	Number    int      `json:"number" doc:"What it is to programs that know accounts by numbers."`
	Parent    string   `json:"parent_id,omitempty" format:"uuid" doc:"The account it is a subaccount of."`
	Username  string   `json:"username"`
	Name      string   `json:"name"`
	Region    string   `json:"region"`
	Currency  string   `json:"currency"`
	Wallet    string   `json:"wallet" enum:"own,parent" doc:"Who pays for what it sends."`
	Plan      string   `json:"plan" doc:"Empty for the server's own limits; a subaccount shares its parent's."`
	Status    string   `json:"status" enum:"active,suspended,closed"`
	Email     string   `json:"email"`
	Phone     string   `json:"phone_number"`
	FirstName string   `json:"first_name"`
	LastName  string   `json:"last_name"`
	Notes     string   `json:"notes"`
	Access    []string `json:"access" nullable:"false" doc:"What it may do, whoever asks in its name."`
	CreatedAt string   `json:"created_at" format:"date-time"`
}

func showTenant(a *account.Account, p member.Profile) TenantReply {
	t := TenantReply{
		Number: a.Number, Username: a.Username, Email: p.Email, Phone: p.Phone, FirstName: p.FirstName, LastName: p.LastName, Notes: p.Notes, Access: showAccess(a.Denied),
		ID: a.ID.String(), Parent: a.Parent.String(), Name: a.Name, Region: a.Region, Currency: a.Currency, Wallet: ownWallet, Plan: a.Plan,
		Status: "active", CreatedAt: showTime(a.ID.Time()),
	}
	if a.ParentPays {
		t.Wallet = parentWallet
	}
	switch {
	case a.Closed:
		t.Status = "closed"
	case !a.Active:
		t.Status = "suspended"
	}
	return t
}

func showAccess(d account.Denied) []string {
	list := []string{}
	for _, r := range account.AllRights {
		if !d.Has(r) {
			list = append(list, string(r))
		}
	}
	return list
}

// readAccess is what an account is denied that has the rights alone; nil for none that were named.
func readAccess(rights *[]string) (*account.Denied, error) {
	if rights == nil {
		return nil, nil
	}
	var denied account.Denied
	for _, r := range account.AllRights {
		denied = denied.With(r, !slices.Contains(*rights, string(r)))
	}
	for _, name := range *rights {
		if !slices.Contains(account.AllRights, account.Right(name)) {
			return nil, fault.New(fault.InvalidField, "there is no access to %q", clip(name)).In("access")
		}
	}
	return &denied, nil
}

// mayFree refuses a password, which may do all that an account may, from a key that may do less.
func mayFree(c gateway.Caller, password *string) error {
	if password == nil || *password == "" {
		return nil
	}
	return api.MayGive(c, &key.Key{Scopes: account.Scopes{account.Admin}})
}

// createAccount makes an account with a wallet of its own.
func (s *server) createAccount(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[accountRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if err := mayFree(c, &in.Password); err != nil {
		return err
	}
	wanted, err := s.wanted(r.Context(), c, in)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Members.Create(tx, c.By, wanted, in.Username, in.Password)
		if err != nil {
			return nil, err
		}
		if p := (member.ProfileChange{Email: in.Email, Phone: in.Phone, FirstName: in.FirstName, LastName: in.LastName, Notes: in.Notes}); p != (member.ProfileChange{}) {
			if made, err = s.core.Members.Change(tx, c.By, made.ID, member.Change{Profile: p}); err != nil {
				return nil, err
			}
		}
		if err := s.core.Wallet.Open(tx, made.ID, made.Currency); err != nil {
			return nil, err
		}
		return s.shownTenant(tx, &made)
	})
}

// shownTenant is an account as the transaction leaves it.
func (s *server) shownTenant(tx *store.Tx, a *account.Account) (TenantReply, error) {
	p, err := member.ProfileIn(tx, a.ID)
	return showTenant(a, p), err
}

// wanted says the request in the words of the keeper: what it leaves out is the parent's.
func (s *server) wanted(ctx context.Context, c gateway.Caller, in *accountRequest) (a account.Account, err error) {
	parent := &c.Account
	if c.Operates() {
		if parent, err = s.parentNamed(ctx, in.Parent); err != nil {
			return a, err
		}
	} else if in.Parent != "" || in.Plan != "" {
		return a, operatorOnly("parent_id and plan")
	}
	a = account.Account{Name: in.Name, Region: in.Region, Currency: in.Currency, Plan: in.Plan}
	if parent != nil {
		a.Parent = parent.ID
		fill(&a.Region, parent.Region)
		fill(&a.Currency, parent.Currency)
	}
	if a.ParentPays, err = parentPays(in.Wallet); err != nil {
		return a, err
	}
	denied, err := readAccess(in.Access)
	if denied != nil {
		a.Denied = *denied
	}
	return a, err
}

// parentNamed is the account that the operator made the parent; nil for none.
func (s *server) parentNamed(ctx context.Context, text string) (*account.Account, error) {
	if text == "" {
		return nil, nil
	}
	at, err := parseAccount(text)
	if err != nil {
		return nil, err
	}
	a, ok, err := s.core.Members.Get(ctx, at)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no account %s", at).In("parent_id")
	}
	return &a, err
}

func operatorOnly(what string) error {
	return fault.New(fault.ScopeMissing, "only the operator gives %s", what)
}

func fill(text *string, with string) {
	if *text == "" {
		*text = with
	}
}

func parentPays(wallet string) (bool, error) {
	switch wallet {
	case "", ownWallet:
		return false, nil
	case parentWallet:
		return true, nil
	}
	return false, fault.New(fault.InvalidField, "wallet is own or parent").In("wallet")
}

// listAccounts lists the caller's subaccounts, or for the operator all accounts, newest first.
func (s *server) listAccounts(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	return simple(s, w, r, "accounts", func(after int64, limit int) ([]member.Subaccount, error) {
		all, err := s.core.Members.All(r.Context())
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(a account.Account) bool {
			return !looksAfter(c, &a) || after != 0 && int64(a.ID) >= after
		})
		slices.Reverse(all)
		page := make([]member.Subaccount, min(limit, len(all)))
		for i := range page {
			page[i].Account = all[i]
			if page[i].Profile, err = s.core.Members.Profile(r.Context(), all[i].ID); err != nil {
				return nil, err
			}
		}
		return page, nil
	}, func(a *member.Subaccount) (TenantReply, int64) { return showTenant(&a.Account, a.Profile), int64(a.ID) })
}

// looksAfter reports whether the caller manages the account.
func looksAfter(c gateway.Caller, a *account.Account) bool {
	return c.Operates() || a.Parent == c.Account.ID
}

// tenant is the account of the path, which the caller manages.
func (s *server) tenant(r *http.Request) (account.Account, error) {
	at, err := pathID[account.Account](r, "id")
	if err != nil {
		return account.Account{}, err
	}
	a, ok, err := s.core.Members.Get(r.Context(), at)
	if err != nil {
		return a, err
	}
	if !ok || !looksAfter(api.CallerOf(r), &a) {
		return a, fault.New(fault.NotHere, "there is no account %s", at)
	}
	return a, nil
}

func (s *server) readTenant(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	p, err := s.core.Members.Profile(r.Context(), a.ID)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showTenant(&a, p))
}

// changeAccount changes what the request names.
func (s *server) changeAccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[accountChangeRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	change := member.Change{
		Name: in.Name, Region: in.Region, Plan: in.Plan, Username: in.Username, Password: in.Password,
		Profile: member.ProfileChange{Email: in.Email, Phone: in.Phone, FirstName: in.FirstName, LastName: in.LastName, Notes: in.Notes},
	}
	if change.Denied, err = readAccess(in.Access); err != nil {
		return err
	}
	if err := mayFree(c, in.Password); err != nil {
		return err
	}
	if in.Plan != nil && !c.Operates() {
		return operatorOnly("plan")
	}
	if in.Wallet != nil {
		pays, err := parentPays(*in.Wallet)
		if err != nil {
			return err
		}
		change.ParentPays = &pays
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		now, err := s.core.Members.Change(tx, c.By, a.ID, change)
		if err != nil {
			return nil, err
		}
		return s.shownTenant(tx, &now)
	})
}

// settingActive suspends an account, or lets it work again.
func (s *server) settingActive(active bool) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return s.endTenant(w, r, func(tx *store.Tx, by audit.Actor, a *account.Account) error {
			a.Active = active
			return s.core.Members.SetActive(tx, by, a.ID, active)
		})
	}
}

func (s *server) closeAccount(w http.ResponseWriter, r *http.Request) error {
	return s.endTenant(w, r, func(tx *store.Tx, by audit.Actor, a *account.Account) error {
		a.Active, a.Closed = false, true
		return s.core.Members.Close(tx, by, a.ID)
	})
}

// endTenant changes whether the account of the path works, and shows it.
func (s *server) endTenant(w http.ResponseWriter, r *http.Request, change func(tx *store.Tx, by audit.Actor, a *account.Account) error) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		now := a
		if err := change(tx, api.CallerOf(r).By, &now); err != nil {
			return nil, err
		}
		return s.shownTenant(tx, &now)
	})
}

// renewAccountKey gives an account another main key and shows its secret this once. The one before dies at once.
func (s *server) renewAccountKey(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wish := key.Key{Account: a.ID, Name: key.Main, Test: c.Key.Test, Scopes: account.Scopes{account.Admin}}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		old, there, err := s.core.Keys.Named(tx, a.ID, key.Main)
		if err != nil {
			return nil, err
		}
		if !there {
			old = wish
		}
		if err := api.MayGive(c, &old); err != nil {
			return nil, err
		}
		made, err := s.core.Keys.Renew(tx, c.By, wish)
		return madeKeyReply{showKey(&made.Key), made.Secret}, err
	})
}
