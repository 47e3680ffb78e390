package smpp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a session at work in a test.
type running struct {
	*Session
	result chan error
}

func run(ctx context.Context, conn net.Conn, config Config) running {
	r := running{NewSession(conn, config), make(chan error, 1)}
	go func() { r.result <- r.Run(ctx) }()
	return r
}

// pair joins two sessions by a pipe and ends them with the test.
func pair(t *testing.T, ours, theirs Config) (running, running) {
	t.Helper()
	a, b := net.Pipe()
	left, right := run(t.Context(), a, ours), run(t.Context(), b, theirs)
	t.Cleanup(func() {
		left.Close()
		right.Close()
		<-left.result
		<-right.result
	})
	return left, right
}

// tcpPair is two ends of a loopback connection.
func tcpPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := listener.Accept()
		accepted <- conn
	}()
	a, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b := <-accepted
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func echoID(r *Request) { r.Respond(StatusOK, r.Message().Dest.Addr) }

func to(addr string) *Message { return &Message{Dest: Address{Addr: addr}} }

func TestDoGetsItsOwnAnswer(t *testing.T) {
	left, _ := pair(t, Config{Window: 3}, Config{Handler: echoID})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			addr := string(rune('a'+i%26)) + "x"
			r, err := left.Submit(t.Context(), to(addr))
			if err != nil || r.Err() != nil || r.MessageID != addr {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if free := left.Free(); free != 3 {
		t.Errorf("%d slots free", free)
	}
}

// answerAfter answers each request on its own, a round trip later.
func answerAfter(d time.Duration) func(*Request) {
	return func(r *Request) { time.AfterFunc(d, func() { r.Respond(StatusOK, "id") }) }
}

func TestCase6c01WindowOverRoundTripIsTheRate(t *testing.T) {
	for window, atLeast := range map[int]int64{1: 19, 10: 190} {
		synctest.Test(t, func(t *testing.T) {
			left, _ := pair(t, Config{Window: window}, Config{Handler: answerAfter(50 * time.Millisecond)})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
			defer cancel()
			var answered atomic.Int64
			var senders sync.WaitGroup
			for range 30 {
				senders.Go(func() {
					for ctx.Err() == nil {
						if _, err := left.Submit(ctx, to("1")); err == nil {
							answered.Add(1)
						}
					}
				})
			}
			senders.Wait()
			if n := answered.Load(); n < atLeast || n > int64(20*window) {
				t.Errorf("window %d: %d answers in a second", window, n)
			}
		})
	}
}

func TestNoAnswerIsUnsureAndFreesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, _ := pair(t, Config{Window: 1, ResponseTimeout: time.Minute}, Config{Handler: func(*Request) {}})
		start := time.Now()
		for range 2 {
			_, err := left.Submit(t.Context(), to("1"))
			if !errors.Is(err, ErrUnsure) || !errors.Is(err, ErrTimeout) || errors.Is(err, ErrNotWritten) {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 2*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestCase6c03LateAnswerReachesTheHookWithItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type lateAnswer struct {
			body Body
			r    Response
		}
		late := make(chan lateAnswer, 2)
		config := Config{ResponseTimeout: time.Minute, Late: func(b Body, r Response) { late <- lateAnswer{b, r} }}
		left, _ := pair(t, config, Config{Handler: answerAfter(70 * time.Second)})
		timedOut, abandoned := to("1"), to("2")
		if _, err := left.Submit(t.Context(), timedOut); !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
		if got := <-late; got.body != timedOut || got.r.MessageID != "id" {
			t.Errorf("%+v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := left.Submit(ctx, abandoned); !errors.Is(err, ErrUnsure) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if left.Free() != DefaultWindow-1 {
			t.Error("an abandoned request left its slot while the peer still works on it")
		}
		if got := <-late; got.body != abandoned {
			t.Errorf("%+v", got)
		}
		if stats := left.Stats(); stats.Late != 2 || stats.Unknown != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestCase6c03AnswerToNothingIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		stray := make(chan Response, 2)
		left := run(t.Context(), a, Config{Stray: func(r Response) { stray <- r }})
		_, _ = b.Write(Append(nil, PDU{Header: Header{Command: SubmitSMResp, Sequence: 77}}))
		_, _ = b.Write(Append(nil, PDU{Header: Header{Command: EnquireLinkResp, Sequence: 78}}))
		synctest.Wait()
		if left.Stats().Unknown != 1 || len(stray) != 1 || (<-stray).Sequence != 77 {
			t.Errorf("%+v", left.Stats())
		}
		left.Close()
		<-left.result
	})
}

func TestContextEndsTheWaitForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, _ := pair(t, Config{Window: 1}, Config{Handler: answerAfter(10 * time.Second)})
		go left.Submit(t.Context(), to("1"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := left.Submit(ctx, to("2"))
		if !errors.Is(err, ErrNotWritten) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := left.TryGo(SubmitSM, to("3"), nil); !errors.Is(err, ErrWindowFull) || !errors.Is(err, ErrNotWritten) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if left.Free() != 1 {
			t.Error("a slot was lost")
		}
	})
}

func TestInvalidBodyIsNotWritten(t *testing.T) {
	left, _ := pair(t, Config{}, Config{Handler: echoID})
	_, err := left.Submit(t.Context(), to("a\x00b"))
	if !errors.Is(err, ErrNotWritten) || !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// stuckConn is a connection whose writes hang until it is closed.
type stuckConn struct {
	net.Conn
	writes  chan int
	release chan struct{}
	once    sync.Once
}

func (c *stuckConn) Write(b []byte) (int, error) {
	c.writes <- len(b)
	<-c.release
	return 0, io.ErrClosedPipe
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.release) })
	return c.Conn.Close()
}

