package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestUrgentJobsGoFirstAndNoneStarves(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		for p := 3; p >= 1; p-- {
			k.add(jobs(200, queue.Job{Priority: p, Account: alice})...)
		}
		var w worked
		k.working("lane", 1, w.done, func() { until(t, "all done", func() bool { return w.len() == 600 }) })
		var first [4]int // how many of each priority were among the first hundred
		for _, task := range w.tasks[:100] {
			first[task.Priority]++
		}
		if first[1] < 70 || first[2] < 5 || first[3] < 5 {
			t.Errorf("of the first 100 there were %d urgent, %d normal, %d bulk", first[1], first[2], first[3])
		}
	})
}

func TestAccountsTakeTurns(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		for a := range account.ID(10) {
			k.add(jobs(20*(int(a)+1), queue.Job{Account: a + 1})...) // unequal queues
		}
		var w worked
		k.working("lane", 4, w.done, func() { until(t, "all done", func() bool { return w.len() == 1100 }) })
		counts := map[account.ID]int{}
		for _, task := range w.tasks[:150] { // while all ten have something waiting
			counts[task.Account]++
		}
		for a := range account.ID(10) {
			if n := counts[a+1]; n < 12 || n > 18 {
				t.Errorf("account %d had %d of 150 turns, want 15", a+1, n)
			}
		}
	})
}

func TestAccountsTakeTurnsUnderAPace(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(jobs(100, queue.Job{Account: alice})...)
		k.add(jobs(100, queue.Job{Account: bob})...)
		var w worked
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { k.Work(ctx, t.Context(), "lane", 10, queue.NewPace(10), w.done) })
		time.Sleep(4 * time.Second)
		k.add(queue.Job{Account: bob, Priority: 1, Subject: -1})
		time.Sleep(time.Second)
		end()
		running.Wait()
		counts, urgent := map[account.ID]int{}, -1
		for i, task := range w.tasks {
			counts[task.Account]++
			if task.Subject == -1 {
				urgent = i
			}
		}
		if n := w.len(); n < 48 || n > 52 {
			t.Errorf("%d jobs in 5 s at 10/s", n)
		}
		if d := counts[alice] - counts[bob]; d < -5 || d > 5 {
			t.Errorf("turns: %v", counts)
		}
		if urgent < 0 || urgent > 42 {
			t.Errorf("the urgent job came as number %d; 40 were done before it was there", urgent)
		}
		for i := 1; i < len(w.at); i++ { // no bursts
			if d := w.at[i].Sub(w.at[i-1]); d < 90*time.Millisecond {
				t.Errorf("job %d came %s after the one before", i, d)
			}
		}
	})
}

func TestBulkOfOneAccountDoesNotDelayAnothersOTP(t *testing.T) {
	t.Parallel()
	k := newKit(t, queue.Kind{Counted: true})
	write(k, `INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i, 'lane', 'job', i, 1, '', 3, 1 FROM n`)
	if err := k.Recover(t.Context()); err != nil { // counts them
		t.Fatal(err)
	}
	otp := make(chan time.Time, 1)
	var bulk atomic.Int64
	k.working("lane", 10, func(_ context.Context, task *queue.Task) {
		if task.Priority == 1 {
			otp <- time.Now()
		}
		bulk.Add(1)
		time.Sleep(2 * time.Millisecond)
		task.Next = queue.Done()
	}, func() {
		until(t, "bulk is flowing", func() bool { return bulk.Load() > 50 })
		if d := k.Depth(alice); d < 49_000 {
			t.Errorf("depth %d", d)
		}
		began := time.Now()
		k.add(queue.Job{Account: bob, Priority: 1})
		if took := (<-otp).Sub(began); took > time.Second {
			t.Errorf("the otp left after %s", took)
		}
	})
}

