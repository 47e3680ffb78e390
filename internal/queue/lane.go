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
	page  = 128                    // rows that ReadyJobs and BehindKey answer at most, and jobs kept behind one order key
	pages = 8                      // pages that one look reads at most, when all they hold is behind busy order keys
	tick  = time.Second            // a lane looks at its rows by itself so often, whatever it was told
	rest  = 5 * time.Millisecond   // at least so long between two alarms
	calm  = 100 * time.Millisecond // between tries to commit a result
)

// lane is the memory of a lane that is worked here: what is next. The rows decide; the memory may be behind, and a claim
// that comes too late touches no row. It holds a few pages of jobs however many wait.
type lane struct {
	queue  *Queue
	name   string
	pace   *rate.Limiter
	served bool          // opened by Serve: closed when nothing is to be done
	bell   chan struct{} // a token for a waiting worker, who passes it on while there is more to do
	stop   chan struct{} // closed when nothing more is to be done here: a served lane was idle, or the store has ended
	ending sync.Once
	gone   chan struct{} // closed when its last worker has ended

	mu      sync.Mutex
	classes [lowest + 1]class
	known   map[int64]struct{} // jobs in memory or with a worker
	busy    map[string]*line   // order keys under way, and what waits behind each
	picks   int
	active  int // buckets that have a turn coming
	stale   bool
	paused  time.Time // by the store's clock
	turn    time.Time // when the pace lets the next job go, by our own; zero: not asked yet
	next    int64     // a time before which no bucket has a job due; 0: none waits
	closed  bool      // nothing more is taken here
	alarm   *time.Timer
	rings   time.Time // when the alarm does
	survey  time.Time // when the rows are looked at next
	worked  time.Time // when something was done last
}

// lowest is the least urgent priority; 1 is the most urgent.
const lowest = 3

// class is the buckets of one priority; those with something to do stand in turn.
type class struct {
	buckets map[account.ID]*bucket
	turns   []*bucket
}

// bucket holds the next jobs of one account and priority.
type bucket struct {
	class   int
	account account.ID
	front   []Job // go first: their order keys are theirs already
	jobs    []Job
	at      place // the rows have been read up to here
	more    bool  // and hold more
	next    int64 // the earliest time at which a later job is due; 0: none is known
	look    bool  // the rows must be asked for next
	inTurn  bool
	behind  int // jobs, and marks, that wait behind busy order keys
}

func (b *bucket) ready() bool { return len(b.front)+len(b.jobs) > 0 || b.more }

// rewind has the rows read again from a place.
func (b *bucket) rewind(p place) {
	if !b.at.before(p) {
		b.at = place{p.due, p.id - 1}
	}
	b.more = true
}

// place is where a job stands in its bucket.
type place struct{ due, id int64 }

func (p place) before(o place) bool { return p.due < o.due || p.due == o.due && p.id < o.id }

func (j *Job) place() place { return place{j.order, j.ID} }

// line is what waits behind a busy order key: the next jobs, and for each bucket with too many where they go on.
type line struct {
	jobs  []Job
	marks map[*bucket]place
}

