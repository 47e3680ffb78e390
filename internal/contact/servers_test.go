package contact_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// servers are two on one database; where there can be but one, two keepers of it.
func servers(t *testing.T) []*world {
	t.Helper()
	if !storetest.Postgres() {
		s := storetest.Open(t)
		return []*world{around(s), around(s)}
	}
	opt := storetest.Options(t)
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	var both []*world
	for range 2 {
		own := opt
		own.Dir, own.MasterKey = t.TempDir(), string(key)
		s, err := store.Open(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		both = append(both, around(s))
	}
	return both
}

// TestServersLearnTheSameTogether has several workers on two servers learn all facts, each in an order of its own, while lists are filled:
// in the end everybody is one contact, no list has anybody twice, and no number was given twice.
func TestServersLearnTheSameTogether(t *testing.T) {
	t.Parallel()
	const a, people = account.ID(7), 12
	both := servers(t)
	var facts []message.Person
	for n := range people {
		facts = append(
			facts, message.Person{Phone: phone(n)}, message.Person{LID: lid(n)}, message.Person{BSUID: bsuid(n)},
			message.Person{Phone: phone(n), LID: lid(n)}, message.Person{LID: lid(n), BSUID: bsuid(n)},
		)
	}
	var list contact.List
	both[0].must(t, both[0].Write(func(tx *store.Tx) (err error) {
		list, err = both[0].keep.CreateList(tx, audit.System, a, "all")
		return err
	}))
	var all sync.WaitGroup
	for worker := range 6 {
		w, told := both[worker%2], slices.Clone(facts)
		rand.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		all.Go(func() {
			for ; len(told) > 0; told = told[min(len(told), 5):] {
				who := w.meet(t, a, told[:min(len(told), 5)]...)
				w.must(t, w.Write(func(tx *store.Tx) error {
					_, err := w.keep.Put(tx, a, list.ID, who)
					return err
				}))
			}
		})
	}
	all.Wait()
	for _, w := range both {
		if got, want := w.shown(t, a), components(facts); !slices.Equal(got, want) {
			t.Fatalf("the people are\n%q, not\n%q", got, want)
		}
		l, err := w.keep.GetList(ctx, a, list.ID)
		w.must(t, err)
		if l.Members != people {
			t.Errorf("the list has %d of %d", l.Members, people)
		}
		w.consistent(t)
	}
}
