package gateway_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

// instant is a network that takes each part at once and delivers it at once.
type instant struct {
	ids    atomic.Int64
	told   atomic.Int64 // receipts that are on disk
	posted atomic.Int64 // webhooks
	taken  chan message.Receipt
}

func (s *instant) Send(_ context.Context, m message.Outbound) (string, error) {
	id := "net-" + strconv.FormatInt(s.ids.Add(1), 10)
	s.taken <- message.Receipt{RemoteID: id, To: m.To, Status: message.Delivered}
	return id, nil
}

func (s *instant) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *instant) Window() int { return window }

// posts is a webhook endpoint as far as storage knows one: a job for each event, done at once.
type posts struct{ queue *queue.Queue }

func (p *posts) Follow(tx *store.Tx, events []event.Event) error {
	jobs := make([]queue.Job, len(events))
	for i, e := range events {
		jobs[i] = queue.Job{
			ID: tx.NewID(), Lane: "webhook:bench", Kind: "webhook", Subject: e.Subject, Account: e.Account, Priority: 2, Due: tx.Now(),
			OrderKey: strconv.FormatInt(e.Subject, 16), Data: strconv.Itoa(e.Seq) + " " + string(e.Kind),
		}
	}
	return p.queue.Add(tx, jobs)
}

const (
	acceptors = 64
	window    = 64
)

// BenchmarkLife is the storage of whole lives: accepted, claimed, sent, delivered, each step on disk before the next. Free
// is without price and webhook; priced is with both.
func BenchmarkLife(b *testing.B) {
	b.Run("free", func(b *testing.B) { live(b, false) })
	b.Run("priced", func(b *testing.B) { live(b, true) })
}

func live(b *testing.B, priced bool) {
	w := &world{t: b, life: &storetest.Life{Options: storetest.Options(b)}, network: &channeltest.Scripted{}} // nobody kills it, so by no link
	hook := &posts{}
	if priced {
		w.open(hook)
		hook.queue = w.queue
		nothing := func(*store.Tx, []*queue.Task) error { return nil }
		w.queue.Handle("webhook", queue.Kind{Begin: nothing, End: nothing})
	} else {
		w.open()
	}
	w.settle()
	w.write(func(tx *store.Tx) error {
		return w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "255"}}) // nothing
	})
	session := &instant{taken: make(chan message.Receipt, 4*window)}
	stop := w.work(b, session, priced)
	defer stop()

	country := "+2547%08d"
	if !priced {
		country = "+2557%08d"
	}
	requests := make(chan gateway.Request, acceptors)
	go func() {
		defer close(requests)
		for n := range b.N {
			requests <- requestOf(draft(fmt.Sprintf(country, n%1_000_000), "Your code is 123456."))
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime(b)
	var running sync.WaitGroup
	for range acceptors {
		running.Go(func() {
			for r := range requests {
				if reply, err := w.submit(r); err != nil || reply.Results[0].Fault != nil {
					b.Error(err, reply.Results)
				}
			}
		})
	}
	running.Wait()
	for session.told.Load() < int64(b.N) || priced && session.posted.Load() < 2*int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	took, spent := time.Since(began), cpuTime(b)-cpu
	b.StopTimer()
	if n := w.count("message WHERE status <> 13"); n > 0 {
		b.Errorf("%d of %d did not arrive", n, b.N)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "lives/s")
	b.ReportMetric(float64(b.N)/spent.Seconds(), "lives/cpu-s")
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-us/life")
	w.must(w.wallet.Verify(b.Context()))
}

// work works the lanes of the bench and hands in its receipts.
func (w *world) work(b *testing.B, session *instant, priced bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		w.queue.Work(ctx, ctx, gateway.Lane(w.channel, 0), channel.WindowOf(session), nil, w.gateway.Sender(session))
	})
	if priced {
		running.Go(func() {
			w.queue.Work(ctx, ctx, "webhook:bench", 16, nil, func(_ context.Context, t *queue.Task) {
				t.Next = queue.Done()
				session.posted.Add(1)
			})
		})
	}
	for range window {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-session.taken:
					r.Channel = w.channel
					if err := w.gateway.Receipt(ctx, r); err != nil {
						b.Error(err)
					}
					session.told.Add(1)
				}
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// cpuTime is what the process has used of the processor.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
