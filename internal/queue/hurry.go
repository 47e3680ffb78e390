package queue

import (
	"context"
	"fmt"

	"tidings.dev/internal/store"
)

// Hurry makes jobs that nobody works at due at their Due.
func (q *Queue) Hurry(tx *store.Tx, jobs []Job) error {
	rows := make([]hurryJobParams, len(jobs))
	for i, j := range jobs {
		rows[i] = hurryJobParams{DueAt: j.Due.UnixMilli(), ID: j.ID}
	}
	if err := store.Run(tx, hurryJob, rows); err != nil {
		return fmt.Errorf("hurry jobs: %w", err)
	}
	tx.After(func() { q.hurried(jobs) })
	return q.calls(tx, jobs)
}

// hurried tells whoever works the jobs' lanes.
func (q *Queue) hurried(jobs []Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range jobs {
		q.tells(j.Lane, j.Due.UnixMilli(), func(l *lane) { l.nudge(j.Priority, j.Account, place{j.Due.UnixMilli(), j.ID}) })
	}
}

// Waiting counts the jobs of a lane, those that are worked at included.
func (q *Queue) Waiting(ctx context.Context, lane string) (int, error) {
	n, err := on(q.store.Reader()).CountLane(ctx, countLaneParams{Lane: lane})
	if err != nil {
		return 0, fmt.Errorf("count the jobs of lane %s: %w", lane, err)
	}
	return int(n), nil
}

// Depths counts the jobs of all lanes whose names begin alike by their priority, those that are worked at included. db is a
// transaction's queries, or the reader.
func (q *Queue) Depths(ctx context.Context, db store.Queryer, prefix string) (map[int]int, error) {
	rows, err := on(db).CountLanesFrom(ctx, countLanesFromParams{FromLane: prefix, BeforeLane: prefix + "~"})
	if err != nil {
		return nil, fmt.Errorf("count the jobs of lanes %s: %w", prefix, err)
	}
	depths := map[int]int{}
	for _, r := range rows {
		depths[int(r.Priority)] = int(r.N)
	}
	return depths, nil
}

// Backlog counts the jobs of one priority in a lane, as far as a number, those that are worked at included.
func (q *Queue) Backlog(ctx context.Context, lane string, priority, most int) (int, error) {
	n, err := on(q.store.Reader()).CountSome(ctx, countSomeParams{Lane: lane, Priority: int16(priority), Most: int64(most)})
	if err != nil {
		return 0, fmt.Errorf("count the jobs of lane %s: %w", lane, err)
	}
	return int(n), nil
}
