package whatsapp_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	far "tidings.dev/internal/simulator/whatsapp"
)

// next is the message that somebody gets.
func (d *device) next(p *far.Phone) far.Message {
	d.Helper()
	got, err := p.Next(d.patient())
	if err != nil {
		d.Fatalf("nothing came to the phone: %v\n%s", err, d.log.text())
	}
	return got
}

// same compares what a phone decrypted, but for what is new each time.
func (d *device) same(what string, got, want *waE2E.Message) {
	d.Helper()
	ignore := cmp.Options{
		protocmp.Transform(),
		protocmp.IgnoreFields(&waE2E.Message{}, "messageContextInfo"),
		protocmp.IgnoreFields(&waE2E.ReactionMessage{}, "senderTimestampMS"),
		protocmp.IgnoreFields(&waE2E.ProtocolMessage{}, "timestampMS"),
	}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		d.Errorf("%s: the phone got (-want +got):\n%s", what, diff)
	}
}

func TestEveryKindOfContentGoesOut(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	to := phoneOf(friend.Number())
	me := d.phone.Number() + "@s.whatsapp.net"
	first := d.mustSend(to, message.Text("first"))
	d.next(friend)
	his, err := friend.Send(d.phone.Number(), &waE2E.Message{Conversation: proto.String("his")})
	if err != nil {
		t.Fatal(err)
	}
	d.inbounds(1)
	friendJID := friend.Number() + "@s.whatsapp.net"
	for name, c := range map[string]struct {
		content message.Content
		want    *waE2E.Message
	}{
		"text": {message.Text("*Grüße* 😀"), &waE2E.Message{Conversation: proto.String("*Grüße* 😀")}},
		"mention": {
			message.Content{Type: message.TypeText, Text: "hi @491701234567", Mentions: []string{"+491701234567"}},
			&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
				Text: proto.String("hi @491701234567"), ContextInfo: &waE2E.ContextInfo{MentionedJID: []string{"491701234567@s.whatsapp.net"}},
			}},
		},
		"reply to his": {
			message.Content{Type: message.TypeText, Text: "yes", Quote: &message.Ref{RemoteID: his, From: to.String(), Text: "his"}},
			&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("yes"), ContextInfo: &waE2E.ContextInfo{
				StanzaID: &his, Participant: &friendJID, QuotedMessage: &waE2E.Message{Conversation: proto.String("his")},
			}}},
		},
		"reply to ours": {
			message.Content{Type: message.TypeText, Text: "more", Quote: &message.Ref{RemoteID: first, Text: "first"}},
			&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("more"), ContextInfo: &waE2E.ContextInfo{
				StanzaID: &first, Participant: &me, QuotedMessage: &waE2E.Message{Conversation: proto.String("first")},
			}}},
		},
		"buttons": {
			message.Content{Type: message.TypeButtons, Text: "Coming?", Buttons: &message.Buttons{
				Header: "Party", Footer: "Answer by number", Replies: []message.Button{{ID: "y", Title: "Yes"}, {ID: "n", Title: "No"}},
			}},
			&waE2E.Message{Conversation: proto.String("*Party*\n\nComing?\n\n1. Yes\n2. No\n\n_Answer by number_")},
		},
		"location": {
			message.Content{Type: message.TypeLocation, Location: &message.Location{Latitude: -1.2921, Longitude: 36.8219, Name: "Nairobi", Address: "Kenya"}},
			&waE2E.Message{LocationMessage: &waE2E.LocationMessage{
				DegreesLatitude: proto.Float64(-1.2921), DegreesLongitude: proto.Float64(36.8219), Name: proto.String("Nairobi"), Address: proto.String("Kenya"),
			}},
		},
		"contact": {
			message.Content{Type: message.TypeContact, Cards: []message.Card{{Name: "Ann, Lee", Phones: []string{"+491701234567"}}}},
			&waE2E.Message{ContactMessage: &waE2E.ContactMessage{
				DisplayName: proto.String("Ann, Lee"),
				Vcard:       proto.String("BEGIN:VCARD\nVERSION:3.0\nN:;Ann\\, Lee;;;\nFN:Ann\\, Lee\nTEL;type=CELL;waid=491701234567:+491701234567\nEND:VCARD"),
			}},
		},
		"contacts": {
			message.Content{Type: message.TypeContact, Cards: []message.Card{{Name: "A", VCard: "BEGIN:VCARD\nEND:VCARD"}, {Name: "B", VCard: "B"}}},
			&waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{DisplayName: proto.String("2 contacts"), Contacts: []*waE2E.ContactMessage{
				{DisplayName: proto.String("A"), Vcard: proto.String("BEGIN:VCARD\nEND:VCARD")}, {DisplayName: proto.String("B"), Vcard: proto.String("B")},
			}}},
		},
		"poll": {
			message.Content{Type: message.TypePoll, Text: "Lunch?", Options: []string{"Rice", "Ugali"}, Choices: 1},
			&waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{
				Name: proto.String("Lunch?"), SelectableOptionsCount: proto.Uint32(1),
				Options: []*waE2E.PollCreationMessage_Option{{OptionName: proto.String("Rice")}, {OptionName: proto.String("Ugali")}},
			}},
		},
	} {
		d.mustSend(to, c.content)
		d.same(name, d.next(friend).Content, c.want)
	}
	for name, c := range map[string]struct {
		content message.Content
		check   func(m *waE2E.Message) bool
	}{
		"reaction to his": {
			message.Content{Type: message.TypeReaction, Text: "👍", About: &message.Ref{RemoteID: his, From: to.String()}},
			func(m *waE2E.Message) bool {
				r := m.GetReactionMessage()
				return r.GetText() == "👍" && r.GetKey().GetID() == his && !r.GetKey().GetFromMe()
			},
		},
		"edit": {
			message.Content{Type: message.TypeEdit, Text: "better", About: &message.Ref{RemoteID: first}},
			func(m *waE2E.Message) bool {
				p := m.GetEditedMessage().GetMessage().GetProtocolMessage()
				return p.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT && p.GetKey().GetID() == first && p.GetEditedMessage().GetConversation() == "better"
			},
		},
		"delete": {
			message.Content{Type: message.TypeDelete, About: &message.Ref{RemoteID: first}},
			func(m *waE2E.Message) bool {
				p := m.GetProtocolMessage()
				return p.GetType() == waE2E.ProtocolMessage_REVOKE && p.GetKey().GetID() == first && p.GetKey().GetFromMe()
			},
		},
	} {
		d.mustSend(to, c.content)
		if got := d.next(friend).Content; !c.check(got) {
			t.Errorf("%s: the phone got %v", name, got)
		}
	}
}

