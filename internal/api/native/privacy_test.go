package native

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/id"
	"tidings.dev/internal/privacy"
)

func TestAFileIsReadWithTheKeyOrByItsLink(t *testing.T) {
	w := begin(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	w.Do(alice, "POST", base+"/messages", body("+254701234567", "for the file"))
	made := w.Do(alice, "POST", base+"/exports", `{"address":"0701234567"}`, "Idempotency-Key", "k")
	expect(t, made, 202, "", "")
	at := base + "/exports/" + idOf(t, made)
	if again := w.Do(alice, "POST", base+"/exports", `{"address":"0701234567"}`, "Idempotency-Key", "k"); idOf(t, again) != idOf(t, made) {
		t.Error("a repeat made another")
	}
	expect(t, w.Do(alice, "GET", at+"/file", ""), 404, "not_found", "")

	work(t, w.Core.Privacy.Run)
	var e ExportReply
	for end := time.Now().Add(time.Minute); e.Status != "done" && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		w.Do(alice, "GET", at, "").JSON(t, &e)
	}
	if e.Status != "done" || e.Address != "+254701234567" || e.Lines != 1 {
		t.Fatalf("%+v", e)
	}
	link := strings.TrimPrefix(e.URL, "https://tidings.example")
	for _, path := range []string{at + "/file", link} {
		secret := alice
		if path == link {
			secret = ""
		}
		r := w.Do(secret, "GET", path, "")
		if r.Code != 200 || r.Header().Get("Content-Type") != "application/gzip" || r.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("GET %s: %d %v", path, r.Code, r.Header())
		}
		z, err := gzip.NewReader(bytes.NewReader(r.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !strings.Contains(string(text), "for the file") {
			t.Errorf("the file holds %s, %v", text, err)
		}
	}
	// S10: another's is not there, with a key, by a link that is made up, or that says another account.
	expect(t, w.Do(bob, "GET", at+"/file", ""), 404, "not_found", "")
	expect(t, w.Do("", "GET", at+"/file", ""), 401, "no_credentials", "")
	expect(t, w.Do("", "GET", link+"x", ""), 404, "not_found", "")
	export, err := id.Parse[privacy.Export](e.ID)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := api.Link(w.Core.Store, w.Bob.ID, int64(export), linkLife)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.Do("", "GET", base+"/downloads/"+stolen, ""), 404, "not_found", "")
	w.Core.Store.Shift(linkLife)
	expect(t, w.Do("", "GET", link, ""), 404, "not_found", "")
	if r := w.Do(alice, "GET", at+"/file", ""); r.Code != 200 {
		t.Errorf("with the key it is %d", r.Code)
	}
}

// work runs something until the test ends.
func work(t *testing.T, run func(ctx, hard context.Context)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { run(ctx, ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
}

func TestBadExportsAreRefused(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	unchanged := seen(t, w, secret)
	expect(t, w.Do(secret, "POST", base+"/exports", `{"address":"call me"}`), 422, "invalid_field", "address")
	expect(t, w.Do(secret, "POST", base+"/exports", `{"address":7}`), 400, "malformed_body", "address")
	expect(t, w.Do(secret, "POST", base+"/exports", `{"addr":"+254701234567"}`), 400, "unknown_field", "addr")
	expect(t, w.Do(secret, "POST", base+"/exports", ``), 400, "malformed_body", "")
	expect(t, w.Do(secret, "POST", base+"/erasures", `{}`), 422, "missing_field", "address")
	expect(t, w.Do(secret, "POST", base+"/erasures", `{"address":"ACME"}`), 422, "invalid_field", "address")
	expect(t, w.Do(secret, "POST", base+"/erasures", `{"address":"+254701234567","all":true}`), 400, "unknown_field", "all")
	if now := seen(t, w, secret); now != unchanged {
		t.Errorf("was\n%s\nis\n%s", unchanged, now)
	}
}
