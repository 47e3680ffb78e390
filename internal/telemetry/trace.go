package telemetry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer tells an OpenTelemetry collector the lives of messages. The trace of a message is its own id, so every server knows it and
// nothing need be stored; of a message either all is told or nothing. A nil Tracer tells nothing.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	percent  uint64
}

// TracerOptions say whom to tell, and of how many.
type TracerOptions struct {
	Endpoint string // URL of the collector, for OTLP over HTTP
	Percent  int    // of all messages, chosen by their ids
	Node     string // this server's name
	Log      *slog.Logger
}

// NewTracer returns a tracer. A collector that is away is said once in the log, and missed by nobody else.
func NewTracer(ctx context.Context, o TracerOptions) (*Tracer, error) {
	client, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(o.Endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("trace to %s: %w", o.Endpoint, err)
	}
	about := resource.NewSchemaless(attribute.String("service.name", "tidings"), attribute.String("service.instance.id", o.Node))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(&quiet{SpanExporter: client, log: o.Log}), sdk.WithResource(about), sdk.WithIDGenerator(given{}), sdk.WithSampler(sdk.AlwaysSample()))
	return &Tracer{provider: provider, tracer: provider.Tracer("tidings.dev"), percent: uint64(o.Percent)}, nil
}

// Close tells what is left to tell.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Takes reports whether the life of the message with the key is told. All servers choose the same.
func (t *Tracer) Takes(key int64) bool {
	return t != nil && uint64(key)*0x9e3779b97f4a7c15>>32*100>>32 < t.percent
}

// Span is one thing that happened in the life of a message.
type Span struct {
	Message  string // its id, as a UUID
	Name     string
	Kind     trace.SpanKind
	From, To time.Time
	Failed   string       // why it failed; empty: it did not
	Root     bool         // it is the one that all others lie in
	ID       trace.SpanID // zero: a random one
	Caller   string       // the traceparent of whoever asked for it (W3C Trace Context, 3.2)
	About    []slog.Attr  // never what a message says, nor a number
}

// Tell tells of a span that is over. The caller has asked Takes.
func (t *Tracer) Tell(s Span) {
	life, root := lifeOf(s.Message)
	ctx := context.WithValue(context.Background(), givenKey{}, ids{life, s.ID})
	options := []trace.SpanStartOption{trace.WithTimestamp(s.From), trace.WithSpanKind(s.Kind)}
	if s.Root {
		ctx = context.WithValue(ctx, givenKey{}, ids{life, root})
		if caller := callerOf(s.Caller); caller.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	} else {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: life, SpanID: root, TraceFlags: trace.FlagsSampled, Remote: true}))
	}
	about := []attribute.KeyValue{attribute.String("message", s.Message)}
	for _, a := range s.About {
		about = append(about, attribute.String(a.Key, a.Value.String()))
	}
	_, span := t.tracer.Start(ctx, s.Name, append(options, trace.WithAttributes(about...))...)
	if s.Failed != "" {
		span.SetStatus(codes.Error, s.Failed)
	}
	span.End(trace.WithTimestamp(s.To))
}

// Traceparent is what a request that belongs to a message's life says of itself, and the id of its span.
func Traceparent(message string) (header string, id trace.SpanID) {
	life, _ := lifeOf(message)
	id = newSpanID()
	return "00-" + life.String() + "-" + id.String() + "-01", id
}

// lifeOf is the trace of a message, which is its id, and the span that all others lie in.
func lifeOf(message string) (life trace.TraceID, root trace.SpanID) {
	_, _ = hex.Decode(life[:], []byte(strings.ReplaceAll(message, "-", "")))
	sum := sha256.Sum256(life[:])
	copy(root[:], sum[:])
	return life, root
}

func callerOf(traceparent string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

type callerKey struct{}

// WithCaller gives the context the traceparent of the request that it serves.
func WithCaller(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, callerKey{}, traceparent)
}

// Caller is the traceparent of the request that the context serves, or "".
func Caller(ctx context.Context) string {
	text, _ := ctx.Value(callerKey{}).(string)
	return text
}

// given takes the ids of a span from its context.
type given struct{}

type givenKey struct{}

type ids struct {
	life trace.TraceID
	span trace.SpanID
}

// NewIDs implements sdk.IDGenerator.
func (g given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	of, _ := ctx.Value(givenKey{}).(ids)
	return of.life, g.NewSpanID(ctx, of.life)
}

// NewSpanID implements sdk.IDGenerator.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if of, _ := ctx.Value(givenKey{}).(ids); of.span.IsValid() {
		return of.span
	}
	return newSpanID()
}

func newSpanID() (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// quiet says once that the collector is away, and once that it is back.
type quiet struct {
	sdk.SpanExporter
	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans implements sdk.SpanExporter.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !q.away.Swap(true):
		q.log.Warn("the collector of traces takes none", "err", err)
	case err == nil && q.away.Swap(false):
		q.log.Info("the collector of traces takes them again")
	}
	return nil
}
