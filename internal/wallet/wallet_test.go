package wallet_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

func open(t *testing.T) (*store.Store, *wallet.Keeper) {
	t.Helper()
	s := storetest.Open(t)
	return s, wallet.New(s, event.New(s))
}

// newWallet opens a wallet with money in it.
func newWallet(t fataler, s *store.Store, k *wallet.Keeper, amount int64) account.ID {
	t.Helper()
	a := account.ID(s.NewID())
	write(t, s, func(tx *store.Tx) error {
		if err := k.Open(tx, a, "KES"); err != nil || amount == 0 {
			return err
		}
		return k.TopUp(tx, audit.CLI, a, amount, "")
	})
	return a
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func write(t fataler, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}

func TestHoldsOfABatchShareTheBalanceInOrder(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	rich, poor := newWallet(t, s, k, 100), newWallet(t, s, k, 10)
	moves := []wallet.Move{{Account: rich, Subject: 1, Amount: 60}, {Account: poor, Subject: 2, Amount: 11}, {Account: rich, Subject: 3, Amount: 50}, {Account: rich, Subject: 4, Amount: 40}, {Account: poor, Subject: 5, Amount: 0}, {Account: poor, Subject: 6, Amount: 10}, {Account: account.ID(7), Subject: 7, Amount: 1}, {Account: rich, Subject: 1, Amount: 60}, {Account: rich, Subject: 8, Amount: -5}}
	want := []bool{true, false, false, true, true, true, false, true, false}
	write(t, s, func(tx *store.Tx) error {
		granted, err := k.Hold(tx, moves)
		if !slices.Equal(granted, want) {
			t.Errorf("granted %v, not %v", granted, want)
		}
		return err
	})
	for a, want := range map[account.ID]wallet.Balance{rich: {Currency: "KES", Held: 100, LowAt: -1}, poor: {Currency: "KES", Held: 10, LowAt: -1}} {
		if got, err := k.Balance(t.Context(), a); got != want || err != nil {
			t.Errorf("the wallet has %+v (%v), not %+v", got, err, want)
		}
	}
	if err := k.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestParallelHoldsNeverOverspend(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a := newWallet(t, s, k, 10*7)
	type ask struct {
		wallet.Move
		granted bool
	}
	batch := store.NewBatch(s, "hold", 1, func(tx *store.Tx, asks []*ask) error {
		moves := make([]wallet.Move, len(asks))
		for i, m := range asks {
			moves[i] = m.Move
		}
		granted, err := k.Hold(tx, moves)
		for i := range granted {
			asks[i].granted = granted[i]
		}
		return err
	})
	var granted atomic.Int64
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			m := &ask{Move: wallet.Move{Account: a, Subject: s.NewID(), Amount: 7}}
			if err := batch.Do(m, 2); err != nil {
				t.Error(err)
			}
			if m.granted {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	if granted.Load() != 10 {
		t.Errorf("%d holds were granted on a balance for 10", granted.Load())
	}
	if b, err := k.Balance(t.Context(), a); b.Available != 0 || b.Held != 70 || err != nil {
		t.Errorf("the wallet has %+v (%v)", b, err)
	}
}

func TestEndWithoutHoldChangesNothing(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a, other := newWallet(t, s, k, 100), newWallet(t, s, k, 100)
	write(t, s, func(tx *store.Tx) error {
		if _, err := k.Hold(tx, []wallet.Move{{Account: a, Subject: 1, Amount: 30}}); err != nil {
			return err
		}
		if ended, err := k.Post(tx, []wallet.Move{{Account: a, Subject: 2, Amount: 30}, {Account: a, Subject: 3, Amount: 0}}); err != nil || len(ended) > 0 {
			t.Errorf("%v was charged (%v)", ended, err)
		}
		return k.Void(tx, []wallet.Move{{Account: a, Subject: 4, Amount: 30}})
	})
	if b, err := k.Balance(t.Context(), a); b.Available != 70 || b.Held != 30 || b.Charged != 0 || err != nil {
		t.Errorf("the wallet has %+v (%v)", b, err)
	}
	if b, err := k.Balance(t.Context(), other); b.Available != 100 || b.Held != 0 || err != nil {
		t.Errorf("the other wallet has %+v (%v)", b, err)
	}
}

// TestHoldEndsInTheWalletThatHolds is of a subaccount that was paid for by its parent, and pays for itself by now.
func TestHoldEndsInTheWalletThatHolds(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	parent, sub := newWallet(t, s, k, 100), newWallet(t, s, k, 100)
	write(t, s, func(tx *store.Tx) error {
		if _, err := k.Hold(tx, []wallet.Move{{Account: parent, Subject: 1, Amount: 30}, {Account: parent, Subject: 2, Amount: 40}}); err != nil {
			return err
		}
		for range 2 {
			ended, err := k.Post(tx, []wallet.Move{{Account: sub, Subject: 1, Amount: 30}})
			if err != nil {
				return err
			}
			if want := []wallet.Move{{Account: parent, Subject: 1, Amount: 30}}; len(ended) > 0 && !slices.Equal(ended, want) {
				t.Errorf("charged %v", ended)
			}
		}
		return k.Void(tx, []wallet.Move{{Account: sub, Subject: 2, Amount: 40}})
	})
	if b, err := k.Balance(t.Context(), parent); b.Available != 70 || b.Held != 0 || b.Charged != 30 || err != nil {
		t.Errorf("the parent has %+v (%v)", b, err)
	}
	if b, err := k.Balance(t.Context(), sub); b.Available != 100 || b.Charged != 0 || err != nil {
		t.Errorf("the subaccount has %+v (%v)", b, err)
	}
	if err := k.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLimitsAreKept(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a := newWallet(t, s, k, 0)
	top := func(amount int64) error {
		return s.Write(func(tx *store.Tx) error { return k.TopUp(tx, audit.CLI, a, amount, "correction") })
	}
	limit := func(limit int64) error {
		return s.Write(func(tx *store.Tx) error { return k.SetLimit(tx, audit.CLI, a, limit) })
	}
	for _, step := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"take from nothing", top(-1), fault.InsufficientBalance},
		{"pay in nothing", top(0), fault.InvalidField},
		{"pay in too much", top(1 << 60), fault.InvalidField},
		{"a limit below zero", limit(-1), fault.InvalidField},
		{"give credit", limit(50), ""},
		{"take on credit", top(-50), ""},
		{"take more", top(-1), fault.InsufficientBalance},
		{"take the credit back", limit(49), fault.InsufficientBalance},
		{"pay back", top(50), ""},
		{"take the credit back", limit(0), ""},
	} {
		if step.want == "" && step.err != nil || step.want != "" && !fault.Is(step.err, step.want) {
			t.Errorf("%s: %v", step.name, step.err)
		}
	}
	nobody := s.Write(func(tx *store.Tx) error { return k.TopUp(tx, audit.CLI, 5, 1, "") })
	if _, err := k.Balance(t.Context(), 5); !fault.Is(nobody, fault.NotHere) || !fault.Is(err, fault.NotHere) {
		t.Errorf("no wallet: %v, %v", nobody, err)
	}
	if err := k.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestVerifyNamesTheWalletThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"money from nowhere": "UPDATE wallet SET available = available + 1 WHERE account_id = $1",
		"a lost hold":        "DELETE FROM transfer WHERE account_id = $1 AND step = 'hold'",
		"an end too much":    "INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at) VALUES ($1, 99, 'end', 'held', 'charged', 5, 0)",
		"a wrong way":        "UPDATE transfer SET debit = 'charged' WHERE account_id = $1 AND step = 'hold'",
		"below the limit":    "UPDATE wallet SET available = -5, funded = held - 5 WHERE account_id = $1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, k := open(t)
			sound, wrong := newWallet(t, s, k, 100), newWallet(t, s, k, 100)
			write(t, s, func(tx *store.Tx) error {
				_, err := k.Hold(tx, []wallet.Move{{Account: sound, Subject: 1, Amount: 30}, {Account: wrong, Subject: 2, Amount: 30}})
				return err
			})
			if err := k.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, s, func(tx *store.Tx) error {
				_, err := tx.Queries().ExecContext(tx.Context(), damage, int64(wrong))
				return err
			})
			err := k.Verify(t.Context())
			if err == nil || !strings.Contains(err.Error(), wrong.String()) || strings.Contains(err.Error(), sound.String()) {
				t.Errorf("Verify says %v", err)
			}
		})
	}
}

