package key_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// TestARenewedKeyTakesThePlaceOfAllOfItsName: they die at once, others live on, and the rights stay.
func TestARenewedKeyTakesThePlaceOfAllOfItsName(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := key.New(s)
	write := func(f func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	var made []key.Made
	add := func(change func(tx *store.Tx) (key.Made, error)) key.Made {
		t.Helper()
		write(func(tx *store.Tx) error {
			one, err := change(tx)
			made = append(made, one)
			return err
		})
		return made[len(made)-1]
	}
	works := func(m key.Made) bool {
		t.Helper()
		_, err := k.Authenticate(t.Context(), m.Secret, netip.MustParseAddr("192.0.2.1"), s.Now())
		if err != nil && !fault.Is(err, fault.KeyRevoked) {
			t.Error(err)
		}
		return err == nil
	}
	create := func(like key.Key) key.Made {
		return add(func(tx *store.Tx) (key.Made, error) { return k.Create(tx, audit.CLI, like, false) })
	}
	wish := key.Key{Account: 7, Name: key.Main, Scopes: account.Scopes{account.Admin}}
	renew := func(wish key.Key) key.Made {
		return add(func(tx *store.Tx) (key.Made, error) { return k.Renew(tx, audit.CLI, wish) })
	}
	first := renew(wish)
	if !works(first) || !slices.Equal(first.Scopes, wish.Scopes) {
		t.Errorf("the first is %+v", first)
	}
	second := create(key.Key{Account: 7, Name: key.Main, Scopes: account.Scopes{account.MessagesSend}, Origins: []string{"https://shop.example"}})
	other := create(key.Key{Account: 7, Name: "another", Scopes: account.Scopes{account.Admin}})
	stranger := create(key.Key{Account: 8, Name: key.Main, Scopes: account.Scopes{account.Admin}})
	wish.Expires = s.Now().Add(72 * time.Hour)
	third := renew(wish)
	for m, want := range map[string]bool{first.Secret: false, second.Secret: false, other.Secret: true, stranger.Secret: true, third.Secret: true} {
		if got := works(key.Made{Secret: m}); got != want {
			t.Errorf("%.20s works: %v", m, got)
		}
	}
	if !slices.Equal(third.Scopes, second.Scopes) || !slices.Equal(third.Origins, second.Origins) || !third.Expires.Equal(wish.Expires) {
		t.Errorf("the new one is %+v", third)
	}
	named := func(name string) (found key.Key, ok bool) {
		write(func(tx *store.Tx) (err error) {
			found, ok, err = k.Named(tx, 7, name)
			return err
		})
		return found, ok
	}
	if found, ok := named(key.Main); !ok || found.ID != third.ID {
		t.Errorf("in use is %v %+v", ok, found)
	}
	s.Shift(73 * time.Hour)
	if _, ok := named(key.Main); ok {
		t.Error("a key that has expired is in use")
	}
}