func newLane(q *Queue, name string, workers int, pace *rate.Limiter, served bool) *lane {
	l := &lane{
		queue: q, name: name, pace: pace, served: served, stale: true, worked: time.Now(),
		bell: make(chan struct{}, workers), stop: make(chan struct{}), gone: make(chan struct{}),
		known: map[int64]struct{}{}, busy: map[string]*line{},
	}
	for i := range l.classes {
		l.classes[i].buckets = map[account.ID]*bucket{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarm = time.AfterFunc(tick, l.rung)
	l.rings = time.Now().Add(tick)
	return l
}

func (l *lane) now() int64 { return l.queue.store.Now().UnixMilli() }

func (l *lane) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

func (l *lane) bucket(priority int, a account.ID) *bucket {
	c := &l.classes[priority]
	b := c.buckets[a]
	if b == nil {
		b = &bucket{class: priority, account: a, at: place{math.MinInt64, 0}}
		c.buckets[a] = b
	}
	return b
}

// queues gives the bucket a turn if it has something to do.
func (l *lane) queues(b *bucket) {
	if b.inTurn || !b.ready() {
		return
	}
	c := &l.classes[b.class]
	c.turns, b.inTurn = append(c.turns, b), true
	l.active++
}

// forget drops a bucket that has nothing left.
func (l *lane) forget(b *bucket) {
	if !b.inTurn && !b.ready() && b.next == 0 && !b.look && b.behind == 0 {
		delete(l.classes[b.class].buckets, b.account)
	}
}

// offer says that a job was written. It comes from the writer's goroutine before anyone can claim the job, so that one
// in memory already is the same.
func (l *lane) offer(j Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.insert(j)
}

func (l *lane) insert(j Job) {
	if _, known := l.known[j.ID]; known {
		return
	}
	b := l.bucket(j.Priority, j.Account)
	if j.order > l.now() {
		l.later(b, j.order)
		return
	}
	switch at := j.place(); {
	case at.before(b.at): // committed late: the rows have been read past it
		l.known[j.ID] = struct{}{}
		i := len(b.jobs)
		for i > 0 && at.before(b.jobs[i-1].place()) {
			i--
		}
		b.jobs = append(b.jobs, Job{})
		copy(b.jobs[i+1:], b.jobs[i:])
		b.jobs[i] = j
	case b.more || len(b.jobs) >= page || b.next != 0 && b.next <= j.order:
		b.more = true
	default: // what the rows would show
		l.known[j.ID] = struct{}{}
		b.jobs, b.at = append(b.jobs, j), at
	}
	l.queues(b)
	l.ring()
}

// nudge says that a job's row has moved to another place.
func (l *lane) nudge(priority int, a account.ID, at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(priority, a)
	if at.due > l.now() {
		l.later(b, at.due)
		return
	}
	b.rewind(at)
	l.queues(b)
	l.ring()
}

// later notes when a job of the bucket is due.
func (l *lane) later(b *bucket, due int64) {
	if due == never {
		return
	}
	if b.next == 0 || due < b.next {
		b.next = due
	}
	if l.next == 0 || due < l.next {
		l.next = due
		l.arm(time.Duration(due-l.now()) * time.Millisecond)
	}
}

// arm has the alarm ring after d or sooner.
func (l *lane) arm(d time.Duration) {
	at := time.Now().Add(min(max(d, 0), tick))
	if at.Before(l.rings) && !l.closed {
		l.rings = at
		l.alarm.Reset(time.Until(at))
	}
}

// rung is the alarm: it gives turns to the buckets with jobs that are due by now, and looks after the lane as a whole.
func (l *lane) rung() {
	if l.wakes() {
		l.queue.closeIdle(l)
	}
}

// wakes does what the alarm is for, and reports whether the lane may have become idle.
func (l *lane) wakes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	now := l.now()
	if l.next != 0 && l.next <= now {
		l.next = 0
		for i := range l.classes {
			for _, b := range l.classes[i].buckets {
				if b.next != 0 && b.next <= now {
					b.next, b.look, b.more = 0, true, true
					l.queues(b)
				}
				if b.next != 0 && (l.next == 0 || b.next < l.next) {
					l.next = b.next
				}
			}
		}
	}
	wait := tick
	if l.next != 0 {
		wait = min(wait, time.Duration(l.next-now)*time.Millisecond)
	}
	if d := l.paused.UnixMilli() - now; d > 0 {
		wait = min(wait, time.Duration(d)*time.Millisecond)
	}
	if d := time.Until(l.turn); d > 0 {
		wait = min(wait, d)
	}
	l.stale = l.stale || !time.Now().Before(l.survey)
	l.rings = time.Now().Add(max(wait, rest))
	l.alarm.Reset(max(wait, rest))
	l.ring()
	return l.served && time.Since(l.worked) > linger
}

// take picks the next job: urgent ones first, but each fourth pick starts at a lower class so that none starves; within a
// class accounts take turns. It returns nil when nothing may go.
func (l *lane) take(ctx context.Context) (*Task, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil
	}
	if now := l.queue.store.Now(); now.Before(l.paused) {
		l.arm(l.paused.Sub(now))
		return nil, nil
	}
	if l.stale {
		if err := l.look(ctx); err != nil {
			return nil, err
		}
	}
	if l.active == 0 || !l.mayGo() {
		return nil, nil
	}
	job, err := l.pick(ctx)
	if err != nil || job == nil {
		if l.active > 0 && err == nil {
			l.ring()
		}
		return nil, err
	}
	l.turn, l.worked = time.Time{}, time.Now()
	if l.active > 0 {
		l.ring()
	}
	return &Task{Job: *job}, nil
}

