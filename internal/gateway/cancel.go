package gateway

import (
	"context"
	"fmt"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Cancel takes a waiting message back: when it returns nil, the message never goes out, and its price is given back.
// fault.NotHere for a message that is not the caller's, fault.NotCancellable for one that does not wait any more.
func (g *Gateway) Cancel(ctx context.Context, c Caller, id message.ID) (message.Message, error) {
	m, err := g.Message(ctx, c.Account.ID, id)
	if err != nil {
		return m, err
	}
	var late bool
	err = g.Store.Write(func(tx *store.Tx) (err error) {
		late, err = g.cancel(tx, c, id)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("cancel message %s: %w", id, err)
	}
	if m, err = g.Message(ctx, c.Account.ID, id); err != nil || !late {
		return m, err
	}
	if m.Status.Waiting() {
		return m, fault.New(fault.NotCancellable, "the network may have the message, or a part of it")
	}
	return m, fault.New(fault.NotCancellable, "the message is %s", m.Status)
}

// cancel takes the message back unless it is too late: it ended, someone is sending it, or a part of it may be out.
func (g *Gateway) cancel(tx *store.Tx, c Caller, id message.ID) (late bool, err error) {
	states, err := g.load(tx, []message.ID{id})
	if err != nil {
		return false, err
	}
	s := states[id]
	if s == nil || !s.row.Status.Waiting() || s.out() {
		return true, nil
	}
	removed, err := g.takeBack(tx, s)
	if err != nil || !removed {
		return true, err
	}
	g.recent.take(id)
	s.end(message.Cancelled, tx.Now(), event.Change{Reason: "cancelled", Attempt: int(s.row.Attempt)})
	if err := g.write(tx, []*state{s}); err != nil {
		return false, err
	}
	return false, audit.Append(tx, audit.Entry{Account: c.Account.ID, Actor: c.By, Action: "message.cancel", Subject: id.String()})
}

// takeBack takes a message out of the queue, unless someone is sending it.
func (g *Gateway) takeBack(tx *store.Tx, s *state) (bool, error) {
	removed, err := g.Queue.Remove(tx, []queue.Job{{ID: int64(s.row.ID), Kind: sendKind, Account: s.row.Account}})
	if err != nil {
		return false, fmt.Errorf("take back message %s: %w", s.row.ID, err)
	}
	return removed[0], nil
}
