package whatsapp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// compose turns a message into the network's form. Its file, if it has one, is handed over first.
func (s *session) compose(ctx context.Context, to types.JID, m message.Outbound) (*waE2E.Message, *channel.Failure) {
	c := m.Content
	if c.Type.Carries() {
		return s.composeFile(ctx, c)
	}
	switch c.Type {
	case message.TypeText:
		return s.composeText(ctx, c, c.Text)
	case message.TypeButtons:
		return s.composeText(ctx, c, numbered(c))
	case message.TypeLocation:
		return s.composeLocation(c)
	case message.TypeContact:
		return s.composeCards(c)
	case message.TypePoll:
		return s.composePoll(ctx, remoteID(m), c)
	case message.TypeReaction, message.TypeEdit, message.TypeDelete:
		return s.composeAbout(ctx, to, c)
	default:
		return nil, unsupported(c.Type)
	}
}

func unsupported(t message.Type) *channel.Failure {
	return &channel.Failure{Verdict: channel.Reject, Code: "unsupported_content", Err: fmt.Errorf("WhatsApp carries no content of type %q", t)}
}

// wrong says that a content is not what its type needs.
func wrong(err error) *channel.Failure {
	return &channel.Failure{Verdict: channel.Reject, Code: "invalid_content", Err: err}
}

func (s *session) composeText(ctx context.Context, c message.Content, text string) (*waE2E.Message, *channel.Failure) {
	info, fail := s.contextOf(c)
	if fail != nil {
		return nil, fail
	}
	if c.Preview {
		return &waE2E.Message{ExtendedTextMessage: s.preview(ctx, text, info)}, nil
	}
	if info == nil {
		return &waE2E.Message{Conversation: proto.String(text)}, nil
	}
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String(text), ContextInfo: info}}, nil
}

// numbered is a text with quick replies for people who see no buttons: linked devices cannot send any that are shown.
func numbered(c message.Content) string {
	var lines []string
	b := c.Buttons
	if b == nil {
		return c.Text
	}
	if b.Header != "" {
		lines = append(lines, "*"+b.Header+"*", "")
	}
	lines = append(lines, c.Text, "")
	for i, r := range b.Replies {
		lines = append(lines, fmt.Sprintf("%d. %s", i+1, r.Title))
	}
	if b.Footer != "" {
		lines = append(lines, "", "_"+b.Footer+"_")
	}
	return strings.Join(lines, "\n")
}

// contextOf is what a message refers to: whom it names, and what it replies to. nil: neither.
func (s *session) contextOf(c message.Content) (*waE2E.ContextInfo, *channel.Failure) {
	if len(c.Mentions) == 0 && c.Quote == nil {
		return nil, nil
	}
	info := &waE2E.ContextInfo{}
	for _, text := range c.Mentions {
		jid, err := jidOf(message.ParseAddress(text))
		if err != nil {
			return nil, wrong(fmt.Errorf("mention: %w", err))
		}
		info.MentionedJID = append(info.MentionedJID, jid.String())
	}
	if c.Quote == nil {
		return info, nil
	}
	writer, fail := s.writer(c.Quote)
	if fail != nil {
		return nil, fail
	}
	info.StanzaID, info.Participant = proto.String(c.Quote.RemoteID), proto.String(writer.String())
	info.QuotedMessage = &waE2E.Message{Conversation: proto.String(c.Quote.Text)}
	return info, nil
}

// writer is who wrote the message that a reference names.
func (s *session) writer(r *message.Ref) (types.JID, *channel.Failure) {
	if r.RemoteID == "" {
		return types.EmptyJID, wrong(errors.New("the message that it is about has no id on WhatsApp"))
	}
	if r.From == "" {
		return s.me.ToNonAD(), nil
	}
	jid, err := jidOf(message.ParseAddress(r.From))
	if err != nil {
		return jid, wrong(fmt.Errorf("the writer of the message that it is about: %w", err))
	}
	return jid, nil
}