// life is what a wallet should be, kept in the simplest way.
type life struct {
	s        *store.Store
	k        *wallet.Keeper
	a        account.ID
	b        wallet.Balance
	funded   int64
	subjects []int64         // all that ever asked
	open     map[int64]int64 // held
	ended    map[int64]bool
	low      bool                    // the balance is below its threshold
	told     int                     // how often that was told
	deeds    []func(*store.Tx) error // of the next transaction
}

// look tells when the balance has fallen below its threshold, as after each deed.
func (l *life) look() {
	was := l.low
	l.low = l.b.LowAt >= 0 && l.b.Available < l.b.LowAt
	if l.low && !was {
		l.told++
	}
}

// lowAt sets the threshold.
func (l *life) lowAt(t *rapid.T) {
	l.b.LowAt = rapid.Int64Range(-1, 80).Draw(t, "threshold")
	l.look()
	threshold := l.b.LowAt
	l.next(func(tx *store.Tx) error { return l.k.SetLow(tx, audit.CLI, l.a, threshold) })
}

// next has a deed done in the next transaction, with those before it.
func (l *life) next(deed func(*store.Tx) error) { l.deeds = append(l.deeds, deed) }

// commit runs the transaction and compares.
func (l *life) commit(t *rapid.T) {
	write(t, l.s, func(tx *store.Tx) error {
		for _, deed := range l.deeds {
			if err := deed(tx); err != nil {
				return err
			}
		}
		return nil
	})
	l.deeds = nil
	got, err := l.k.Balance(t.Context(), l.a)
	if got != l.b || err != nil {
		t.Fatalf("the wallet has %+v (%v), not %+v", got, err, l.b)
	}
	if got.Available+got.Held+got.Charged != l.funded || got.Available < -got.CreditLimit {
		t.Fatalf("%+v does not balance with %d paid in", got, l.funded)
	}
	told, err := event.New(l.s).Of(t.Context(), l.a, int64(l.a))
	if err != nil || len(told) != l.told {
		t.Fatalf("%d times a low balance was told (%v), not %d", len(told), err, l.told)
	}
}

