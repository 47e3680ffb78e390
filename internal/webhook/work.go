package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/id"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

// try is one job with a worker: from its claim over its post to its result.
type try struct {
	ticket
	to        *endpoint
	ran       bool // there was a post, or no way to make one
	held      bool // it must wait
	tries     int  // made so far, this one included
	done      int16
	status    int
	problem   string
	response  string
	took      time.Duration
	due       time.Time // the next try
	failing   time.Time // to be written down: since when the endpoint only fails
	recovered bool      // to be written down: it fails no more
	disable   string    // why the endpoint must be stopped
}

// The states of a delivery.
const (
	open      int16 = 0
	delivered int16 = 1
	failed    int16 = 2
)

const (
	longestPause = 15 * time.Second // of a lane; its gate is asked again after that
	shortestHold = time.Second      // of a delivery that waits for an earlier one
)

// begin settles the jobs that may not be posted now: their endpoint is gone, stopped or wants a pause, or an earlier event
// of their subject has still to be taken. The queue keeps the order of jobs that do not back off; one that does is open
// in the table of deliveries, and holds back the later ones.
func (w *Webhooks) begin(tx *store.Tx, tasks []*queue.Task) error {
	book, err := w.endpoints.Get(tx.Context())
	if err != nil {
		return err
	}
	var s settlement
	for _, t := range tasks {
		y := &try{to: book.lanes[t.Lane]}
		t.Payload = y
		if y.ticket, err = readTicket(t.Data); err != nil {
			w.log.Error("dropped a job that cannot be read", "job", t.ID, "err", err)
			t.Settled, t.Next = true, queue.Done()
			continue
		}
		s.look(w, tx, t, y)
	}
	if err := s.holdBack(tx); err != nil {
		return err
	}
	return s.write(tx, w.events)
}

// settlement gathers what is written about the jobs of one transaction.
type settlement struct {
	ordered []*queue.Task // to be held back if an earlier one is open
	holds   []holdDeliveryParams
	closed  []closeDeliveryParams
	records records
}

func (s *settlement) look(w *Webhooks, tx *store.Tx, t *queue.Task, y *try) {
	switch {
	case y.to == nil:
		t.Settled, t.Next = true, queue.Done()
		s.closed = append(s.closed, closeDeliveryParams{Error: "the endpoint was deleted", ID: y.delivery(t)})
	case !y.to.Active:
		t.Settled, t.Next = true, queue.Done()
		y.ran, y.tries, y.done, y.problem = true, y.base+int(t.Step), failed, "the endpoint is not active"
		s.records.add(tx, t, y)
	default:
		if wait := w.gates.to(y.to).wait(tx.Now()); wait > 0 {
			t.Settled, t.Next = true, pause(t, wait)
			s.hold(tx, t, y, t.Due)
			return
		}
		if t.OrderKey != "" && y.seq > 1 {
			s.ordered = append(s.ordered, t)
		}
	}
}

func (s *settlement) holdBack(tx *store.Tx) error {
	asked := make([]earlierOpenParams, len(s.ordered))
	for i, t := range s.ordered {
		y := t.Payload.(*try)
		asked[i] = earlierOpenParams{WebhookID: int64(y.to.ID), Subject: t.Subject, Seq: int64(y.seq), Again: int64(flag(y.replay != 0))}
	}
	earlier, err := store.First[int64](tx, earlierOpen, asked)
	if err != nil {
		return fmt.Errorf("look for earlier deliveries: %w", err)
	}
	for i, t := range s.ordered {
		if earlier[i] == nil {
			continue
		}
		due := time.UnixMilli(max(*earlier[i], tx.Now().Add(shortestHold).UnixMilli()))
		t.Settled, t.Next = true, queue.Again(due, t.Step, t.Data)
		s.hold(tx, t, t.Payload.(*try), due)
	}
	return nil
}

// hold opens the delivery of a job that goes back without a post, so that no later event overtakes it.
func (s *settlement) hold(tx *store.Tx, t *queue.Task, y *try, due time.Time) {
	if t.OrderKey == "" {
		return
	}
	s.holds = append(s.holds, holdDeliveryParams{
		ID: y.delivery(t), WebhookID: int64(y.to.ID), AccountID: t.Account, Subject: t.Subject, Seq: int64(y.seq), Kind: string(y.kind),
		At: tx.NowMilli(), DueAt: due.UnixMilli(),
	})
}

// delivery is the key of what the job's post is noted in.
func (y *try) delivery(t *queue.Task) int64 { return cmp.Or(y.replay, t.ID) }

func (s *settlement) write(tx *store.Tx, log *event.Log) error {
	if err := store.Run(tx, holdDelivery, s.holds); err != nil {
		return fmt.Errorf("hold deliveries back: %w", err)
	}
	if err := store.Run(tx, closeDelivery, s.closed); err != nil {
		return fmt.Errorf("close deliveries: %w", err)
	}
	return s.records.write(tx, log)
}

