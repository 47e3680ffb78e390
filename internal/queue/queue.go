// Package queue keeps work that must be done: durable jobs in lanes, added in the transaction of what they are about,
// claimed, paced, tried again, parked. It knows nothing of messages.
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// never is the due time of a parked job.
const never = math.MaxInt64

// poison is how often a job may be claimed without a result before it is parked: it most likely kills its worker.
const poison = 5

// Job is one piece of work. Its row is small; what it is about stands elsewhere.
type Job struct {
	ID       int64
	Lane     string     // jobs of one lane share pace, order and turns
	Kind     string     // who knows how to do it
	Subject  int64      // what it is about
	Account  account.ID // whose turn it is
	OrderKey string     // jobs with the same one go one after another, unless they back off by Again; empty: any order
	Priority int        // 1 is the most urgent
	Due      time.Time
	Expires  time.Time // zero: never
	Step     int64     // the handler's own progress
	Data     string
	Fence    int64 // counts claims; a worker with an older one has lost the job
	Claims   int64 // claims in a row without a result
	order    int64 // due time as stored
	wait     int64 // it keeps its place, and is not tried before; 0: it is tried when its turn comes
}

// Next is what becomes of a job after it was worked at.
type Next struct {
	verb  verb
	due   time.Time
	step  int64
	data  string
	pause time.Duration
	slows bool
	keep  bool // it goes back to its place, at once
	holds bool // it goes back to its place, and waits there until due
}

type verb int

const (
	unset verb = iota
	finish
	again
	advance
	park
)

// Done ends the job.
func Done() Next { return Next{verb: finish} }

// Again puts the job back for another try at the given time.
func Again(due time.Time, step int64, data string) Next {
	return Next{verb: again, due: due, step: step, data: data}
}

// InOrder is Again for a job whose order key waits with it: nothing behind the key overtakes it.
func InOrder(due time.Time, step int64, data string) Next {
	return Next{verb: again, due: due, step: step, data: data, holds: true}
}

// Back puts the job back where it was, to be done again at once.
func Back(step int64, data string) Next { return Next{verb: again, step: step, data: data, keep: true} }

// Paused puts the job back where it was and stops its lane for a while: that is no try of the job.
func Paused(pause time.Duration, step int64, data string) Next {
	return Next{verb: again, step: step, data: data, pause: pause, keep: true}
}

// Throttled is Paused, and the lane goes on at half its pace.
func Throttled(pause time.Duration, step int64, data string) Next {
	n := Paused(pause, step, data)
	n.slows = true
	return n
}

// Advance keeps the job with its worker for its next step.
func Advance(step int64, data string) Next { return Next{verb: advance, step: step, data: data} }

// Park keeps the job and tries it no more until a person decides.
func Park() Next { return Next{verb: park} }

// Task is a job with a worker.
type Task struct {
	Job
	Next     Next
	Payload  any   // the handler's own, from Begin to Do to End
	Panicked bool  // seen by End: Do did not return
	Settled  bool  // set by Begin: there is nothing to do, Next says what becomes of it
	Fenced   bool  // seen by End: someone else has the job now, and only facts may be written
	held     int64 // the fence of this claim
	boot     int64 // the start whose lane it was taken from
	mine     bool  // the claim succeeded
	owner    int64 // for a lost job, the start that had it
	yields   bool  // its next step must wait: the job goes back in its place meanwhile
	failed   bool  // it could not be begun, which counts as a claim without a result
}

// Kind is how the jobs of one kind are done. Begin and End run in the transactions of claim and result and get all tasks
// that share one; between them Do, given by whoever works the lane, does the work outside any transaction and sets Next.
type Kind struct {
	Begin func(tx *store.Tx, tasks []*Task) error
	End   func(tx *store.Tx, tasks []*Task) error
	// Lost gets jobs whose worker died between claim and result, and sets Next.
	Lost func(tx *store.Tx, tasks []*Task) error
	// Expired gets jobs whose time is over; they are then removed.
	Expired func(tx *store.Tx, tasks []*Task) error
	// Counted jobs count against their account's cap.
	Counted bool
	// Hardy jobs are not suspected of killing the workers they die with: they are never parked for it.
	Hardy bool
}

// Queue is all jobs of a store.
type Queue struct {
	store  *store.Store
	log    *slog.Logger
	kinds  map[string]Kind
	cycles *store.Batch[cycle]
	mu     sync.Mutex
	lanes  map[string]*lane
	open   atomic.Int64 // how many those are
	served []*service
	depth  depth
}

// cycleOrder puts results and claims before new work in a transaction.
const cycleOrder = 10

// New returns the queue of the store. Handle must be called for every kind before work starts.
func New(s *store.Store, log *slog.Logger) *Queue {
	q := &Queue{store: s, log: log, kinds: map[string]Kind{}, lanes: map[string]*lane{}, depth: newDepth()}
	q.cycles = store.NewBatch(s, "jobs", cycleOrder, q.turn)
	s.OnWake(q.woken)
	return q
}

