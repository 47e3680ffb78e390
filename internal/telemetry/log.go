// Package telemetry is how the operator sees what goes on: logs that hide what is private, metrics, health and the debug pages.
package telemetry

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
)

// The keys of log attributes that mean the same everywhere.
const (
	Account = "account"
	Channel = "channel"
	Message = "message"
	Job     = "job"
	Request = "request"
)

// Formats lists what NewLogger can write.
func Formats() []string { return []string{"text", "json"} }

// NewLogger writes lines of the level and above, as "json" or else as text. Lines logged with a request's context carry its id.
func NewLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	return slog.New(requestHandler{handler})
}

type requestKey struct{}

// NewRequest gives the context the id of a new request, which names it to the caller and in the log.
func NewRequest(ctx context.Context) (with context.Context, id string) {
	id = rand.Text()[:20] // 100 random bits
	return WithRequest(ctx, id), id
}

// WithRequest gives the context the id of a request.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID is the id of the context's request, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// requestHandler adds the request's id to each line.
type requestHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String(Request, id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
