package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Run is a time of which an endpoint is told again: the deliveries in it that failed, or all events that the endpoint takes,
// those included that came while it was stopped.
type Run struct {
	ID       RunID
	Endpoint EndpointID
	Since    time.Time
	Until    time.Time
	Kinds    []string // patterns; none: all that the endpoint takes
	Failed   bool     // only what failed for good
	Posted   int      // posts handed to the endpoint's lane so far
	Waiting  int      // of those, the ones that were not taken yet
	State    RunState
	Ended    time.Time
}

// RunID is the key of a run.
type RunID = id.Of[Run]

// RunState is how far a run is.
type RunState string

// The states of a run.
const (
	RunUnderWay RunState = "running"
	RunDone     RunState = "done"    // all is posted, or waits for its next try
	RunStopped  RunState = "stopped" // the endpoint is not active, or has gone
)

var runStates = []RunState{RunUnderWay, RunDone, RunStopped}

const (
	runKind     = "replay" // of jobs
	runLane     = "webhooks/replay"
	runWorkers  = 2
	runPriority = 3               // of its posts: what happens now goes first
	runShare    = perLane * 3 / 4 // posts of runs at a time in a lane, so that what happens now finds a free worker
	runPause    = 50 * time.Millisecond
	runRest     = 5 * time.Second // between looks at a lane that takes no more, at most
	runsAtOnce  = 5               // of one endpoint
)

// LongestRun is how far back a run may begin.
const LongestRun = 14 * 24 * time.Hour

// StartRun has an endpoint told again of a time. It is done in the background, each subject's events in their order, beside what
// happens meanwhile.
func (w *Webhooks) StartRun(tx *store.Tx, by audit.Actor, a account.ID, r Run) (Run, error) {
	rows, err := store.First[webhookRecord](tx, oneWebhook, []oneWebhookParams{{ID: int64(r.Endpoint), AccountID: a}})
	if err != nil {
		return r, fmt.Errorf("read webhook: %w", err)
	}
	if rows[0] == nil {
		return r, unknown(r.Endpoint)
	}
	if r.Until.IsZero() || r.Until.After(tx.Now()) {
		r.Until = tx.Now()
	}
	if err := r.check(tx.Now(), rows[0].Active == 1); err != nil {
		return r, err
	}
	if !r.Failed && rows[0].RuleID != 0 {
		return r, fault.New(fault.InvalidField, "what happened is not all for this webhook, a rule chooses; only what failed can be posted again").In("only")
	}
	running, err := store.First[int64](tx, runningReplays, []int64{int64(r.Endpoint)})
	if err != nil {
		return r, fmt.Errorf("count replays: %w", err)
	}
	if *running[0] >= runsAtOnce {
		return r, fault.New(fault.AlreadyThere, "%d replays of this webhook are under way", runsAtOnce)
	}
	r.ID, r.State = RunID(tx.NewID()), RunUnderWay
	row := addReplayParams{
		ID: int64(r.ID), WebhookID: int64(r.Endpoint), AccountID: a, Since: r.Since.UnixMilli(), Until: r.Until.UnixMilli(),
		Kinds: strings.Join(r.Kinds, " "), Failed: flag(r.Failed), Place: r.begins(),
	}
	if err := store.Run(tx, addReplay, []addReplayParams{row}); err != nil {
		return r, fmt.Errorf("store replay: %w", err)
	}
	err = audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "webhook.replay", Subject: r.Endpoint.String(), Detail: fmt.Sprintf("from %s to %s", r.Since, r.Until)})
	if err != nil {
		return r, err
	}
	return r, w.queue.Add(tx, []queue.Job{{
		ID: int64(r.ID), Lane: runLane, Kind: runKind, Subject: int64(r.ID), Account: a, Priority: runPriority, Due: tx.Now(),
		OrderKey: r.Endpoint.String(),
	}})
}

func (r Run) check(now time.Time, active bool) error {
	switch {
	case r.Since.IsZero():
		return fault.New(fault.MissingField, "a replay begins at a time").In("since")
	case r.Since.Before(now.Add(-LongestRun)):
		return fault.New(fault.InvalidField, "a replay begins at most %d days ago", int(LongestRun.Hours()/24)).In("since")
	case !r.Since.Before(r.Until):
		return fault.New(fault.InvalidField, "a replay ends after it begins").In("until")
	case !active:
		return fault.New(fault.InvalidField, "the webhook is not active; make it so first")
	}
	for i, pattern := range r.Kinds {
		if !event.Known(pattern) {
			return fault.New(fault.InvalidField, "there is no event %.60q", pattern).In(fmt.Sprintf("kinds[%d]", i))
		}
	}
	return nil
}

