//go:build !bug_no_fence

package queue

import "tidings.dev/internal/store"

// won reports whether a claim took its row.
func won(touched int64) bool { return touched == 1 }

// lost asks the handler about jobs that a dead worker had claimed: it may have done them.
func (k Kind) lost(tx *store.Tx, tasks []*Task) error {
	if k.Lost == nil {
		return nil
	}
	return k.Lost(tx, tasks)
}
