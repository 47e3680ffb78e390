package telemetry_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"tidings.dev/internal/telemetry"
)

func TestLinesCarryTheirRequest(t *testing.T) {
	var out strings.Builder
	log := telemetry.NewLogger(&out, "json", slog.LevelInfo).With("account", "a1").WithGroup("part")
	ctx, id := telemetry.NewRequest(context.Background())
	log.InfoContext(ctx, "stored", "n", 1)

	if len(id) < 16 || telemetry.RequestID(ctx) != id {
		t.Errorf("the request's id is %q, in its context %q", id, telemetry.RequestID(ctx))
	}
	if !strings.Contains(out.String(), id) {
		t.Errorf("no request id in %s", out.String())
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil {
		t.Errorf("not JSON: %v", err)
	}
}

func TestLevelIsKept(t *testing.T) {
	var out strings.Builder
	level := new(slog.LevelVar)
	log := telemetry.NewLogger(&out, "text", level)
	log.Debug("too quiet")
	level.Set(slog.LevelDebug)
	log.Debug("loud enough")
	if got := out.String(); strings.Contains(got, "too quiet") || !strings.Contains(got, "loud enough") {
		t.Errorf("the log says %s", got)
	}
}

func TestNoRequestHasNoID(t *testing.T) {
	if id := telemetry.RequestID(context.Background()); id != "" {
		t.Errorf("a bare context has the id %q", id)
	}
}