func TestThousandsBehindOneOrderKeyStayFastAndInOrder(t *testing.T) {
	t.Parallel()
	k := newKit(t, queue.Kind{})
	const many = 800
	for i := range 4 {
		batch := jobs(many/4, queue.Job{Account: alice, OrderKey: "one"})
		for j := range batch {
			batch[j].Subject += int64(i * many / 4)
		}
		k.add(batch...)
	}
	k.add(jobs(100, queue.Job{Account: alice, Subject: -1})...) // behind them, in no order
	var w worked
	began := time.Now()
	k.working("lane", 8, w.done, func() {
		until(t, "all done", func() bool { return w.len() == many+100 })
	})
	t.Logf("%d jobs behind one key: %s", many, time.Since(began))
	last := int64(-1)
	free := 0
	for i, task := range w.tasks {
		if task.OrderKey == "" {
			free = i
			continue
		}
		if task.Subject != last+1 {
			t.Fatalf("job %d came after job %d", task.Subject, last)
		}
		last = task.Subject
	}
	if free > many/2 {
		t.Errorf("jobs without a key waited for those with one: the last came as number %d", free)
	}
}

func TestScheduledJobsRunOnTime(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		var w worked
		k.working("lane", 4, w.done, func() {
			var all []queue.Job
			for i := range 50 {
				all = append(all, queue.Job{Account: account.ID(i % 7), Priority: 1 + i%3, Due: k.store.Now().Add(time.Duration(1000+i*137) * time.Millisecond)})
			}
			k.add(all...)
			until(t, "all done", func() bool { return w.len() == 50 })
		})
		for i, task := range w.tasks {
			if late := w.at[i].Sub(task.Due); late < 0 || late > 20*time.Millisecond {
				t.Errorf("a job due at %s was late by %s", task.Due, late)
			}
		}
	})
}

func TestScheduledJobsRunOnTimeWhileOtherWorkersAreBusy(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		var w worked
		do := func(_ context.Context, task *queue.Task) {
			w.note(task)
			if task.Subject == 7 {
				time.Sleep(5 * time.Second)
			}
			task.Next = queue.Done()
			if task.Subject == 8 && task.Step == 0 {
				task.Next = queue.Again(k.store.Now().Add(1300*time.Millisecond), 1, "")
			}
		}
		k.working("lane", 2, do, func() {
			k.add(queue.Job{Subject: 8}) // whoever puts it back then has the long job
			k.add(queue.Job{Subject: 7, Due: k.store.Now().Add(time.Second)})
			until(t, "done", func() bool { return w.len() == 3 })
		})
		if late := w.at[2].Sub(w.at[0]); late > 1340*time.Millisecond {
			t.Errorf("the second try came after %s", late)
		}
	})
}

func TestAThrottledJobKeepsItsPlaceAndItsLaneRests(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(jobs(5, queue.Job{OrderKey: "k", Account: alice})...)
		var w worked
		var once sync.Once
		k.working("lane", 4, func(ctx context.Context, task *queue.Task) {
			w.done(ctx, task)
			once.Do(func() { task.Next = queue.Throttled(700*time.Millisecond, 1, "x") })
		}, func() { until(t, "all done", func() bool { return w.len() == 6 }) })
		if d := w.at[1].Sub(w.at[0]); d < 700*time.Millisecond || d > 730*time.Millisecond {
			t.Errorf("the lane rested for %s", d)
		}
		var subjects []int64
		for _, task := range w.tasks {
			subjects = append(subjects, task.Subject)
		}
		if want := []int64{0, 0, 1, 2, 3, 4}; !slices.Equal(subjects, want) {
			t.Errorf("order %v, want %v", subjects, want)
		}
		if second := w.tasks[1]; second.Step != 1 || second.Data != "x" {
			t.Errorf("the second try is at %d %q", second.Step, second.Data)
		}
	})
}

