package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// servers prepares a database that several servers share: each call opens one more, on a way of its own that can be cut.
func servers(t *testing.T) (open func(queue.Kind) (*kit, *storetest.Link)) {
	t.Helper()
	if !storetest.Postgres() {
		t.Skip("SQLite has one server")
	}
	opt := storetest.Options(t)
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	return func(k queue.Kind) (*kit, *storetest.Link) {
		t.Helper()
		link := storetest.NewLink(t, opt.Database)
		own := opt
		own.Dir, own.MasterKey, own.Database = t.TempDir(), string(key), link.URL()
		one := newKitOn(t, own, k)
		if err := one.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		return one, link
	}
}

func TestAJobOfAnotherServerIsWorkedAtOnce(t *testing.T) {
	t.Parallel()
	open := servers(t)
	a, _ := open(queue.Kind{})
	b, _ := open(queue.Kind{})
	var w worked
	var took []time.Duration
	b.working("lane", 2, w.done, func() {
		a.add(queue.Job{})
		until(t, "the lane is worked", func() bool { return w.len() == 1 })
		for n := range 21 {
			began := time.Now()
			a.add(queue.Job{})
			until(t, "the job is done", func() bool { return w.len() == n+2 })
			took = append(took, w.at[n+1].Sub(began))
		}
		unheard := time.Now()
		write(a, `INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at) VALUES (7, 'lane', 'job', 7, 1, '', 2, 1)`)
		until(t, "the job of which no call told is done", func() bool { return w.len() == 23 })
		if d := time.Since(unheard); d > 2*time.Second {
			t.Errorf("a job of which no call told was worked after %s", d)
		}
	})
	slices.Sort(took)
	if half := took[len(took)/2]; half > 100*time.Millisecond {
		t.Errorf("half of the jobs waited longer than %s", half)
	}
}

func TestOrderHoldsWhicheverServerAdds(t *testing.T) {
	t.Parallel()
	open := servers(t)
	a, _ := open(queue.Kind{})
	b, _ := open(queue.Kind{})
	var w worked
	b.working("lane", 4, w.done, func() {
		for n := range 300 {
			[]*kit{a, b}[n%2].add(queue.Job{Subject: int64(n), OrderKey: fmt.Sprint("to", n/2%3)})
		}
		until(t, "all done", func() bool { return w.len() == 300 })
	})
	last := map[string]int64{}
	for _, task := range w.tasks {
		if before, some := last[task.OrderKey]; some && task.Subject < before {
			t.Errorf("%s: job %d came after job %d", task.OrderKey, task.Subject, before)
		}
		last[task.OrderKey] = task.Subject
	}
}

func TestALaneIsWorkedByOneServer(t *testing.T) {
	t.Parallel()
	open := servers(t)
	a, _ := open(queue.Kind{})
	b, _ := open(queue.Kind{})
	var here, there worked
	b.working("lane", 2, there.done, func() {
		b.add(queue.Job{})
		until(t, "b has the lane", func() bool { return there.len() == 1 })
		ctx, end := context.WithCancel(t.Context())
		var second sync.WaitGroup
		second.Go(func() { a.Work(ctx, t.Context(), "lane", 2, nil, here.done) })
		for range 25 {
			a.add(queue.Job{})
			b.add(queue.Job{})
		}
		until(t, "all done", func() bool { return there.len() == 51 })
		if here.len() > 0 {
			t.Errorf("the other server did %d", here.len())
		}
		t.Cleanup(func() { end(); second.Wait() })
	})
	began := time.Now()
	b.add(queue.Job{})
	until(t, "the other takes over", func() bool { return here.len() == 1 })
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the other server took the lane over after %s", took)
	}
}