// pause puts a job back where it was and stops its lane for a while.
func pause(t *queue.Task, wait time.Duration) queue.Next {
	return queue.Throttled(min(wait, longestPause), t.Step, t.Data)
}

// lost puts jobs back where they were: their workers died, so that nobody knows whether the post was taken. It is made
// again, under the same id.
func lost(_ *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		t.Next = queue.Again(t.Due, t.Step, t.Data)
	}
	return nil
}

// do makes one post and decides what comes next.
func (w *Webhooks) do(ctx context.Context, t *queue.Task) {
	y := t.Payload.(*try)
	t.Next = queue.Again(t.Due, t.Step, t.Data)
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return
	}
	g := w.gates.to(y.to)
	probe, wait := g.enter(w.store.Now())
	if wait > 0 {
		y.held, t.Next = true, pause(t, wait)
		return
	}
	a := w.attempt(ctx, t, y)
	now := w.store.Now()
	if ctx.Err() != nil && a.outcome != success {
		g.leave(now, probe, nothing) // we stopped it; the endpoint is not to blame
		return
	}
	g.leave(now, probe, a.outcome)
	g.throttle(now, a.status, a.retryAfter)
	w.measure(a)
	t.Next = y.judge(t, a, now)
	y.record(g, a.outcome, now)
}

// answer is what came of a post.
type answer struct {
	outcome    outcome
	status     int
	problem    string
	response   string
	took       time.Duration
	retryAfter time.Duration
	gone       bool // there is nothing to post any more
}

// attempt renders and posts. A panic in a renderer or dialect is a failed try like any other.
func (w *Webhooks) attempt(ctx context.Context, t *queue.Task, y *try) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("a webhook panicked", "webhook", y.to.ID, "job", t.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a = answer{problem: "internal error"}
		}
	}()
	req, err := w.request(ctx, t, y)
	if errors.Is(err, ErrNothing) {
		return answer{outcome: success}
	}
	if err != nil {
		if fault.Is(err, fault.NotHere) || store.NoRows(err) {
			return answer{problem: "the event is no longer kept", gone: true}
		}
		if ctx.Err() == nil {
			w.log.Error("cannot render an event", "webhook", y.to.ID, "job", t.ID, "err", err)
		}
		return answer{problem: "internal error"}
	}
	if !w.tracer.Takes(t.Subject) || !strings.HasPrefix(string(y.kind), "message.") {
		return w.send(req, y.to.dialect)
	}
	return w.traced(req, t, y)
}

// traced posts, and tells of it as of a part of the message's life, to which the post says that it belongs.
func (w *Webhooks) traced(req *http.Request, t *queue.Task, y *try) answer {
	subject := id.Of[event.Event](t.Subject).String()
	header, span := telemetry.Traceparent(subject)
	req.Header.Set("Traceparent", header)
	began := time.Now()
	a := w.send(req, y.to.dialect)
	w.tracer.Tell(telemetry.Span{
		Message: subject, Name: "webhook", Kind: trace.SpanKindClient, From: began, To: began.Add(a.took), Failed: a.problem, ID: span,
		About: []slog.Attr{slog.String("event", string(y.kind)), slog.String("endpoint", y.to.ID.String()), slog.Int("status", a.status), slog.Int("try", y.base+int(t.Step)+1)},
	})
	return a
}

func (w *Webhooks) send(req *http.Request, d Dialect) answer {
	began := time.Now()
	resp, err := w.guard.Do(req)
	if err != nil {
		return answer{outcome: failure, problem: guard.Explain(err), took: time.Since(began)}
	}
	defer resp.Body.Close()
	body := read(resp.Body)
	a := answer{outcome: success, status: resp.StatusCode, response: clean(body), took: time.Since(began)}
	if !d.Success(resp.StatusCode, body) {
		a.outcome, a.problem = failure, fmt.Sprintf("the endpoint answered %d", resp.StatusCode)
		a.retryAfter = retryAfterOf(resp.Header, time.Now())
	}
	return a
}

// judge decides what becomes of the job.
func (y *try) judge(t *queue.Task, a answer, now time.Time) queue.Next {
	y.ran, y.tries = true, y.base+int(t.Step)+1
	y.status, y.problem, y.response, y.took = a.status, a.problem, a.response, a.took
	y.due = time.Time{}
	if a.outcome == success {
		y.done = delivered
		return queue.Done()
	}
	if a.status == http.StatusGone {
		y.disable = "the endpoint answered 410 Gone"
	}
	wait, ok := after(int(t.Step)+1, a.retryAfter)
	if !ok || a.gone || y.disable != "" {
		y.done = failed
		return queue.Done()
	}
	y.done, y.due = open, now.Add(wait)
	return queue.Again(y.due, t.Step+1, t.Data)
}

