package whatsapp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

// Text is a message of words.
func Text(text string) *waE2E.Message { return &waE2E.Message{Conversation: proto.String(text)} }

// Location is a place on the map.
func Location(latitude, longitude float64, name, address string) *waE2E.Message {
	return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: &latitude, DegreesLongitude: &longitude, Name: proto.String(name), Address: proto.String(address),
	}}
}

// Card is a contact card.
func Card(name, vcard string) *waE2E.Message {
	return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String(name), Vcard: proto.String(vcard)}}
}

// Poll is a question with answers, of which as many may be chosen; 0: any number.
func Poll(question string, choices int, answers ...string) *waE2E.Message {
	poll := &waE2E.PollCreationMessage{Name: proto.String(question), SelectableOptionsCount: proto.Uint32(uint32(choices))}
	for _, answer := range answers {
		poll.Options = append(poll.Options, &waE2E.PollCreationMessage_Option{OptionName: proto.String(answer)})
	}
	return &waE2E.Message{PollCreationMessage: poll, MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: random(32)}}
}

// Image uploads a picture and makes a message of it.
func (s *Server) Image(file []byte, mime, caption string) (*waE2E.Message, error) {
	a, err := s.attach(file, whatsmeow.MediaImage)
	return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		Mimetype: proto.String(mime), Caption: orNil(caption), URL: &a.url, DirectPath: &a.path, MediaKey: a.key,
		FileSHA256: a.sum, FileEncSHA256: a.sealed, FileLength: &a.size,
	}}, err
}

// Video uploads a film and makes a message of it.
func (s *Server) Video(file []byte, mime, caption string) (*waE2E.Message, error) {
	a, err := s.attach(file, whatsmeow.MediaVideo)
	return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
		Mimetype: proto.String(mime), Caption: orNil(caption), URL: &a.url, DirectPath: &a.path, MediaKey: a.key,
		FileSHA256: a.sum, FileEncSHA256: a.sealed, FileLength: &a.size,
	}}, err
}

// Audio uploads a sound and makes a message of it: a voice note or a file.
func (s *Server) Audio(file []byte, mime string, voice bool) (*waE2E.Message, error) {
	a, err := s.attach(file, whatsmeow.MediaAudio)
	return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
		Mimetype: proto.String(mime), PTT: proto.Bool(voice), Seconds: proto.Uint32(1), URL: &a.url, DirectPath: &a.path, MediaKey: a.key,
		FileSHA256: a.sum, FileEncSHA256: a.sealed, FileLength: &a.size,
	}}, err
}

// Document uploads a file and makes a message of it.
func (s *Server) Document(file []byte, mime, name, caption string) (*waE2E.Message, error) {
	a, err := s.attach(file, whatsmeow.MediaDocument)
	return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		Mimetype: proto.String(mime), FileName: proto.String(name), Title: proto.String(name), Caption: orNil(caption), URL: &a.url,
		DirectPath: &a.path, MediaKey: a.key, FileSHA256: a.sum, FileEncSHA256: a.sealed, FileLength: &a.size,
	}}, err
}

// Sticker uploads a sticker and makes a message of it.
func (s *Server) Sticker(file []byte) (*waE2E.Message, error) {
	a, err := s.attach(file, whatsmeow.MediaImage)
	return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
		Mimetype: proto.String("image/webp"), URL: &a.url, DirectPath: &a.path, MediaKey: a.key,
		FileSHA256: a.sum, FileEncSHA256: a.sealed, FileLength: &a.size,
	}}, err
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Media is what can be downloaded in a message, or nil.
func Media(m *waE2E.Message) whatsmeow.DownloadableMessage {
	switch {
	case m.GetImageMessage() != nil:
		return m.GetImageMessage()
	case m.GetVideoMessage() != nil:
		return m.GetVideoMessage()
	case m.GetAudioMessage() != nil:
		return m.GetAudioMessage()
	case m.GetDocumentMessage() != nil:
		return m.GetDocumentMessage()
	case m.GetStickerMessage() != nil:
		return m.GetStickerMessage()
	}
	return nil
}