func (s *session) composeLocation(c message.Content) (*waE2E.Message, *channel.Failure) {
	l := c.Location
	if l == nil {
		return nil, wrong(errors.New("there is no location"))
	}
	info, fail := s.contextOf(c)
	return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: proto.Float64(l.Latitude), DegreesLongitude: proto.Float64(l.Longitude), Name: text(l.Name), Address: text(l.Address), ContextInfo: info,
	}}, fail
}

// text is an optional one.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *session) composeCards(c message.Content) (*waE2E.Message, *channel.Failure) {
	if len(c.Cards) == 0 {
		return nil, wrong(errors.New("there is no contact"))
	}
	info, fail := s.contextOf(c)
	cards := make([]*waE2E.ContactMessage, len(c.Cards))
	for i, card := range c.Cards {
		cards[i] = &waE2E.ContactMessage{DisplayName: proto.String(card.Name), Vcard: proto.String(vcard(card))}
	}
	if len(cards) == 1 {
		cards[0].ContextInfo = info
		return &waE2E.Message{ContactMessage: cards[0]}, fail
	}
	return &waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{
		DisplayName: proto.String(fmt.Sprintf("%d contacts", len(cards))), Contacts: cards, ContextInfo: info,
	}}, fail
}

// vcard writes a card (RFC 6350, in the version 3 that phones read). The waid makes the number one that can be written to.
func vcard(c message.Card) string {
	if c.VCard != "" {
		return c.VCard
	}
	name := vcardText.Replace(c.Name)
	lines := []string{"BEGIN:VCARD", "VERSION:3.0", "N:;" + name + ";;;", "FN:" + name}
	for _, phone := range c.Phones {
		lines = append(lines, "TEL;type=CELL;waid="+strings.TrimPrefix(phone, "+")+":"+phone)
	}
	return strings.Join(append(lines, "END:VCARD"), "\n")
}

