package whatsapp

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/reflect/protoreflect"

	"tidings.dev/internal/message"
)

// errNothing says that a message says nothing to people: keys and settings travel as messages too.
var errNothing = errors.New("the message says nothing")

// content reads what a message says; fetch is what its file is fetched by.
func (s *session) content(e *events.Message) (c message.Content, fetch []byte, err error) {
	c.Version = 1
	m := e.Message
	switch {
	case m.GetConversation() != "":
		c.Type, c.Text = message.TypeText, m.GetConversation()
	case m.ExtendedTextMessage != nil:
		c.Type, c.Text = message.TypeText, m.ExtendedTextMessage.GetText()
		err = s.refers(&c, m.ExtendedTextMessage.GetContextInfo())
	case fileOf(m) != nil:
		return s.file(e, fileOf(m))
	case m.LocationMessage != nil:
		l := m.LocationMessage
		c.Type, c.Text = message.TypeLocation, l.GetComment()
		c.Location = &message.Location{Latitude: l.GetDegreesLatitude(), Longitude: l.GetDegreesLongitude(), Name: l.GetName(), Address: l.GetAddress()}
		err = s.refers(&c, l.GetContextInfo())
	case m.LiveLocationMessage != nil:
		l := m.LiveLocationMessage
		c.Type, c.Text = message.TypeLocation, l.GetCaption()
		c.Location = &message.Location{Latitude: l.GetDegreesLatitude(), Longitude: l.GetDegreesLongitude()}
		err = s.refers(&c, l.GetContextInfo())
	case m.ContactMessage != nil:
		c.Type, c.Cards = message.TypeContact, []message.Card{card(m.ContactMessage)}
		err = s.refers(&c, m.ContactMessage.GetContextInfo())
	case m.ContactsArrayMessage != nil:
		c.Type = message.TypeContact
		for _, one := range m.ContactsArrayMessage.GetContacts() {
			c.Cards = append(c.Cards, card(one))
		}
		err = s.refers(&c, m.ContactsArrayMessage.GetContextInfo())
	case pollOf(m) != nil:
		err = s.poll(&c, e.Info.ID, pollOf(m))
	case m.PollUpdateMessage != nil:
		err = s.vote(&c, e)
	case m.ReactionMessage != nil:
		err = s.reaction(&c, e, m.ReactionMessage, m.ReactionMessage.GetKey())
	case m.EncReactionMessage != nil:
		err = s.sealedReaction(&c, e)
	case m.ProtocolMessage != nil:
		return s.protocol(e, m.ProtocolMessage)
	case m.SecretEncryptedMessage != nil:
		return s.sealedEdit(e)
	default:
		err = s.choice(&c, m)
	}
	return c, nil, err
}

// refers reads whom a message names, and what it replies to.
func (s *session) refers(c *message.Content, info *waE2E.ContextInfo) error {
	for _, text := range info.GetMentionedJID() {
		if jid, err := types.ParseJID(text); err == nil {
			c.Mentions = append(c.Mentions, addressOf(jid).String())
		}
	}
	if info.GetStanzaID() == "" || info.GetQuotedMessage() == nil {
		return nil
	}
	from, err := s.writtenBy(info.GetParticipant())
	c.Quote = &message.Ref{RemoteID: info.GetStanzaID(), From: from, Text: shortText(info.GetQuotedMessage())}
	return err
}

// writtenBy is the address of who wrote a message that another one names; empty: we did.
func (s *session) writtenBy(participant string) (string, error) {
	if jid, err := types.ParseJID(participant); err == nil && !s.isMe(jid) {
		a, err := s.chatOf(jid.ToNonAD())
		return a.String(), err
	}
	return "", nil
}

func (s *session) isMe(jid types.JID) bool {
	return jid.User == s.me.User && jid.Server != types.HiddenUserServer || jid.User == s.myLID.User && jid.Server == types.HiddenUserServer
}

// shortText is what is shown of a message above a reply to it.
func shortText(m *waE2E.Message) string {
	for _, text := range []string{
		m.GetConversation(), m.GetExtendedTextMessage().GetText(), m.GetImageMessage().GetCaption(), m.GetVideoMessage().GetCaption(),
		m.GetDocumentMessage().GetCaption(), m.GetDocumentMessage().GetFileName(), m.GetPollCreationMessage().GetName(), m.GetLocationMessage().GetName(),
	} {
		if text != "" {
			return text
		}
	}
	return ""
}

// attached is a file in a message, of whichever kind.
type attached interface {
	whatsmeow.DownloadableMessage
	GetMimetype() string
	GetFileLength() uint64
	GetContextInfo() *waE2E.ContextInfo
}

func fileOf(m *waE2E.Message) attached {
	switch {
	case m.ImageMessage != nil:
		return m.ImageMessage
	case m.VideoMessage != nil:
		return m.VideoMessage
	case m.PtvMessage != nil:
		return m.PtvMessage
	case m.AudioMessage != nil:
		return m.AudioMessage
	case m.DocumentMessage != nil:
		return m.DocumentMessage
	case m.StickerMessage != nil:
		return m.StickerMessage
	}
	return nil
}