// Reply answers a message with words, quoting it.
func (p *Phone) Reply(to Message, text string) (string, error) {
	return p.back(to, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String(text), ContextInfo: &waE2E.ContextInfo{
			StanzaID: proto.String(to.ID), Participant: proto.String(p.server.Stranger(to.From).LID().String()), QuotedMessage: to.Content,
		},
	}})
}

// React puts an emoji on a message, or takes it away with none.
func (p *Phone) React(to Message, emoji string) (string, error) {
	return p.back(to, &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: p.key(to), Text: proto.String(emoji), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}})
}

// Vote chooses answers of a poll.
func (p *Phone) Vote(poll Message, answers ...string) (string, error) {
	secret := poll.Content.GetMessageContextInfo().GetMessageSecret()
	if secret == nil {
		return "", errors.New("the message is no poll")
	}
	vote := &waE2E.PollVoteMessage{}
	for _, answer := range answers {
		sum := sha256.Sum256([]byte(answer))
		vote.SelectedOptions = append(vote.SelectedOptions, sum[:])
	}
	plain, err := proto.Marshal(vote)
	if err != nil {
		return "", err
	}
	author, voter := p.server.Stranger(poll.From).LID(), p.voter()
	key, more := voteKey(poll.ID, author, voter, secret)
	iv := random(12)
	sealed, err := gcmutil.Encrypt(key, iv, plain, more)
	if err != nil {
		return "", err
	}
	return p.back(poll, &waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{
		PollCreationMessageKey: p.key(poll), Vote: &waE2E.PollEncValue{EncPayload: sealed, EncIV: iv}, SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}})
}

// Choices opens a vote on a poll that the phone has sent, and answers the sums of what was chosen.
func (p *Phone) Choices(vote Message) ([][]byte, error) {
	update := vote.Content.GetPollUpdateMessage()
	id := update.GetPollCreationMessageKey().GetID()
	p.signal.Lock()
	poll := p.outbox[id]
	p.signal.Unlock()
	if poll == nil {
		return nil, fmt.Errorf("the phone has sent no poll %s", id)
	}
	key, more := voteKey(id, p.voter(), p.server.Stranger(vote.From).LID(), poll.content.GetMessageContextInfo().GetMessageSecret())
	plain, err := gcmutil.Decrypt(key, update.GetVote().GetEncIV(), update.GetVote().GetEncPayload(), more)
	if err != nil {
		return nil, fmt.Errorf("open the vote: %w", err)
	}
	var opened waE2E.PollVoteMessage
	err = proto.Unmarshal(plain, &opened)
	return opened.GetSelectedOptions(), err
}

// voter is how the phone is named in the secrets of polls: as its messages name it.
func (p *Phone) voter() types.JID {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.named(p.addressing != ByNumber)
}

// voteKey is what a vote is sealed with, and what is sealed beside it.
func voteKey(poll string, author, voter types.JID, secret []byte) (key, more []byte) {
	use := fmt.Appendf(nil, "%s%s%s%s", poll, author, voter, whatsmeow.EncSecretPollVote)
	return hkdfutil.SHA256(secret, nil, use, 32), fmt.Appendf(nil, "%s\x00%s", poll, voter)
}

// Edit changes the words of a message that the phone has sent.
func (p *Phone) Edit(id, text string) (string, error) {
	return p.after(id, func(key *waCommon.MessageKey) *waE2E.Message {
		return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key, EditedMessage: Text(text), TimestampMS: proto.Int64(time.Now().UnixMilli()),
		}}}}
	})
}

// Revoke deletes a message that the phone has sent, for everybody.
func (p *Phone) Revoke(id string) (string, error) {
	return p.after(id, func(key *waCommon.MessageKey) *waE2E.Message {
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}}
	})
}

// after sends something about a message of its own to where that went.
func (p *Phone) after(id string, build func(*waCommon.MessageKey) *waE2E.Message) (string, error) {
	p.signal.Lock()
	old := p.outbox[id]
	p.signal.Unlock()
	if old == nil {
		return "", fmt.Errorf("the phone has sent no message %s", id)
	}
	m := build(&waCommon.MessageKey{FromMe: proto.Bool(true), ID: proto.String(id), RemoteJID: proto.String(old.chat().String())})
	return p.transmit(&sent{to: old.to, group: old.group, content: m}, false)
}

