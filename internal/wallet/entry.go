package wallet

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidings.dev/internal/account"
)

// Kind is what an entry of a wallet is, in the words of those who read it.
type Kind string

// The kinds of entry.
const (
	TopUp      Kind = "top_up"
	Correction Kind = "correction" // money was taken out again
	Hold       Kind = "hold"
	Charge     Kind = "charge"  // what was held was due
	Release    Kind = "release" // what was held was given back
	Opening    Kind = "opening" // what was before the oldest single entry
)

// Entry is one movement of money.
type Entry struct {
	Subject int64 // the message, or the top-up
	Kind    Kind
	Amount  int64
	Spender account.ID // who drew on the wallet, if another account
	Note    string
	At      time.Time
}

// Entries returns the entries of a wallet whose subjects come before the given one (zero: from the newest), the newest subject
// first. The entries of one subject stand together, and are never parted: there may be one more than asked for.
func (k *Keeper) Entries(ctx context.Context, a account.ID, beforeSubject int64, most int) ([]Entry, error) {
	if beforeSubject == 0 {
		beforeSubject = math.MaxInt64
	}
	rows, err := on(k.store.Reader()).EntriesOf(ctx, entriesOfParams{AccountID: a, Before: beforeSubject, Page: int64(most) + 1})
	if err != nil {
		return nil, fmt.Errorf("list the entries of a wallet: %w", err)
	}
	if len(rows) > most && rows[most].Subject != rows[most-1].Subject {
		rows = rows[:most]
	}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = Entry{r.Subject, kindOf(r), r.Amount, account.ID(r.Spender), r.Note, time.UnixMilli(r.At).UTC()}
	}
	return entries, nil
}

func kindOf(r entriesOfRow) Kind {
	switch {
	case r.Step == stepTopUp && r.Debit == funds:
		return TopUp
	case r.Step == stepTopUp:
		return Correction
	case r.Step == stepHold:
		return Hold
	case r.Step == stepEnd && r.Credit == charged:
		return Charge
	case r.Step == stepEnd:
		return Release
	default:
		return Opening
	}
}
