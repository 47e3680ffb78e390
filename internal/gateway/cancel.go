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

// cancelShare is how many messages one transaction of CancelScheduled takes back.
const cancelShare = 500

// CancelScheduled takes back the caller's messages of a kind that wait for their time and fit, and tells how many. Their prices are given
// back. A failure leaves those that were taken back before.
func (g *Gateway) CancelScheduled(ctx context.Context, c Caller, kind message.Kind, fits func(*message.Message) bool) (n int, err error) {
	f := Filter{Status: message.Scheduled, Limit: cancelShare}
	for {
		p, err := g.List(ctx, c.Account.ID, f)
		if err != nil {
			return n, err
		}
		var ids []message.ID
		for i := range p.Messages {
			if m := &p.Messages[i]; m.Kind == kind && fits(m) {
				ids = append(ids, m.ID)
			}
		}
		share := 0
		err = g.Store.Write(func(tx *store.Tx) error {
			done, err := g.cancelSome(tx, ids)
			share = len(done)
			if err != nil || len(done) == 0 {
				return err
			}
			return audit.Append(tx, audit.Entry{
				Account: c.Account.ID, Actor: c.By, Action: "message.cancel_scheduled", Subject: c.Account.ID.String(), Detail: fmt.Sprintf("%d messages", len(done)),
			})
		})
		if err != nil {
			return n, fmt.Errorf("cancel scheduled messages: %w", err)
		}
		n += share
		if f.Before = p.Next; p.Next == 0 {
			return n, nil
		}
	}
}

// cancel takes the message back unless it is too late.
func (g *Gateway) cancel(tx *store.Tx, c Caller, id message.ID) (late bool, err error) {
	done, err := g.cancelSome(tx, []message.ID{id})
	if err != nil || len(done) == 0 {
		return true, err
	}
	return false, audit.Append(tx, audit.Entry{Account: c.Account.ID, Actor: c.By, Action: "message.cancel", Subject: id.String()})
}

// cancelSome takes messages back, but for those for which it is too late: they ended, someone is sending them, or a part may be out.
func (g *Gateway) cancelSome(tx *store.Tx, ids []message.ID) (done []*state, err error) {
	states, err := g.load(tx, ids)
	if err != nil {
		return nil, err
	}
	var waiting []*state
	var jobs []queue.Job
	for _, id := range ids {
		if s := states[id]; s != nil && s.row.Status.Waiting() && !s.out() {
			waiting, jobs = append(waiting, s), append(jobs, sendJob(s))
		}
	}
	removed, err := g.Queue.Remove(tx, jobs)
	if err != nil {
		return nil, fmt.Errorf("take back messages: %w", err)
	}
	for i, s := range waiting {
		if !removed[i] {
			continue
		}
		g.recent.take(s.row.ID)
		s.end(message.Cancelled, tx.Now(), event.Change{Reason: "cancelled", Attempt: int(s.row.Attempt)})
		done = append(done, s)
	}
	return done, g.write(tx, done)
}

// sendJob is the job of a message, as Queue.Remove knows it.
func sendJob(s *state) queue.Job {
	return queue.Job{ID: int64(s.row.ID), Kind: sendKind, Account: s.row.Account}
}

// takeBack takes a message out of the queue, unless someone is sending it.
func (g *Gateway) takeBack(tx *store.Tx, s *state) (bool, error) {
	removed, err := g.Queue.Remove(tx, []queue.Job{sendJob(s)})
	if err != nil {
		return false, fmt.Errorf("take back message %s: %w", s.row.ID, err)
	}
	return removed[0], nil
}
