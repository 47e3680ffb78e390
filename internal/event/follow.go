//go:build !bug_webhook_outside_tx

package event

import (
	"fmt"

	"tidings.dev/internal/store"
)

// tell lets the followers act in the same transaction.
func (l *Log) tell(tx *store.Tx, events []Event) error {
	for _, f := range l.followers {
		if err := f.Follow(tx, events); err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
	}
	return nil
}
