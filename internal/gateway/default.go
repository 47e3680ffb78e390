package gateway

import (
	"context"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
)

// down tells whether a channel carries nothing now, on any server.
func (g *Gateway) down(ctx context.Context, ch message.ChannelID) bool {
	_, down := g.Connections.Down(ctx, ch)
	return down
}

// carries tells whether the account's messages of the kind may go out by the channel.
func (g *Gateway) carries(ch connection.Channel, a account.ID, kind message.Kind) bool {
	able := ch.Kind == kind || slices.Contains(g.drivers[ch.Driver].Features.Kinds, kind)
	return able && ch.Enabled && (ch.Account == 0 || ch.Account == a)
}

// defaults are the account's default channels of a kind that may carry its messages, in their order.
func (g *Gateway) defaults(ctx context.Context, a account.ID, kind message.Kind) ([]connection.Channel, error) {
	ids, err := g.Routes.Defaults(ctx, a, kind)
	if err != nil {
		return nil, err
	}
	var list []connection.Channel
	for _, id := range ids {
		ch, ok, err := g.Connections.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok && g.carries(ch, a, kind) {
			list = append(list, ch)
		}
	}
	return list, nil
}
