package channeltest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"tidings.dev/internal/message"
)

// Sink collects what a session tells. It can be told to be slow, or to fail.
type Sink struct {
	mu       sync.Mutex
	receipts []message.Receipt
	inbounds []message.Inbound
	lates    []Late
	refused  int
	failures int
	gate     chan struct{} // nil: open
	changed  chan struct{} // closed and replaced with all news
}

// Late is an answer that came after Send had returned.
type Late struct {
	Part     message.Outbound
	RemoteID string
	Err      error
}

var errFull = errors.New("channeltest: told to fail")

// Receipt keeps the receipt.
func (s *Sink) Receipt(ctx context.Context, r message.Receipt) error {
	return s.take(ctx, func() { s.receipts = append(s.receipts, r) })
}

// Inbound keeps the message.
func (s *Sink) Inbound(ctx context.Context, m message.Inbound) error {
	return s.take(ctx, func() { s.inbounds = append(s.inbounds, m) })
}

// Late keeps the answer.
func (s *Sink) Late(ctx context.Context, m message.Outbound, remoteID string, err error) error {
	return s.take(ctx, func() { s.lates = append(s.lates, Late{m, remoteID, err}) })
}

func (s *Sink) take(ctx context.Context, keep func()) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tell()
	if s.failures > 0 {
		s.failures--
		s.refused++
		return errFull
	}
	keep()
	return nil
}

// FailNext makes the next n calls fail.
func (s *Sink) FailNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = n
}

// Refused is how many calls failed so far.
func (s *Sink) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Hold keeps calls from returning until release.
func (s *Sink) Hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.gate = nil
		s.mu.Unlock()
		close(gate)
	})
}

// Receipts is every receipt taken so far.
func (s *Sink) Receipts() []message.Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.receipts)
}

// Inbounds is every message taken so far.
func (s *Sink) Inbounds() []message.Inbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.inbounds)
}

// Lates is every late answer taken so far.
func (s *Sink) Lates() []Late {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lates)
}

// Await waits until what holds asks for holds; it looks again whenever something comes. What holds may call the sink.
func (s *Sink) Await(ctx context.Context, holds func() bool) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AwaitReceipts waits until there are n receipts.
func (s *Sink) AwaitReceipts(ctx context.Context, n int) ([]message.Receipt, error) {
	err := s.Await(ctx, func() bool { return len(s.Receipts()) >= n })
	return s.Receipts(), err
}

// AwaitInbounds waits until there are n messages.
func (s *Sink) AwaitInbounds(ctx context.Context, n int) ([]message.Inbound, error) {
	err := s.Await(ctx, func() bool { return len(s.Inbounds()) >= n })
	return s.Inbounds(), err
}

// tell wakes whoever awaits. The caller holds the lock.
func (s *Sink) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
