package smppchannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// session is the binds of a channel, which share what waits to be sent.
type session struct {
	config *config
	env    channel.Env
	log    *slog.Logger
	legs   []*leg
	turn   atomic.Uint32 // of the legs, among those that are equally free

	work  context.Context // of what the sink is told; set by Run, before anything is read
	hands sync.WaitGroup  // goroutines that tell the sink; as many as the SMSC may have unanswered

	mu     sync.Mutex
	up     int                // binds
	over   bool               // no bind is made any more
	end    context.CancelFunc // of making binds
	lost   error              // why the last bind ended
	broken error              // a panic, which ends this session and no other
}

// outgoing is a submit_sm that knows its part, for an answer that comes late.
type outgoing struct {
	smpp.Message
	part message.Outbound
}

func newSession(c *config, env channel.Env) *session {
	s := &session{config: c, env: env, log: env.Log, legs: legsOf(c)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Window is how many parts the SMSC may owe an answer for, on all binds together.
func (s *session) Window() int {
	window := 0
	for _, l := range s.legs {
		if l.mode.Transmits() {
			window += s.config.session.Window
		}
	}
	return window
}

// Send submits the part on the freest bind and waits for the SMSC's id. A part that surely has not left a bind which was
// lost leaves by another one.
func (s *session) Send(ctx context.Context, m message.Outbound) (remoteID string, err error) {
	if !s.config.sends() {
		return "", reject("receives_only", "the channel's binds only receive")
	}
	out, failure := s.config.outgoing(m, time.Now())
	if failure != nil {
		return "", failure
	}
	for {
		l, link := s.freest()
		if link == nil {
			return "", &channel.Failure{Verdict: channel.Retry, Code: "not_connected", Pause: firstWait, Err: smpp.ErrNotWritten}
		}
		r, err := link.Do(ctx, s.config.command, out)
		if err == nil {
			return s.result(r)
		}
		failure := linkFailure(err)
		if failure.Verdict != channel.Retry || ctx.Err() != nil {
			return "", failure
		}
		l.link.CompareAndSwap(link, nil) // it takes no more
	}
}

// freest is the bind with the most room in its window; of equals each in turn.
func (s *session) freest() (best *leg, link *smpp.Session) {
	most, first := -1, 0
	if len(s.legs) > 1 {
		first = int(s.turn.Add(1))
	}
	for i := range s.legs {
		l := s.legs[(first+i)%len(s.legs)]
		if !l.mode.Transmits() {
			continue
		}
		one := l.link.Load()
		if one == nil {
			continue
		}
		if free := one.Free(); free > most {
			most, best, link = free, l, one
		}
	}
	return best, link
}

func (s *session) result(r smpp.Response) (remoteID string, err error) {
	if failure := answerFailure(r.Header); failure != nil {
		return "", failure
	}
	return s.config.rule.Answer(r.MessageID), nil
}

// Run serves the binds until the last of them is lost. When ctx ends it unbinds, after open requests of both sides are
// answered or drainTime is over.
func (s *session) Run(ctx context.Context) error {
	defer s.hands.Wait()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	making, end := context.WithCancel(work)
	defer end()
	s.mu.Lock()
	s.work, s.end, s.up = work, end, len(s.links())
	s.mu.Unlock()
	left := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(left)
		s.leave(work)
	})
	var serving sync.WaitGroup
	for _, l := range s.legs {
		serving.Go(func() { s.keep(making, l) })
	}
	serving.Wait()
	if !unhook() {
		<-left
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.broken, s.lost)
}

// links are the binds that are up.
func (s *session) links() (links []*smpp.Session) {
	for _, l := range s.legs {
		if link := l.link.Load(); link != nil {
			links = append(links, link)
		}
	}
	return links
}

// endLocked makes no bind any more.
func (s *session) endLocked() {
	s.over = true
	s.end()
}

func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	s.mu.Lock()
	s.endLocked()
	s.mu.Unlock()
	var leaving sync.WaitGroup
	for _, link := range s.links() {
		leaving.Go(func() {
			if err := link.Unbind(ctx); err != nil {
				s.log.Warn("left the bind with requests open", "error", err)
			}
		})
	}
	leaving.Wait()
}

// receive gives each request its own goroutine, so that the sink can commit many at once. The link reads no further
// while its inbound window is full, which bounds them.
func (s *session) receive(r *smpp.Request) {
	if r.Command == smpp.SubmitSM {
		r.Respond(smpp.StatusInvalidCommandID, "")
		return
	}
	s.hands.Go(func() {
		status := smpp.StatusReceiverTemporary // the SMSC will tell again
		defer func() { r.Respond(status, "") }()
		defer s.contain()
		err := s.tell(r.Message())
		if err != nil {
			s.log.Warn("not taken; the network will tell again", "error", err)
			return
		}
		status = smpp.StatusOK
	})
}

// contain makes a panic the end of this session only.
func (s *session) contain() {
	cause := recover()
	if cause == nil {
		return
	}
	s.mu.Lock()
	s.broken = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
	s.endLocked()
	s.mu.Unlock()
	for _, link := range s.links() {
		link.Close()
	}
}

// tell hands a deliver_sm or data_sm to the sink.
func (s *session) tell(m *smpp.Message) error {
	receipt, ok := smpp.ParseReceipt(m, s.config.receipts)
	if !ok {
		return s.env.Sink.Inbound(s.work, s.inbound(m))
	}
	if receipt.Mismatch {
		s.env.Note(channel.ReceiptMismatch)
		s.log.Info("text and parameters of a receipt differ; the parameters count")
	}
	if receipt.ID == "" {
		s.env.Note(channel.ReceiptNameless)
		s.log.Warn("a receipt names no message", "receipt", withoutText(m, receipt))
		return nil
	}
	return s.env.Sink.Receipt(s.work, s.receipt(m, receipt))
}

// late tells a sink that wants to know what came of a part that was given up as unsure.
func (s *session) late(body smpp.Body, r smpp.Response) {
	s.env.Note(channel.AnswerLate)
	out, isPart := body.(*outgoing)
	sink, wanted := s.env.Sink.(channel.LateSink)
	if !isPart || !wanted {
		return
	}
	s.hands.Go(func() {
		defer s.contain()
		remoteID, failure := s.result(r)
		if err := sink.Late(s.work, out.part, remoteID, failure); err != nil {
			s.log.Warn("late answer not taken", "message", out.part.Message, "error", err)
		}
	})
}

// stray counts an answer to nothing that we asked.
func (s *session) stray(r smpp.Response) {
	s.env.Note(channel.AnswerStray)
	s.log.Info("an answer to no request of ours", "command", r.Command, "sequence", r.Sequence)
}
