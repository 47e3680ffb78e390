package smpp

import (
	"context"
	"fmt"
	"time"
)

// Response is the peer's answer to a request of ours. A generic_nack is one too.
type Response struct {
	Header
	MessageID string // of submit_sm_resp and data_sm_resp
	TLVs      TLVs
}

// Err is nil when the peer took the request, and its Status otherwise.
func (r Response) Err() error { return r.Status.Err() }

// call is a request of ours that waits for its answer.
type call struct {
	sequence   uint32
	offset     uint64 // of its first octet in all that was ever sent
	body       Body
	done       func(Response, error) // nil: answer goes to reply
	reply      chan reply
	deadline   time.Duration
	windowed   bool // it holds a window slot
	prev, next *call
}

type reply struct {
	response Response
	err      error
}

// settle hands out the end of a call that is off the books. The caller must not hold the lock.
func (c *call) settle(r Response, err error) {
	if c.done != nil {
		c.done(r, err)
		return
	}
	c.reply <- reply{r, err} // has room for one
}

// Do sends a request and waits for its answer; it first waits for a free slot of the window. An answer that refuses is
// no error here: see Response.Err. An error is exactly one of ErrNotWritten and ErrUnsure. After ErrUnsure the body must
// not be changed, as Late may still hand it back.
func (s *Session) Do(ctx context.Context, command Command, body Body) (Response, error) {
	c, _ := s.spent.Get().(*call)
	if c == nil {
		c = &call{reply: make(chan reply, 1)}
	}
	if err := s.start(ctx, c, nil, command, body); err != nil {
		return Response{}, err
	}
	select {
	case r := <-c.reply:
		c.body = nil
		s.spent.Put(c)
		return r.response, r.err
	case <-ctx.Done():
		return s.giveUp(ctx, c)
	}
}

// Submit is Do with submit_sm.
func (s *Session) Submit(ctx context.Context, m *Message) (Response, error) {
	return s.Do(ctx, SubmitSM, m)
}

// Go sends a request and calls done once with its end; it waits only for a free slot of the window. When it returns an
// error, which is always ErrNotWritten, done is not called. done runs on the session's goroutine: it must not block, and
// sends what follows with TryGo.
func (s *Session) Go(ctx context.Context, command Command, body Body, done func(Response, error)) error {
	return s.start(ctx, nil, done, command, body)
}

// TryGo is Go that returns ErrWindowFull (and ErrNotWritten) instead of waiting.
func (s *Session) TryGo(command Command, body Body, done func(Response, error)) error {
	if err := checkBody(command, body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(); err != nil {
		return err
	}
	if s.inFlight >= s.config.Window || s.waiters.Len() > 0 {
		return errWindowFull
	}
	s.inFlight++
	s.send(s.takeCall(done), command, body)
	return nil
}

var errWindowFull = fmt.Errorf("%w: %w", ErrNotWritten, ErrWindowFull)

func checkBody(command Command, body Body) error {
	if body == nil {
		return nil
	}
	if err := body.check(command); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotWritten, command, err)
	}
	return nil
}

// Free is how many slots of the window are free right now.
func (s *Session) Free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, s.config.Window-s.inFlight-s.waiters.Len())
}

