package smpp

// callList holds calls by time of sending, in a ring through a root.
type callList struct{ root call }

func (l *callList) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *callList) push(c *call) {
	c.prev, c.next = l.root.prev, &l.root
	c.prev.next, l.root.prev = c, c
}

func (l *callList) remove(c *call) {
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
}

func (l *callList) oldest() *call {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

// takeCall uses a spent call where there is one, so that a steady exchange allocates none. The caller holds the lock.
func (s *Session) takeCall(done func(Response, error)) *call {
	c := s.free
	if c == nil {
		return &call{done: done}
	}
	s.free = c.next
	*c = call{done: done}
	return c
}

// recycle keeps a spent call. The caller holds the lock.
func (s *Session) recycle(c *call) {
	*c = call{next: s.free}
	s.free = c
}

// maxLate bounds how many given-up requests are remembered. A peer that owes more is not merely late.
const maxLate = 4096

// lateSet remembers given-up requests, the newest ones, so that a late answer can still be placed.
type lateSet struct {
	bodies map[uint32]Body
	order  []uint32
}

func (l *lateSet) has(sequence uint32) bool {
	_, ok := l.bodies[sequence]
	return ok
}

func (l *lateSet) add(sequence uint32, body Body) {
	if len(l.order) >= maxLate {
		delete(l.bodies, l.order[0])
		l.order = l.order[1:]
	}
	l.bodies[sequence] = body
	l.order = append(l.order, sequence)
}

func (l *lateSet) take(sequence uint32) (Body, bool) {
	body, ok := l.bodies[sequence]
	delete(l.bodies, sequence)
	return body, ok
}
