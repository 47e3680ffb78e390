package number

import (
	"context"
	"fmt"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Sender is leave for an account to send as an address on a channel. What comes to the address is nobody's by that.
type Sender struct {
	ID      id.Of[Sender]
	Account account.ID
	Channel message.ChannelID
	Address message.Address
}

// leave is who may send as whom.
type leave struct {
	account account.ID
	place   place
}

// Register gives leave to send, or fails with fault.AlreadyThere.
func (k *Keeper) Register(tx *store.Tx, by audit.Actor, s Sender) (Sender, error) {
	if s.Account == 0 || s.Channel == 0 || s.Address.Value == "" {
		return s, fault.New(fault.MissingField, "a sender has an account, a channel and an address")
	}
	s.ID = id.Of[Sender](tx.NewID())
	row := addSenderParams{ID: int64(s.ID), AccountID: s.Account, ChannelID: s.Channel, Address: s.Address.String()}
	added, err := store.Each(tx, addSender, []addSenderParams{row})
	if err != nil {
		return s, fmt.Errorf("register sender: %w", err)
	}
	if added[0] == 0 {
		return s, fault.New(fault.AlreadyThere, "the account may send as %s on this channel already", s.Address.Display()).In("address")
	}
	return s, changed(tx, by, "sender.register", s.Account, s.ID.String(), row.Address)
}

// Withdraw takes leave to send back.
func (k *Keeper) Withdraw(tx *store.Tx, by audit.Actor, s Sender) error {
	dropped, err := store.Each(tx, dropSender, []dropSenderParams{{ID: int64(s.ID)}})
	if err != nil {
		return fmt.Errorf("withdraw sender: %w", err)
	}
	if dropped[0] == 0 {
		return fault.New(fault.NotHere, "there is no sender %s", s.ID)
	}
	return changed(tx, by, "sender.withdraw", s.Account, s.ID.String(), s.Address.String())
}

// Senders lists who may send as whom, in the order in which leave was given.
func (k *Keeper) Senders(ctx context.Context) ([]Sender, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.senders), nil
}

// Rule is what counts beside numbers and leaves.
type Rule struct {
	Registered bool            // nobody else may
	Own        message.Address // the channel's own sender, which all who use it may name
}

// MaySend tells whether an account may send as an address on a channel. Its own numbers and what it was given leave for it
// always may; what is assigned to others only it never may; the rest follows the rule.
func (k *Keeper) MaySend(ctx context.Context, a account.ID, ch message.ChannelID, from message.Address, rule Rule) (bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return false, err
	}
	at := place{ch, from}
	owners := r.byPlace[at]
	switch {
	case slices.ContainsFunc(owners, func(n Number) bool { return n.Account == a }), r.leaves[leave{a, at}], from == rule.Own:
		return true, nil
	default:
		return len(owners) == 0 && !rule.Registered, nil
	}
}
