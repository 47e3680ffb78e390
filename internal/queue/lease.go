package queue

import (
	"context"
	"time"

	"tidings.dev/internal/store"
)

// leaseLook is how often the lease of a lane is asked for, whatever was heard of it.
const leaseLook = time.Second

// leases waits until this server alone may work the lane, or reports false at the end of ctx.
func (q *Queue) leases(ctx context.Context, l *lane) bool {
	for {
		lease, err := q.store.Take(ctx, l.name, 0)
		if err != nil && ctx.Err() == nil {
			q.log.Error("cannot take a lane", "lane", l.name, "err", err)
		}
		if lease != nil {
			l.begins(lease)
			return true
		}
		timer := time.NewTimer(leaseLook)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-l.called:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// begins is called once the lane may be worked.
func (l *lane) begins(lease *store.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lease, l.stale = lease, true
}

// returns gives the lease of a lane back.
func (q *Queue) returns(hard context.Context, l *lane) {
	if err := q.store.Give(hard, l.lease); err != nil && !q.store.Closing() {
		q.log.Error("cannot give a lane back", "lane", l.name, "err", err)
	}
}

// woken looks at lanes that another server wrote to, or may have.
func (q *Queue) woken(names []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.store.Now().UnixMilli()
	for _, name := range names {
		if name == store.Everyone {
			names = nil
			break
		}
		if l := q.lanes[name]; l != nil {
			l.wake()
		} else if s := q.serving(name); s != nil {
			delete(s.foreign, name)
			s.asks(name, now, now)
		}
	}
	if len(names) > 0 {
		return
	}
	for _, l := range q.lanes {
		l.wake()
	}
	for _, s := range q.served {
		s.relist()
	}
}

// wake has the rows looked at soon, and the lease asked for.
func (l *lane) wake() {
	select {
	case l.called <- struct{}{}:
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.foreign = true
	if !l.stale {
		l.survey = time.Now()
		l.arm(rest)
	}
}

// reread has every bucket's rows read again from where another server may have written since.
func (l *lane) reread(now int64) {
	l.foreign = false
	for i := range l.classes {
		for _, b := range l.classes[i].buckets {
			b.rewind(place{now - late.Milliseconds(), 0})
			l.queues(b)
		}
	}
}

// calls tells the other servers of lanes that jobs were written to and that nobody works here.
func (q *Queue) calls(tx *store.Tx, jobs []Job) error {
	if !q.store.Shared() {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var names []string
	for _, j := range jobs {
		if l := q.lanes[j.Lane]; l != nil && l.held() {
			continue
		}
		if s := q.serving(j.Lane); s == nil || s.foreign[j.Lane] {
			names = append(names, j.Lane)
		}
	}
	return tx.Wake(names)
}

// held reports whether this server works the lane.
func (l *lane) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease != nil
}
