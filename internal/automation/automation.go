// Package automation does what accounts want done with what comes in: rules post it, answer it, forward it, or put it into the box
// from which the account fetches it.
package automation

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

const (
	topic    = "rule" // touched when rules change
	jobKind  = "rule" // of jobs
	lane     = "rule"
	workers  = 16
	priority = 2

	pause      = time.Minute    // between answers of one rule to one sender
	answerTime = time.Hour      // after which an answer that could not be sent is not sent
	otherTime  = 24 * time.Hour // the same for what is forwarded
)

// Poster keeps an endpoint for each rule that posts and posts events to it: the engine of webhooks. A style is a Style.
type Poster interface {
	// Check tells with a fault why an address may not be posted to.
	Check(ctx context.Context, url string) error
	Open(tx *store.Tx, by audit.Actor, a account.ID, rule int64, url, style string, kinds []event.Kind) (endpoint int64, secret string, err error)
	// Point has an endpoint lead elsewhere, and makes it active again.
	Point(tx *store.Tx, by audit.Actor, a account.ID, endpoint int64, url, style string) error
	Close(tx *store.Tx, by audit.Actor, a account.ID, endpoint int64) error
	// Feed posts events, in the background. It reports whether the endpoint takes any: one that was disabled does not.
	Feed(tx *store.Tx, endpoint int64, events []event.Event) (bool, error)
}

// Sender sends mail: mail.Settings, or what a test puts in its place. A *mail.Refused is not tried again.
type Sender interface {
	Send(ctx context.Context, m mail.Message) error
}

// Config is what automation needs.
type Config struct {
	Store   *store.Store
	Queue   *queue.Queue
	Events  *event.Log
	Gateway *gateway.Gateway
	Poster  Poster
	Sender  Sender // nil: there is no mail
	Log     *slog.Logger
	Metrics *telemetry.Metrics
}

// Automation keeps rules and boxes, and does what the rules say.
type Automation struct {
	Config
	rules   *store.Cached[book]
	actions *prometheus.CounterVec
}

// New returns automation and makes its jobs known to the queue. It hears of events once it follows the log.
func New(c Config) *Automation {
	a := &Automation{Config: c}
	a.rules = store.NewCached(c.Store, topic, a.load)
	a.actions = c.Metrics.Counter("automation_actions_total", "What rules on inbound messages and receipts did.", "action", "outcome")
	nothing := func(*store.Tx, []*queue.Task) error { return nil }
	c.Queue.Handle(jobKind, queue.Kind{Begin: nothing, End: a.end, Expired: a.expired, Hardy: true})
	return a
}

func (a *Automation) load(ctx context.Context, db store.Queryer) (book, error) {
	rows, err := on(db).AllRules(ctx)
	if err != nil {
		return nil, err
	}
	b := book{}
	for _, row := range rows {
		r := ruleOf(row)
		if b[r.Account] == nil {
			b[r.Account] = map[About][]Rule{}
		}
		b[r.Account][r.About] = append(b[r.Account][r.About], r)
	}
	return b, nil
}

// Run does what rules send until ctx ends, then finishes what is under way; hard ends that too.
func (a *Automation) Run(ctx, hard context.Context) {
	a.Queue.Work(ctx, hard, lane, workers, nil, a.act)
}

// Follow fires the rules that match, in the transaction of what happened: what they post, keep or send is on disk with it.
func (a *Automation) Follow(tx *store.Tx, events []event.Event) error {
	rules, err := a.rules.Get(tx.Context())
	if err != nil || len(rules) == 0 {
		return err
	}
	var heard []event.Event
	var subjects []message.ID
	for _, e := range events {
		if len(rules.of(e)) > 0 {
			heard, subjects = append(heard, e), append(subjects, message.ID(e.Subject))
		}
	}
	if len(heard) == 0 {
		return nil
	}
	messages, err := a.Gateway.Stored(tx, subjects)
	if err != nil {
		return err
	}
	f := firing{Automation: a, tx: tx, fed: map[int64][]event.Event{}, fired: map[ID]Rule{}}
	for _, e := range heard {
		m, ok := messages[message.ID(e.Subject)]
		if !ok {
			continue
		}
		for _, r := range matching(rules.of(e), &m) {
			if err := f.fire(r, e, &m); err != nil {
				return err
			}
		}
	}
	return f.write()
}

