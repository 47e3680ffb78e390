package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	retainJob   = 1 // the key of the one job that ends retention
	retainEvery = 10 * time.Minute
	retainPage  = 100 // messages in one transaction: others must not wait long behind it
)

// retained is how far the texts have been emptied.
type retained struct {
	Bodies message.ID `json:"bodies"`
}

// Start reads what the gateway keeps in memory and sees to it that retention has its job.
func (g *Gateway) Start(ctx context.Context) error {
	if err := g.loadEarly(ctx); err != nil {
		return err
	}
	job, _, err := g.Queue.Find(ctx, retainJob)
	if err != nil || job != nil {
		return err
	}
	return g.Store.Write(func(tx *store.Tx) error {
		return g.Queue.Add(tx, []queue.Job{{ID: retainJob, Lane: houseLane, Kind: retainKind, Priority: int(message.Bulk), Due: tx.Now()}})
	})
}

// House works the lane of jobs that are nobody's until ctx ends.
func (g *Gateway) House(ctx, hard context.Context) {
	g.Queue.Serve(ctx, hard, houseLane, 1, func(ctx context.Context, t *queue.Task) {
		t.Next = queue.Done()
		if t.Kind != retainKind {
			return // what there is to do, End does
		}
		done := retained{}
		_ = json.Unmarshal([]byte(t.Data), &done) // empty at first
		if err := g.Retain(ctx, &done.Bodies); err != nil && ctx.Err() == nil {
			g.Log.Error("cannot end retention", "err", err)
		}
		data, _ := json.Marshal(done)
		t.Next = queue.Again(g.Store.Now().Add(retainEvery), 0, string(data))
	})
}

// Retain ends what is past its retention: texts first, then whole messages, small tables, the audit log. It works in
// small transactions and rests between them. emptied is how far texts are empty already.
func (g *Gateway) Retain(ctx context.Context, emptied *message.ID) error {
	now := g.Store.Now()
	if err := g.emptyBodies(ctx, now, emptied); err != nil {
		return err
	}
	if err := g.dropMessages(ctx, now); err != nil {
		return err
	}
	if err := g.dropExpired(); err != nil {
		return err
	}
	for _, chore := range g.chores {
		if err := g.finish(ctx, chore); err != nil {
			return fmt.Errorf("end retention: %w", err)
		}
	}
	return g.Store.Shrink()
}

// Chore is one thing that retention does, a share at a time, and tells whether there is more.
type Chore func(tx *store.Tx) (more bool, err error)

// Also adds to what retention does. It must be called before House.
func (g *Gateway) Also(c Chore) { g.chores = append(g.chores, c) }

// ownChores are those of the gateway's own keepers.
func (g *Gateway) ownChores() []Chore {
	return []Chore{
		Older(g.Settings.KeepAudit, func(tx *store.Tx, before time.Time) (bool, error) { return false, audit.Drop(tx, before) }),
		Older(g.Settings.KeepLedger, g.Wallet.Fold),
		Older(g.Settings.KeepEvents, g.Events.DropOld),
	}
}

// Older is the chore of ending what is older than keep; none when keep is 0, which is for ever.
func Older(keep time.Duration, end func(tx *store.Tx, before time.Time) (more bool, err error)) Chore {
	return func(tx *store.Tx) (bool, error) {
		if keep <= 0 {
			return false, nil
		}
		return end(tx, tx.Now().Add(-keep))
	}
}

// finish does a chore to its end, and rests as long as each share took.
func (g *Gateway) finish(ctx context.Context, c Chore) error {
	for more := true; more && ctx.Err() == nil; {
		began := time.Now()
		err := g.Store.Write(func(tx *store.Tx) (err error) {
			more, err = c(tx)
			return err
		})
		if err != nil {
			return err
		}
		time.Sleep(time.Since(began))
	}
	return ctx.Err()
}

func (g *Gateway) emptyBodies(ctx context.Context, now time.Time, from *message.ID) error {
	if g.Settings.KeepBodies <= 0 {
		return nil
	}
	before := message.ID(since(now.Add(-g.Settings.KeepBodies)))
	return g.each(ctx, from, before, func(tx *store.Tx, ids []message.ID) error {
		_, err := store.Each(tx, emptyMessage, ids)
		return err
	})
}

func (g *Gateway) dropMessages(ctx context.Context, now time.Time) error {
	if g.Settings.KeepMessages <= 0 {
		return nil
	}
	before := message.ID(since(now.Add(-g.Settings.KeepMessages)))
	from := message.ID(0)
	return g.each(ctx, &from, before, func(tx *store.Tx, ids []message.ID) error {
		if _, err := store.Each(tx, dropMessage, ids); err != nil {
			return err
		}
		if _, err := store.Each(tx, dropParts, ids); err != nil {
			return err
		}
		return g.Events.Drop(tx, int64(ids[0]), int64(ids[len(ids)-1])+1)
	})
}

// each calls f for the messages from one key up to another, a page in a transaction, and rests as long as each took.
func (g *Gateway) each(ctx context.Context, from *message.ID, before message.ID, f func(*store.Tx, []message.ID) error) error {
	for ctx.Err() == nil {
		ids, err := on(g.Store.Reader()).OldMessages(ctx, oldMessagesParams{FromID: *from, Before: before, Page: retainPage})
		if err != nil {
			return fmt.Errorf("find old messages: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		began := time.Now()
		if err := g.Store.Write(func(tx *store.Tx) error { return f(tx, ids) }); err != nil {
			return fmt.Errorf("end the retention of messages: %w", err)
		}
		*from = ids[len(ids)-1] + 1
		time.Sleep(time.Since(began))
	}
	return ctx.Err()
}

// dropExpired empties the small tables of what is over.
func (g *Gateway) dropExpired() error {
	return g.Store.Write(func(tx *store.Tx) error {
		for _, stmt := range []string{dropReferences, dropIdempotency, dropOldEarly, dropOldInboundParts, dropSeen} {
			if _, err := store.Each(tx, stmt, []int64{tx.NowMilli()}); err != nil {
				return fmt.Errorf("drop what has expired: %w", err)
			}
		}
		return nil
	})
}
