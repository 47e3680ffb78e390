//go:build bug_slot_early

package queue

import (
	"context"
	"time"
)

// result is a planted bug: the worker is free at once, and the result follows some time later. The chaos run must catch it.
func (l *lane) result(hard context.Context, t *Task) *Task {
	if t.Next.verb == advance {
		return t
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		l.settle(hard, t, nil)
	}()
	return nil
}
