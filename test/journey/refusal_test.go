package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidings.dev/test/product"
)

// wallet is the account's money as the API shows it.
func wallet(t *testing.T, c *product.Client) string {
	t.Helper()
	var a struct {
		Wallet json.RawMessage `json:"wallet"`
	}
	if err := c.Get(t.Context(), "/tidings/v1/account", &a); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, a.Wallet); err != nil {
		t.Fatalf("wallet %s: %v", a.Wallet, err)
	}
	return compact.String()
}

// count is how many messages an account has.
func count(t *testing.T, c *product.Client) (n int) {
	t.Helper()
	if err := c.Messages(t.Context(), nil, func(product.Message) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

// unchanged runs something that must leave no trace in the account.
func unchanged(t *testing.T, c *product.Client, do func()) {
	t.Helper()
	messages, money := count(t, c), wallet(t, c)
	do()
	if after := count(t, c); after != messages {
		t.Errorf("%d messages became %d", messages, after)
	}
	if after := wallet(t, c); after != money {
		t.Errorf("the wallet was %s and is %s", money, after)
	}
}

// refuse sends a request and expects a problem: its status, and its code where one is given.
func refuse(t *testing.T, c *product.Client, method, path string, body []byte, status int, code string, headers ...string) {
	t.Helper()
	got, header, reply, err := c.Exchange(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	var p product.Problem
	if err := json.Unmarshal(reply, &p); err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, path, got, reply, err)
	}
	if got != status || code != "" && p.Code != code {
		t.Errorf("%s %s %.80s: %d %s (%s), want %d %s", method, path, body, got, p.Code, p.Detail, status, code)
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") || p.Title == "" || p.Status != got || !strings.HasSuffix(p.Type, "/docs/errors/"+p.Code) {
		t.Errorf("%s %s: not a problem as promised: %s", method, path, reply)
	}
	if got/100 == 5 && header.Get("Retry-After") == "" {
		t.Errorf("%s %s: %d without Retry-After", method, path, got)
	}
}

const messages, batches = "/tidings/v1/messages", "/tidings/v1/messages/batch"

// Bad input gets a clear error and changes nothing. The second account does nothing else, so every change would show.
func TestBadInputChangesNothing(t *testing.T) {
	c := shared.client(1)
	good := func(more string) string { return `{"to":"+254701234567","text":"x"` + more + `}` }
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for _, row := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"empty body", ``, 400, "malformed_body"},
		{"no JSON", `{"to":`, 400, "malformed_body"},
		{"a list", `[]`, 400, "malformed_body"},
		{"null", `null`, 400, ""},
		{"text after the end", good("") + `{}`, 400, "malformed_body"},
		{"invalid UTF-8", "{\"to\":\"+254701234567\",\"text\":\"\xff\"}", 400, "malformed_body"},
		{"number for a text", `{"to":254701234567,"text":"x"}`, 400, "malformed_body"},
		{"list for a text", `{"to":"+254701234567","text":["x"]}`, 400, "malformed_body"},
		{"doubled key", good(`,"text":"y"`), 400, "malformed_body"},
		{"doubled key in metadata", good(`,"metadata":{"a":1,"a":2}`), 400, "malformed_body"},
		{"unknown key", good(`,"txt":"y"`), 400, "unknown_field"},
		{"key in another case", `{"To":"+254701234567","text":"x"}`, 400, "unknown_field"},
		{"too deep", good(`,"metadata":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40)), 400, "malformed_body"},
		{"much too deep", good(`,"metadata":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000)), 400, "malformed_body"},
		{"1 MiB and 1", `{"to":"+254701234567","text":"` + strings.Repeat("x", 1<<20+1-31-1) + `"}`, 413, "body_too_large"},
		{"no text", `{"to":"+254701234567"}`, 422, ""},
		{"no recipient", `{"text":"x"}`, 422, ""},
		{"empty text", `{"to":"+254701234567","text":""}`, 422, "empty_text"},
		{"blank text", `{"to":"+254701234567","text":" \n\t "}`, 422, "empty_text"},
		{"recipient of letters", `{"to":"nobody","text":"x"}`, 422, "invalid_recipient"},
		{"too short a number", `{"to":"+25470","text":"x"}`, 422, "invalid_recipient"},
		{"too long a number", `{"to":"+2547012345678901234","text":"x"}`, 422, "invalid_recipient"},
		{"impossible country", `{"to":"+9991234567890","text":"x"}`, 422, "invalid_recipient"},
		{"sender over 11", good(`,"from":"ABCDEFGHIJKL"`), 422, "invalid_sender"},
		{"sender with a space", good(`,"from":"AC ME"`), 422, "invalid_sender"},
		{"sender with an emoji", good(`,"from":"ACME👋"`), 422, "invalid_sender"},
		{"over 255 parts", `{"to":"+254701234567","text":"` + strings.Repeat("x", 153*255+1) + `"}`, 422, "text_too_long"},
		{"over 255 parts of Unicode", `{"to":"+254701234567","text":"` + strings.Repeat("ж", 67*255+1) + `"}`, 422, "text_too_long"},
		{"schedule in the past", good(`,"scheduled_at":"` + at(-time.Hour) + `"`), 422, "invalid_schedule"},
		{"schedule over a year ahead", good(`,"scheduled_at":"` + at(367*24*time.Hour) + `"`), 422, "invalid_schedule"},
		{"schedule is no time", good(`,"scheduled_at":"tomorrow"`), 422, ""},
		{"validity in the past", good(`,"valid_until":"` + at(-time.Hour) + `"`), 422, "invalid_validity"},
		{"validity too long", good(`,"valid_until":"` + at(30*24*time.Hour) + `"`), 422, "invalid_validity"},
		{"metadata too large", good(`,"metadata":{"a":"` + strings.Repeat("x", 1024) + `"}`), 422, "metadata_too_large"},
		{"metadata is a list", good(`,"metadata":[1]`), 0, ""},
		{"unknown priority", good(`,"priority":"urgent"`), 422, ""},
		{"unknown on_unknown", good(`,"on_unknown":"shrug"`), 422, ""},
		{"unknown kind", good(`,"kind":"fax"`), 422, ""},
		{"kind without a channel", good(`,"kind":"whatsapp"`), 422, "no_channel"},
		{"channel of nobody", good(`,"channel":"01980000-0000-7000-8000-000000000000"`), 422, "no_channel"},
		{"channel is no id", good(`,"channel":"first"`), 422, ""},
		{"reference too long", good(`,"client_reference":"` + strings.Repeat("r", 300) + `"`), 422, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			unchanged(t, c, func() {
				if row.status == 0 { // 400 and 422 are both a clear no
					status, reply, err := c.Do(t.Context(), http.MethodPost, messages, []byte(row.body))
					if err != nil || status != 400 && status != 422 {
						t.Errorf("%d %s %v", status, reply, err)
					}
					return
				}
				refuse(t, c, http.MethodPost, messages, []byte(row.body), row.status, row.code)
			})
		})
	}
}

