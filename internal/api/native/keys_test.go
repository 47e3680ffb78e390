package native

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/key"
)

// TestKeyGivesNoMoreThanItHas is S16, for making, changing and rotating keys.
func TestKeyGivesNoMoreThanItHas(t *testing.T) {
	w := tenants{begin(t), t}
	admin := w.Key(w.Alice, account.Admin)
	var few madeKeyReply
	w.Do(admin, "POST", base+"/keys", fmt.Sprintf(`{"scopes":["keys:write","messages:send"],"senders":["SHOP","TIDINGS"],"channels":[%q]}`, w.Channel)).JSON(t, &few)
	strong := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	tester := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Test: true})
	for body, field := range map[string]string{
		`{"scopes":["messages:read"]}`:                       "scopes",
		`{"scopes":["messages:send"]}`:                       "senders",
		`{"scopes":["messages:send"],"senders":["ACME"]}`:    "senders",
		`{"scopes":["messages:send"],"senders":["TIDINGS"]}`: "channels",
		fmt.Sprintf(`{"scopes":["messages:send"],"senders":["TIDINGS"],"channels":[%q,%q]}`, w.Channel, w.Alice.ID): "channels",
	} {
		expect(t, w.Do(few.Secret, "POST", base+"/keys", body), 403, "scope_missing", field)
	}
	for body, field := range map[string]string{
		`{"scopes":["keys:write","messages:read"]}`: "scopes", `{"senders":[]}`: "senders", `{"senders":["ACME"]}`: "senders", `{"channels":[]}`: "channels",
	} {
		expect(t, w.Do(few.Secret, "PATCH", base+"/keys/"+few.ID, body), 403, "scope_missing", field)
	}
	expect(t, w.Do(few.Secret, "PATCH", base+"/keys/"+strong.ID.String(), `{"addresses":[]}`), 403, "scope_missing", "scopes")
	expect(t, w.Do(few.Secret, "POST", base+"/keys/"+strong.ID.String()+"/rotate", `{}`), 403, "scope_missing", "scopes")
	expect(t, w.Do(tester.Secret, "POST", base+"/keys/"+strong.ID.String()+"/rotate", `{}`), 403, "scope_missing", "")
	for body, field := range map[string]string{
		`{"senders":["two words"]}`: "senders", `{"senders":[""]}`: "senders", `{"channels":["main"]}`: "channels", `{"addresses":["x"]}`: "addresses",
		`{"requests_per_minute":-1}`: "requests_per_minute", `{"origins":["x"]}`: "origins",
	} {
		expect(t, w.Do(admin, "PATCH", base+"/keys/"+few.ID, body), 422, "invalid_field", field)
	}
	for _, grace := range []string{"a day", "169h", "-1h"} {
		expect(t, w.Do(admin, "POST", base+"/keys/"+few.ID+"/rotate", fmt.Sprintf(`{"grace":%q}`, grace)), 422, "invalid_field", "grace")
	}
	expect(t, w.Do(admin, "PATCH", base+"/keys/"+few.ID, `{"test":true}`), 400, "unknown_field", "test")
	w.do(201, few.Secret, "POST", "/keys", fmt.Sprintf(`{"scopes":["messages:send"],"senders":["SHOP"],"channels":[%q]}`, w.Channel))
}

// TestKeySendsAsItsSendersOnly binds a key to a sender and to a channel.
func TestKeySendsAsItsSendersOnly(t *testing.T) {
	w := tenants{begin(t), t}
	admin := w.Key(w.Alice, account.Admin)
	var bound madeKeyReply
	w.Do(admin, "POST", base+"/keys", `{"scopes":["messages:send","keys:write"],"senders":["TIDINGS"]}`).JSON(t, &bound)
	send := func(more ...string) string {
		r := w.Do(bound.Secret, "POST", base+"/messages", body("+254701234567", "x", more...))
		var p struct{ Code, Field string }
		r.JSON(t, &p)
		return p.Code + " " + p.Field
	}
	if got := send(); got != " " {
		t.Errorf("as the channel's own sender: %s", got)
	}
	if got := send(`"from":"TIDINGS"`); got != " " {
		t.Errorf("as its sender: %s", got)
	}
	for _, from := range []string{"SHOP", "tidings", "+254700000001"} {
		if got := send(fmt.Sprintf(`"from":%q`, from)); got != "invalid_sender from" {
			t.Errorf("as %s: %s", from, got)
		}
	}
	w.do(200, admin, "PATCH", "/keys/"+bound.ID, fmt.Sprintf(`{"senders":[],"channels":[%q]}`, w.Alice.ID))
	if got := send(); got != "no_channel " {
		t.Errorf("by the default, which is not its channel: %s", got)
	}
	if got := send(fmt.Sprintf(`"channel":%q`, w.Channel)); got != "no_channel channel" {
		t.Errorf("by another channel: %s", got)
	}
	w.do(200, admin, "PATCH", "/keys/"+bound.ID, fmt.Sprintf(`{"channels":[%q]}`, w.Channel))
	if got := send(`"from":"SHOP"`); got != "invalid_sender from" && got != " " {
		t.Errorf("by its channel: %s", got)
	}
}

