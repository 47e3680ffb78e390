package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// Trace tells the life of any account's message: as its account sees it, with what its webhooks were told.
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
	if err != nil {
		return m, nil, err
	}
	told, err := c.Webhooks.Told(ctx, owner, int64(id))
	if err != nil {
		return m, nil, err
	}
	for _, d := range told {
		steps = append(steps, gateway.Step{At: d.Tried, Name: "webhook", Seq: d.Seq, Detail: fmt.Sprintf("%s to endpoint %s: %s", d.Kind, d.Endpoint, d.Outcome())})
	}
	slices.SortStableFunc(steps, func(a, b gateway.Step) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return m, steps, nil
}
