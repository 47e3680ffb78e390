package policy

import (
	"context"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	mostRegistrations = 1000 // of an account
	longestReason     = 200
)

// State says what became of a registration.
type State int

// The states. The numbers are stored.
const (
	Requested State = 1
	Approved  State = 2
	Refused   State = 3
)

// States names the states in the words of the native API.
var States = map[string]State{"requested": Requested, "approved": Approved, "refused": Refused}

// String is the state in the words of the native API.
func (s State) String() string {
	for name, state := range States {
		if state == s {
			return name
		}
	}
	return ""
}

// RegistrationID is the key of a registration.
type RegistrationID = id.Of[Registration]

// Registration is a sender that an account asks to use in a country.
type Registration struct {
	ID      RegistrationID
	Account account.ID
	Country string
	Sender  message.Address
	State   State
	Reason  string // why it was refused
	Decided time.Time
}

func shown(row registrationRecord) Registration {
	r := Registration{
		ID: RegistrationID(row.ID), Account: row.AccountID, Country: row.Country, Sender: message.ParseAddress(row.Sender), State: State(row.State), Reason: row.Reason,
	}
	if row.DecidedAt > 0 {
		r.Decided = time.UnixMilli(row.DecidedAt).UTC()
	}
	return r
}

// Request asks for a sender, also once more for one that was refused, or fails with fault.AlreadyThere.
func (k *Keeper) Request(tx *store.Tx, by audit.Actor, a account.ID, country string, sender message.Address) (r Registration, err error) {
	r = Registration{Account: a, Sender: sender, State: Requested}
	if r.Country, err = readCountry(country, "country"); err != nil {
		return r, err
	}
	if sender.Value == "" {
		return r, fault.New(fault.MissingField, "a registration has a sender").In("sender")
	}
	if err := room(tx, a); err != nil {
		return r, err
	}
	asked, err := store.First[int64](tx, askRegistration, []askRegistrationParams{{ID: tx.NewID(), AccountID: a, Country: r.Country, Sender: sender.String()}})
	if err != nil {
		return r, fmt.Errorf("request registration: %w", err)
	}
	if asked[0] == nil {
		return r, already(tx, r)
	}
	r.ID = RegistrationID(*asked[0])
	return r, changed(tx, r.entry(by, "registration.request"))
}

// room refuses one registration too many.
func room(tx *store.Tx, a account.ID) error {
	have, err := store.First[int64](tx, countRegistrations, []countRegistrationsParams{{AccountID: a}})
	if err != nil {
		return fmt.Errorf("count registrations: %w", err)
	}
	if *have[0] >= mostRegistrations {
		return fault.New(fault.TooManyItems, "an account has at most %d registrations", mostRegistrations)
	}
	return nil
}

// already is the fault of asking for what stands.
func already(tx *store.Tx, r Registration) error {
	rows, err := store.First[int64](tx, registrationOf, []registrationOfParams{{AccountID: r.Account, Country: r.Country, Sender: r.Sender.String()}})
	if err != nil {
		return fmt.Errorf("look for a registration: %w", err)
	}
	f := fault.New(fault.AlreadyThere, "%s is registered or asked for in %s already", r.Sender.Display(), r.Country).In("sender")
	if rows[0] != nil {
		f.Existing = RegistrationID(*rows[0]).String()
	}
	return f
}

// Decide approves a registration, or refuses it for a reason; what was decided before counts no more.
func (k *Keeper) Decide(tx *store.Tx, by audit.Actor, which RegistrationID, state State, reason string) (r Registration, err error) {
	switch {
	case state == Refused && reason == "":
		return r, fault.New(fault.MissingField, "a registration is refused for a reason").In("reason")
	case utf8.RuneCountInString(reason) > longestReason:
		return r, fault.New(fault.InvalidField, "a reason has at most %d characters", longestReason).In("reason")
	}
	row := decideRegistrationParams{State: int16(state), Reason: reason, DecidedAt: tx.NowMilli(), ID: int64(which)}
	touched, err := store.Each(tx, decideRegistration, []decideRegistrationParams{row})
	if err != nil {
		return r, fmt.Errorf("decide registration: %w", err)
	}
	if touched[0] == 0 {
		return r, noRegistration(which)
	}
	rows, err := store.First[registrationRecord](tx, oneRegistration, []oneRegistrationParams{{ID: int64(which)}})
	if err != nil {
		return r, fmt.Errorf("read registration: %w", err)
	}
	r = shown(*rows[0])
	action := "registration.approve"
	if state == Refused {
		action = "registration.refuse"
	}
	return r, changed(tx, r.entry(by, action))
}

// Withdraw deletes a registration: its sender is not approved any more.
func (k *Keeper) Withdraw(tx *store.Tx, by audit.Actor, r Registration) error {
	dropped, err := store.Each(tx, dropRegistration, []dropRegistrationParams{{ID: int64(r.ID)}})
	if err != nil {
		return fmt.Errorf("withdraw registration: %w", err)
	}
	if dropped[0] == 0 {
		return noRegistration(r.ID)
	}
	return changed(tx, r.entry(by, "registration.withdraw"))
}

func (r *Registration) entry(by audit.Actor, action string) audit.Entry {
	return audit.Entry{Account: r.Account, Actor: by, Action: action, Subject: r.ID.String(), Detail: r.Country + " " + r.Sender.String(), Became: r.Reason}
}

func noRegistration(which RegistrationID) *fault.Fault {
	return fault.New(fault.NotHere, "there is no registration %s", which)
}

// Registration returns one registration; false when there is none.
func (k *Keeper) Registration(ctx context.Context, which RegistrationID) (Registration, bool, error) {
	row, err := on(k.store.Reader()).OneRegistration(ctx, oneRegistrationParams{ID: int64(which)})
	if store.NoRows(err) {
		return Registration{}, false, nil
	}
	if err != nil {
		return Registration{}, false, fmt.Errorf("read registration: %w", err)
	}
	return shown(row), true, nil
}

// Ask is whose registrations are listed.
type Ask struct {
	Account account.ID     // zero: of all accounts
	State   State          // zero: of any
	Before  RegistrationID // zero: from the newest
	Page    int
}

// Registrations lists registrations, newest first.
func (k *Keeper) Registrations(ctx context.Context, a Ask) ([]Registration, error) {
	rows, err := k.registrations(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("list registrations: %w", err)
	}
	list := make([]Registration, len(rows))
	for i, r := range rows {
		list[i] = shown(r)
	}
	return list, nil
}

func (k *Keeper) registrations(ctx context.Context, a Ask) ([]registrationRecord, error) {
	q, before, page := on(k.store.Reader()), int64(a.Before), int64(a.Page)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case a.Account != 0 && a.State != 0:
		return q.RegistrationsOfIn(ctx, registrationsOfInParams{AccountID: a.Account, State: int16(a.State), Before: before, Page: page})
	case a.Account != 0:
		return q.RegistrationsOf(ctx, registrationsOfParams{AccountID: a.Account, Before: before, Page: page})
	case a.State != 0:
		return q.RegistrationsIn(ctx, registrationsInParams{State: int16(a.State), Before: before, Page: page})
	default:
		return q.Registrations(ctx, registrationsParams{Before: before, Page: page})
	}
}
