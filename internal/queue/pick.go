package queue

import (
	"context"
	"slices"
	"time"
)

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
	return &Task{Job: *job, boot: l.lease.Boot}, nil
}

// mayGo reports whether the pace lets a job go now. A turn is asked for once and then kept, so that it is late, never lost
// and never doubled; one that nobody needed when it came is lost.
func (l *lane) mayGo() bool {
	if l.pace == nil {
		return true
	}
	if l.pace.closed() {
		l.arm(tick)
		return false
	}
	now := time.Now()
	if l.turn.IsZero() || now.Sub(l.turn) > l.pace.interval() {
		l.turn = l.pace.reserve(now)
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
		if job.wait > l.now() {
			l.putsOff(job)
			continue
		}
		return &job, nil
	}
}

// putsOff keeps a job, and its order key, until the job may be tried.
func (l *lane) putsOff(j Job) {
	l.putOff = append(l.putOff, j)
	l.arm(time.Duration(j.wait-l.now()) * time.Millisecond)
}

// resume gives turns to the jobs that have waited long enough, and tells how long the next one has yet to.
func (l *lane) resume(now int64) (wait time.Duration) {
	wait = tick
	l.putOff = slices.DeleteFunc(l.putOff, func(j Job) bool {
		if j.wait <= now {
			l.puts(j)
			return true
		}
		wait = min(wait, time.Duration(j.wait-now)*time.Millisecond)
		return false
	})
	return wait
}

// isPutOff tells whether the job waits with its order key.
func (l *lane) isPutOff(id int64) bool {
	return slices.ContainsFunc(l.putOff, func(j Job) bool { return j.ID == id })
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
