//go:build bug_no_fence

package queue

import "tidings.dev/internal/store"

// won is a planted bug: a claim counts even when the job is gone or someone else's. The chaos run must catch it.
func won(int64) bool { return true }

// lost is the other half of the bug: what a dead worker had claimed begins again as if it never had.
func (k Kind) lost(*store.Tx, []*Task) error { return nil }
