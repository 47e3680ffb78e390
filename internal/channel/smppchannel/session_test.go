package smppchannel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// pair is our session and an SMSC's, joined by a pipe in the bubble of a test.
type pair struct {
	*session
	smsc *smpp.Session
	sink *channeltest.Sink
	stop context.CancelFunc
	over chan error
}

func join(t *testing.T, more string, handler func(*smpp.Request)) pair {
	t.Helper()
	sink := new(channeltest.Sink)
	return joinSink(t, more, handler, sink, sink)
}

func joinSink(t *testing.T, more string, handler func(*smpp.Request), sink *channeltest.Sink, given channel.Sink) pair {
	t.Helper()
	ours, theirs := net.Pipe()
	p := pair{
		session: sessionOn(ours, mustParse(t, more), channel.Env{Channel: 9, Sink: given}),
		smsc:    smpp.NewSession(theirs, smpp.Config{Window: 100, Handler: handler, EnquireInterval: -1}),
		sink:    sink, over: make(chan error, 1),
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.over <- p.Run(ctx) }()
	smscOver := make(chan error, 1)
	go func() { smscOver <- p.smsc.Run(context.Background()) }()
	t.Cleanup(func() {
		stop()
		p.smsc.Close()
		<-p.over
		<-smscOver
	})
	return p
}

// sessionOn is a session of one bind, whose connection is there.
func sessionOn(conn net.Conn, c *config, env channel.Env) *session {
	s := newSession(c, env)
	s.attach(s.legs[0], conn)
	return s
}

// ended is what Run returned.
func (p pair) ended() error {
	err := <-p.over
	p.over <- err
	return err
}

func answerAfter(d time.Duration) func(*smpp.Request) {
	return func(r *smpp.Request) { time.AfterFunc(d, func() { r.Respond(smpp.StatusOK, "id") }) }
}

func never(*smpp.Request) {}

func verdictOf(t *testing.T, err error) channel.Failure {
	t.Helper()
	f, ok := errors.AsType[*channel.Failure](err)
	if !ok {
		t.Fatalf("%v is no failure", err)
	}
	return *f
}

func TestCase6c01RateIsWindowOverRoundTrip(t *testing.T) {
	for window, atLeast := range map[string]int64{"1": 19, "10": 190} {
		synctest.Test(t, func(t *testing.T) {
			p := join(t, `"window":`+window, answerAfter(50*time.Millisecond))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
			defer cancel()
			var taken atomic.Int64
			var senders sync.WaitGroup
			for range p.Window() {
				senders.Go(func() {
					for ctx.Err() == nil {
						if _, err := p.Send(ctx, one("hi", "gsm7")); err == nil {
							taken.Add(1)
						}
					}
				})
			}
			senders.Wait()
			if n := taken.Load(); n < atLeast || n > atLeast/19*20 {
				t.Errorf("window %s: %d in a second", window, n)
			}
		})
	}
}

func TestCase6c03NoAnswerIsUnsureAndALateOneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", func(r *smpp.Request) {
			status := smpp.StatusOK
			if r.Message().Dest.Addr == "1" {
				status = smpp.StatusInvalidDestination
			}
			time.AfterFunc(70*time.Second, func() { r.Respond(status, "0AB") })
		})
		var odd atomic.Int64
		p.env.Odd = func(o channel.Oddity) {
			if o == channel.AnswerLate {
				odd.Add(1)
			}
		}
		other := one("hi", "gsm7")
		other.To.Value = "+1"
		var sends sync.WaitGroup
		for _, m := range []message.Outbound{one("hi", "gsm7"), other} {
			sends.Go(func() {
				start := time.Now()
				_, err := p.Send(t.Context(), m)
				if f := verdictOf(t, err); f.Verdict != channel.Unsure || f.Code != "no_answer" || time.Since(start) != time.Minute {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		}
		sends.Wait()
		if err := p.sink.Await(t.Context(), func() bool { return len(p.sink.Lates()) == 2 }); err != nil {
			t.Fatal(err)
		}
		for _, late := range p.sink.Lates() {
			if late.Part.To.Value == "+1" {
				if f := verdictOf(t, late.Err); f.Verdict != channel.Reject {
					t.Error(f)
				}
				continue
			}
			if late.Err != nil || late.RemoteID != "ab" {
				t.Errorf("%+v", late)
			}
		}
		if odd.Load() != 2 {
			t.Errorf("%d late answers are counted", odd.Load())
		}
	})
}

