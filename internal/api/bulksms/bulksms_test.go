package bulksms_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/bulksms"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const password = "pass 123!"

// begin is a server on which Alice has a password; so have an account without money and one that is closed.
func begin(t testing.TB) *apitest.World {
	t.Helper()
	w := apitest.New(t, api.Options{}, bulksms.Surface)
	w.Write(func(tx *store.Tx) error {
		secret := password
		if _, err := w.Core.Members.Change(tx, audit.System, w.Alice.ID, member.Change{Password: &secret}); err != nil {
			return err
		}
		poor, err := w.Core.Members.Create(tx, audit.System, account.Account{Name: "Poor", Region: "KE", Currency: "KES"}, "poor", password)
		if err != nil {
			return err
		}
		if err := w.Core.Wallet.Open(tx, poor.ID, "KES"); err != nil {
			return err
		}
		closed, err := w.Core.Members.Create(tx, audit.System, account.Account{Name: "Closed"}, "closed", password)
		if err != nil {
			return err
		}
		return w.Core.Members.SetActive(tx, audit.System, closed.ID, false)
	})
	return w
}

const optedOut = "0733333333"

// values are what the golden cases name.
func values(w *apitest.World) map[string]string {
	scoped := func(scopes ...account.Scope) string { return w.Key(w.Alice, scopes...) }
	revoked := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	old := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	w.Write(func(tx *store.Tx) error {
		if _, err := w.Core.Keys.Revoke(tx, audit.System, w.Alice.ID, revoked.ID); err != nil {
			return err
		}
		if _, _, err := w.Core.Keys.Rotate(tx, audit.System, w.Alice.ID, old.ID, 0); err != nil {
			return err
		}
		address, err := message.ParsePhone(optedOut, "KE")
		if err != nil {
			return err
		}
		_, err = w.Core.Gateway.Choose(tx, []consent.Choice{{Account: w.Alice.ID, Address: address, Out: true, Source: "api"}})
		return err
	})
	deny(w, w.Bob.ID, account.AccessSMS)
	many := strings.Repeat("0701234567,", 1001)
	return map[string]string{
		"key": scoped(account.Admin), "reader": scoped(account.MessagesRead), "sender": scoped(account.MessagesSend), "keysonly": scoped(account.KeysWrite),
		"revoked": revoked.Secret, "expired": old.Secret, "optedout": optedOut, "long": strings.Repeat("x", 160*256), "many": many,
		"mute": w.Key(w.Bob, account.Admin), "lonely": w.Key(w.Operator, account.Admin),
		"basic": base64.StdEncoding.EncodeToString([]byte("alice:" + password)),
	}
}

func deny(w *apitest.World, a account.ID, right account.Right) {
	w.Write(func(tx *store.Tx) error {
		denied := account.Denied(0).With(right, true)
		_, err := w.Core.Members.Change(tx, audit.System, a, member.Change{Denied: &denied})
		return err
	})
}

func TestGolden(t *testing.T) {
	t.Parallel()
	contract := apitest.NewContract(t, begin(t).Do("", "GET", "/docs/bulksms/openapi.json", "").Body.Bytes())
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		return w, values(w)
	}, contract.CheckReply)
}

func TestPapersAreCommitted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	spec := w.Do("", "GET", "/docs/api-docs.json", "")
	apitest.File(t, "../../../docs/api/bulksms.openapi.json", spec.Body.Bytes())
	apitest.File(t, "../../../docs/api/bulksms.postman.json", w.Do("", "GET", "/docs/bulksms/postman.json", "").Body.Bytes())
	if spec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the document is %s", spec.Header().Get("Content-Type"))
	}
}

// TestAThousandNumbersAreOneRequest sends to 1,000 numbers in one call, and one too many.
func TestAThousandNumbersAreOneRequest(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Write(func(tx *store.Tx) error {
		return w.Core.Wallet.TopUp(tx, audit.System, w.Alice.ID, 1_000_000_000, "more")
	})
	secret := w.Key(w.Alice, account.Admin)
	var numbers []string
	for i := range 1001 {
		numbers = append(numbers, fmt.Sprintf("07%08d", 1_000_000+i))
	}
	send := func(n int) apitest.Reply {
		body, err := json.Marshal(map[string]string{"api_key": secret, "numbers": strings.Join(numbers[:n], ", "), "message_body": "Hello"})
		if err != nil {
			t.Fatal(err)
		}
		return w.Do("", "POST", "/api/v2/sms/send", string(body))
	}
	over := send(1001)
	if over.Code != 400 || !strings.Contains(over.Body.String(), `"The numbers field must not have more than 1000 items."`) {
		t.Errorf("1,001: %d %s", over.Code, over.Body)
	}
	if got := count(t, w, w.Alice.ID); got != 0 {
		t.Errorf("%d were stored of what was refused", got)
	}
	began := time.Now()
	r := send(1000)
	t.Logf("1,000 numbers took %s", time.Since(began))
	var reply struct {
		Data struct {
			Accepted, Rejected int
			Used               float64 `json:"credits_used"`
			Balance            float64
			Messages           []struct{ ID, Number, Status string }
		}
	}
	r.JSON(t, &reply)
	if d := reply.Data; r.Code != 200 || d.Accepted != 1000 || d.Rejected != 0 || d.Used != 800 || d.Balance != 300 || len(d.Messages) != 1000 || d.Messages[999].Number != numbers[999] {
		t.Errorf("%d %+v", r.Code, d)
	}
	if got := count(t, w, w.Alice.ID); got != 1000 {
		t.Errorf("%d are stored", got)
	}
}

