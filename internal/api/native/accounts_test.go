package native

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/key"
)

// tenants asks for accounts.
type tenants struct {
	*apitest.World
	t *testing.T
}

func (w tenants) do(status int, secret, method, path, body string, headers ...string) (a TenantReply) {
	w.t.Helper()
	r := w.Do(secret, method, base+path, body, headers...)
	if r.Code != status {
		w.t.Fatalf("%s %s answers %d, want %d: %s", method, path, r.Code, status, r.Body)
	}
	if status < 300 && r.Body.Len() > 0 {
		r.JSON(w.t, &a)
	}
	return a
}

func (w tenants) available(secret string, headers ...string) int64 {
	w.t.Helper()
	var a accountReply
	w.Do(secret, "GET", base+"/account", "", headers...).JSON(w.t, &a)
	return a.Wallet.Available
}

// TestParentActsForItsSubaccount follows a subaccount through its life: made, paid for by its parent and by itself, suspended, closed.
func TestParentActsForItsSubaccount(t *testing.T) {
	w := tenants{begin(t), t}
	alice := w.Key(w.Alice, account.Admin)
	made := w.do(201, alice, "POST", "/accounts", `{"name":"Shop","wallet":"parent"}`, "Idempotency-Key", "shop")
	if made.Parent != w.Alice.ID.String() || made.Currency != "KES" || made.Region != "KE" || made.Wallet != "parent" || made.Status != "active" {
		t.Fatalf("made %+v", made)
	}
	again := w.Do(alice, "POST", base+"/accounts", `{"name":"Shop","wallet":"parent"}`, "Idempotency-Key", "shop")
	if again.Code != 201 || again.Header().Get("Idempotent-Replayed") != "true" || idOf(t, again) != made.ID {
		t.Errorf("the repeat answers %d %s", again.Code, again.Body)
	}
	as := []string{"Tidings-Account", made.ID}
	var key madeKeyReply
	w.Do(alice, "POST", base+"/keys", `{"scopes":["admin"]}`, as...).JSON(t, &key)

	// Both send in the name of the subaccount, and the parent pays.
	w.do(202, key.Secret, "POST", "/messages", body("0701234567", "one"))
	w.do(202, alice, "POST", "/messages", body("0701234567", "two"), as...)
	if left := w.available(alice); left != 98_400_000 {
		t.Errorf("the parent has %d", left)
	}
	var own, parents page[MessageReply]
	w.Do(key.Secret, "GET", base+"/messages", "").JSON(t, &own)
	w.Do(alice, "GET", base+"/messages", "", as...).JSON(t, &parents)
	if len(own.Items) != 2 || len(parents.Items) != 2 {
		t.Errorf("the subaccount sees %d messages of its own, its parent %d", len(own.Items), len(parents.Items))
	}
	w.Do(alice, "GET", base+"/messages", "").JSON(t, &parents)
	if len(parents.Items) != 0 {
		t.Error("the parent's own list shows the subaccount's")
	}

	// What is held by the parent ends there, though the subaccount pays for itself from now on.
	if a := w.do(200, alice, "PATCH", "/accounts/"+made.ID, `{"wallet":"own","name":"Corner shop"}`); a.Wallet != "own" || a.Name != "Corner shop" || a.Region != "KE" {
		t.Errorf("changed to %+v", a)
	}
	w.do(402, key.Secret, "POST", "/messages", body("0701234567", "three"))
	w.do(200, key.Secret, "POST", "/messages/"+own.Items[0].ID+"/cancel", "")
	if left := w.available(alice); left != 99_200_000 {
		t.Errorf("after a cancel the parent has %d", left)
	}
	if err := w.Core.Wallet.Verify(t.Context()); err != nil {
		t.Error(err)
	}

	// A subaccount has no subaccounts, and changes nothing of its own limits and wallet (S11).
	w.do(422, key.Secret, "POST", "/accounts", `{"name":"Stall"}`)
	w.do(404, key.Secret, "PATCH", "/accounts/"+made.ID, `{"wallet":"parent"}`)
	w.do(404, key.Secret, "GET", "/accounts/"+w.Alice.ID.String(), "")
	w.do(404, key.Secret, "GET", "/messages", "", "Tidings-Account", w.Alice.ID.String())
	w.do(403, alice, "PATCH", "/accounts/"+made.ID, `{"plan":"gold"}`)

	w.do(200, alice, "POST", "/accounts/"+made.ID+"/suspend", "")
	w.do(403, key.Secret, "GET", "/messages", "")
	w.do(403, alice, "GET", "/messages", "", as...)
	w.do(200, alice, "POST", "/accounts/"+made.ID+"/activate", "")
	w.do(200, key.Secret, "GET", "/messages", "")
	if a := w.do(200, alice, "POST", "/accounts/"+made.ID+"/close", ""); a.Status != "closed" {
		t.Errorf("closed as %+v", a)
	}
	w.do(403, key.Secret, "GET", "/messages", "")
	w.do(404, alice, "POST", "/accounts/"+made.ID+"/activate", "")
	w.do(404, alice, "PATCH", "/accounts/"+made.ID, `{"name":"x"}`)
	if a := w.do(200, alice, "GET", "/accounts/"+made.ID, ""); a.Status != "closed" {
		t.Errorf("a closed account is %+v", a)
	}

	// Its log names who did what.
	entries, _, err := audit.List(t.Context(), w.Core.Store, audit.Filter{Limit: 100, Action: "account."})
	var actions []string
	for _, e := range entries {
		if e.Account.String() == made.ID {
			actions = append(actions, e.Action)
		}
	}
	if got, want := strings.Join(actions, " "), "account.close account.active account.active account.change account.create"; got != want || err != nil {
		t.Errorf("the log has %s (%v)", got, err)
	}
	if _, err := audit.Verify(t.Context(), w.Core.Store); err != nil {
		t.Error(err)
	}
}

