package queue

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// Recover gives back what servers that are no more had claimed: their workers are dead. It must return before new work
// starts. From then on the jobs of each server that dies beside this one are given back, too.
func (q *Queue) Recover(ctx context.Context) error {
	owners, err := on(q.store.Reader()).Owners(ctx)
	if err != nil {
		return fmt.Errorf("find who claimed jobs: %w", err)
	}
	living, err := q.store.Living(ctx)
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if slices.Contains(living, owner) {
			continue
		}
		if err := q.recover(ctx, owner); err != nil {
			return err
		}
	}
	q.store.OnDeath(q.recover)
	if err := q.store.Bury(ctx); err != nil {
		return err
	}
	return q.recount(ctx)
}

// recover gives back what a dead server had claimed.
func (q *Queue) recover(_ context.Context, owner int64) error {
	limit := math.MaxInt
	for {
		n, err := q.giveBack(owner, limit)
		switch {
		case err != nil && (limit == 1 || fault.Of(err) != nil):
			return fmt.Errorf("give back lost jobs: %w", err)
		case err != nil:
			limit = 1 // one that its handler cannot settle must not keep the others
		case n == 0:
			return nil
		}
	}
}

// giveBack settles some of the jobs that a dead server had claimed, and tells how many. One alone that its handler cannot
// settle is parked: it must not keep the server from starting.
func (q *Queue) giveBack(owner int64, limit int) (n int, err error) {
	err = q.store.Write(func(tx *store.Tx) error {
		rows, err := lostOf(tx, owner, limit)
		n = len(rows)
		if err != nil || n == 0 {
			return err
		}
		return q.lost(tx, rows)
	})
	if err == nil || limit > 1 || fault.Of(err) != nil {
		return n, err
	}
	return n, q.store.Write(func(tx *store.Tx) error {
		rows, failed := lostOf(tx, owner, limit)
		if failed != nil || len(rows) == 0 {
			return failed
		}
		q.log.Error("parked a lost job that cannot be settled", "kind", rows[0].Kind, "job", rows[0].ID, "lane", rows[0].Lane, "err", err)
		t := &Task{Job: jobOf(rows[0]), held: rows[0].Fence, owner: rows[0].Owner, Next: Park()}
		return q.dispose(tx, []*Task{t}, true)
	})
}

// lostOf reads jobs of a dead server within the transaction that settles them, since others may settle them too.
func lostOf(tx *store.Tx, owner int64, limit int) ([]jobRecord, error) {
	found, err := store.Find[jobRecord](tx, lostJobs, []int64{owner})
	if err != nil {
		return nil, fmt.Errorf("find lost jobs: %w", err)
	}
	rows := make([]jobRecord, min(len(found), limit))
	for i := range rows {
		rows[i] = found[i].Row
	}
	return rows, nil
}

// lost asks each job's handler what becomes of it. One that killed its worker too often is parked.
func (q *Queue) lost(tx *store.Tx, rows []jobRecord) error {
	tasks := make([]*Task, len(rows))
	for i, r := range rows {
		job := jobOf(r)
		tasks[i] = &Task{Job: job, held: r.Fence, owner: r.Owner, Next: Back(r.Step, r.Data)}
	}
	err := q.byKind(tasks, func(k Kind, tasks []*Task) error { return k.lost(tx, tasks) })
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Next.verb == advance { // nobody is there to go on
			t.Next = Back(t.Next.step, t.Next.data)
		}
		if t.Claims >= poison && t.Next.verb == again && !q.kinds[t.Kind].Hardy {
			q.log.Error("parked a job that ended its worker too often", "kind", t.Kind, "job", t.ID, "lane", t.Lane)
			t.Next = Park()
		}
	}
	return q.dispose(tx, tasks, true)
}

// Sweep ends jobs whose time is over, until ctx ends.
func (q *Queue) Sweep(ctx context.Context) {
	recount, every := time.Now(), time.Minute
	if q.store.Shared() { // what other servers add and finish shows only so
		every = 5 * time.Second
	}
	for ctx.Err() == nil {
		n, err := q.expire(ctx)
		if err == nil && time.Since(recount) > every {
			recount, err = time.Now(), q.recount(ctx)
		}
		if err != nil && ctx.Err() == nil {
			q.log.Error("cannot sweep the queue", "err", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
}

func (q *Queue) expire(ctx context.Context) (int, error) {
	rows, err := on(q.store.Reader()).ExpiredJobs(ctx, expiredJobsParams{Now: q.store.Now().UnixMilli()})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	tasks := make([]*Task, len(rows))
	for i, r := range rows {
		tasks[i] = &Task{Job: jobOf(r), Next: Done()}
	}
	err = q.store.Write(func(tx *store.Tx) error { return q.overdue(tx, tasks) })
	if err == nil || len(tasks) == 1 || fault.Of(err) != nil {
		return len(tasks), err
	}
	for _, t := range tasks { // one whose end cannot be written keeps nobody else
		alone := q.store.Write(func(tx *store.Tx) error { return q.overdue(tx, []*Task{t}) })
		if alone != nil {
			q.log.Error("cannot end a job whose time is over", "kind", t.Kind, "job", t.ID, "err", alone)
		}
	}
	return len(tasks), err
}

// overdue claims the expired jobs and, of those that were still free, tells their handlers and removes them.
func (q *Queue) overdue(tx *store.Tx, tasks []*Task) error {
	claimed, err := q.claim(tx, tasks)
	if err != nil {
		return err
	}
	err = q.byKind(claimed, func(k Kind, tasks []*Task) error {
		if k.Expired == nil {
			return nil
		}
		return k.Expired(tx, tasks)
	})
	if err != nil {
		return err
	}
	return q.dispose(tx, claimed, false)
}

// depth is how many counted jobs each account has. It limits; it never decides what is worked.
type depth struct {
	mu sync.Mutex
	of map[account.ID]int
}

func newDepth() depth { return depth{of: map[account.ID]int{}} }

func (d *depth) add(a account.ID, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[a] += n
}

// Depth is about how many counted jobs the account has waiting.
func (q *Queue) Depth(a account.ID) int {
	q.depth.mu.Lock()
	defer q.depth.mu.Unlock()
	return q.depth.of[a]
}

// recount takes the depth from the rows.
func (q *Queue) recount(ctx context.Context) error {
	fresh := map[account.ID]int{}
	for kind, k := range q.kinds {
		if !k.Counted {
			continue
		}
		rows, err := on(q.store.Reader()).CountJobs(ctx, countJobsParams{Kind: kind})
		if err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
		for _, r := range rows {
			fresh[r.AccountID] += int(min(r.N, math.MaxInt32))
		}
	}
	q.depth.mu.Lock()
	defer q.depth.mu.Unlock()
	q.depth.of = fresh
	return nil
}