func TestCase6c06CutLeavesTheWholeWindowUnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, `"window":10`, never)
		var sends sync.WaitGroup
		for range 10 {
			sends.Go(func() {
				_, err := p.Send(t.Context(), one("hi", "gsm7"))
				if f := verdictOf(t, err); f.Verdict != channel.Unsure || f.Code != "connection_lost" {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		p.smsc.Close()
		sends.Wait()
		if err := p.ended(); err == nil {
			t.Error("Run gave no reason")
		}
		_, err := p.Send(t.Context(), one("hi", "gsm7"))
		if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "not_connected" {
			t.Error(err)
		}
	})
}

// silentConn takes everything and says nothing.
type silentConn struct {
	net.Conn
	once sync.Once
	shut chan struct{}
}

func (c *silentConn) Read([]byte) (int, error)    { <-c.shut; return 0, net.ErrClosed }
func (c *silentConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *silentConn) Close() error                { c.once.Do(func() { close(c.shut) }); return nil }

func TestSilentNetworkIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessionOn(&silentConn{shut: make(chan struct{})}, mustParse(t, `"enquire_interval":"20s","enquire_timeout":"5s"`), channel.Env{})
		start := time.Now()
		if err := s.Run(t.Context()); !errors.Is(err, smpp.ErrLinkDead) || time.Since(start) != 25*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestEndWaitsForOpenPartsUpToADeadline(t *testing.T) {
	for _, row := range []struct {
		answer, took time.Duration
		taken        bool
	}{{3 * time.Second, 3 * time.Second, true}, {time.Minute, drainTime, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := join(t, "", answerAfter(row.answer))
			result := make(chan error, 1)
			go func() {
				_, err := p.Send(t.Context(), one("hi", "gsm7"))
				result <- err
			}()
			synctest.Wait()
			start := time.Now()
			p.stop()
			if err := p.ended(); err != nil || time.Since(start) != row.took {
				t.Errorf("%v after %s", err, time.Since(start))
			}
			err := <-result
			if (err == nil) != row.taken || !row.taken && verdictOf(t, err).Verdict != channel.Unsure {
				t.Error(err)
			}
		})
	}
}

// deliver sends the ESME a message and returns its answer.
func (p pair) deliver(t *testing.T, command smpp.Command, m *smpp.Message) smpp.Status {
	t.Helper()
	r, err := p.smsc.Do(t.Context(), command, m)
	if err != nil {
		t.Fatal(err)
	}
	if r.Command != command.Response() {
		t.Errorf("%s answered by %s", command, r.Command)
	}
	return r.Status
}

func TestCase6b14ReceiptsByEitherCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		text := []byte("id:1 stat:DELIVRD err:000")
		payload := smpp.TLVs(nil).Add(smpp.TagMessagePayload, text)
		for _, status := range []smpp.Status{
			p.deliver(t, smpp.DeliverSM, &smpp.Message{ESMClass: 4, ShortMessage: text}),
			p.deliver(t, smpp.DeliverSM, &smpp.Message{ESMClass: 4, TLVs: payload}),
			p.deliver(t, smpp.DataSM, &smpp.Message{ESMClass: 4, TLVs: payload}),
		} {
			if status != smpp.StatusOK {
				t.Error(status)
			}
		}
		for _, r := range p.sink.Receipts() {
			if r.RemoteID != "1" || r.Status != message.Delivered {
				t.Errorf("%+v", r)
			}
		}
		if n := len(p.sink.Receipts()); n != 3 {
			t.Errorf("%d receipts", n)
		}
	})
}

func TestCase6b14NothingIsAcknowledgedThatTheSinkRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		p.sink.FailNext(2)
		for _, want := range []smpp.Status{0x64, 0x64, 0} {
			if got := p.deliver(t, smpp.DeliverSM, &smpp.Message{Source: smpp.Address{Addr: "491701234567"}, ShortMessage: []byte("hi")}); got != want {
				t.Errorf("%s, not %s", got, want)
			}
		}
		if n := len(p.sink.Inbounds()); n != 1 {
			t.Errorf("%d texts", n)
		}
	})
}

func TestCase6b06ReceiptWithoutFlagIsForThoseWhoAsk(t *testing.T) {
	for settings, receipts := range map[string]int{"": 0, `"receipt_without_flag":true`: 1} {
		synctest.Test(t, func(t *testing.T) {
			p := join(t, settings, never)
			p.deliver(t, smpp.DeliverSM, &smpp.Message{ShortMessage: []byte("id:1 stat:DELIVRD err:000")})
			if len(p.sink.Receipts()) != receipts || len(p.sink.Inbounds()) != 1-receipts {
				t.Errorf("%s: %+v %+v", settings, p.sink.Receipts(), p.sink.Inbounds())
			}
		})
	}
}

func TestOddRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		if got := p.deliver(t, smpp.DeliverSM, &smpp.Message{ESMClass: 4, ShortMessage: []byte("lorem ipsum")}); got != smpp.StatusOK {
			t.Errorf("a receipt that names nothing would come for ever: %s", got)
		}
		if got := p.deliver(t, smpp.SubmitSM, &smpp.Message{}); got != smpp.StatusInvalidCommandID {
			t.Errorf("we are no SMSC: %s", got)
		}
		if len(p.sink.Receipts())+len(p.sink.Inbounds()) != 0 {
			t.Error("the sink was told")
		}
	})
}

