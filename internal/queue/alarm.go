package queue

import (
	"context"
	"slices"
	"time"

	"tidings.dev/internal/account"
)

// nudge says that a job's row has moved to another place.
func (l *lane) nudge(priority int, a account.ID, at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.putOff, func(j Job) bool { return j.ID == at.id }); i >= 0 {
		l.putOff[i].wait, l.putOff[i].order = at.due, at.due
		l.arm(l.resume(l.now()))
		return
	}
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
	if l.lease != nil && l.lease.Boot != l.queue.store.Boot() { // the server counts as another since; the lease has gone
		l.closed = true
		l.end()
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
	wait := l.resume(now)
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
