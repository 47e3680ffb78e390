package klik_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/klik"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

const base = "/api/v1/"

// world is a server on which Alice has a linked, connected official device, and Bob one that is not linked.
type world struct {
	*apitest.World
	alice, bob connection.Channel
}

func begin(t *testing.T) world {
	t.Helper()
	w := world{World: apitest.New(t, api.Options{}, klik.Surface)}
	w.alice = w.Device(connection.Channel{Account: w.Alice.ID, Name: "shop", Official: true}, "+254711111111")
	w.bob = w.Device(connection.Channel{Account: w.Bob.ID, Name: "shop", Official: true}, "")
	w.Connect(w.alice, true)
	w.Write(func(tx *store.Tx) error {
		return w.Core.Wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "91", Amount: 1_000_000}})
	})
	return w
}

// png is a picture of one pixel.
const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

func values(w world) map[string]string {
	return map[string]string{
		"alice": w.Key(w.Alice, account.Admin), "bob": w.Key(w.Bob, account.Admin), "reader": w.Key(w.Alice, account.MessagesRead),
		"internal": w.Key(w.Operator, account.Internal), "session": w.alice.ID.String(), "unlinked": w.bob.ID.String(), "png": png,
		"test":  w.KeyLike(key.Key{Account: w.Alice.ID, Test: true, Scopes: account.Scopes{account.MessagesSend}}).Secret,
		"large": base64.StdEncoding.EncodeToString(make([]byte, 200<<10)),
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	contract := apitest.NewContract(t, begin(t).Do("", "GET", "/docs/klik/openapi.json", "").Body.Bytes())
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		return w, values(w)
	}, contract.CheckReply)
}

func TestPapersAreCommitted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	apitest.File(t, "../../../docs/api/klik.openapi.json", w.Do("", "GET", "/docs/klik/openapi.json", "").Body.Bytes())
	apitest.File(t, "../../../docs/api/klik.postman.json", w.Do("", "GET", "/docs/klik/postman.json", "").Body.Bytes())
}