func TestBadBatchesChangeNothing(t *testing.T) {
	c := shared.client(1)
	item := `{"to":"+254701234567","text":"x"}`
	many := func(n int) string {
		return `{"messages":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`
	}
	for _, row := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"1,001 items", many(1001), 413, "too_many_items"},
		{"no items", `{"messages":[]}`, 422, ""},
		{"one item with an unknown key", `{"messages":[` + item + `,{"to":"+254701234567","text":"x","txt":"y"}]}`, 400, "unknown_field"},
		{"one item of the wrong type", `{"messages":[` + item + `,7]}`, 400, "malformed_body"},
	} {
		t.Run(row.name, func(t *testing.T) {
			unchanged(t, c, func() { refuse(t, c, http.MethodPost, batches, []byte(row.body), row.status, row.code) })
		})
	}
}

func TestReusedKeyIsRefused(t *testing.T) {
	c := shared.client(1)
	first := send(t, c, map[string]any{"to": "+254701234567", "text": "first"}, "Idempotency-Key", "reused")
	becomes(t, c, first.ID, "delivered", 10*time.Second)
	unchanged(t, c, func() {
		refuse(t, c, http.MethodPost, messages, []byte(`{"to":"+254701234567","text":"second"}`), 422, "idempotency_key_reused", "Idempotency-Key", "reused")
	})
	unchanged(t, c, func() {
		refuse(t, c, http.MethodPost, messages, []byte(`{"to":"+254701234567","text":"x"}`), 422, "", "Idempotency-Key", strings.Repeat("k", 256))
	})
}