// begins is the place before the first of the run: a delivery's key, or an event's place.
func (r Run) begins() int64 {
	if r.Failed {
		return int64(id.At[Delivery](r.Since)) - 1
	}
	return int64(event.PlaceAt(r.Since))
}

// ReadRun returns a run of the account's endpoint.
func (w *Webhooks) ReadRun(ctx context.Context, a account.ID, of EndpointID, which RunID) (Run, error) {
	row, err := on(w.store.Reader()).OneReplay(ctx, oneReplayParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && (row.AccountID != a || EndpointID(row.WebhookID) != of) {
		return Run{}, fault.New(fault.NotHere, "there is no replay %s", which)
	}
	if err != nil {
		return Run{}, fmt.Errorf("read replay: %w", err)
	}
	r := runOf(row)
	r.Waiting, err = w.queue.Backlog(ctx, laneOf(of), runPriority, perLane)
	return r, err
}

func runOf(row replayRecord) Run {
	r := Run{
		ID: RunID(row.ID), Endpoint: EndpointID(row.WebhookID), Since: time.UnixMilli(row.Since).UTC(), Until: time.UnixMilli(row.Until).UTC(),
		Kinds: strings.Fields(row.Kinds), Failed: row.Failed == 1, Posted: int(row.Posted), State: runStates[row.State],
	}
	if row.EndedAt > 0 {
		r.Ended = time.UnixMilli(row.EndedAt).UTC()
	}
	return r
}

// lap is a share of a run: what to post next, and how far that is.
type lap struct {
	to     *endpoint
	again  []deliveryRecord // failed before
	events []event.Event
	place  int64
	full   bool // the lane takes no more now
	state  RunState
}

// doRun reads the next share of a run.
func (w *Webhooks) doRun(ctx context.Context, t *queue.Task) {
	l, err := w.lap(ctx, RunID(t.Subject))
	if err != nil {
		if ctx.Err() == nil {
			w.log.Error("cannot replay", "job", t.ID, "err", err)
		}
		t.Next = queue.Again(w.store.Now().Add(queue.Backoff(int(t.Step))), t.Step+1, "")
		return
	}
	t.Payload = l
	switch {
	case l == nil || l.state != RunUnderWay:
		t.Next = queue.Done()
	case l.full: // the step counts such looks
		t.Next = queue.Again(w.store.Now().Add(min(runPause<<min(t.Step, 10), runRest)), t.Step+1, "")
	default:
		t.Next = queue.Again(w.store.Now().Add(runPause), 0, "")
	}
}

// lap reads what a run posts next; nil when the run is over.
func (w *Webhooks) lap(ctx context.Context, which RunID) (*lap, error) {
	row, err := on(w.store.Reader()).OneReplay(ctx, oneReplayParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && runStates[row.State] != RunUnderWay {
		return nil, nil //nolint:nilnil // there is nothing to do
	}
	if err != nil {
		return nil, fmt.Errorf("read replay: %w", err)
	}
	book, err := w.endpoints.Get(ctx)
	if err != nil {
		return nil, err
	}
	r := runOf(row)
	l := &lap{to: book.lanes[laneOf(r.Endpoint)], place: row.Place, state: RunUnderWay}
	if l.to == nil || !l.to.Active {
		l.state = RunStopped
		return l, nil
	}
	waiting, err := w.queue.Backlog(ctx, l.to.lane, runPriority, runShare)
	if l.full = waiting >= runShare; err != nil || l.full {
		return l, err
	}
	if r.Failed {
		return l, w.readFailed(ctx, r, l, runShare-waiting)
	}
	return l, w.readEvents(ctx, r, l, runShare-waiting)
}

func (w *Webhooks) readFailed(ctx context.Context, r Run, l *lap, page int) error {
	rows, err := on(w.store.Reader()).FailedDeliveries(ctx, failedDeliveriesParams{
		WebhookID: int64(r.Endpoint), After: l.place, Before: int64(id.At[Delivery](r.Until)), Page: int64(page),
	})
	if err != nil {
		return fmt.Errorf("list failed deliveries: %w", err)
	}
	for _, d := range rows {
		l.place = d.ID
		if r.wants(event.Kind(d.Kind)) {
			l.again = append(l.again, d)
		}
	}
	if len(rows) < page {
		l.state = RunDone
	}
	return nil
}

func (w *Webhooks) readEvents(ctx context.Context, r Run, l *lap, page int) error {
	kinds := r.Kinds
	if len(kinds) == 0 {
		kinds = l.to.Events
	}
	events, looked, err := w.events.Feed(ctx, event.Ask{Account: l.to.Account, Kinds: kinds, After: event.Place(l.place), Page: page})
	if err != nil {
		return err
	}
	end := event.PlaceAt(r.Until)
	for _, e := range events {
		if e.Place >= end || !l.to.takes(e.Kind) || e.Subject == int64(l.to.ID) {
			continue
		}
		concerned, err := w.concerned(ctx, l.to, e)
		if err != nil {
			return err
		}
		if concerned {
			l.events = append(l.events, e)
		}
	}
	if looked == event.Place(l.place) || looked >= end {
		l.state = RunDone
	}
	l.place = int64(looked)
	return nil
}

// concerned tells whether an event that was kept is about the endpoint's channel.
func (w *Webhooks) concerned(ctx context.Context, to *endpoint, e event.Event) (bool, error) {
	if to.Channel == 0 {
		return true, nil
	}
	data, err := w.renderer.EventData(ctx, e)
	if fault.Is(err, fault.NotHere) || store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("render event: %w", err)
	}
	var about struct {
		Channel string `json:"channel"`
	}
	_ = json.Unmarshal(data, &about) // what has no channel is not about it
	return about.Channel == to.Channel.String(), nil
}

func (r Run) wants(k event.Kind) bool {
	return len(r.Kinds) == 0 || slices.ContainsFunc(r.Kinds, k.Matches)
}

// endRuns hands the shares of runs to their endpoints' lanes, and writes how far they are, in one transaction.
func (w *Webhooks) endRuns(tx *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		l, _ := t.Payload.(*lap)
		if l == nil || t.Fenced {
			continue
		}
		if err := w.endLap(tx, t.Subject, l); err != nil {
			return err
		}
	}
	return nil
}

