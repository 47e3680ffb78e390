package trial

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// What the network that is not there would take.
const (
	receiptDelay = 100 * time.Millisecond
	answerTime   = 10 * time.Second // until a part without an answer is given up
	retryDelay   = time.Second      // until the sink is told again
	drainTime    = 5 * time.Second
	window       = 100
)

// session lives as long as Run. What it owes then is lost, as a test message can bear; a real network would remember.
type session struct {
	env     channel.Env
	running chan struct{}   // closed by Run
	leaving chan struct{}   // closed when Run's context ends
	told    context.Context // of calls to the sink; set before running is closed

	mu    sync.Mutex
	ended bool
	open  sync.WaitGroup // Sends, and news that is owed
	tries map[part]int   // of parts whose ending depends on it
}

// part is one part of a message, over all attempts.
type part struct {
	message message.ID
	number  int
}

// maxTries bounds what is remembered of parts that never come again.
const maxTries = 10_000

func newSession(env channel.Env) *session {
	return &session{env: env, running: make(chan struct{}), leaving: make(chan struct{}), tries: map[part]int{}}
}

// Window is wide, as one session serves the test keys of all accounts.
func (s *session) Window() int { return window }

// Run tells the sink what is owed, until ctx ends.
func (s *session) Run(ctx context.Context) error {
	told, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.told = told
	close(s.running)
	<-ctx.Done()
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	close(s.leaving)
	late := time.AfterFunc(drainTime, cancel)
	defer late.Stop()
	s.open.Wait()
	return nil
}

// begin counts work that Run waits for; it is false once Run has ended.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.open.Add(1)
	}
	return !s.ended
}

// Send does what the recipient's ending says. The id is made from the message's own, so that no restart repeats one.
func (s *session) Send(ctx context.Context, m message.Outbound) (remoteID string, err error) {
	if !s.begin() {
		return "", &channel.Failure{Verdict: channel.Retry, Code: "not_connected"}
	}
	defer s.open.Done()
	e := endingOf(m.To)
	if s.fails(m, e) {
		return "", &e.failure
	}
	if e.silent {
		return "", s.silence(ctx)
	}
	id := fmt.Sprintf("trial-%s-%d-%d", m.Message, m.Attempt, m.Number)
	if e.receiptFirst {
		s.tellFirst(ctx, receiptOf(s.env.Channel, id, m, e))
		return id, nil
	}
	if e.answer > 0 && !wait(ctx.Done(), e.answer) {
		return "", &channel.Failure{Code: "no_answer", Err: ctx.Err()}
	}
	s.oweAll(id, m, e)
	return id, nil
}

// fails tells whether this try of the part fails. An unsure one is followed by another attempt, if any.
func (s *session) fails(m message.Outbound, e ending) bool {
	if e.failure.Code == "" || e.failures == 0 {
		return e.failure.Code != ""
	}
	if e.failure.Verdict == channel.Unsure {
		return m.Attempt <= e.failures
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := part{m.Message, m.Number}
	s.tries[key]++
	if s.tries[key] > e.failures {
		delete(s.tries, key)
		return false
	}
	if len(s.tries) > maxTries {
		clear(s.tries)
	}
	return true
}

func (s *session) silence(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-s.leaving:
	}
	return &channel.Failure{Code: "no_answer", Err: ctx.Err()}
}

// wait is false when stop came first.
func wait(stop <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

func (s *session) oweAll(id string, m message.Outbound, e ending) {
	for range e.receipts {
		receipt := receiptOf(s.env.Channel, id, m, e)
		s.owe(receiptDelay+e.receipt, func(ctx context.Context) error {
			receipt.At = time.Now().UTC()
			return s.env.Sink.Receipt(ctx, receipt)
		})
	}
	if e.reply == nil || m.Number > 1 {
		return
	}
	reply := message.Inbound{
		Channel: s.env.Channel, RemoteID: id + "-reply", From: m.To, To: m.From, Content: message.Text(e.reply(m.Content.Text)),
	}
	s.owe(receiptDelay, func(ctx context.Context) error {
		reply.At = time.Now().UTC()
		return s.env.Sink.Inbound(ctx, reply)
	})
}

func receiptOf(of message.ChannelID, id string, m message.Outbound, e ending) message.Receipt {
	word := "DELIVRD"
	if e.status != message.Delivered {
		word = "UNDELIV"
	}
	return message.Receipt{
		Channel: of, RemoteID: id, To: m.To, Status: e.status, Code: e.code, Reason: e.reason,
		Raw: fmt.Sprintf("id:%s stat:%s err:%s", id, word, e.code),
	}
}

// owe tells the sink after a while, and again until it has it.
func (s *session) owe(after time.Duration, tell func(context.Context) error) {
	if !s.begin() {
		return
	}
	go func() {
		defer s.open.Done()
		for wait(s.leaving, after) {
			<-s.running
			if tell(s.told) == nil {
				return
			}
			after = retryDelay
		}
	}()
}

// tellFirst returns once the sink has the receipt, or will not take it soon.
func (s *session) tellFirst(ctx context.Context, r message.Receipt) {
	told := make(chan struct{})
	s.owe(0, func(ctx context.Context) error {
		r.At = time.Now().UTC()
		err := s.env.Sink.Receipt(ctx, r)
		if err == nil {
			close(told)
		}
		return err
	})
	select {
	case <-told:
	case <-time.After(answerTime):
	case <-ctx.Done():
	case <-s.leaving:
	}
}
