package api

import (
	"context"
	"hash"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/telemetry"
)

// visit is one request on its way through the kit. It notes what is written, for the log and the metrics.
type visit struct {
	http.ResponseWriter
	front       *Front
	entry       *entry
	id          string
	remote      netip.Addr
	start       time.Time
	caller      gateway.Caller
	fingerprint string // of the request, once its body was read and it has an Idempotency-Key
	status      int
	written     int64
}

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// CallerOf is who sent a request that was admitted.
func CallerOf(r *http.Request) gateway.Caller { return visitOf(r).caller }

// RemoteOf is the address a request came from, behind trusted proxies.
func RemoteOf(r *http.Request) netip.Addr { return visitOf(r).remote }

// know notes by what a repeat of the request is known, from the hash of its body. It is stored, and bodies and queries may hold
// passwords, so that it is of no use to whoever has not the master key.
func (v *visit) know(r *http.Request, body hash.Hash) {
	v.fingerprint = v.front.core.Store.Mark("api/request", string(body.Sum(nil))+r.URL.RawQuery)
}

// WriteHeader implements http.ResponseWriter.
func (v *visit) WriteHeader(status int) {
	if v.status == 0 && status >= 200 {
		v.status = status
	}
	v.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (v *visit) Write(p []byte) (int, error) {
	if v.status == 0 {
		v.status = http.StatusOK
	}
	n, err := v.ResponseWriter.Write(p)
	v.written += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// statusGone is noted for a caller who did not wait for the reply.
const statusGone = 499

// slow is how long a request may take before the log mentions it.
const slow = 2 * time.Second

// meters count requests.
type meters struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMeters(m *telemetry.Metrics) meters {
	return meters{
		m.Counter("http_requests_total", "Requests answered.", "surface", "route", "method", "status"),
		m.Histogram("http_request_seconds", "How long requests took.", []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}, "surface", "route", "method"),
	}
}

// entry is one method of one path of one surface.
type entry struct {
	kit    *Kit
	method string
	path   string
	body   int64 // bytes that a body may have
	took   prometheus.Observer
	all    *prometheus.CounterVec
	counts sync.Map // status to prometheus.Counter
}

func (m meters) entry(k *Kit, method, path string, body int64) *entry {
	labels := prometheus.Labels{"surface": k.Name, "route": path, "method": method}
	return &entry{
		kit: k, method: method, path: path, body: body,
		took: m.seconds.With(labels), all: m.requests.MustCurryWith(labels),
	}
}

func (e *entry) count(status int) {
	c, ok := e.counts.Load(status)
	if !ok {
		c, _ = e.counts.LoadOrStore(status, e.all.WithLabelValues(strconv.Itoa(status)))
	}
	c.(prometheus.Counter).Inc()
}

// note counts and logs a visit. The log names the route, never the query: it may hold what is private.
func (m meters) note(log *slog.Logger, v *visit, r *http.Request) {
	took := time.Since(v.start)
	v.entry.took.Observe(took.Seconds())
	v.entry.count(v.status)
	level := slog.LevelDebug
	switch {
	case v.status >= 500 || took > slow:
		level = slog.LevelWarn
	case v.status == http.StatusUnauthorized || v.status == http.StatusForbidden || v.status == http.StatusTooManyRequests:
		level = slog.LevelInfo
	}
	ctx := context.WithoutCancel(r.Context())
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("surface", v.owner(r).Name), slog.String("method", clip([]byte(r.Method))), slog.String("route", v.entry.path),
		slog.Int("status", v.status), slog.Duration("took", took), slog.Int64("bytes", v.written), slog.String("from", v.remote.String()),
	}
	if v.caller.Account.ID != 0 {
		attrs = append(attrs, slog.String(telemetry.Account, v.caller.Account.ID.String()), slog.String("key", v.caller.Key.ID.String()))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}
