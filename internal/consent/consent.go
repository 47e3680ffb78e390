// Package consent keeps who does not want messages: the words people use to say so, the present state for each address, and
// the log of every choice as evidence.
package consent

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Keeper keeps opt-outs and the log of consent.
type Keeper struct {
	store    *store.Store
	log      *event.Log
	choosers *choosers
}

// New returns the keeper of the store's opt-outs. Changes are appended to log.
func New(s *store.Store, log *event.Log) *Keeper {
	return &Keeper{store: s, log: log, choosers: newChoosers(s)}
}

// Ask is whether an account may write to an address.
type Ask struct {
	Account account.ID
	Address message.Address
}

// OptedOut tells which of the addresses do not want messages. It reads in the transaction, so that a STOP committed before
// a message is accepted, or claimed, always wins.
func (k *Keeper) OptedOut(tx *store.Tx, asks []Ask) ([]bool, error) {
	out := make([]bool, len(asks))
	look, err := k.choosers.all(tx.Context())
	if err != nil {
		return nil, fmt.Errorf("look for opt-outs: %w", err)
	}
	var rows []isOutParams
	var of []int
	for i, a := range asks {
		c := look(a.Account)
		if c.any {
			rows, of = append(rows, isOutParams{AccountID: a.Account, Address: a.Address.String()}), append(of, i)
		}
		if c.erased {
			rows, of = append(rows, isOutParams{AccountID: a.Account, Address: k.Mark(a.Account, a.Address).String()}), append(of, i)
		}
	}
	found, err := store.First[int16](tx, isOut, rows)
	if err != nil {
		return nil, fmt.Errorf("look for opt-outs: %w", err)
	}
	for i, f := range found {
		out[of[i]] = out[of[i]] || f != nil && *f == 1
	}
	return out, nil
}

// Choice is what someone decided about an account's messages.
type Choice struct {
	Account account.ID
	Address message.Address
	Out     bool
	Source  string // how it came: "message", "api", "dashboard", "import"
	Word    string // what they wrote, if it came by message
	Actor   string // who recorded it, if not they themselves
	Note    string // and why
}

// Record writes choices to the log and tells which changed something. Each change is an event of its address.
// A person who opted out and was erased stays a mark.
func (k *Keeper) Record(tx *store.Tx, choices []Choice) ([]bool, error) {
	choices, err := k.asKept(tx, choices)
	if err != nil {
		return nil, err
	}
	if err := evidence(tx, choices); err != nil {
		return nil, err
	}
	if err := k.choosers.add(tx, choices); err != nil {
		return nil, err
	}
	order := make([]int, len(choices)) // by address, for the order of locks; of one address as they came
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := choices[i], choices[j]
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Address.String(), b.Address.String()))
	})
	rows := make([]chooseParams, len(choices))
	for n, i := range order {
		c := choices[i]
		rows[n] = chooseParams{AccountID: int64(c.Account), Address: c.Address.String(), At: tx.NowMilli(), Out: flag(c.Out), ID: tx.NewID()}
	}
	states, err := store.First[chooseRow](tx, choose, rows)
	if err != nil {
		return nil, fmt.Errorf("record choices: %w", err)
	}
	changed := make([]bool, len(choices))
	var events []event.Event
	for n, i := range order {
		if changed[i] = states[n] != nil; changed[i] {
			events = append(events, eventOf(choices[i], *states[n], tx.Now()))
		}
	}
	return changed, k.log.Append(tx, events)
}

// asKept is choices with the addresses that the opt-outs keep.
func (k *Keeper) asKept(tx *store.Tx, choices []Choice) ([]Choice, error) {
	asks := make([]Ask, len(choices))
	for i, c := range choices {
		asks[i] = Ask{c.Account, c.Address}
	}
	addresses, err := k.kept(tx, asks)
	if err != nil {
		return nil, err
	}
	choices = slices.Clone(choices)
	for i := range choices {
		choices[i].Address = addresses[i]
	}
	return choices, nil
}

func eventOf(c Choice, state chooseRow, at time.Time) event.Event {
	kind := event.OptedIn
	if c.Out {
		kind = event.OptedOut
	}
	change := event.Change{Address: c.Address.String(), Word: cmp.Or(c.Word, c.Source)}
	return event.Event{Subject: state.ID, Seq: int(state.Seq), Account: c.Account, Kind: kind, Change: change, At: at}
}

