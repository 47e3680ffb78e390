package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/config"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

// lastWords is how long a server that stops waits for the collector of traces.
const lastWords = 5 * time.Second

// newTracer is nil where nobody is to be told.
func newTracer(ctx context.Context, t config.Tracing, log *slog.Logger) (*telemetry.Tracer, error) {
	if t.Endpoint == "" {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this server to the collector of traces: %w", err)
	}
	return telemetry.NewTracer(ctx, telemetry.TracerOptions{Endpoint: t.Endpoint, Percent: t.Percent, Node: host, Log: log})
}

// accepts is the gateway that the API calls.
func (s *Server) accepts() api.Gateway {
	if s.Tracer == nil {
		return s.Gateway
	}
	return accepting{s.Gateway, traced{s.Tracer}}
}

// traced tells the life of messages from outside of what makes it: what is accepted, handed over and reported back. Webhooks tell of
// theirs themselves, since what they post carries the trace on.
type traced struct{ *telemetry.Tracer }

// accepting is a gateway whose accepts are told of.
type accepting struct {
	api.Gateway
	to traced
}

// Submit implements api.Gateway.
func (a accepting) Submit(ctx context.Context, c gateway.Caller, r gateway.Request) (gateway.Reply, error) {
	began := time.Now()
	reply, err := a.Gateway.Submit(ctx, c, r)
	if err != nil || reply.Replayed {
		return reply, err
	}
	ended := time.Now()
	for _, result := range reply.Results {
		if m := result.Message; result.Fault == nil && a.to.Takes(int64(m.ID)) {
			a.to.Tell(telemetry.Span{
				Message: m.ID.String(), Name: "accept", Kind: trace.SpanKindServer, From: began, To: ended, Root: true, Caller: telemetry.Caller(ctx),
				About: []slog.Attr{slog.String(telemetry.Account, m.Account.String()), slog.Int("parts", m.Total), slog.String("request", telemetry.RequestID(ctx))},
			})
		}
	}
	return reply, nil
}

// handed tells of a part that a network was given, and of how long its message had waited before the first.
func (t traced) handed(m message.Outbound, from, to time.Time, err error) {
	if !t.Takes(int64(m.Message)) {
		return
	}
	of := []slog.Attr{slog.Int("attempt", m.Attempt), slog.Int("part", m.Number)}
	if m.Attempt == 1 && m.Number == 1 {
		t.Tell(telemetry.Span{Message: m.Message.String(), Name: "queue", Kind: trace.SpanKindInternal, From: m.Message.Time(), To: from, About: of})
	}
	t.Tell(telemetry.Span{Message: m.Message.String(), Name: "send", Kind: trace.SpanKindClient, From: from, To: to, Failed: codeOf(err), About: of})
}

// codeOf is the word for why a part was not taken.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if fail, ok := errors.AsType[*channel.Failure](err); ok {
		return fail.Code
	}
	return "unsure"
}

// reports are the events that a network's word about a message makes.
var reports = map[event.Kind]bool{event.Delivered: true, event.Read: true, event.Failed: true, event.Unknown: true}

// Follow implements event.Follower: it tells of what was reported once it is on disk.
func (t traced) Follow(tx *store.Tx, events []event.Event) error {
	for _, e := range events {
		if !reports[e.Kind] || !t.Takes(e.Subject) {
			continue
		}
		tx.After(func() {
			t.Tell(telemetry.Span{
				Message: message.ID(e.Subject).String(), Name: "receipt", Kind: trace.SpanKindServer, From: e.At, To: later(e.At, time.Now()),
				About: []slog.Attr{slog.String("event", string(e.Kind)), slog.String("seq", strconv.Itoa(e.Seq)), slog.String("reason", e.Change.Reason)},
			})
		})
	}
	return nil
}

// later is the second of two times, unless the clock went back.
func later(a, b time.Time) time.Time {
	if b.Before(a) {
		return a
	}
	return b
}
