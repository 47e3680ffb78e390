package whatsapp

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// Typing shows that we write or speak.
func (s *session) Typing(ctx context.Context, to message.Address, state channel.Typing) error {
	jid, err := jidOf(to)
	if err != nil {
		return refuse(err)
	}
	shown, media := types.ChatPresenceComposing, types.ChatPresenceMediaText
	switch state {
	case channel.TypingOff:
		shown = types.ChatPresencePaused
	case channel.TypingVoice:
		media = types.ChatPresenceMediaAudio
	case channel.TypingText:
	}
	if err := s.client.SendChatPresence(ctx, jid, shown, media); err != nil {
		return before(sendFailure(err))
	}
	return nil
}

// MarkRead tells the writer that messages were read.
func (s *session) MarkRead(ctx context.Context, from, group message.Address, remoteIDs []string, at time.Time) error {
	sender, err := jidOf(from)
	if err != nil {
		return refuse(err)
	}
	chat := sender
	if group != (message.Address{}) {
		if chat, err = jidOf(group); err != nil {
			return refuse(err)
		}
	}
	if err := s.client.MarkRead(ctx, remoteIDs, at, chat, sender); err != nil {
		return before(sendFailure(err))
	}
	return nil
}

// Unlink ends the link: the phone shows the device no more, and nothing is kept of it.
func (s *session) Unlink(ctx context.Context) error {
	if err := s.client.Logout(ctx); err != nil && !errors.Is(err, errForgotten) {
		return before(sendFailure(err))
	}
	s.lose(&channel.Failure{Verdict: channel.Reject, Code: "not_linked", Channel: true})
	return nil
}
