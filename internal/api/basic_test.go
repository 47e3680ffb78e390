package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
)

// basic is a surface whose callers name themselves. It tells who they are.
func basic() api.Surface {
	return plain("basic", "/basic", func(k *api.Kit) {
		k.Handle("GET /basic", func(w http.ResponseWriter, r *http.Request) error {
			username, secret, err := api.Basic(r)
			if err != nil {
				return err
			}
			if err := k.AdmitBasic(r, username, secret, account.MessagesSend); err != nil {
				return err
			}
			c := api.CallerOf(r)
			return api.Reply(w, http.StatusOK, fmt.Sprint(c.Account.Name, " ", c.Key.ID != 0, " ", c.By.Name))
		})
	})
}

// named is a world in which Alice has a password, and a function that asks with a user name and a secret.
func named(t *testing.T) (*apitest.World, func(username, secret string, headers ...string) apitest.Reply) {
	w := apitest.New(t, api.Options{}, basic())
	w.Write(func(tx *store.Tx) error {
		return w.Core.Members.SetSignIn(tx, audit.System, w.Alice.ID, "alice", "pass:word é")
	})
	return w, func(username, secret string, headers ...string) apitest.Reply {
		return w.Do("", "GET", "/basic", "", append(headers, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(username+":"+secret)))...)
	}
}

func TestWhoNamesAnAccountIsLetInByItsKeyOrPassword(t *testing.T) {
	w, ask := named(t)
	alices, bobs := w.Key(w.Alice, account.MessagesSend), w.Key(w.Bob, account.MessagesSend)
	reads := w.Key(w.Alice, account.MessagesRead)
	revoked := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}})
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Keys.Revoke(tx, audit.System, w.Alice.ID, revoked.ID)
		return err
	})
	for _, c := range []struct{ username, secret, want string }{
		{"alice", alices, "200"},
		{"ALICE", alices, "200"},
		{"alice", "pass:word é", "200"},
		{" Alice", "pass:word é", "200"},
		{"alice", "pass", "401 basic: bad_credentials"},
		{"alice", bobs, "401 basic: bad_credentials"},
		{"bob", alices, "401 basic: bad_credentials"},
		{"bob", "pass:word é", "401 basic: bad_credentials"},
		{"nobody", "pass:word é", "401 basic: bad_credentials"},
		{"nobody", alices, "401 basic: bad_credentials"},
		{"alice", revoked.Secret, "401 basic: key_revoked"},
		{"alice", reads, "403 basic: scope_missing"},
		{"alice", "", "401 basic: no_credentials"},
		{"", "pass:word é", "401 basic: no_credentials"},
		{"alice", "pass:word é\x00", "401 basic: bad_credentials"},
		{"ali\xffce", "pass:word é", "401 basic: bad_credentials"},
		{"alice", "pass:word \xe9", "401 basic: bad_credentials"},
		{"alice", strings.Repeat("x", 20_000), "401 basic: bad_credentials"},
		{strings.Repeat("x", 20_000), "x", "401 basic: bad_credentials"},
	} {
		r := ask(c.username, c.secret)
		if got := fmt.Sprint(r.Code, " ", r.Body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%.20q with %.20q: %s, want %s", c.username, c.secret, got, c.want)
		}
		if strings.HasPrefix(c.want, "200") && !strings.Contains(r.Body.String(), "Alice "+fmt.Sprint(c.secret == alices)) {
			t.Errorf("%q with %.20q is %s", c.username, c.secret, r.Body)
		}
	}
}

func TestHeadersOfBasicThatHoldNobody(t *testing.T) {
	w, _ := named(t)
	pair := base64.StdEncoding.EncodeToString([]byte("alice:pass:word é"))
	for header, want := range map[string]string{
		"Basic " + pair:                         "200",
		"basic   " + pair + " ":                 "200",
		"":                                      "no_credentials",
		"Basic":                                 "bad_credentials",
		"Basic ":                                "bad_credentials",
		"Bearer " + pair:                        "no_credentials",
		pair:                                    "no_credentials",
		"Basic " + pair[:len(pair)-3]:           "bad_credentials",
		"Basic %%%":                             "bad_credentials",
		"Basic " + pair + pair:                  "bad_credentials",
		"Basic YWxpY2U=":                        "bad_credentials", // no colon
		"Basic YWxpY2U6":                        "no_credentials",  // no secret
		"Basic OnNlY3JldA==":                    "no_credentials",  // no name
		"Basic Og==":                            "no_credentials",
		"Basic AAAA":                            "bad_credentials",
		"Basic " + strings.Repeat("QUFB", 6000): "bad_credentials",
	} {
		r := w.Do("", "GET", "/basic", "", "Authorization", header)
		if got := fmt.Sprint(r.Code, " ", r.Body); !strings.Contains(got, want) {
			t.Errorf("%.60q: %s, want %s", header, got, want)
		}
	}
	two := httptest.NewRequest(http.MethodGet, "/basic", nil)
	two.Header["Authorization"] = []string{"Basic " + pair, "Basic " + pair}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, two)
	if rec.Body.String() != "basic: no_credentials" {
		t.Errorf("two headers: %d %s", rec.Code, rec.Body)
	}
}

