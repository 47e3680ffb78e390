package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/telemetry"
)

// plain is a surface that answers with its name and the code of a fault.
func plain(name string, prefix string, routes func(*api.Kit)) api.Surface {
	return api.Surface{
		Name: name, Prefixes: []string{prefix}, Routes: routes,
		Fail: func(_ *api.Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
			api.RetryAfter(w.Header(), f)
			w.WriteHeader(api.Statuses{}.Of(f))
			_, _ = fmt.Fprintf(w, "%s: %s", name, f.Code)
		},
	}
}

// who is a surface with one route that lets every key in and tells what the kit knows of the request.
func who() api.Surface {
	return plain("who", "/who", func(k *api.Kit) {
		k.Handle("GET /who", func(w http.ResponseWriter, r *http.Request) error {
			secret, err := api.Bearer(r)
			if err != nil {
				return err
			}
			if err := k.Admit(r, secret, ""); err != nil {
				return err
			}
			return api.Reply(w, http.StatusOK, api.RemoteOf(r).String())
		})
	})
}

func TestUnknownPathsAnswerInTheShapeOfTheirSurface(t *testing.T) {
	none := func(k *api.Kit) {
		k.Handle("GET /"+k.Name+"/x", func(http.ResponseWriter, *http.Request) error { return nil })
	}
	w := apitest.New(t, api.Options{}, plain("outer", "/outer/", none), plain("inner", "/outer/inner/", none))
	for path, want := range map[string]string{
		"/outer/":          "404 outer: not_found",
		"/outer/y":         "404 outer: not_found",
		"/outer/inner/y":   "404 inner: not_found",
		"/outer/inner":     "404 outer: not_found",
		"/outer//inner/y":  "404 outer: not_found",
		"/outer/../secret": "404 outer: not_found",
		"/elsewhere":       "404 There is no such thing: there is nothing at this address",
	} {
		r := w.Do("", "GET", path, "")
		if got := fmt.Sprint(r.Code, " ", strings.TrimSpace(r.Body.String())); got != want {
			t.Errorf("%s answers %s, want %s", path, got, want)
		}
	}
	r := w.Do("", "DELETE", "/outer/x", "")
	if r.Code != 405 || r.Header().Get("Allow") != "GET, HEAD, OPTIONS" || r.Body.String() != "outer: method_not_allowed" {
		t.Errorf("DELETE answers %d %s, Allow: %s", r.Code, r.Body, r.Header().Get("Allow"))
	}
}

func TestWhatBreaksInsideStaysInside(t *testing.T) {
	var log bytes.Buffer
	w := apitest.New(t, api.Options{Log: telemetry.NewLogger(&log, "json", slog.LevelDebug)}, plain("s", "/s/", func(k *api.Kit) {
		k.Handle("GET /s/panic", func(http.ResponseWriter, *http.Request) error { panic("SELECT secret") })
		k.Handle("GET /s/error", func(http.ResponseWriter, *http.Request) error { return errors.New("SELECT secret") })
		k.Handle("GET /s/late", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusOK)
			return errors.New("SELECT secret")
		})
		k.Handle("GET /s/gone", func(_ http.ResponseWriter, r *http.Request) error { return r.Context().Err() })
	}))
	for _, path := range []string{"/s/panic", "/s/error"} {
		log.Reset()
		r := w.Do("", "GET", path, "")
		if r.Code != 500 || r.Body.String() != "s: internal_error" {
			t.Errorf("%s answers %d %s", path, r.Code, r.Body)
		}
		id := r.Header().Get("X-Request-Id")
		if id == "" || strings.Count(log.String(), `"request":"`+id+`"`) != 2 || !strings.Contains(log.String(), "SELECT secret") {
			t.Errorf("%s is logged as %s", path, &log)
		}
	}
	server := httptest.NewServer(w)
	reply, err := http.Get(server.URL + "/s/late") //nolint:noctx // it ends at once
	if err == nil {
		_, err = io.ReadAll(reply.Body)
		_ = reply.Body.Close()
	}
	server.Close() // which waits until the request is logged
	if err == nil {
		t.Error("a reply that broke off looks whole")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	log.Reset()
	w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/s/gone", nil).WithContext(ctx))
	if strings.Contains(log.String(), "ERROR") || !strings.Contains(log.String(), `"status":499`) {
		t.Errorf("a caller who left is logged as %s", &log)
	}
}

