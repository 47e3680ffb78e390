package telemetry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidings.dev/internal/telemetry"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestHealthTellsWhatFailedAndNotWhy(t *testing.T) {
	var health telemetry.Health
	failure := errors.New("disk full at /secret/place")
	var storeErr, drainErr error
	health.Vital("store", func(context.Context) error { return storeErr })
	health.Ready("drain", func(context.Context) error { return drainErr })

	type answer struct {
		Status int
		Body   string
	}
	look := func(h http.Handler) answer {
		w := get(h, "/")
		return answer{w.Code, strings.TrimSpace(w.Body.String())}
	}
	for _, step := range []struct {
		name           string
		store, drain   error
		healthz, ready answer
	}{
		{
			"all well", nil, nil,
			answer{200, `{"status":"ok","checks":{"store":"ok"}}`},
			answer{200, `{"status":"ok","checks":{"drain":"ok","store":"ok"}}`},
		},
		{
			"draining", nil, failure,
			answer{200, `{"status":"ok","checks":{"store":"ok"}}`},
			answer{503, `{"status":"failed","checks":{"drain":"failed","store":"ok"}}`},
		},
		{
			"broken", failure, nil,
			answer{503, `{"status":"failed","checks":{"store":"failed"}}`},
			answer{503, `{"status":"failed","checks":{"drain":"ok","store":"failed"}}`},
		},
	} {
		t.Run(step.name, func(t *testing.T) {
			storeErr, drainErr = step.store, step.drain
			if diff := cmp.Diff(step.healthz, look(health.Healthz())); diff != "" {
				t.Errorf("healthz (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(step.ready, look(health.Readyz())); diff != "" {
				t.Errorf("readyz (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDebugIndexLinksEverything(t *testing.T) {
	health := new(telemetry.Health)
	health.Vital("store", func(context.Context) error { return errors.New("why it failed") })
	debug := telemetry.NewDebug(health)
	debug.Link("/metrics", "numbers for Prometheus")
	debug.Page("/debug/queue", "what waits", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	debug.Value("settings", func() any { return map[string]any{"key": telemetry.Secret("hunter2"), "markup": "<b>"} })

	index := get(debug, "/debug/").Body.String()
	for _, want := range []string{"why it failed", `href="/metrics"`, `href="/debug/queue"`, `href="/debug/pprof/"`, "settings"} {
		if !strings.Contains(index, want) {
			t.Errorf("%q is not on the index:\n%s", want, index)
		}
	}
	for _, bad := range []string{"hunter2", "<b>"} {
		if strings.Contains(index, bad) {
			t.Errorf("%q is on the index", bad)
		}
	}
	if code := get(debug, "/debug/queue").Code; code != http.StatusTeapot {
		t.Errorf("the added page answers %d", code)
	}
	if code := get(debug, "/debug/pprof/goroutine?debug=1").Code; code != http.StatusOK {
		t.Errorf("the goroutines answer %d", code)
	}
	if code := get(debug, "/debug/nothing").Code; code != http.StatusNotFound {
		t.Errorf("an unknown page answers %d", code)
	}
}

func TestMetricsOfTwoServersAreApart(t *testing.T) {
	one, two := telemetry.NewMetrics(), telemetry.NewMetrics()
	one.Counter("accepted_total", "Messages accepted.", "channel").WithLabelValues("sms").Add(3)
	two.Counter("accepted_total", "Messages accepted.", "channel").WithLabelValues("sms").Inc()
	one.GaugeFunc("waiting", "Jobs waiting.", func() float64 { return 7 })
	one.Gauge("sessions", "Sessions open.").WithLabelValues().Set(2)
	one.Histogram("commit_seconds", "Commits.", []float64{0.1, 1}).WithLabelValues().Observe(0.5)

	shown := get(one.Handler(), "/metrics").Body.String()
	for _, want := range []string{
		`tidings_accepted_total{channel="sms"} 3`, "tidings_waiting 7", "tidings_sessions 2",
		`tidings_commit_seconds_bucket{le="1"} 1`, "go_goroutines",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not shown:\n%s", want, shown)
		}
	}
	if shown := get(two.Handler(), "/metrics").Body.String(); !strings.Contains(shown, `{channel="sms"} 1`) {
		t.Error("the second server counts with the first")
	}
}

func TestNoMetricsStillCount(*testing.T) {
	var none *telemetry.Metrics
	none.Counter("accepted_total", "Messages accepted.").WithLabelValues().Inc()
}
