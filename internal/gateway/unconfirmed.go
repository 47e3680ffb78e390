package gateway

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	receiptWait     = 24 * time.Hour // after a message's validity, its receipt is not waited for any more
	unconfirmedPage = 1000           // messages looked at in one reading
)

// noReceipt is the reason of a message that a network took and never told of.
const noReceipt = "no_receipt"

// watch sees to it that messages of which no receipt comes are told of. Each message is looked at once, a day after it was accepted:
// few are then without a receipt, and only those cost a job. seen is how far that has come.
func (g *Gateway) watch(ctx context.Context, seen *message.ID) error {
	until := message.ID(since(g.Store.Now().Add(-receiptWait)))
	if *seen == 0 {
		*seen = until // what was accepted before this server knew of such messages stays as it is
	}
	for ctx.Err() == nil {
		rows, err := on(g.Store.Reader()).OldMessages(ctx, oldMessagesParams{FromID: *seen, Before: until, Page: unconfirmedPage})
		if err != nil {
			return fmt.Errorf("look for messages without a receipt: %w", err)
		}
		if err := g.awaitReceipts(ctx, rows); err != nil {
			return err
		}
		if len(rows) < unconfirmedPage {
			*seen = until
			return nil
		}
		*seen = rows[len(rows)-1].ID + 1
	}
	return ctx.Err()
}

// awaitReceipts adds a job for the end of the wait of each message that may need it. Where no receipts are asked for, none is missing.
func (g *Gateway) awaitReceipts(ctx context.Context, rows []oldMessagesRow) error {
	var late []oldMessagesRow
	tells := map[message.ChannelID]bool{}
	for _, r := range rows {
		if s := message.Status(r.Status); s > message.Sent {
			continue
		}
		if _, asked := tells[r.ChannelID]; !asked {
			ch, ok, err := g.Connections.Get(ctx, r.ChannelID)
			if err != nil {
				return err
			}
			tells[r.ChannelID] = ok && g.drivers[ch.Driver].Tells(ch.Settings)
		}
		if tells[r.ChannelID] {
			late = append(late, r)
		}
	}
	if len(late) == 0 {
		return nil
	}
	return g.Store.Write(func(tx *store.Tx) error {
		jobs := make([]queue.Job, len(late))
		for i, r := range late {
			jobs[i] = queue.Job{
				ID: tx.NewID(), Lane: houseLane, Kind: receiptKind, Subject: int64(r.ID), Account: r.AccountID, Priority: int(message.Bulk),
				Due: moment(r.ValidUntil).Add(receiptWait),
			}
		}
		return g.Queue.Add(tx, jobs)
	})
}

// endReceiptWait tells of messages that a network took and never told of. They stay sent; a receipt that comes later is true.
func (g *Gateway) endReceiptWait(tx *store.Tx, tasks []*queue.Task) error {
	states, err := g.loadSubjects(tx, tasks)
	if err != nil {
		return err
	}
	var list []*state
	for _, s := range states {
		if s.row.Status != message.Sent || s.row.Reason == noReceipt {
			continue
		}
		s.row.Reason = noReceipt
		s.happen(event.Unconfirmed, tx.Now(), event.Change{Reason: noReceipt, Attempt: int(s.row.Attempt)})
		list = append(list, s)
	}
	return g.write(tx, list)
}
