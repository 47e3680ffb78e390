package whatsapp

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
)

// isVideo tells whether a call is one that is seen.
func isVideo(offer *waBinary.Node) bool {
	if offer == nil {
		return false
	}
	_, video := offer.GetOptionalChildByTag("video")
	return video
}

// called tells of a call, after it was rejected as the settings say. It may be acknowledged once it was told of.
func (s *session) called(call types.BasicCallMeta, video, group bool) bool {
	from := call.CallCreator
	if from.IsEmpty() {
		from = call.From
	}
	caller, err := s.vault.person(s.ctx, from.ToNonAD(), call.CallCreatorAlt.ToNonAD())
	if err != nil {
		return s.unread(err)
	}
	c := &channel.Call{RemoteID: call.CallID, From: caller, Video: video, Group: group}
	if s.config.calls.reject && !s.config.calls.except[caller.Phone.Value] {
		c.Rejected = s.reject(call.From, call.CallID)
	}
	if c.Rejected && !group && s.config.calls.message != "" {
		s.answer(from.ToNonAD())
	}
	return s.notice(channel.Notice{Call: c})
}

func (s *session) reject(from types.JID, id string) bool {
	if err := s.client.RejectCall(s.ctx, from, id); err != nil {
		s.env.Log.Warn("cannot reject a call", "err", err)
		return false
	}
	return true
}

// answer sends the text for people who call, unless the network restricts us. It is courtesy: nobody waits for it, and the call
// is not repeated for it.
func (s *session) answer(to types.JID) {
	if s.resting() != nil {
		return
	}
	s.beside(func() {
		_, err := s.client.SendMessage(s.ctx, to, &waE2E.Message{Conversation: proto.String(s.config.calls.message)})
		if err != nil {
			s.env.Log.Warn("cannot answer a call by a text", "err", err)
			s.warned(sendFailure(err))
		}
	})
}