// mayGo reports whether the pace lets a job go now. A turn is asked for once and then kept, so that it is late, never lost
// and never doubled; one that nobody needed when it came is lost.
func (l *lane) mayGo() bool {
	if l.pace == nil {
		return true
	}
	now := time.Now()
	if l.turn.IsZero() || now.Sub(l.turn) > time.Duration(float64(time.Second)/float64(l.pace.Limit())) {
		l.turn = now.Add(l.pace.ReserveN(now, 1).DelayFrom(now))
	}
	if d := l.turn.Sub(now); d > 0 {
		l.arm(d)
		return false
	}
	return true
}

// unspent keeps the turn of a job that turned out not to go.
func (l *lane) unspent() {
	if l.pace != nil && l.turn.IsZero() {
		l.turn = time.Now()
	}
}

// goesOn reports whether the next step of a job may go at once. If not, the job goes back to the front of its bucket, so
// that more urgent ones pass it.
func (l *lane) goesOn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.store.Now().Before(l.paused) || !l.mayGo() {
		return false
	}
	l.turn = time.Time{}
	return true
}

func (l *lane) pick(ctx context.Context) (*Job, error) {
	first := 1
	if l.picks++; l.picks%4 == 0 {
		first = 2 + l.picks/4%2
	}
	for i := range lowest {
		job, err := l.pickFrom(ctx, &l.classes[(first-1+i)%lowest+1])
		if job != nil || err != nil {
			return job, err
		}
	}
	return nil, nil
}

// pickFrom lets the account whose turn it is have one job, and sends it to the end of the turns.
func (l *lane) pickFrom(ctx context.Context, c *class) (*Job, error) {
	for range len(c.turns) {
		b := c.turns[0]
		job, err := l.pop(ctx, b)
		if err != nil {
			return nil, err
		}
		c.turns = c.turns[1:]
		if b.ready() {
			c.turns = append(c.turns, b)
		} else {
			b.inTurn = false
			l.active--
			l.forget(b)
		}
		if job != nil {
			return job, nil
		}
	}
	return nil, nil
}

// pop takes the bucket's next job whose order key is free. One whose key is busy waits behind it.
func (l *lane) pop(ctx context.Context, b *bucket) (*Job, error) {
	if len(b.front) > 0 {
		job := b.front[0]
		b.front = b.front[1:]
		return &job, nil
	}
	for read := 0; ; {
		if len(b.jobs) == 0 {
			if !b.more || read == pages {
				return nil, nil
			}
			if err := l.refill(ctx, b); err != nil {
				return nil, err
			}
			read++
			continue
		}
		job := b.jobs[0]
		b.jobs = b.jobs[1:]
		if job.OrderKey == "" {
			return &job, nil
		}
		key := job.orderKey()
		if behind := l.busy[key]; behind != nil {
			l.waits(behind, b, job)
			continue
		}
		l.busy[key] = &line{}
		return &job, nil
	}
}

