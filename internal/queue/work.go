package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"tidings.dev/internal/fault"
)

// Do works at one task outside any transaction and sets its Next. It returns soon after ctx ends.
type Do func(ctx context.Context, t *Task)

// Work works a lane with the given number of workers until ctx ends, at no more than pace (nil: as fast as it can).
// Nothing new is claimed after ctx ends; what is under way is finished and its result committed, for which do gets the
// context hard. A lane is worked once, on one server: Work waits until whoever works it already has ended.
func (q *Queue) Work(ctx, hard context.Context, name string, workers int, pace *Pace, do Do) {
	for ctx.Err() == nil && !q.store.Closing() && !q.store.Broken() {
		l, open := q.openLane(name, workers, pace, false)
		if !open {
			select {
			case <-ctx.Done():
			case <-l.gone:
			}
			continue
		}
		if q.leases(ctx, l) {
			q.run(ctx, hard, l, workers, do)
			q.returns(hard, l)
		} else {
			q.forgets(l)
		}
	}
}

// openLane opens a lane, or tells who has it open.
func (q *Queue) openLane(name string, workers int, pace *Pace, served bool) (l *lane, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lanes[name]; l != nil {
		return l, false
	}
	l = newLane(q, name, workers, pace, served)
	q.lanes[name] = l
	q.open.Store(int64(len(q.lanes)))
	return l, true
}

// run works an open lane to its end.
func (q *Queue) run(ctx, hard context.Context, l *lane, workers int, do Do) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { l.work(ctx, hard, do) })
	}
	running.Wait()
	q.forgets(l)
}

// forgets closes a lane that nobody works here any more.
func (q *Queue) forgets(l *lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lanes[l.name] == l {
		delete(q.lanes, l.name)
		q.open.Store(int64(len(q.lanes)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.alarm.Stop()
	close(l.gone)
}

// work is one worker: the commit that stores a result also claims the next job, so that a round costs one sync.
func (l *lane) work(ctx, hard context.Context, do Do) {
	var ended *Task
	for {
		next := l.choose(ctx, ended)
		if next == nil && ended == nil {
			if !l.wait(ctx) {
				return
			}
			continue
		}
		begun, ok := l.settle(hard, ended, next)
		if !ok {
			l.end()
			return
		}
		ended = nil
		if begun {
			l.perform(hard, next, do)
			ended = l.result(hard, next)
		}
	}
}

// choose returns what the worker does next: the task it keeps, or the lane's next.
func (l *lane) choose(ctx context.Context, ended *Task) *Task {
	if ended != nil && ended.Next.verb == advance {
		if l.goesOn() {
			return ended
		}
		ended.yields = true
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	next, err := l.take(ctx)
	if err != nil && ctx.Err() == nil {
		l.queue.log.Error("cannot choose work", "lane", l.name, "err", err)
	}
	return next
}

// settle commits a result and a claim. A result is never given up before the hard end: until it is on disk its worker
// takes nothing else. ok is false when nothing can be committed any more.
func (l *lane) settle(hard context.Context, ended, next *Task) (begun, ok bool) {
	for wait := calm; ; wait = min(2*wait, 5*time.Second) {
		begun, err := l.queue.cycle(ended, next)
		switch {
		case err == nil:
			l.settled(ended, next, begun)
			return begun, true
		case l.queue.store.Broken(), l.queue.store.Closing():
			return false, false
		case ended == nil:
			l.setAside(hard, next, err)
			return false, true
		case next != nil: // one of the two cannot be written: the result goes alone
			ended.yields = ended == next
			if _, ok := l.settle(hard, ended, nil); !ok {
				return false, false
			}
			if ended == next {
				return false, true
			}
			ended = nil
			continue
		}
		l.queue.log.Error("cannot commit a result", "lane", l.name, "job", ended.ID, "err", err)
		if !sleep(hard, wait) {
			return false, false
		}
	}
}

// sleep waits, or reports false at the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// setAside lets a job that could not be begun wait like one that failed, so that it does not hold up its lane; one that
// never can be is parked. When not even that can be written, all is as before.
func (l *lane) setAside(hard context.Context, t *Task, cause error) {
	job := t.Job
	if fault.Of(cause) == nil {
		l.queue.log.Error("cannot begin a job", "lane", l.name, "kind", t.Kind, "job", t.ID, "err", cause)
		if err := l.queue.postpone(t); err == nil {
			l.settled(t, nil, false)
			return
		}
	}
	sleep(hard, calm)
	l.unclaimed(job)
}

// settled brings the lane's memory up to the rows.
func (l *lane) settled(ended, next *Task, begun bool) {
	if ended != nil && ended != next {
		l.release(ended)
	}
	if next != nil && !begun {
		l.mu.Lock()
		l.unspent()
		l.mu.Unlock()
		l.release(next)
	}
}

// perform does the work; a panic costs its own task only, which is then as one whose worker died. So is a task of which
// nobody said what becomes of it.
func (l *lane) perform(ctx context.Context, t *Task, do Do) {
	defer func() {
		p := recover()
		if p == nil && t.Next.verb != unset {
			return
		}
		l.queue.log.Error("a job panicked", "lane", l.name, "kind", t.Kind, "job", t.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		t.Panicked, t.Next = true, l.queue.retry(t)
	}()
	do(ctx, t)
}

// retry is what becomes of a job that ended its worker: it waits, and is parked when it did so too often.
func (q *Queue) retry(t *Task) Next {
	if t.Claims+1 >= poison && !q.kinds[t.Kind].Hardy {
		q.log.Error("parked a job that ended its worker too often", "kind", t.Kind, "job", t.ID, "lane", t.Lane)
		return Park()
	}
	return Again(q.store.Now().Add(Backoff(int(t.Claims))), t.Step, t.Data)
}

// Backoff is the time before try n+1 after n tries failed: 1 s doubling to 10 minutes, each up to a quarter more or less, so that
// what failed together does not come back together.
func Backoff(n int) time.Duration {
	d := time.Second << min(max(n, 0), 10)
	return Jitter(min(d, 10*time.Minute))
}

// Jitter moves a wait by up to a quarter.
func Jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