func (l *life) pick(t *rapid.T) int64 {
	if len(l.subjects) > 0 && rapid.Bool().Draw(t, "again") {
		return rapid.SampledFrom(l.subjects).Draw(t, "subject")
	}
	l.subjects = append(l.subjects, l.s.NewID())
	return l.subjects[len(l.subjects)-1]
}

func (l *life) moves(t *rapid.T) []wallet.Move {
	moves := make([]wallet.Move, rapid.IntRange(1, 6).Draw(t, "moves"))
	for i := range moves {
		moves[i] = wallet.Move{Account: l.a, Subject: l.pick(t), Amount: rapid.Int64Range(0, 40).Draw(t, "amount")}
	}
	return moves
}

func (l *life) hold(t *rapid.T) {
	moves := l.moves(t)
	want := make([]bool, len(moves))
	asked := map[int64]bool{}
	for i, m := range moves {
		_, open := l.open[m.Subject]
		switch {
		case m.Amount == 0 || open || l.ended[m.Subject]:
			want[i] = true
		case !asked[m.Subject] && m.Amount <= l.b.Available+l.b.CreditLimit:
			want[i], l.open[m.Subject] = true, m.Amount
			l.b.Available, l.b.Held = l.b.Available-m.Amount, l.b.Held+m.Amount
		}
		asked[m.Subject] = asked[m.Subject] || m.Amount > 0
	}
	l.look()
	l.next(func(tx *store.Tx) error {
		granted, err := l.k.Hold(tx, moves)
		if err == nil && !slices.Equal(granted, want) {
			err = fmt.Errorf("granted %v of %v, not %v", granted, moves, want)
		}
		return err
	})
}