// TestWhatIsBehindAJobInOrderWaitsForIt, whoever works the lane by then.
func TestWhatIsBehindAJobInOrderWaitsForIt(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(append(jobs(300, queue.Job{OrderKey: "k", Account: alice}), queue.Job{OrderKey: "other", Account: alice, Subject: 500})...)
		var w worked
		var due time.Time
		do := func(ctx context.Context, task *queue.Task) {
			w.done(ctx, task)
			if task.Subject == 0 && task.Step == 0 {
				due = k.store.Now().Add(20 * time.Second)
				task.Next = queue.InOrder(due, 1, "x")
			}
		}
		k.working("lane", 4, do, func() {
			until(t, "the first try and the other key's job", func() bool { return w.len() == 2 })
			time.Sleep(5 * time.Second)
			k.add(queue.Job{OrderKey: "k", Account: alice, Subject: 300})
		})
		if w.len() != 2 {
			t.Fatalf("%d jobs went while the first of their key waited", w.len())
		}
		k.working("lane", 4, do, func() { until(t, "all done", func() bool { return w.len() == 303 }) })
		var again time.Time
		next := int64(0)
		for i, task := range w.tasks {
			if task.Subject == 500 || task.Subject == 0 && task.Step == 0 { // the first try, which may be after the other key's job
				continue
			}
			if task.Subject == 0 {
				again = w.at[i]
				if task.Data != "x" || task.Step != 1 {
					t.Errorf("the second try is at %d %q", task.Step, task.Data)
				}
			}
			if task.Subject != next {
				t.Fatalf("job %d went where %d should", task.Subject, next)
			}
			next++
		}
		if d := again.Sub(due); d < 0 || d > 50*time.Millisecond {
			t.Errorf("the second try came %s after its time", d)
		}
	})
}

func TestAJobInOrderCanBeHurried(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(jobs(3, queue.Job{OrderKey: "k", Account: alice})...)
		var w worked
		k.working("lane", 2, func(ctx context.Context, task *queue.Task) {
			w.done(ctx, task)
			if task.Subject == 0 && task.Step == 0 {
				task.Next = queue.InOrder(k.store.Now().Add(time.Hour), 1, "")
			}
		}, func() {
			until(t, "the first try", func() bool { return w.len() == 1 })
			time.Sleep(3 * time.Second)
			job := w.tasks[0].Job
			job.Due = k.store.Now()
			began := time.Now()
			if err := k.store.Write(func(tx *store.Tx) error { return k.Hurry(tx, []queue.Job{job}) }); err != nil {
				t.Error(err)
			}
			until(t, "all done", func() bool { return w.len() == 4 })
			if d := time.Since(began); d > 50*time.Millisecond {
				t.Errorf("after %s", d)
			}
		})
		if w.tasks[1].Subject != 0 {
			t.Errorf("job %d went first", w.tasks[1].Subject)
		}
	})
}

func TestPartsUnderAPaceAllGoAndInOrder(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(jobs(4, queue.Job{OrderKey: "k", Account: alice})...)
		var w worked
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			k.Work(ctx, t.Context(), "lane", 4, queue.NewPace(20), func(_ context.Context, task *queue.Task) {
				w.note(task)
				if task.Next = queue.Done(); task.Step < 2 {
					task.Next = queue.Advance(task.Step+1, "")
				}
			})
		})
		until(t, "all parts of all jobs went", func() bool { return w.len() == 12 })
		end()
		running.Wait()
		for i, task := range w.tasks {
			if task.Subject != int64(i/3) || task.Step != int64(i%3) {
				t.Errorf("number %d is part %d of job %d", i, task.Step, task.Subject)
			}
		}
		if n := k.rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if d := w.at[11].Sub(w.at[0]); d < 540*time.Millisecond || d > 600*time.Millisecond {
			t.Errorf("12 parts at 20/s took %s", d)
		}
	})
}

func TestAJobThatPanicsIsParkedAfterFiveTries(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		job := queue.Job{ID: 77, OrderKey: "k"}
		k.add(job)
		var w worked
		k.working("lane", 2, func(_ context.Context, task *queue.Task) {
			w.note(task)
			if task.ID == 77 {
				panic("planted")
			}
			task.Next = queue.Done()
		}, func() {
			time.Sleep(2 * time.Minute)
			k.add(queue.Job{ID: 78, OrderKey: "k"})
			until(t, "the next one of its key goes", func() bool { return w.len() == 6 })
		})
		if owner, due, _, _, _ := k.row(77); owner != 0 || due < 1<<62 {
			t.Errorf("the job is not parked: owner %d, due %d", owner, due)
		}
	})
}

func TestAJobThatCannotBeBegunHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{Begin: func(_ *store.Tx, tasks []*queue.Task) error {
			for _, task := range tasks {
				if task.Subject == 3 {
					return errors.New("planted")
				}
			}
			return nil
		}})
		k.add(jobs(20, queue.Job{Account: alice})...)
		k.add(queue.Job{ID: 5, Kind: "unheard of", Account: alice})
		var w worked
		k.working("lane", 4, w.done, func() {
			until(t, "all others are done", func() bool { return w.len() == 19 })
			time.Sleep(5 * time.Minute)
		})
		if n := k.rows(); n != 2 {
			t.Errorf("%d rows are left, want the two parked ones", n)
		}
		if owner, due, _, _, _ := k.row(5); owner != 0 || due < 1<<62 {
			t.Errorf("the job of an unknown kind is not parked: owner %d, due %d", owner, due)
		}
	})
}

func TestBeginMaySettleAJob(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		var later atomic.Bool
		k := newKit(t, queue.Kind{Counted: true, Begin: func(tx *store.Tx, tasks []*queue.Task) error {
			for _, task := range tasks {
				switch {
				case task.Subject == 1:
					task.Settled, task.Next = true, queue.Done()
				case task.Subject == 2 && later.CompareAndSwap(false, true):
					task.Settled, task.Next = true, queue.Again(tx.Now().Add(time.Second), 5, "later")
				}
			}
			return nil
		}})
		k.add(jobs(4, queue.Job{OrderKey: "k", Account: alice})...)
		var w worked
		k.working("lane", 2, w.done, func() { until(t, "three are done", func() bool { return w.len() == 3 }) })
		if n := k.rows(); n != 0 || k.Depth(alice) != 0 {
			t.Errorf("%d rows are left, depth %d", n, k.Depth(alice))
		}
		if last := w.tasks[2]; last.Subject != 2 || last.Step != 5 {
			t.Errorf("the last was %+v", last)
		}
	})
}

func TestNothingIsClaimedAfterTheEndAndResultsAreKept(t *testing.T) {
	t.Parallel()
	for _, pace := range []*queue.Pace{nil, queue.NewPace(1000)} {
		storetest.Virtual(t, func(t *testing.T) {
			k := newKit(t, queue.Kind{})
			k.add(jobs(100, queue.Job{Account: alice})...)
			ctx, end := context.WithCancel(t.Context())
			var ended atomic.Bool
			var running sync.WaitGroup
			var w worked
			running.Go(func() {
				k.Work(ctx, t.Context(), "lane", 5, pace, func(hard context.Context, task *queue.Task) {
					if ended.Load() {
						t.Error("a job was begun after the end")
					}
					time.Sleep(300 * time.Millisecond)
					if hard.Err() != nil {
						t.Error("the work was cut off")
					}
					w.done(hard, task)
				})
			})
			time.Sleep(450 * time.Millisecond)
			ended.Store(true)
			end()
			running.Wait()
			if n := w.len(); n != 10 || k.rows() != 90 {
				t.Errorf("%d are done, %d rows are left", n, k.rows())
			}
			var owned int
			if err := k.store.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM job WHERE owner <> 0").Scan(&owned); err != nil || owned != 0 {
				t.Errorf("%d jobs are still claimed, %v", owned, err)
			}
		})
	}
}

func TestWorkersEndWithTheStoreAndAtTheHardEnd(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		var stuck atomic.Bool
		k := newKit(t, queue.Kind{End: func(_ *store.Tx, _ []*queue.Task) error {
			if stuck.Load() {
				return errors.New("planted")
			}
			return nil
		}})
		k.add(jobs(50, queue.Job{})...)
		ctx, end := context.WithCancel(t.Context())
		hard, cut := context.WithCancel(t.Context())
		var running sync.WaitGroup
		var w worked
		running.Go(func() {
			k.Work(ctx, hard, "lane", 3, nil, func(hard context.Context, task *queue.Task) {
				time.Sleep(2 * time.Millisecond)
				w.done(hard, task)
			})
		})
		until(t, "some are done", func() bool { return w.len() > 10 })
		stuck.Store(true)
		end()
		time.Sleep(3 * time.Second)
		cut()
		running.Wait()
		stuck.Store(false)
		running.Go(func() {
			k.Work(t.Context(), t.Context(), "lane", 3, nil, func(_ context.Context, task *queue.Task) {
				time.Sleep(10 * time.Millisecond)
				task.Next = queue.Done()
			})
		})
		time.Sleep(time.Millisecond)
		if err := k.store.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
}

