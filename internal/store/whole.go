//go:build !failing_writes

package store

// spoil fails nothing: only builds for the chaos runs do.
func (w *writer) spoil() error { return nil }
