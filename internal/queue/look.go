package queue

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidings.dev/internal/store"
)

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

// look asks the rows for each bucket's first job: what nobody told us of is found by it. All lanes
// together spend at most a fiftieth of the time on it, so that a thousand idle ones cost little.
func (l *lane) look(ctx context.Context) error {
	began, now := time.Now(), l.now()
	err := l.queue.buckets(ctx, l.name, func(r nextBucketRow) { l.found(r, now) })
	if err != nil {
		return err
	}
	if l.foreign {
		l.reread(now)
	}
	l.stale = false
	l.survey = began.Add(max(tick, 50*time.Since(began)*time.Duration(l.queue.open.Load())))
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
	if l.isPutOff(j.ID) { // what is behind it may be another's
		b.rewind(place{j.order, j.ID + 1})
		b.look = true
		l.queues(b)
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
