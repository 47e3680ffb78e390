package queue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// BenchmarkCycle is jobs claimed and ended, each durably, by so many workers.
func BenchmarkCycle(b *testing.B) {
	for _, workers := range []int{10, 100} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			k := newKit(b, queue.Kind{Counted: true})
			for left := b.N; left > 0; left -= 1000 {
				many := jobs(min(left, 1000), queue.Job{})
				for i := range many {
					many[i].Account, many[i].OrderKey = account.ID(i%10), fmt.Sprint("+2547", left, i)
				}
				k.add(many...)
			}
			work(b, k, workers, func() {})
		})
	}
}

// BenchmarkFlow is jobs that are added one by one while they are worked: no lane ever has much waiting.
func BenchmarkFlow(b *testing.B) {
	k := newKit(b, queue.Kind{Counted: true})
	adds := store.NewBatch(k.store, "adds", 1, func(tx *store.Tx, members []*queue.Job) error {
		rows := make([]queue.Job, len(members))
		for i, m := range members {
			rows[i] = *m
		}
		return k.Add(tx, rows)
	})
	work(b, k, 64, func() {
		var callers sync.WaitGroup
		var n atomic.Int64
		for range 64 {
			callers.Go(func() {
				for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
					j := queue.Job{ID: i, Lane: "lane", Kind: "job", Account: account.ID(i % 10), Priority: 2, OrderKey: fmt.Sprint("+2547", i), Due: k.store.Now()}
					if err := adds.Do(&j, 1); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		callers.Wait()
	})
}

func work(b *testing.B, k *kit, workers int, feed func()) {
	var done atomic.Int64
	all := make(chan struct{})
	ctx, end := context.WithCancel(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	var running sync.WaitGroup
	running.Go(func() {
		k.Work(ctx, b.Context(), "lane", workers, nil, func(_ context.Context, t *queue.Task) {
			t.Next = queue.Done()
			if done.Add(1) == int64(b.N) {
				close(all)
			}
		})
	})
	feed()
	<-all
	end()
	running.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
