package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

// tally counts events by their kind once they are on disk.
type tally struct{ events *prometheus.CounterVec }

func newTally(m *telemetry.Metrics) *tally {
	return &tally{m.Counter("events_total", "Events that happened, such as message.delivered.", "type")}
}

// Follow implements event.Follower.
func (t *tally) Follow(tx *store.Tx, events []event.Event) error {
	kinds := make([]event.Kind, len(events))
	for i, e := range events {
		kinds[i] = e.Kind
	}
	tx.After(func() {
		for _, kind := range kinds {
			t.events.WithLabelValues(string(kind)).Inc()
		}
	})
	return nil
}

// countOddities counts what networks do that they should not.
func (c *Core) countOddities() func(driver string, o channel.Oddity) {
	odd := c.Metrics.Counter("channel_oddities_total", "What networks do that they should not and that nothing fails of, such as receipt_mismatch.", "driver", "kind")
	return func(driver string, o channel.Oddity) { odd.WithLabelValues(driver, string(o)).Inc() }
}
