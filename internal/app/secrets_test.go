package app_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tidings.dev/internal/app"
)

// served are the routes that the server counts, as methods and paths.
func served(t *testing.T, admin string) [][2]string {
	t.Helper()
	text := fetch(t, admin+"/metrics")
	var routes [][2]string
	for _, m := range regexp.MustCompile(`tidings_http_request_seconds_count\{method="(\w+)",route="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		routes = append(routes, [2]string{m[1], m[2]})
	}
	return routes
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address) //nolint:noctx // it is here, and answers
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// TestSecretsInRequestsAreNowhere asks every route of every surface with another secret in each place that a caller may put one. None is in
// a log line of any level, a metric, a span, or a reply that refuses.
func TestSecretsInRequestsAreNowhere(t *testing.T) {
	t.Parallel()
	g := newGatherer(t)
	s := serveAt(t, slog.LevelDebug, map[string]string{
		"tracing.endpoint": g.URL, "tracing.percent": "100", "rate.requests_per_minute": "0", "rate.surface_requests_per_minute": "0", "rate.source_requests_per_minute": "0",
	})
	const password = "hush account 1"
	a, err := s.CreateAccount(app.NewAccount{Name: "Shop", Username: "shop", Password: password, Region: "KE", Currency: "KES", Credit: 100_000_000})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.CreateKey(t.Context(), app.NewKey{Account: a.ID, Test: true})
	if err != nil {
		t.Fatal(err)
	}
	at, admin := "http://"+s.Where().API, "http://"+s.Where().Admin
	routes := served(t, admin)
	if len(routes) < 150 {
		t.Fatalf("only %d routes: %v", len(routes), routes)
	}
	n, answered := 0, map[int]int{}
	secret := func() string { n++; return fmt.Sprintf("hush%05dhush", n) }
	ask := func(method, target, body string, headers map[string]string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at+target, strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
		for name, value := range headers {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		reply, _ := io.ReadAll(resp.Body)
		answered[resp.StatusCode]++
		if refused := resp.StatusCode >= 400; refused && strings.Contains(string(reply), "hush") && !strings.Contains(target, "hush-path") {
			t.Errorf("%s %s answers %d %s", method, target, resp.StatusCode, reply)
		}
	}
	query := func() string {
		return "?username=shop&password=" + secret() + "&api_key=" + secret() + "%0A" + secret() + "&token=" + secret() + "&numbers=" + secret() + "&" + secret() + ";x=%zz" + secret()
	}
	for _, route := range routes {
		method, path := route[0], route[1]
		if method == "" || path == "none" {
			continue
		}
		path = strings.ReplaceAll(path, "{$}", "")
		plain := placeholder.ReplaceAllStringFunc(path, func(string) string { return "0198c8f0-0000-7000-8000-000000000000" })
		ask(method, plain+query(), "", nil)
		ask(method, plain+query(), `{"password":"`+secret()+`","username":"shop","api_key":"`+secret()+`"}`, map[string]string{"Content-Type": "application/json"})
		ask(method, plain+query(), "", map[string]string{"Authorization": "Bearer " + secret(), "X-API-Key": secret(), "apikey": secret()})
		if strings.Contains(path, "{") { // who may ask may be told what was asked for; nobody else is
			ask(method, placeholder.ReplaceAllStringFunc(path, func(string) string { return "hush-path" + secret() + "%0A" + secret() })+query(), "", nil)
		}
	}
	for _, target := range []string{"/nothing/hush-path" + secret() + query(), "/v3/hush-path" + secret(), "/api/v2/hush-path" + secret() + "%0a", "/v1/sms/hush-path" + secret()} {
		ask("GET", target, "", nil)
		ask("BREW", target, "", nil)
	}
	good := url.Values{"username": {"shop"}, "password": {password}, "numbers": {"0701234567"}, "message_body": {"hush text"}}
	ask("POST", "/v1/sms/send?"+good.Encode(), "", nil)
	good.Set("password", made.Secret)
	ask("POST", "/v1/sms/send?"+good.Encode(), "", nil)
	good.Set("api_key", made.Secret)
	ask("GET", "/api/v2/sms/send?"+good.Encode(), "", nil)
	ask("GET", "/api/v2/sms/send?"+good.Encode()+"%0A", "", nil)
	if answered[200] < 2 || answered[401] < 100 || answered[500] > 0 {
		t.Errorf("the replies were %v", answered)
	}
	metrics := fetch(t, admin+"/metrics")
	s.stop() // what is left of traces is told
	g.mu.Lock()
	defer g.mu.Unlock()
	spans := g.raw.String()
	if len(g.spans) == 0 || strings.Count(s.log.String(), "msg=request") < 2*len(routes) {
		t.Errorf("%d spans, %d lines", len(g.spans), strings.Count(s.log.String(), "msg=request"))
	}
	for what, text := range map[string]string{"the log": s.log.String(), "metrics": metrics, "traces": spans} {
		for _, private := range []string{"hush", made.Secret, "701234567", url.QueryEscape(password)} {
			if i := strings.Index(text, private); i >= 0 {
				t.Errorf("%s: %s", what, text[max(0, i-200):min(len(text), i+200)])
			}
		}
	}
}
