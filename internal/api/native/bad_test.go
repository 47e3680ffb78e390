package native

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
)

// body is a request with the recipient and the text, and more fields as they are.
func body(to, text string, more ...string) string {
	all := append([]string{fmt.Sprintf(`"to":%q`, to), fmt.Sprintf(`"text":%q`, text)}, more...)
	return "{" + strings.Join(all, ",") + "}"
}

// TestBadInputIsRefusedAndChangesNothing is the list of what callers get wrong: each has its code, and after all of it
// the account has no message and its whole balance.
func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const to = "+254701234567"
	year := time.Now().Add(367 * 24 * time.Hour).UTC().Format(time.RFC3339)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		what, body string
		status     int
		code       string
		field      string
	}{
		{"no body", "", 400, "malformed_body", ""},
		{"no JSON", "to=1", 400, "malformed_body", ""},
		{"cut off", `{"to":"+254701234567","text":"x`, 400, "malformed_body", ""},
		{"an array", `[]`, 400, "malformed_body", ""},
		{"null", `null`, 400, "malformed_body", ""},
		{"text after the end", body(to, "x") + "x", 400, "malformed_body", ""},
		{"two objects", body(to, "x") + body(to, "x"), 400, "malformed_body", ""},
		{"a number for a string", `{"to":254701234567,"text":"x"}`, 400, "malformed_body", "to"},
		{"an object for a string", `{"to":{},"text":"x"}`, 400, "malformed_body", "to"},
		{"a doubled key", `{"to":"+254701234567","to":"+254701234568","text":"x"}`, 400, "malformed_body", "to"},
		{"a key doubled by an escape", `{"to":"+254701234567","t\u006f":"+254701234568","text":"x"}`, 400, "malformed_body", "to"},
		{"a doubled key further in", body(to, "x", `"metadata":{"a":{"b":1,"b":2}}`), 400, "malformed_body", "metadata.a.b"},
		{"an unknown key", body(to, "x", `"txet":1`), 400, "unknown_field", "txet"},
		{"another case", `{"To":"+254701234567","text":"x"}`, 400, "unknown_field", "To"},
		{"another account's id", body(to, "x", `"account_id":"`+w.Bob.ID.String()+`"`), 400, "unknown_field", "account_id"},
		{"a price", body(to, "x", `"price_micros":0`), 400, "unknown_field", "price_micros"},
		{"depth 33", body(to, "x", `"metadata":{"a":`+strings.Repeat("[", 32)+strings.Repeat("]", 32)+"}"), 400, "malformed_body", "metadata.a" + strings.Repeat("[0]", 30)},
		{"depth 100,000", body(to, "x", `"metadata":`+strings.Repeat(`{"a":`, 100_000)), 400, "malformed_body", "metadata" + strings.Repeat(".a", 31)},
		{"1 MiB and one byte", `{"to":"` + strings.Repeat("1", 1<<20-8) + `"}`, 413, "body_too_large", ""},
		{"broken UTF-8", "{\"to\":\"+254701234567\",\"text\":\"\xff\"}", 400, "malformed_body", ""},
		{"half a surrogate pair", `{"to":"+254701234567","text":"\ud83d"}`, 400, "malformed_body", "text"},
		{"U+0000", `{"to":"+254701234567","text":"a\u0000b"}`, 400, "malformed_body", "text"},
		{"a number too large", body(to, "x", `"metadata":{"n":1e400}`), 202, "", ""}, // nothing of ours reads it
		{"no recipient", `{"text":"x"}`, 422, "missing_field", "to"},
		{"empty text", body(to, ""), 422, "empty_text", "text"},
		{"blank text", body(to, " \n\t"), 422, "empty_text", "text"},
		{"256 parts", body(to, strings.Repeat("a", 160*255+1)), 422, "text_too_long", "text"},
		{"an impossible number", body("+2547", "x"), 422, "invalid_recipient", "to"},
		{"no such country", body("+999123456789", "x"), 422, "invalid_recipient", "to"},
		{"letters", body("call me", "x"), 422, "invalid_recipient", "to"},
		{"wide digits", body("＋２５４７０１２３４５６７", "x"), 202, "", ""}, // the library reads them, and so do people
		{"a sender of 12", body(to, "x", `"from":"ABCDEFGHIJKL"`), 422, "invalid_sender", "from"},
		{"a sender with a space", body(to, "x", `"from":"AC ME"`), 422, "invalid_sender", "from"},
		{"a look-alike sender", body(to, "x", `"from":"БАНК"`), 422, "invalid_sender", "from"},
		{"a schedule in the past", body(to, "x", `"scheduled_at":"`+past+`"`), 422, "invalid_schedule", "scheduled_at"},
		{"a schedule over a year ahead", body(to, "x", `"scheduled_at":"`+year+`"`), 422, "invalid_schedule", "scheduled_at"},
		{"a schedule without a zone", body(to, "x", `"scheduled_at":"2027-01-31T09:00:00"`), 422, "invalid_schedule", "scheduled_at"},
		{"a validity in the past", body(to, "x", `"valid_until":"`+past+`"`), 422, "invalid_validity", "valid_until"},
		{"metadata over 1 KB", body(to, "x", `"metadata":{"a":"`+strings.Repeat("x", 1024)+`"}`), 422, "metadata_too_large", "metadata"},
		{"metadata that is a list", body(to, "x", `"metadata":[]`), 422, "invalid_field", "metadata"},
		{"a reference too long", body(to, "x", `"client_reference":"`+strings.Repeat("x", 256)+`"`), 422, "invalid_field", "client_reference"},
		{"a kind nobody has", body(to, "x", `"kind":"pigeon"`), 422, "invalid_field", "kind"},
		{"a kind without a channel", body(to, "x", `"kind":"whatsapp"`), 422, "no_channel", ""},
		{"a priority nobody has", body(to, "x", `"priority":"high"`), 422, "invalid_field", "priority"},
		{"an on_unknown nobody has", body(to, "x", `"on_unknown":"cry"`), 422, "invalid_field", "on_unknown"},
		{"a channel that is no id", body(to, "x", `"channel":"main"`), 422, "no_channel", "channel"},
		{"another's id for a channel", body(to, "x", `"channel":"`+w.Bob.ID.String()+`"`), 422, "no_channel", "channel"},
		{"text and content", body(to, "x", `"content":{"type":"text","text":"y"}`), 422, "invalid_field", "content"},
		{"content without a type", body(to, "", `"content":{"text":"y"}`), 422, "missing_field", "content.type"},
		{"content of no type there is", body(to, "", `"content":{"type":"hologram"}`), 422, "invalid_field", "content.type"},
		{"content that is empty", body(to, "", `"content":{"type":"text","text":" "}`), 422, "empty_text", "text"},
		{"an image over SMS", body(to, "", `"content":{"type":"image","media":{"url":"https://example.com/a.png"}}`), 422, "unsupported_content", "content.type"},
		{"a place off the Earth", body(to, "", `"content":{"type":"location","location":{"latitude":91,"longitude":0}}`), 422, "invalid_field", "content.location.latitude"},
		{"a poll of one", body(to, "", `"content":{"type":"poll","text":"?","options":["a"]}`), 422, "invalid_field", "content.options"},
		{"a reaction to nothing", body(to, "", `"content":{"type":"reaction","text":"!"}`), 422, "missing_field", "content.about"},
		{"a preview to be shortened", body(to, "", `"shorten_urls":true`, `"content":{"type":"text","text":"https://a.example","preview":true}`), 422, "invalid_field", "shorten_urls"},
		{"shorten as text", body(to, "x", `"shorten_urls":"yes"`), 400, "malformed_body", "shorten_urls"},
		{"51 URLs", body(to, manyURLs(51), `"shorten_urls":true`), 422, "invalid_field", "text"},
		{"no balance", body(to, strings.Repeat("a", 160*130)), 402, "insufficient_balance", ""},
		{"no price", body("+15550000123", "x"), 422, "no_price", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := w.Do(secret, "POST", base+"/messages", c.body)
			expect(t, r, c.status, c.code, c.field)
			if c.status == 202 {
				w.Do(secret, "POST", base+"/messages/"+idOf(t, r)+"/cancel", "")
			}
		})
	}
	thousand := `{"messages":[` + strings.TrimSuffix(strings.Repeat(body(to, "x")+",", 1001), ",") + `]}`
	expect(t, w.Do(secret, "POST", base+"/messages/batch", thousand), 413, "too_many_items", "messages")
	expect(t, w.Do(secret, "POST", base+"/messages/batch", `{"messages":[`+strings.Repeat(" ", 16<<20)+`]}`), 413, "body_too_large", "")
	expect(t, w.Do(secret, "POST", base+"/messages/batch", `{}`), 422, "missing_field", "messages")
	expect(t, w.Do(secret, "POST", base+"/messages", body(to, "x"), "Content-Encoding", "gzip"), 400, "malformed_body", "")
	for _, key := range []string{strings.Repeat("k", 256), "two words", "é"} {
		expect(t, w.Do(secret, "POST", base+"/messages", body(to, "x"), "Idempotency-Key", key), 422, "invalid_field", "Idempotency-Key")
	}
	var listed struct{ Items []struct{ Status string } }
	w.Do(secret, "GET", base+"/messages", "").JSON(t, &listed)
	for _, m := range listed.Items {
		if m.Status != "cancelled" {
			t.Errorf("a message is %s", m.Status)
		}
	}
	var a accountReply
	w.Do(secret, "GET", base+"/account", "").JSON(t, &a)
	if a.Wallet.Available != 100_000_000 || a.Wallet.Held != 0 {
		t.Errorf("the wallet changed: %+v", *a.Wallet)
	}
}

