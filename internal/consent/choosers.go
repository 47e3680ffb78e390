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
	known *store.Cached[map[account.ID]bool]
	mu    sync.RWMutex
	here  map[account.ID]bool // since the last reading, in transactions of this process that may yet fail
}

func newChoosers(s *store.Store) *choosers {
	return &choosers{known: store.NewCached(s, topic, loadChoosers), here: map[account.ID]bool{}}
}

func loadChoosers(ctx context.Context, q store.Queryer) (map[account.ID]bool, error) {
	all, after := map[account.ID]bool{}, account.ID(math.MinInt64)
	for {
		next, err := on(q).NextWithOptOuts(ctx, nextWithOptOutsParams{After: after})
		if store.NoRows(err) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all[next], after = true, next
	}
}

// all returns what tells whether an account is one of them.
func (c *choosers) all(ctx context.Context) (has func(account.ID) bool, err error) {
	known, err := c.known.Get(ctx)
	return func(a account.ID) bool {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return known[a] || c.here[a]
	}, err
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
		if choice.Out && !known[choice.Account] {
			c.here[choice.Account], fresh = true, true
		}
	}
	c.mu.Unlock()
	if !fresh {
		return nil
	}
	return tx.Touch(topic)
}