func TestEveryKindOfFileGoesOutAndComesIn(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	other := linked(t, `{}`) // reads what comes, as a phone cannot
	to := phoneOf(other.phone.Number())
	file := bytes.Repeat([]byte("file "), 5000)
	d.files[7] = file
	for i, c := range []message.Content{
		{Type: message.TypeImage, Text: "a picture", Media: &message.Media{ID: 7, MIME: "image/jpeg", Width: 640, Height: 480}},
		{Type: message.TypeVideo, Text: "a film", Media: &message.Media{ID: 7, MIME: "video/mp4", Width: 640, Height: 480, Seconds: 12}},
		{Type: message.TypeAudio, Media: &message.Media{ID: 7, MIME: "audio/mpeg", Seconds: 200}},
		{Type: message.TypeVoice, Media: &message.Media{ID: 7, MIME: "audio/ogg; codecs=opus", Seconds: 3}},
		{Type: message.TypeDocument, Text: "the bill", Media: &message.Media{ID: 7, MIME: "application/pdf", Name: "bill.pdf"}},
		{Type: message.TypeSticker, Media: &message.Media{ID: 7, MIME: "image/webp", Width: 512, Height: 512}},
	} {
		d.mustSend(to, c)
		got := other.inbounds(i + 1)[i]
		want := c
		media := *c.Media
		media.ID, media.Size = 0, int64(len(file))
		want.Media, want.Version = &media, 1
		media.SHA256 = got.Content.Media.SHA256
		if diff := cmp.Diff(want, got.Content); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Type, diff)
		}
		var fetched bytes.Buffer
		if err := other.session.(channel.Fetcher).Fetch(t.Context(), got.Fetch, &fetched); err != nil || !bytes.Equal(fetched.Bytes(), file) {
			t.Errorf("%s: %d bytes came (%v)", c.Type, fetched.Len(), err)
		}
	}
}

