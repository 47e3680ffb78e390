package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// checkTimeout is how long one look at all checks may take.
const checkTimeout = 3 * time.Second

// Health answers whether this server lives and whether it should be sent requests. The zero value is ready to use.
type Health struct {
	mu     sync.Mutex
	checks []healthCheck
}

type healthCheck struct {
	name  string
	vital bool
	run   func(context.Context) error
}

// Vital adds a check whose failure means that only a restart helps; it counts for /healthz and /readyz.
func (h *Health) Vital(name string, check func(context.Context) error) {
	h.add(healthCheck{name, true, check})
}

// Ready adds a check whose failure means that requests should go elsewhere for now; it counts for /readyz.
func (h *Health) Ready(name string, check func(context.Context) error) {
	h.add(healthCheck{name, false, check})
}

func (h *Health) add(c healthCheck) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// Healthz answers 200 while every vital check passes, else 503.
func (h *Health) Healthz() http.Handler { return h.handler(true) }

// Readyz answers 200 while every check passes, else 503.
func (h *Health) Readyz() http.Handler { return h.handler(false) }

// Failing names the checks that fail, for those who may be told that and no more.
func (h *Health) Failing(ctx context.Context) (names []string) {
	for name, err := range h.look(ctx, false) {
		if err != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// handler tells which checks failed but not why: anyone may ask. The reasons are on the debug page.
func (h *Health) handler(vitalOnly bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply := struct {
			Status string            `json:"status"`
			Checks map[string]string `json:"checks"`
		}{"ok", map[string]string{}}
		status := http.StatusOK
		for name, err := range h.look(r.Context(), vitalOnly) {
			reply.Checks[name] = "ok"
			if err != nil {
				reply.Checks[name], reply.Status, status = "failed", "failed", http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(reply) // a caller who has gone needs no answer
	})
}

// look runs the checks side by side and returns what each said.
func (h *Health) look(ctx context.Context, vitalOnly bool) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h.mu.Lock()
	checks := append([]healthCheck(nil), h.checks...)
	h.mu.Unlock()

	var mu sync.Mutex
	var running sync.WaitGroup
	results := map[string]error{}
	for _, c := range checks {
		if vitalOnly && !c.vital {
			continue
		}
		running.Go(func() {
			err := c.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			results[c.name] = err
		})
	}
	running.Wait()
	return results
}