func TestAServedLaneIsOpenedByOneServer(t *testing.T) {
	t.Parallel()
	open := servers(t)
	a, _ := open(queue.Kind{})
	b, _ := open(queue.Kind{})
	var here, there worked
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.Serve(ctx, t.Context(), "hook/", 2, here.done) })
	running.Go(func() { b.Serve(ctx, t.Context(), "hook/", 2, there.done) })
	const lanes, each = 10, 20
	for range each {
		for n := range lanes {
			[]*kit{a, b}[rand.IntN(2)].add(queue.Job{Lane: fmt.Sprint("hook/", n)})
		}
	}
	until(t, "all done", func() bool { return here.len()+there.len() >= lanes*each })
	end()
	running.Wait()
	by := map[string]*worked{}
	for _, w := range []*worked{&here, &there} {
		for _, task := range w.tasks {
			if by[task.Lane] == nil {
				by[task.Lane] = w
			}
			if by[task.Lane] != w {
				t.Errorf("lane %s was worked by both", task.Lane)
			}
		}
	}
	if n := here.len() + there.len(); n != lanes*each || a.rows() != 0 {
		t.Errorf("%d of %d done, %d left", n, lanes*each, a.rows())
	}
}

// fates is what a server's handler heard of jobs.
type fates struct {
	mu           sync.Mutex
	lost, fenced map[int64]int
	ended        int
}

func (f *fates) kind() queue.Kind {
	f.lost, f.fenced = map[int64]int{}, map[int64]int{}
	return queue.Kind{
		Lost: func(tx *store.Tx, tasks []*queue.Task) error {
			for _, t := range tasks {
				tx.After(func() {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.lost[t.ID]++
				})
			}
			return nil
		},
		End: func(tx *store.Tx, tasks []*queue.Task) error {
			for _, t := range tasks {
				fenced := t.Fenced
				tx.After(func() {
					f.mu.Lock()
					defer f.mu.Unlock()
					if f.ended++; fenced {
						f.fenced[t.ID]++
					}
				})
			}
			return nil
		},
	}
}

func (f *fates) ends() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// A server that is taken for dead though it lives loses its claims to the other, which settles each once. It hears so when
// it comes back, starts again, and gets lanes again.
func TestAServerTakenForDeadComesBack(t *testing.T) {
	t.Parallel()
	open := servers(t)
	var here, there fates
	a, link := open(here.kind())
	b, _ := open(there.kind())
	gate := make(chan struct{})
	var again, survivor worked
	held := func(_ context.Context, task *queue.Task) {
		again.note(task)
		<-gate
		task.Next = queue.Done()
	}
	boot := a.store.Boot()
	ctx, end := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() { a.Work(ctx, t.Context(), "lane", 5, nil, held) })
	t.Cleanup(func() { end(); first.Wait() })
	b.add(jobs(5, queue.Job{})...)
	until(t, "all claimed", func() bool { return again.len() == 5 })
	link.Cut()
	b.working("lane", 5, survivor.done, func() {
		until(t, "the survivor does them", func() bool { return survivor.len() == 5 })
		link.Mend()
		close(gate)
		until(t, "the one that came back hears that its claims are gone", func() bool { return here.ends() == 5 })
		until(t, "it starts again", func() bool { return a.store.Boot() != boot })
	})
	if len(there.lost) != 5 || len(here.fenced) != 5 || a.rows() != 0 {
		t.Errorf("%d settled by the survivor, %d taken from their workers, %d left; 5, 5 and 0 expected", len(there.lost), len(here.fenced), a.rows())
	}
	for id, n := range there.lost {
		if n != 1 {
			t.Errorf("job %d was settled %d times", id, n)
		}
	}
	b.add(jobs(5, queue.Job{})...)
	until(t, "its lane came back", func() bool { return again.len() == 10 && b.rows() == 0 })
}

// crowd is what must be true of jobs that several servers work at while some of them die.
type crowd struct {
	mu      sync.Mutex
	working map[int64]int
	started map[int64]bool
	done    map[int64]int
	last    map[string]int64 // by lane and order key: the newest subject that was begun
	wrong   []string
}

// life is a server from its start to its death. A death ends its work at a moment, and cuts it off before it can say so.
type life struct {
	*kit
	link    *storetest.Link
	cut     chan struct{}
	end     context.CancelFunc
	running sync.WaitGroup
	dead    bool           // with tasks, under the crowd's lock
	tasks   map[int64]bool // that it works at
}

func (c *crowd) kind() queue.Kind {
	return queue.Kind{End: func(tx *store.Tx, tasks []*queue.Task) error {
		for _, t := range tasks {
			if !t.Fenced && t.Next == queue.Done() {
				tx.After(func() {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.done[t.ID]++
				})
			}
		}
		return nil
	}}
}

