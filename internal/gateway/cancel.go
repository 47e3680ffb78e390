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
	err = g.Store.Write(func(tx *store.Tx) error {
		late = false
		removed, err := g.Queue.Remove(tx, []queue.Job{{ID: int64(id), Kind: sendKind, Account: c.Account.ID}})
		if err != nil {
			return err
		}
		if late = !removed[0]; late {
			return nil
		}
		g.recent.take(id)
		states, err := g.load(tx, []message.ID{id})
		if err != nil {
			return err
		}
		s := states[id]
		if s == nil {
			return fmt.Errorf("message %s has a job and no row", id)
		}
		s.void = true
		s.become(message.Cancelled, tx.Now(), event.Change{Reason: "cancelled", Attempt: int(s.row.Attempt)})
		if err := g.write(tx, []*state{s}); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Account: c.Account.ID, Actor: c.By, Action: "message.cancel", Subject: id.String()})
	})
	if err != nil {
		return m, fmt.Errorf("cancel message %s: %w", id, err)
	}
	if late {
		return m, fault.New(fault.NotCancellable, "the message is %s", m.Status)
	}
	return g.Message(ctx, c.Account.ID, id)
}