func TestLogHoldsNothingPrivate(t *testing.T) {
	var log bytes.Buffer
	w := apitest.New(t, api.Options{Log: telemetry.NewLogger(&log, "text", slog.LevelDebug)}, who())
	secret := w.Key(w.Alice, account.Admin)
	w.Do(secret, "GET", "/who?api_key="+secret+"&to=%2B254701234567", "{\"text\":\"hush\"}", "User-Agent", "evil\r\nlevel=ERROR")
	w.Do(secret, "GET", "/nothing/"+secret, "")
	w.Do(secret, "BREW", "/nothing", "")
	for _, private := range []string{secret, "254701234567", "hush", "evil\r"} {
		if strings.Contains(log.String(), private) {
			t.Errorf("%q is in the log:\n%s", private, &log)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 || !strings.Contains(log.String(), "account="+w.Alice.ID.String()) {
		t.Errorf("the log is\n%s", &log)
	}
}

func TestRatesHoldForKeyAndAccount(t *testing.T) {
	w := apitest.New(t, api.Options{}, who())
	w.Limit(w.Alice, account.Limits{Requests: 60, Burst: 3, Queue: 1})
	first := w.Key(w.Alice, account.Admin)
	for left := 2; left >= 0; left-- {
		r := w.Do(first, "GET", "/who", "")
		if h := r.Header(); r.Code != 200 || h.Get("RateLimit-Limit") != "3" || h.Get("RateLimit-Remaining") != strconv.Itoa(left) || h.Get("RateLimit-Reset") != strconv.Itoa(3-left) {
			t.Errorf("with %d left: %d %v", left, r.Code, h)
		}
	}
	r := w.Do(first, "GET", "/who", "")
	if r.Code != 429 || r.Header().Get("Retry-After") != "1" || r.Header().Get("RateLimit-Remaining") != "0" || r.Body.String() != "who: rate_limited" {
		t.Errorf("over the rate: %d %v %s", r.Code, r.Header(), r.Body)
	}
	granted := 3
	for range 10 {
		other := w.Key(w.Alice, account.Admin)
		for range 3 {
			if r := w.Do(other, "GET", "/who", ""); r.Code == 200 {
				granted++
			}
		}
	}
	if granted < 12 || granted > 13 { // one more may have come in by time
		t.Errorf("the account's keys had %d requests, want 12", granted)
	}
	if r := w.Do(w.Key(w.Bob, account.Admin), "GET", "/who", ""); r.Code != 200 {
		t.Errorf("Bob pays for Alice: %d", r.Code)
	}
}

func TestForwardedAddressCountsFromTrustedProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	w := apitest.New(t, api.Options{TrustedProxies: trusted}, who())
	secret := w.Key(w.Alice, account.Admin)
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:99", "127.0.0.1", "192.0.2.1"},
		{"10.1.1.1:99", "198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:99", "127.0.0.1, 198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:99", "127.0.0.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"},
		{"10.1.1.1:99", "", "10.1.1.1"},
		{"10.1.1.1:99", "unknown", "10.1.1.1"},
		{"10.1.1.1:99", "203.0.113.5:4711", "203.0.113.5"},
		{"[2001:db8::1]:99", "[2001:db9::7]:1", "2001:db9::7"},
		{"[::ffff:10.1.1.1]:99", "198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:99", "10.2.2.2", "10.2.2.2"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/who", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("Authorization", "Bearer "+secret)
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if got := strings.Trim(rec.Body.String(), "\"\n"); got != c.want {
			t.Errorf("%s for %q is %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	bound := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if r := w.Do(bound.Secret, "GET", "/who", "", "X-Forwarded-For", "127.0.0.1"); r.Code != 403 || r.Body.String() != "who: address_not_allowed" {
		t.Errorf("an address was made up: %d %s", r.Code, r.Body)
	}
}

func TestPagesNeedAKeyThatListsThem(t *testing.T) {
	const shop, evil = "https://shop.example", "https://evil.example"
	w := apitest.New(t, api.Options{}, who())
	w.Core.OriginKnown = func(_ context.Context, origin string) (bool, error) { return origin == shop, nil }
	w.Handler = api.New(api.Options{Log: slog.New(slog.DiscardHandler)}, w.Core, who())
	listed := w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Origins: []string{shop}}).Secret
	other := w.Key(w.Alice, account.Admin)
	for _, c := range []struct {
		what, secret, origin, preflight, real string
		status                                int
	}{
		{"its own page", listed, shop, shop, shop, 200},
		{"another page", listed, evil, "", "", 403},
		{"another key", other, shop, shop, "", 403},
		{"a sandboxed page", listed, "null", "", "", 403},
		{"our own page", other, "http://example.com", "", "", 200},
		{"no page", other, "", "", "", 200},
	} {
		pre := w.Do("", "OPTIONS", "/who", "", "Origin", c.origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
		if got := pre.Header().Get("Access-Control-Allow-Origin"); got != c.preflight || pre.Code != 204 {
			t.Errorf("%s: asking answers %d %q", c.what, pre.Code, got)
		}
		r := w.Do(c.secret, "GET", "/who", "", "Origin", c.origin)
		if got := r.Header().Get("Access-Control-Allow-Origin"); got != c.real || r.Code != c.status {
			t.Errorf("%s: calling answers %d %q", c.what, r.Code, got)
		}
		if r.Header().Get("Access-Control-Allow-Credentials")+pre.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: cookies are let in", c.what)
		}
	}
}

func TestEveryErrorHasItsPage(t *testing.T) {
	w := apitest.New(t, api.Options{})
	index := w.Do("", "GET", "/docs/errors/", "").Body.String()
	for code, page := range fault.Codes() {
		if page.Title == "" || page.Cause == "" || page.Cure == "" {
			t.Fatalf("%s says not all of what it is, why it comes, and what to do: %+v", code, page)
		}
		r := w.Do("", "GET", "/docs/errors/"+string(code), "")
		if !strings.Contains(html.UnescapeString(r.Body.String()), page.Cause) || !strings.Contains(html.UnescapeString(r.Body.String()), page.Cure) {
			t.Errorf("%s: the page lacks its cause or its cure: %s", code, r.Body)
		}
		if r.Code != 200 || !strings.Contains(r.Body.String(), string(code)) || !strings.Contains(r.Body.String(), strings.Fields(page.Cure)[0]) {
			t.Errorf("%s: %d %s", code, r.Code, r.Body)
		}
		if !strings.Contains(r.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") || r.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the headers %v", code, r.Header())
		}
		if !strings.Contains(index, `href="`+string(code)+`"`) {
			t.Errorf("%s is not on the index", code)
		}
	}
	if r := w.Do("", "GET", "/docs/errors/no_such_code", ""); r.Code != 404 {
		t.Errorf("an unknown code answers %d", r.Code)
	}
	if r := w.Do("", "GET", "/docs/errors", ""); r.Code/100 != 3 || r.Header().Get("Location") != "/docs/errors/" {
		t.Errorf("the index without its slash answers %d %v", r.Code, r.Header())
	}
}

