package member_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

func TestUsersAreFoundByTheirAddress(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a, err := create(s, k, account.Account{Name: "Acme"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	itself, err := k.FirstUser(t.Context(), a)
	if want := (member.User{Account: a.ID, Number: a.Number, Name: "Acme"}); err != nil || itself != want || a.Number == 0 {
		t.Errorf("an account without users is %+v (%v)", itself, err)
	}
	u := member.User{Account: a.ID, Email: " Jane@Acme.example ", Name: "Jane", CreatedFrom: "shop"}
	if err := u.Check(); err != nil || u.Email != "jane@acme.example" {
		t.Fatalf("%q: %v", u.Email, err)
	}
	var found member.User
	var ok bool
	err = s.Write(func(tx *store.Tx) (err error) {
		if _, there, err := k.UserByEmail(tx, u.Email); there || err != nil {
			t.Errorf("there before: %v (%v)", there, err)
		}
		if u, err = k.AddUser(tx, audit.CLI, u); err != nil {
			return err
		}
		found, ok, err = k.UserByEmail(tx, "jane@acme.example")
		return err
	})
	if err != nil || !ok || found != u || u.Number != a.Number+1 {
		t.Errorf("found %+v, made %+v (%v)", found, u, err)
	}
	if first, err := k.FirstUser(t.Context(), a); err != nil || first != u {
		t.Errorf("the first is %+v (%v)", first, err)
	}
	if b, err := create(s, k, account.Account{Name: "Beta"}, "", ""); err != nil || b.Number != u.Number+1 {
		t.Errorf("the next number is %d (%v)", b.Number, err)
	}
}

func TestWhatIsNoAddressIsNoUser(t *testing.T) {
	t.Parallel()
	for email, code := range map[string]fault.Code{
		"": fault.MissingField, "jane": fault.InvalidField, "Jane <jane@acme.example>": fault.InvalidField, "a@b@c": fault.InvalidField,
		"jane@acme.example, joe@acme.example": fault.InvalidField, "[email protected]": fault.InvalidField,
	} {
		u := member.User{Email: email}
		if err := u.Check(); !fault.Is(err, code) {
			t.Errorf("%q: %v", email, err)
		}
	}
}