// evidence appends choices to the log, whether they change anything or not.
func evidence(tx *store.Tx, choices []Choice) error {
	rows := make([]addConsentParams, len(choices))
	for i, c := range choices {
		rows[i] = addConsentParams{ID: tx.NewID(), AccountID: c.Account, Address: c.Address.String(), Out: flag(c.Out), Source: c.Source, Word: c.Word, Actor: c.Actor, Note: c.Note}
	}
	if err := store.Run(tx, addConsent, rows); err != nil {
		return fmt.Errorf("log consent: %w", err)
	}
	return nil
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

// OptOut is an address that does not want messages.
type OptOut struct {
	ID      int64 // in the order in which they first opted out; the subject of their events
	Address message.Address
	At      time.Time
}

// List returns the opt-outs of an account before the given id (zero: from the newest), newest first.
func (k *Keeper) List(ctx context.Context, a account.ID, beforeID int64, page int) ([]OptOut, error) {
	rows, err := on(k.store.Reader()).OptedOutOf(ctx, optedOutOfParams{AccountID: a, Before: orNewest(beforeID), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list opt-outs: %w", err)
	}
	list := make([]OptOut, len(rows))
	for i, r := range rows {
		list[i] = shown(r)
	}
	return list, nil
}

// Entry is one choice in the log.
type Entry struct {
	Choice
	ID id.Of[Entry] // its time is when the choice was recorded
}

// Log returns the recorded choices of an account before the given one (zero: from the newest), newest first; of one address, if
// one is given.
func (k *Keeper) Log(ctx context.Context, a account.ID, of message.Address, before id.Of[Entry], page int) ([]Entry, error) {
	rows, err := k.consents(ctx, a, of, orNewest(int64(before)), int64(page))
	if err != nil {
		return nil, fmt.Errorf("list consent: %w", err)
	}
	log := make([]Entry, len(rows))
	for i, r := range rows {
		log[i] = Entry{Choice{a, message.ParseAddress(r.Address), r.Out == 1, r.Source, r.Word, r.Actor, r.Note}, id.Of[Entry](r.ID)}
	}
	return log, nil
}

func (k *Keeper) consents(ctx context.Context, a account.ID, of message.Address, before, page int64) ([]consentsOfRow, error) {
	q := on(k.store.Reader())
	if of.Value == "" {
		return q.ConsentsOf(ctx, consentsOfParams{AccountID: a, Before: before, Page: page})
	}
	of, err := k.known(ctx, a, of)
	if err != nil {
		return nil, err
	}
	rows, err := q.ConsentsOfAddress(ctx, consentsOfAddressParams{AccountID: a, Address: of.String(), Before: before, Page: page})
	all := make([]consentsOfRow, len(rows))
	for i, r := range rows {
		all[i] = consentsOfRow(r)
	}
	return all, err
}

// Of returns the opt-out of an address; false when it wants messages.
func (k *Keeper) Of(ctx context.Context, a account.ID, address message.Address) (OptOut, bool, error) {
	look, err := k.choosers.all(ctx)
	if err != nil || !look(a).any {
		return OptOut{}, false, err
	}
	if address, err = k.known(ctx, a, address); err != nil {
		return OptOut{}, false, err
	}
	r, err := on(k.store.Reader()).OptOutOf(ctx, optOutOfParams{AccountID: a, Address: address.String()})
	return found(optedOutOfRow(r), err)
}

// Subject is the subject of an address's events; 0 when it never opted out.
func (k *Keeper) Subject(ctx context.Context, a account.ID, address message.Address) (int64, error) {
	address, err := k.known(ctx, a, address)
	if err != nil {
		return 0, err
	}
	subject, err := on(k.store.Reader()).SubjectOf(ctx, subjectOfParams{AccountID: a, Address: address.String()})
	if err != nil && !store.NoRows(err) {
		return 0, fmt.Errorf("read an opt-out: %w", err)
	}
	return subject, nil
}

// Get returns one opt-out; false when there is none, or it was taken back.
func (k *Keeper) Get(ctx context.Context, a account.ID, which int64) (OptOut, bool, error) {
	r, err := on(k.store.Reader()).OptOutByID(ctx, optOutByIDParams{AccountID: a, ID: which})
	return found(optedOutOfRow(r), err)
}

func found(r optedOutOfRow, err error) (OptOut, bool, error) {
	if store.NoRows(err) {
		return OptOut{}, false, nil
	}
	if err != nil {
		return OptOut{}, false, fmt.Errorf("read an opt-out: %w", err)
	}
	return shown(r), true, nil
}

func shown(r optedOutOfRow) OptOut {
	return OptOut{r.ID, message.ParseAddress(r.Address), time.UnixMilli(r.At).UTC()}
}

func orNewest(before int64) int64 {
	if before == 0 {
		return math.MaxInt64
	}
	return before
}
