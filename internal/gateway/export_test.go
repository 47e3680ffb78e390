package gateway

import "context"

// MoveFromDown is one look for messages whose channel is down.
func (g *Gateway) MoveFromDown(ctx context.Context) error { return g.moveFromDown(ctx) }