func TestCase6c06CutTellsWhatWasNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		conn := &stuckConn{Conn: a, writes: make(chan int, 9), release: make(chan struct{})}
		left := run(t.Context(), conn, Config{})
		ends := make(chan error, 2)
		send := func() {
			if err := left.Go(t.Context(), SubmitSM, to("1"), func(_ Response, err error) { ends <- err }); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		send() // the writer takes it and hangs
		send() // it waits in the buffer
		left.Close()
		if err := <-left.result; err != nil {
			t.Error(err)
		}
		if err := <-ends; !errors.Is(err, ErrUnsure) || !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := <-ends; !errors.Is(err, ErrNotWritten) || errors.Is(err, ErrUnsure) {
			t.Error(err)
		}
		if err := left.TryGo(SubmitSM, to("1"), nil); !errors.Is(err, ErrNotWritten) || !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestPeerThatHangsUpLeavesRequestsUnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := pair(t, Config{}, Config{Handler: func(*Request) {}})
		time.AfterFunc(time.Second, right.Close)
		_, err := left.Submit(t.Context(), to("1"))
		if !errors.Is(err, ErrUnsure) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	left := run(ctx, a, Config{})
	cause := errors.New("told to stop")
	cancel(cause)
	if err := <-left.result; !errors.Is(err, cause) {
		t.Error(err)
	}
}

func TestCase6c05SilentPeerIsAskedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		defer b.Close()
		start := time.Now()
		left := run(t.Context(), a, Config{})
		if err := <-left.result; !errors.Is(err, ErrLinkDead) {
			t.Error(err)
		}
		if took := time.Since(start); took != 40*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestIdleLinkThatAnswersStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := pair(t, Config{EnquireInterval: 30 * time.Second}, Config{EnquireInterval: -1})
		time.Sleep(10 * time.Minute)
		if left.ended || right.ended {
			t.Error("an idle link was given up")
		}
	})
}

func TestEnquireLinkPassesAFullInboundWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan *Request, 9)
		hold := func(r *Request) { held <- r }
		left, _ := pair(t, Config{Window: 10}, Config{InboundWindow: 2, Handler: hold})
		for range 2 {
			go left.Submit(t.Context(), to("1"))
		}
		synctest.Wait()
		start := time.Now()
		if r, err := left.Do(t.Context(), EnquireLink, nil); err != nil || r.Command != EnquireLinkResp || time.Since(start) > 100*time.Millisecond {
			t.Errorf("%+v %v", r, err)
		}
		go left.Submit(t.Context(), to("2"))
		synctest.Wait()
		if len(held) != 2 {
			t.Errorf("%d requests handed out past a window of 2", len(held))
		}
		for range 3 {
			r := <-held
			r.Respond(StatusOK, "")
			r.Respond(StatusOK, "") // a second answer is dropped
			synctest.Wait()
		}
		if left.Free() != 10 {
			t.Errorf("%d free", left.Free())
		}
	})
}

func TestCase6c07UnbindDrainsBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := pair(t, Config{}, Config{Handler: answerAfter(3 * time.Second)})
		answered := make(chan error, 1)
		go func() { _, err := left.Submit(t.Context(), to("1")); answered <- err }()
		synctest.Wait()
		start := time.Now()
		if err := left.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if err := <-left.result; err != nil {
			t.Error(err)
		}
		if err := <-right.result; !errors.Is(err, ErrUnbound) {
			t.Error(err)
		}
		left.result <- nil
		right.result <- nil
	})
}

func TestUnbindGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, _ := pair(t, Config{}, Config{Handler: func(*Request) {}})
		answered := make(chan error, 1)
		go func() { _, err := left.Submit(t.Context(), to("1")); answered <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := left.Unbind(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-answered; !errors.Is(err, ErrUnsure) {
			t.Error(err)
		}
	})
}

func TestCase6c07SequenceWrapsToOne(t *testing.T) {
	seen := make(chan uint32, 3)
	handler := func(r *Request) { seen <- r.Sequence; r.Respond(StatusOK, "") }
	left, _ := pair(t, Config{FirstSequence: 0x7FFFFFFE}, Config{Handler: handler})
	for _, want := range []uint32{0x7FFFFFFE, 0x7FFFFFFF, 1} {
		if _, err := left.Submit(t.Context(), to("1")); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != want {
			t.Errorf("%x, not %x", got, want)
		}
	}
}

func TestPanicOfAHandlerEndsOnlyTheSession(t *testing.T) {
	a, b := net.Pipe()
	left := run(t.Context(), a, Config{})
	right := run(t.Context(), b, Config{Handler: func(*Request) { panic("boom") }})
	if _, err := left.Submit(t.Context(), to("1")); !errors.Is(err, ErrUnsure) {
		t.Error(err)
	}
	if err := <-right.result; err == nil {
		t.Error("no error")
	}
	<-left.result
}

func TestManyPDUsLeaveInOneWrite(t *testing.T) {
	a, b := tcpPair(t)
	left := run(t.Context(), a, Config{Window: 100})
	right := run(t.Context(), b, Config{Handler: echoID})
	const total = 20000
	var open sync.WaitGroup
	open.Add(total)
	for range total {
		if err := left.Go(t.Context(), SubmitSM, to("1"), func(_ Response, err error) { open.Done() }); err != nil {
			t.Fatal(err)
		}
	}
	open.Wait()
	if stats := left.Stats(); stats.Writes > total/2 || stats.Answered != total {
		t.Errorf("%+v", stats)
	}
	if err := left.Unbind(t.Context()); err != nil {
		t.Error(err)
	}
	<-left.result
	<-right.result
}