func FuzzBasic(f *testing.F) {
	for _, seed := range []string{"Basic YWxpY2U6eA==", "Basic", "basic Og==", "Bearer x", "Basic \x00", "Basic /+==:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{header}
		username, secret, err := api.Basic(r)
		if err != nil {
			if told := fault.Of(err); told == nil || told.Kind() != fault.Unauthorized || username != "" || secret != "" || !utf8.ValidString(told.Text) {
				t.Errorf("%q: %q %q %v", header, username, secret, err)
			}
			return
		}
		again := httptest.NewRequest(http.MethodGet, "/", nil)
		again.SetBasicAuth(username, secret)
		if u, s, err := api.Basic(again); u != username || s != secret || err != nil || strings.Contains(username, ":") {
			t.Errorf("%q is %q %q, then %q %q (%v)", header, username, secret, u, s, err)
		}
	})
}

// TestGuessesSlowAUserDownAndNobodyElse tries one password after the other, of somebody and of nobody.
func TestGuessesSlowAUserDownAndNobodyElse(t *testing.T) {
	w, ask := named(t)
	secret := w.Key(w.Alice, account.MessagesSend)
	for _, name := range []string{"alice", "nobody"} {
		for i := range 10 {
			if r := ask(name, fmt.Sprint("guess ", i)); r.Code != 401 {
				t.Fatalf("guess %d: %d %s", i, r.Code, r.Body)
			}
		}
		for _, guess := range []string{"pass:word é", "another"} {
			r := ask(name, guess)
			if after, err := strconv.Atoi(r.Header().Get("Retry-After")); r.Code != 429 || err != nil || after < 1 || after > 60 {
				t.Errorf("%s, after ten: %d %s %v", name, r.Code, r.Body, r.Header())
			}
		}
	}
	if r := ask("alice", secret); r.Code != 200 {
		t.Errorf("the right key: %d %s", r.Code, r.Body)
	}
	w.Shift(time.Minute)
	if r := ask("alice", "pass:word é"); r.Code != 200 {
		t.Errorf("the right password a minute later: %d %s", r.Code, r.Body)
	}
	ask("alice", "one more guess")
	if r := ask("alice", "pass:word é"); r.Code != 200 {
		t.Errorf("the right password, which is remembered: %d %s", r.Code, r.Body)
	}
}

func TestWhoMayNotWorkIsToldOnlyWithTheSecret(t *testing.T) {
	w, ask := named(t)
	secret := w.Key(w.Alice, account.MessagesSend)
	w.Write(func(tx *store.Tx) error { return w.Core.Members.SetActive(tx, audit.System, w.Alice.ID, false) })
	for given, want := range map[string]string{
		secret: "403 basic: account_inactive", "pass:word é": "403 basic: account_inactive", "wrong": "401 basic: bad_credentials",
	} {
		if r := ask("alice", given); fmt.Sprint(r.Code, " ", r.Body) != want {
			t.Errorf("%q: %d %s", given, r.Code, r.Body)
		}
	}
}

// TestAPageComesByPasswordFromListedOriginsOnly: without a key, any key's list of the account will do.
func TestAPageComesByPasswordFromListedOriginsOnly(t *testing.T) {
	w, ask := named(t)
	bare := w.Key(w.Alice, account.MessagesSend)
	w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.MessagesRead}, Origins: []string{"https://shop.example"}})
	w.KeyLike(key.Key{Account: w.Bob.ID, Scopes: account.Scopes{account.MessagesRead}, Origins: []string{"https://bob.example"}})
	for _, c := range []struct {
		secret, origin string
		status         int
	}{
		{"pass:word é", "https://shop.example", 200},
		{"pass:word é", "https://bob.example", 403},
		{"pass:word é", "null", 403},
		{bare, "https://shop.example", 403},
		{"pass:word é", "", 200},
	} {
		headers := []string{"Origin", c.origin}
		if c.origin == "" {
			headers = nil
		}
		r := ask("alice", c.secret, headers...)
		if allowed := r.Header().Get("Access-Control-Allow-Origin"); r.Code != c.status || (allowed != "") != (c.status == 200 && c.origin != "") {
			t.Errorf("%.8s from %q: %d %s, allowed %q", c.secret, c.origin, r.Code, r.Body, allowed)
		}
	}
}

func TestRatesHoldForWhoComesByPassword(t *testing.T) {
	w, ask := named(t)
	w.Limit(w.Alice, account.Limits{Requests: 60, Burst: 2, Queue: 1})
	for i, want := range []int{200, 200, 429} {
		if r := ask("alice", "pass:word é"); r.Code != want {
			t.Errorf("request %d: %d %s", i, r.Code, r.Body)
		}
	}
	if r := ask("alice", w.Key(w.Alice, account.MessagesSend)); r.Code != 200 {
		t.Errorf("a key: %d %s", r.Code, r.Body)
	}
}
