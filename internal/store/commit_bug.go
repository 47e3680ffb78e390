//go:build bug_reply_before_commit

package store

import "time"

// seal is a planted bug: members are told that they are on disk some time before they are. The chaos run must catch it.
func (w *writer) seal(group []*member) error {
	for i, m := range group {
		m.err <- nil
		group[i] = &member{err: make(chan error, 1)} // nobody listens to the second answer
	}
	time.Sleep(20 * time.Millisecond)
	return w.conn.commit()
}