func TestAWorkerThatLostItsJobWritesOnlyFacts(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		var fenced atomic.Int64
		k := newKit(t, queue.Kind{Counted: true, End: func(_ *store.Tx, tasks []*queue.Task) error {
			for _, task := range tasks {
				if task.Fenced {
					fenced.Add(1)
				}
			}
			return nil
		}})
		k.add(queue.Job{ID: 9, Account: alice}, queue.Job{ID: 10, Account: alice})
		var w worked
		k.working("lane", 1, func(_ context.Context, task *queue.Task) {
			w.note(task)
			err := k.store.Write(func(tx *store.Tx) error { // someone else takes it over
				_, err := store.Each(tx, "UPDATE job SET fence = fence + 1 WHERE id = $1", []int64{task.ID})
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if task.Next = queue.Done(); task.ID == 10 {
				task.Next = queue.Advance(1, "") // it must not go on
			}
		}, func() {
			until(t, "both are fenced", func() bool { return fenced.Load() == 2 })
			time.Sleep(time.Second)
		})
		if n := w.len(); n != 2 || k.rows() != 2 || k.Depth(alice) != 2 {
			t.Errorf("%d tries, %d rows, depth %d", n, k.rows(), k.Depth(alice))
		}
	})
}

func TestServedLanesOpenAndClose(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(queue.Job{Lane: "hook/early", Subject: 1})
		ctx, end := context.WithCancel(t.Context())
		var w worked
		var now, most atomic.Int64
		var running sync.WaitGroup
		running.Go(func() {
			k.Serve(ctx, t.Context(), "hook/", 2, func(_ context.Context, task *queue.Task) {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				w.note(task)
				if task.Subject == 3 {
					time.Sleep(30 * time.Second) // a slow one holds up only its own worker
				}
				task.Next = queue.Done()
			})
		})
		until(t, "the job that was there", func() bool { return w.len() == 1 })
		took := func(jobs ...queue.Job) time.Duration {
			began, n := time.Now(), w.len()+len(jobs)
			k.add(jobs...)
			until(t, "served", func() bool { return w.len() >= n })
			return time.Since(began)
		}
		if d := took(queue.Job{Lane: "hook/a"}, queue.Job{Lane: "hook/b"}); d > 50*time.Millisecond {
			t.Errorf("new lanes opened after %s", d)
		}
		if d := took(queue.Job{Lane: "hook/a"}); d > 50*time.Millisecond {
			t.Errorf("an open lane served after %s", d)
		}
		k.add(queue.Job{Lane: "other/a", Subject: 99})
		time.Sleep(30 * time.Second) // all are closed
		if d := took(queue.Job{Lane: "hook/a"}); d > 50*time.Millisecond {
			t.Errorf("a closed lane opened after %s", d)
		}
		due := k.store.Now().Add(2 * time.Minute)
		k.add(queue.Job{Lane: "hook/late", Due: due, Subject: 42})
		n := w.len()
		until2(t, 3*time.Minute, func() bool { return w.len() > n })
		if late := w.at[n].Sub(due); late < 0 || late > 50*time.Millisecond {
			t.Errorf("a scheduled job was late by %s", late)
		}
		most.Store(0)
		k.add(queue.Job{Lane: "hook/slow", Subject: 3})
		for range 25 { // past the time after which idle lanes close
			if d := took(queue.Job{Lane: "hook/slow"}); d > 50*time.Millisecond {
				t.Errorf("a job beside a slow one waited %s", d)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		if most.Load() > 2 {
			t.Errorf("%d workers at a time, want 2", most.Load())
		}
		end()
		running.Wait()
		if n := k.rows(); n != 1 {
			t.Errorf("%d rows are left, want the one of another lane", n)
		}
	})
}

func until2(t *testing.T, within time.Duration, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !f(); time.Sleep(time.Second / 2) {
		if time.Now().After(deadline) {
			t.Fatal("too late")
		}
	}
}

