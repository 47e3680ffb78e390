//go:build failing_writes

package store

import (
	"errors"
	"math/rand/v2"
)

// spoil fails one transaction in a hundred, as a disk does that is at its end. The chaos runs must find nothing missing for it.
func (w *writer) spoil() error {
	if rand.IntN(100) == 0 {
		return errors.New("this write fails on purpose")
	}
	return nil
}