func (l *life) end(t *rapid.T, do func(*store.Tx, []wallet.Move) error, into *int64) {
	moves := l.moves(t)
	for _, m := range moves {
		if amount, open := l.open[m.Subject]; open && m.Amount > 0 {
			delete(l.open, m.Subject)
			l.ended[m.Subject] = true
			l.b.Held, *into = l.b.Held-amount, *into+amount
		}
	}
	l.look()
	l.next(func(tx *store.Tx) error { return do(tx, moves) })
}

func (l *life) post(tx *store.Tx, moves []wallet.Move) error {
	_, err := l.k.Post(tx, moves)
	return err
}

func (l *life) topUp(t *rapid.T) {
	amount := rapid.Int64Range(-60, 100).Draw(t, "amount")
	refused := amount == 0 || l.b.Available+amount < -l.b.CreditLimit
	if !refused {
		l.b.Available, l.funded = l.b.Available+amount, l.funded+amount
	}
	l.look()
	l.next(func(tx *store.Tx) error { return expect(refused, l.k.TopUp(tx, audit.CLI, l.a, amount, "")) })
}

func (l *life) limit(t *rapid.T) {
	limit := rapid.Int64Range(0, 100).Draw(t, "limit")
	refused := l.b.Available < -limit
	if !refused {
		l.b.CreditLimit = limit
	}
	l.next(func(tx *store.Tx) error { return expect(refused, l.k.SetLimit(tx, audit.CLI, l.a, limit)) })
}

func expect(refused bool, err error) error {
	if was := fault.Of(err) != nil; was != refused {
		return fmt.Errorf("refused is %v: %w", was, err)
	}
	if refused {
		return nil
	}
	return err
}

// fold forgets what has ended: nothing of it can come back.
func (l *life) fold(*rapid.T) {
	l.subjects = slices.DeleteFunc(l.subjects, func(subject int64) bool { return l.ended[subject] })
	l.next(func(tx *store.Tx) error {
		_, err := l.k.Fold(tx, tx.Now().Add(time.Hour))
		return err
	})
}

// close ends what is open, so that the next life does not fold around it.
func (l *life) close(t *rapid.T) {
	l.commit(t)
	var rest []wallet.Move
	for subject, amount := range l.open {
		rest = append(rest, wallet.Move{Account: l.a, Subject: subject, Amount: amount})
		l.b.Held, l.b.Available = l.b.Held-amount, l.b.Available+amount
	}
	l.look()
	l.next(func(tx *store.Tx) error { return l.k.Void(tx, rest) })
	l.fold(t)
	l.commit(t)
}

