package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	retainJob   = 1 // the key of the one job that ends retention
	retainEvery = 10 * time.Minute
	retainPage  = 200       // messages in one transaction: many of them share the pages of the indexes
	retainRest  = 3         // times as long as that took, others are left alone
	retainSlack = time.Hour // after a message's validity, for what is decided at its end

	houseWorkers = 2 // retention may be long at work, and others must not wait behind it
)

// retained is how far the texts have been emptied, and messages without a receipt looked for.
type retained struct {
	Bodies  message.ID `json:"bodies"`
	Watched message.ID `json:"watched"`
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

// House works the lane of jobs that are nobody's, and moves messages from channels that are down, until ctx ends.
func (g *Gateway) House(ctx, hard context.Context) {
	var watch sync.WaitGroup
	watch.Go(func() { g.failOver(ctx) })
	defer watch.Wait()
	g.Queue.Work(ctx, hard, houseLane, houseWorkers, nil, func(hard context.Context, t *queue.Task) {
		switch t.Kind {
		case retainKind:
			t.Next = g.retain(ctx, t)
		case replyKind:
			t.Next = g.reply(hard, t)
		default:
			t.Next = queue.Done() // what there is to do, End does
		}
	})
}

// retain is one round of retention, and of looking for messages without a receipt.
func (g *Gateway) retain(ctx context.Context, t *queue.Task) queue.Next {
	done := retained{}
	_ = json.Unmarshal([]byte(t.Data), &done) // empty at first
	if err := g.watch(ctx, &done.Watched); err != nil && ctx.Err() == nil {
		g.Log.Error("cannot look for messages without a receipt", "err", err)
	}
	if err := g.Retain(ctx, &done.Bodies); err != nil && ctx.Err() == nil {
		g.Log.Error("cannot end retention", "err", err)
	}
	return queue.Again(g.Store.Now().Add(retainEvery), 0, encode(done))
}

// Retain ends what is past its retention: texts first, then whole messages, small tables, the audit log. Last it gives back the space. It works in
// small transactions and rests between them. What fails keeps nothing else from being done. emptied is how far texts are empty already.
func (g *Gateway) Retain(ctx context.Context, emptied *message.ID) error {
	now := g.Store.Now()
	wrong := []error{g.makePieces(ctx), g.emptyBodies(ctx, now, emptied), g.dropMessages(ctx, now)}
	for _, chore := range slices.Concat([]Chore{g.dropRecipients}, g.chores, []Chore{(*store.Tx).Shrink}) {
		if err := g.finish(ctx, chore); err != nil {
			wrong = append(wrong, fmt.Errorf("end retention: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(wrong...)
}

// Chore is one thing that retention does, a share at a time, and tells whether there is more.
type Chore func(tx *store.Tx) (more bool, err error)

// Also adds to what retention does. It must be called before House.
func (g *Gateway) Also(c Chore) { g.chores = append(g.chores, c) }

// ownChores are those of the gateway's own keepers.
func (g *Gateway) ownChores() []Chore {
	return []Chore{
		expired(dropReferences), expired(dropIdempotency), expired(dropOldInboundParts), expired(dropSeen), expired(dropDoubts), g.dropOldEarly,
		policy.DropSent,
		Older(g.Settings.KeepAudit, audit.Drop),
		Older(g.Settings.KeepLedger, g.Wallet.Fold),
		Older(g.Settings.KeepEvents, g.Events.DropOld),
		Older(g.Settings.KeepMessages, g.ShortLinks.DropOld),
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

// expired is the chore of emptying a small table of what is over.
func expired(stmt string) Chore {
	return func(tx *store.Tx) (bool, error) {
		n, err := store.Each(tx, stmt, []int64{tx.NowMilli()})
		if err != nil {
			return false, fmt.Errorf("drop what has expired: %w", err)
		}
		return n[0] > 0, nil
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
	page := oldMessagesParams{Before: message.ID(since(now.Add(-g.Settings.KeepBodies))), Page: retainPage}
	return g.each(ctx, from, func() ([]oldMessagesRow, error) {
		page.FromID = *from
		return on(g.Store.Reader()).OldMessages(ctx, page)
	}, g.emptyPage)
}

// emptyPage empties texts. One that still waits is emptied when its validity is over.
func (g *Gateway) emptyPage(tx *store.Tx, rows []oldMessagesRow) error {
	var ended []message.ID
	var later []queue.Job
	for _, r := range rows {
		if !message.Status(r.Status).Waiting() {
			ended = append(ended, r.ID)
			continue
		}
		due := moment(r.ValidUntil).Add(retainSlack)
		later = append(later, queue.Job{ID: tx.NewID(), Lane: houseLane, Kind: emptyKind, Subject: int64(r.ID), Priority: int(message.Bulk), Due: due})
	}
	if err := store.Run(tx, emptyMessage, ended); err != nil {
		return err
	}
	return g.Queue.Add(tx, later)
}

func emptyTexts(tx *store.Tx, tasks []*queue.Task) error {
	ids := make([]int64, len(tasks))
	for i, t := range tasks {
		ids[i] = t.Subject
	}
	if err := store.Run(tx, emptyMessage, ids); err != nil {
		return fmt.Errorf("empty texts: %w", err)
	}
	return nil
}

func (g *Gateway) dropMessages(ctx context.Context, now time.Time) error {
	if g.Settings.KeepMessages <= 0 {
		return nil
	}
	if err := g.dropPieces(ctx, now); err != nil {
		return err
	}
	from, over := message.ID(0), g.over(now)
	page := oldMessagesParams{Before: message.ID(since(now.Add(-g.Settings.KeepMessages))), Page: retainPage}
	return g.each(ctx, &from, func() ([]oldMessagesRow, error) {
		page.FromID = from
		return on(g.Store.Reader()).OldMessages(ctx, page)
	}, func(tx *store.Tx, rows []oldMessagesRow) error { return g.dropPage(tx, rows, over) })
}

// pieceBits are those of a key below the piece of the index of recipients that it is in: six days.
const pieceBits = 51

// dropRecipients takes entries out of the index of recipients, in its order, once all messages of a piece are past their retention. Those of
// messages that are kept longer stay.
func (g *Gateway) dropRecipients(tx *store.Tx) (more bool, err error) {
	if g.Settings.KeepMessages <= 0 {
		return false, nil
	}
	end := since(tx.Now().Add(-g.Settings.KeepMessages)) >> pieceBits
	pieces, err := store.Find[int64](tx, oldPieces, []int64{end})
	if err != nil || len(pieces) == 0 {
		return false, err
	}
	for _, p := range pieces {
		n, err := store.Each(tx, dropRecipients, []int64{p.Row})
		if err != nil || n[0] > 0 {
			return true, err
		}
	}
	return false, store.Run(tx, dropPieces, []int64{end})
}

// over is when the validity of a message must have ended that is deleted: a scheduled one is kept after its time.
func (g *Gateway) over(now time.Time) int64 {
	return now.Add(-max(retainSlack, g.Settings.KeepMessages-maxValidity)).UnixMilli()
}

// dropPage deletes what may go of messages that follow one another.
func (g *Gateway) dropPage(tx *store.Tx, rows []oldMessagesRow, over int64) error {
	spans := ending(rows, over)
	messages, parts := make([]dropMessagesParams, len(spans)), make([]dropPartsParams, len(spans))
	for i, s := range spans {
		messages[i] = dropMessagesParams{First: message.ID(s.First), Last: message.ID(s.Last), Over: over}
		parts[i] = dropPartsParams{First: message.ID(s.First), Last: message.ID(s.Last)}
	}
	if err := store.Run(tx, dropMessages, messages); err != nil {
		return err
	}
	if err := store.Run(tx, dropParts, parts); err != nil {
		return err
	}
	return g.Events.Drop(tx, spans)
}

// ending are the spans between those that stay: one statement for many rows costs much less than one for each.
func ending(rows []oldMessagesRow, over int64) (spans []event.Span) {
	open := false
	for _, r := range rows {
		ends := message.Status(r.Status) >= message.Unknown && r.ValidUntil < over
		switch {
		case ends && open:
			spans[len(spans)-1].Last = int64(r.ID)
		case ends:
			spans = append(spans, event.Span{First: int64(r.ID), Last: int64(r.ID)})
		}
		open = ends
	}
	return spans
}

// each ends the retention of messages from one key on, a page in a transaction, and rests after each.
func (g *Gateway) each(ctx context.Context, from *message.ID, read func() ([]oldMessagesRow, error), end func(*store.Tx, []oldMessagesRow) error) error {
	for ctx.Err() == nil {
		rows, err := read()
		if err != nil {
			return fmt.Errorf("find old messages: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		began := time.Now()
		if err := g.Store.Write(func(tx *store.Tx) error { return end(tx, rows) }); err != nil {
			return fmt.Errorf("end the retention of messages: %w", err)
		}
		*from = rows[len(rows)-1].ID + 1
		time.Sleep(retainRest * time.Since(began))
	}
	return ctx.Err()
}