// TestRotatedKeyWarnsItsCaller is S21 as callers see it.
func TestRotatedKeyWarnsItsCaller(t *testing.T) {
	w := tenants{begin(t), t}
	admin := w.Key(w.Alice, account.Admin)
	var first madeKeyReply
	w.Do(admin, "POST", base+"/keys", `{"scopes":["account:read"]}`).JSON(t, &first)
	if r := w.Do(first.Secret, "GET", base+"/account", ""); r.Header().Get("Deprecation") != "" {
		t.Errorf("a key in use is told to be old: %v", r.Header())
	}
	r := w.Do(admin, "POST", base+"/keys/"+first.ID+"/rotate", `{"grace":"2h"}`, "Idempotency-Key", "r")
	var next rotatedKeyReply
	if r.JSON(t, &next); r.Code != http.StatusCreated || next.Secret == "" || next.Replaces != first.ID || next.ID == first.ID {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	again := w.Do(admin, "POST", base+"/keys/"+first.ID+"/rotate", `{"grace":"2h"}`, "Idempotency-Key", "r")
	var p problem
	if again.JSON(t, &p); again.Code != http.StatusConflict || p.ExistingID != next.ID {
		t.Errorf("the repeat: %d %s", again.Code, again.Body)
	}
	old := w.Do(first.Secret, "GET", base+"/account", "")
	sunset, err := time.Parse(http.TimeFormat, old.Header().Get("Sunset"))
	if old.Code != 200 || !strings.HasPrefix(old.Header().Get("Deprecation"), "@1") || err != nil || sunset.Before(time.Now().Add(time.Hour)) {
		t.Errorf("in its grace: %d %v", old.Code, old.Header())
	}
	var shown KeyReply
	w.Do(admin, "GET", base+"/keys/"+first.ID, "").JSON(t, &shown)
	if shown.Successor != next.ID || shown.RotatedAt == nil {
		t.Errorf("shown as %+v", shown)
	}
	w.Shift(2*time.Hour + time.Second)
	expect(t, w.Do(first.Secret, "GET", base+"/account", ""), 401, "key_expired", "")
	if r := w.Do(next.Secret, "GET", base+"/account", ""); r.Code != 200 || r.Header().Get("Deprecation") != "" {
		t.Errorf("the successor: %d %v", r.Code, r.Header())
	}
}

// TestKeyShowsWhatItMaySpend makes a key with a limit, spends it and changes it.
func TestKeyShowsWhatItMaySpend(t *testing.T) {
	w := tenants{begin(t), t}
	admin := w.Key(w.Alice, account.Admin)
	const partPrice = 800_000
	var made madeKeyReply
	w.Do(admin, "POST", base+"/keys", fmt.Sprintf(`{"scopes":["messages:send","keys:write"],"spend_limit_micros":%d}`, partPrice)).JSON(t, &made)
	if made.SpendLimit != partPrice || made.SpentToday == nil || *made.SpentToday != 0 {
		t.Errorf("made as %+v", made.KeyReply)
	}
	send := func(want int) {
		t.Helper()
		if r := w.Do(made.Secret, "POST", base+"/messages", body("+254701234567", "x")); r.Code != want {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
	send(202)
	expect(t, w.Do(made.Secret, "POST", base+"/messages", body("+254701234567", "x")), 402, "spend_limit", "")
	var shown KeyReply
	w.Do(admin, "GET", base+"/keys/"+made.ID, "").JSON(t, &shown)
	if shown.SpentToday == nil || *shown.SpentToday != partPrice {
		t.Errorf("shown as %+v", shown)
	}
	for _, body := range []string{`{"scopes":["messages:send"]}`, `{"scopes":["messages:send"],"spend_limit_micros":800001}`} {
		expect(t, w.Do(made.Secret, "POST", base+"/keys", body), 403, "scope_missing", "spend_limit_micros")
	}
	expect(t, w.Do(made.Secret, "PATCH", base+"/keys/"+made.ID, `{"spend_limit_micros":0}`), 403, "scope_missing", "spend_limit_micros")
	expect(t, w.Do(admin, "PATCH", base+"/keys/"+made.ID, `{"spend_limit_micros":-1}`), 422, "invalid_field", "spend_limit_micros")
	w.do(200, admin, "PATCH", "/keys/"+made.ID, `{"spend_limit_micros":1600000}`)
	send(202)
	send(402)
	w.do(200, admin, "PATCH", "/keys/"+made.ID, `{"spend_limit_micros":0}`)
	send(202)
	var free KeyReply
	if w.Do(admin, "GET", base+"/keys/"+made.ID, "").JSON(t, &free); free.SpendLimit != 0 || free.SpentToday != nil {
		t.Errorf("without a limit it is shown as %+v", free)
	}
}
