package route_test

import (
	"slices"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestOwnDefaultsWinOverThoseOfAll(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := route.New(s)
	set := func(a account.ID, kind message.Kind, channels ...message.ChannelID) error {
		return s.Write(func(tx *store.Tx) error { return k.SetDefaults(tx, audit.CLI, a, kind, channels) })
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(a account.ID, kind message.Kind, want ...message.ChannelID) {
		t.Helper()
		got, err := k.Defaults(t.Context(), a, kind)
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("account %d sends %s by %v (%v), not %v", int64(a), kind, got, err, want)
		}
	}
	expect(1, message.SMS)
	must(set(0, message.SMS, 10, 9))
	expect(1, message.SMS, 10, 9)
	expect(1, message.WhatsApp)
	must(set(1, message.SMS, 11))
	expect(1, message.SMS, 11)
	expect(2, message.SMS, 10, 9)
	must(set(1, message.SMS, 12, 10, 11))
	expect(1, message.SMS, 12, 10, 11)
	for _, wrong := range [][]message.ChannelID{{12, 10, 12}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}} {
		if err := set(1, message.SMS, wrong...); !fault.Is(err, fault.InvalidField) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	expect(1, message.SMS, 12, 10, 11)
	must(set(1, message.SMS))
	expect(1, message.SMS, 10, 9)
}
