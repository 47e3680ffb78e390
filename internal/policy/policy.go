// Package policy keeps an account's own rules of what it sends: to which countries, as whom, how long, and how often the same.
package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all policies, and which senders are approved.
const topic = "policy"

const (
	longest   = time.Hour // of a window
	mostParts = 255       // that any network joins
)

// Policy is what an account has decided about its own messages. The zero one lets everything pass.
type Policy struct {
	Countries  []string        // those it sends to (ISO 3166); none: all
	Registered []string        // those that need a sender which was approved for them, besides the server's
	OwnNumber  message.Address // its own phone; may be empty
	Window     *time.Duration  // in which an identical message is refused, 0: it never is; nil: as each request asks
	MaxParts   int             // of one message; 0: as many as the network joins
}

// Keeper keeps policies, registrations of senders, and what was accepted a moment ago.
type Keeper struct {
	store *store.Store
	all   *store.Cached[*register]
}

// New returns the keeper of the store's policies.
func New(s *store.Store) *Keeper { return &Keeper{s, store.NewCached(s, topic, load)} }

// server stands for the operator where a policy has an account: what it says holds for all.
const server account.ID = 0

// register is all policies in memory.
type register struct {
	policies map[account.ID]*Policy
	server   []string // countries that need a registered sender whoever sends
	approved map[approval]bool
}

// approval is who may send as whom where.
type approval struct {
	account account.ID
	country string
	sender  string
}

func load(ctx context.Context, q store.Queryer) (*register, error) {
	rows, err := on(q).Policies(ctx)
	if err != nil {
		return nil, err
	}
	senders, err := on(q).Approved(ctx)
	if err != nil {
		return nil, err
	}
	r := &register{policies: map[account.ID]*Policy{}, approved: map[approval]bool{}}
	for _, row := range rows {
		p := policyOf(row)
		if row.AccountID == server {
			r.server = p.Registered
			continue
		}
		r.policies[row.AccountID] = p
	}
	for _, s := range senders {
		r.approved[approval{s.AccountID, s.Country, s.Sender}] = true
	}
	return r, nil
}

func policyOf(row policyRecord) *Policy {
	p := &Policy{
		Countries: strings.Fields(row.Countries), Registered: strings.Fields(row.Registered), OwnNumber: message.ParseAddress(row.OwnNumber),
		MaxParts: int(row.MaxParts),
	}
	if row.RepeatSeconds >= 0 {
		window := time.Duration(row.RepeatSeconds) * time.Second
		p.Window = &window
	}
	return p
}

// of is the policy that holds for an account: its own, else its parent's; nil when neither has one.
func (r *register) of(a *account.Account) (p *Policy, own bool) {
	if p := r.policies[a.ID]; p != nil {
		return p, true
	}
	return r.policies[a.Root()], false
}

// Get returns the policy that holds for an account, and whether it is its own and not its parent's.
func (k *Keeper) Get(ctx context.Context, a *account.Account) (p Policy, own bool, err error) {
	all, err := k.all.Get(ctx)
	if err != nil {
		return p, false, err
	}
	held, own := all.of(a)
	if held != nil {
		p = *held
	}
	return p, own, nil
}

// Change changes the policy of an account, or refuses one that makes no sense. One that has none of its own begins with its parent's.
func (k *Keeper) Change(tx *store.Tx, by audit.Actor, a *account.Account, edit func(*Policy) error) (Policy, error) {
	was, err := stored(tx, a)
	if err != nil {
		return was, err
	}
	now := was
	if err := edit(&now); err != nil {
		return was, err
	}
	if err := now.check(); err != nil {
		return was, err
	}
	if err := set(tx, a.ID, &now); err != nil {
		return was, err
	}
	entry := audit.Entry{Account: a.ID, Actor: by, Action: "policy.change", Subject: a.ID.String(), Was: told(&was), Became: told(&now)}
	return now, changed(tx, entry)
}

// stored is the policy that holds for an account as the transaction sees it: what is in memory may lack a change of a moment ago.
func stored(tx *store.Tx, a *account.Account) (Policy, error) {
	rows, err := store.First[policyRecord](tx, onePolicy, []onePolicyParams{{AccountID: a.ID}, {AccountID: a.Root()}})
	if err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	for _, row := range rows {
		if row != nil {
			return *policyOf(*row), nil
		}
	}
	return Policy{}, nil
}

// Drop takes the policy of an account away: its parent's holds again, or none. false: it had none of its own.
func (k *Keeper) Drop(tx *store.Tx, by audit.Actor, a account.ID) (bool, error) {
	dropped, err := store.Each(tx, dropPolicy, []dropPolicyParams{{AccountID: a}})
	if err != nil {
		return false, fmt.Errorf("drop policy: %w", err)
	}
	if dropped[0] == 0 {
		return false, nil
	}
	return true, changed(tx, audit.Entry{Account: a, Actor: by, Action: "policy.drop", Subject: a.String()})
}

