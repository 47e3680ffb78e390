// Package webhook tells customers what happened: each event goes to each endpoint that takes it, signed, in order per
// subject, again and again until it is taken or its time is over.
package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidings.dev/internal/event"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

const (
	kind       = "webhook"  // of jobs
	lanePrefix = "webhook:" // of lanes, one for each endpoint
	topic      = "webhook"  // touched when endpoints change
	perLane    = 16         // posts under way to one endpoint
	inFlight   = 256        // posts under way in all, unless told otherwise
)

// Renderer tells what an event is about, from rows that do not change: the data object of its body. fault.NotHere and
// store.NoRows say that it is not kept any more; any other error is tried again.
type Renderer interface {
	EventData(ctx context.Context, e event.Event) (json.RawMessage, error)
}

// Config is what webhooks need.
type Config struct {
	Store         *store.Store
	Queue         *queue.Queue
	Events        *event.Log
	Guard         *guard.Client
	Renderer      Renderer
	Dialects      map[string]Dialect // of surfaces, besides the native one
	MaxConcurrent int                // posts under way in all; 0: 256
	Log           *slog.Logger       // nil: slog.Default()
	Metrics       *telemetry.Metrics
	Tracer        *telemetry.Tracer // nil: nobody is told
}

// Webhooks keeps endpoints and posts events to them.
type Webhooks struct {
	store     *store.Store
	queue     *queue.Queue
	events    *event.Log
	guard     *guard.Client
	renderer  Renderer
	dialects  map[string]Dialect
	log       *slog.Logger
	endpoints *store.Cached[*book]
	slots     chan struct{}
	gates     gates
	memory    memory
	tracer    *telemetry.Tracer
	posts     *prometheus.CounterVec
	took      *prometheus.HistogramVec
}

// New returns webhooks and makes them known to the queue. They do nothing before Run, and hear of events once they follow
// the log.
func New(c Config) *Webhooks {
	w := &Webhooks{
		store: c.Store, queue: c.Queue, events: c.Events, guard: c.Guard, renderer: c.Renderer, log: c.Log, tracer: c.Tracer,
		dialects: map[string]Dialect{Native: native{}},
		slots:    make(chan struct{}, max(c.MaxConcurrent, 0)),
		gates:    gates{of: map[EndpointID]*gate{}},
	}
	for name, d := range c.Dialects {
		w.dialects[name] = d
	}
	if c.MaxConcurrent == 0 {
		w.slots = make(chan struct{}, inFlight)
	}
	if w.log == nil {
		w.log = slog.Default()
	}
	w.posts = c.Metrics.Counter("webhook_posts_total", "Posts to customers' webhooks.", "outcome")
	w.took = c.Metrics.Histogram("webhook_post_seconds", "How long customers' webhooks take.", prometheus.ExponentialBuckets(0.001, 4, 8))
	w.endpoints = store.NewCached(c.Store, topic, w.loadEndpoints)
	c.Queue.Handle(kind, queue.Kind{Begin: w.begin, End: w.end, Lost: lost, Hardy: true})
	c.Queue.Handle(runKind, queue.Kind{Begin: asItIs, End: w.endRuns, Hardy: true})
	return w
}

// Run posts until ctx ends, then finishes what is under way; hard ends that too.
func (w *Webhooks) Run(ctx, hard context.Context) error {
	var working sync.WaitGroup
	working.Go(func() { w.queue.Work(ctx, hard, runLane, runWorkers, nil, w.doRun) })
	w.queue.Serve(ctx, hard, lanePrefix, perLane, w.do)
	working.Wait()
	return nil
}

func asItIs(*store.Tx, []*queue.Task) error { return nil }

// Follow adds a job for each event and each endpoint that takes it.
func (w *Webhooks) Follow(tx *store.Tx, events []event.Event) error {
	book, err := w.endpoints.Get(tx.Context())
	if err != nil {
		return err
	}
	if book.active == 0 {
		return nil
	}
	var jobs []queue.Job
	var theirs []event.Event // of accounts that have endpoints
	for _, e := range events {
		if len(book.of[e.Account]) > 0 {
			theirs = append(theirs, e)
		}
		for _, to := range book.of[e.Account] {
			if to.hears(e) {
				jobs = append(jobs, to.job(tx, e))
			}
		}
	}
	if len(theirs) > 0 {
		tx.After(func() { w.memory.learn(theirs) })
	}
	if len(jobs) == 0 {
		return nil
	}
	return w.queue.Add(tx, jobs)
}

// hears reports whether the endpoint is told of an event because it happens. Nobody hears of its own end.
func (e *endpoint) hears(of event.Event) bool {
	return e.Active && e.Rule == 0 && e.takes(of.Kind) && of.Subject != int64(e.ID) && (e.Channel == 0 || e.Channel == of.Channel)
}

// job is an event on its way to the endpoint. It names the event and holds nothing of it.
func (e *endpoint) job(tx *store.Tx, of event.Event) queue.Job {
	j := queue.Job{
		ID: tx.NewID(), Lane: e.lane, Kind: kind, Subject: of.Subject, Account: of.Account, Priority: 2, Due: tx.Now(),
		Data: ticket{seq: of.Seq, kind: of.Kind}.String(),
	}
	switch {
	case e.Ordered && of.Chat != 0:
		j.OrderKey = "chat:" + strconv.FormatUint(of.Chat, 16)
	case e.Ordered:
		j.OrderKey = orderKey(of.Subject)
	}
	return j
}

func orderKey(subject int64) string { return strconv.FormatInt(subject, 16) }

// ticket is what a job says besides its subject: which event, and for a replay, which delivery it belongs to.
type ticket struct {
	seq    int
	kind   event.Kind
	replay int64 // the delivery that is posted once more; zero: the first time
	base   int   // tries made before the replay
}

// String is the ticket as a job carries it.
func (t ticket) String() string {
	if t.replay == 0 {
		return fmt.Sprintf("%d %s", t.seq, t.kind)
	}
	return fmt.Sprintf("%d %s %d %d", t.seq, t.kind, t.replay, t.base)
}

func readTicket(data string) (t ticket, err error) {
	into := []any{&t.seq, &t.kind, &t.replay, &t.base}
	if strings.Count(data, " ") == 1 {
		into = into[:2]
	}
	_, err = fmt.Sscan(data, into...)
	if err != nil {
		return t, fmt.Errorf("read the ticket of a webhook job: %w", err)
	}
	return t, nil
}

// gates are the endpoints' gates, by key.
type gates struct {
	mu sync.Mutex
	of map[EndpointID]*gate
}

// to returns the gate of an endpoint. One that was changed by its owner begins anew.
func (g *gates) to(e *endpoint) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.of[e.ID]
	if old == nil || old.version != e.updatedAt {
		old = &gate{version: e.updatedAt}
		if e.failingAt > 0 {
			old.failing = time.UnixMilli(e.failingAt)
		}
		g.of[e.ID] = old
	}
	return old
}

// keep forgets the gates of endpoints that are gone.
func (g *gates) keep(has func(EndpointID) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id := range g.of {
		if !has(id) {
			delete(g.of, id)
		}
	}
}
