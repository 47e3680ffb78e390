package connection

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// days is how many messages the devices with a session here have sent today. The rows decide.
type days struct {
	mu sync.Mutex
	of map[message.ChannelID]count
}

type count struct{ day, sent int64 }

func dayOfTime(t time.Time) int64 { return t.UnixMilli() / (24 * time.Hour).Milliseconds() }

// Tomorrow is when the day ends by which messages are counted.
func Tomorrow(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

// Allowance is how many messages a device may send on the day of now: what care says, and less while it warms up. It is 0 for
// any number.
func Allowance(care channel.Care, linked, now time.Time) int {
	if care.Daily <= 0 || care.WarmUp <= 0 || linked.IsZero() {
		return max(0, care.Daily)
	}
	age := dayOfTime(now) - dayOfTime(linked)
	if age >= int64(care.WarmUp) || care.First >= care.Daily {
		return care.Daily
	}
	first := max(1, care.First)
	return first + int((int64(care.Daily-first)*max(0, age))/int64(care.WarmUp))
}

// Spend counts a message that a device is about to send; false when it has sent most of them today. most 0 is any number.
func (k *Keeper) Spend(tx *store.Tx, id message.ChannelID, most int) (bool, error) {
	day, limit := dayOfTime(tx.Now()), int64(most)
	if limit == 0 {
		limit = math.MaxInt64
	}
	n, err := store.Each(tx, spendDay, []spendDayParams{{ChannelID: id, Day: day, Most: limit}})
	if err != nil {
		return false, fmt.Errorf("count a message: %w", err)
	}
	tx.After(func() { k.days.add(id, day, n[0], limit) })
	return n[0] == 1, nil
}

// Return takes back the counts of messages that surely did not go out, by their devices and when each was counted.
func (k *Keeper) Return(tx *store.Tx, ids []message.ChannelID, at []time.Time) error {
	rows := make([]returnDayParams, len(ids))
	for i, id := range ids {
		rows[i] = returnDayParams{ChannelID: id, Day: dayOfTime(at[i])}
	}
	if err := store.Run(tx, returnDay, rows); err != nil {
		return fmt.Errorf("take back the count of a message: %w", err)
	}
	tx.After(func() {
		for _, r := range rows {
			k.days.add(r.ChannelID, r.Day, -1, 0)
		}
	})
	return nil
}

// add counts one more or less in memory, or learns that the day is full.
func (d *days) add(id message.ChannelID, day, n, most int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil {
		d.of = map[message.ChannelID]count{}
	}
	c := d.of[id]
	switch {
	case n < 0 && c.day != day:
		return // that day is over
	case c.day != day:
		c = count{day, n}
	default:
		c.sent += n
	}
	if n == 0 {
		c.sent = max(c.sent, most)
	}
	d.of[id] = c
}

// Sent is how many messages a device has sent today, as the rows say, which are remembered from then on.
func (k *Keeper) Sent(ctx context.Context, id message.ChannelID) (int, error) {
	row, err := on(k.store.Reader()).DayOf(ctx, dayOfParams{ChannelID: id})
	if err != nil && !store.NoRows(err) {
		return 0, fmt.Errorf("read how much a device has sent: %w", err)
	}
	if row.Day != dayOfTime(k.store.Now()) {
		return 0, nil
	}
	return int(row.Sent), nil
}

// Recall has this server know how much a device has sent today. Whoever takes over its session calls it.
func (k *Keeper) Recall(ctx context.Context, id message.ChannelID) error {
	sent, err := k.Sent(ctx, id)
	if err != nil {
		return err
	}
	k.days.mu.Lock()
	defer k.days.mu.Unlock()
	if k.days.of == nil {
		k.days.of = map[message.ChannelID]count{}
	}
	k.days.of[id] = count{dayOfTime(k.store.Now()), int64(sent)}
	return nil
}

// Spent is how many messages a device whose session is here has sent today. It costs a look into memory.
func (k *Keeper) Spent(id message.ChannelID) int {
	k.days.mu.Lock()
	defer k.days.mu.Unlock()
	c := k.days.of[id]
	if c.day != dayOfTime(k.store.Now()) {
		return 0
	}
	return int(c.sent)
}
