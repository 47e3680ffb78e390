package key_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestAnOriginIsKnownWhileAKeyListsIt(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := key.New(s)
	known := func() bool {
		ok, err := k.OriginKnown(t.Context(), "https://shop.example")
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if known() {
		t.Error("an origin that no key lists is known")
	}
	var made key.Made
	err := s.Write(func(tx *store.Tx) (err error) {
		made, err = k.Create(tx, audit.CLI, key.Key{Account: 7, Scopes: account.Scopes{account.Admin}, Origins: []string{"https://other.example", "https://shop.example"}}, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !known() {
		t.Error("an origin that a key lists is not known")
	}
	for owner, want := range map[account.ID]bool{7: true, 8: false} {
		if listed, err := k.OriginOf(t.Context(), owner, "https://shop.example"); listed != want || err != nil {
			t.Errorf("of account %d it is %v (%v)", owner, listed, err)
		}
	}
	err = s.Write(func(tx *store.Tx) error {
		_, err := k.Revoke(tx, audit.CLI, 7, made.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if known() {
		t.Error("an origin of a revoked key is known")
	}
}
