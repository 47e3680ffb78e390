package gateway

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Notice stores news of a channel that are no message and no receipt: who its device is, that it is linked no more, what its
// network restricts, a call, people. When it returns nil they are on disk, and whoever is to be told will be.
func (g *Gateway) Notice(ctx context.Context, n channel.Notice) error {
	c, ok, err := g.Connections.Get(ctx, n.Channel)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotHere, "there is no channel %s", n.Channel)
	}
	return g.Store.Write(func(tx *store.Tx) error {
		switch {
		case n.Linked != nil:
			return g.Linked(tx, c, *n.Linked)
		case n.Unlinked != nil:
			return g.Unlinked(tx, c, *n.Unlinked)
		case n.Limited != nil:
			return g.limited(tx, c, *n.Limited)
		case n.Call != nil:
			return g.called(tx, c, *n.Call)
		default:
			return g.learn(tx, c, n.People)
		}
	})
}

// Linked writes down who a channel's device is. That is told when the channel was not linked.
func (g *Gateway) Linked(tx *store.Tx, c connection.Channel, who channel.Identity) error {
	named, err := g.Connections.Name(tx, c.ID, who)
	if err != nil || named {
		return err
	}
	if err := g.Connections.Link(tx, c.ID, who); err != nil {
		return err
	}
	return g.tellOfDevice(tx, c, event.ChannelLinked, event.Device{Phone: who.Person.Phone.Value, LID: who.Person.LID.Value, PushName: who.Person.PushName})
}

// Unlinked writes down that a channel is linked no more, and tells it. One that was not linked stays as it is.
func (g *Gateway) Unlinked(tx *store.Tx, c connection.Channel, why channel.Unlinked) error {
	facts, err := g.deviceFacts(tx, c)
	if err != nil {
		return err
	}
	was, err := g.Connections.Unlink(tx, c.ID, why)
	if err != nil || !was {
		return err
	}
	facts.Code, facts.Reason = why.Code, why.Reason
	return g.tellOfDevice(tx, c, event.ChannelUnlinked, facts)
}

// limited writes down what the network restricts. Nothing is sent by the channel until that ends. What is known is not told again.
func (g *Gateway) limited(tx *store.Tx, c connection.Channel, what channel.Limited) error {
	facts, err := g.deviceFacts(tx, c)
	if err != nil {
		return err
	}
	old, err := g.Connections.Device(tx.Context(), c.ID)
	if err != nil {
		return err
	}
	known := old.Limited.Code == what.Code && !old.LimitedUntil(tx.Now()).IsZero() && old.Limited.Until.Equal(what.Until.Truncate(time.Millisecond))
	linked, err := g.Connections.Limit(tx, c.ID, what)
	if err != nil || !linked || known {
		return err
	}
	facts.Code, facts.Reason = what.Code, what.Reason
	if !what.Until.IsZero() {
		until := event.Moment(what.Until)
		facts.Until = &until
	}
	return g.tellOfDevice(tx, c, event.ChannelLimited, facts)
}

func (g *Gateway) deviceFacts(tx *store.Tx, c connection.Channel) (event.Device, error) {
	d, err := g.Connections.Device(tx.Context(), c.ID)
	return event.Device{Phone: d.Person.Phone.Value, LID: d.Person.LID.Value, PushName: d.Person.PushName}, err
}

func (g *Gateway) tellOfDevice(tx *store.Tx, c connection.Channel, kind event.Kind, facts event.Device) error {
	facts.ID, facts.Name, facts.Shared = c.ID.String(), c.Name, c.Account == 0
	return g.noticeOf(tx, c, kind, facts)
}

// called tells that somebody calls, and learns who that is.
func (g *Gateway) called(tx *store.Tx, c connection.Channel, call channel.Call) error {
	facts := event.Call{
		ID: c.ID.String(), Name: c.Name, Shared: c.Account == 0, RemoteID: call.RemoteID, From: addressOf(call.From).String(), FromName: call.From.PushName,
		Video: call.Video, Group: call.Group, Rejected: call.Rejected,
	}
	if err := g.noticeOf(tx, c, event.ChannelCall, facts); err != nil {
		return err
	}
	return g.learn(tx, c, []message.Person{call.From})
}

// addressOf is how somebody is best reached.
func addressOf(p message.Person) message.Address {
	for _, a := range []message.Address{p.Phone, p.LID, p.BSUID} {
		if a != (message.Address{}) {
			return a
		}
	}
	return message.Address{}
}

// learn hands what a network told about people to whoever keeps them.
func (g *Gateway) learn(tx *store.Tx, c connection.Channel, people []message.Person) error {
	if len(people) == 0 {
		return nil
	}
	whose, err := g.ownerOf(tx, c)
	if err != nil {
		return err
	}
	return g.Contacts.Learn(tx, whose, people)
}

// noticeOf appends a notice about a channel to the events of whoever has it.
func (g *Gateway) noticeOf(tx *store.Tx, c connection.Channel, kind event.Kind, facts event.Facts) error {
	whose, err := g.ownerOf(tx, c)
	if err != nil {
		return err
	}
	return g.Events.Notice(tx, event.Notice{Account: whose, Subject: int64(c.ID), Kind: kind, Data: facts})
}

// ownerOf is the account that has a channel: the operator's where all share it.
func (g *Gateway) ownerOf(tx *store.Tx, c connection.Channel) (account.ID, error) {
	if c.Account != 0 {
		return c.Account, nil
	}
	whose, err := on(tx.Queries()).OperatorAccount(tx.Context())
	if err != nil {
		return 0, fmt.Errorf("find the operator's account: %w", err)
	}
	return whose, nil
}

// Driver is the driver of a channel.
func (g *Gateway) Driver(c connection.Channel) (channel.Driver, bool) {
	d, ok := g.drivers[c.Driver]
	return d, ok
}

// Links reports whether a channel must be linked to a phone before it can send.
func (g *Gateway) Links(c connection.Channel) bool { return g.drivers[c.Driver].Link != nil }

// checkLinked refuses what is to go out by a channel that is not linked. One that is linked and has no connection takes messages.
func (g *Gateway) checkLinked(ctx context.Context, c connection.Channel) error {
	if !g.Links(c) {
		return nil
	}
	d, err := g.Connections.Device(ctx, c.ID)
	switch {
	case err != nil:
		return err
	case !d.Linked.IsZero():
		return nil
	case d.Unlinked.Reason != "":
		return fault.New(fault.NotLinked, "the channel is not linked any more: %s", d.Unlinked.Reason).In("channel")
	default:
		return fault.New(fault.NotLinked, "the channel was never linked to a phone").In("channel")
	}
}
