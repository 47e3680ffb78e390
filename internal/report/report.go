// Package report keeps what accounts did: counters by day and channel, written in the transactions of what they count, so that
// nobody ever has to go through the messages.
package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Counts are how often what happened, and what was charged for it.
type Counts struct {
	Accepted  int64
	Parts     int64 // of what was accepted
	Sent      int64
	Delivered int64
	Failed    int64
	Unknown   int64
	Inbound   int64
	Charged   int64 // micro-units of the account's currency
}

// Plus is the sum of two.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		c.Accepted + d.Accepted, c.Parts + d.Parts, c.Sent + d.Sent, c.Delivered + d.Delivered, c.Failed + d.Failed, c.Unknown + d.Unknown,
		c.Inbound + d.Inbound, c.Charged + d.Charged,
	}
}

// Day is a day of UTC, counted from 1 January 1970.
type Day int64

// DayOf is the day of a moment.
func DayOf(t time.Time) Day { return Day(t.UnixMilli() / (24 * time.Hour).Milliseconds()) }

// Begin is when the day begins.
func (d Day) Begin() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// String shows the day as 2027-01-31.
func (d Day) String() string { return d.Begin().Format(time.DateOnly) }

// Usage is what an account did over a channel on a day.
type Usage struct {
	Account account.ID
	Day     Day
	Channel message.ChannelID
	Kind    message.Kind
	Counts
}

// Add counts what happens in the transaction: one row for each account and channel, whatever the number.
func Add(tx *store.Tx, news []Usage) error {
	today := int64(DayOf(tx.Now()))
	type place struct {
		account account.ID
		channel message.ChannelID
	}
	sums := map[place]Usage{}
	for _, u := range news {
		if u.Counts == (Counts{}) {
			continue
		}
		at := place{u.Account, u.Channel}
		u.Counts = u.Plus(sums[at].Counts)
		sums[at] = u
	}
	rows := make([]addUsageParams, 0, len(sums))
	for _, u := range sums {
		rows = append(rows, addUsageParams{
			AccountID: u.Account, Day: today, ChannelID: u.Channel, Kind: string(u.Kind), Accepted: u.Accepted, Parts: u.Parts, Sent: u.Sent,
			Delivered: u.Delivered, Failed: u.Failed, Unknown: u.Unknown, Inbound: u.Inbound, Charged: u.Charged,
		})
	}
	slices.SortFunc(rows, func(a, b addUsageParams) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.ChannelID, b.ChannelID))
	})
	if err := store.Run(tx, addUsage, rows); err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	return nil
}

// Of is what an account did from one day to another, both included, by day and channel.
func Of(ctx context.Context, s *store.Store, a account.ID, since, until Day) ([]Usage, error) {
	rows, err := on(s.Reader()).UsageOf(ctx, usageOfParams{AccountID: a, Since: int64(since), Until: int64(until)})
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	list := make([]Usage, len(rows))
	for i, r := range rows {
		list[i] = Usage{r.AccountID, Day(r.Day), r.ChannelID, message.Kind(r.Kind), Counts{
			r.Accepted, r.Parts, r.Sent, r.Delivered, r.Failed, r.Unknown, r.Inbound, r.Charged,
		}}
	}
	return list, nil
}

// Sum adds up usage by something that it is of, and tells of what there is any, in the order in which it comes.
func Sum[K comparable](list []Usage, by func(*Usage) K) (order []K, sums map[K]Counts) {
	sums = map[K]Counts{}
	for i := range list {
		at := by(&list[i])
		sum, known := sums[at]
		if !known {
			order = append(order, at)
		}
		sums[at] = sum.Plus(list[i].Counts)
	}
	return order, sums
}

// Drop deletes some of the days before the given time, and tells whether there may be more.
func Drop(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropUsage, []dropUsageParams{{Before: int64(DayOf(before))}})
	if err != nil {
		return false, fmt.Errorf("drop usage: %w", err)
	}
	return n[0] > 0, nil
}
