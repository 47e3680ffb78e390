package link

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Clicks are how often a link was followed since they were last counted.
type Clicks struct {
	Link        ID
	Number      int64
	First, Last time.Time
}

// and joins clicks of one link.
func (c Clicks) and(d Clicks) Clicks {
	if c.Number == 0 {
		return d
	}
	if d.First.Before(c.First) {
		c.First = d.First
	}
	if d.Last.After(c.Last) {
		c.Last = d.Last
	}
	c.Number += d.Number
	return c
}

// pending are the clicks that no row has yet. Only links that are there have any, so nobody fills the memory from outside.
type pending struct {
	mu sync.Mutex
	of map[ID]Clicks
}

func newPending() pending { return pending{of: map[ID]Clicks{}} }

// Clicked notes that a link was followed. It is counted with all others of the same second or so.
func (k *Keeper) Clicked(which ID) {
	now := k.store.Now()
	k.note(Clicks{which, 1, now, now})
}

func (k *Keeper) note(c Clicks) {
	k.pending.mu.Lock()
	defer k.pending.mu.Unlock()
	k.pending.of[c.Link] = k.pending.of[c.Link].and(c)
}

// Take returns the clicks that are to be counted, and forgets them. Whoever cannot count them gives them back.
func (k *Keeper) Take() []Clicks {
	k.pending.mu.Lock()
	defer k.pending.mu.Unlock()
	if len(k.pending.of) == 0 {
		return nil
	}
	list := slices.SortedFunc(maps.Values(k.pending.of), func(a, b Clicks) int { return cmp.Compare(a.Link, b.Link) })
	clear(k.pending.of)
	return list
}

// Return gives back clicks that could not be counted.
func (k *Keeper) Return(list []Clicks) {
	for _, c := range list {
		k.note(c)
	}
}

// First is that somebody followed a link whom nobody had before.
type First struct {
	Link    ID
	Message message.ID
	Code    string
	At      time.Time
}

// Count adds clicks to their links, each of them once in the list, and tells which were the first.
func (k *Keeper) Count(tx *store.Tx, list []Clicks) (first []First, err error) {
	rows := make([]countClicksParams, len(list))
	for i, c := range list {
		rows[i] = countClicksParams{More: c.Number, FirstAt: c.First.UnixMilli(), LastAt: c.Last.UnixMilli(), ID: int64(c.Link)}
	}
	counted, err := store.First[countClicksRow](tx, countClicks, rows)
	if err != nil {
		return nil, fmt.Errorf("count clicks: %w", err)
	}
	for i, c := range list {
		if r := counted[i]; r != nil && r.Clicks == c.Number {
			first = append(first, First{c.Link, r.MessageID, r.Code, c.First})
		}
	}
	return first, nil
}
