package clicksend_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
)

// failing is a core in which nothing can be read.
type failing struct{ api.Gateway }

// Message implements api.Gateway.
func (failing) Message(context.Context, account.ID, message.ID) (message.Message, error) {
	return message.Message{}, errors.New("secret/path: disk I/O error")
}

var somewhere = "/v3/sms/" + message.ID(1<<40).String() + "/cancel"

func TestAMistakeOfOursTellsNothing(t *testing.T) {
	t.Parallel()
	w := begin(t)
	core := w.Core
	core.Gateway = failing{core.Gateway}
	w.Handler = api.New(api.Options{}, core, clicksend.Surface)
	r := w.do(w.alice(), "PUT", somewhere, "")
	if want := `{"http_code":500,"response_code":"INTERNALSERVERERROR",`; r.Code != http.StatusInternalServerError || !strings.HasPrefix(r.Body.String(), want) || strings.Contains(r.Body.String(), "disk") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestWhoAsksTooOftenIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Limit(w.Alice, account.Limits{Requests: 1, Burst: 1, Queue: 1})
	alice := w.alice()
	w.do(alice, "PUT", somewhere, "")
	r := w.do(alice, "PUT", somewhere, "")
	const want = `{"http_code":429,"response_code":"HTTP_TOO_MANY_REQUESTS","response_msg":"Too many attempts.","data":null}`
	if r.Code != http.StatusTooManyRequests || strings.TrimSpace(r.Body.String()) != want || r.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s %v", r.Code, r.Body, r.Header())
	}
}

func TestAWebPageNeedsItsOriginOnTheKey(t *testing.T) {
	t.Parallel()
	w := begin(t)
	core := w.Core
	core.OriginKnown = core.Keys.OriginKnown
	w.Handler = api.New(api.Options{}, core, clicksend.Surface)
	alice := basic("alice", w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Origins: []string{"https://shop.example"}}).Secret)
	for origin, want := range map[string]int{"https://shop.example": http.StatusNotFound, "https://evil.example": http.StatusForbidden, "null": http.StatusForbidden} {
		allowed := want == http.StatusNotFound
		r := w.do(alice, "PUT", somewhere, "", "Origin", origin)
		if r.Code != want || (r.Header().Get("Access-Control-Allow-Origin") == origin) != allowed || r.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %s %v", origin, r.Code, r.Body, r.Header())
		}
		r = w.Do("", "OPTIONS", somewhere, "", "Origin", origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization")
		if r.Code != http.StatusNoContent || (r.Header().Get("Access-Control-Allow-Origin") == origin) != allowed {
			t.Errorf("%s asks before: %d %v", origin, r.Code, r.Header())
		}
	}
}
