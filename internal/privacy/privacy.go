// Package privacy gives people their due: an account takes its data away, or those about one person, and has one person erased.
package privacy

import (
	"context"
	"log/slog"

	"tidings.dev/internal/account"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/template"
	"tidings.dev/internal/wallet"
)

const (
	lane     = "privacy"
	workers  = 2
	priority = 3
	tries    = 20 // of one share of an export, over some hours
)

// Config is what privacy joins.
type Config struct {
	Store         *store.Store
	Queue         *queue.Queue
	Gateway       *gateway.Gateway
	Events        *event.Log
	Consent       *consent.Keeper
	Contacts      *contact.Keeper
	Conversations *conversation.Keeper
	Wallet        *wallet.Keeper
	Keys          *key.Keeper
	Connections   *connection.Keeper
	Templates     *template.Keeper
	Issues        *issue.Keeper
	Log           *slog.Logger
	// Webhooks lists endpoints of an account before the given one (zero: from the newest), newest first, as lines of an export.
	Webhooks func(ctx context.Context, a account.ID, before int64, page int) (lines []any, next int64, err error)
	// Rules lists rules of an account after the given one (zero: from the first), as lines of an export.
	Rules func(ctx context.Context, a account.ID, after int64, page int) (lines []any, next int64, err error)
	// Boxes takes messages out of the boxes from which an account fetches them.
	Boxes func(tx *store.Tx, messages []int64) error
	// Answers empties what endpoints answered to posts about the subjects.
	Answers func(tx *store.Tx, subjects []int64) error
}

// Privacy exports and erases.
type Privacy struct {
	Config
	orders orders
}

// New returns privacy and makes its jobs known to the queue.
func New(c Config) *Privacy {
	p := &Privacy{Config: c, orders: orders{dir: c.Store.Dir()}}
	nothing := func(*store.Tx, []*queue.Task) error { return nil }
	c.Queue.Handle(exportKind, queue.Kind{Begin: nothing, End: p.endExports, Hardy: true})
	c.Queue.Handle(eraseKind, queue.Kind{Begin: nothing, End: p.endErasures, Hardy: true})
	return p
}

// Run works until ctx ends, then finishes what is under way; hard ends that too.
func (p *Privacy) Run(ctx, hard context.Context) {
	p.Queue.Work(ctx, hard, lane, workers, nil, func(hard context.Context, t *queue.Task) {
		if t.Kind == eraseKind {
			p.doErase(hard, t)
			return
		}
		p.doExport(hard, t)
	})
}