// firing gathers what the rules that were fired in one transaction write.
type firing struct {
	*Automation
	tx     *store.Tx
	fed    map[int64][]event.Event // by endpoint
	feeds  []Rule                  // whose endpoints are fed, in their order
	fired  map[ID]Rule
	boxed  []addBoxedParams
	turns  []turn
	jobs   []queue.Job
	failed []ruleFailedParams
}

// turn is a job that waits for its rule's turn with a sender.
type turn struct {
	wish takeTurnParams
	job  queue.Job
}

// fire does what a rule says, as far as it can be done here, and leaves the rest to a job.
func (f *firing) fire(r Rule, e event.Event, m *message.Message) error {
	f.fired[r.ID] = r
	switch r.Action {
	case URL:
		if f.fed[r.Endpoint] == nil {
			f.feeds = append(f.feeds, r)
		}
		f.fed[r.Endpoint] = append(f.fed[r.Endpoint], e)
	case Poll:
		f.boxed = append(f.boxed, entryRow(f.tx.NewID(), r.About, e, m))
	case AutoReply, SMS:
		may, err := f.maySend(&r, m)
		if err != nil || !may {
			return err
		}
		f.send(&r, e, m)
	case EmailUser, EmailFixed:
		f.jobs = append(f.jobs, f.job(&r, e))
	case None:
		f.count(&r, done)
	}
	return nil
}

// maySend tells whether a rule may send something because of a message. It must not lead to a talk without end: of two numbers of ours,
// of a number with the one that it forwards to, or about the receipts of what a rule sent. Nor does a test lead to anything real.
func (f *firing) maySend(r *Rule, m *message.Message) (bool, error) {
	_, automatic := causeOf(m)
	if r.About == Receipts {
		return !automatic && !m.Test, nil
	}
	if r.Action == SMS && m.From.String() == r.Target || r.Action == AutoReply && !answerable(m) {
		return false, nil
	}
	return f.Gateway.Outside(f.tx.Context(), m.Channel, m.From)
}

// answerable tells whether the sender of a message can be answered: it is a person who wrote to us alone.
func answerable(m *message.Message) bool {
	return m.Chat.Value == "" && (m.From.Kind == message.Phone || m.From.Kind == message.LID)
}

// send adds the job that sends. An answer waits for the rule's turn with the sender.
func (f *firing) send(r *Rule, e event.Event, m *message.Message) {
	j := f.job(r, e)
	if r.Action != AutoReply {
		f.jobs = append(f.jobs, j)
		return
	}
	f.turns = append(f.turns, turn{job: j, wish: takeTurnParams{
		RuleID: int64(r.ID), Sender: hash(m.From), Until: f.tx.Now().Add(pause).UnixMilli(), Now: f.tx.NowMilli(),
	}})
}

// hash stands for an address where it need not be known.
func hash(a message.Address) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(a.String()))
	return int64(h.Sum64())
}

func (f *firing) job(r *Rule, e event.Event) queue.Job {
	life := otherTime
	if r.Action == AutoReply {
		life = answerTime
	}
	return queue.Job{
		ID: f.tx.NewID(), Lane: lane, Kind: jobKind, Subject: e.Subject, Account: e.Account, Priority: priority, Due: f.tx.Now(),
		Expires: f.tx.Now().Add(life), Data: ticket{rule: r.ID, seq: e.Seq}.String(),
	}
}

func (f *firing) write() error {
	if err := f.feed(); err != nil {
		return err
	}
	if err := f.takeTurns(); err != nil {
		return err
	}
	if err := store.Run(f.tx, addBoxed, f.boxed); err != nil {
		return fmt.Errorf("put into boxes: %w", err)
	}
	rows := make([]ruleFiredParams, len(f.fired))
	for i, which := range inOrder(f.fired) {
		rows[i] = ruleFiredParams{At: f.tx.NowMilli(), ID: int64(which)}
	}
	if err := store.Run(f.tx, ruleFired, rows); err != nil {
		return fmt.Errorf("note that rules fired: %w", err)
	}
	if err := store.Run(f.tx, ruleFailed, f.failed); err != nil {
		return fmt.Errorf("note that rules failed: %w", err)
	}
	if len(f.jobs) == 0 {
		return nil
	}
	return f.Queue.Add(f.tx, f.jobs)
}

