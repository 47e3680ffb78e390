package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// Journey is the life of one message.
type Journey struct {
	Message string         `json:"message"`
	Status  string         `json:"status"`
	Reason  string         `json:"reason"`
	Steps   []gateway.Step `json:"steps"`
}

// Trace tells the life of any account's message: as its account sees it, with what its webhooks were told.
func (c *Core) Trace(ctx context.Context, text string) (j Journey, err error) {
	which, err := required[message.Message](text, "message")
	if err != nil {
		return j, err
	}
	owner, err := c.Gateway.Owner(ctx, which)
	if err != nil {
		return j, err
	}
	m, err := c.Gateway.Message(ctx, owner, which)
	if err != nil {
		return j, err
	}
	steps, err := c.Gateway.Journey(ctx, owner, which)
	if err != nil {
		return j, err
	}
	told, err := c.Webhooks.Told(ctx, owner, int64(which))
	if err != nil {
		return j, err
	}
	for _, d := range told {
		steps = append(steps, gateway.Step{At: d.Tried, Name: "webhook", Seq: d.Seq, Detail: fmt.Sprintf("%s to endpoint %s: %s", d.Kind, d.Endpoint, d.Outcome())})
	}
	slices.SortStableFunc(steps, func(a, b gateway.Step) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return Journey{m.ID.String(), m.Status.String(), m.Reason, steps}, nil
}