// Cases 6b.4 and 6c.3: what harms nothing by itself is counted.
func TestOdditiesAreCounted(t *testing.T) {
	text := func(text string, tlvs smpp.TLVs) *smpp.Message {
		return &smpp.Message{ESMClass: 4, ShortMessage: []byte(text), TLVs: tlvs}
	}
	params := smpp.TLVs(nil).AddText(smpp.TagReceiptedMessageID, "ABC").AddUint8(smpp.TagMessageState, 2)
	for name, row := range map[string]struct {
		pdu  smpp.PDU
		want []channel.Oddity
	}{
		"text and parameters differ": {smpp.PDU{Header: smpp.Header{Command: smpp.DeliverSM}, Body: text("id:ABC stat:UNDELIV", params)}, []channel.Oddity{channel.ReceiptMismatch}},
		"they agree":                 {smpp.PDU{Header: smpp.Header{Command: smpp.DeliverSM}, Body: text("id:ABC stat:DELIVRD", params)}, nil},
		"a receipt of nothing":       {smpp.PDU{Header: smpp.Header{Command: smpp.DeliverSM}, Body: text("lorem ipsum", nil)}, []channel.Oddity{channel.ReceiptNameless}},
		"an answer to nothing":       {smpp.PDU{Header: smpp.Header{Command: smpp.SubmitSMResp}}, []channel.Oddity{channel.AnswerStray}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			var mu sync.Mutex
			var odd []channel.Oddity
			s := sessionOn(ours, mustParse(t, ""), channel.Env{Sink: new(channeltest.Sink), Odd: func(o channel.Oddity) {
				mu.Lock()
				defer mu.Unlock()
				odd = append(odd, o)
			}})
			ctx, stop := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() { over <- s.Run(ctx) }()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			row.pdu.Sequence = 77
			if _, err := theirs.Write(smpp.Append(nil, row.pdu)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			_ = theirs.Close()
			stop()
			<-over
			if !slices.Equal(odd, row.want) {
				t.Errorf("%s: %v", name, odd)
			}
		})
	}
}

// Many receipts reach the sink at once, so that one commit serves them.
func TestReceiptsReachTheSinkTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		counting := &countingSink{Sink: p.sink}
		p.env.Sink = counting
		var open sync.WaitGroup
		for range 50 {
			open.Go(func() {
				p.deliver(t, smpp.DeliverSM, &smpp.Message{ESMClass: 4, ShortMessage: []byte("id:1 stat:DELIVRD")})
			})
		}
		open.Wait()
		if most := counting.most.Load(); most != 50 {
			t.Errorf("%d at once", most)
		}
	})
}

type countingSink struct {
	*channeltest.Sink
	now, most atomic.Int64
}

func (s *countingSink) Receipt(ctx context.Context, r message.Receipt) error {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	time.Sleep(time.Second) // a commit
	s.now.Add(-1)
	return s.Sink.Receipt(ctx, r)
}

// Run does not return while the sink is still told something, even of a lost connection.
func TestRunOutlivesItsCallsToTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		counting := &countingSink{Sink: p.sink}
		p.env.Sink = counting
		go func() {
			_, _ = p.smsc.Do(t.Context(), smpp.DeliverSM, &smpp.Message{ESMClass: 4, ShortMessage: []byte("id:1 stat:DELIVRD")})
		}()
		synctest.Wait()
		p.smsc.Close()
		if err := p.ended(); err == nil || counting.now.Load() != 0 || len(p.sink.Receipts()) != 1 {
			t.Errorf("%v with %d calls", err, counting.now.Load())
		}
	})
}

type panickingSink struct{ *channeltest.Sink }

func (panickingSink) Inbound(context.Context, message.Inbound) error { panic("boom") }

func TestPanicEndsThisSessionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := new(channeltest.Sink)
		p := joinSink(t, "", never, sink, panickingSink{sink})
		_, _ = p.smsc.Do(t.Context(), smpp.DeliverSM, &smpp.Message{ShortMessage: []byte("hi")})
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Error(err)
		}
	})
}

func TestPeerThatUnbindsEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, "", never)
		if err := p.smsc.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		if err := p.ended(); !errors.Is(err, smpp.ErrUnbound) {
			t.Error(err)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	ours, theirs := net.Pipe()
	s := sessionOn(ours, mustParse(b, `"window":100`), channel.Env{Sink: new(channeltest.Sink), Log: slog.New(slog.DiscardHandler)})
	smsc := smpp.NewSession(theirs, smpp.Config{Handler: func(r *smpp.Request) { r.Respond(smpp.StatusOK, "id") }})
	go s.Run(b.Context())
	go smsc.Run(b.Context())
	m := one("Your code is 482913. It is valid for ten minutes.", "gsm7")
	m.ValidUntil = time.Now().Add(time.Hour)
	b.ReportAllocs()
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Send(b.Context(), m); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	settings, content := settingsWith(`"window":10`), message.Text("Your code is 482913. It is valid for ten minutes.")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Driver.Split(settings, content); err != nil {
			b.Fatal(err)
		}
	}
}