// back sends something to where a message came from.
func (p *Phone) back(to Message, m *waE2E.Message) (string, error) {
	if to.Group == "" {
		return p.Send(to.From, m)
	}
	p.server.mu.Lock()
	g := p.server.groupNamed(to.Group)
	p.server.mu.Unlock()
	if g == nil {
		return "", fmt.Errorf("there is no group %s", to.Group)
	}
	return p.SendGroup(g, m)
}

// key names a message of somebody else.
func (p *Phone) key(m Message) *waCommon.MessageKey {
	author := p.server.Stranger(m.From).LID().String()
	if m.Group != "" {
		return &waCommon.MessageKey{RemoteJID: proto.String(m.Group), FromMe: proto.Bool(false), ID: proto.String(m.ID), Participant: proto.String(author)}
	}
	return &waCommon.MessageKey{RemoteJID: proto.String(author), FromMe: proto.Bool(false), ID: proto.String(m.ID)}
}

// textOf is what a person reads in a message.
func textOf(m *waE2E.Message) string {
	if media := Media(m); media != nil {
		if captioned, ok := media.(interface{ GetCaption() string }); ok {
			return captioned.GetCaption()
		}
	}
	switch {
	case m.GetExtendedTextMessage() != nil:
		return m.GetExtendedTextMessage().GetText()
	case m.GetReactionMessage() != nil:
		return m.GetReactionMessage().GetText()
	case m.GetPollCreationMessage() != nil:
		return m.GetPollCreationMessage().GetName()
	case m.GetContactMessage() != nil:
		return m.GetContactMessage().GetDisplayName()
	case m.GetLocationMessage() != nil:
		return m.GetLocationMessage().GetName()
	case m.GetEditedMessage() != nil:
		return textOf(m.GetEditedMessage().GetMessage().GetProtocolMessage().GetEditedMessage())
	case m.GetProtocolMessage().GetEditedMessage() != nil:
		return textOf(m.GetProtocolMessage().GetEditedMessage())
	case m.GetDocumentWithCaptionMessage() != nil:
		return textOf(m.GetDocumentWithCaptionMessage().GetMessage())
	}
	return m.GetConversation()
}

// kindOf is what is in a message for a person, or nothing.
func kindOf(m *waE2E.Message) string {
	switch {
	case m.GetReactionMessage() != nil:
		return "reaction"
	case m.GetPollCreationMessage() != nil, m.GetPollUpdateMessage() != nil:
		return "poll"
	case mediaTypeOf(m) != "", m.GetLocationMessage() != nil:
		return "media"
	case m.Conversation != nil, m.GetExtendedTextMessage() != nil, m.GetProtocolMessage() != nil, m.GetEditedMessage() != nil:
		return "text"
	}
	return ""
}

// stanzaKind is the type of a message's stanza.
func stanzaKind(m *waE2E.Message) string {
	if kind := kindOf(m); kind != "" {
		return kind
	}
	return "text"
}

// mediaTypeOf is the media type of a message as its stanza names it.
func mediaTypeOf(m *waE2E.Message) string {
	switch {
	case m.GetImageMessage() != nil:
		return "image"
	case m.GetVideoMessage() != nil:
		return "video"
	case m.GetAudioMessage().GetPTT():
		return "ptt"
	case m.GetAudioMessage() != nil:
		return "audio"
	case m.GetDocumentMessage() != nil, m.GetDocumentWithCaptionMessage() != nil:
		return "document"
	case m.GetStickerMessage() != nil:
		return "sticker"
	case m.GetContactMessage() != nil:
		return "vcard"
	case m.GetLocationMessage() != nil:
		return "location"
	}
	return ""
}

// editOf is how the stanza of a message says that it changes another.
func editOf(m *waE2E.Message) string {
	switch {
	case m.GetEditedMessage() != nil:
		return string(types.EditAttributeMessageEdit)
	case m.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_REVOKE && m.GetProtocolMessage().GetKey() != nil:
		return string(types.EditAttributeSenderRevoke)
	case m.GetReactionMessage() != nil && m.GetReactionMessage().GetText() == "":
		return string(types.EditAttributeSenderRevoke)
	}
	return ""
}
