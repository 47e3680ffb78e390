package whatsapp

import (
	"cmp"
	"context"
	"errors"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// arrived stores a message, and reports whether it may be acknowledged.
func (s *session) arrived(e *events.Message, past bool) bool {
	if skipped(&e.Info) {
		return true
	}
	if n := e.Message.GetProtocolMessage().GetHistorySyncNotification(); n != nil && e.Info.IsFromMe {
		return s.remember(e.Info.ID, n)
	}
	c, fetch, err := s.read(e)
	if errors.Is(err, errNothing) {
		return true
	}
	if err != nil {
		return s.unread(err)
	}
	in, err := s.inbound(&e.Info)
	if err != nil {
		return s.unread(err)
	}
	in.Content, in.Fetch, in.Past = c, fetch, past
	return s.store("a message", func(ctx context.Context) error { return s.env.Sink.Inbound(ctx, in) })
}

// read reads what a message says. One that was made to panic whoever reads it would come again and again, and with it nothing else: it
// is told of as something that came in.
func (s *session) read(e *events.Message) (c message.Content, fetch []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			what := cmp.Or(nameOf(e.Message), "unreadable")
			s.env.Log.Error("cannot read a message", "type", what, "err", panicked(p))
			c, fetch, err = message.Content{Version: 1, Type: message.TypeOther, Text: what}, nil, nil
		}
	}()
	return s.content(e)
}

// unread ends the session, since what is needed to read a message could not be looked up.
func (s *session) unread(err error) bool {
	s.lose(&channel.Failure{Verdict: channel.Retry, Code: "storage", Err: err})
	return false
}

// skipped tells whether a message is nobody's: a status, or a post of a channel that the phone follows.
func skipped(i *types.MessageInfo) bool {
	return i.Chat == types.StatusBroadcastJID || i.Chat.Server == types.NewsletterServer || i.Chat.IsBot() || i.Chat.Server == types.BroadcastServer && i.IsFromMe
}

// inbound says who wrote a message to whom.
func (s *session) inbound(i *types.MessageInfo) (in message.Inbound, err error) {
	in = message.Inbound{Channel: s.env.Channel, RemoteID: i.ID, To: s.number, Own: i.IsFromMe, At: i.Timestamp.UTC()}
	if in.Sender, err = s.vault.person(s.ctx, i.Sender.ToNonAD(), i.SenderAlt.ToNonAD()); err != nil {
		return in, err
	}
	if i.PushName != "" && i.PushName != "-" {
		in.Sender.PushName = i.PushName
	}
	if in.From = best(in.Sender); i.Chat.Server == types.GroupServer {
		in.Chat = addressOf(i.Chat)
	}
	if !i.IsFromMe {
		return in, nil
	}
	in.From, in.To = s.number, in.Chat
	if in.Chat == (message.Address{}) {
		other, err := s.vault.person(s.ctx, i.Chat.ToNonAD(), i.RecipientAlt.ToNonAD())
		in.To = best(other)
		return in, err
	}
	return in, nil
}

// undecryptable tells of what never comes to linked devices. All else comes again: its writer, and our own phone, are asked for it.
func (s *session) undecryptable(e *events.UndecryptableMessage) bool {
	if e.UnavailableType != events.UnavailableTypeViewOnce || skipped(&e.Info) {
		return true
	}
	in, err := s.inbound(&e.Info)
	if err != nil {
		return s.unread(err)
	}
	in.Content = message.Content{Version: 1, Type: message.TypeOther, Text: "viewOnce"}
	return s.store("a message", func(ctx context.Context) error { return s.env.Sink.Inbound(ctx, in) })
}
