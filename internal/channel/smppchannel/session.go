package smppchannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// session is one bind.
type session struct {
	config  *config
	channel message.ChannelID
	sink    channel.Sink
	log     *slog.Logger
	link    *smpp.Session

	work  context.Context // of what the sink is told; set by Run, before anything is read
	hands sync.WaitGroup  // goroutines that tell the sink; as many as the SMSC may have unanswered

	mu     sync.Mutex
	broken error // a panic, which ends this session and no other
}

// outgoing is a submit_sm that knows its part, for an answer that comes late.
type outgoing struct {
	smpp.Message
	part message.Outbound
}

func newSession(conn net.Conn, c *config, env channel.Env) *session {
	s := &session{config: c, channel: env.Channel, sink: env.Sink, log: env.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	link := c.session
	link.Handler, link.Late = s.receive, s.late
	s.link = smpp.NewSession(conn, link)
	return s
}

// Window is how many parts the SMSC may owe an answer for.
func (s *session) Window() int { return s.config.session.Window }

// Send submits the part and waits for the SMSC's id.
func (s *session) Send(ctx context.Context, m message.Outbound) (remoteID string, err error) {
	out, failure := s.config.outgoing(m, time.Now())
	if failure != nil {
		return "", failure
	}
	r, err := s.link.Do(ctx, smpp.SubmitSM, out)
	if err != nil {
		return "", linkFailure(err)
	}
	return s.result(r)
}

func (s *session) result(r smpp.Response) (remoteID string, err error) {
	if failure := answerFailure(r.Header); failure != nil {
		return "", failure
	}
	return s.config.rule.Answer(r.MessageID), nil
}

// Run serves the bind. When ctx ends it unbinds, after open requests of both sides are answered or drainTime is over.
func (s *session) Run(ctx context.Context) error {
	defer s.hands.Wait()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.work = work
	left := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(left)
		s.leave(work)
	})
	err := s.link.Run(work)
	if !unhook() {
		<-left
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.broken, err)
}

func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := s.link.Unbind(ctx); err != nil {
		s.log.Warn("left the bind with requests open", "error", err)
	}
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
	s.mu.Unlock()
	s.link.Close()
}

// tell hands a deliver_sm or data_sm to the sink.
func (s *session) tell(m *smpp.Message) error {
	receipt, ok := smpp.ParseReceipt(m, s.config.receipts)
	if !ok {
		return s.sink.Inbound(s.work, s.inbound(m))
	}
	if receipt.Mismatch {
		s.log.Info("text and parameters of a receipt differ; the parameters count")
	}
	if receipt.ID == "" {
		s.log.Warn("a receipt names no message", "receipt", withoutText(m, receipt))
		return nil
	}
	return s.sink.Receipt(s.work, s.receipt(m, receipt))
}

// late tells a sink that wants to know what came of a part that was given up as unsure.
func (s *session) late(body smpp.Body, r smpp.Response) {
	out, isPart := body.(*outgoing)
	sink, wanted := s.sink.(channel.LateSink)
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