func TestALaneIsWorkedOnceAtATime(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		k.add(jobs(40, queue.Job{OrderKey: "k"})...)
		var w worked
		var now atomic.Int64
		do := func(ctx context.Context, task *queue.Task) {
			if now.Add(1) > 1 {
				t.Error("two of one order key at a time")
			}
			time.Sleep(100 * time.Millisecond)
			now.Add(-1)
			w.done(ctx, task)
		}
		var running sync.WaitGroup
		for i := range 4 { // each ends while the next wants to begin
			running.Go(func() {
				ctx, end := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second+50*time.Millisecond)
				defer end()
				k.Work(ctx, t.Context(), "lane", 2, nil, do)
			})
		}
		running.Wait()
		if n := w.len(); n < 35 || n > 41 {
			t.Errorf("%d jobs in 4 s", n)
		}
		for i, task := range w.tasks {
			if task.Subject != int64(i) {
				t.Fatalf("number %d is job %d", i, task.Subject)
			}
		}
	})
}

func TestExpiredJobsAreSwept(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		var expired atomic.Int64
		k := newKit(t, queue.Kind{Counted: true, Expired: func(_ *store.Tx, tasks []*queue.Task) error {
			for _, task := range tasks {
				if task.Subject == 13 {
					return errors.New("planted")
				}
			}
			expired.Add(int64(len(tasks)))
			return nil
		}})
		k.add(jobs(300, queue.Job{Account: alice, Expires: k.store.Now().Add(time.Minute), Due: k.store.Now().Add(time.Hour)})...)
		k.add(jobs(10, queue.Job{Account: alice, Due: k.store.Now().Add(time.Hour)})...)
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { k.Sweep(ctx) })
		time.Sleep(50 * time.Second)
		if n := k.rows(); n != 310 {
			t.Errorf("%d rows before the time", n)
		}
		time.Sleep(time.Minute)
		end()
		running.Wait()
		if n := k.rows(); n != 11 || k.Depth(alice) != 11 { // and the one whose end cannot be written
			t.Errorf("%d rows, depth %d, %d told", n, k.Depth(alice), expired.Load())
		}
	})
}

func write(k *kit, stmt string) {
	k.t.Helper()
	err := k.store.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt)
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

func TestAfterAKillLostJobsAreGivenBack(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		life := storetest.NewLife(t)
		k := newKitOn(t, life.Options, queue.Kind{Counted: true})
		k.add(jobs(20, queue.Job{Account: alice})...)
		k.add(queue.Job{ID: 1, Account: alice, Subject: 100}, queue.Job{ID: 2, Account: alice, Subject: 101}, queue.Job{ID: 3, Account: alice, Subject: 102})
		ctx, end := context.WithCancel(t.Context())
		var begun atomic.Int64
		hold := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			k.Work(ctx, t.Context(), "lane", 23, nil, func(_ context.Context, task *queue.Task) {
				begun.Add(1)
				<-hold // as long as the other server lives
				task.Next = queue.Done()
			})
		})
		until(t, "all are with workers", func() bool { return begun.Load() == 23 })
		life.Kill(k.store)
		end()
		var lost []int64
		again := newKitOn(t, life.Options, queue.Kind{Counted: true, Lost: func(_ *store.Tx, tasks []*queue.Task) error {
			for _, task := range tasks {
				switch task.Subject {
				case 100:
					task.Next = queue.Done()
				case 101:
					return errors.New("planted")
				case 102:
					task.Next = queue.Advance(7, "x")
				default:
					lost = append(lost, task.Subject)
				}
			}
			return nil
		}})
		if err := again.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again.Depth(alice) != 22 || again.rows() != 22 {
			t.Errorf("depth %d, %d rows", again.Depth(alice), again.rows())
		}
		if _, due, _, _, _ := again.row(2); due < 1<<62 {
			t.Error("the job that nobody can settle is not parked")
		}
		if owner, _, _, claims, step := again.row(3); owner != 0 || step != 7 || claims != 1 {
			t.Errorf("owner %d, step %d, %d claims", owner, step, claims)
		}
		var w worked
		again.working("lane", 3, w.done, func() { until(t, "the others are done", func() bool { return w.len() == 21 }) })
		close(hold)
		running.Wait()
	})
}

