package gateway

import (
	"context"

	"tidings.dev/internal/account"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
)

// Health tells which channels are known to be down: enabled, and without a session on any server. It is asked for each message
// that names no channel, so that it answers from memory.
type Health interface {
	Down(ch message.ChannelID) bool
}

// Heeds has messages go round the channels that are down. It must be called before work starts; without it none is known to be.
func (g *Gateway) Heeds(h Health) { g.health = h }

func (g *Gateway) down(ch message.ChannelID) bool { return g.health != nil && g.health.Down(ch) }

// carries tells whether the account's messages of the kind may go out by the channel.
func carries(ch connection.Channel, a account.ID, kind message.Kind) bool {
	return ch.Enabled && ch.Kind == kind && (ch.Account == 0 || ch.Account == a)
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
		if ok && carries(ch, a, kind) {
			list = append(list, ch)
		}
	}
	return list, nil
}
