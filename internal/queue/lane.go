package queue

import (
	"math"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

const (
	page  = 128                    // rows that ReadyJobs and BehindKey answer at most, and jobs kept behind one order key
	pages = 8                      // pages that one look reads at most, when all they hold is behind busy order keys
	tick  = time.Second            // a lane looks at its rows by itself so often, whatever it was told
	rest  = 5 * time.Millisecond   // at least so long between two alarms
	late  = 2 * time.Second        // between a job's due time and its commit, unless its server struggles
	calm  = 100 * time.Millisecond // between tries to commit a result
)

// lane is the memory of a lane that is worked here: what is next. The rows decide; the memory may be behind, and a claim
// that comes too late touches no row. It holds a few pages of jobs however many wait.
type lane struct {
	queue  *Queue
	name   string
	pace   *Pace
	served bool          // opened by Serve: closed when nothing is to be done
	called chan struct{} // a token for whoever waits for the lease
	bell   chan struct{} // a token for a waiting worker, who passes it on while there is more to do
	stop   chan struct{} // closed when nothing more is to be done here: a served lane was idle, or the store has ended
	ending sync.Once
	gone   chan struct{} // closed when its last worker has ended

	mu      sync.Mutex
	lease   *store.Lease // nil: it waits for it
	classes [lowest + 1]class
	known   map[int64]struct{} // jobs in memory or with a worker
	busy    map[string]*line   // order keys under way, and what waits behind each
	putOff  []Job              // wait for their time, and their order keys with them
	picks   int
	active  int // buckets that have a turn coming
	stale   bool
	foreign bool      // another server has written jobs
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

func newLane(q *Queue, name string, workers int, pace *Pace, served bool) *lane {
	l := &lane{
		queue: q, name: name, pace: pace, served: served, stale: true, worked: time.Now(),
		bell: make(chan struct{}, workers), called: make(chan struct{}, 1), stop: make(chan struct{}), gone: make(chan struct{}),
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
	case l.stale, !l.queue.store.Alone(): // there may be one before it that we do not know of yet
		b.rewind(place{at.due - late.Milliseconds(), 0})
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

// release brings the memory up to what became of a job.
func (l *lane) release(t *Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.mine && t.Next.pause > 0 {
		l.paused = l.queue.store.Now().Add(t.Next.pause)
		l.arm(t.Next.pause)
		if t.Next.slows && l.pace != nil {
			l.pace.slow(time.Now())
		}
	}
	if t.mine && !t.Fenced && t.goesBack(l.queue.store.Now()) {
		l.giveBack(t)
		return
	}
	if t.mine && !t.Fenced && t.Next.verb == again && t.Next.holds && t.OrderKey != "" {
		l.putsOff(t.returned(t.Next.due.UnixMilli()))
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
func (l *lane) giveBack(t *Task) { l.puts(t.returned(0)) }

// returned is the job as its row says after it was put back.
func (t *Task) returned(wait int64) Job {
	j := t.Job
	j.Step, j.Data, j.Fence, j.Claims, j.wait = t.Next.step, t.Next.data, t.held, t.tries(), wait
	return j
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
