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
	Account account.ID // whose wallet
	Spender account.ID // who draws on it, if another; zero: its own account
	Subject int64
	Amount  int64 // micro-units; 0 is granted and leaves no trace
}

// hold is one subject that asks for money.
type hold struct {
	row     addTransferParams
	granted bool
}

// Hold sets money aside for subjects and tells which of them the wallets can pay; earlier ones take precedence. A subject
// is held once: a repeat is granted and sets nothing aside.
func (k *Keeper) Hold(tx *store.Tx, moves []Move) ([]bool, error) {
	holds := holdsOf(tx, moves)
	fresh, err := record(tx, holds)
	if err != nil {
		return nil, err
	}
	if err := k.pay(tx, fresh); err != nil {
		return nil, err
	}
	granted := make([]bool, len(moves))
	bySubject := make(map[int64]bool, len(holds))
	for _, h := range holds {
		bySubject[h.row.Subject] = h.granted
	}
	for i, m := range moves {
		granted[i] = m.Amount == 0 || bySubject[m.Subject]
	}
	return granted, withdraw(tx, fresh)
}

// holdsOf are the moves that ask for money, each subject once, in order.
func holdsOf(tx *store.Tx, moves []Move) []*hold {
	var holds []*hold
	seen := map[int64]bool{}
	for _, m := range moves {
		if m.Amount <= 0 || seen[m.Subject] {
			continue
		}
		seen[m.Subject] = true
		row := addTransferParams{AccountID: m.Account, Subject: m.Subject, Step: stepHold, Debit: available, Credit: held, Amount: m.Amount, At: tx.NowMilli(), Spender: int64(m.Spender)}
		holds = append(holds, &hold{row: row})
	}
	return holds
}

// record writes the holds, as if all could be paid, and returns those that are not repeats, by wallet.
func record(tx *store.Tx, holds []*hold) (map[account.ID][]*hold, error) {
	sorted := slices.SortedFunc(slices.Values(holds), func(a, b *hold) int { return cmp.Compare(a.row.Subject, b.row.Subject) })
	rows := make([]addTransferParams, len(sorted))
	for i, h := range sorted {
		rows[i] = h.row
	}
	written, err := store.Each(tx, addTransfer, rows)
	if err != nil {
		return nil, fmt.Errorf("record holds: %w", err)
	}
	for i, h := range sorted {
		h.granted = written[i] == 0
	}
	fresh := map[account.ID][]*hold{}
	for _, h := range holds {
		if !h.granted {
			fresh[h.row.AccountID] = append(fresh[h.row.AccountID], h)
		}
	}
	return fresh, nil
}

// pay grants the holds that the wallets can pay and takes their sums.
func (k *Keeper) pay(tx *store.Tx, fresh map[account.ID][]*hold) error {
	wallets := slices.Sorted(maps.Keys(fresh))
	for len(wallets) > 0 {
		sums, err := settle(tx, fresh, wallets)
		if err != nil {
			return fmt.Errorf("settle holds: %w", err)
		}
		paid, err := store.First[spendRow](tx, spend, sums)
		if err != nil {
			return fmt.Errorf("hold: %w", err)
		}
		if err := k.tell(tx, paid); err != nil {
			return err
		}
		wallets = wallets[:0] // again for those that another node spent from since we looked
		for i, s := range sums {
			if paid[i] == nil {
				wallets = append(wallets, s.AccountID)
			}
		}
	}
	return nil
}

// settle decides in memory which holds the wallets can pay, and returns the sum for each wallet that pays any.
func settle(tx *store.Tx, fresh map[account.ID][]*hold, wallets []account.ID) ([]spendParams, error) {
	rooms, err := store.First[int64](tx, room, wallets)
	if err != nil {
		return nil, err
	}
	var sums []spendParams
	for i, id := range wallets {
		var left, sum int64
		if rooms[i] != nil {
			left = *rooms[i]
		}
		for _, h := range fresh[id] {
			if h.granted = h.row.Amount <= left; h.granted {
				left, sum = left-h.row.Amount, sum+h.row.Amount
			}
		}
		if sum > 0 {
			sums = append(sums, spendParams{AccountID: id, Available: -sum, Held: sum})
		}
	}
	return sums, nil
}

// withdraw takes back the rows of holds that no wallet paid. Nobody has seen them.
func withdraw(tx *store.Tx, fresh map[account.ID][]*hold) error {
	var rows []dropHoldParams
	for _, holds := range fresh {
		for _, h := range holds {
			if !h.granted {
				rows = append(rows, dropHoldParams{Subject: h.row.Subject})
			}
		}
	}
	slices.SortFunc(rows, func(a, b dropHoldParams) int { return cmp.Compare(a.Subject, b.Subject) })
	if err := store.Run(tx, dropHold, rows); err != nil {
		return fmt.Errorf("withdraw holds: %w", err)
	}
	return nil
}

// Post charges what was held for the subjects, since the network took them. It returns those that this charged, with what was
// held for them.
func (k *Keeper) Post(tx *store.Tx, moves []Move) ([]Move, error) { return end(tx, moves, charged) }

// Void gives back what was held for the subjects, since the network did not take them.
func (k *Keeper) Void(tx *store.Tx, moves []Move) error {
	_, err := end(tx, moves, available)
	return err
}

// end moves what is held for each subject to a book, in the wallet that it was held in: whoever paid for a subject is who it
// ends for, whatever has become of the accounts meanwhile. It happens once for a subject; any later end, and one of a subject
// for which nothing was held, changes nothing.
func end(tx *store.Tx, moves []Move, book string) ([]Move, error) {
	var ends []endHoldParams
	for _, m := range moves {
		if m.Amount != 0 {
			ends = append(ends, endHoldParams{Credit: book, At: tx.NowMilli(), Subject: m.Subject})
		}
	}
	slices.SortFunc(ends, func(a, b endHoldParams) int { return cmp.Compare(a.Subject, b.Subject) })
	held, err := store.First[endHoldRow](tx, endHold, ends)
	if err != nil {
		return nil, fmt.Errorf("end holds: %w", err)
	}
	var ended []Move
	sums := map[account.ID]int64{}
	for i, e := range ends {
		if h := held[i]; h != nil {
			sums[h.AccountID] += h.Amount
			ended = append(ended, Move{Account: h.AccountID, Subject: e.Subject, Amount: h.Amount})
		}
	}
	return ended, release(tx, sums, book)
}

// release moves the held money of wallets to a book.
func release(tx *store.Tx, sums map[account.ID]int64, book string) error {
	rows := make([]releaseHeldParams, 0, len(sums))
	for _, id := range slices.Sorted(maps.Keys(sums)) {
		row := releaseHeldParams{AccountID: id, Held: -sums[id]}
		if book == charged {
			row.Charged = sums[id]
		} else {
			row.Available = sums[id]
		}
		rows = append(rows, row)
	}
	if err := store.Run(tx, releaseHeld, rows); err != nil {
		return fmt.Errorf("release held money: %w", err)
	}
	return nil
}
