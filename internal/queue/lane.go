package queue

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

const (
	page  = 128                    // rows that ReadyJobs answers at most
	tick  = time.Second            // a lane looks by itself so often, whatever it was told
	slack = 2 * time.Second        // how far back a bucket looks for rows that were committed late
	calm  = 100 * time.Millisecond // between tries to commit a result
)

// lane is the memory of a lane that is worked here: what is next. The rows decide; the memory may be behind, and a claim
// that comes too late touches no row.
type lane struct {
	queue *Queue
	name  string
	pace  *rate.Limiter
	bell  chan struct{} // a token for each waiting worker that has something to look for

	mu       sync.Mutex
	buckets  [4]ring            // by priority
	known    map[int64]struct{} // jobs in memory or with a worker
	busy     map[string][]Job   // order keys under way, and what waits behind each
	picks    int
	stale    bool      // look at the rows for buckets before picking
	surveyed time.Time // when that was last done
	next     time.Time // when the next job of the lane is due
	paused   time.Time
}

// bucket holds the jobs of one account and priority that are next.
type bucket struct {
	account account.ID
	granted []Job // their order keys are theirs already
	jobs    []Job
	more    bool // the rows may hold others
	due, id int64
}

// ring lets accounts take turns.
type ring struct {
	buckets []*bucket
	at      int
}

func newLane(q *Queue, name string, workers int, pace *rate.Limiter) *lane {
	return &lane{queue: q, name: name, pace: pace, bell: make(chan struct{}, workers), stale: true, known: map[int64]struct{}{}, busy: map[string][]Job{}}
}

// wake says that a job was added.
func (l *lane) wake(priority int, of account.ID, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if due.After(l.queue.store.Now()) {
		if l.next.IsZero() || due.Before(l.next) {
			l.next = due
			l.ring()
		}
		return
	}
	l.buckets[priority].of(of).more = true
	l.ring()
}

func (l *lane) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// of returns the account's bucket.
func (r *ring) of(a account.ID) *bucket {
	for _, b := range r.buckets {
		if b.account == a {
			return b
		}
	}
	b := &bucket{account: a}
	r.buckets = append(r.buckets, b)
	return b
}

// take picks the next job: urgent ones first, but each fourth pick starts at a lower class so that none starves; within a
// class accounts take turns. It returns nil when nothing is ready.
func (l *lane) take(ctx context.Context) (*Task, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.store.Now().Before(l.paused) {
		return nil, nil
	}
	if l.stale {
		if err := l.survey(ctx); err != nil {
			return nil, err
		}
	}
	first := 1
	if l.picks++; l.picks%4 == 0 {
		first = 2 + l.picks/4%2
	}
	for i := range 3 {
		class := (first-1+i)%3 + 1
		job, err := l.pick(ctx, class)
		if job != nil || err != nil {
			return job, err
		}
	}
	return nil, nil
}

func (l *lane) pick(ctx context.Context, class int) (*Task, error) {
	r := &l.buckets[class]
	for range len(r.buckets) {
		r.at = (r.at + 1) % len(r.buckets)
		b := r.buckets[r.at]
		job, err := l.pop(ctx, class, b)
		if err != nil {
			return nil, err
		}
		if job != nil {
			return &Task{Job: *job}, nil
		}
	}
	return nil, nil
}

// pop takes the bucket's next job whose order key is free. One whose key is busy waits behind it.
func (l *lane) pop(ctx context.Context, class int, b *bucket) (*Job, error) {
	if len(b.granted) > 0 {
		job := b.granted[0]
		b.granted = b.granted[1:]
		return &job, nil
	}
	for {
		if len(b.jobs) == 0 {
			if !b.more {
				return nil, nil
			}
			if err := l.refill(ctx, class, b); err != nil {
				return nil, err
			}
			continue
		}
		job := b.jobs[0]
		b.jobs = b.jobs[1:]
		if job.OrderKey == "" {
			return &job, nil
		}
		key := job.orderKey()
		if behind, busy := l.busy[key]; busy {
			l.busy[key] = append(behind, job)
			continue
		}
		l.busy[key] = nil
		return &job, nil
	}
}

// orderKey is the key within the job's priority: order holds per lane, priority and key.
func (j *Job) orderKey() string { return string(rune('0'+j.Priority)) + j.OrderKey }