func TestHeadersAreTheDocuments(t *testing.T) {
	t.Parallel()
	w := begin(t)
	h := w.Do("", "GET", "/api/healthcheck", "").Header()
	for name, want := range map[string]string{
		"Cache-Control": "no-cache, private", "Content-Type": "application/json", "X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59",
		"Strict-Transport-Security": "max-age=31536000; includeSubdomains", "Access-Control-Allow-Origin": "*",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
}

func TestTheLimitIsToldAsTheDocumentDoes(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	var last apitest.Reply
	for range 61 {
		last = w.Do(secret, "GET", base+"official-device/status", "")
	}
	h := last.Header()
	if last.Code != 429 || strings.TrimSpace(last.Body.String()) != `{"message":"Too Many Attempts."}` || h.Get("Retry-After") == "" ||
		h.Get("X-RateLimit-Remaining") != "0" || h.Get("X-RateLimit-Reset") == "" {
		t.Errorf("%d %s %v", last.Code, last.Body, h)
	}
}

type signedIn struct {
	Data struct {
		Token string
		User  struct {
			ID                        int
			Name, Email, Created_from string //nolint:revive // as it is on the wire
		}
	}
}

func TestATokenOpensTheUsersAccountAndNoOther(t *testing.T) {
	t.Parallel()
	w := begin(t)
	internal := w.Key(w.Operator, account.Internal)
	auth := func(body string) (in signedIn) {
		t.Helper()
		r := w.Do("", "POST", base+"auth-by-email", body, "X-API-KEY", internal)
		if r.Code != http.StatusOK {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		r.JSON(t, &in)
		return in
	}
	before, err := w.Core.Members.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := auth(`{"email":"Jane@Example.com","name":"Jane Doe","created_from":"external-project"}`)
	again := auth(`{"email":"jane@example.com","name":"Somebody Else","created_from":"elsewhere"}`)
	other := auth(`{"email":"joe@example.com"}`)
	after, err := w.Core.Members.All(t.Context())
	if err != nil || len(after) != len(before)+2 {
		t.Errorf("%d accounts became %d (%v)", len(before), len(after), err)
	}
	if first.Data.User != again.Data.User || first.Data.User.Name != "Jane Doe" || first.Data.User.Created_from != "external-project" ||
		first.Data.User.Email != "jane@example.com" || first.Data.User.ID <= 0 || first.Data.User.ID > 1<<31-1 || other.Data.User.ID == first.Data.User.ID {
		t.Errorf("%+v, %+v, %+v", first, again, other)
	}
	var told struct {
		Data struct {
			User struct {
				ID    int
				Email string
			}
		}
	}
	w.Do(again.Data.Token, "GET", base+"official-device/status", "").JSON(t, &told)
	if told.Data.User.ID != first.Data.User.ID || told.Data.User.Email != "jane@example.com" {
		t.Errorf("the token is %+v's", told.Data.User)
	}
	tokens := []string{first.Data.Token, again.Data.Token}
	for range 9 {
		tokens = append(tokens, auth(`{"email":"jane@example.com"}`).Data.Token)
	}
	for i, token := range tokens { // eleven: the first is taken back
		if code := w.Do(token, "GET", base+"official-device/status", "").Code; (code == http.StatusOK) != (i > 0) {
			t.Errorf("token %d: %d", i, code)
		}
	}
	for _, secret := range []string{"", "nonsense", w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Internal)} {
		if r := w.Do("", "POST", base+"auth-by-email", `{"email":"a@b.example"}`, "X-API-KEY", secret); r.Code != http.StatusForbidden {
			t.Errorf("%q: %d %s", secret, r.Code, r.Body)
		}
	}
}

// TestMatrix has each account try every route on what is another's.
func TestMatrix(t *testing.T) {
	t.Parallel()
	w := begin(t)
	bob := w.Key(w.Bob, account.Admin)
	foreign, missing := w.alice.ID.String(), "ffd7f83e-06c3-47c8-a6a1-dd943da13b5f"
	for _, path := range []string{"/send-message", "/send-file"} {
		for _, body := range []string{`{}`, `{"mobile":"254701234567","message":"hi","file":"` + png + `"}`} {
			a := w.Do(bob, "POST", base+foreign+path, body)
			b := w.Do(bob, "POST", base+missing+path, body)
			if a.Code != http.StatusNotFound || a.Body.String() != b.Body.String() {
				t.Errorf("%s: %d %s, unknown: %d %s", path, a.Code, a.Body, b.Code, b.Body)
			}
		}
	}
	if r := w.Do(bob, "GET", base+"official-device/status", ""); strings.Contains(r.Body.String(), foreign) || strings.Contains(r.Body.String(), "254711111111") {
		t.Errorf("Bob sees Alice's device: %s", r.Body)
	}
	sms := w.Channel.String()
	if r := w.Do(bob, "POST", base+sms+"/send-message", `{"mobile":"254701234567","message":"hi"}`); r.Code != http.StatusNotFound {
		t.Errorf("a channel of SMS is a session: %d %s", r.Code, r.Body)
	}
}

// TestRulesOfSendingAreTold has the account send to one country only.
func TestRulesOfSendingAreTold(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Policies.Change(tx, audit.System, &w.Alice, func(p *policy.Policy) error {
			p.Countries = []string{"DE"}
			return nil
		})
		return err
	})
	r := w.Do(w.Key(w.Alice, account.Admin), "POST", base+"official-device/send-message", `{"mobile":919999999999,"message":"Hello buddy"}`)
	if r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), `"success":false`) || !strings.Contains(r.Body.String(), "does not send to IN") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestARepeatSendsOnce(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const body = `{"mobile":919999999999,"message":"Hello buddy"}`
	for i := range 2 {
		r := w.Do(secret, "POST", base+"official-device/send-message", body, "Idempotency-Key", "k")
		if r.Code != http.StatusOK || (r.Header().Get("Idempotent-Replayed") == "true") != (i == 1) {
			t.Errorf("%d %s %v", r.Code, r.Body, r.Header())
		}
	}
	if n := sent(t, w); n != 1 {
		t.Errorf("%d messages were taken", n)
	}
}

func sent(t *testing.T, w world) int {
	t.Helper()
	waiting, err := w.Core.Gateway.WaitingIn(t.Context(), w.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	return waiting[message.Transactional]
}

// TestAFileStaysWithItsMessageOnly: of a message that was refused, and of one that was sent before, no other file is kept.
func TestAFileStaysWithItsMessageOnly(t *testing.T) {
	t.Parallel()
	w := begin(t)
	for _, c := range []struct {
		name   string
		of     account.Account
		mobile string
		files  int
	}{{"not-linked", w.Bob, "919999999999", 0}, {"no-price", w.Alice, "447700900123", 0}, {"sent-twice", w.Alice, "919999999999", 1}} {
		secret := w.Key(c.of, account.Admin)
		for range 2 {
			w.Do(secret, "POST", base+"official-device/send-message", `{"mobile":"`+c.mobile+`","message":"look","image":"`+png+`"}`, "Idempotency-Key", c.name)
		}
		if files, err := w.Core.Media.List(t.Context(), c.of.ID, 0, 10); err != nil || len(files) != c.files {
			t.Errorf("%s: %d files, %v", c.name, len(files), err)
		}
	}
}
