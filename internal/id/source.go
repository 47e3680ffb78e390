package id

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Source makes keys that are unique as long as no two running sources share a node number.
// Keys of one source only grow, even when the clock steps back.
type Source struct {
	mu   sync.Mutex
	node int64
	last int64
}

// NewSource returns a source for the given node (0 to 255).
func NewSource(node uint8) *Source { return &Source{node: int64(node)} }

// Next returns a key for the given moment, larger than any before it from this source.
func (s *Source) Next(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next(now.UnixMilli() - epoch)
}

func (s *Source) next(ms int64) int64 {
	if ms > s.last>>tailBits {
		// A random start lets a command that shares the database make keys beside a running server.
		s.last = ms<<tailBits | s.node<<seqBits | rand.Int64N(1<<(seqBits-1))
		return s.last
	}
	if s.last&(1<<seqBits-1) == 1<<seqBits-1 {
		s.last = (s.last>>tailBits+1)<<tailBits | s.node<<seqBits // the millisecond is full: borrow the next
		return s.last
	}
	s.last++
	return s.last
}
