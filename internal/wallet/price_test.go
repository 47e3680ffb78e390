package wallet_test

import (
	"slices"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

func TestLongestPrefixOfTheOwnListWins(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	plain, special, dollar := newWallet(t, s, k, 0), newWallet(t, s, k, 0), account.ID(s.NewID())
	write(t, s, func(tx *store.Tx) error {
		if err := k.Open(tx, dollar, "USD"); err != nil {
			return err
		}
		return k.SetPrices(tx, audit.CLI, []wallet.Price{
			{Currency: "KES", Prefix: "254", Amount: 5},
			{Currency: "KES", Prefix: "25470", Amount: 7},
			{Currency: "KES", Prefix: "1", Amount: 90},
			{Account: special, Currency: "KES", Prefix: "2547", Amount: 3},
			{Account: special, Currency: "USD", Prefix: "1", Amount: 1},
		})
	})
	for _, c := range []struct {
		account account.ID
		to      string
		want    int64
	}{
		{plain, "+254701234567", 7},
		{plain, "+254801234567", 5},
		{plain, "+255701234567", -1},
		{plain, "lid:254701234567", -1},
		{special, "+254701234567", 3},
		{special, "+254801234567", 5},
		{special, "+12025550123", 90},
		{dollar, "+12025550123", 0},
		{account.ID(1), "+12025550123", -2},
	} {
		got, err := k.Quote(t.Context(), c.account, message.ParseAddress(c.to))
		switch {
		case c.want == -1 && fault.Is(err, fault.NoPrice), c.want == -2 && fault.Is(err, fault.NotHere):
		case got != c.want || err != nil:
			t.Errorf("%s costs %d (%v), not %d", c.to, got, err, c.want)
		}
	}
}

func TestPricesChangeAtOnce(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	a := newWallet(t, s, k, 0)
	to := message.ParseAddress("+254701234567")
	quote := func(want int64) {
		t.Helper()
		if got, err := k.Quote(t.Context(), a, to); got != want || err != nil {
			t.Errorf("it costs %d (%v), not %d", got, err, want)
		}
	}
	set := func(amount int64) {
		t.Helper()
		write(t, s, func(tx *store.Tx) error {
			return k.SetPrices(tx, audit.CLI, []wallet.Price{{Currency: "KES", Amount: amount}})
		})
	}
	quote(0)
	set(4)
	quote(4)
	set(6)
	quote(6)
	if prices, err := k.Prices(t.Context()); !slices.Equal(prices, []wallet.Price{{Currency: "KES", Amount: 6}}) || err != nil {
		t.Errorf("the book is %v (%v)", prices, err)
	}
	set(-1)
	quote(0)
	for _, wrong := range []wallet.Price{{Currency: "KES", Prefix: "+254"}, {Prefix: "254"}, {Currency: "KES", Prefix: "1234567890123456"}, {Currency: "KES", Amount: 1 << 60}} {
		err := s.Write(func(tx *store.Tx) error { return k.SetPrices(tx, audit.CLI, []wallet.Price{wrong}) })
		if !fault.Is(err, fault.InvalidField) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}