// count is how many messages an account has, up to a page of the gateway's many times over.
func count(t *testing.T, w *apitest.World, a account.ID) (n int) {
	t.Helper()
	var f gateway.Filter
	for f.Limit = 100; ; {
		p, err := w.Core.Gateway.List(t.Context(), a, f)
		if err != nil {
			t.Fatal(err)
		}
		n += len(p.Messages)
		if len(p.Messages) < f.Limit {
			return n
		}
		f.Before = p.Messages[len(p.Messages)-1].ID
	}
}

// TestWhatIsRefusedSendsNothing: one malformed number, one that nobody pays for, and nothing is stored.
func TestWhatIsRefusedSendsNothing(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	for numbers, code := range map[string]int{
		"0701234567;0712345678": 400, "0701234567+254712345678": 400, "0701234567/0712345678": 400, "0701234567 ext 5": 400, "0701234567\n0712345678": 400,
		"0701234567,12": 400, "0701234567,+999123": 400, "0701234567,ACME": 400, "0701234567,'; DROP TABLE message": 400, "0701234567,<script>": 400,
		strings.TrimSuffix(strings.Repeat("0701234567,", 126), ","): 402, // 125 are paid for
	} {
		if r := w.Do("", "GET", "/api/v2/sms/send?message_body=x&numbers="+queryEscape(numbers), "", "X-API-Key", secret); r.Code != code {
			t.Errorf("%.40s: %d %s", numbers, r.Code, r.Body)
		}
	}
	if got := count(t, w, w.Alice.ID); got != 0 {
		t.Errorf("%d messages are stored", got)
	}
}

// TestTheCounterIsSharedAndToldToAll follows the document: an unknown caller asks twice, and sees 59 and 58.
func TestTheCounterIsSharedAndToldToAll(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	expect := func(r apitest.Reply, code int, remaining string) {
		t.Helper()
		h := r.Header()
		limit := "60"
		if remaining == "" {
			limit = ""
		}
		if r.Code != code || h.Get("X-RateLimit-Limit") != limit || h.Get("X-RateLimit-Remaining") != remaining || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%d %v, want %d with %q left", r.Code, h, code, remaining)
		}
		if code != 200 && h.Get("Cache-Control") != "no-cache, private" {
			t.Errorf("Cache-Control: %s", h.Get("Cache-Control"))
		}
	}
	expect(w.Do("", "GET", "/api/v2/sms/send", ""), 401, "59")
	expect(w.Do("", "GET", "/api/v2/account/balance", ""), 401, "58")
	expect(w.Do("", "GET", "/api/v2/account/balance?api_key=wrong", ""), 401, "57")
	expect(w.Do("", "GET", "/api/v2/account/balance", "", "X-API-Key", secret), 200, "59")
	expect(w.Do("", "GET", "/api/v2/sms/send?numbers=0701234567&message_body=x", "", "X-API-Key", secret), 200, "58")
	expect(w.Do("", "GET", "/api/v2", ""), 200, "")
	expect(w.Do("", "GET", "/api/oauth2-callback", ""), 200, "")
	for range 58 {
		w.Do("", "GET", "/api/v2/account/balance", "", "X-API-Key", secret)
	}
	over := w.Do("", "GET", "/api/v2/account/balance", "", "X-API-Key", secret)
	expect(over, 429, "0")
	if strings.TrimSpace(over.Body.String()) != `{"error":"Too Many Attempts."}` || over.Header().Get("Retry-After") == "" {
		t.Errorf("%s %v", over.Body, over.Header())
	}
	for range 57 {
		w.Do("", "GET", "/api/v2/sms/send", "")
	}
	expect(w.Do("", "GET", "/api/v2/sms/send", ""), 429, "0")
}

