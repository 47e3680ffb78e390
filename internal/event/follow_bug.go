//go:build bug_webhook_outside_tx

package event

import (
	"time"

	"tidings.dev/internal/store"
)

// tell is a planted bug: followers act some time after the events are on disk. The chaos run must catch it.
func (l *Log) tell(tx *store.Tx, events []Event) error {
	tx.After(func() {
		time.AfterFunc(50*time.Millisecond, func() {
			_ = l.store.Write(func(tx *store.Tx) error {
				for _, f := range l.followers {
					if err := f.Follow(tx, events); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
	return nil
}
