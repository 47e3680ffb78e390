package key

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// Budgets are what keys with a limit may still spend today, a day of UTC. They are read once in a transaction, spent from in
// memory, and written at its end: writers take turns, on all servers together, so that the limit is exact.
//
// What a key has ordered counts, whatever becomes of it: the limit is how much harm a key does that others have got hold of, and
// someone who sends to numbers that do not exist does it too.
type Budgets map[account.KeyID]*budget

type budget struct{ limit, before, spent int64 }

// BudgetsOf reads what the keys may still spend. Keys without a limit cost nothing.
func BudgetsOf(tx *store.Tx, keys []account.Key) (Budgets, error) {
	var asks []spendingParams
	b := Budgets{}
	for _, k := range keys {
		if _, asked := b[k.ID]; k.SpendLimit > 0 && !asked {
			b[k.ID] = nil
			asks = append(asks, spendingParams{Today: dayOf(tx.Now()), ID: k.ID})
		}
	}
	rows, err := store.First[spendingRow](tx, spending, asks)
	if err != nil {
		return nil, fmt.Errorf("read what keys have spent: %w", err)
	}
	for _, r := range rows {
		b.add(r)
	}
	return b, nil
}

// BudgetNow is what a key may still spend, for who only looks.
func BudgetNow(ctx context.Context, s *store.Store, k account.Key) (Budgets, error) {
	b := Budgets{}
	if k.SpendLimit == 0 {
		return b, nil
	}
	r, err := on(s.Reader()).Spending(ctx, spendingParams{Today: dayOf(s.Now()), ID: k.ID})
	if err != nil && !store.NoRows(err) {
		return nil, fmt.Errorf("read what a key has spent: %w", err)
	}
	b.add(&r)
	return b, nil
}

// add notes a key that has a limit; another may spend what it likes.
func (b Budgets) add(r *spendingRow) {
	if r != nil && r.SpendLimit > 0 {
		b[r.ID] = &budget{r.SpendLimit, r.Spent, r.Spent}
	}
}

// Spend takes an amount out of a key's budget; false when it is not in it.
func (b Budgets) Spend(k account.KeyID, amount int64) bool {
	have := b[k]
	if have == nil || amount == 0 {
		return true
	}
	if amount > have.limit-have.spent {
		return false
	}
	have.spent += amount
	return true
}

// Return puts back what was spent on something that was refused after all.
func (b Budgets) Return(k account.KeyID, amount int64) {
	if have := b[k]; have != nil {
		have.spent -= amount
	}
}

// Write stores what was spent.
func (b Budgets) Write(tx *store.Tx) error {
	var rows []setSpentParams
	for _, id := range slices.SortedFunc(maps.Keys(b), cmp.Compare[account.KeyID]) {
		if have := b[id]; have != nil && have.spent != have.before {
			rows = append(rows, setSpentParams{Spent: have.spent, Today: dayOf(tx.Now()), ID: id})
		}
	}
	if err := store.Run(tx, setSpent, rows); err != nil {
		return fmt.Errorf("write what keys have spent: %w", err)
	}
	return nil
}

// dayOf counts days of UTC from 1970.
func dayOf(t time.Time) int64 { return t.UnixMilli() / day.Milliseconds() }