// source is by what a file is fetched.
type source struct {
	Kind               whatsmeow.MediaType
	Path               string
	Key, Sealed, Plain []byte // the key, and the hashes of the file with and without it
	Size               uint64
	ID                 string // of the message, for when the network has the file no more and the phone is asked for it
	Chat, Sender       types.JID
	Own, Group         bool
}

func (s *session) file(e *events.Message, f attached) (c message.Content, fetch []byte, err error) {
	c = message.Content{Version: 1, Media: &message.Media{
		MIME: strings.TrimSpace(f.GetMimetype()), Size: int64(f.GetFileLength()), SHA256: hex.EncodeToString(f.GetFileSHA256()),
	}}
	switch f := f.(type) {
	case *waE2E.ImageMessage:
		c.Type, c.Text = message.TypeImage, f.GetCaption()
		c.Media.Width, c.Media.Height = int(f.GetWidth()), int(f.GetHeight())
	case *waE2E.VideoMessage:
		c.Type, c.Text = message.TypeVideo, f.GetCaption()
		c.Media.Width, c.Media.Height, c.Media.Seconds = int(f.GetWidth()), int(f.GetHeight()), int(f.GetSeconds())
	case *waE2E.AudioMessage:
		c.Type, c.Media.Seconds = message.TypeAudio, int(f.GetSeconds())
		if f.GetPTT() {
			c.Type = message.TypeVoice
		}
	case *waE2E.DocumentMessage:
		c.Type, c.Text, c.Media.Name = message.TypeDocument, f.GetCaption(), f.GetFileName()
	case *waE2E.StickerMessage:
		c.Type = message.TypeSticker
		c.Media.Width, c.Media.Height = int(f.GetWidth()), int(f.GetHeight())
	}
	if err := s.refers(&c, f.GetContextInfo()); err != nil {
		return c, nil, err
	}
	fetch, err = json.Marshal(source{
		Kind: whatsmeow.GetMediaType(f), Path: f.GetDirectPath(), Key: f.GetMediaKey(), Sealed: f.GetFileEncSHA256(), Plain: f.GetFileSHA256(),
		Size: f.GetFileLength(), ID: e.Info.ID, Chat: e.Info.Chat, Sender: e.Info.Sender, Own: e.Info.IsFromMe, Group: e.Info.IsGroup,
	})
	return c, fetch, err
}

func card(m *waE2E.ContactMessage) message.Card {
	return message.Card{Name: m.GetDisplayName(), Phones: phonesOf(m.GetVcard()), VCard: m.GetVcard()}
}

// phonesOf are the numbers in a card: by the id on WhatsApp where there is one.
func phonesOf(vcard string) (phones []string) {
	for line := range strings.Lines(vcard) {
		field, number, ok := strings.Cut(strings.TrimSpace(line), ":")
		if name := field[strings.LastIndexByte(field, '.')+1:]; !ok || !strings.HasPrefix(strings.ToUpper(name), "TEL") {
			continue
		}
		if _, id, ok := strings.Cut(field, "waid="); ok {
			id, _, _ = strings.Cut(id, ";")
			number = "+" + id
		}
		phones = append(phones, number)
	}
	return phones
}

func pollOf(m *waE2E.Message) *waE2E.PollCreationMessage {
	for _, p := range []*waE2E.PollCreationMessage{m.PollCreationMessage, m.PollCreationMessageV2, m.PollCreationMessageV3} {
		if p != nil {
			return p
		}
	}
	return nil
}

func (s *session) poll(c *message.Content, id string, p *waE2E.PollCreationMessage) error {
	c.Type, c.Text, c.Choices = message.TypePoll, p.GetName(), int(p.GetSelectableOptionsCount())
	for _, o := range p.GetOptions() {
		c.Options = append(c.Options, o.GetOptionName())
	}
	if err := s.vault.keepPoll(s.ctx, id, c.Options); err != nil {
		return err
	}
	return s.refers(c, p.GetContextInfo())
}

// vote reads an answer to a poll. One that cannot be opened says at least that there was one.
func (s *session) vote(c *message.Content, e *events.Message) error {
	key := e.Message.PollUpdateMessage.GetPollCreationMessageKey()
	c.Type = message.TypeVote
	if err := s.about(c, e, key); err != nil {
		return err
	}
	v, err := s.client.DecryptPollVote(s.ctx, e)
	if err != nil {
		if kept := errors.As(err, new(*storageError)); kept {
			return err
		}
		c.Type, c.Text = message.TypeOther, "vote"
		return nil
	}
	c.Options, err = s.vault.pollOptions(s.ctx, key.GetID(), v.GetSelectedOptions())
	return err
}

// about says which message another one is about. A key is written from the side of its writer.
func (s *session) about(c *message.Content, e *events.Message, key *waCommon.MessageKey) error {
	writer := key.GetParticipant()
	switch {
	case key.GetFromMe():
		writer = e.Info.Sender.String()
	case writer == "" && !e.Info.IsGroup && !e.Info.IsFromMe:
		writer = s.me.String()
	case writer == "":
		writer = e.Info.Chat.String()
	}
	from, err := s.writtenBy(writer)
	c.About = &message.Ref{RemoteID: key.GetID(), From: from}
	return err
}