func TestSuspendedParentStopsItsSubaccounts(t *testing.T) {
	w := tenants{begin(t), t}
	alice, operator := w.Key(w.Alice, account.Admin), w.Key(w.Operator, account.Operate)
	made := w.do(201, alice, "POST", "/accounts", `{"name":"Shop"}`)
	var key madeKeyReply
	w.Do(alice, "POST", base+"/keys", `{"scopes":["messages:read"]}`, "Tidings-Account", made.ID).JSON(t, &key)
	w.do(409, operator, "POST", "/accounts/"+w.Alice.ID.String()+"/close", "")
	w.do(409, operator, "POST", "/accounts/"+w.Operator.ID.String()+"/suspend", "")
	w.do(200, operator, "POST", "/accounts/"+w.Alice.ID.String()+"/suspend", "")
	w.do(403, key.Secret, "GET", "/messages", "")
	w.do(200, operator, "POST", "/accounts/"+w.Alice.ID.String()+"/activate", "")
	w.do(200, key.Secret, "GET", "/messages", "")
}

// TestOperatorManagesAccounts makes an account, its plan and its first key, all by the API.
func TestOperatorManagesAccounts(t *testing.T) {
	w := tenants{begin(t), t}
	operator := w.Key(w.Operator, account.Operate)
	plan := `{"name":"gold","requests_per_minute":600,"messages_per_minute":100}`
	if r := w.Do(operator, "POST", base+"/plans", plan); r.Code != 201 || !strings.Contains(r.Body.String(), `"burst":600,"messages_per_minute":100,"queue":1000000`) {
		t.Fatalf("the plan: %d %s", r.Code, r.Body)
	}
	made := w.do(201, operator, "POST", "/accounts", `{"name":"Carol","region":"ke","currency":"kes","plan":"gold","username":"carol"}`)
	if made.Parent != "" || made.Region != "KE" || made.Currency != "KES" || made.Plan != "gold" {
		t.Errorf("made %+v", made)
	}
	w.do(409, operator, "POST", "/accounts", `{"name":"Carol","username":"CAROL"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":"Carol","plan":"none"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":"Carol","wallet":"parent"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":"Carol","wallet":"mine"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":""}`)
	w.do(404, operator, "POST", "/accounts", `{"name":"Stall","parent_id":"0198c8f0-0000-7000-8000-000000000000"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":"Stall","plan":"gold","parent_id":"`+made.ID+`"}`)
	w.do(422, operator, "POST", "/accounts", `{"name":"Stall","wallet":"parent","currency":"USD","parent_id":"`+made.ID+`"}`)
	w.do(400, operator, "POST", "/accounts", `{"name":"Carol","active":true}`)

	// The operator acts for anyone, with that account's rights and no others.
	as := []string{"Tidings-Account", made.ID}
	w.do(201, operator, "POST", "/keys", `{"scopes":["admin"]}`, as...)
	w.do(403, operator, "POST", "/keys", `{"scopes":["operator"]}`, as...)
	w.do(403, operator, "GET", "/plans", "", as...)

	w.do(409, operator, "DELETE", "/plans/gold", "")
	w.do(200, operator, "PATCH", "/accounts/"+made.ID, `{"plan":""}`)
	w.do(422, operator, "PATCH", "/plans/gold", `{"burst":0}`)
	w.do(204, operator, "DELETE", "/plans/gold", "")
	w.do(404, operator, "GET", "/plans/gold", "")
	w.do(404, operator, "PATCH", "/plans/gold", `{}`)
	w.do(404, operator, "DELETE", "/plans/gold", "")

	seen, cursor := 0, ""
	for range 10 {
		var p page[TenantReply]
		w.Do(operator, "GET", base+"/accounts?limit=2&cursor="+cursor, "").JSON(t, &p)
		seen += len(p.Items)
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d accounts are listed", seen)
	}
}

