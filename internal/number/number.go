// Package number keeps who owns which address of ours on which channel: it decides whose an inbound message is, and who
// may send as whom.
package number

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all numbers.
const topic = "number"

// Number is an address of ours on a channel, with its owner. Several accounts may share one by keyword.
type Number struct {
	ID      id.Of[Number]
	Account account.ID
	Channel message.ChannelID
	Address message.Address
	Keyword string // the first word of the texts that are the owner's; empty: all that have no other
}

// Keeper keeps numbers.
type Keeper struct {
	store *store.Store
	all   *store.Cached[*register]
}

// New returns the keeper of the store's numbers.
func New(s *store.Store) *Keeper { return &Keeper{s, store.NewCached(s, topic, load)} }

// place is where a number is reached.
type place struct {
	channel message.ChannelID
	address message.Address
}

// register is all numbers in memory.
type register struct {
	list    []Number
	byPlace map[place][]Number
	ours    map[message.Address]bool
	senders []Sender
	leaves  map[leave]bool
}

func load(ctx context.Context, q store.Queryer) (*register, error) {
	rows, err := on(q).Numbers(ctx)
	if err != nil {
		return nil, err
	}
	senders, err := on(q).Senders(ctx)
	if err != nil {
		return nil, err
	}
	r := &register{byPlace: map[place][]Number{}, ours: map[message.Address]bool{}, leaves: map[leave]bool{}}
	for _, row := range rows {
		n := Number{id.Of[Number](row.ID), row.AccountID, row.ChannelID, message.ParseAddress(row.Address), row.Keyword}
		p := place{n.Channel, n.Address}
		r.ours[n.Address] = true
		r.list, r.byPlace[p] = append(r.list, n), append(r.byPlace[p], n)
	}
	for _, row := range senders {
		s := Sender{id.Of[Sender](row.ID), row.AccountID, row.ChannelID, message.ParseAddress(row.Address)}
		r.senders, r.leaves[leave{s.Account, place{s.Channel, s.Address}}] = append(r.senders, s), true
	}
	return r, nil
}

// Assign gives a number to an account, or fails with fault.AlreadyThere.
func (k *Keeper) Assign(tx *store.Tx, by audit.Actor, n Number) (Number, error) {
	var err error
	if n.Keyword, err = keyword(n.Keyword); err != nil {
		return n, err
	}
	if n.Account == 0 || n.Channel == 0 || n.Address.Value == "" {
		return n, fault.New(fault.MissingField, "a number has an account, a channel and an address")
	}
	n.ID = id.Of[Number](tx.NewID())
	row := addNumberParams{ID: int64(n.ID), AccountID: n.Account, ChannelID: n.Channel, Address: n.Address.String(), Keyword: n.Keyword}
	added, err := store.Each(tx, addNumber, []addNumberParams{row})
	if err != nil {
		return n, fmt.Errorf("assign number: %w", err)
	}
	if added[0] == 0 {
		return n, assigned(n).In("address")
	}
	return n, changed(tx, by, "number.assign", n.Account, n.ID.String(), row.Address)
}

// keyword is a keyword as it is compared, or a fault.
func keyword(text string) (string, error) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if text != firstWord(text) {
		return "", fault.New(fault.InvalidField, "a keyword is one word of letters and digits").In("keyword")
	}
	return text, nil
}

func assigned(n Number) *fault.Fault {
	return fault.New(fault.AlreadyThere, "%s is assigned on this channel", strings.TrimSpace(n.Address.Display()+" "+n.Keyword))
}

// Change gives a number another owner or keyword, or fails with fault.AlreadyThere.
func (k *Keeper) Change(tx *store.Tx, by audit.Actor, n Number) (Number, error) {
	var err error
	if n.Keyword, err = keyword(n.Keyword); err != nil {
		return n, err
	}
	touched, err := store.Each(tx, changeNumber, []changeNumberParams{{ID: int64(n.ID), AccountID: n.Account, Keyword: n.Keyword}})
	if err != nil {
		return n, fmt.Errorf("change number: %w", err)
	}
	if touched[0] == 0 {
		return n, assigned(n).In("keyword")
	}
	return n, changed(tx, by, "number.change", n.Account, n.ID.String(), strings.TrimSpace(n.Address.String()+" "+n.Keyword))
}

// Forget takes the numbers and leaves on a channel that is no more from whoever has them.
func (k *Keeper) Forget(tx *store.Tx, by audit.Actor, ch message.ChannelID) error {
	r, err := k.all.Get(tx.Context())
	if err != nil {
		return err
	}
	for _, n := range r.list {
		if n.Channel == ch {
			if err := changed(tx, by, "number.release", n.Account, n.ID.String(), n.Address.String()); err != nil {
				return err
			}
		}
	}
	if err := store.Run(tx, dropNumbersOn, []dropNumbersOnParams{{ChannelID: ch}}); err != nil {
		return fmt.Errorf("release the numbers of a channel: %w", err)
	}
	if err := store.Run(tx, dropSendersOn, []dropSendersOnParams{{ChannelID: ch}}); err != nil {
		return fmt.Errorf("withdraw the senders of a channel: %w", err)
	}
	return tx.Touch(topic)
}

// Release takes a number from its account; false when the account has no such number.
func (k *Keeper) Release(tx *store.Tx, by audit.Actor, a account.ID, number id.Of[Number]) (bool, error) {
	dropped, err := store.Each(tx, dropNumber, []dropNumberParams{{ID: int64(number), AccountID: a}})
	if err != nil {
		return false, fmt.Errorf("release number: %w", err)
	}
	if dropped[0] == 0 {
		return false, nil
	}
	return true, changed(tx, by, "number.release", a, number.String(), "")
}

func changed(tx *store.Tx, by audit.Actor, action string, a account.ID, subject, detail string) error {
	err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: action, Subject: subject, Detail: detail})
	if err != nil {
		return err
	}
	return tx.Touch(topic)
}

// Owner tells whose a text is that came to an address: the account's whose keyword is its first word, else the account's
// that has the number without one.
func (k *Keeper) Owner(ctx context.Context, ch message.ChannelID, to message.Address, text string) (account.ID, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return 0, false, err
	}
	var owner account.ID
	word := firstWord(text)
	for _, n := range r.byPlace[place{ch, to}] {
		if n.Keyword != "" && n.Keyword == word {
			return n.Account, true, nil
		}
		if n.Keyword == "" {
			owner = n.Account
		}
	}
	return owner, owner != 0, nil
}

// firstWord is the first word of a text in capitals, without the signs around it.
func firstWord(text string) string {
	sign := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) }
	text = strings.TrimLeftFunc(text, sign)
	if i := strings.IndexFunc(text, sign); i >= 0 {
		text = text[:i]
	}
	return strings.ToUpper(text)
}

// Ours tells whether an address is assigned to any account on any channel.
func (k *Keeper) Ours(ctx context.Context, a message.Address) (bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return false, err
	}
	return r.ours[a], nil
}

// All lists the numbers of all accounts, in the order in which they were assigned.
func (k *Keeper) All(ctx context.Context) ([]Number, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.list), nil
}
