package audit_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheLogIsListedByPageAndEndsByAge(t *testing.T) {
	t.Parallel()
	const alice, bob account.ID = 1 << 40, 2 << 40
	s := storetest.Open(t)
	write := func(f func(*store.Tx) error) {
		t.Helper()
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	by := audit.Actor{Name: "key:1", Address: "192.0.2.1"}
	add := func(n int) {
		entries := []audit.Entry{{Account: bob, Actor: audit.CLI, Action: "key.create", Subject: "b"}}
		for i := range n {
			entries = append(entries, audit.Entry{Account: alice, Actor: by, Action: "key.create", Subject: fmt.Sprint(i), Detail: "d"})
		}
		write(func(tx *store.Tx) error { return audit.Append(tx, entries...) })
	}
	list := func(a account.ID, page int) (all []audit.Entry) {
		var before id.Of[audit.Entry]
		for {
			got, err := audit.List(t.Context(), s, a, before, page)
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, got...); len(got) < page {
				return all
			}
			before = got[len(got)-1].ID
		}
	}
	add(700)
	got := list(alice, 33)
	if len(got) != 700 || got[0].Subject != "699" || got[699].Subject != "0" || got[0].Actor != by || got[0].Detail != "d" || got[0].Account != alice {
		t.Errorf("%d entries, the newest %+v", len(got), got[0])
	}
	if got := list(bob, 10); len(got) != 1 || got[0].Actor != audit.CLI {
		t.Errorf("%+v", got)
	}
	s.Shift(48 * time.Hour)
	add(1)
	rounds := 0
	for more := true; more; rounds++ {
		write(func(tx *store.Tx) (err error) {
			more, err = audit.Drop(tx, tx.Now().Add(-24*time.Hour))
			return err
		})
	}
	if n := len(list(alice, 10)); n != 1 || rounds < 3 {
		t.Errorf("%d entries are left after %d shares", n, rounds)
	}
}
