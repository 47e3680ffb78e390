package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Person is someone to erase from an account: what was accepted before the given message, and Mark is what stands in its place.
type Person struct {
	Account account.ID
	Address message.Address
	Mark    message.Address
	Before  message.ID
}

// Erased is a share of an erasure.
type Erased struct {
	Messages  []int64    // that hold nothing of the person any more
	Cancelled int        // of those, the ones that had not gone out
	Busy      bool       // some are just being sent, and left for later
	Next      message.ID // the next share comes after it; 0: this was the last
}

const erasePage = 50

// EraseMessages takes a person out of some messages after the given one, in the transaction. Those that wait are cancelled; those that
// someone is sending are left.
func (g *Gateway) EraseMessages(tx *store.Tx, p Person, after message.ID) (done Erased, err error) {
	rows, err := g.messagesOf(tx, p, after)
	if err != nil {
		return done, err
	}
	if len(rows) >= erasePage {
		done.Next = rows[len(rows)-1].ID
	}
	var erase []eraseMessageParams
	var refs []dropReferenceParams
	var contents []string
	var ids []message.ID
	for _, r := range rows {
		if message.Status(r.Status).Waiting() {
			cancelled, err := g.eraseWaiting(tx, r.ID)
			if err != nil {
				return done, err
			}
			if !cancelled {
				done.Busy = true
				continue
			}
			done.Cancelled++
		}
		g.recent.take(r.ID)
		erase = append(erase, eraseMessageParams{Recipient: p.instead(r.Recipient), Sender: p.instead(r.Sender), ID: r.ID})
		done.Messages, ids, contents = append(done.Messages, int64(r.ID)), append(ids, r.ID), append(contents, r.Content)
		if r.Reference != "" {
			refs = append(refs, dropReferenceParams{AccountID: r.AccountID, Reference: r.Reference, MessageID: r.ID})
		}
	}
	if err := g.ShortLinks.DropIn(tx, ids); err != nil {
		return done, err
	}
	if err := g.releaseFiles(tx, p.Account, contents); err != nil {
		return done, err
	}
	if err := store.Run(tx, dropReference, refs); err != nil {
		return done, fmt.Errorf("erase references: %w", err)
	}
	if err := store.Run(tx, eraseMessage, erase); err != nil {
		return done, fmt.Errorf("erase messages: %w", err)
	}
	return done, nil
}

// messagesOf reads messages to and from the person: of both together, so many that none is left out before the last.
func (g *Gateway) messagesOf(tx *store.Tx, p Person, after message.ID) ([]messageRecord, error) {
	to, err := store.Find[messageRecord](tx, nextTo, []nextToParams{{Recipient: p.Address.String(), AccountID: p.Account, After: int64(after), Before: p.Before, Page: erasePage}})
	if err != nil {
		return nil, fmt.Errorf("list messages to a person: %w", err)
	}
	from, err := store.Find[messageRecord](tx, nextFrom, []nextFromParams{{Sender: p.Address.String(), AccountID: p.Account, After: after, Before: p.Before, Page: erasePage}})
	if err != nil {
		return nil, fmt.Errorf("list messages from a person: %w", err)
	}
	rows := make([]messageRecord, 0, len(to)+len(from))
	for _, r := range append(to, from...) {
		rows = append(rows, r.Row)
	}
	return inOrder(rows, erasePage), nil
}

func (p Person) instead(address string) string {
	if address == p.Address.String() {
		return p.Mark.String()
	}
	return address
}

// eraseWaiting ends a message that waits, unless someone is sending it.
func (g *Gateway) eraseWaiting(tx *store.Tx, id message.ID) (bool, error) {
	states, err := g.load(tx, []message.ID{id})
	if err != nil {
		return false, err
	}
	s := states[id]
	removed, err := g.takeBack(tx, s)
	if err != nil || !removed {
		return false, err
	}
	s.end(message.Cancelled, tx.Now(), event.Change{Reason: "erased", Attempt: int(s.row.Attempt)})
	return true, g.write(tx, []*state{s})
}

// EraseTraces takes a person out of what is kept beside messages: the account's policy, parts of texts that wait for others, receipts
// that nothing is known of, and remembered answers.
func (g *Gateway) EraseTraces(ctx context.Context, p Person) error {
	if err := g.Store.Write(func(tx *store.Tx) error { return g.Policies.Forget(tx, p.Account, p.Address) }); err != nil {
		return err
	}
	if err := g.eraseArrivals(ctx, p); err != nil {
		return err
	}
	if err := g.eraseCalls(ctx, p); err != nil {
		return err
	}
	return g.eraseAnswers(ctx, p)
}