// refill reads the bucket's next page. Rows that are in memory already are passed over.
func (l *lane) refill(ctx context.Context, class int, b *bucket) error {
	now := l.queue.store.Now().UnixMilli()
	rows, err := on(l.queue.store.Reader()).ReadyJobs(ctx, readyJobsParams{
		Lane: l.name, Priority: int16(class), AccountID: b.account, AfterDue: b.due, AfterID: b.id, Now: now,
	})
	if err != nil {
		return fmt.Errorf("read the jobs of lane %s: %w", l.name, err)
	}
	for _, r := range rows {
		b.due, b.id = r.DueAt, r.ID
		if _, known := l.known[r.ID]; !known {
			l.known[r.ID] = struct{}{}
			b.jobs = append(b.jobs, jobOf(r))
		}
	}
	if len(rows) < page {
		// The end. The next look begins a little before it, for rows that were committed late.
		b.more, b.due, b.id = false, min(b.due, now)-slack.Milliseconds(), 0
	}
	return nil
}

// survey looks which buckets have work, from the rows alone.
func (l *lane) survey(ctx context.Context) error {
	now := l.queue.store.Now()
	rows, at := on(l.queue.store.Reader()), nextBucketParams{Lane: l.name}
	l.stale, l.next, l.surveyed = false, time.Time{}, time.Now()
	for {
		r, err := rows.NextBucket(ctx, at)
		if store.NoRows(err) {
			return nil
		}
		if err != nil {
			l.stale = true
			return fmt.Errorf("survey lane %s: %w", l.name, err)
		}
		at.AfterPriority, at.AfterAccount = r.Priority, int64(r.AccountID)
		if r.DueAt <= now.UnixMilli() {
			b := l.buckets[r.Priority].of(r.AccountID)
			b.more, b.due, b.id = true, math.MinInt64, 0
			continue
		}
		if due := moment(r.DueAt); r.DueAt != never && (l.next.IsZero() || due.Before(l.next)) {
			l.next = due
		}
	}
}

// release forgets a job that its worker is done with, and lets go what waited behind it.
func (l *lane) release(t *Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Next.verb == again && t.mine && l.putBack(t) {
		return
	}
	delete(l.known, t.ID)
	if t.OrderKey == "" {
		return
	}
	behind := l.busy[t.orderKey()]
	if len(behind) == 0 {
		delete(l.busy, t.orderKey())
		return
	}
	l.busy[t.orderKey()] = behind[1:]
	b := l.buckets[t.Priority].of(behind[0].Account)
	b.granted = append(b.granted, behind[0])
	l.ring()
}

// putBack notes when a job that backs off is due again, and the pause that a throttling network asked for. A job that is
// due at once stays in memory with its order key, so that nothing overtakes it: then putBack reports true.
func (l *lane) putBack(t *Task) (stays bool) {
	now := l.queue.store.Now()
	if t.Next.pause > 0 {
		l.paused = now.Add(t.Next.pause)
	}
	if !t.Next.keep && t.Next.due.After(now) {
		if l.next.IsZero() || t.Next.due.Before(l.next) {
			l.next = t.Next.due
		}
		return false
	}
	job := t.Job
	job.Fence, job.Claims, job.Step, job.Data = t.held, 0, t.Next.step, t.Next.data
	b := l.buckets[t.Priority].of(t.Account)
	b.granted = append([]Job{job}, b.granted...)
	l.ring()
	return true
}

// wait returns when there may be work, or false when ctx ends.
func (l *lane) wait(ctx context.Context) bool {
	timer := time.NewTimer(l.patience())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.bell:
	case <-timer.C:
		l.lookAgain()
	}
	return true
}

// lookAgain has the rows looked at when that was not done for a tick, or the next job is due by now.
func (l *lane) lookAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := !l.next.IsZero() && !l.next.After(l.queue.store.Now())
	if due || time.Since(l.surveyed) >= tick {
		l.stale = true
	}
}

// patience is how long a worker may sleep: until the next job is due or the pause is over, and never longer than a tick.
func (l *lane) patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, now := tick, l.queue.store.Now()
	for _, at := range []time.Time{l.next, l.paused} {
		if at.After(now) {
			d = min(d, at.Sub(now))
		}
	}
	return max(d, time.Millisecond)
}