func TestAnyLifeOfAWalletBalances(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	rapid.Check(t, func(t *rapid.T) {
		l := &life{s: s, k: k, a: newWallet(t, s, k, 0), b: wallet.Balance{Currency: "KES", LowAt: -1}, open: map[int64]int64{}, ended: map[int64]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"hold":   l.hold,
			"post":   func(t *rapid.T) { l.end(t, l.post, &l.b.Charged) },
			"void":   func(t *rapid.T) { l.end(t, k.Void, &l.b.Available) },
			"top up": l.topUp,
			"limit":  l.limit,
			"low":    l.lowAt,
			"fold":   l.fold,
			"commit": l.commit,
		})
		l.close(t)
	})
	if err := k.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFoldKeepsOneOpeningForEachBook(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a := newWallet(t, s, k, 1000)
	for range 3 {
		write(t, s, func(tx *store.Tx) error {
			posted, voided, left := tx.NewID(), tx.NewID(), tx.NewID()
			if _, err := k.Hold(tx, []wallet.Move{{Account: a, Subject: posted, Amount: 10}, {Account: a, Subject: voided, Amount: 20}, {Account: a, Subject: left, Amount: 1}}); err != nil {
				return err
			}
			if _, err := k.Post(tx, []wallet.Move{{Account: a, Subject: posted, Amount: 10}}); err != nil {
				return err
			}
			return k.Void(tx, []wallet.Move{{Account: a, Subject: voided, Amount: 20}})
		})
		s.Shift(24 * time.Hour)
		write(t, s, func(tx *store.Tx) error {
			more, err := k.Fold(tx, tx.Now().Add(-time.Hour))
			if more {
				t.Error("a few rows are one share")
			}
			return err
		})
	}
	if err := k.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if b, err := k.Balance(t.Context(), a); b.Available != 967 || b.Held != 3 || b.Charged != 30 || err != nil {
		t.Errorf("the wallet has %+v (%v)", b, err)
	}
	var rows int
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM transfer").Scan(&rows); rows != 5 || err != nil {
		t.Errorf("%d rows are left (%v), not two openings and three holds", rows, err)
	}
}

func TestFoldTakesShares(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	k.FoldOnly(50)
	a := newWallet(t, s, k, 200)
	moves := make([]wallet.Move, 60)
	for i := range moves {
		moves[i] = wallet.Move{Account: a, Subject: s.NewID(), Amount: 2}
	}
	write(t, s, func(tx *store.Tx) error {
		if _, err := k.Hold(tx, moves); err != nil {
			return err
		}
		_, err := k.Post(tx, moves)
		return err
	})
	shares := 0
	for more := true; more; shares++ {
		write(t, s, func(tx *store.Tx) (err error) {
			more, err = k.Fold(tx, tx.Now().Add(time.Hour))
			return err
		})
		if err := k.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if shares != 2 {
		t.Errorf("%d shares", shares)
	}
	if b, err := k.Balance(t.Context(), a); b.Available != 80 || b.Charged != 120 || err != nil {
		t.Errorf("the wallet has %+v (%v)", b, err)
	}
}

func TestEntriesTellWhoSpent(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	parent, sub := newWallet(t, s, k, 100), newWallet(t, s, k, 5)
	first, second, third := s.NewID(), s.NewID(), s.NewID()
	write(t, s, func(tx *store.Tx) error {
		moves := []wallet.Move{{Account: parent, Subject: first, Amount: 30}, {Account: parent, Spender: sub, Subject: second, Amount: 20}, {Account: parent, Subject: third, Amount: 10}}
		if _, err := k.Hold(tx, moves); err != nil {
			return err
		}
		if _, err := k.Post(tx, moves[1:2]); err != nil {
			return err
		}
		if err := k.Void(tx, moves[2:]); err != nil {
			return err
		}
		return k.TopUp(tx, audit.CLI, parent, -7, "mistake")
	})
	var got []wallet.Entry
	for before, pages := int64(0), 0; pages < 20; pages++ {
		entries, err := k.Entries(t.Context(), parent, before, 2)
		if err != nil || len(entries) > 3 {
			t.Fatal(entries, err)
		}
		if len(entries) == 0 {
			break
		}
		got, before = append(got, entries...), entries[len(entries)-1].Subject
	}
	story := ""
	for _, e := range got {
		who := ""
		if e.Spender == sub {
			who = " for the subaccount"
		}
		story += fmt.Sprintf("%s %d%s %s\n", e.Kind, e.Amount, who, e.Note)
	}
	const want = `correction 7 mistake
hold 10 
release 10 
hold 20 for the subaccount 
charge 20 for the subaccount 
hold 30 
top_up 100 
`
	if story != want {
		t.Errorf("the entries are\n%s", story)
	}
	if own, err := k.Entries(t.Context(), sub, 0, 10); len(own) != 1 || err != nil {
		t.Errorf("the subaccount has %v (%v)", own, err)
	}
}
