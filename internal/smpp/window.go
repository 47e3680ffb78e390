package smpp

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"time"
)

// acquire takes a slot of the window, waiting in line for one. It is entered and left with the lock held.
func (s *Session) acquire(ctx context.Context) error {
	if s.inFlight < s.config.Window && s.waiters.Len() == 0 {
		s.inFlight++
		return nil
	}
	granted := make(chan struct{})
	place := s.waiters.PushBack(granted)
	s.mu.Unlock()
	var refused error
	select {
	case <-granted:
	case <-s.closing:
		refused = ErrClosed
	case <-ctx.Done():
		refused = ctx.Err()
	}
	s.mu.Lock()
	return s.settleWait(granted, place, refused)
}

// settleWait gives back a slot that was granted in the same moment as the wait was given up.
func (s *Session) settleWait(granted chan struct{}, place *list.Element, refused error) error {
	if refused == nil && s.draining {
		refused = ErrClosed
	}
	if refused == nil {
		return nil
	}
	select {
	case <-granted:
		s.release()
	default:
		s.waiters.Remove(place)
	}
	return fmt.Errorf("%w: %w", ErrNotWritten, refused)
}

// release hands a slot to the first in line, or frees it.
func (s *Session) release() {
	if first := s.waiters.Front(); first != nil && !s.draining {
		close(s.waiters.Remove(first).(chan struct{}))
		return
	}
	s.inFlight--
	s.checkDrained()
}

// checkDrained tells a drain that both directions are empty.
func (s *Session) checkDrained() {
	if s.idle != nil && s.inFlight == 0 && s.unanswered == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// drain takes no more requests and waits until all open ones of both sides are answered, or ctx ends.
func (s *Session) drain(ctx context.Context) error {
	s.mu.Lock()
	s.refuseLocked()
	idle := s.idle
	if idle == nil {
		idle = make(chan struct{})
		s.idle = idle
		s.checkDrained()
	}
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unbind ends the session in good order: no new requests, open ones of both sides are answered, unbind, close. When ctx
// ends first the connection is closed with requests open, and the error says so.
func (s *Session) Unbind(ctx context.Context) error {
	defer s.Close()
	if err := s.drain(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	c := &call{reply: make(chan reply, 1)}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return fmt.Errorf("unbind: %w", ErrClosed)
	}
	s.send(c, Unbind, nil)
	c.windowed = false
	s.cause = cmp.Or(s.cause, ErrClosed) // the peer may close as soon as it has answered
	s.mu.Unlock()
	select {
	case r := <-c.reply:
		return r.err
	case <-s.done:
		return nil // the peer closed instead of answering, which is as good
	case <-ctx.Done():
		return fmt.Errorf("unbind: %w", ctx.Err())
	}
}

// unbound answers the peer's unbind once nothing is open, and ends the session.
func (s *Session) unbound(sequence uint32) {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()
	_ = s.drain(ctx) // what is still open ends as unsure
	s.endAfterFlush(Header{Command: UnbindResp, Sequence: sequence}, ErrUnbound)
}

// tend watches the clock: overdue answers, and whether the link lives.
func (s *Session) tend() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.done:
			return
		}
		now := s.now()
		next, alive := s.enquire(now)
		if !alive {
			s.end(ErrLinkDead)
			return
		}
		timer.Reset(min(s.expire(now), next) - now)
	}
}

// enquire asks a silent peer whether it lives, and tells when one has not answered. It returns when to look again.
func (s *Session) enquire(now time.Duration) (next time.Duration, alive bool) {
	if s.config.EnquireInterval < 0 {
		return now + s.config.ResponseTimeout, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		s.lastRead = now // it is we who do not read
	}
	if s.asked > 0 && s.lastRead < s.asked {
		next = s.asked + s.config.EnquireTimeout
		return next, now < next
	}
	s.asked = 0
	if next = s.lastRead + s.config.EnquireInterval; now < next {
		return next, true
	}
	s.asked = now
	s.append(PDU{Header: Header{Command: EnquireLink, Sequence: s.nextSequence()}})
	return now + s.config.EnquireTimeout, true
}
