// Package gateway is the core: it accepts drafts, hands parts to networks, takes receipts and inbound messages, and cancels.
// It is the only code that changes a message, and every change goes through one function of it.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/link"
	"tidings.dev/internal/media"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// Settings are what an operator may choose.
type Settings struct {
	DefaultValidity time.Duration // of a message that names none; 0: 48 hours
	KeepBodies      time.Duration // texts; 0: for ever
	KeepMessages    time.Duration // messages and parts; 0: for ever
	KeepEvents      time.Duration // 0: as long as their messages
	KeepAudit       time.Duration // 0: for ever
	KeepLedger      time.Duration // single transfers; 0: for ever
}

// Parts are what the gateway joins.
type Parts struct {
	Store         *store.Store
	Queue         *queue.Queue
	Events        *event.Log
	Wallet        *wallet.Keeper
	Consent       *consent.Keeper
	Contacts      *contact.Keeper
	Conversations *conversation.Keeper
	Media         *media.Keeper // nil where no message carries a file
	Numbers       *number.Keeper
	Policies      *policy.Keeper
	Members       *member.Keeper
	Connections   *connection.Keeper
	Routes        *route.Keeper
	ShortLinks    *link.Keeper // nil where no text is shortened
	Drivers       []channel.Driver
	Log           *slog.Logger
	Settings      Settings
}

// Gateway is the core.
type Gateway struct {
	Parts
	drivers  map[string]channel.Driver
	rates    *rate.Meters
	accepts  *store.Batch[acceptance]
	receipts *store.Batch[news]
	inbounds *store.Batch[arrival]
	recent   *recent
	early    early
	chores   []Chore
	claims   []Claim       // on pieces that retention would drop
	joint    atomic.Uint32 // numbers the long texts
}

// The order of the batches within a transaction: results and claims are the queue's 10.
const (
	inboundOrder = 5 // a STOP wins over the claims beside it
	receiptOrder = 20
	acceptOrder  = 40
)

// Kinds of job that the gateway does.
const (
	sendKind    = "send"
	doubtKind   = "doubt"   // the validity of a message with an unknown outcome ends
	retainKind  = "retain"  // what is past its retention goes
	emptyKind   = "empty"   // a text whose retention ended while it waited goes
	receiptKind = "receipt" // the wait for a receipt ends
	replyKind   = "reply"   // somebody wrote STOP, START or HELP, and is answered
	jointKind   = "joint"   // a long inbound text has waited for its missing parts
	houseLane   = "house"   // the lane of jobs that are nobody's
	lanePattern = "send:%d:%d"
)

// New returns the gateway and makes it the queue's handler for messages.
func New(p Parts) *Gateway {
	if p.Settings.DefaultValidity == 0 {
		p.Settings.DefaultValidity = 48 * time.Hour
	}
	g := &Gateway{Parts: p, drivers: map[string]channel.Driver{}, rates: rate.New(p.Store), recent: newRecent(), early: newEarly()}
	for _, d := range p.Drivers {
		g.drivers[d.Name] = d
	}
	g.joint.Store(rand.Uint32())
	g.chores = g.ownChores()
	g.accepts = store.NewBatch(p.Store, "accept", acceptOrder, g.accept)
	g.receipts = store.NewBatch(p.Store, "receipt", receiptOrder, g.receive)
	g.inbounds = store.NewBatch(p.Store, "inbound", inboundOrder, g.arrive)
	p.Contacts.FollowedBy(g.unite)
	p.Queue.Handle(sendKind, queue.Kind{Begin: g.beginSend, End: g.endSend, Lost: g.lostSend, Expired: g.expireSend, Counted: true})
	p.Queue.Handle(doubtKind, queue.Kind{Begin: nothing, End: g.endDoubt})
	p.Queue.Handle(retainKind, queue.Kind{Begin: nothing, End: nothing})
	p.Queue.Handle(emptyKind, queue.Kind{Begin: nothing, End: emptyTexts})
	p.Queue.Handle(replyKind, queue.Kind{Begin: nothing, End: nothing})
	p.Queue.Handle(receiptKind, queue.Kind{Begin: nothing, End: g.endReceiptWait})
	p.Queue.Handle(fetchKind, queue.Kind{Begin: g.beginFetch, End: g.endFetch, Expired: g.expireFetch, Hardy: true})
	p.Queue.Handle(jointKind, queue.Kind{Begin: g.giveUpJoin, End: nothing})
	return g
}

func nothing(*store.Tx, []*queue.Task) error { return nil }

// Caller is who asks.
type Caller struct {
	Account account.Account
	Key     account.Key
	By      audit.Actor
}

// Operates reports whether the caller may do what only the operator may.
func (c Caller) Operates() bool { return c.Account.Operator && c.Key.Scopes.Allow(account.Operate) }

// Lane is the name of one of a channel's lanes.
func Lane(ch message.ChannelID, shard int) string { return fmt.Sprintf(lanePattern, int64(ch), shard) }

// laneOf is the lane a recipient's messages take: always the same, so that their order holds.
func laneOf(c connection.Channel, to string) string {
	shard := 0
	if c.Shards > 1 {
		var h uint32 = 2166136261 // FNV-1a
		for i := range len(to) {
			h = (h ^ uint32(to[i])) * 16777619
		}
		shard = int(h % uint32(c.Shards))
	}
	return Lane(c.ID, shard)
}

// channelFor is the channel a draft goes out by: the test channel for a test key, the named one, or the first of the defaults
// that is up. spare tells that there are more defaults, which may carry the message should that one fail.
func (g *Gateway) channelFor(ctx context.Context, c Caller, d message.Draft) (ch connection.Channel, spare bool, err error) {
	switch {
	case c.Key.Test:
		ch, err = g.testChannel(ctx)
		return ch, false, err
	case d.Channel != 0:
		ch, ok, err := g.Connections.Get(ctx, d.Channel)
		if err == nil && (!ok || !g.carries(ch, c.Account.ID, d.Kind)) {
			err = fault.New(fault.NoChannel, "there is no %s channel %s", d.Kind, d.Channel).In("channel")
		}
		return ch, false, err
	}
	list, err := g.defaults(ctx, c.Account.ID, d.Kind)
	if err != nil {
		return ch, false, err
	}
	if c.bound() {
		list = slices.DeleteFunc(slices.Clone(list), func(ch connection.Channel) bool { return !c.mayTake(ch) })
	}
	if len(list) == 0 {
		return ch, false, fault.New(fault.NoChannel, "the account has no default channel for %s", d.Kind)
	}
	for _, ch := range list {
		if !g.down(ctx, ch.ID) {
			return ch, len(list) > 1, nil
		}
	}
	return list[0], len(list) > 1, nil
}

// TestDriver is the name of the driver behind test keys: it reaches no network.
const TestDriver = "trial"

func (g *Gateway) testChannel(ctx context.Context) (connection.Channel, error) {
	all, err := g.Connections.All(ctx)
	if err != nil {
		return connection.Channel{}, err
	}
	for _, c := range all {
		if c.Driver == TestDriver && c.Account == 0 {
			return c, nil
		}
	}
	return connection.Channel{}, fault.New(fault.NoChannel, "the server has no test channel")
}