// begins notes that a server works at a job; false when the server is dead already.
func (c *crowd) begins(l *life, t *queue.Task) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.dead {
		return false
	}
	l.tasks[t.ID] = true
	if c.working[t.ID]++; c.working[t.ID] > 1 {
		c.wrong = append(c.wrong, fmt.Sprintf("job %d is worked at by two", t.ID))
	}
	if c.done[t.ID] > 0 {
		c.wrong = append(c.wrong, fmt.Sprintf("job %d is done and worked at again", t.ID))
	}
	key := t.Lane + t.OrderKey
	if !c.started[t.ID] && t.OrderKey != "" && t.Subject < c.last[key] {
		c.wrong = append(c.wrong, fmt.Sprintf("%s: job %d was begun after %d", key, t.Subject, c.last[key]))
	}
	c.started[t.ID], c.last[key] = true, max(c.last[key], t.Subject)
	return true
}

// stops notes that a server has done a job; false when it died meanwhile.
func (c *crowd) stops(l *life, t *queue.Task) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !l.dead {
		delete(l.tasks, t.ID)
		c.working[t.ID]--
	}
	return !l.dead
}

// buries ends all that a server works at, at one moment.
func (c *crowd) buries(l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.dead = true
	for id := range l.tasks {
		c.working[id]--
	}
}

func (c *crowd) busy() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.working {
		n += w
	}
	return n
}

var crowdLanes = []string{"lane/0", "lane/1", "lane/2", "lane/3"}

// live starts a server that works every lane that it gets.
func (c *crowd) live(open func(queue.Kind) (*kit, *storetest.Link)) *life {
	one, link := open(c.kind())
	ctx, end := context.WithCancel(context.Background())
	l := &life{kit: one, link: link, cut: make(chan struct{}), end: end, tasks: map[int64]bool{}}
	do := func(_ context.Context, t *queue.Task) {
		alive := c.begins(l, t)
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		if !alive || !c.stops(l, t) {
			<-l.cut
		}
		t.Next = queue.Done()
	}
	for _, lane := range crowdLanes {
		l.running.Go(func() { l.Work(ctx, ctx, lane, 3, nil, do) })
	}
	return l
}

// dies ends the server as a kill would.
func (l *life) dies(c *crowd) {
	c.buries(l)
	l.link.Cut()
	close(l.cut)
	l.end()
	l.running.Wait()
	_ = l.store.Close()
}

// leaves ends the server in good order.
func (l *life) leaves() {
	l.end()
	l.running.Wait()
	_ = l.store.Close()
}

func TestEveryJobIsDoneByOneServerAtATime(t *testing.T) {
	t.Parallel()
	open := servers(t)
	c := &crowd{working: map[int64]int{}, started: map[int64]bool{}, done: map[int64]int{}, last: map[string]int64{}}
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	crew := []*life{c.live(open), c.live(open)}
	added := 0
	for round := range 8 {
		adder := crew[dice.IntN(len(crew))] // one for all: which of two servers was first, their clocks tell to some milliseconds only
		for range 20 + dice.IntN(60) {
			added++
			adder.add(queue.Job{
				Lane: crowdLanes[dice.IntN(len(crowdLanes))], Subject: int64(added), Account: account.ID(1),
				OrderKey: []string{"", "a", "b"}[dice.IntN(3)],
			})
		}
		who := dice.IntN(2)
		switch {
		case round%2 == 0 && dice.IntN(3) > 0:
			crew[who].dies(c)
		case round%2 == 0:
			crew[who].leaves()
		default:
			time.Sleep(time.Duration(300+dice.IntN(1200)) * time.Millisecond)
			continue
		}
		crew[1-who].add(queue.Job{Lane: crowdLanes[0], Subject: int64(added + 1)})
		added++
		time.Sleep(time.Duration(300+dice.IntN(700)) * time.Millisecond)
		crew[who] = c.live(open)
	}
	until(t, "every job is done", func() bool { return crew[0].rows() == 0 && c.busy() == 0 })
	for _, l := range crew {
		l.leaves()
	}
	for _, text := range c.wrong {
		t.Error(text)
	}
	if len(c.started) != added {
		t.Errorf("%d of %d jobs were begun", len(c.started), added)
	}
	for id, n := range c.done {
		if n > 1 {
			t.Errorf("job %d was done %d times", id, n)
		}
	}
}
