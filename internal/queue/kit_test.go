package queue_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// kit is a queue on a store of its own, and one kind of job.
type kit struct {
	*queue.Queue
	store *store.Store
	t     testing.TB
}

// newKit opens a queue on a fresh database.
func newKit(t testing.TB, k queue.Kind) *kit {
	t.Helper()
	return newKitOn(t, storetest.Options(t), k)
}

// newKitOn opens a queue on the database.
func newKitOn(t testing.TB, opt store.Options, k queue.Kind) *kit {
	t.Helper()
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	q := queue.New(s, quiet)
	if k.Begin == nil {
		k.Begin = nothing
	}
	if k.End == nil {
		k.End = nothing
	}
	q.Handle("job", k)
	return &kit{q, s, t}
}

func nothing(*store.Tx, []*queue.Task) error { return nil }

func (k *kit) add(jobs ...queue.Job) {
	k.t.Helper()
	if err := k.tryAdd(jobs...); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) tryAdd(jobs ...queue.Job) error {
	return k.store.Write(func(tx *store.Tx) error {
		for i := range jobs {
			j := &jobs[i]
			if j.ID == 0 {
				j.ID = tx.NewID()
			}
			if j.Lane == "" {
				j.Lane = "lane"
			}
			if j.Kind == "" {
				j.Kind = "job"
			}
			if j.Priority == 0 {
				j.Priority = 2
			}
			if j.Due.IsZero() {
				j.Due = tx.Now()
			}
		}
		return k.Add(tx, jobs)
	})
}

// jobs makes n jobs that differ by their subject.
func jobs(n int, like queue.Job) []queue.Job {
	many := make([]queue.Job, n)
	for i := range many {
		many[i] = like
		many[i].Subject = int64(i)
	}
	return many
}

func (k *kit) rows() (n int) {
	k.t.Helper()
	if err := k.store.Reader().QueryRowContext(context.Background(), "SELECT count(*) FROM job").Scan(&n); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// row is a job as it stands in the database.
func (k *kit) row(id int64) (owner, due, fence, claims, step int64) {
	k.t.Helper()
	err := k.store.Reader().QueryRowContext(context.Background(), "SELECT owner, due_at, fence, claims, step FROM job WHERE id = $1", id).
		Scan(&owner, &due, &fence, &claims, &step)
	if err != nil {
		k.t.Fatal(err)
	}
	return owner, due, fence, claims, step
}

// worked is what workers did, in order.
type worked struct {
	mu    sync.Mutex
	tasks []queue.Task
	at    []time.Time
}

func (w *worked) note(t *queue.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks, w.at = append(w.tasks, *t), append(w.at, time.Now())
}

func (w *worked) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tasks)
}

// done notes a task and ends it.
func (w *worked) done(_ context.Context, t *queue.Task) {
	w.note(t)
	t.Next = queue.Done()
}

// working runs f beside a lane that is worked, and ends the lane.
func (k *kit) working(lane string, workers int, do queue.Do, f func()) {
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.Work(ctx, context.Background(), lane, workers, nil, do) })
	f()
	end()
	running.Wait()
}

// until waits for a condition, in virtual or real time.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 s: ", what)
		}
	}
}

const (
	alice account.ID = 1
	bob   account.ID = 2
)