// manyURLs is a text with so many.
func manyURLs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "http://a.example/%d ", i)
	}
	return b.String()
}

// expect checks a problem: its status, code and field, and that its type opens a page.
func expect(t *testing.T, r apitest.Reply, status int, code, field string) {
	t.Helper()
	if r.Code != status {
		t.Errorf("answers %d, want %d: %s", r.Code, status, r.Body)
		return
	}
	if status < 300 {
		return
	}
	var p problem
	r.JSON(t, &p)
	if p.Code != code || p.Field != field || p.Status != status || r.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answers %s in %q, want %s in %q: %s", p.Code, p.Field, code, field, r.Body)
	}
	if p.Type != apitest.PublicURL+"/docs/errors/"+code || p.Title == "" || p.Detail == "" || p.RequestID != r.Header().Get("X-Request-Id") {
		t.Errorf("is not whole: %s", r.Body)
	}
}

func idOf(t *testing.T, r apitest.Reply) string {
	t.Helper()
	var m struct{ ID string }
	r.JSON(t, &m)
	if m.ID == "" {
		t.Fatalf("%d without an id: %s", r.Code, r.Body)
	}
	return m.ID
}

func TestBadCredentialsAreRefused(t *testing.T) {
	w := begin(t)
	good := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	revoked := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Keys.Revoke(tx, audit.System, w.Alice.ID, revoked.ID)
		return err
	})
	flipped := []byte(good.Secret)
	flipped[12] ^= 1
	ask := func(secret string, headers ...string) apitest.Reply {
		return w.Do(secret, "GET", base+"/messages", "", headers...)
	}
	expect(t, ask(""), 401, "no_credentials", "")
	expect(t, ask("", "Authorization", good.Secret), 401, "no_credentials", "")
	expect(t, ask(string(flipped)), 401, "bad_credentials", "")
	expect(t, ask(good.Secret+" "), 401, "bad_credentials", "")
	expect(t, ask(revoked.Secret), 401, "key_revoked", "")
	expect(t, ask(good.Secret), 200, "", "")
	expect(t, ask(good.Secret, "X-HTTP-Method-Override", "DELETE"), 200, "", "")

	w.Write(func(tx *store.Tx) error { return w.Core.Members.SetActive(tx, audit.System, w.Alice.ID, false) })
	expect(t, ask(good.Secret), 403, "account_inactive", "")
	w.Write(func(tx *store.Tx) error { return w.Core.Members.SetActive(tx, audit.System, w.Alice.ID, true) })
	w.Shift(366 * 24 * time.Hour)
	expect(t, ask(good.Secret), 401, "key_expired", "")
}