// orderKey is the key within the job's priority: order holds per lane, priority and key.
func (j *Job) orderKey() string { return string(rune('0'+j.Priority)) + j.OrderKey }

// waits puts a job behind a busy order key. Of very many only the first stay in memory, and where the others begin.
func (l *lane) waits(behind *line, b *bucket, j Job) {
	if len(behind.jobs) < page && len(behind.marks) == 0 {
		behind.jobs = append(behind.jobs, j)
		b.behind++
		return
	}
	delete(l.known, j.ID)
	mark, marked := behind.marks[b]
	if !marked {
		if behind.marks == nil {
			behind.marks = map[*bucket]place{}
		}
		b.behind++
	}
	if !marked || j.place().before(mark) {
		behind.marks[b] = place{j.order, j.ID - 1}
	}
}

// passOn lets the next job behind an order key go; with none left the key is free.
func (l *lane) passOn(key string) {
	behind := l.busy[key]
	if len(behind.jobs) == 0 && len(behind.marks) > 0 {
		if err := l.recall(behind, key); err != nil {
			l.queue.log.Error("cannot read what waits behind an order key", "lane", l.name, "err", err)
			for b, mark := range behind.marks { // then the buckets find it again
				b.rewind(place{mark.due, mark.id + 1})
				b.behind--
				l.queues(b)
			}
			behind.marks = nil
		}
	}
	if len(behind.jobs) == 0 {
		delete(l.busy, key)
		return
	}
	j := behind.jobs[0]
	behind.jobs = behind.jobs[1:]
	b := l.bucket(j.Priority, j.Account)
	b.behind--
	b.front = append(b.front, j)
	l.queues(b)
	l.ring()
}

