package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// model is what must be true of jobs, kept beside the queue.
type model struct {
	mu    sync.Mutex
	jobs  map[int64]*modelJob
	order map[string][]int64 // by lane, priority, account and key, the jobs that do not back off, as they were first worked at
	wrong []string
}

type modelJob struct {
	queue.Job
	plan    []string // what happens at each try
	tries   int
	working int
	done    int
	removed bool
	backs   bool // it backs off at some time, so that others may overtake it
}

func (m *model) fail(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// do works at a job as its plan says.
func (m *model) do(_ context.Context, t *queue.Task) {
	verb := m.started(t)
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	m.mu.Lock()
	m.jobs[t.ID].working--
	m.mu.Unlock()
	switch verb {
	case "done":
		t.Next = queue.Done()
	case "again":
		t.Next = queue.Again(time.Now().Add(time.Duration(rand.IntN(3000))*time.Millisecond), t.Step+1, "again")
	case "back":
		t.Next = queue.Back(t.Step+1, "back")
	case "throttled":
		t.Next = queue.Throttled(time.Duration(rand.IntN(500))*time.Millisecond, t.Step+1, "throttled")
	case "advance":
		t.Next = queue.Advance(t.Step+1, "advance")
	case "panic":
		panic("planted")
	case "silent":
	}
}

func (m *model) started(t *queue.Task) (verb string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[t.ID]
	switch {
	case j == nil:
		m.fail("an unknown job %d is worked at", t.ID)
		return "done"
	case j.removed:
		m.fail("job %d was taken back and is worked at", t.ID)
	case j.done > 0:
		m.fail("job %d is done and worked at again", t.ID)
	case j.working > 0:
		m.fail("job %d is worked at twice at a time", t.ID)
	case t.Step != j.Step:
		m.fail("job %d is at step %d, want %d", t.ID, t.Step, j.Step)
	}
	if j.tries == 0 && j.OrderKey != "" && !j.backs {
		key := fmt.Sprint(j.Lane, j.Priority, j.Account, j.OrderKey)
		m.order[key] = append(m.order[key], j.ID)
	}
	if j.OrderKey != "" {
		for _, o := range m.jobs {
			if o != j && o.working > 0 && o.Lane == j.Lane && o.Priority == j.Priority && o.OrderKey == j.OrderKey {
				m.fail("jobs %d and %d of one order key are worked at together", j.ID, o.ID)
			}
		}
	}
	verb = "done"
	if j.tries < len(j.plan) {
		verb = j.plan[j.tries]
	}
	j.tries++
	j.working++
	if verb != "done" && verb != "panic" && verb != "silent" {
		j.Step++
	}
	return verb
}

// ends counts results, in their transactions; the model learns them once they are on disk.
func (m *model) ends(tx *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		if t.Fenced {
			m.mu.Lock()
			m.fail("job %d was taken from its worker", t.ID)
			m.mu.Unlock()
		}
		if t.Next == queue.Done() {
			tx.After(func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.jobs[t.ID].done++
			})
		}
	}
	return nil
}

func (m *model) open() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.done == 0 && !j.removed {
			n++
		}
	}
	return n
}

func TestEveryJobIsDoneExactlyOnce(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		m := &model{}
		k := newKit(t, queue.Kind{End: m.ends, Counted: true})
		round := 0
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			if round++; round > 20 {
				return // rapid has no option for fewer
			}
			m.mu.Lock()
			m.jobs, m.order, m.wrong = map[int64]*modelJob{}, map[string][]int64{}, nil
			m.mu.Unlock()
			m.live(rt, k, round)
		})
	})
}

// live runs one drawn story to its end and compares.
func (m *model) live(rt *rapid.T, k *kit, round int) {
	lanes := rapid.IntRange(1, 3).Draw(rt, "lanes")
	groups := rapid.SliceOfN(rapid.SliceOfN(drawJob(lanes, round), 1, 12), 1, 8).Draw(rt, "groups")
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range lanes {
		workers := rapid.IntRange(1, 8).Draw(rt, "workers")
		var pace *queue.Pace
		if rapid.Bool().Draw(rt, "paced") {
			pace = queue.NewPace(200)
		}
		running.Go(func() { k.Work(ctx, ctx, laneName(round, i), workers, pace, m.do) })
	}
	for _, group := range groups {
		m.addGroup(rt, k, group)
		for range rapid.IntRange(0, 3).Draw(rt, "removals") {
			m.removeOne(rt, k, rapid.IntRange(0, 1000).Draw(rt, "which"))
		}
		time.Sleep(time.Duration(rapid.IntRange(0, 20).Draw(rt, "pause")) * time.Millisecond)
	}
	for range 2000 {
		if m.open() == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	end()
	running.Wait()
	m.check(rt, k)
}

func laneName(round, i int) string { return fmt.Sprintf("model/%d/%d", round, i) }

func drawJob(lanes, round int) *rapid.Generator[*modelJob] {
	verbs := rapid.SampledFrom([]string{"again", "back", "throttled", "advance", "advance", "panic", "silent"})
	return rapid.Custom(func(rt *rapid.T) *modelJob {
		j := &modelJob{plan: rapid.SliceOfN(verbs, 0, 3).Draw(rt, "plan")}
		j.Lane = laneName(round, rapid.IntRange(0, lanes-1).Draw(rt, "lane"))
		j.Account = account.ID(rapid.IntRange(1, 3).Draw(rt, "account"))
		j.OrderKey = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "key")
		j.Priority = rapid.IntRange(1, 3).Draw(rt, "priority")
		for _, v := range j.plan {
			j.backs = j.backs || v == "again" || v == "panic" || v == "silent"
		}
		return j
	})
}

func (m *model) addGroup(rt *rapid.T, k *kit, group []*modelJob) {
	err := k.store.Write(func(tx *store.Tx) error {
		rows := make([]queue.Job, len(group))
		m.mu.Lock()
		for i, j := range group {
			j.ID, j.Kind, j.Due = tx.NewID(), "job", tx.Now()
			m.jobs[j.ID], rows[i] = j, j.Job
		}
		m.mu.Unlock()
		return k.Add(tx, rows)
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *model) removeOne(rt *rapid.T, k *kit, which int) {
	m.mu.Lock()
	var all []queue.Job
	for _, j := range m.jobs {
		if j.done == 0 && !j.removed {
			all = append(all, j.Job)
		}
	}
	m.mu.Unlock()
	if len(all) == 0 {
		return
	}
	j := all[which%len(all)]
	err := k.store.Write(func(tx *store.Tx) error {
		removed, err := k.Remove(tx, []queue.Job{j})
		if err == nil && removed[0] {
			tx.After(func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				if m.jobs[j.ID].working > 0 {
					m.fail("job %d was taken back from its worker", j.ID)
				}
				m.jobs[j.ID].removed = true
			})
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *model) check(rt *rapid.T, k *kit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.done != 1 && !j.removed || j.done > 0 && j.removed {
			m.fail("job %+v was done %d times (taken back: %v) after %d tries", j, j.done, j.removed, j.tries)
		}
	}
	for key, ids := range m.order {
		for i := 1; i < len(ids); i++ {
			if ids[i] < ids[i-1] {
				m.fail("order of %s: %d before %d", key, ids[i-1], ids[i])
			}
		}
	}
	if n := k.rows(); n != 0 {
		m.fail("%d rows are left", n)
	}
	for a := range account.ID(4) {
		if d := k.Depth(a); d != 0 {
			m.fail("account %d has depth %d", a, d)
		}
	}
	for _, w := range m.wrong {
		rt.Error(w)
	}
}