func TestAFileThatIsGoneIsRefusedForGood(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	friend := network.Phone(fresh())
	_, err := d.send(phoneOf(friend.Number()), message.Content{Type: message.TypeImage, Media: &message.Media{ID: 9, MIME: "image/png"}})
	mustFail(t, err, channel.Reject, "media_gone")
}

// TestAFileThatCannotBeReadNowIsTriedAgain: a disk or a bucket that is away for a moment fails no message.
func TestAFileThatCannotBeReadNowIsTriedAgain(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	picture := message.Content{Type: message.TypeImage, Media: &message.Media{ID: 9, MIME: "image/png"}}
	d.files[9] = nil
	_, err := d.send(phoneOf(friend.Number()), picture)
	mustFail(t, err, channel.Retry, "upload_failed")
	d.files[9] = []byte("a pict")
	picture.Media.Size = 9
	_, err = d.send(phoneOf(friend.Number()), picture) // the store broke off
	mustFail(t, err, channel.Retry, "upload_failed")
	d.files[9] = []byte("a picture")
	d.mustSend(phoneOf(friend.Number()), picture)
}

// pages are what links lead to.
type pages map[string]string

func (p pages) Do(req *http.Request) (*http.Response, error) {
	body, there := p[req.URL.String()]
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
	if to, moved := strings.CutPrefix(body, "-> "); moved {
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", to)
	}
	if !there {
		resp.StatusCode = http.StatusNotFound
	}
	return resp, nil
}

func TestALinkShowsWhatItLeadsTo(t *testing.T) {
	t.Parallel()
	d, friend := newDevice(t, `{}`), network.Phone(fresh())
	d.web = pages{
		"https://example.org/a": "-> /b",
		"https://example.org/b": `<html><head><title>Plain</title><meta property="og:title" content="A &amp; B"><meta name=description content="what it is">`,
	}
	d.pair()
	d.open()
	for text, want := range map[string]*waE2E.ExtendedTextMessage{
		"see https://example.org/a, now": {
			MatchedText: proto.String("https://example.org/a"), Title: proto.String("A & B"), Description: proto.String("what it is"),
			PreviewType: waE2E.ExtendedTextMessage_NONE.Enum(),
		},
		"see https://example.org/none": {},
		"no link":                      {},
	} {
		want.Text = proto.String(text)
		d.mustSend(phoneOf(friend.Number()), message.Content{Type: message.TypeText, Text: text, Preview: true})
		d.same(text, d.next(friend).Content, &waE2E.Message{ExtendedTextMessage: want})
	}
}

func TestContentThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	to := phoneOf(network.Phone(fresh()).Number())
	for name, c := range map[string]message.Content{
		"no location":       {Type: message.TypeLocation},
		"no contact":        {Type: message.TypeContact},
		"one option":        {Type: message.TypePoll, Text: "?", Options: []string{"a"}},
		"about nothing":     {Type: message.TypeReaction, Text: "👍"},
		"about no id":       {Type: message.TypeDelete, About: &message.Ref{}},
		"an odd mention":    {Type: message.TypeText, Text: "hi", Mentions: []string{"ann"}},
		"an edit of theirs": {Type: message.TypeEdit, Text: "hi", About: &message.Ref{RemoteID: "A", From: to.String()}},
		"no file":           {Type: message.TypeImage},
	} {
		if _, err := d.send(to, c); err == nil {
			t.Errorf("%s went out", name)
		} else {
			mustFail(t, err, channel.Reject, "invalid_content")
		}
	}
	_, err := d.send(to, message.Content{Type: message.TypeBinary, Text: "00"})
	mustFail(t, err, channel.Reject, "unsupported_content")
	_, err = d.send(message.Address{Kind: message.Name, Value: "ACME"}, message.Text("hi"))
	mustFail(t, err, channel.Reject, "invalid_number")
}
