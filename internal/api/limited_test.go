package api_test

import (
	"net/http"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
)

// limited is a surface with a limit of its own, one route of which needs no key.
func limited() api.Surface {
	s := plain("limited", "/limited", func(k *api.Kit) {
		k.Handle("GET /limited/open", func(w http.ResponseWriter, r *http.Request) error {
			if err := k.AdmitAnyone(r); err != nil {
				return err
			}
			return api.Reply(w, http.StatusOK, true)
		})
		k.Handle("GET /limited/keyed", func(w http.ResponseWriter, r *http.Request) error {
			secret, err := api.Bearer(r)
			if err != nil {
				return err
			}
			if err := k.Admit(r, secret, account.MessagesSend); err != nil {
				return err
			}
			return api.Reply(w, http.StatusOK, true)
		})
	})
	s.Limited, s.AnyOrigin, s.Headers = true, true, http.Header{"Cache-Control": {"no-cache, private"}}
	return s
}

func TestASurfaceTellsItsOwnLimit(t *testing.T) {
	w := apitest.New(t, api.Options{}, limited())
	one, two := w.Key(w.Alice, account.MessagesSend), w.Key(w.Alice, account.MessagesSend)
	expect := func(r apitest.Reply, code int, remaining string) {
		t.Helper()
		h := r.Header()
		if r.Code != code || h.Get("X-RateLimit-Limit") != "60" || h.Get("X-RateLimit-Remaining") != remaining || h.Get("RateLimit-Limit") != "" {
			t.Errorf("%d %v, want %d with %s left", r.Code, h, code, remaining)
		}
	}
	expect(w.Do(one, "GET", "/limited/keyed", ""), 200, "59")
	expect(w.Do(two, "GET", "/limited/keyed", ""), 200, "58") // all keys of an account together
	expect(w.Do("", "GET", "/limited/open", ""), 200, "59")   // and an address for itself
	expect(w.Do(w.Key(w.Bob, account.MessagesSend), "GET", "/limited/keyed", ""), 200, "59")
	for range 58 {
		w.Do(one, "GET", "/limited/keyed", "")
	}
	over := w.Do(one, "GET", "/limited/keyed", "")
	expect(over, 429, "0")
	if over.Header().Get("Retry-After") != "1" || over.Header().Get("X-RateLimit-Reset") == "" {
		t.Errorf("when to come again: %v", over.Header())
	}
	w.Shift(2 * time.Second)
	expect(w.Do(one, "GET", "/limited/keyed", ""), 200, "1")

	w.Limit(w.Alice, account.Limits{Burst: 1, Queue: 1, Surface: 3})
	if r := w.Do(one, "GET", "/limited/keyed", ""); r.Header().Get("X-RateLimit-Limit") != "3" {
		t.Errorf("with a plan: %v", r.Header())
	}
}

func TestASurfacesHeadersAreOnEveryReply(t *testing.T) {
	w := apitest.New(t, api.Options{}, limited())
	for _, path := range []string{"/limited/open", "/limited/keyed", "/limited/nothing"} {
		if h := w.Do("", "GET", path, "").Header(); h.Get("Cache-Control") != "no-cache, private" {
			t.Errorf("%s: %v", path, h)
		}
	}
	r := w.Do("", "OPTIONS", "/limited/keyed", "", "Origin", "https://anywhere.example", "Access-Control-Request-Method", "GET")
	if r.Code != http.StatusNoContent || r.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: %d %v", r.Code, r.Header())
	}
}
