package key_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// servers are stores of one database: one on SQLite, two on PostgreSQL.
func servers(t *testing.T) (list []*store.Store) {
	t.Helper()
	opt := storetest.Options(t)
	secret, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + count(storetest.Postgres()) {
		s, err := store.Open(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		opt.Dir, opt.MasterKey = t.TempDir(), string(secret)
		list = append(list, s)
	}
	return list
}

func count(more bool) int {
	if more {
		return 1
	}
	return 0
}

// spend asks for an amount in a transaction of its own.
func spend(t *testing.T, s *store.Store, k account.Key, amount int64) (granted bool) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) error {
		b, err := key.BudgetsOf(tx, []account.Key{k, k})
		if err != nil {
			return err
		}
		granted = b.Spend(k.ID, amount)
		return b.Write(tx)
	})
	if err != nil {
		t.Error(err)
	}
	return granted
}

func spentToday(t *testing.T, k *key.Keeper, of key.Key) int64 {
	t.Helper()
	now, ok, err := k.Get(t.Context(), of.Account, of.ID)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return now.SpentToday
}

func TestALimitIsExactHoweverManySpend(t *testing.T) {
	t.Parallel()
	all := servers(t)
	s := all[0]
	k := key.New(s)
	made := mustCreate(t, s, k, key.Key{Account: 1, SpendLimit: 100})
	rights, err := k.Authenticate(t.Context(), made.Secret, here, s.Now())
	if err != nil || rights.SpendLimit != 100 {
		t.Fatalf("%+v (%v)", rights, err)
	}
	var granted atomic.Int64
	var running sync.WaitGroup
	for i := range 60 {
		running.Go(func() {
			if spend(t, all[i%len(all)], rights, 3) {
				granted.Add(1)
			}
		})
	}
	running.Wait()
	if n := granted.Load(); n != 33 || spentToday(t, k, made.Key) != 99 {
		t.Errorf("3 was granted %d times out of 100, and %d are spent", n, spentToday(t, k, made.Key))
	}
	if spend(t, s, rights, 2) || !spend(t, s, rights, 1) || spend(t, s, rights, 1) || !spend(t, s, rights, 0) {
		t.Error("the rest is not exact")
	}
	next, _, err := rotate(s, k, made.Key, 0)
	if err != nil || next.SpendLimit != 100 || spentToday(t, k, next.Key) != 100 {
		t.Errorf("the successor is %+v (%v)", next, err)
	}
	s.Shift(day)
	if n := spentToday(t, k, next.Key); n != 0 {
		t.Errorf("on the next day %d are spent", n)
	}
	rights.ID = next.ID
	if !spend(t, s, rights, 100) || spend(t, s, rights, 1) {
		t.Error("the next day has no budget of its own")
	}
}

func TestALimitMayBeChanged(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 1})
	change := func(limit int64) error {
		return s.Write(func(tx *store.Tx) error {
			_, err := k.Update(tx, audit.CLI, 1, made.ID, key.Change{SpendLimit: &limit}, false)
			return err
		})
	}
	rights := func() account.Key {
		r, err := k.Authenticate(t.Context(), made.Secret, here, s.Now())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if !spend(t, s, rights(), 1000) || spentToday(t, k, made.Key) != 0 {
		t.Error("a key without a limit is counted")
	}
	for _, wrong := range []int64{-1, 1_000_000_000_000_001} {
		if err := change(wrong); !fault.Is(err, fault.InvalidField) {
			t.Errorf("%d: %v", wrong, err)
		}
	}
	for _, step := range []struct {
		limit, amount int64
		granted       bool
	}{{10, 10, true}, {15, 6, false}, {15, 5, true}, {5, 1, false}, {0, 1000, true}} {
		if err := change(step.limit); err != nil {
			t.Fatal(err)
		}
		if granted := spend(t, s, rights(), step.amount); granted != step.granted {
			t.Errorf("%+v: granted %t", step, granted)
		}
	}
	if b, err := key.BudgetNow(t.Context(), s, rights()); err != nil || len(b) != 0 {
		t.Errorf("without a limit it has the budget %v (%v)", b, err)
	}
}
