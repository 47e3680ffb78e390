package consent

import (
	"context"
	"fmt"
	"math"
	"sync"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: which accounts have ever had an opt-out.
const topic = "consent"

// choosers are the accounts that have ever had an opt-out. Most have none, and nobody need look for theirs. It may name one too
// many, never one too few.
type choosers struct {
	known *store.Cached[map[account.ID]chooser]
	mu    sync.RWMutex
	here  map[account.ID]chooser // since the last reading, in transactions of this process that may yet fail
}

// chooser is what is known of an account's opt-outs.
type chooser struct {
	any    bool // there were some
	erased bool // of some, only a mark is kept
}

func (c chooser) or(d chooser) chooser { return chooser{c.any || d.any, c.erased || d.erased} }

func newChoosers(s *store.Store) *choosers {
	return &choosers{known: store.NewCached(s, topic, loadChoosers), here: map[account.ID]chooser{}}
}

func loadChoosers(ctx context.Context, q store.Queryer) (map[account.ID]chooser, error) {
	all, after := map[account.ID]chooser{}, account.ID(math.MinInt64)
	for {
		next, err := on(q).NextWithOptOuts(ctx, nextWithOptOutsParams{After: after})
		if store.NoRows(err) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		_, err = on(q).ErasedIn(ctx, erasedInParams{AccountID: next})
		if err != nil && !store.NoRows(err) {
			return nil, err
		}
		all[next], after = chooser{any: true, erased: err == nil}, next
	}
}

// all returns what tells of an account's opt-outs.
func (c *choosers) all(ctx context.Context) (look func(account.ID) chooser, err error) {
	known, err := c.known.Get(ctx)
	return func(a account.ID) chooser {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return known[a].or(c.here[a])
	}, err
}

// forget notes, here at once, that of some of an account's opt-outs only a mark is kept.
func (c *choosers) forget(a account.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[a] = chooser{any: true, erased: true}
}

// add notes the accounts of opt-outs, here at once and with the transaction for every process.
func (c *choosers) add(tx *store.Tx, choices []Choice) error {
	known, err := c.known.Get(tx.Context())
	if err != nil {
		return fmt.Errorf("look for opt-outs: %w", err)
	}
	fresh := false
	c.mu.Lock()
	for _, choice := range choices {
		if choice.Out && !known[choice.Account].any {
			c.here[choice.Account], fresh = c.here[choice.Account].or(chooser{any: true}), true
		}
	}
	c.mu.Unlock()
	if !fresh {
		return nil
	}
	return tx.Touch(topic)
}
