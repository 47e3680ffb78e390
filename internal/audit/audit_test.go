package audit_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice, bob account.ID = 1 << 40, 2 << 40

func write(t *testing.T, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}

// all lists what the filter takes, page by page.
func all(t *testing.T, s *store.Store, f audit.Filter) (entries []audit.Entry) {
	t.Helper()
	for {
		got, next, err := audit.List(t.Context(), s, f)
		if err != nil || len(got) > f.Limit {
			t.Fatal(len(got), err)
		}
		entries = append(entries, got...)
		if f.Before = next; next == 0 {
			return entries
		}
	}
}

func verify(t *testing.T, s *store.Store, want int) {
	t.Helper()
	if n, err := audit.Verify(t.Context(), s); n != want || err != nil {
		t.Errorf("%d rows are whole (%v), want %d", n, err, want)
	}
}

func TestTheLogIsListedByPageAndEndsByAge(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	by := audit.Actor{Name: "key:1", Address: "192.0.2.1"}
	add := func(n int) {
		entries := []audit.Entry{{Account: bob, Actor: audit.CLI, Action: "key.create", Subject: "b"}}
		for i := range n {
			entries = append(entries, audit.Entry{
				Account: alice, Actor: by, Action: []string{"key.create", "webhook.create"}[i%2], Subject: fmt.Sprint(i), Detail: "d", Was: "1", Became: "2",
			})
		}
		write(t, s, func(tx *store.Tx) error { return audit.Append(tx, entries...) })
	}
	write(t, s, func(tx *store.Tx) error { // as they were written before there was a chain
		return store.Run(tx, "INSERT INTO audit (id, account_id, actor, action, subject) VALUES ($1, 5, 'cli', 'x', 'y')", []int64{tx.NewID()})
	})
	verify(t, s, 0)
	add(700)
	got := all(t, s, audit.Filter{Account: alice, Limit: 33})
	if len(got) != 700 || got[0].Subject != "699" || got[699].Subject != "0" || got[0].Actor != by || got[0].Detail != "d" || got[0].Account != alice || got[0].Was+got[0].Became != "12" {
		t.Errorf("%d entries, the newest %+v", len(got), got[0])
	}
	for name, c := range map[string]struct {
		filter audit.Filter
		want   int
	}{
		"Bob's":              {audit.Filter{Account: bob}, 1},
		"everyone's":         {audit.Filter{}, 702},
		"a family":           {audit.Filter{Account: alice, Action: "webhook."}, 350},
		"an actor":           {audit.Filter{Actor: "cli"}, 2},
		"nobody":             {audit.Filter{Actor: "key"}, 0},
		"what is to come":    {audit.Filter{Since: s.Now().Add(time.Minute)}, 0},
		"what has been":      {audit.Filter{Until: s.Now().Add(-time.Minute)}, 0},
		"all by their times": {audit.Filter{Since: s.Now().Add(-time.Hour), Until: s.Now().Add(time.Hour)}, 702},
	} {
		c.filter.Limit = 10
		if n := len(all(t, s, c.filter)); n != c.want {
			t.Errorf("%s: %d entries, want %d", name, n, c.want)
		}
	}
	verify(t, s, 701)
	s.Shift(48 * time.Hour)
	add(1)
	rounds := 0
	for more := true; more; rounds++ {
		write(t, s, func(tx *store.Tx) (err error) {
			more, err = audit.Drop(tx, tx.Now().Add(-24*time.Hour))
			return err
		})
		if _, err := audit.Verify(t.Context(), s); err != nil {
			t.Errorf("after share %d: %v", rounds, err)
		}
	}
	if n := len(all(t, s, audit.Filter{Limit: 10})); n != 2 || rounds < 3 {
		t.Errorf("%d entries are left after %d shares", n, rounds)
	}
	verify(t, s, 2)
	add(2)
	verify(t, s, 5)
}

// TestEveryChangeBehindOurBackIsFound changes each column of a row, takes rows away and puts some in (S83).
func TestEveryChangeBehindOurBackIsFound(t *testing.T) {
	t.Parallel()
	for _, change := range []string{
		"UPDATE audit SET actor = 'x' WHERE seq = 3", "UPDATE audit SET action = 'x' WHERE seq = 3", "UPDATE audit SET subject = 'x' WHERE seq = 3",
		"UPDATE audit SET detail = 'x' WHERE seq = 3", "UPDATE audit SET address = 'x' WHERE seq = 3", "UPDATE audit SET was = 'x' WHERE seq = 3",
		"UPDATE audit SET became = 'x' WHERE seq = 3", "UPDATE audit SET account_id = 7 WHERE seq = 3", "UPDATE audit SET id = id - 1000 WHERE seq = 3",
		"UPDATE audit SET previous = 'x' WHERE seq = 3", "UPDATE audit SET detail = 'x' WHERE seq = 1", "UPDATE audit SET detail = 'x' WHERE seq = 5",
		"DELETE FROM audit WHERE seq = 1", "DELETE FROM audit WHERE seq = 3", "DELETE FROM audit WHERE seq = 5", "DELETE FROM audit",
		"UPDATE audit SET seq = 0 WHERE seq = 5", "UPDATE audit_head SET seq = 4", "UPDATE audit_head SET hash = 'x'",
	} {
		s := storetest.Open(t)
		for range 5 {
			write(t, s, func(tx *store.Tx) error {
				return audit.Append(tx, audit.Entry{Account: alice, Actor: audit.CLI, Action: "a", Subject: "s\x00\xff", Detail: "é"})
			})
		}
		verify(t, s, 5)
		write(t, s, func(tx *store.Tx) error {
			_, err := tx.Queries().ExecContext(tx.Context(), change)
			return err
		})
		if _, err := audit.Verify(t.Context(), s); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: %v", change, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheChainHoldsWhoeverWrites(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if err := s.Write(func(tx *store.Tx) error {
					return audit.Append(tx, audit.Entry{Account: alice, Actor: audit.System, Action: "a"}, audit.Entry{Account: bob, Actor: audit.System, Action: "b"})
				}); err != nil {
					t.Error(err)
				}
				if _, err := audit.Verify(t.Context(), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	verify(t, s, 320)
}
