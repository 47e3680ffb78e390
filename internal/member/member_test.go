package member_test

import (
	"slices"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func open(t *testing.T) (*store.Store, *member.Keeper) {
	t.Helper()
	s := storetest.Open(t)
	return s, member.New(s, account.Limits{})
}

func create(s *store.Store, k *member.Keeper, a account.Account, username, password string) (made account.Account, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		made, err = k.Create(tx, audit.CLI, a, username, password)
		return err
	})
	return made, err
}

func TestAccountIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made, err := create(s, k, account.Account{Name: "Acme", Region: "ke", Currency: "kes", Operator: true}, "Shop@Acme.example", "")
	if err != nil {
		t.Fatal(err)
	}
	want := account.Account{ID: made.ID, Number: 1, Username: "shop@acme.example", Name: "Acme", Region: "KE", Currency: "KES", Operator: true, Active: true}
	if made != want || made.ID == 0 {
		t.Errorf("made %+v", made)
	}
	for _, name := range []string{"shop@acme.example", " SHOP@ACME.example "} {
		if got, ok, err := k.ByUsername(t.Context(), name); got != want || !ok || err != nil {
			t.Errorf("%q is %+v (%v)", name, got, err)
		}
	}
	sub, err := create(s, k, account.Account{Name: "Acme Uganda", Parent: made.ID}, "", "")
	if sub.Currency != "USD" || err != nil {
		t.Errorf("made %+v (%v)", sub, err)
	}
	if got, ok, err := k.ByUsername(t.Context(), sub.ID.String()); got != sub || !ok || err != nil {
		t.Errorf("by its id it is %+v (%v)", got, err)
	}
	if all, err := k.All(t.Context()); !slices.Equal(all, []account.Account{want, sub}) || err != nil {
		t.Errorf("all are %+v (%v)", all, err)
	}
	if _, ok, err := k.Get(t.Context(), 5); ok || err != nil {
		t.Errorf("an unknown account: %v, %v", ok, err)
	}
}

func TestWrongAccountsAreNotMade(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	if _, err := create(s, k, account.Account{Name: "Acme"}, "acme", ""); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		account  account.Account
		username string
		want     fault.Code
	}{
		"a taken user name":         {account.Account{Name: "Other"}, "ACME", fault.AlreadyThere},
		"a user name with a colon":  {account.Account{Name: "Other"}, "a:b", fault.InvalidField},
		"a user name with a space":  {account.Account{Name: "Other"}, "a b", fault.InvalidField},
		"no name":                   {account.Account{}, "other", fault.MissingField},
		"a region that is none":     {account.Account{Name: "Other", Region: "XX"}, "other", fault.InvalidField},
		"a currency that is none":   {account.Account{Name: "Other", Currency: "Ksh."}, "other", fault.InvalidField},
		"a parent that is not here": {account.Account{Name: "Other", Parent: 5}, "other", fault.NotHere},
	} {
		if _, err := create(s, k, c.account, c.username, ""); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSuspensionIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made, err := create(s, k, account.Account{Name: "Acme"}, "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, active := range []bool{true, false, false, true} {
		if err := s.Write(func(tx *store.Tx) error { return k.SetActive(tx, audit.CLI, made.ID, active) }); err != nil {
			t.Fatal(err)
		}
		if got, _, err := k.Get(t.Context(), made.ID); got.Active != active || err != nil {
			t.Errorf("active is %v (%v), not %v", got.Active, err, active)
		}
	}
	err = s.Write(func(tx *store.Tx) error { return k.SetActive(tx, audit.CLI, 5, true) })
	if !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
}

func TestOnlyThePasswordSignsIn(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made, err := create(s, k, account.Account{Name: "Acme"}, "acme", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(s, k, account.Account{Name: "Keys only"}, "keys", ""); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := k.SignIn(t.Context(), "ACME", "correct horse", freely); got != made || !ok || err != nil {
		t.Errorf("signed in as %+v (%v, %v)", got, ok, err)
	}
	for _, wrong := range [][2]string{{"acme", "Correct horse"}, {"acme", ""}, {"keys", ""}, {"keys", "x"}, {"nobody", "correct horse"}, {"", ""}} {
		if got, ok, err := k.SignIn(t.Context(), wrong[0], wrong[1], freely); got != (account.Account{}) || ok || err != nil {
			t.Errorf("%q signed in as %+v (%v)", wrong, got, err)
		}
	}
}