// install is the product alone, with an account that may send to Kenya for 0.8 a part; nobody answers as its network.
func install(t *testing.T, credit int64) (i *product.Installation, account, key string) {
	t.Helper()
	var log bytes.Buffer
	i, err := product.New(bin.tidings, filepath.Join(t.TempDir(), "data"), &log)
	must(t, err)
	i.Setting = setting(fresh(t))
	address, err := product.FreeAddress()
	must(t, err)
	ctx := t.Context()
	account, err = i.CreateAccount(ctx, "poor", "KE", "KES", credit)
	must(t, err)
	_, err = i.CreateChannel(ctx, "network", "smpp", product.SMPP(address, 10, nil))
	must(t, err)
	must(t, i.SetPrice(ctx, "254", "KES", 800_000))
	key, err = i.CreateKey(ctx, account)
	must(t, err)
	return i, account, key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start serves the installation until the test ends.
func start(t *testing.T, i *product.Installation) {
	t.Helper()
	process, err := i.Start()
	must(t, err)
	t.Cleanup(func() {
		if err := process.Stop(30 * time.Second); err != nil || t.Failed() {
			t.Errorf("stopped: %v\n%s", err, i.Log)
		}
	})
	must(t, i.Ready(t.Context(), process))
}

// What an account cannot pay is refused with 402, and a batch takes only what the balance covers.
func TestNoBalance(t *testing.T) {
	i, _, key := install(t, 2_000_000)
	start(t, i)
	ctx := t.Context()
	c := product.NewClient(i.URL(), key)
	unchanged(t, c, func() {
		long := strings.Repeat("x", 400) // three parts: 2.4 of 2.0
		refuse(t, c, http.MethodPost, messages, fmt.Appendf(nil, `{"to":"+254701234567","text":"%s"}`, long), 402, "insufficient_balance")
	})
	var batch product.Batch
	item := map[string]any{"to": "+254701234567", "text": "x"}
	if err := c.Post(ctx, batches, map[string]any{"messages": []any{item, item, item}}, &batch); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"", "", "insufficient_balance"} {
		code := ""
		if batch.Results[n].Error != nil {
			code = batch.Results[n].Error.Code
		}
		if code != want {
			t.Errorf("item %d: %q, want %q", n, code, want)
		}
	}
	unchanged(t, c, func() {
		refuse(t, c, http.MethodPost, messages, []byte(`{"to":"+254701234567","text":"x"}`), 402, "insufficient_balance")
	})
}