func TestAuditLogShowsTheCallerOwnDeeds(t *testing.T) {
	w := tenants{begin(t), t}
	alice, bob, operator := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	w.do(201, bob, "POST", "/keys", `{"name":"till","scopes":["messages:read"]}`)
	var all, theirs, own page[DeedReply]
	w.Do(alice, "GET", base+"/audit", "").JSON(t, &own)
	for _, d := range own.Items {
		if d.Account != w.Alice.ID.String() {
			t.Errorf("Alice sees %+v", d)
		}
	}
	w.Do(operator, "GET", base+"/audit?limit=100", "").JSON(t, &all)
	w.Do(operator, "GET", base+"/audit?action=key.&account="+w.Bob.ID.String(), "").JSON(t, &theirs)
	if len(own.Items) == 0 || len(all.Items) <= len(own.Items) || len(theirs.Items) != 2 || theirs.Items[0].Action != "key.create" || !strings.HasPrefix(theirs.Items[0].Actor, "key:") || theirs.Items[0].Address == "" {
		t.Errorf("%d of Alice's, %d of all, Bob's keys %+v", len(own.Items), len(all.Items), theirs.Items)
	}
	expect(t, w.Do(alice, "GET", base+"/audit?account="+w.Bob.ID.String(), ""), http.StatusForbidden, "scope_missing", "")
	expect(t, w.Do(alice, "GET", base+"/audit?since=yesterday", ""), 422, "invalid_field", "since")
	for _, method := range []string{"POST", "PATCH", "DELETE"} {
		if r := w.Do(operator, method, base+"/audit", "{}"); r.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, r.Code)
		}
	}
}

// TestPlanIsFeltAtOnce is S55 over the API: the keys of an account and of its subaccounts share what the plan gives.
func TestPlanIsFeltAtOnce(t *testing.T) {
	w := tenants{begin(t), t}
	alice := w.Key(w.Alice, account.Admin)
	made := w.do(201, alice, "POST", "/accounts", `{"name":"Shop","wallet":"parent"}`)
	batch := `{"messages":[` + strings.TrimSuffix(strings.Repeat(body("+254701234567", "x")+",", 20), ",") + `]}`
	w.do(202, alice, "POST", "/messages/batch", batch)
	w.Limit(w.Alice, account.Limits{Messages: 30, Burst: 100, Queue: 100})
	w.do(202, alice, "POST", "/messages/batch", batch, "Tidings-Account", made.ID)
	r := w.Do(alice, "POST", base+"/messages/batch", batch)
	expect(t, r, 429, "rate_limited", "")
	if after := r.Header().Get("Retry-After"); after != "20" {
		t.Errorf("Retry-After: %s", after)
	}
	w.Shift(20 * time.Second)
	w.do(202, alice, "POST", "/messages/batch", batch)
	w.Limit(w.Bob, account.Limits{Requests: 6, Burst: 2, Queue: 1})
	bob := w.Key(w.Bob, account.Admin)
	w.do(202, bob, "POST", "/messages", body("+254701234567", "x"))
	w.do(503, bob, "POST", "/messages", body("+254701234567", "x"))
	for _, path := range []string{"/messages", "/account", "/MESSAGES", "/messages/"} { // S54: one bucket, whatever the path
		if r := w.Do(bob, "GET", base+path, ""); r.Code != 429 && r.Code != 404 {
			t.Errorf("%s: %d", path, r.Code)
		}
	}
	slow := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.AccountRead}, Rate: 3}).Secret
	for left := range 4 {
		want := 200
		if left == 3 {
			want = 429
		}
		if r := w.Do(slow, "GET", base+"/account", ""); r.Code != want || r.Header().Get("RateLimit-Limit") == "" {
			t.Errorf("request %d of a slow key: %d %v", left, r.Code, r.Header())
		}
	}
}