func (w *Webhooks) endLap(tx *store.Tx, run int64, l *lap) error {
	jobs, err := w.reopen(tx, l)
	if err != nil {
		return err
	}
	posted := make([]addReplayedParams, len(l.events))
	for i, e := range l.events {
		j := l.to.job(tx, e)
		j.Priority, j.Data = runPriority, ticket{seq: e.Seq, kind: e.Kind, replay: j.ID}.String()
		jobs = append(jobs, j)
		posted[i] = addReplayedParams{
			ID: j.ID, WebhookID: int64(l.to.ID), AccountID: e.Account, Subject: e.Subject, Seq: int64(e.Seq), Kind: string(e.Kind),
			At: tx.NowMilli(), DueAt: tx.NowMilli(), Replay: j.ID,
		}
	}
	for i := range jobs {
		if jobs[i].OrderKey != "" {
			jobs[i].OrderKey = "again:" + jobs[i].OrderKey
		}
	}
	if err := store.Run(tx, addReplayed, posted); err != nil {
		return fmt.Errorf("add replayed deliveries: %w", err)
	}
	row := moveReplayParams{Place: l.place, Posted: int64(len(jobs)), State: int16(slices.Index(runStates, l.state)), ID: run}
	if l.state != RunUnderWay {
		row.EndedAt = tx.NowMilli()
	}
	if err := store.Run(tx, moveReplay, []moveReplayParams{row}); err != nil {
		return fmt.Errorf("note how far a replay is: %w", err)
	}
	if len(jobs) == 0 {
		return nil
	}
	return w.queue.Add(tx, jobs)
}

// reopen makes jobs of the failed deliveries of a share, but for those that are being posted already.
func (w *Webhooks) reopen(tx *store.Tx, l *lap) (jobs []queue.Job, err error) {
	all, rows := make([]queue.Job, len(l.again)), make([]reopenDeliveryParams, len(l.again))
	for i, d := range l.again {
		all[i] = w.jobOf(tx, &d)
		all[i].ID, all[i].Priority = tx.NewID(), runPriority
		all[i].Data = ticket{seq: int(d.Seq), kind: event.Kind(d.Kind), replay: d.ID, base: int(d.Tries)}.String()
		if l.to.Ordered {
			all[i].OrderKey = orderKey(d.Subject)
		}
		rows[i] = reopenDeliveryParams{Replay: all[i].ID, DueAt: tx.NowMilli(), ID: d.ID}
	}
	n, err := store.Each(tx, reopenDelivery, rows)
	if err != nil {
		return nil, fmt.Errorf("open failed deliveries again: %w", err)
	}
	for i := range all {
		if n[i] > 0 {
			jobs = append(jobs, all[i])
		}
	}
	return jobs, nil
}

// DropRuns deletes some of the runs that began before the given time and are over, and tells whether there may be more.
func (w *Webhooks) DropRuns(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropReplays, []dropReplaysParams{{Before: int64(id.At[Run](before))}})
	if err != nil {
		return false, fmt.Errorf("drop replays: %w", err)
	}
	return n[0] > 0, nil
}
