//go:build !bug_slot_early

package queue

import "context"

// result is the task whose result its worker commits before it takes another.
func (l *lane) result(_ context.Context, t *Task) *Task { return t }