// Handle says how jobs of a kind are done.
func (q *Queue) Handle(kind string, k Kind) { q.kinds[kind] = k }

// Add stores jobs with the transaction. They are worked at once it is on disk and they are due.
func (q *Queue) Add(tx *store.Tx, jobs []Job) error {
	rows := make([]addJobParams, len(jobs))
	for i, j := range jobs {
		if j.Priority < 1 || j.Priority > lowest {
			return fmt.Errorf("add jobs: priority %d is not among 1 to %d", j.Priority, lowest)
		}
		rows[i] = addJobParams{
			ID: j.ID, Lane: j.Lane, Kind: j.Kind, Subject: j.Subject, AccountID: j.Account, OrderKey: j.OrderKey,
			Priority: int16(j.Priority), DueAt: j.Due.UnixMilli(), ExpiresAt: milli(j.Expires), Step: j.Step, Data: j.Data,
		}
	}
	if err := store.Run(tx, addJob, rows); err != nil {
		return fmt.Errorf("add jobs: %w", err)
	}
	tx.After(func() { q.added(jobs) })
	return q.calls(tx, jobs)
}

// Remove takes back jobs that nobody works at, and tells for each whether it was taken back.
func (q *Queue) Remove(tx *store.Tx, jobs []Job) ([]bool, error) {
	ids := make([]int64, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	n, err := store.Each(tx, removeJob, ids)
	if err != nil {
		return nil, fmt.Errorf("remove jobs: %w", err)
	}
	removed := make([]bool, len(jobs))
	for i := range n {
		removed[i] = n[i] > 0
	}
	tx.After(func() { q.removed(jobs, removed) })
	return removed, nil
}

// Find returns the job with the id and whether someone works at it; nil when it is done.
func (q *Queue) Find(ctx context.Context, id int64) (job *Job, working bool, err error) {
	r, err := on(q.store.Reader()).FindJob(ctx, findJobParams{ID: id})
	if store.NoRows(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find job: %w", err)
	}
	j := jobOf(r)
	return &j, r.Owner != 0, nil
}

// Marked lists some of the jobs to send of a lane that carry data, that nobody works at, and that are due or were tried before:
// those after another, in the order in which they were added.
func (q *Queue) Marked(ctx context.Context, lane string, after int64) ([]Job, error) {
	rows, err := on(q.store.Reader()).MarkedJobs(ctx, markedJobsParams{Lane: lane, After: after, Now: q.store.Now().UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("list marked jobs: %w", err)
	}
	jobs := make([]Job, len(rows))
	for i, r := range rows {
		jobs[i] = jobOf(r)
	}
	return jobs, nil
}

// added counts new jobs and tells whoever works their lanes.
func (q *Queue) added(jobs []Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range jobs {
		j := jobs[i]
		if q.kinds[j.Kind].Counted {
			q.depth.add(j.Account, 1)
		}
		j.order, j.Fence, j.Claims = j.Due.UnixMilli(), 0, 0
		q.tells(j.Lane, j.order, func(l *lane) { l.offer(j) })
	}
}

// tells a lane of a job, or whoever would open it. The caller holds the lock.
func (q *Queue) tells(name string, due int64, tell func(*lane)) {
	if l := q.lanes[name]; l != nil {
		tell(l)
		return
	}
	if s := q.serving(name); s != nil {
		s.asks(name, due, q.store.Now().UnixMilli())
	}
}

func (q *Queue) removed(jobs []Job, removed []bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, j := range jobs {
		if removed[i] && q.kinds[j.Kind].Counted {
			q.depth.add(j.Account, -1)
		}
	}
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func jobOf(r jobRecord) Job {
	return Job{
		ID: r.ID, Lane: r.Lane, Kind: r.Kind, Subject: r.Subject, Account: r.AccountID, OrderKey: r.OrderKey,
		Priority: int(r.Priority), Due: moment(r.DueAt), Expires: moment(r.ExpiresAt), Step: r.Step, Data: r.Data,
		Fence: r.Fence, Claims: r.Claims, order: r.DueAt, wait: r.WaitUntil,
	}
}

// LaneState is how much waits in a lane.
type LaneState struct {
	Lane   string
	Jobs   int64
	Oldest time.Time // when its first job was or is due
}

// Lanes tells how much waits in each lane.
func (q *Queue) Lanes(ctx context.Context) ([]LaneState, error) {
	rows, err := on(q.store.Reader()).CountLanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("count lanes: %w", err)
	}
	lanes := make([]LaneState, len(rows))
	for i, r := range rows {
		lanes[i] = LaneState{r.Lane, r.N, moment(r.Oldest)}
	}
	return lanes, nil
}
