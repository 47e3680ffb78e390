package wallet

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// foldShare is how many ended subjects one Fold takes, so that it does not hold up other writers for long.
const foldShare = 5000

// The steps of a wallet's opening rows: what was paid in and what was charged before retention began.
const (
	stepFunded  = "funded"
	stepCharged = "charged"
)

// Fold puts the oldest ended subjects and top-ups from before the given time into their wallets' opening rows. It takes a
// share of them at a time and tells whether there are more. What is still held stays.
func (k *Keeper) Fold(tx *store.Tx, before time.Time) (more bool, err error) {
	bound := int64(id.At[Move](before))
	next, err := store.First[int64](tx, foldBound, []foldBoundParams{{Before: bound, Skip: k.share}})
	if err != nil {
		return false, fmt.Errorf("find rows to fold: %w", err)
	}
	if next[0] != nil {
		more, bound = true, *next[0]
	}
	sums, err := store.Find[foldSumsRow](tx, foldSums, []foldSumsParams{{Before: bound}})
	if err != nil {
		return false, fmt.Errorf("sum rows to fold: %w", err)
	}
	if err := grow(tx, sums); err != nil {
		return false, err
	}
	if err := store.Run(tx, dropEndedHolds, []dropEndedHoldsParams{{Before: bound}}); err != nil {
		return false, fmt.Errorf("drop folded holds: %w", err)
	}
	if err := store.Run(tx, dropSettled, []dropSettledParams{{Before: bound}}); err != nil {
		return false, fmt.Errorf("drop folded rows: %w", err)
	}
	return more, nil
}

// grow adds sums to the opening rows. Their subject is the account's id below zero, where no other subject is.
func grow(tx *store.Tx, sums []store.Found[foldSumsRow]) error {
	var rows []growOpeningParams
	for _, f := range sums {
		row := growOpeningParams{AccountID: f.Row.AccountID, Subject: -int64(f.Row.AccountID), At: tx.NowMilli()}
		if f.Row.Funded != 0 {
			row.Step, row.Debit, row.Credit, row.Amount = stepFunded, funds, available, f.Row.Funded
			rows = append(rows, row)
		}
		if f.Row.Charged != 0 {
			row.Step, row.Debit, row.Credit, row.Amount = stepCharged, available, charged, f.Row.Charged
			rows = append(rows, row)
		}
	}
	if err := store.Run(tx, growOpening, rows); err != nil {
		return fmt.Errorf("grow opening rows: %w", err)
	}
	return nil
}

// Holds reports whether money is held for any subject from one to before another.
func (k *Keeper) Holds(ctx context.Context, from, before int64) (bool, error) {
	_, err := on(k.store.Reader()).OpenHold(ctx, openHoldParams{FromSubject: from, Before: before})
	if store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for holds without an end: %w", err)
	}
	return true, nil
}