var vcardText = strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`, "\r", "")

func (s *session) composePoll(ctx context.Context, id string, c message.Content) (*waE2E.Message, *channel.Failure) {
	if len(c.Options) < 2 {
		return nil, wrong(errors.New("a poll has two options at least"))
	}
	poll := s.client.BuildPollCreation(c.Text, c.Options, c.Choices)
	info, fail := s.contextOf(c)
	poll.PollCreationMessage.ContextInfo = info
	if err := s.vault.keepPoll(ctx, id, c.Options); err != nil {
		return nil, before(sendFailure(err))
	}
	return poll, fail
}

// composeAbout makes what changes another message: a reaction to it, a new text, or its end.
func (s *session) composeAbout(ctx context.Context, chat types.JID, c message.Content) (*waE2E.Message, *channel.Failure) {
	if c.About == nil {
		return nil, wrong(errors.New("it does not say which message it is about"))
	}
	writer, fail := s.writer(c.About)
	if fail != nil {
		return nil, fail
	}
	key := s.client.BuildMessageKey(chat, writer, c.About.RemoteID)
	switch c.Type {
	case message.TypeReaction:
		return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
			Key: key, Text: proto.String(c.Text), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
		}}, nil
	case message.TypeEdit:
		edited, fail := s.composeText(ctx, message.Content{Text: c.Text, Mentions: c.Mentions}, c.Text)
		if fail != nil || !key.GetFromMe() {
			return nil, orElse(fail, wrong(errors.New("only messages of our own can be edited")))
		}
		return s.client.BuildEdit(chat, c.About.RemoteID, edited), nil
	default:
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}}, nil
	}
}

func orElse(f, other *channel.Failure) *channel.Failure {
	if f != nil {
		return f
	}
	return other
}

// kinds are the network's kinds of file.
var kinds = map[message.Type]whatsmeow.MediaType{
	message.TypeImage: whatsmeow.MediaImage, message.TypeVideo: whatsmeow.MediaVideo, message.TypeAudio: whatsmeow.MediaAudio,
	message.TypeVoice: whatsmeow.MediaAudio, message.TypeDocument: whatsmeow.MediaDocument, message.TypeSticker: whatsmeow.MediaImage,
}

func (s *session) composeFile(ctx context.Context, c message.Content) (*waE2E.Message, *channel.Failure) {
	info, fail := s.contextOf(c)
	if fail != nil {
		return nil, fail
	}
	up, fail := s.upload(ctx, c)
	if fail != nil {
		return nil, fail
	}
	return fileMessage(c, up, info), nil
}

// upload hands the file over, encrypted with a key of its own.
func (s *session) upload(ctx context.Context, c message.Content) (up whatsmeow.UploadResponse, fail *channel.Failure) {
	if c.Media == nil || s.env.Media == nil {
		return up, wrong(errors.New("there is no file"))
	}
	file, err := s.env.Media.Open(ctx, c.Media.ID)
	switch {
	case fault.Is(err, fault.NotHere):
		return up, &channel.Failure{Verdict: channel.Reject, Code: "media_gone", Err: err}
	case err != nil:
		return up, mediaFailure(err)
	}
	defer func() { _ = file.Close() }()
	ctx, cancel := context.WithTimeout(ctx, transferTime(c.Media.Size))
	defer cancel()
	if up, err = s.client.UploadReader(ctx, file, nil, kinds[c.Type]); err != nil {
		return up, mediaFailure(err)
	}
	if size := c.Media.Size; size > 0 && up.FileLength != uint64(size) { // the library takes a file that breaks off for a whole one
		return up, mediaFailure(fmt.Errorf("%d of %d bytes of the file were read", up.FileLength, size))
	}
	return up, nil
}

// fileMessage is a message with a file that was handed over.
func fileMessage(c message.Content, up whatsmeow.UploadResponse, info *waE2E.ContextInfo) *waE2E.Message {
	m, size := c.Media, proto.Uint64(up.FileLength)
	mime, seconds, width, height := proto.String(m.MIME), number(m.Seconds), number(m.Width), number(m.Height)
	switch c.Type {
	case message.TypeImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			Caption: text(c.Text), Mimetype: mime, Width: width, Height: height, ContextInfo: info,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: size,
		}}
	case message.TypeVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
			Caption: text(c.Text), Mimetype: mime, Width: width, Height: height, Seconds: seconds, ContextInfo: info,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: size,
		}}
	case message.TypeDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
			Caption: text(c.Text), Mimetype: mime, FileName: text(m.Name), Title: text(m.Name), ContextInfo: info,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: size,
		}}
	case message.TypeSticker:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			Mimetype: mime, Width: width, Height: height, ContextInfo: info,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: size,
		}}
	default:
		if c.Type == message.TypeVoice && strings.HasPrefix(m.MIME, "audio/ogg") {
			mime = proto.String("audio/ogg; codecs=opus") // as phones name the notes that they play
		}
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			Mimetype: mime, Seconds: seconds, PTT: proto.Bool(c.Type == message.TypeVoice), ContextInfo: info,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: size,
		}}
	}
}

func number(n int) *uint32 {
	if n <= 0 {
		return nil
	}
	return proto.Uint32(uint32(n))
}

// pollName is the name of the options of a poll: votes name only their hashes.
const pollName = "poll/"

func (v *vault) keepPoll(ctx context.Context, id string, options []string) error {
	var kept []channel.Kept
	for i, hash := range whatsmeow.HashPollOptions(options) {
		kept = append(kept, channel.Kept{Name: pollName + id + "/" + hex.EncodeToString(hash), Value: []byte(options[i]), Until: time.Now().Add(secretsLive)})
	}
	return v.save(ctx, kept...)
}

// pollOptions are the options that hashes stand for; one that is not known goes by its hash.
func (v *vault) pollOptions(ctx context.Context, id string, hashes [][]byte) ([]string, error) {
	names := make([]string, len(hashes))
	for i, h := range hashes {
		names[i] = pollName + id + "/" + hex.EncodeToString(h)
	}
	values, err := v.load(ctx, names...)
	if err != nil {
		return nil, err
	}
	options := make([]string, len(hashes))
	for i, value := range values {
		if options[i] = string(value); value == nil {
			options[i] = hex.EncodeToString(hashes[i])
		}
	}
	return options, nil
}