func TestRequestsAreCounted(t *testing.T) {
	m := telemetry.NewMetrics()
	w := apitest.New(t, api.Options{Metrics: m}, who())
	w.Do(w.Key(w.Alice, account.Admin), "GET", "/who", "")
	w.Do("", "GET", "/who", "")
	w.Do("", "GET", "/nothing/17", "")
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`tidings_http_requests_total{method="GET",route="/who",status="200",surface="who"} 1`,
		`tidings_http_requests_total{method="GET",route="/who",status="401",surface="who"} 1`,
		`tidings_http_requests_total{method="",route="none",status="404",surface="home"} 1`,
		`tidings_http_request_seconds_count{method="GET",route="/who",surface="who"} 2`,
	} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestReadyTellsWhatIsNot(t *testing.T) {
	w := apitest.New(t, api.Options{})
	w.Core.Health.Ready("disk", func(context.Context) error { return errors.New("full of secrets") })
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		if r := w.Do("", "GET", path, ""); r.Code != want || strings.Contains(r.Body.String(), "secrets") {
			t.Errorf("%s answers %d %s", path, r.Code, r.Body)
		}
	}
}

func TestSlowCallersAreCutOff(t *testing.T) {
	s := api.NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout > 10*time.Second || s.ReadTimeout > 30*time.Second || s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 {
		t.Errorf("a caller may hold a connection: %+v", s)
	}
}
