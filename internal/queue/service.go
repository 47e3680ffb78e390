package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/store"
)

// linger is how long a lane that Serve opened stays open without work.
const linger = 10 * time.Second

// service works all lanes whose names begin alike, each while it has jobs.
type service struct {
	prefix  string
	bell    chan struct{}
	asked   map[string]struct{} // lanes that were told of work and are not open
	foreign map[string]bool     // lanes that other servers work
	next    int64               // when a lane that is not open has a job due; 0: none is known
	fresh   bool                // the list is to be made again
}

// asks tells of a job in a lane that is not open. The caller holds the queue's lock.
func (s *service) asks(lane string, due, now int64) {
	switch {
	case s.foreign[lane]:
		return
	case due-now < linger.Milliseconds():
		s.asked[lane] = struct{}{}
	default:
		s.later(due)
	}
	s.ring()
}

func (s *service) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// relist has the lanes listed again at once.
func (s *service) relist() {
	s.fresh = true
	s.ring()
}

func (s *service) later(due int64) {
	if due != 0 && due != never && (s.next == 0 || due < s.next) {
		s.next = due
	}
}

// Serve works every lane whose name begins with prefix until ctx ends, each with its own workers, while it has jobs.
func (q *Queue) Serve(ctx, hard context.Context, prefix string, workers int, do Do) {
	s := &service{prefix: prefix, bell: make(chan struct{}, 1), asked: map[string]struct{}{}, foreign: map[string]bool{}}
	q.mu.Lock()
	q.served = append(q.served, s)
	q.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	defer q.leave(s)
	var listing time.Time
	for ctx.Err() == nil {
		if q.nears(s) || !time.Now().Before(listing) {
			began := time.Now()
			if err := q.list(ctx, s); err != nil && ctx.Err() == nil {
				q.log.Error("cannot list lanes", "prefix", prefix, "err", err)
			}
			listing = began.Add(max(tick, 50*time.Since(began)))
		}
		for _, name := range q.wanted(s) {
			if l := q.opens(ctx, s, name, workers); l != nil {
				running.Go(func() {
					q.run(ctx, hard, l, workers, do)
					q.returns(hard, l)
				})
			}
		}
		timer := time.NewTimer(q.patience(s))
		select {
		case <-ctx.Done():
		case <-s.bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// opens opens a lane that has work, unless another server works it.
func (q *Queue) opens(ctx context.Context, s *service, name string, workers int) *lane {
	q.mu.Lock()
	open := q.lanes[name] != nil
	q.mu.Unlock()
	if open {
		return nil
	}
	lease, err := q.store.Take(ctx, name, 0)
	if err != nil {
		q.log.Error("cannot take a lane", "lane", name, "err", err)
	}
	if lease == nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		s.foreign[name] = true
		return nil
	}
	l, _ := q.openLane(name, workers, nil, true)
	l.begins(lease)
	return l
}

func (q *Queue) leave(s *service) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.served {
		if q.served[i] == s {
			q.served = append(q.served[:i:i], q.served[i+1:]...)
			return
		}
	}
}

// nears reports whether a lane that is not open soon has a job due; the list then tells which.
func (q *Queue) nears(s *service) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.fresh {
		s.fresh = false
		return true
	}
	if s.next == 0 || s.next-q.store.Now().UnixMilli() >= linger.Milliseconds() {
		return false
	}
	s.next = 0
	return true
}

func (q *Queue) patience(s *service) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.next == 0 {
		return tick
	}
	return min(tick, max(time.Duration(s.next-q.store.Now().UnixMilli())*time.Millisecond-linger, time.Millisecond))
}

// wanted takes the names of lanes that have work.
func (q *Queue) wanted(s *service) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := make([]string, 0, len(s.asked))
	for name := range s.asked {
		names = append(names, name)
	}
	clear(s.asked)
	return names
}

// list looks at the rows for lanes that have work and are not open.
func (q *Queue) list(ctx context.Context, s *service) error {
	held, err := q.store.Held(ctx, s.prefix, s.prefix+"~")
	if err != nil {
		return err
	}
	q.mu.Lock()
	clear(s.foreign)
	for name, boot := range held {
		s.foreign[name] = boot != q.store.Boot()
	}
	q.mu.Unlock()
	at := nextLaneParams{AfterLane: s.prefix, BeforeLane: s.prefix + "~"}
	for {
		name, err := on(q.store.Reader()).NextLane(ctx, at)
		if store.NoRows(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list lanes: %w", err)
		}
		at.AfterLane = name
		q.mu.Lock()
		open := q.lanes[name] != nil
		q.mu.Unlock()
		if open {
			continue
		}
		due, err := q.firstDue(ctx, name)
		if err != nil {
			return err
		}
		if due != never {
			q.mu.Lock()
			s.asks(name, due, q.store.Now().UnixMilli())
			q.mu.Unlock()
		}
	}
}

// firstDue is when the lane's first job is due; never for none.
func (q *Queue) firstDue(ctx context.Context, lane string) (int64, error) {
	first := int64(never)
	err := q.buckets(ctx, lane, func(r nextBucketRow) { first = min(first, r.DueAt) })
	return first, err
}

// closeIdle closes a served lane that has had nothing to do for a while. No job is told of meanwhile, so none is missed.
func (q *Queue) closeIdle(l *lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lanes[l.name] != l {
		return
	}
	idle, next := l.shut()
	if !idle {
		return
	}
	delete(q.lanes, l.name)
	q.open.Store(int64(len(q.lanes)))
	if s := q.serving(l.name); s != nil {
		s.later(next)
	}
	l.end()
}

// serving is who serves the lane, or nil. The caller holds the lock.
func (q *Queue) serving(lane string) *service {
	for _, s := range q.served {
		if strings.HasPrefix(lane, s.prefix) {
			return s
		}
	}
	return nil
}
