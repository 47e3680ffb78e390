//go:build bug_no_fence

package queue

// won is a planted bug: a claim counts even when the job is gone or someone else's. The chaos run must catch it.
func won(int64) bool { return true }
