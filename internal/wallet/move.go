package wallet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// Move is an amount held, posted or voided for one subject, such as a message.
type Move struct {
	Account account.ID
	Subject int64
	Amount  int64 // micro-units; 0 is granted and leaves no trace
}

// Hold sets money aside for subjects and tells which of them the wallets can pay; earlier ones take precedence. A subject
// is held once: a repeat is granted and sets nothing aside.
func (k *Keeper) Hold(tx *store.Tx, moves []Move) ([]bool, error) {
	granted := make([]bool, len(moves))
	asks := map[account.ID][]int{} // the moves of each wallet, in order
	for i, m := range moves {
		granted[i] = m.Amount == 0
		if m.Amount > 0 {
			asks[m.Account] = append(asks[m.Account], i)
		}
	}
	wallets := slices.Sorted(maps.Keys(asks))
	for len(wallets) > 0 {
		sums, err := settle(tx, moves, asks, wallets, granted)
		if err != nil {
			return nil, fmt.Errorf("settle holds: %w", err)
		}
		touched, err := store.Each(tx, changeWallet, sums)
		if err != nil {
			return nil, fmt.Errorf("hold: %w", err)
		}
		wallets = wallets[:0] // what is left another node spent from since we looked
		for i, s := range sums {
			if touched[i] == 0 {
				wallets = append(wallets, s.AccountID)
			}
		}
	}
	return granted, record(tx, moves, granted)
}

// settle decides in memory which moves the wallets can pay, and returns the sum for each wallet that pays any.
func settle(tx *store.Tx, moves []Move, asks map[account.ID][]int, wallets []account.ID, granted []bool) ([]changeWalletParams, error) {
	rooms, err := store.First[int64](tx, room, wallets)
	if err != nil {
		return nil, err
	}
	var sums []changeWalletParams
	for i, id := range wallets {
		var left, sum int64
		if rooms[i] != nil {
			left = *rooms[i]
		}
		paid := map[int64]bool{}
		for _, n := range asks[id] {
			m := moves[n]
			granted[n] = paid[m.Subject] || m.Amount <= left
			if granted[n] && !paid[m.Subject] {
				paid[m.Subject], left, sum = true, left-m.Amount, sum+m.Amount
			}
		}
		if sum > 0 {
			sums = append(sums, changeWalletParams{AccountID: id, Available: -sum, Held: sum})
		}
	}
	return sums, nil
}

// record writes the granted holds. What was set aside for a subject that had been held before is given back.
func record(tx *store.Tx, moves []Move, granted []bool) error {
	var rows []addTransferParams
	for i, m := range moves {
		if granted[i] && m.Amount > 0 {
			rows = append(rows, addTransferParams{AccountID: m.Account, Subject: m.Subject, Step: stepHold, Debit: available, Credit: held, Amount: m.Amount, At: tx.NowMilli()})
		}
	}
	slices.SortStableFunc(rows, func(a, b addTransferParams) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.AccountID, b.AccountID))
	})
	rows = slices.CompactFunc(rows, func(a, b addTransferParams) bool { return a.Subject == b.Subject && a.AccountID == b.AccountID })
	written, err := store.Each(tx, addTransfer, rows)
	if err != nil {
		return fmt.Errorf("record holds: %w", err)
	}
	repeated := map[account.ID]int64{}
	for i, r := range rows {
		if written[i] == 0 {
			repeated[r.AccountID] += r.Amount
		}
	}
	return release(tx, repeated, available)
}

// Post charges what was held for the subjects, since the network took them.
func (k *Keeper) Post(tx *store.Tx, moves []Move) error { return end(tx, moves, charged) }

// Void gives back what was held for the subjects, since the network did not take them.
func (k *Keeper) Void(tx *store.Tx, moves []Move) error { return end(tx, moves, available) }

// end moves what is held for each subject to a book. It happens once for a subject; any later end, and one of a subject
// for which nothing was held, changes nothing.
func end(tx *store.Tx, moves []Move, book string) error {
	var ends []endHoldParams
	for _, m := range moves {
		if m.Amount != 0 {
			ends = append(ends, endHoldParams{Credit: book, At: tx.NowMilli(), Subject: m.Subject, AccountID: m.Account})
		}
	}
	slices.SortFunc(ends, func(a, b endHoldParams) int { return cmp.Compare(a.Subject, b.Subject) })
	amounts, err := store.First[int64](tx, endHold, ends)
	if err != nil {
		return fmt.Errorf("end holds: %w", err)
	}
	sums := map[account.ID]int64{}
	for i, e := range ends {
		if amounts[i] != nil {
			sums[e.AccountID] += *amounts[i]
		}
	}
	return release(tx, sums, book)
}

// release moves held money of wallets to the book, available or charged.
func release(tx *store.Tx, sums map[account.ID]int64, book string) error {
	rows := make([]changeWalletParams, 0, len(sums))
	for _, id := range slices.Sorted(maps.Keys(sums)) {
		row := changeWalletParams{AccountID: id, Held: -sums[id]}
		if book == charged {
			row.Charged = sums[id]
		} else {
			row.Available = sums[id]
		}
		rows = append(rows, row)
	}
	if _, err := store.Each(tx, changeWallet, rows); err != nil {
		return fmt.Errorf("release held money: %w", err)
	}
	return nil
}
