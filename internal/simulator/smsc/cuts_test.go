package smsc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/smpp"
)

// TestCutsLoseNothing sends texts over a connection that is cut again and again, sending those of unsure end once more. No
// text may be lost, and at most a window of them may come twice for each cut.
func TestCutsLoseNothing(t *testing.T) {
	const texts, cuts, window = 2000, 40, 10
	s := start(t, Config{ReceiptDelay: -1})
	todo := make(chan int, texts)
	for i := range texts {
		todo <- i
	}
	sure := sureTexts{left: texts, all: make(chan struct{})}
	random, cut := rand.New(rand.NewPCG(1, 2)), 0
	for over := false; !over; {
		ctx, cancel := context.WithCancel(t.Context())
		session := bindForCuts(t, s, window)
		var work sync.WaitGroup
		work.Go(func() { _ = session.Run(ctx) })
		for range window {
			work.Go(func() { sendTexts(ctx, session, todo, &sure) })
		}
		pause := patience
		if cut < cuts {
			pause = time.Duration(random.IntN(int(3 * time.Millisecond)))
		}
		select {
		case <-sure.all:
			over = true
		case <-time.After(pause):
			cut++
			s.Disconnect("acme")
		}
		cancel()
		work.Wait()
	}
	check := map[string]int{}
	for _, r := range ops(s, OpSubmit) {
		check[r.Text]++
	}
	if twice := len(ops(s, OpSubmit)) - texts; len(check) != texts || twice > cut*window {
		t.Errorf("%d of %d texts came, %d again after %d cuts", len(check), texts, twice, cut)
	}
	e := mustConnect(t, s) // whose receipts were not acknowledged before a cut come now
	go func() {
		for {
			select {
			case r := <-e.got:
				r.Respond(smpp.StatusOK, "")
			case <-t.Context().Done():
				return
			}
		}
	}()
	settled(t, s)
}

type sureTexts struct {
	mu   sync.Mutex
	left int
	all  chan struct{}
}

func (s *sureTexts) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left == 0 {
		close(s.all)
	}
}

func sendTexts(ctx context.Context, session *smpp.Session, todo chan int, sure *sureTexts) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-session.Done():
			return
		case i := <-todo:
			m := &smpp.Message{Dest: smpp.Address{Addr: "49170"}, ShortMessage: fmt.Append(nil, i), RegisteredDelivery: smpp.RegisteredFinal}
			r, err := session.Submit(ctx, m)
			if errors.Join(err, r.Err()) != nil {
				todo <- i
				continue
			}
			sure.done()
		}
	}
}

func bindForCuts(t *testing.T, s *SMSC, window int) *smpp.Session {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smpp.Bind(t.Context(), conn, smpp.BindConfig{SystemID: "acme"}); err != nil {
		t.Fatal(err)
	}
	return smpp.NewSession(conn, smpp.Config{Window: window, Handler: func(r *smpp.Request) { r.Respond(smpp.StatusOK, "") }})
}
