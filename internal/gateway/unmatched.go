package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

const (
	youngReceipt  = time.Minute // a receipt may be ahead of its result for so long
	unmatchedPage = 200         // rows read at a time: some are other spellings of one receipt
)

// Unmatched is a receipt about nothing known.
type Unmatched struct {
	message.Receipt
	ID      id.Of[Unmatched] // its time is when the receipt came
	Expires time.Time        // until when it is kept
}

// Unmatched lists the receipts that fit no part, before the given one (zero: from the newest), newest first: those of the account's
// own channels, and of the shared ones for the operator. One that has just come is not among them: its result may be on its way.
func (g *Gateway) Unmatched(ctx context.Context, a account.Account, before id.Of[Unmatched], limit int) (list []Unmatched, err error) {
	young := id.At[Unmatched](g.Store.Now().Add(-youngReceipt))
	if before == 0 || before > young {
		before = young
	}
	all, err := g.Connections.All(ctx)
	if err != nil {
		return nil, err
	}
	for _, ch := range all {
		if ch.Account != a.ID && (ch.Account != 0 || !a.Operator) {
			continue
		}
		of, err := g.unmatchedOf(ctx, ch.ID, int64(before), limit)
		if err != nil {
			return nil, fmt.Errorf("list receipts about nothing known: %w", err)
		}
		list = append(list, of...)
	}
	slices.SortFunc(list, func(a, b Unmatched) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(limit, len(list))], nil
}

// unmatchedOf lists those of one channel, each once: its other spellings have rows, too.
func (g *Gateway) unmatchedOf(ctx context.Context, ch message.ChannelID, before int64, limit int) (list []Unmatched, err error) {
	for {
		rows, err := on(g.Store.Reader()).EarlyOfChannel(ctx, earlyOfChannelParams{ChannelID: ch, Before: before, Page: unmatchedPage})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			before = r.ID
			u := Unmatched{ID: id.Of[Unmatched](r.ID), Expires: moment(r.ExpiresAt)}
			if err := json.Unmarshal([]byte(r.Receipt), &u.Receipt); err != nil {
				return nil, fmt.Errorf("read an early receipt: %w", err)
			}
			if r.RemoteID != u.RemoteID {
				continue
			}
			if list = append(list, u); len(list) == limit {
				return list, nil
			}
		}
		if len(rows) < unmatchedPage {
			return list, nil
		}
	}
}
