package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	pieceTries = 20 // in one round, for a moment in which nobody uses the big tables
	piecePause = 50 * time.Millisecond
)

// Claim tells whether something needs a row whose key is one of those from one to before another, or any of its parts and events.
type Claim func(ctx context.Context, from, before int64) (bool, error)

// Needs adds to what keeps a piece of the big tables from being dropped. It must be called before House.
func (g *Gateway) Needs(c Claim) { g.claims = append(g.claims, c) }

// makePieces has the big tables ready for the next months.
func (g *Gateway) makePieces(ctx context.Context) error {
	made, err := g.untilAlone(ctx, func(tx *store.Tx) (bool, error) { return tx.MakePieces() })
	if err != nil {
		return fmt.Errorf("make pieces ahead: %w", err)
	}
	if !made {
		g.Log.Info("the next months' pieces are made later: their tables are in use")
	}
	return nil
}

// dropPieces drops the pieces of the big tables that are past their retention whole. What needs one row of a piece keeps it,
// and its other rows are deleted one by one.
func (g *Gateway) dropPieces(ctx context.Context, now time.Time) error {
	pieces, err := g.Store.Pieces(ctx, since(now.Add(-g.Settings.KeepMessages)))
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if err := g.dropPiece(ctx, now, p); err != nil {
			return fmt.Errorf("drop a piece: %w", err)
		}
	}
	return nil
}

func (g *Gateway) dropPiece(ctx context.Context, now time.Time, p store.Piece) error {
	seen := since(now.Add(-time.Minute)) // another node's clock may be behind
	needed, err := g.needed(ctx, now, p)
	if err != nil || needed {
		return err
	}
	dropped, err := g.untilAlone(ctx, func(tx *store.Tx) (bool, error) {
		// What came to need the piece meanwhile has a new job about it: a late receipt's webhook, a delivery that is repeated.
		added, err := g.Queue.AddedAbout(tx, seen, p.From, p.To)
		if err != nil || added {
			needed = added
			return true, err
		}
		return tx.DropPiece(p)
	})
	if err == nil && dropped && !needed {
		g.Log.Info("dropped a month that is past its retention", "from", message.ID(p.From).Time(), "to", message.ID(p.To).Time())
	}
	return err
}

// needed asks for what keeps a piece, what is cheap to ask first. Nothing of it but a job can come to be about a piece that is
// over: a message that has ended does not wait again, and money is held when a message is accepted.
func (g *Gateway) needed(ctx context.Context, now time.Time, p store.Piece) (bool, error) {
	for _, claim := range slices.Concat([]Claim{g.Queue.About}, g.claims, []Claim{g.stays(now), g.others(now), g.Wallet.Holds}) {
		if needed, err := claim(ctx, p.From, p.To); err != nil || needed {
			return needed, err
		}
	}
	return false, nil
}

// stays is the claim of messages that are not to be deleted yet.
func (g *Gateway) stays(now time.Time) Claim {
	return func(ctx context.Context, from, before int64) (bool, error) {
		_, err := on(g.Store.Reader()).StayingMessage(ctx, stayingMessageParams{FromID: message.ID(from), Before: message.ID(before), Over: g.over(now)})
		if store.NoRows(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for messages that stay: %w", err)
		}
		return true, nil
	}
}

// others is the claim of events that do not end with a message, unless they are over too.
func (g *Gateway) others(now time.Time) Claim {
	return func(ctx context.Context, from, before int64) (bool, error) {
		kept := time.UnixMilli(0)
		if keep := g.Settings.KeepEvents; keep > 0 {
			kept = now.Add(-keep)
		}
		return g.Events.Others(ctx, from, before, kept)
	}
}

// untilAlone runs f until it has not to wait for anybody, some times.
func (g *Gateway) untilAlone(ctx context.Context, f func(tx *store.Tx) (bool, error)) (done bool, err error) {
	for try := 0; try < pieceTries && ctx.Err() == nil; try++ {
		err := g.Store.Write(func(tx *store.Tx) (err error) {
			done, err = f(tx)
			return err
		})
		if err != nil || done {
			return done, err
		}
		time.Sleep(piecePause)
	}
	return false, ctx.Err()
}