func TestAJobThatKillsItsServerFiveTimesIsParked(t *testing.T) {
	t.Parallel()
	server := storetest.NewLife(t)
	for life := range 7 {
		k := newKitOn(t, server.Options, queue.Kind{})
		if life == 0 {
			k.add(queue.Job{ID: 1}, queue.Job{ID: 2, Due: time.Now().Add(time.Hour)})
		}
		if err := k.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		hard, cut := context.WithCancel(t.Context())
		begun := make(chan struct{}, 1)
		var running sync.WaitGroup
		ctx, end := context.WithCancel(t.Context())
		running.Go(func() {
			k.Work(ctx, hard, "lane", 1, nil, func(hard context.Context, _ *queue.Task) {
				begun <- struct{}{}
				<-hard.Done()
			})
		})
		if life < 5 {
			<-begun
		} else {
			time.Sleep(50 * time.Millisecond)
		}
		server.Kill(k.store)
		_ = k.store.Close() // a killed one cannot say goodbye
		end()
		cut()
		running.Wait()
		if life >= 5 && len(begun) > 0 {
			t.Errorf("in its life %d the server claimed the job once more", life)
		}
	}
	k := newKitOn(t, server.Options, queue.Kind{})
	if owner, due, fence, _, _ := k.row(1); owner != 0 || due < 1<<62 || fence != 5 {
		t.Errorf("owner %d, due %d, fence %d", owner, due, fence)
	}
}

func TestHurriedJobsGoAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{})
		job := queue.Job{ID: 5, Lane: "lane", Priority: 2, Account: alice, Due: k.store.Now().Add(time.Hour)}
		k.add(job)
		var w worked
		k.working("lane", 1, w.done, func() {
			time.Sleep(3 * time.Second)
			began := time.Now()
			job.Due = k.store.Now()
			if err := k.store.Write(func(tx *store.Tx) error { return k.Hurry(tx, []queue.Job{job}) }); err != nil {
				t.Error(err)
			}
			until(t, "done", func() bool { return w.len() == 1 })
			if d := time.Since(began); d > 50*time.Millisecond {
				t.Errorf("after %s", d)
			}
		})
		if _, working, err := k.Find(t.Context(), 5); working || err != nil {
			t.Error(working, err)
		}
	})
}

func TestJobsOfAnotherProcessAreFound(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	k := newKitOn(t, opt, queue.Kind{})
	opt.Serve = false
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	other := &kit{queue.New(s, quiet), s, t}
	t.Cleanup(func() { _ = s.Close() })
	var w worked
	k.working("lane", 1, w.done, func() {
		k.add(queue.Job{Account: alice})
		until(t, "the own job", func() bool { return w.len() == 1 })
		other.add(queue.Job{Account: alice}, queue.Job{Account: bob}, queue.Job{Account: bob, Due: s.Now().Add(1500 * time.Millisecond)})
		until(t, "the others", func() bool { return w.len() == 4 })
	})
}

func TestWrongPrioritiesAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, queue.Kind{})
	for _, p := range []int{-1, 4, 99} {
		if err := k.tryAdd(queue.Job{Priority: p}); err == nil {
			t.Errorf("priority %d was taken", p)
		}
	}
}

func TestALookWhileAJobIsBeingClaimedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		k := newKit(t, queue.Kind{Begin: func(*store.Tx, []*queue.Task) error {
			time.Sleep(3 * time.Second) // the rows still show the job as free
			return nil
		}})
		var w worked
		k.working("lane", 2, w.done, func() {
			k.add(queue.Job{Account: alice})
			until(t, "done", func() bool { return w.len() == 1 })
			until(t, "the lane forgets it", func() bool { return k.Remembered("lane") == 0 })
		})
	})
}

func TestManyAccountsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	k := newKit(t, queue.Kind{})
	var w worked
	k.working("lane", 8, w.done, func() {
		for range 3 {
			many := jobs(600, queue.Job{})
			for i := range many {
				many[i].Account, many[i].OrderKey = account.ID(i), fmt.Sprint(i%200)
			}
			k.add(many...)
		}
		until(t, "all done", func() bool { return w.len() == 1800 })
		until(t, "the lane forgets them", func() bool { return k.Remembered("lane") == 0 })
	})
}
