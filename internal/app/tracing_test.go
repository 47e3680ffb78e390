package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/app"
	"tidings.dev/internal/simulator/customer"
	"tidings.dev/internal/simulator/smsc"
)

// gatherer is a collector of traces that keeps what it is told.
type gatherer struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*wire.Span
	raw   bytes.Buffer
}

func newGatherer(t *testing.T) *gatherer {
	t.Helper()
	g := &gatherer{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unpacked
		}
		text, err := io.ReadAll(body)
		var told collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(text, &told) != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("what came to %s cannot be read: %v", r.URL.Path, err)
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.raw.Write(text)
		for _, resource := range told.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				g.spans = append(g.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// post sends a body with a key, and returns the reply.
func post(t *testing.T, url, key, body string, headers map[string]string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %d %v %v", url, resp.StatusCode, reply, err)
	}
	return reply
}

// TestOneTraceTellsTheLifeOfAMessage: over HTTP, the queue, SMPP, the receipt and the webhook.
func TestOneTraceTellsTheLifeOfAMessage(t *testing.T) {
	t.Parallel()
	network := smsc.New(smsc.Config{Accounts: map[string]string{"tidings": "secret"}})
	if err := network.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	seen := make(chan customer.Request, 10)
	hook := httptest.NewServer(customer.New(customer.Config{Seen: func(r customer.Request) { seen <- r }}))
	t.Cleanup(hook.Close)
	g := newGatherer(t)
	at, err := url.Parse(hook.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, map[string]string{
		"tracing.endpoint": g.URL, "tracing.percent": "100", "webhook.allow_private_networks": "127.0.0.0/8", "webhook.ports": at.Port(),
	})
	if _, err := s.CreateChannel(app.NewChannel{Shared: true, Driver: "smpp", Name: "carrier", Sender: "Acme", Default: true, Shards: 1},
		[]byte(`{"address":"`+network.Addr()+`","system_id":"tidings","password":"secret"}`)); err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateKey(t.Context(), app.NewKey{Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + s.Where().API + "/tidings/v1"
	post(t, base+"/webhooks", key.Secret, `{"url":"`+hook.URL+`/customer/acme","events":["message.*"]}`, nil)
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	made := post(t, base+"/messages", key.Secret, `{"to":"+254701234567","text":"a secret text"}`, map[string]string{"Traceparent": "00-" + caller + "-00f067aa0ba902b7-01"})
	id, _ := made["id"].(string)
	life := strings.ReplaceAll(id, "-", "")
	for range 2 { // sent, delivered
		select {
		case r := <-seen:
			if got := r.Header["traceparent"]; !strings.HasPrefix(got, "00-"+life+"-") || !strings.HasSuffix(got, "-01") {
				t.Errorf("the customer is told of the trace %q", got)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no webhook came:\n%s", s.log)
		}
	}
	s.stop() // which tells what is left to tell
	g.check(t, life, caller)
}

func (g *gatherer) check(t *testing.T, life, caller string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	count, root := map[string]int{}, ""
	for _, span := range g.spans {
		if hex.EncodeToString(span.GetTraceId()) != life {
			t.Errorf("%s is of another trace", span.GetName())
		}
		if span.GetEndTimeUnixNano() < span.GetStartTimeUnixNano() || span.GetStartTimeUnixNano() == 0 {
			t.Errorf("%s ends before it begins", span.GetName())
		}
		count[span.GetName()]++
		if span.GetName() == "accept" {
			root = hex.EncodeToString(span.GetSpanId())
			if len(span.GetParentSpanId()) > 0 || len(span.GetLinks()) != 1 || hex.EncodeToString(span.GetLinks()[0].GetTraceId()) != caller {
				t.Errorf("the accept is not linked to its caller: %v", span)
			}
		}
	}
	for _, span := range g.spans {
		if span.GetName() != "accept" && hex.EncodeToString(span.GetParentSpanId()) != root {
			t.Errorf("%s is not a part of the accept", span.GetName())
		}
	}
	for name, want := range map[string]int{"accept": 1, "queue": 1, "send": 1, "receipt": 1, "webhook": 2} {
		if count[name] != want {
			t.Errorf("%d spans %s, want %d: %v", count[name], name, want, count)
		}
	}
	for _, private := range []string{"701234567", "a secret text"} {
		if bytes.Contains(g.raw.Bytes(), []byte(private)) {
			t.Errorf("the collector is told %q", private)
		}
	}
}

// TestACollectorThatIsAwayIsMissedByNobody: it is said once, and nothing waits.
func TestACollectorThatIsAwayIsMissedByNobody(t *testing.T) {
	t.Parallel()
	g := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(g.Close)
	s := serve(t, map[string]string{"tracing.endpoint": g.URL, "tracing.percent": "100"})
	key, err := s.CreateKey(t.Context(), app.NewKey{Days: 1, Test: true})
	if err != nil {
		t.Fatal(err)
	}
	post(t, "http://"+s.Where().API+"/tidings/v1/messages", key.Secret, `{"to":"+254701234567","text":"Hello"}`, nil)
	s.stop()
	if n := strings.Count(s.log.String(), "the collector of traces takes none"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, s.log)
	}
}
