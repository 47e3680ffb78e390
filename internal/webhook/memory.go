package webhook

import (
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
)

// remembered is how many subjects the memory holds: about what happens between an event and its post.
const remembered = 4096

// longestStory is how many events of one subject the memory holds: a message has few, and a channel may have no end of them.
const longestStory = 64

// memory holds the events of the newest subjects from their first one on. Events never change, so it can only save
// reading them; what it does not hold is read.
type memory struct {
	mu    sync.Mutex
	of    map[int64][]event.Event
	order [remembered]int64 // subjects, for forgetting the oldest
	next  int
}

// learn takes events that are on disk. Only a history without a gap is worth anything.
func (m *memory) learn(events []event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[int64][]event.Event{}
	}
	for _, e := range events {
		e.At = e.At.UTC().Truncate(time.Millisecond) // as it is stored
		have := m.of[e.Subject]
		switch {
		case e.Seq == 1 && have == nil:
			delete(m.of, m.order[m.next])
			m.order[m.next] = e.Subject
			m.next = (m.next + 1) % remembered
		case e.Seq != len(have)+1, e.Seq > longestStory:
			continue
		}
		m.of[e.Subject] = append(have, e)
	}
}

// recall returns the subject's events up to the given one, or nil.
func (m *memory) recall(a account.ID, subject int64, seq int) []event.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.of[subject]
	if len(have) < seq || have[0].Account != a {
		return nil
	}
	return have[:seq:seq]
}
