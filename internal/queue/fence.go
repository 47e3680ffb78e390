//go:build !bug_no_fence

package queue

// won reports whether a claim took its row.
func won(touched int64) bool { return touched == 1 }