// record notes what the endpoint's row must learn. A row is written once it has failed for an hour, not for each failure.
func (y *try) record(g *gate, o outcome, now time.Time) {
	since := g.failingSince()
	switch {
	case o == success:
		y.recovered = y.to.failingAt > 0
	case since.IsZero():
	case now.Sub(since) >= failingEnd && o == failure:
		y.disable = fmt.Sprintf("no post was taken for %d hours", int(failingEnd.Hours()))
	case now.Sub(since) >= failingNote && y.to.failingAt == 0:
		y.failing = since
	}
}

func (w *Webhooks) measure(a answer) {
	outcome := "failed"
	if a.outcome == success {
		outcome = "delivered"
	}
	w.posts.WithLabelValues(outcome).Inc()
	w.took.WithLabelValues().Observe(a.took.Seconds())
}

// end writes what came of posts.
func (w *Webhooks) end(tx *store.Tx, tasks []*queue.Task) error {
	var s settlement
	for _, t := range tasks {
		y, ok := t.Payload.(*try)
		switch {
		case !ok || t.Fenced: // whoever has the job now writes what becomes of it
		case y.ran:
			s.records.add(tx, t, y)
		case y.held:
			s.hold(tx, t, y, t.Due)
		}
	}
	return s.write(tx, w.events)
}

// records are rows to be written.
type records struct {
	kept      []keepDeliveryParams
	replayed  []keepReplayParams
	disabled  []*endpoint
	disable   []disableWebhookParams
	failing   []setFailingParams
	recovered []clearFailingParams
}

func (r *records) add(tx *store.Tx, t *queue.Task, y *try) {
	now := tx.NowMilli()
	if y.replay != 0 {
		row := keepReplayParams{
			Tries: int64(y.tries), Status: int64(y.status), Error: y.problem, Response: y.response, Took: y.took.Milliseconds(), At: now,
			Replay: t.ID, Delivered: int64(flag(y.done == delivered)), ID: y.replay,
		}
		if y.done != open {
			row.Replay = 0
		} else {
			row.DueAt = y.due.UnixMilli()
		}
		r.replayed = append(r.replayed, row)
	} else {
		row := keepDeliveryParams{
			ID: t.ID, WebhookID: int64(y.to.ID), AccountID: t.Account, Subject: t.Subject, Seq: int64(y.seq), Kind: string(y.kind),
			Tries: int64(y.tries), Done: y.done, Status: int64(y.status), Error: y.problem, Response: y.response,
			Took: y.took.Milliseconds(), At: now,
		}
		if y.done == open {
			row.DueAt = y.due.UnixMilli()
		}
		r.kept = append(r.kept, row)
	}
	if y.disable != "" {
		r.disabled = append(r.disabled, y.to)
		r.disable = append(r.disable, disableWebhookParams{Reason: y.disable, UpdatedAt: max(now, y.to.updatedAt+1), ID: int64(y.to.ID)})
	}
	if !y.failing.IsZero() {
		r.failing = append(r.failing, setFailingParams{FailingAt: y.failing.UnixMilli(), ID: int64(y.to.ID)})
	}
	if y.recovered {
		r.recovered = append(r.recovered, clearFailingParams{ID: int64(y.to.ID)})
	}
}

func (r *records) write(tx *store.Tx, log *event.Log) error {
	if err := store.Run(tx, keepDelivery, r.kept); err != nil {
		return fmt.Errorf("keep deliveries: %w", err)
	}
	if err := store.Run(tx, keepReplay, r.replayed); err != nil {
		return fmt.Errorf("keep replays: %w", err)
	}
	f, err := store.Each(tx, setFailing, r.failing)
	if err != nil {
		return fmt.Errorf("note a failing webhook: %w", err)
	}
	c, err := store.Each(tx, clearFailing, r.recovered)
	if err != nil {
		return fmt.Errorf("note a recovered webhook: %w", err)
	}
	if sum(f)+sum(c) > 0 {
		if err := tx.Touch(topic); err != nil {
			return err
		}
	}
	return r.stop(tx, log)
}

// stop disables endpoints that are gone or have failed too long, and tells the others of the account.
func (r *records) stop(tx *store.Tx, log *event.Log) error {
	n, err := store.Each(tx, disableWebhook, r.disable)
	if err != nil {
		return fmt.Errorf("disable webhooks: %w", err)
	}
	var notices []event.Notice
	for i, e := range r.disabled {
		if n[i] == 0 {
			continue
		}
		if err := note(tx, audit.System, e.Account, e.ID, "webhook.disable", r.disable[i].Reason); err != nil {
			return err
		}
		notices = append(notices, event.Notice{Account: e.Account, Subject: int64(e.ID), Kind: event.WebhookDisabled, Data: event.Webhook{
			ID: e.ID.String(), Host: hostOf(e.URL), Reason: r.disable[i].Reason,
		}})
	}
	return log.Notice(tx, notices...)
}

// hostOf is what may be told of a URL: its path may hold a secret.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func sum(n []int64) (total int64) {
	for _, v := range n {
		total += v
	}
	return total
}
