package route_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/message"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestOwnDefaultWinsOverThatOfAll(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := route.New(s)
	set := func(a account.ID, kind message.Kind, ch message.ChannelID) {
		t.Helper()
		if err := s.Write(func(tx *store.Tx) error { return k.SetDefault(tx, audit.CLI, a, kind, ch) }); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(a account.ID, kind message.Kind, want message.ChannelID) {
		t.Helper()
		got, ok, err := k.Default(t.Context(), a, kind)
		if got != want || ok != (want != 0) || err != nil {
			t.Errorf("account %d sends %s by %d (%v), not %d", int64(a), kind, int64(got), err, int64(want))
		}
	}
	expect(1, message.SMS, 0)
	set(0, message.SMS, 10)
	expect(1, message.SMS, 10)
	expect(1, message.WhatsApp, 0)
	set(1, message.SMS, 11)
	expect(1, message.SMS, 11)
	expect(2, message.SMS, 10)
	set(1, message.SMS, 12)
	expect(1, message.SMS, 12)
	set(1, message.SMS, 0)
	expect(1, message.SMS, 10)
}