// eraseCalls takes a person out of what was told of his calls, and forgets whether he has an account of a network.
func (g *Gateway) eraseCalls(ctx context.Context, p Person) error {
	channels, err := g.Connections.All(ctx)
	if err != nil {
		return err
	}
	for _, c := range channels {
		if c.Account != p.Account || !g.Links(c) {
			continue
		}
		err := g.Store.Write(func(tx *store.Tx) error {
			if err := g.Connections.ForgetNumber(tx, c.ID, p.Address); err != nil {
				return err
			}
			return g.Events.Rewrite(tx, p.Account, int64(c.ID), func(change *event.Change) {
				var call event.Call
				if json.Unmarshal(change.Facts, &call) == nil && call.From == p.Address.String() {
					call.From, call.FromName = p.Mark.String(), ""
					change.Facts, _ = json.Marshal(call) // it holds nothing that cannot be encoded
				}
			})
		})
		if err != nil {
			return fmt.Errorf("erase calls: %w", err)
		}
	}
	return nil
}

// eraseArrivals drops what came from a person, or about him, by the account's channels and to its numbers.
func (g *Gateway) eraseArrivals(ctx context.Context, p Person) error {
	channels, err := g.Connections.All(ctx)
	if err != nil {
		return err
	}
	numbers, err := g.Numbers.All(ctx)
	if err != nil {
		return err
	}
	var parts []dropPartsFromParams
	for _, n := range numbers {
		if n.Account == p.Account {
			parts = append(parts, dropPartsFromParams{ChannelID: n.Channel, Sender: p.Address.String(), Recipient: n.Address.String()})
		}
	}
	for _, c := range channels {
		if c.Account != p.Account {
			continue
		}
		parts = append(parts, dropPartsFromParams{ChannelID: c.ID, Sender: p.Address.String(), AnyRecipient: 1})
		if err := g.eraseEarly(ctx, c.ID, p); err != nil {
			return err
		}
	}
	return g.Store.Write(func(tx *store.Tx) error {
		if err := store.Run(tx, dropPartsFrom, parts); err != nil {
			return fmt.Errorf("erase parts of texts: %w", err)
		}
		return nil
	})
}

// eraseEarly drops the receipts of a channel that name the person and belong to no message yet.
func (g *Gateway) eraseEarly(ctx context.Context, ch message.ChannelID, p Person) error {
	for before := int64(math.MaxInt64); ; {
		rows, err := on(g.Store.Reader()).EarlyOfChannel(ctx, earlyOfChannelParams{ChannelID: ch, Before: before, Page: retainPage})
		if err != nil {
			return fmt.Errorf("list early receipts: %w", err)
		}
		var drop []dropEarlyParams
		for _, r := range rows {
			if before = r.ID; p.named(r.Receipt) {
				drop = append(drop, dropEarlyParams{ChannelID: ch, RemoteID: r.RemoteID, Receipt: r.Receipt})
			}
		}
		err = g.Store.Write(func(tx *store.Tx) error { return store.Run(tx, dropEarly, drop) })
		if err != nil || len(rows) < retainPage {
			return err
		}
	}
}

// named reports whether a text has the person's number in it, with or without its plus.
func (p Person) named(text string) bool {
	return strings.Contains(text, strings.TrimPrefix(p.Address.Value, "+"))
}

// eraseAnswers empties remembered answers that name the person: a repeat of such a request still does nothing. A key that has the
// number in itself goes.
func (g *Gateway) eraseAnswers(ctx context.Context, p Person) error {
	at := nextKeysParams{AccountID: p.Account, Page: retainPage}
	for {
		rows, err := on(g.Store.Reader()).NextKeys(ctx, at)
		if err != nil {
			return fmt.Errorf("list idempotency keys: %w", err)
		}
		var drop []dropKeyParams
		var set []setOutcomeParams
		for _, r := range rows {
			at.Scope, at.Key = r.Scope, r.Key
			switch {
			case p.named(r.Key):
				drop = append(drop, dropKeyParams{AccountID: p.Account, Scope: r.Scope, Key: r.Key})
			case p.named(r.Outcome):
				set = append(set, setOutcomeParams{Outcome: p.without(r.Outcome), AccountID: p.Account, Scope: r.Scope, Key: r.Key})
			}
		}
		err = g.Store.Write(func(tx *store.Tx) error {
			if err := store.Run(tx, dropKey, drop); err != nil {
				return err
			}
			return store.Run(tx, setOutcome, set)
		})
		if err != nil {
			return fmt.Errorf("erase remembered answers: %w", err)
		}
		if len(rows) < retainPage {
			return nil
		}
	}
}

// without is an answer that names nobody: one that has a body loses it, and one of messages has only faults and ids.
func (p Person) without(text string) string {
	var o Outcome
	if json.Unmarshal([]byte(text), &o) == nil {
		o.Body = ""
		text = encode(o)
	}
	return strings.ReplaceAll(text, strings.TrimPrefix(p.Address.Value, "+"), p.Mark.Value)
}

// isErased reports whether an address is but the mark of a person: nothing more goes there.
func isErased(recipient string) bool { return message.ParseAddress(recipient).Kind == message.Erased }