// TestAKeyLivesFromGenerateToRevoke: each key works until the next step.
func TestAKeyLivesFromGenerateToRevoke(t *testing.T) {
	t.Parallel()
	w := begin(t)
	var made []struct {
		Key     string    `json:"api_key"`
		Expires time.Time `json:"expires_at"`
	}
	step := func(path, body string, status int, headers ...string) {
		t.Helper()
		r := w.Do("", "POST", path, body, headers...)
		if r.Code != status {
			t.Fatalf("%s: %d %s", path, r.Code, r.Body)
		}
		made = append(made, struct {
			Key     string    `json:"api_key"`
			Expires time.Time `json:"expires_at"`
		}{})
		r.JSON(t, &made[len(made)-1])
	}
	works := func(secret string) bool {
		return w.Do("", "GET", "/api/v2/sms/send?numbers=0701234567&message_body=x", "", "X-API-Key", secret).Code == 200
	}
	who := `{"username":"alice","password":"` + password + `"}`
	step("/api/generate-key", who, 201)
	if left := made[0].Expires.Sub(w.Core.Store.Now()); left < 364*24*time.Hour || left > 366*24*time.Hour || !works(made[0].Key) {
		t.Errorf("the first key lives for %s", left)
	}
	step("/api/regenerate-key?expiry_days=9", "", 200, "X-API-Key", made[0].Key)
	if left := made[1].Expires.Sub(w.Core.Store.Now()); left > 9*24*time.Hour+time.Minute || left < 8*24*time.Hour || works(made[0].Key) || !works(made[1].Key) {
		t.Errorf("the second key lives for %s", left)
	}
	step("/api/revoke-key", "", 200, "X-API-Key", made[1].Key)
	if works(made[1].Key) {
		t.Error("a revoked key works")
	}
	step("/api/generate-key", who, 201)
	w.Shift(366 * 24 * time.Hour)
	if r := w.Do("", "GET", "/api/v2/account/balance", "", "X-API-Key", made[3].Key); !strings.Contains(r.Body.String(), "API key expired") {
		t.Errorf("after a year: %d %s", r.Code, r.Body)
	}
	step("/api/generate-key", who, 201) // what has expired is in nobody's way
}

// TestATestKeyMakesATestKey: nobody gets more by making a key.
func TestATestKeyMakesATestKey(t *testing.T) {
	t.Parallel()
	w := begin(t)
	test := w.KeyLike(key.Key{Account: w.Alice.ID, Test: true, Scopes: account.Scopes{account.Admin}}).Secret
	r := w.Do("", "POST", "/api/generate-key", "", "X-API-Key", test)
	if r.Code != 201 || !strings.Contains(r.Body.String(), "td_test_") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	bound := w.KeyLike(key.Key{Account: w.Bob.ID, SpendLimit: 1, Scopes: account.Scopes{account.Admin}}).Secret
	if r := w.Do("", "POST", "/api/generate-key", "", "X-API-Key", bound); r.Code != 403 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestRightsOfTheAccountHold(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	for right, request := range map[account.Right]string{
		account.AccessSMS: "GET /api/v2/sms/send?numbers=0701234567&message_body=x", account.AccessBilling: "GET /api/v2/account/balance",
		account.AccessSettings: "POST /api/generate-key",
	} {
		deny(w, w.Alice.ID, right)
		method, path, _ := strings.Cut(request, " ")
		if r := w.Do("", method, path, "", "X-API-Key", secret); r.Code != 403 || !strings.Contains(r.Body.String(), "no access to "+string(right)) {
			t.Errorf("without %s: %d %s", right, r.Code, r.Body)
		}
	}
}

// TestWhatTheServerCannotTakeNow: no channel, no room, too much of it, too many a minute.
func TestWhatTheServerCannotTakeNow(t *testing.T) {
	t.Parallel()
	const one = "numbers=0701234567&message_body=x"
	for what, c := range map[string]struct {
		make   func(w *apitest.World)
		body   string
		status int
		text   string
		retry  bool
	}{
		"no channel": {func(w *apitest.World) {
			w.Write(func(tx *store.Tx) error { return w.Core.Routes.SetDefaults(tx, audit.System, 0, message.SMS, nil) })
		}, one, 503, `"error":`, false},
		"a full queue":               {func(w *apitest.World) { w.Limit(w.Alice, account.Limits{Burst: 10, Queue: 1}) }, "numbers=0701234567,0712345678&message_body=x", 503, `"error":`, true},
		"a large body":               {func(*apitest.World) {}, one + strings.Repeat("x", 2<<20), 413, `"error":`, false},
		"too many messages a minute": {func(w *apitest.World) { w.Limit(w.Alice, account.Limits{Burst: 10, Queue: 10, Messages: 1}) }, "again", 429, `{"error":"Too Many Attempts."}`, true},
		"a store that is closing":    {func(w *apitest.World) { _ = w.Core.Store.Close() }, one, 503, `"error":`, true},
	} {
		w := begin(t)
		secret := w.Key(w.Alice, account.Admin)
		do := func(body string) apitest.Reply {
			return w.Do("", "POST", "/api/v2/sms/send", body, "X-API-Key", secret, "Content-Type", "application/x-www-form-urlencoded")
		}
		do(one)
		c.make(w)
		if c.body == "again" {
			do(one)
			c.body = one
		}
		if r := do(c.body); r.Code != c.status || !strings.Contains(r.Body.String(), c.text) || (r.Header().Get("Retry-After") != "") != c.retry {
			t.Errorf("%s: %d %s %v", what, r.Code, r.Body, r.Header())
		}
	}
}

func TestWhoLooksSendsNothing(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	if r := w.Do("", "HEAD", "/api/v2/sms/send?numbers=0701234567&message_body=x", "", "X-API-Key", secret); r.Code != 405 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if n := count(t, w, w.Alice.ID); n != 0 {
		t.Errorf("%d messages are stored", n)
	}
}
