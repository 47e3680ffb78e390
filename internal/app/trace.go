package app

import (
	"context"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// Trace tells the life of any account's message, as its account sees it.
func (c *Core) Trace(ctx context.Context, id message.ID) (message.Message, []gateway.Step, error) {
	owner, err := c.Gateway.Owner(ctx, id)
	if err != nil {
		return message.Message{}, nil, err
	}
	m, err := c.Gateway.Message(ctx, owner, id)
	if err != nil {
		return m, nil, err
	}
	steps, err := c.Gateway.Journey(ctx, owner, id)
	return m, steps, err
}