// Webhooks may not lead into private networks, unless the operator has allowed one.
func TestPrivateWebhooksAreRefused(t *testing.T) {
	i, _, key := install(t, 0)
	start(t, i)
	c := product.NewClient(i.URL(), key)
	for _, address := range append(privateURLs, "http://127.0.0.1:8080/x", "http://localhost/x") {
		body, _ := json.Marshal(map[string]any{"url": address, "events": []string{"message.*"}})
		refuse(t, c, http.MethodPost, "/tidings/v1/webhooks", body, 422, "url_not_allowed")
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := c.Get(t.Context(), "/tidings/v1/webhooks", &list); err != nil || len(list.Items) != 0 {
		t.Errorf("%d endpoints were made, %v", len(list.Items), err)
	}
}

// privateURLs lead where no customer may send us, in every spelling that has fooled somebody.
var privateURLs = []string{
	"http://10.0.0.1/x", "http://172.16.0.1/x", "http://192.168.1.1/x", "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/x",
	"http://198.18.0.1/x", "http://0.0.0.0/x", "http://[::1]/x", "http://[fe80::1]/x", "http://[fd00:ec2::254]/x", "http://[::ffff:10.0.0.1]/x",
	"http://[64:ff9b::a9fe:a9fe]/x", "http://[2002:a9fe:a9fe::1]/x", "http://2130706433/x", "http://0x7f000001/x", "http://0177.0.0.1/x",
	"http://127.1/x", "http://１２７.0.0.1/x", "http://127。0。0。1/x", "http://user@169.254.169.254/x", "ftp://example.com/x",
	"file:///etc/passwd", "http://93.184.216.34:22/x", "gopher://93.184.216.34/x",
}

func TestKeysThatAreNoLongerGood(t *testing.T) {
	c := shared.client(1)
	body := []byte(`{"to":"+254701234567","text":"x"}`)
	create := func(in map[string]any) (id, key string) {
		var out struct {
			ID  string `json:"id"`
			Key string `json:"secret"`
		}
		if err := c.Post(t.Context(), "/tidings/v1/keys", in, &out); err != nil {
			t.Fatal(err)
		}
		return out.ID, out.Key
	}
	id, revoked := create(map[string]any{"name": "to be revoked", "scopes": []string{"messages:send"}})
	if status, reply, err := c.Do(t.Context(), http.MethodDelete, "/tidings/v1/keys/"+id, nil); err != nil || status/100 != 2 {
		t.Fatalf("%d %s %v", status, reply, err)
	}
	_, reader := create(map[string]any{"name": "reader", "scopes": []string{"messages:read"}})
	for _, row := range []struct {
		name, key string
		status    int
		code      string
	}{
		{"revoked", revoked, 401, "key_revoked"},
		{"none", "", 401, "no_credentials"},
		{"made up", "td_live_00000000000000000000000000000000", 401, "bad_credentials"},
		{"one letter off", c.Key[:len(c.Key)-1] + "!", 401, "bad_credentials"},
		{"without the scope", reader, 403, "scope_missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			unchanged(t, c, func() { refuse(t, c.With(row.key), http.MethodPost, messages, body, row.status, row.code) })
		})
	}
	t.Run("in the URL", func(t *testing.T) {
		unchanged(t, c, func() {
			refuse(t, c.With(""), http.MethodPost, messages+"?api_key="+c.Key, body, 400, "")
		})
	})
}

// A key lives a day at least, so the test moves its end in the database of a server that does not run yet.
func TestExpiredKey(t *testing.T) {
	i, account, expired := install(t, 2_000_000)
	_, err := open(t, i).ExecContext(t.Context(), `UPDATE api_key SET expires_at = $1`, time.Now().Add(-time.Minute).UnixMilli())
	must(t, err)
	key, err := i.CreateKey(t.Context(), account)
	must(t, err)
	start(t, i)
	c := product.NewClient(i.URL(), key)
	unchanged(t, c, func() {
		refuse(t, c.With(expired), http.MethodPost, messages, []byte(`{"to":"+254701234567","text":"x"}`), 401, "key_expired")
	})
}

// Another account's things are not there, whatever is tried with their ids.
func TestForeignIDsAreNotThere(t *testing.T) {
	mine, other := shared.client(1), shared.client(0)
	m := send(t, other, map[string]any{"to": "+254709000001", "text": "private"})
	id, _, err := other.CreateWebhook(t.Context(), shared.ControlURL+"/customer/foreign", "message.*")
	if err != nil {
		t.Fatal(err)
	}
	becomes(t, other, m.ID, "delivered", 10*time.Second)
	paths := []struct{ method, path string }{
		{http.MethodGet, "/tidings/v1/messages/" + m.ID},
		{http.MethodPost, "/tidings/v1/messages/" + m.ID + "/cancel"},
		{http.MethodGet, "/tidings/v1/webhooks/" + id},
		{http.MethodPatch, "/tidings/v1/webhooks/" + id},
		{http.MethodDelete, "/tidings/v1/webhooks/" + id},
		{http.MethodGet, "/tidings/v1/webhooks/" + id + "/deliveries"},
		{http.MethodGet, "/tidings/v1/messages/01980000-0000-7000-8000-000000000000"},
		{http.MethodGet, "/tidings/v1/messages/not-an-id"},
	}
	unchanged(t, mine, func() {
		for _, p := range paths {
			body := []byte(nil)
			if p.method == http.MethodPost || p.method == http.MethodPatch {
				body = []byte("{}")
			}
			refuse(t, mine, p.method, p.path, body, 404, "not_found")
		}
	})
	if got := get(t, other, m.ID); got.Status != "delivered" {
		t.Errorf("it is %s", got.Status)
	}
	if err := other.Get(t.Context(), "/tidings/v1/webhooks/"+id, new(json.RawMessage)); err != nil {
		t.Error(err)
	}
}
