package native

import (
	"sync"
	"sync/atomic"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
)

func readPurse(t *testing.T, r apitest.Reply) (p purseReply) {
	t.Helper()
	if r.Code >= 300 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	r.JSON(t, &p)
	return p
}

func TestTheOperatorPaysIn(t *testing.T) {
	w := begin(t)
	alice, op := w.Key(w.Alice, account.Admin), w.Key(w.Operator, account.Operate)
	path := base + "/accounts/" + w.Alice.ID.String() + "/wallet"
	const start = 100_000_000
	for range 3 { // one payment, however often it is asked for
		if p := readPurse(t, w.Do(op, "POST", path+"/top-up", `{"amount_micros":5,"currency":"KES","note":"bank 17"}`, "Idempotency-Key", "k")); p.Available != start+5 {
			t.Errorf("%+v", p)
		}
	}
	if p := readPurse(t, w.Do(op, "POST", path+"/top-up", `{"amount_micros":-7,"note":"mistake"}`)); p.Available != start-2 {
		t.Errorf("%+v", p)
	}
	for body, want := range map[string][2]string{
		`{"amount_micros":-7}`:                    {"missing_field", "note"},
		`{"amount_micros":0}`:                     {"invalid_field", "amount_micros"},
		`{"amount_micros":9000000000000000}`:      {"invalid_field", "amount_micros"},
		`{"amount_micros":1,"currency":"USD"}`:    {"invalid_field", "currency"},
		`{"amount_micros":"1"}`:                   {"malformed_body", "amount_micros"},
		`{"amount_micros":-100000001,"note":"x"}`: {"insufficient_balance", ""},
	} {
		status := map[string]int{"insufficient_balance": 402, "malformed_body": 400}[want[0]]
		if status == 0 {
			status = 422
		}
		expect(t, w.Do(op, "POST", path+"/top-up", body), status, want[0], want[1])
	}
	p := readPurse(t, w.Do(op, "PATCH", path, `{"credit_limit_micros":50,"low_balance_micros":10}`))
	if p.CreditLimit != 50 || *p.LowBalance != 10 || p.Available != start-2 {
		t.Errorf("%+v", p)
	}
	expect(t, w.Do(op, "PATCH", path, `{"credit_limit_micros":-1}`), 422, "invalid_field", "credit_limit_micros")
	expect(t, w.Do(op, "GET", base+"/accounts/"+w.Channel.String()+"/wallet", ""), 404, "not_found", "")
	expect(t, w.Do(alice, "POST", path+"/top-up", `{"amount_micros":5}`), 403, "scope_missing", "")

	if p := readPurse(t, w.Do(alice, "PATCH", base+"/wallet", `{"low_balance_micros":-1}`)); p.LowBalance != nil {
		t.Errorf("%+v", p)
	}
	expect(t, w.Do(alice, "PATCH", base+"/wallet", `{"credit_limit_micros":50}`), 400, "unknown_field", "credit_limit_micros")
	if a, b := w.Do(alice, "GET", base+"/wallet", "").Body.String(), w.Do(op, "GET", path, "").Body.String(); a != b {
		t.Errorf("Alice reads %s, the operator %s", a, b)
	}
	var steps []string
	for cursor := ""; ; {
		var list page[entryReply]
		w.Do(alice, "GET", base+"/wallet/entries?limit=1&cursor="+cursor, "").JSON(t, &list)
		for _, e := range list.Items {
			steps = append(steps, e.Step+" "+e.Note)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	if len(steps) != 3 || steps[0] != "correction mistake" || steps[1] != "top_up bank 17" || steps[2] != "top_up start" {
		t.Errorf("the entries are %q", steps)
	}
	if a, b := w.Do(alice, "GET", base+"/wallet/entries", "").Body.String(), w.Do(op, "GET", path+"/entries", "").Body.String(); a != b {
		t.Errorf("Alice reads %s, the operator %s", a, b)
	}
}

// TestTheBalanceIsSpentOnce is S56: a thousand at once on a balance for ten.
func TestTheBalanceIsSpentOnce(t *testing.T) {
	w := begin(t)
	alice, op := w.Key(w.Alice, account.Admin), w.Key(w.Operator, account.Operate)
	path := base + "/accounts/" + w.Alice.ID.String() + "/wallet"
	readPurse(t, w.Do(op, "POST", path+"/top-up", `{"amount_micros":-92000000,"note":"leaves ten"}`))
	readPurse(t, w.Do(alice, "PATCH", base+"/wallet", `{"low_balance_micros":2000000}`))
	var all sync.WaitGroup
	var accepted, refused atomic.Int64
	for range 1000 {
		all.Go(func() {
			switch r := w.Do(alice, "POST", base+"/messages", body("+254701234567", "x")); r.Code {
			case 202:
				accepted.Add(1)
			case 402:
				refused.Add(1)
			default:
				t.Errorf("%d %s", r.Code, r.Body)
			}
		})
	}
	all.Wait()
	if accepted.Load() != 10 || refused.Load() != 990 {
		t.Errorf("%d were accepted, %d refused", accepted.Load(), refused.Load())
	}
	p := readPurse(t, w.Do(alice, "GET", base+"/wallet", ""))
	if p.Available != 0 || p.Held != 8_000_000 {
		t.Errorf("%+v", p)
	}
	if err := w.Core.Wallet.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	told, err := w.Core.Events.Of(t.Context(), w.Alice.ID, int64(w.Alice.ID))
	if err != nil || len(told) != 1 {
		t.Errorf("a low balance was told %d times (%v)", len(told), err)
	}
}

// TestTheWalletThatPaidIsTheOneThatEnds moves the setting while a message is open.
func TestTheWalletThatPaidIsTheOneThatEnds(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	sub := idOf(t, w.Do(alice, "POST", base+"/accounts", `{"name":"shop","wallet":"parent"}`))
	as := []string{"Tidings-Account", sub}
	m := idOf(t, w.Do(alice, "POST", base+"/messages", body("+254701234567", "x"), as...))
	if p := readPurse(t, w.Do(alice, "GET", base+"/wallet", "", as...)); p.PaidBy != w.Alice.ID.String() || p.Held != 0 {
		t.Errorf("the subaccount has %+v", p)
	}
	if p := readPurse(t, w.Do(alice, "GET", base+"/wallet", "")); p.Held != 800_000 {
		t.Errorf("the parent has %+v", p)
	}
	expect(t, w.Do(alice, "PATCH", base+"/accounts/"+sub, `{"wallet":"own"}`), 200, "", "")
	expect(t, w.Do(alice, "POST", base+"/messages/"+m+"/cancel", "", as...), 200, "", "")
	if p := readPurse(t, w.Do(alice, "GET", base+"/wallet", "")); p.Held != 0 || p.Available != 100_000_000 {
		t.Errorf("the parent has %+v", p)
	}
	var list page[entryReply]
	w.Do(alice, "GET", base+"/wallet/entries", "").JSON(t, &list)
	if e := list.Items[0]; e.Account != sub || e.Subject != m || e.Step != "hold" || list.Items[1].Step != "release" || list.Items[1].Account != sub {
		t.Errorf("the entries are %+v", list.Items)
	}
	if err := w.Core.Wallet.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