// recall reads the next page of jobs behind an order key.
func (l *lane) recall(behind *line, key string) error {
	for len(behind.jobs) == 0 && len(behind.marks) > 0 {
		for b, mark := range behind.marks {
			if err := l.recallFrom(b, mark, behind, key); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func (l *lane) recallFrom(b *bucket, mark place, behind *line, key string) error {
	rows, err := on(l.queue.store.Reader()).BehindKey(context.Background(), behindKeyParams{
		Lane: l.name, Priority: int16(b.class), AccountID: b.account, AfterDue: mark.due, AfterID: mark.id, Now: l.now(), OrderKey: key[1:],
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		behind.marks[b] = place{r.DueAt, r.ID}
		if _, known := l.known[r.ID]; !known {
			l.known[r.ID] = struct{}{}
			behind.jobs = append(behind.jobs, jobOf(r))
			b.behind++
		}
	}
	if len(rows) < page {
		delete(behind.marks, b)
		b.behind--
		l.forget(b)
	}
	return nil
}

// refill reads the bucket's next page. Rows that are in memory already are passed over.
func (l *lane) refill(ctx context.Context, b *bucket) error {
	now, rows := l.now(), on(l.queue.store.Reader())
	ready, err := rows.ReadyJobs(ctx, readyJobsParams{
		Lane: l.name, Priority: int16(b.class), AccountID: b.account, AfterDue: b.at.due, AfterID: b.at.id, Now: now,
	})
	if err != nil {
		return fmt.Errorf("read the jobs of lane %s: %w", l.name, err)
	}
	if b.look && len(ready) < page {
		due, err := rows.NextDue(ctx, nextDueParams{Lane: l.name, Priority: int16(b.class), AccountID: b.account, Now: now})
		if err != nil && !store.NoRows(err) {
			return fmt.Errorf("read the next job of lane %s: %w", l.name, err)
		}
		if err == nil {
			l.later(b, due)
		}
		b.look = false
	}
	b.more = len(ready) == page
	for _, r := range ready {
		b.at = place{r.DueAt, r.ID}
		if _, known := l.known[r.ID]; !known {
			l.known[r.ID] = struct{}{}
			b.jobs = append(b.jobs, jobOf(r))
		}
	}
	return nil
}

// look asks the rows for each bucket's first job: what nobody told us of is found by it. It costs at most a fiftieth of
// the time.
func (l *lane) look(ctx context.Context) error {
	began, now := time.Now(), l.now()
	err := l.queue.buckets(ctx, l.name, func(r nextBucketRow) { l.found(r, now) })
	if err != nil {
		return err
	}
	l.stale = false
	l.survey = began.Add(max(tick, 50*time.Since(began)))
	return nil
}

// buckets calls f with the first job of each bucket of a lane.
func (q *Queue) buckets(ctx context.Context, lane string, f func(nextBucketRow)) error {
	rows := on(q.store.Reader())
	for p := int16(1); p <= lowest; p++ {
		at := nextBucketParams{Lane: lane, Priority: p, AfterAccount: math.MinInt64}
		for {
			r, err := rows.NextBucket(ctx, at)
			if store.NoRows(err) {
				break
			}
			if err != nil {
				return fmt.Errorf("survey lane %s: %w", lane, err)
			}
			f(r)
			at.AfterAccount = r.AccountID
		}
	}
	return nil
}

func (l *lane) found(r nextBucketRow, now int64) {
	j := Job{ID: r.ID, Priority: int(r.Priority), OrderKey: r.OrderKey, order: r.DueAt}
	b := l.bucket(j.Priority, r.AccountID)
	if r.DueAt > now {
		l.later(b, r.DueAt)
		l.forget(b)
		return
	}
	_, known := l.known[j.ID]
	behind := l.busy[j.orderKey()]
	if known || j.OrderKey != "" && behind != nil && len(behind.marks) > 0 {
		l.forget(b)
		return
	}
	b.rewind(j.place())
	b.look = true
	l.queues(b)
}

// release brings the memory up to what became of a job.
func (l *lane) release(t *Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.mine && t.Next.pause > 0 {
		l.paused = l.queue.store.Now().Add(t.Next.pause)
		l.arm(t.Next.pause)
	}
	if t.mine && !t.Fenced && t.goesBack(l.queue.store.Now()) {
		l.giveBack(t)
		return
	}
	delete(l.known, t.ID)
	if t.OrderKey != "" {
		l.passOn(t.orderKey())
	}
	if t.mine && !t.Fenced && t.Next.verb == again {
		b := l.bucket(t.Priority, t.Account)
		l.later(b, t.Next.due.UnixMilli())
		l.forget(b)
	}
}

// goesBack reports whether the job is to be done again at once: it keeps its order key, so that nothing overtakes it.
func (t *Task) goesBack(now time.Time) bool {
	return t.yields || t.Next.verb == again && (t.Next.keep || !t.Next.due.After(now))
}

// giveBack puts a job where it was, before all others of its bucket.
func (l *lane) giveBack(t *Task) {
	j := t.Job
	j.Step, j.Data, j.Fence, j.Claims = t.Next.step, t.Next.data, t.held, t.tries()
	l.puts(j)
}

// unclaimed puts back a job whose claim could not be written.
func (l *lane) unclaimed(j Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.puts(j)
}

func (l *lane) puts(j Job) {
	b := l.bucket(j.Priority, j.Account)
	b.front = append([]Job{j}, b.front...)
	l.queues(b)
	l.ring()
}

// shut closes a lane in which nothing is to be done for a while, and tells when something is due again (0: never).
func (l *lane) shut() (idle bool, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	soon := l.next != 0 && l.next-l.now() < linger.Milliseconds()
	if len(l.known) > 0 || l.active > 0 || l.stale || soon || time.Since(l.worked) < linger {
		return false, 0
	}
	l.closed = true
	return true, l.next
}

// end sends all workers home.
func (l *lane) end() { l.ending.Do(func() { close(l.stop) }) }

// wait returns when there may be work, or false when there will be none.
func (l *lane) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.stop:
		return false
	case <-l.bell:
		return true
	}
}
