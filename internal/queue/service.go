package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidings.dev/internal/store"
)

// idle is how long a lane that Serve opened stays open without work.
const idle = 10 * time.Second

// service works all lanes whose names begin alike, each while it has jobs.
type service struct {
	prefix string
	bell   chan struct{}
}

func (s *service) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Serve works every lane whose name begins with prefix until ctx ends, each with its own workers, while it has jobs.
func (q *Queue) Serve(ctx, hard context.Context, prefix string, workers int, do Do) {
	s := &service{prefix: prefix, bell: make(chan struct{}, 1)}
	q.mu.Lock()
	q.served = append(q.served, s)
	q.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		lanes, err := q.openLanes(ctx, prefix)
		if err != nil && ctx.Err() == nil {
			q.log.Error("cannot list lanes", "prefix", prefix, "err", err)
		}
		for _, name := range lanes {
			running.Go(func() { q.workWhileBusy(ctx, hard, name, workers, do) })
		}
		select {
		case <-ctx.Done():
			return
		case <-s.bell:
		case <-time.After(tick):
		}
	}
}

// openLanes lists the lanes with jobs that nobody works here yet, and takes them.
func (q *Queue) openLanes(ctx context.Context, prefix string) (names []string, err error) {
	at := nextLaneParams{AfterLane: prefix, BeforeLane: prefix + "~"}
	for {
		name, err := on(q.store.Reader()).NextLane(ctx, at)
		if store.NoRows(err) {
			return names, nil
		}
		if err != nil {
			return names, fmt.Errorf("list lanes: %w", err)
		}
		at.AfterLane = name
		q.mu.Lock()
		if _, taken := q.lanes[name]; !taken {
			q.lanes[name] = newLane(q, name, 1, nil) // a place holder until its workers start
			names = append(names, name)
		}
		q.mu.Unlock()
	}
}

// workWhileBusy works a lane until it has had no jobs for a while.
func (q *Queue) workWhileBusy(ctx, hard context.Context, name string, workers int, do Do) {
	shift, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { q.endWhenIdle(shift, end, name) })
	q.Work(shift, hard, name, workers, nil, do)
	end()
	watching.Wait()
}

// endWhenIdle ends a shift once its lane has no jobs.
func (q *Queue) endWhenIdle(shift context.Context, end context.CancelFunc, name string) {
	look := time.NewTicker(idle)
	defer look.Stop()
	for {
		select {
		case <-shift.Done():
			return
		case <-look.C:
			if n, err := q.Waiting(shift, name); err == nil && n == 0 {
				end()
			}
		}
	}
}