func (s *session) reaction(c *message.Content, e *events.Message, r *waE2E.ReactionMessage, key *waCommon.MessageKey) error {
	c.Type, c.Text = message.TypeReaction, r.GetText()
	return s.about(c, e, key)
}

func (s *session) sealedReaction(c *message.Content, e *events.Message) error {
	r, err := s.client.DecryptReaction(s.ctx, e)
	if err != nil {
		if kept := errors.As(err, new(*storageError)); kept {
			return err
		}
		c.Type, c.Text = message.TypeOther, "reaction"
		return nil
	}
	return s.reaction(c, e, r, e.Message.EncReactionMessage.GetTargetMessageKey())
}

// protocol reads what changes an earlier message.
func (s *session) protocol(e *events.Message, p *waE2E.ProtocolMessage) (c message.Content, fetch []byte, err error) {
	c.Version = 1
	switch p.GetType() {
	case waE2E.ProtocolMessage_REVOKE:
		c.Type = message.TypeDelete
	case waE2E.ProtocolMessage_MESSAGE_EDIT:
		c.Type, c.Text = message.TypeEdit, shortText(p.GetEditedMessage())
		if err := s.refers(&c, p.GetEditedMessage().GetExtendedTextMessage().GetContextInfo()); err != nil {
			return c, nil, err
		}
	default:
		return c, nil, errNothing
	}
	err = s.about(&c, e, p.GetKey())
	return c, nil, err
}

// sealedEdit reads a new text that is encrypted with the secret of the message it is about.
func (s *session) sealedEdit(e *events.Message) (c message.Content, fetch []byte, err error) {
	m, err := s.client.DecryptSecretEncryptedMessage(s.ctx, e)
	if err != nil {
		if kept := errors.As(err, new(*storageError)); kept {
			return c, nil, err
		}
		return message.Content{Version: 1, Type: message.TypeOther, Text: "edit"}, nil, nil
	}
	if p := m.GetProtocolMessage(); p != nil {
		return s.protocol(e, p)
	}
	c = message.Content{Version: 1, Type: message.TypeEdit, Text: shortText(m)}
	err = s.about(&c, e, e.Message.SecretEncryptedMessage.GetTargetMessageKey())
	return c, nil, err
}

// choice reads the answers to buttons and lists, and the texts that have some; of all else it says only what it is.
func (s *session) choice(c *message.Content, m *waE2E.Message) error {
	c.Type = message.TypeText
	switch {
	case m.ButtonsResponseMessage != nil:
		c.Text = m.ButtonsResponseMessage.GetSelectedDisplayText()
		return s.refers(c, m.ButtonsResponseMessage.GetContextInfo())
	case m.TemplateButtonReplyMessage != nil:
		c.Text = m.TemplateButtonReplyMessage.GetSelectedDisplayText()
		return s.refers(c, m.TemplateButtonReplyMessage.GetContextInfo())
	case m.ListResponseMessage != nil:
		c.Text = m.ListResponseMessage.GetTitle()
		return s.refers(c, m.ListResponseMessage.GetContextInfo())
	case m.InteractiveResponseMessage != nil:
		c.Text = m.InteractiveResponseMessage.GetBody().GetText()
		return s.refers(c, m.InteractiveResponseMessage.GetContextInfo())
	case m.ButtonsMessage != nil:
		c.Text = m.ButtonsMessage.GetContentText()
		return s.refers(c, m.ButtonsMessage.GetContextInfo())
	case m.ListMessage != nil:
		c.Text = m.ListMessage.GetDescription()
		return s.refers(c, m.ListMessage.GetContextInfo())
	case m.TemplateMessage != nil:
		c.Text = m.TemplateMessage.GetHydratedTemplate().GetHydratedContentText()
		return s.refers(c, m.TemplateMessage.GetContextInfo())
	case m.InteractiveMessage != nil:
		c.Text = m.InteractiveMessage.GetBody().GetText()
		return s.refers(c, m.InteractiveMessage.GetContextInfo())
	}
	if c.Type, c.Text = message.TypeOther, nameOf(m); c.Text == "" {
		return errNothing
	}
	return nil
}

// silentFields say nothing to people.
const silentFields = " messageContextInfo senderKeyDistributionMessage fastRatchetKeySenderKeyDistributionMessage deviceSentMessage stickerSyncRmrMessage " +
	"albumMessage pinInChatMessage keepInChatMessage chat messageHistoryNotice messageHistoryBundle placeholderMessage "

// nameOf is the network's name of what a message is; empty: nothing for people.
func nameOf(m *waE2E.Message) (name string) {
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if n := string(f.Name()); !strings.Contains(silentFields, " "+n+" ") && name == "" {
			name = strings.TrimSuffix(n, "Message")
		}
		return true
	})
	return name
}
