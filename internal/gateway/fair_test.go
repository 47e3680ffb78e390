package gateway_test

import (
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// wait has an account's messages wait, in batches.
func (w *world) wait(a account.Account, n int, p message.Priority) {
	w.t.Helper()
	for at := 0; at < n; at += 1000 {
		drafts := make([]message.Draft, min(1000, n-at))
		for i := range drafts {
			drafts[i] = draft(phone(at+i), "x")
			drafts[i].Priority = p
		}
		reply, err := w.gateway.Submit(w.t.Context(), w.caller(a), gateway.Request{Drafts: drafts})
		w.must(err)
		for _, r := range reply.Results {
			if r.Fault != nil {
				w.t.Fatal(r.Fault)
			}
		}
	}
}

func TestAnotherAccountsCodeLeavesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	queued := 50_000
	if testing.Short() || raceEnabled {
		queued = 3_000
	}
	w.wait(w.alice, queued, message.Bulk)
	w.start()
	w.sends(100)
	bob := w.account()
	for range 5 {
		d := draft("+254711111111", "your code")
		d.Priority = message.OTP
		began := time.Now()
		reply, err := w.gateway.Submit(t.Context(), w.caller(bob), gateway.Request{Drafts: []message.Draft{d}})
		w.must(err)
		w.await(reply.Results[0].Message.ID, message.Sent)
		took := time.Since(began)
		t.Logf("left after %s, behind %d", took.Round(time.Millisecond), queued-len(w.network.Sends()))
		if took > time.Second {
			t.Errorf("a code left after %s", took)
		}
	}
	if left := queued - len(w.network.Sends()); left <= 0 {
		t.Error("nothing waited any more: this shows nothing")
	}
}

func TestEqualAccountsGetEqualTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	const accounts, first = 10, 500
	turns := map[account.ID]int{}
	for n := range accounts {
		a := w.account()
		turns[a.ID] = 0
		w.wait(a, 100+50*(n%3), message.Bulk) // all have more than their share of the first
	}
	w.start()
	for _, out := range w.sends(first)[:first] {
		turns[out.Account]++
	}
	for a, n := range turns {
		if share := first / accounts; n < share*8/10 || n > share*12/10 {
			t.Errorf("account %s had %d turns of %d; %d are its share", a, n, first, share)
		}
	}
}

func TestOrderToARecipientHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const texts = 60
	var ids []message.ID
	for n := range texts {
		ids = append(ids, w.send(draft(phone(n%3), long(1+n%2))))
	}
	last := map[string]message.ID{}
	for _, out := range w.sends(texts + texts/2) {
		if out.Message < last[out.To.Value] {
			t.Errorf("%s overtook %s", out.Message, last[out.To.Value])
		}
		last[out.To.Value] = out.Message
	}
	for _, id := range ids {
		w.await(id, message.Sent)
	}
}