func TestListsShowTheirOwnAccountOnly(t *testing.T) {
	w := begin(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	w.Do(bob, "POST", base+"/messages", body("+254701234567", "Bob's", `"client_reference":"ref"`))
	w.Do(bob, "POST", base+"/webhooks", `{"url":"https://bob.example.com/","events":["*"]}`)
	for _, path := range []string{
		"/messages", "/messages?to=%2B254701234567", "/messages?reference=ref", "/messages?status=queued", "/messages?channel=" + w.Channel.String(),
		"/webhooks",
	} {
		var p struct{ Items []any }
		w.Do(alice, "GET", base+path, "").JSON(t, &p)
		if len(p.Items) > 0 {
			t.Errorf("%s shows %v", path, p.Items)
		}
		w.Do(bob, "GET", base+path, "").JSON(t, &p)
		if len(p.Items) != 1 {
			t.Errorf("%s does not show Bob's own", path)
		}
	}
	// The same reference and idempotency key are another's in another account.
	if r := w.Do(alice, "POST", base+"/messages", body("+254701234567", "Alice's", `"client_reference":"ref"`)); r.Code != 202 {
		t.Errorf("Bob's reference is taken for Alice: %s", r.Body)
	}
}

func TestReplayIsTheSameBytes(t *testing.T) {
	w := begin(t)
	secret, other := w.Key(w.Alice, account.MessagesSend), w.Key(w.Alice, account.Admin)
	for path, body := range map[string]string{
		"/messages":       body("+254701234567", "x", `"metadata":{"b":1,"a":"<>&"}`),
		"/messages/batch": `{"messages":[` + body("+254701234567", "x") + `,` + body("1", "x") + `,` + body("+254701234568", "y") + `]}`,
	} {
		first := w.Do(secret, "POST", base+path, body, "Idempotency-Key", "k")
		if first.Code != 202 || first.Header().Get("Idempotent-Replayed") != "" {
			t.Fatalf("%s: %d %s", path, first.Code, first.Body)
		}
		// What happens to the message later, and another key of the account, change nothing of the reply.
		var m page[MessageReply]
		w.Do(other, "GET", base+"/messages", "").JSON(t, &m)
		w.Do(other, "POST", base+"/messages/"+m.Items[0].ID+"/cancel", "")
		again := w.Do(other, "POST", base+path, body, "Idempotency-Key", "k")
		if again.Code != 202 || again.Header().Get("Idempotent-Replayed") != "true" || again.Body.String() != first.Body.String() {
			t.Errorf("%s is repeated as %d %s\nafter %s", path, again.Code, again.Body, first.Body)
		}
	}
}

func TestPagesHoldEverythingOnce(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const all = 23
	for i := range all {
		w.Do(secret, "POST", base+"/messages", body("+254701234567", fmt.Sprint("n", i)))
	}
	seen, cursor := map[string]bool{}, ""
	for range 10 {
		var p page[MessageReply]
		w.Do(secret, "GET", base+"/messages?limit=5&cursor="+cursor, "").JSON(t, &p)
		for _, m := range p.Items {
			if seen[m.ID] {
				t.Errorf("%s comes twice", m.ID)
			}
			seen[m.ID] = true
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != all {
		t.Errorf("%d of %d were listed", len(seen), all)
	}
	for _, bad := range []string{"x", "AAAA", strings.Repeat("A", 5000), "%00", "cursor%2Fmessages"} {
		expect(t, w.Do(secret, "GET", base+"/messages?cursor="+bad, ""), 400, "invalid_cursor", "cursor")
	}
	for _, bad := range []string{"0", "-1", "1000000", "1e2", "ten", "99999999999999999999"} {
		expect(t, w.Do(secret, "GET", base+"/messages?limit="+bad, ""), 422, "invalid_field", "limit")
	}
	for _, meta := range []string{"'%20OR%201=1--", "%22%3BDROP%20TABLE%20message", "%00", "%25", "_"} {
		if r := w.Do(secret, "GET", base+"/messages?reference="+meta, ""); r.Code != 200 || strings.Contains(r.Body.String(), `"id"`) {
			t.Errorf("reference=%s answers %d %s", meta, r.Code, r.Body)
		}
	}
}

// TestBrokenHTTPNeverBreaksUs sends what no client should. net/http itself refuses a coding it does not know with 501, as
// RFC 9112, 6.1 wants; nothing else may be a 5xx.
func TestBrokenHTTPNeverBreaksUs(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	server := httptest.NewUnstartedServer(w)
	server.Config = api.NewServer(w, discard)
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	server.Config.IdleTimeout = 300 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	head := "POST /tidings/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\n"
	for what, raw := range map[string]string{
		"two lengths":                head + "Content-Length: 3\r\nContent-Length: 5\r\n\r\n{}{}{}",
		"length and chunks":          head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"codings after chunks":       head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"a bare LF in a chunk":       head + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
		"a chunk of nonsense":        head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"a NUL in a header":          head + "X: a\x00b\r\n\r\n",
		"a header of 100 KB":         head + "X: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
		"a target with a space":      "GET /tidings/v1/mess ages HTTP/1.1\r\nHost: x\r\n\r\n",
		"a broken escape":            "GET /tidings/v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"an encoded slash":           "GET /tidings/v1/messages%2f..%2fkeys HTTP/1.1\r\nHost: x\r\n\r\n",
		"dots":                       "GET /tidings/v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"a NUL in an id":             "GET /tidings/v1/messages/%00 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\n\r\n",
		"no host":                    "GET /tidings/v1/health HTTP/1.1\r\n\r\n",
		"a method nobody knows":      "BREW /tidings/v1/messages HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT":                    "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS *":                  "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"an upgrade":                 "GET /tidings/v1/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"no HTTP":                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a body that never comes":    head + "Content-Length: 100\r\n\r\n{",
		"a body that ends early":     head + "Content-Length: 100\r\nConnection: close\r\n\r\n{}",
		"a header that never ends":   head,
		"an Expect nobody knows":     head + "Content-Length: 2\r\nExpect: miracles\r\n\r\n{}",
		"a query that cannot be":     "GET /tidings/v1/messages?%zz=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\n\r\n",
		"a semicolon in the query":   "GET /tidings/v1/messages?a=1;b=2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\n\r\n",
		"two Authorization headers":  head + "Authorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}",
		"a key as large as a header": "GET /tidings/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat("k", 20000) + "\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, raw)
			reply, err := io.ReadAll(io.LimitReader(conn, 4096))
			line, _, _ := strings.Cut(string(reply), "\r\n")
			if strings.HasPrefix(line, "HTTP/1.1 5") && line != "HTTP/1.1 501 Not Implemented" {
				t.Errorf("answers %s", reply)
			}
			if e, ok := err.(net.Error); ok && e.Timeout() && line == "" { //nolint:errorlint // as net returns it
				t.Error("is neither answered nor closed")
			}
		})
	}
}

func TestHealthTellsWhatFails(t *testing.T) {
	w := begin(t)
	r := w.Do("", http.MethodGet, base+"/health", "")
	var h healthReply
	if err := json.Unmarshal(r.Body.Bytes(), &h); err != nil || r.Code != 200 || h.Status != "ok" {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

// full refuses as a gateway without room does, until it has some.
type full struct {
	api.Gateway
	fault *fault.Fault
}

func (f *full) Submit(ctx context.Context, c gateway.Caller, r gateway.Request) (gateway.Reply, error) {
	if f.fault != nil {
		return gateway.Reply{}, fmt.Errorf("submit: %w", f.fault)
	}
	return f.Gateway.Submit(ctx, c, r)
}

func TestFullServerSaysWhenToComeBack(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.MessagesSend)
	gate := &full{Gateway: w.Gateway}
	w.Core.Gateway = gate
	w.Handler = api.New(api.Options{PublicURL: apitest.PublicURL, Batch: 2, Log: discard}, w.Core, Surface)
	for code, wait := range map[fault.Code]string{fault.QueueFull: "5", fault.DiskFull: "1"} {
		gate.fault = fault.New(code, "no room")
		if code == fault.QueueFull {
			gate.fault = gate.fault.After(5 * time.Second)
		}
		r := w.Do(secret, "POST", base+"/messages", body("+254701234567", "x"), "Idempotency-Key", "k")
		expect(t, r, 503, string(code), "")
		if got := r.Header().Get("Retry-After"); got != wait {
			t.Errorf("%s: Retry-After is %q, want %s", code, got, wait)
		}
	}
	gate.fault = nil
	expect(t, w.Do(secret, "POST", base+"/messages", body("+254701234567", "x"), "Idempotency-Key", "k"), 202, "", "")
	three := `{"messages":[` + strings.Repeat(body("+254701234567", "x")+",", 2) + body("+254701234567", "x") + `]}`
	expect(t, w.Do(secret, "POST", base+"/messages/batch", three), 413, "too_many_items", "messages")
}
