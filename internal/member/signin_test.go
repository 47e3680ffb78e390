package member_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// freely lets everyone try.
func freely(string) error { return nil }

// asking counts how often a password was looked at.
func asking(n *int) func(string) error {
	return func(string) error {
		*n++
		return nil
	}
}

func TestSetSignInReplacesNameAndPassword(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := member.New(s, account.Limits{})
	var a, b account.Account
	err := s.Write(func(tx *store.Tx) (err error) {
		if a, err = k.Create(tx, audit.CLI, account.Account{Name: "A"}, "a", ""); err != nil {
			return err
		}
		b, err = k.Create(tx, audit.CLI, account.Account{Name: "B"}, "b", "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(id account.ID, name string) error {
		return s.Write(func(tx *store.Tx) error { return k.SetSignIn(tx, audit.CLI, id, name, "a password") })
	}
	if err := set(a.ID, "Owner@Example.com"); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := k.SignIn(t.Context(), "owner@example.com", "a password", freely); err != nil || !ok || got.ID != a.ID {
		t.Errorf("signed in as %v, %v, %v", got.ID, ok, err)
	}
	if err := set(b.ID, "owner@example.com"); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("a taken name gave %v", err)
	}
	if err := set(a.ID, "owner@example.com"); err != nil {
		t.Errorf("keeping one's own name gave %v", err)
	}
}

func TestAPasswordThatWasRightIsRememberedUntilItChanges(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a, err := create(s, k, account.Account{Name: "Acme"}, "acme", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	expect := func(what, username, password string, right bool, asks int) {
		t.Helper()
		asked = 0
		if got, ok, err := k.SignIn(t.Context(), username, password, asking(&asked)); ok != right || err != nil || asked != asks || ok && got.ID != a.ID {
			t.Errorf("%s: %v (%v), looked at %d times", what, ok, err, asked)
		}
	}
	write := func(f func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", "acme", "correct horse", true, 1)
	expect("again, in another case", " ACME ", "correct horse", true, 0)
	expect("another password", "acme", "correct horsf", false, 1)
	expect("what was wrong once more", "acme", "correct horsf", false, 1)
	if _, err := create(s, k, account.Account{Name: "Other"}, "other", "correct horse"); err != nil {
		t.Fatal(err)
	}
	expect("after another account's change", "acme", "correct horse", true, 0)
	s.Shift(10 * time.Minute)
	expect("ten minutes later", "acme", "correct horse", true, 1)
	write(func(tx *store.Tx) error { return k.SetSignIn(tx, audit.CLI, a.ID, "acme", "battery staple") })
	expect("the old password", "acme", "correct horse", false, 1)
	expect("the new password", "acme", "battery staple", true, 1)
	write(func(tx *store.Tx) error { return k.SetActive(tx, audit.CLI, a.ID, false) })
	expect("while suspended", "acme", "battery staple", true, 1)
	write(func(tx *store.Tx) error { return k.SetActive(tx, audit.CLI, a.ID, true) })
	expect("after the suspension", "acme", "battery staple", true, 1)
	expect("and again", "acme", "battery staple", true, 0)
	expect("too long", "acme", strings.Repeat("x", 513), false, 0)
}

func TestWhoMayNotTryIsTold(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	if _, err := create(s, k, account.Account{Name: "Acme"}, "acme", "correct horse"); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, name := range []string{"ACME", "nobody"} {
		_, ok, err := k.SignIn(t.Context(), name, "correct horse", func(username string) error {
			named = append(named, username)
			return fault.New(fault.RateLimited, "no")
		})
		if ok || !fault.Is(err, fault.RateLimited) {
			t.Errorf("%s: %v (%v)", name, ok, err)
		}
	}
	if !slices.Equal(named, []string{"acme", "nobody"}) {
		t.Errorf("asked for %v", named)
	}
}

// TestAFloodOfPasswordsIsRefused fills the places where passwords are checked and waited for: who comes then is told so at once.
func TestAFloodOfPasswordsIsRefused(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	if _, err := create(s, k, account.Account{Name: "Acme"}, "acme", "correct horse"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := k.SignIn(t.Context(), "acme", "correct horse", freely); !ok || err != nil {
		t.Fatal(ok, err)
	}
	hold := make(chan struct{})
	var running, most, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			_, _, err := k.SignIn(t.Context(), "acme", fmt.Sprint("wrong ", i), func(string) error {
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				defer running.Add(-1)
				<-hold
				return fault.New(fault.BadCredentials, "enough")
			})
			if fault.Is(err, fault.RateLimited) && refused.Add(1) == 200-64 {
				close(hold)
			}
		})
	}
	all.Wait()
	if _, ok, err := k.SignIn(t.Context(), "acme", "correct horse", freely); !ok || err != nil {
		t.Errorf("what was right before is %v (%v)", ok, err)
	}
	if slots := int32(max(1, runtime.GOMAXPROCS(0)/2)); most.Load() > slots || refused.Load() != 200-64 {
		t.Errorf("%d at a time, %d refused", most.Load(), refused.Load())
	}
}

func TestTheSamePasswordIsCheckedOnceAtATime(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	if _, err := create(s, k, account.Account{Name: "Acme"}, "acme", "correct horse"); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, ok, err := k.SignIn(t.Context(), "acme", "correct horse", func(string) error {
				asked.Add(1)
				return nil
			})
			if !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	all.Wait()
	if asked.Load() > 2 { // one may come after the first has ended, and before it is remembered for all
		t.Errorf("it was checked %d times", asked.Load())
	}
}
