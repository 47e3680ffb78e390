package member_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

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
	if got, ok, err := k.SignIn(t.Context(), "owner@example.com", "a password"); err != nil || !ok || got.ID != a.ID {
		t.Errorf("signed in as %v, %v, %v", got.ID, ok, err)
	}
	if err := set(b.ID, "owner@example.com"); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("a taken name gave %v", err)
	}
	if err := set(a.ID, "owner@example.com"); err != nil {
		t.Errorf("keeping one's own name gave %v", err)
	}
}
