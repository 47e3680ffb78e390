package gateway

import (
	"cmp"
	"context"
	"hash/fnv"
	"strconv"
	"time"

	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
)

// circumstances says on a message where and by whom it was written. What the owner wrote himself is as if it had been sent, but for the
// price; a past one has no events.
func (a *arrival) circumstances(m *message.Message) {
	m.Chat, m.Written = a.in.Chat, a.in.At
	if a.in.Past {
		m.Seq, m.Answers = 0, 0
	}
	if a.in.Own {
		m.Direction, m.Status, m.Attempt, m.Chat, m.Answers = message.Out, message.Sent, 1, message.Address{}, 0
	}
}

// names reports whether the channel's messages name each other, so that the network's ids of those that came in are kept.
func (g *Gateway) names(ctx context.Context, id message.ChannelID) bool {
	ch, _, err := g.Connections.Get(ctx, id)
	return err == nil && len(g.drivers[ch.Driver].Features.Types) > 0
}

// part keeps the network's id of a message that came in.
func (a *arrival) part(m *message.Message) setPartParams {
	return setPartParams{
		MessageID: m.ID, Attempt: 1, Number: 1, AccountID: m.Account, ChannelID: m.Channel, RemoteID: a.in.RemoteID, Status: int16(m.Status),
		SentAt: milli(a.in.At),
	}
}

// event tells of the message. Those of one chat are told in their order.
func (a *arrival) event(m *message.Message, now time.Time) event.Event {
	e := event.Event{
		Subject: int64(m.ID), Seq: 1, Account: m.Account, Kind: event.Received, Change: event.Change{Status: m.Status.String(), Reason: m.Reason}, At: now,
		Channel: m.Channel,
	}
	switch {
	case a.in.Own:
		e.Kind, e.Change.Attempt = event.Sent, 1
	case m.Kind == message.WhatsApp:
		e.Chat = chatOf(m.Channel, cmp.Or(m.Contact.String(), peerOf(m).String()))
	}
	return e
}

// chatOf is a number for what is said with somebody over a channel.
func chatOf(ch message.ChannelID, peer string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatInt(int64(ch), 36) + " " + peer))
	return max(1, h.Sum64())
}

// word is what the message says about consent. What is said in a group is not said to us.
func (a *arrival) word() consent.Word {
	if a.in.Chat.Value != "" || a.in.Content.Type != message.TypeText && a.in.Content.Type != "" {
		return consent.None
	}
	return consent.Read(a.in.Content.Text)
}
