package smppchannel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/internal/smpp"
)

// linked is a session of several binds and the simulated SMSC it is bound to.
type linked struct {
	*session
	t    *testing.T
	smsc *smsc.SMSC
	sink *channeltest.Sink
	stop context.CancelFunc
	over chan error
}

func link(t *testing.T, more string, config smsc.Config) *linked {
	t.Helper()
	config.Keep, config.ReceiptDelay = -1, -1
	s := smsc.New(config)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sink := new(channeltest.Sink)
	settings := channel.Settings(fmt.Sprintf(`{"address":%q,"system_id":"tidings",%s}`, s.Addr(), more))
	opened, err := Driver.Open(t.Context(), channel.Env{Channel: 9, Settings: settings, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &linked{session: opened.(*session), t: t, smsc: s, sink: sink, stop: stop, over: make(chan error, 1)}
	go func() { l.over <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-l.over
	})
	return l
}

// until waits for what must come soon.
func (l *linked) until(what string, holds func() bool) {
	l.t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: does not come", what)
		}
	}
}

func (l *linked) send(n int) (ids []string) {
	l.t.Helper()
	for range n {
		id, err := l.Send(l.t.Context(), one("hi", "gsm7"))
		if err != nil {
			l.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// The SMSC sends receipts to its receiving binds in turn, whichever bind the part left by.
func TestCase6c08ReceiptsComeOverAnyBind(t *testing.T) {
	for _, more := range []string{`"bind":"tx+rx"`, `"bind":"trx","binds":2`, `"bind":"tx+rx","binds":3`, `"bind":"trx","command":"data_sm"`} {
		t.Run(more, func(t *testing.T) {
			l := link(t, more, smsc.Config{})
			ids := l.send(20)
			receipts, err := l.sink.AwaitReceipts(t.Context(), 20)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range receipts {
				if !slices.Contains(ids, r.RemoteID) || r.Status != message.Delivered {
					t.Errorf("%+v", r)
				}
			}
			if binds := l.smsc.Binds("tidings"); binds != len(l.legs) {
				t.Errorf("%d binds", binds)
			}
			if err := l.smsc.Inbound("+491701234567", "12345", "hello"); err != nil {
				t.Fatal(err)
			}
			if _, err := l.sink.AwaitInbounds(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheWindowIsTheSumOfTheBinds(t *testing.T) {
	for more, want := range map[string]int{
		`"window":7`: 7, `"window":7,"binds":16`: 112, `"window":7,"binds":2,"bind":"tx+rx"`: 14, `"bind":"rx"`: 0,
	} {
		if got := newSession(mustParse(t, more), channel.Env{}).Window(); got != want {
			t.Errorf("%s: %d", more, got)
		}
	}
}

// Parts on a lost bind are unsure, at most its window; the other goes on, and the lost one is bound again.
func TestCase6c05ALostBindIsMadeAgainWhileTheOthersGoOn(t *testing.T) {
	t.Parallel()
	l := link(t, `"binds":2,"window":4`, smsc.Config{AnswerDelay: 5 * time.Millisecond})
	ctx, end := context.WithCancel(t.Context())
	var taken, unsure atomic.Int64
	var senders sync.WaitGroup
	for range l.Window() {
		senders.Go(func() {
			for ctx.Err() == nil {
				_, err := l.Send(context.WithoutCancel(ctx), one("hi", "gsm7"))
				switch {
				case err == nil:
					taken.Add(1)
				case verdictOf(t, err).Verdict == channel.Unsure:
					unsure.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	l.until("texts", func() bool { return taken.Load() > 50 })
	began := time.Now()
	l.smsc.Cut("tidings", 0)
	l.until("the loss", func() bool { return l.smsc.Binds("tidings") == 1 })
	before := taken.Load()
	l.until("more texts", func() bool { return taken.Load() > before+50 })
	if l.smsc.Binds("tidings") != 1 {
		t.Error("the bind came back at once")
	}
	l.until("the bind", func() bool { return l.smsc.Binds("tidings") == 2 })
	if took := time.Since(began); took < 700*time.Millisecond || took > 4*time.Second {
		t.Errorf("bound again after %s", took)
	}
	end()
	senders.Wait()
	if n := unsure.Load(); n > 4 {
		t.Errorf("%d parts are unsure, with a window of 4", n)
	}
	l.smsc.Disconnect("tidings")
	if err := <-l.over; err == nil {
		t.Error("the session lives on without a bind")
	}
	l.over <- nil
}

// While the only bind that sends is down nothing is tried in vain, and receipts still come.
func TestReceiptsComeWhileNothingCanBeSent(t *testing.T) {
	t.Parallel()
	l := link(t, `"bind":"tx+rx"`, smsc.Config{})
	l.send(1)
	l.legs[0].link.Load().Close()
	l.until("the cut", func() bool { return l.legs[0].link.Load() == nil })
	_, err := l.Send(t.Context(), one("hi", "gsm7"))
	if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "not_connected" || f.Pause == 0 || f.Slow {
		t.Errorf("%+v", f)
	}
	if err := l.smsc.Inbound("+491701234567", "12345", "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.sink.AwaitInbounds(t.Context(), 1); err != nil {
		t.Error(err)
	}
	l.until("the transmitter", func() bool { return l.smsc.Binds("tidings") == 2 })
	l.until("a text", func() bool { _, err := l.Send(t.Context(), one("hi", "gsm7")); return err == nil })
}

func TestAChannelThatOnlyReceives(t *testing.T) {
	l := link(t, `"bind":"rx"`, smsc.Config{})
	if err := l.smsc.Inbound("+491701234567", "12345", "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.sink.AwaitInbounds(t.Context(), 1); err != nil {
		t.Error(err)
	}
	_, err := l.Send(t.Context(), one("hi", "gsm7"))
	if f := verdictOf(t, err); f.Verdict != channel.Reject || f.Code != "receives_only" {
		t.Errorf("%+v", f)
	}
	_, err = Driver.Split(settingsWith(`"bind":"rx"`), message.Text("hi"))
	if f := fault.Of(err); f == nil || f.Code != fault.InvalidField || f.Field != "channel" {
		t.Error(err)
	}
}

// A bind that the account has no place for is no reason to be down.
func TestFewerBindsThanAskedFor(t *testing.T) {
	l := link(t, `"binds":3`, smsc.Config{MaxBinds: 2})
	l.send(5)
	if n := l.smsc.Binds("tidings"); n != 2 {
		t.Errorf("%d binds", n)
	}
}

func TestCase6c05WaitsBeforeAnotherBind(t *testing.T) {
	for _, row := range []struct {
		refused *channel.Failure
		least   time.Duration
	}{
		{nil, 0},
		{bindFailure(smpp.StatusInvalidPassword), time.Minute},
		{bindFailure(smpp.StatusInvalidSystemID), time.Minute},
		{bindFailure(smpp.StatusAlreadyBound), 10 * time.Second},
		{bindFailure(context.DeadlineExceeded), 0},
	} {
		if got := patience(row.refused); got != row.least {
			t.Errorf("%v: %s", row.refused, got)
		}
	}
	for range 100 {
		if d := jitter(firstWait); d < 750*time.Millisecond || d > 1250*time.Millisecond {
			t.Fatal(d)
		}
	}
}

// What the network repeats of ours names the part.
func TestEchoedReference(t *testing.T) {
	for _, echo := range []bool{true, false} {
		l := link(t, fmt.Sprintf(`"echo":%v`, echo), smsc.Config{})
		m := one("hi", "gsm7")
		m.Message, m.Attempt = 4711, 1
		if _, err := l.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		receipts, err := l.sink.AwaitReceipts(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := receipts[0].Reference; (got == m.Echo()) != echo || (got == 0) == echo {
			t.Errorf("%v: %d for %d", echo, got, m.Echo())
		}
	}
	if Driver.Class(settingsWith(`"echo":true`)) != channel.Echo || Driver.Class(settingsWith(``)) != channel.Blind {
		t.Error("the class is another")
	}
}

// Every way of writing a text arrives as it was meant.
func TestTextsArriveHoweverTheyAreWritten(t *testing.T) {
	texts := []string{"é@€ {hello}", strings.Repeat("Türkçe ışık ", 20), strings.Repeat("não é ", 40), strings.Repeat("a@_$ ", 40)}
	for more, config := range map[string]smsc.Config{
		`"packed":true`: {Packed: true},
		`"national":["turkish","portuguese","spanish"]`:      {},
		`"packed":true,"national":["turkish"]`:               {Packed: true},
		`"data_coding":"ascii"`:                              {Alphabet: smpp.ASCII},
		`"data_coding":"latin1","concatenation":"udh16"`:     {Alphabet: smpp.Latin1},
		`"command":"data_sm","concatenation":"sar"`:          {},
		`"command":"data_sm"`:                                {},
		`"command":"data_sm","concatenation":"payload"`:      {},
		`"concatenation":"payload","transliterate":true`:     {},
		`"concatenation":"udh16","national":["turkish"]`:     {},
		`"receipts":"all","validity":"absolute","echo":true`: {},
	} {
		l := link(t, more, config)
		settings := settingsWith(more)
		for i, text := range texts {
			split, err := Driver.Split(settings, message.Text(text))
			if err != nil {
				t.Fatal(err)
			}
			if split.Total == 1 {
				split.Texts = []string{text}
			}
			for n, part := range split.Texts {
				m := one(text, split.Encoding)
				m.To.Value = fmt.Sprintf("+4917000000%02d", i)
				m.Text, m.Number, m.Total, m.Reference, m.ValidUntil = part, n+1, split.Total, uint16(i), time.Now().Add(time.Hour)
				if _, err := l.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := map[string]string{}
		for _, r := range l.smsc.History() {
			if r.Op == smsc.OpSubmit {
				got[r.To] += r.Text
			}
		}
		for i, text := range texts {
			if have := got[fmt.Sprintf("4917000000%02d", i)]; have != text {
				t.Errorf("%s: %q became %q", more, text, have)
			}
		}
		l.stop()
	}
}
