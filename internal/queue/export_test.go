package queue

// Remembered is how much a lane keeps in memory: jobs, order keys and accounts.
func (q *Queue) Remembered(lane string) int {
	q.mu.Lock()
	l := q.lanes[lane]
	q.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.known) + len(l.busy) + l.active
	for _, c := range l.classes {
		n += len(c.buckets)
	}
	return n
}
