package gateway_test

import (
	"testing"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// TestPlanLimitsMessages sends as many as the plan gives, from an account and its subaccount, singly and by the batch.
func TestPlanLimitsMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alice.Limits.Messages = 10
	sub := w.alice
	sub.Parent, sub.ParentPays = w.alice.ID, true
	batch := func(n int) gateway.Request {
		drafts := make([]message.Draft, n)
		for i := range drafts {
			drafts[i] = draft(phone(i), "x")
		}
		return gateway.Request{Drafts: drafts}
	}
	submit := func(n int, subaccount bool) *fault.Fault {
		a := w.alice
		if subaccount {
			a = sub
		}
		_, err := w.gateway.Submit(t.Context(), w.caller(a), batch(n))
		return fault.Of(err)
	}
	if f := submit(11, false); f == nil || f.Code != fault.TooManyItems {
		t.Errorf("a batch of more than a minute's: %v", f)
	}
	if f := submit(6, false); f != nil {
		t.Errorf("the first six: %v", f)
	}
	before := w.count("message")
	for range 3 {
		if f := submit(5, true); f == nil || f.Code != fault.RateLimited || f.RetryAfter <= 5*time.Second || f.RetryAfter > 6*time.Second {
			t.Errorf("five more: %+v", f)
		}
	}
	if n := w.count("message"); n != before {
		t.Errorf("a refused batch left %d messages", n-before)
	}
	if f := submit(4, true); f != nil {
		t.Errorf("the four that are left: %v", f)
	}
	w.store.Shift(30 * time.Second)
	if f := submit(5, false); f != nil {
		t.Errorf("five after half a minute: %v", f)
	}
}
