package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Do works at one task outside any transaction and sets its Next. It returns soon after ctx ends.
type Do func(ctx context.Context, t *Task)

// Work works a lane with the given number of workers until ctx ends, at no more than pace (nil: as fast as it can).
// Nothing new is claimed after ctx ends; what is under way is finished and its result committed, for which do gets the
// context hard.
func (q *Queue) Work(ctx, hard context.Context, name string, workers int, pace *rate.Limiter, do Do) {
	l := newLane(q, name, workers, pace)
	q.mu.Lock()
	q.lanes[name] = l
	q.mu.Unlock()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { l.work(ctx, hard, do) })
	}
	running.Wait()
	q.mu.Lock()
	delete(q.lanes, name)
	q.mu.Unlock()
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
		if next != nil && !l.mayGo() {
			l.settle(ended, nil)
			ended = nil
			l.stride(ctx)
		}
		begun := l.settle(ended, next)
		ended = nil
		if begun {
			l.perform(hard, next, do)
			ended = next
		}
	}
}

// choose returns what the worker does next: the task it keeps, or the lane's next.
func (l *lane) choose(ctx context.Context, ended *Task) *Task {
	if ended != nil && ended.Next.verb == advance {
		return ended
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

// mayGo takes a turn of the pace if there is one now.
func (l *lane) mayGo() bool { return l.pace == nil || l.pace.Allow() }

// stride waits for a turn of the pace, or for the end.
func (l *lane) stride(ctx context.Context) { _ = l.pace.Wait(ctx) }

// settle commits a result and a claim. A result is never given up: until it is on disk its worker takes nothing else.
func (l *lane) settle(ended, next *Task) (begun bool) {
	if ended == nil && next == nil {
		return false
	}
	wait := calm
	for {
		begun, err := l.queue.cycle(ended, next)
		if err == nil {
			l.settled(ended, next, begun)
			return begun
		}
		if l.queue.store.Broken() {
			return false
		}
		l.queue.log.Error("cannot commit a result", "lane", l.name, "err", err)
		if ended == nil {
			next.Next, next.mine, next.held = Back(next.Step, next.Data), true, next.Fence // its row is as it was
			l.release(next)
			time.Sleep(wait)
			return false
		}
		time.Sleep(wait)
		wait = min(2*wait, 5*time.Second)
	}
}

// settled brings the lane's memory up to the rows.
func (l *lane) settled(ended, next *Task, begun bool) {
	if ended != nil && ended != next {
		l.release(ended)
	}
	if next != nil && !begun {
		l.release(next)
	}
}

// perform does the work; a panic costs its own task only, which is then as one whose worker died.
func (l *lane) perform(ctx context.Context, t *Task, do Do) {
	defer func() {
		if p := recover(); p != nil {
			l.queue.log.Error("a job panicked", "lane", l.name, "kind", t.Kind, "job", t.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			t.Panicked, t.Next = true, Again(l.queue.store.Now().Add(Backoff(int(t.Claims))), t.Step, t.Data)
			if t.Claims+1 >= poison {
				t.Next = Park()
			}
		}
	}()
	do(ctx, t)
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
