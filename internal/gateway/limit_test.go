package gateway_test

import (
	"fmt"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// limited is a caller of Alice's whose key may spend so many parts a day.
func (w *world) limited(parts int64) gateway.Caller {
	w.t.Helper()
	c := w.caller(w.alice)
	w.write(func(tx *store.Tx) error {
		made, err := key.New(w.store).Create(tx, audit.System, key.Key{
			Account: w.alice.ID, Scopes: account.Scopes{account.MessagesSend}, SpendLimit: parts * price,
		}, false)
		c.Key.ID, c.Key.SpendLimit = made.ID, made.SpendLimit
		return err
	})
	return c
}

// codes are what became of so many drafts of one part each, in short.
func (w *world) codes(c gateway.Caller, whole []fault.Code, n int) (codes []fault.Code) {
	w.t.Helper()
	r := gateway.Request{Whole: whole}
	for i := range n {
		r.Drafts = append(r.Drafts, draft(phone(i), "x"))
	}
	reply, err := w.gateway.Submit(w.t.Context(), c, r)
	w.must(err)
	for _, result := range reply.Results {
		if result.Fault == nil {
			codes = append(codes, "")
			continue
		}
		codes = append(codes, result.Fault.Code)
	}
	return codes
}

func TestAKeySpendsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.limited(5)
	want := func(what string, got []fault.Code, want string) {
		t.Helper()
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	whole := []fault.Code{fault.SpendLimit}
	want("more than the limit, whole", w.codes(c, whole, 6), "[spend_limit spend_limit spend_limit spend_limit spend_limit spend_limit]")
	want("two of five", w.codes(c, nil, 2), "[ ]")
	want("three are left", w.codes(c, nil, 5), "[   spend_limit spend_limit]")
	want("nothing is left", w.codes(c, whole, 1), "[spend_limit]")
	free := c
	free.Key.Test = true
	want("what costs nothing", w.codes(free, nil, 2), "[ ]")
	want("another key", w.codes(w.caller(w.alice), nil, 2), "[ ]")
	w.sends(7)
	w.until(func() bool { return w.balance().Held == 0 }, func() string { return fmt.Sprint(w.balance()) })
	w.wantMoney(7, 0)
	w.kill()
	want("after a kill", w.codes(c, nil, 1), "[spend_limit]")
	previews, err := w.gateway.Preview(t.Context(), c, []message.Draft{draft(phone(1), "x")})
	if err != nil || !fault.Is(previews[0].Fault, fault.SpendLimit) {
		t.Errorf("the preview says %+v (%v)", previews, err)
	}
}

func TestWhatTheWalletRefusesIsNotSpent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.limited(3)
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, 2*price-funds, "") })
	if got := fmt.Sprint(w.codes(c, []fault.Code{fault.InsufficientBalance}, 3)); got != "[insufficient_balance insufficient_balance insufficient_balance]" {
		t.Error(got)
	}
	if got := fmt.Sprint(w.codes(c, nil, 3)); got != "[  insufficient_balance]" {
		t.Error(got)
	}
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, 5*price, "") })
	if got := fmt.Sprint(w.codes(c, nil, 2)); got != "[ spend_limit]" {
		t.Error(got)
	}
}
