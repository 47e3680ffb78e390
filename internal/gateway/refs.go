package gateway

import (
	"context"
	"fmt"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// maxQuoted is how much of a message is shown above a reply to it, in characters.
const maxQuoted = 300

// checkNamedMessages gives the messages that a content replies to or is about the ids that the network knows them by.
func (g *Gateway) checkNamedMessages(ctx context.Context, m *message.Message, ch connection.Channel) (err error) {
	c := &m.Content
	if c.Quote, err = g.named1(ctx, m, ch, c.Quote, "content.quote"); err != nil {
		return err
	}
	if c.About, err = g.named1(ctx, m, ch, c.About, "content.about"); err != nil {
		return err
	}
	if c.Type == message.TypeEdit && c.About.From != "" {
		return fault.New(fault.InvalidField, "only a message that you sent can be changed").In("content.about.message")
	}
	return nil
}

// named1 looks up one of them: a message of the account, over the same channel, of the same chat, that the network has.
func (g *Gateway) named1(ctx context.Context, m *message.Message, ch connection.Channel, ref *message.Ref, field string) (*message.Ref, error) {
	if ref == nil {
		return nil, nil
	}
	other, err := g.Message(ctx, m.Account, ref.Message)
	if f := fault.Of(err); f != nil {
		return nil, f.In(field + ".message")
	}
	if err != nil {
		return nil, err
	}
	found := &message.Ref{Message: other.ID, RemoteID: remoteOf(&other), Text: clipText(other.Content.Text, maxQuoted)}
	if other.Direction == message.In {
		found.From = other.From.String()
	}
	switch {
	case other.Channel != ch.ID:
		return nil, fault.New(fault.InvalidField, "the message went over another channel").In(field + ".message")
	case peerOf(&other) != m.To:
		return nil, fault.New(fault.InvalidField, "the message is of another chat").In(field + ".message")
	case found.RemoteID == "":
		return nil, fault.New(fault.InvalidField, "the network does not have the message, or not yet").In(field + ".message")
	}
	return found, nil
}

// remoteOf is the id that the network knows a message by; empty: it has none, or it is not known.
func remoteOf(m *message.Message) (remote string) {
	for _, p := range m.Parts {
		if p.RemoteID != "" {
			remote = p.RemoteID
		}
	}
	return remote
}

// peerOf is who a message was exchanged with: a group, or a person.
func peerOf(m *message.Message) message.Address {
	switch {
	case m.Direction == message.Out:
		return m.To
	case m.Chat.Value != "":
		return m.Chat
	default:
		return m.From
	}
}

func clipText(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i]
		}
	}
	return text
}

// findNamed gives what came in the keys of our messages that it replies to or is about. What names a message that nobody here knows keeps
// the network's id of it.
func (g *Gateway) findNamed(tx *store.Tx, whole []*arrival) error {
	var refs []*message.Ref
	var of []*arrival
	var asks []messagesByRemoteParams
	for _, a := range whole {
		for _, ref := range []**message.Ref{&a.in.Content.Quote, &a.in.Content.About} {
			if *ref == nil || (*ref).RemoteID == "" {
				continue
			}
			own := **ref // the driver's stays as it is: the transaction may be tried again
			*ref = &own
			refs, of, asks = append(refs, &own), append(of, a), append(asks, messagesByRemoteParams{ChannelID: a.in.Channel, RemoteID: own.RemoteID})
		}
	}
	found, err := store.Find[messagesByRemoteRow](tx, messagesByRemote, asks)
	if err != nil {
		return fmt.Errorf("find the messages that others are about: %w", err)
	}
	for _, f := range found {
		ref, a := refs[f.Of], of[f.Of]
		if ref.Message != 0 || f.Row.AccountID != a.owner {
			continue
		}
		ref.Message = f.Row.ID
		if ref == a.in.Content.Quote && message.Direction(f.Row.Direction) == message.Out {
			a.answers = f.Row.ID // that is certain
		}
	}
	return nil
}

// unknownHere leaves out what the owner wrote himself, what is history and what the network has kept for long, and is here already: we
// sent it, or it came before.
func (g *Gateway) unknownHere(tx *store.Tx, members []*arrival) (fresh []*arrival, err error) {
	var doubtful []int
	var asks []messagesByRemoteParams
	for i, a := range members {
		if a.in.RemoteID != "" && (a.in.Own || a.in.Past || g.kept(tx, a)) {
			doubtful, asks = append(doubtful, i), append(asks, messagesByRemoteParams{ChannelID: a.in.Channel, RemoteID: a.in.RemoteID})
		}
	}
	if len(asks) == 0 {
		return members, nil
	}
	found, err := store.Find[messagesByRemoteRow](tx, messagesByRemote, asks)
	if err != nil {
		return nil, fmt.Errorf("look for messages that are here already: %w", err)
	}
	here := map[int]bool{}
	for _, f := range found {
		here[doubtful[f.Of]] = true
	}
	for i, a := range members {
		if !here[i] {
			fresh = append(fresh, a)
		}
	}
	return fresh, nil
}

// kept reports whether the network has kept a message for longer than we know the ids of what came, so that we may have had it.
func (g *Gateway) kept(tx *store.Tx, a *arrival) bool {
	return !a.in.At.IsZero() && a.in.At.Before(tx.Now().Add(-keepSeen)) && g.names(tx.Context(), a.in.Channel)
}
