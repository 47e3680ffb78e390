package gateway

import (
	"fmt"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
)

// TellOfChannel appends a notice about a channel to the events of its account, or of the operator's when all share it.
func (g *Gateway) TellOfChannel(tx *store.Tx, c connection.Channel, kind event.Kind, reason string) (err error) {
	whose := c.Account
	if whose == 0 {
		if whose, err = on(tx.Queries()).OperatorAccount(tx.Context()); err != nil {
			return fmt.Errorf("find the operator's account: %w", err)
		}
	}
	facts := event.Channel{ID: c.ID.String(), Name: c.Name, Shared: c.Account == 0, Reason: reason}
	return g.Events.Notice(tx, event.Notice{Account: whose, Subject: int64(c.ID), Kind: kind, Data: facts})
}