// start takes a slot and sends, under one lock when a slot is free.
func (s *Session) start(ctx context.Context, c *call, done func(Response, error), command Command, body Body) error {
	if err := checkBody(command, body); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(); err != nil {
		return err
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	if c == nil {
		c = s.takeCall(done)
	}
	s.send(c, command, body)
	return nil
}

// refusal tells why no request is taken any more.
func (s *Session) refusal() error {
	if !s.draining {
		return nil
	}
	if s.cause != nil {
		return fmt.Errorf("%w: %w", ErrNotWritten, s.cause)
	}
	return fmt.Errorf("%w: %w", ErrNotWritten, ErrClosed)
}

// send records the request, then adds it to what the writer takes next: a fast answer always finds its request.
func (s *Session) send(c *call, command Command, body Body) {
	c.sequence, c.offset, c.body = s.nextSequence(), s.handed+uint64(len(s.out)), body
	c.windowed, c.deadline = true, s.now()+s.config.ResponseTimeout
	s.pending[c.sequence] = c
	s.calls.push(c)
	s.stats.Sent++
	s.append(PDU{Header: Header{Command: command, Sequence: c.sequence}, Body: body})
}

// nextSequence wraps after 0x7FFFFFFF to 1 (SMPP 3.4, 5.1.4) and passes over numbers that still mean something.
func (s *Session) nextSequence() uint32 {
	for {
		s.sequence++
		if s.sequence > 0x7FFFFFFF {
			s.sequence = 1
		}
		if s.pending[s.sequence] == nil && !s.late.has(s.sequence) {
			return s.sequence
		}
	}
}

// giveUp leaves a call whose caller has gone. It keeps its slot until the peer answers or the response is overdue,
// because at the peer it still counts.
func (s *Session) giveUp(ctx context.Context, c *call) (Response, error) {
	s.mu.Lock()
	if s.pending[c.sequence] != c { // its end is just being told
		s.mu.Unlock()
		r := <-c.reply
		return r.response, r.err
	}
	defer s.mu.Unlock()
	body := c.body
	c.done = func(r Response, err error) {
		if err == nil {
			s.tellLate(body, r)
		}
	}
	return Response{}, fmt.Errorf("%w: %w", ErrUnsure, ctx.Err())
}

// answered settles the request that a response belongs to.
func (s *Session) answered(r Response) {
	s.mu.Lock()
	c := s.pending[r.Sequence]
	if c == nil {
		s.answeredLate(r)
		return
	}
	s.finish(c)
	s.stats.Answered++
	done := c.done
	if done == nil {
		s.mu.Unlock()
		c.reply <- reply{r, nil} // has room for one
		return
	}
	s.recycle(c)
	s.mu.Unlock()
	done(r, nil)
}

// answeredLate counts, and tells the hook. It is entered with the lock held and leaves it free.
func (s *Session) answeredLate(r Response) {
	body, known := s.late.take(r.Sequence)
	stray := !known && r.Command != EnquireLinkResp // tend does not wait for its own: reading anything proves life
	if stray {
		s.stats.Unknown++
	}
	s.mu.Unlock()
	switch {
	case known:
		s.tellLate(body, r)
	case stray && s.config.Stray != nil:
		s.config.Stray(r)
	}
}

func (s *Session) tellLate(body Body, r Response) {
	s.mu.Lock()
	s.stats.Late++
	s.mu.Unlock()
	if s.config.Late != nil {
		s.config.Late(body, r)
	}
}

// finish takes a call off the books and passes its slot on.
func (s *Session) finish(c *call) {
	delete(s.pending, c.sequence)
	s.calls.remove(c)
	if c.windowed {
		s.release()
	}
}

// expire ends the calls whose answer is overdue and returns when the next one will be.
func (s *Session) expire(now time.Duration) time.Duration {
	for {
		s.mu.Lock()
		c := s.calls.oldest()
		if c == nil || c.deadline > now {
			next := now + s.config.ResponseTimeout // for what is sent from now on
			if c != nil {
				next = c.deadline
			}
			s.mu.Unlock()
			return next
		}
		s.finish(c)
		s.stats.TimedOut++
		s.late.add(c.sequence, c.body)
		s.mu.Unlock()
		c.settle(Response{}, fmt.Errorf("%w: %w", ErrUnsure, ErrTimeout))
	}
}

// failAll settles what is open after the connection has ended: what the writer never took was not written.
func (s *Session) failAll() {
	s.mu.Lock()
	var open []*call
	for c := s.calls.oldest(); c != nil; c = s.calls.oldest() {
		s.finish(c)
		open = append(open, c)
	}
	handed, cause := s.handed, s.cause
	s.mu.Unlock()
	for _, c := range open {
		outcome := ErrUnsure
		if c.offset >= handed {
			outcome = ErrNotWritten
		}
		c.settle(Response{}, fmt.Errorf("%w: %w", outcome, cause))
	}
}