// inOrder are the rules in the order in which all servers write their rows: two that wait for each other's would hold up everybody.
func inOrder(fired map[ID]Rule) []ID { return slices.Sorted(maps.Keys(fired)) }

// takeTurns has the answers sent for which it is their rule's turn, in one order on all servers, too.
func (f *firing) takeTurns() error {
	slices.SortStableFunc(f.turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.wish.RuleID, b.wish.RuleID), cmp.Compare(a.wish.Sender, b.wish.Sender))
	})
	wishes := make([]takeTurnParams, len(f.turns))
	for i := range f.turns {
		wishes[i] = f.turns[i].wish
	}
	taken, err := store.Each(f.tx, takeTurn, wishes)
	if err != nil {
		return fmt.Errorf("take turns: %w", err)
	}
	for i := range f.turns {
		if taken[i] > 0 {
			f.jobs = append(f.jobs, f.turns[i].job)
		}
	}
	return nil
}

// feed hands the events to the endpoints of the rules that post.
func (f *firing) feed() error {
	for _, r := range f.feeds {
		taken, err := f.Poster.Feed(f.tx, r.Endpoint, f.fed[r.Endpoint])
		if err != nil {
			return err
		}
		if taken {
			f.count(&r, done)
			continue
		}
		f.count(&r, failed)
		f.failed = append(f.failed, ruleFailedParams{At: f.tx.NowMilli(), Error: "its webhook was disabled; a change of the rule starts it again", ID: int64(r.ID)})
	}
	return nil
}

// The outcomes of an action.
const (
	done   = "done"
	failed = "failed"
)

// count counts an action once its transaction is on disk.
func (f *firing) count(r *Rule, outcome string) {
	action := string(r.Action)
	f.tx.After(func() { f.actions.WithLabelValues(action, outcome).Inc() })
}

// ticket is what a job says besides its subject.
type ticket struct {
	rule ID
	seq  int
}

// String is the ticket as a job carries it.
func (t ticket) String() string { return fmt.Sprintf("%d %d", int64(t.rule), t.seq) }

func readTicket(data string) (t ticket, err error) {
	var rule int64
	if _, err = fmt.Sscan(data, &rule, &t.seq); err != nil {
		return t, fmt.Errorf("read the ticket of a rule's job: %w", err)
	}
	t.rule = ID(rule)
	return t, nil
}

// DropPauses deletes some of the notes of whom rules answered longer ago than counts, and tells whether there may be more.
func (a *Automation) DropPauses(tx *store.Tx) (more bool, err error) {
	n, err := store.Each(tx, dropPauses, []dropPausesParams{{Now: tx.NowMilli()}})
	if err != nil {
		return false, fmt.Errorf("drop pauses of rules: %w", err)
	}
	return n[0] > 0, nil
}

// Drop deletes some of what the boxes hold of messages that came in or were accepted before the given time, and tells whether there may
// be more.
func (a *Automation) Drop(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropBoxed, []dropBoxedParams{{Before: id.At[message.Message](before)}})
	if err != nil {
		return false, fmt.Errorf("drop from boxes: %w", err)
	}
	return n[0] > 0, nil
}

// Forget takes messages out of the boxes.
func (a *Automation) Forget(tx *store.Tx, messages []int64) error {
	rows := make([]forgetBoxedParams, len(messages))
	for i, m := range messages {
		rows[i] = forgetBoxedParams{MessageID: message.ID(m)}
	}
	if err := store.Run(tx, forgetBoxed, rows); err != nil {
		return fmt.Errorf("forget what boxes hold: %w", err)
	}
	return nil
}

// reference is by which a message that a rule sent tells so: the rule's number, and the message that was the cause.
func reference(r *Rule, cause message.ID, seq int) string {
	return "rule/" + strconv.Itoa(r.Number) + "/" + cause.String() + "/" + strconv.Itoa(seq)
}