// ServerCountries are the countries that need a registered sender whoever sends.
func (k *Keeper) ServerCountries(ctx context.Context) ([]string, error) {
	all, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(all.server), nil
}

// SetServerCountries names the countries that need a registered sender whoever sends, in place of those of before. by acts for the
// account of the operator.
func (k *Keeper) SetServerCountries(tx *store.Tx, by audit.Actor, operator account.ID, countries []string) ([]string, error) {
	was, err := k.ServerCountries(tx.Context())
	if err != nil {
		return nil, err
	}
	p := Policy{Registered: countries}
	if p.Registered, err = readCountries(countries, "countries"); err != nil {
		return nil, err
	}
	if err := set(tx, server, &p); err != nil {
		return nil, err
	}
	entry := audit.Entry{Account: operator, Actor: by, Action: "policy.countries", Was: strings.Join(was, " "), Became: strings.Join(p.Registered, " ")}
	return p.Registered, changed(tx, entry)
}

// Forget takes a person out of an account's policy: his number is not its own any more.
func (k *Keeper) Forget(tx *store.Tx, a account.ID, person message.Address) error {
	touched, err := store.Each(tx, forgetNumber, []forgetNumberParams{{AccountID: a, OwnNumber: person.String()}})
	if err != nil {
		return fmt.Errorf("forget an own number: %w", err)
	}
	if touched[0] == 0 {
		return nil
	}
	return tx.Touch(topic)
}

func set(tx *store.Tx, a account.ID, p *Policy) error {
	row := setPolicyParams{
		AccountID: a, Countries: strings.Join(p.Countries, " "), Registered: strings.Join(p.Registered, " "), OwnNumber: p.OwnNumber.String(),
		RepeatSeconds: -1, MaxParts: int64(p.MaxParts),
	}
	if p.Window != nil {
		row.RepeatSeconds = int64(*p.Window / time.Second)
	}
	if err := store.Run(tx, setPolicy, []setPolicyParams{row}); err != nil {
		return fmt.Errorf("set policy: %w", err)
	}
	return nil
}

func changed(tx *store.Tx, entry audit.Entry) error {
	if err := audit.Append(tx, entry); err != nil {
		return err
	}
	return tx.Touch(topic)
}

// check refuses a policy that makes no sense, and puts its lists in order.
func (p *Policy) check() (err error) {
	if p.Countries, err = readCountries(p.Countries, "countries"); err != nil {
		return err
	}
	if p.Registered, err = readCountries(p.Registered, "registered_countries"); err != nil {
		return err
	}
	switch {
	case p.MaxParts < 0 || p.MaxParts > mostParts:
		return fault.New(fault.InvalidField, "a message has 1 to %d parts; 0 for no limit of its own", mostParts).In("max_parts")
	case p.Window != nil && (*p.Window < 0 || *p.Window > longest || *p.Window%time.Second != 0):
		return fault.New(fault.InvalidField, "a window has whole seconds, at most %d", longest/time.Second).In("repeat_window")
	case p.OwnNumber.Kind != message.Phone && p.OwnNumber.Kind != message.NoAddr:
		return fault.New(fault.InvalidField, "the own number is a phone").In("own_number")
	}
	return nil
}

// readCountries is a list of countries in order and without repeats, or a fault.
func readCountries(list []string, field string) ([]string, error) {
	read := make([]string, len(list))
	for i, text := range list {
		var err error
		if read[i], err = readCountry(text, fmt.Sprintf("%s[%d]", field, i)); err != nil {
			return nil, err
		}
	}
	slices.Sort(read)
	return slices.Compact(read), nil
}

// readCountry is a country that a phone number can tell.
func readCountry(text, field string) (string, error) {
	country := strings.ToUpper(text)
	if !phonenumbers.GetSupportedRegions()[country] {
		return "", fault.New(fault.InvalidField, "a country is a code of ISO 3166, such as KE").In(field)
	}
	return country, nil
}

// told is a policy as the audit log shows it: whose the number is, is nobody's business there.
func told(p *Policy) string {
	shown := struct {
		Countries  []string `json:"countries,omitempty"`
		Registered []string `json:"registered_countries,omitempty"`
		OwnNumber  string   `json:"own_number,omitempty"`
		Window     string   `json:"repeat_window,omitempty"`
		MaxParts   int      `json:"max_parts,omitempty"`
	}{p.Countries, p.Registered, "", "", p.MaxParts}
	if n := p.OwnNumber.Value; n != "" {
		shown.OwnNumber = "..." + n[max(0, len(n)-2):]
	}
	if p.Window != nil {
		shown.Window = p.Window.String()
	}
	return audit.Values(shown)
}
