package queue

import (
	"fmt"
	"slices"

	"tidings.dev/internal/store"
)

// cycle is one turn of a worker: the result of its last task and the claim of its next share one commit.
type cycle struct {
	end   *Task
	begin *Task
	as    Task // end as its worker left it: a transaction may be tried twice
	begun bool // the claim succeeded and there is work to do
}

// cycle commits the result of one task and the claim of another; either may be nil.
func (q *Queue) cycle(end, begin *Task) (begun bool, err error) {
	c := &cycle{end: end, begin: begin}
	if end != nil {
		c.as = *end
	}
	err = q.cycles.Do(c, 1)
	return c.begun, err
}

// turn writes the cycles of all workers that came together.
func (q *Queue) turn(tx *store.Tx, cycles []*cycle) error {
	var ended, begun []*Task
	for _, c := range cycles {
		c.begun = false
		if c.end != nil {
			*c.end = c.as
			ended = append(ended, c.end)
		}
	}
	if err := q.end(tx, ended); err != nil {
		return err
	}
	for _, c := range cycles {
		if c.begin != nil && c.begin != c.end {
			begun = append(begun, c.begin)
		}
	}
	claimed, err := q.claim(tx, begun)
	if err != nil {
		return err
	}
	for _, t := range ended {
		if t.Next.verb != advance || t.yields {
			continue
		}
		if t.mine = !t.Fenced; t.mine {
			t.held, t.Step, t.Data, t.Claims = t.held+1, t.Next.step, t.Next.data, 0
			claimed = append(claimed, t)
		}
	}
	if err := q.begin(tx, claimed); err != nil {
		return err
	}
	for _, c := range cycles {
		c.begun = c.begin != nil && c.begin.mine && !c.begin.Settled
	}
	return nil
}

// end writes what becomes of jobs, then what their handlers learned.
func (q *Queue) end(tx *store.Tx, tasks []*Task) error {
	if err := q.dispose(tx, tasks, false); err != nil {
		return err
	}
	return q.byKind(tasks, func(k Kind, tasks []*Task) error { return k.End(tx, tasks) })
}

// begin lets handlers load what claimed jobs are about; some turn out to have nothing to do.
func (q *Queue) begin(tx *store.Tx, tasks []*Task) error {
	for _, t := range tasks {
		t.mine, t.Settled, t.Next = true, false, Next{}
	}
	if err := q.byKind(tasks, func(k Kind, tasks []*Task) error { return k.Begin(tx, tasks) }); err != nil {
		return err
	}
	settled := slices.DeleteFunc(slices.Clone(tasks), func(t *Task) bool { return !t.Settled })
	return q.dispose(tx, settled, false)
}

// claim takes the jobs that are still as they were read, from lanes that are still ours.
func (q *Queue) claim(tx *store.Tx, tasks []*Task) ([]*Task, error) {
	rows, ours := make([]claimJobParams, 0, len(tasks)), make([]*Task, 0, len(tasks))
	for _, t := range tasks {
		if t.mine = false; t.boot == 0 || t.boot == tx.Boot() {
			rows, ours = append(rows, claimJobParams{Owner: tx.Boot(), ID: t.ID, Fence: t.Fence}), append(ours, t)
		}
	}
	n, err := store.Each(tx, claimJob, rows)
	if err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}
	var claimed []*Task
	for i, t := range ours {
		if won(n[i]) {
			t.held = t.Fence + 1
			claimed = append(claimed, t)
		}
	}
	return claimed, nil
}

// dispose writes each task's Next. A task whose job is no longer its worker's becomes Fenced.
func (q *Queue) dispose(tx *store.Tx, tasks []*Task, lost bool) error {
	var done []finishJobParams
	var back []againJobParams
	var ahead []advanceJobParams
	var order [3][]*Task
	for _, t := range tasks {
		owner := tx.Boot()
		if lost {
			owner = t.owner
		}
		switch {
		case t.Next.verb == unset, t.Next.verb == finish:
			done = append(done, finishJobParams{ID: t.ID, Owner: owner, Fence: t.held})
			order[0] = append(order[0], t)
		case t.Next.verb == advance && !t.yields:
			ahead = append(ahead, advanceJobParams{Step: t.Next.step, Data: t.Next.data, ID: t.ID, Owner: owner, Fence: t.held})
			order[2] = append(order[2], t)
		default:
			back = append(back, t.back(owner, lost))
			order[1] = append(order[1], t)
		}
	}
	nd, err := store.Each(tx, finishJob, done)
	if err != nil {
		return fmt.Errorf("finish jobs: %w", err)
	}
	nb, err := store.Each(tx, againJob, back)
	if err != nil {
		return fmt.Errorf("put jobs back: %w", err)
	}
	na, err := store.Each(tx, advanceJob, ahead)
	if err != nil {
		return fmt.Errorf("advance jobs: %w", err)
	}
	for i, n := range [][]int64{nd, nb, na} {
		for k, t := range order[i] {
			t.Fenced = n[k] == 0
		}
	}
	finished := slices.DeleteFunc(order[0], func(t *Task) bool { return t.Fenced || !q.kinds[t.Kind].Counted })
	if len(finished) > 0 {
		tx.After(func() { q.finished(finished) })
	}
	return nil
}

// back is the row of a job that is put back.
func (t *Task) back(owner int64, lost bool) againJobParams {
	p := againJobParams{DueAt: t.Next.due.UnixMilli(), Step: t.Next.step, Data: t.Next.data, ID: t.ID, Owner: owner, Fence: t.held}
	switch {
	case t.Next.verb == park:
		p.DueAt, p.Step, p.Data = never, t.Step, t.Data
	case t.Next.keep, t.yields:
		p.DueAt = t.order
	case t.Next.holds:
		p.DueAt, p.WaitUntil = t.order, p.DueAt
	}
	if p.Claims = t.tries(); lost {
		p.Claims = t.Claims
	}
	return p
}

// tries is how many claims in a row now brought no result.
func (t *Task) tries() int64 {
	if t.Panicked || t.failed {
		return t.Claims + 1
	}
	return 0
}

// postpone lets a job that cannot be begun wait as one that failed.
func (q *Queue) postpone(t *Task) error {
	return q.store.Write(func(tx *store.Tx) error {
		claimed, err := q.claim(tx, []*Task{t})
		if err != nil || len(claimed) == 0 {
			return err
		}
		t.mine, t.failed, t.Next = true, true, q.retry(t)
		return q.dispose(tx, claimed, false)
	})
}

// finished takes jobs that are done off their accounts' depth.
func (q *Queue) finished(tasks []*Task) {
	for _, t := range tasks {
		q.depth.add(t.Account, -1)
	}
}

// byKind calls f once for each kind among the tasks.
func (q *Queue) byKind(tasks []*Task, f func(Kind, []*Task) error) error {
	for len(tasks) > 0 {
		kind := tasks[0].Kind
		var same, rest []*Task
		for _, t := range tasks {
			if t.Kind == kind {
				same = append(same, t)
				continue
			}
			rest = append(rest, t)
		}
		k, ok := q.kinds[kind]
		if !ok {
			return fmt.Errorf("nobody knows how to do %q", kind)
		}
		if err := f(k, same); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		tasks = rest
	}
	return nil
}
