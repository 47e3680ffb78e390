package app_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"tidings.dev/internal/app"
	"tidings.dev/internal/config"
	"tidings.dev/internal/telemetry"
)

// running is a server in this process.
type running struct {
	*app.Server
	log  *journal
	stop func()
}

// journal is a log that a test can read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// configured is settings besides those that every test wants.
func configured(t *testing.T, settings map[string]string) config.Config {
	t.Helper()
	flags := map[string]string{"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "data_dir": t.TempDir(), "limits.disk_floor": "1MiB", "drain_timeout": "3s"}
	for key, value := range settings {
		flags[key] = value
	}
	cfg, err := config.Load("", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// refused is why a server with the settings does not start.
func refused(t *testing.T, settings map[string]string) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return app.Serve(ctx, configured(t, settings), slog.New(slog.DiscardHandler), io.Discard, func(*app.Server) { cancel() })
}

// serve runs a server.
func serve(t *testing.T, settings map[string]string) *running {
	t.Helper()
	return serveAt(t, slog.LevelInfo, settings)
}

// serveAt runs a server that logs from a level on.
func serveAt(t *testing.T, level slog.Level, settings map[string]string) *running {
	t.Helper()
	cfg := configured(t, settings)
	r := &running{log: &journal{}}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- app.Serve(ctx, cfg, telemetry.NewLogger(r.log, "text", level), io.Discard, func(s *app.Server) {
			r.Server = s
			close(ready)
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	select {
	case <-ready:
		t.Cleanup(r.stop)
	case err := <-ended:
		cancel()
		t.Fatalf("the server did not start: %v\n%s", err, r.log)
	}
	return r
}
