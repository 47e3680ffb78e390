package whatsapp_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// mustFail wants a failure of that kind.
func mustFail(t testing.TB, err error, verdict channel.Verdict, code string) *channel.Failure {
	t.Helper()
	f, ok := errors.AsType[*channel.Failure](err)
	if !ok || f.Verdict != verdict || f.Code != code {
		t.Fatalf("%v is no %s", err, code)
	}
	return f
}

func TestEveryKindOfContentComesIn(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	from := phoneOf(friend.Number())
	ours := d.mustSend(from, message.Text("ours"))
	poll := d.mustSend(from, message.Content{Type: message.TypePoll, Text: "Lunch?", Options: []string{"Rice", "Ugali", "Chapati"}})
	d.next(friend)
	asked := d.next(friend)
	me := d.phone.Number() + "@s.whatsapp.net"
	n := 0
	comes := func(name string, id string, err error, want message.Content) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		n++
		in := d.inbounds(n)[n-1]
		want.Version = 1
		if diff := cmp.Diff(want, in.Content, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if in.RemoteID != id || in.From != from || in.To != phoneOf(d.phone.Number()) || in.Chat != (message.Address{}) || in.Own || in.Past ||
			in.Sender.Phone != from || in.Sender.LID.Value != friend.LID().User {
			t.Errorf("%s: %+v", name, in)
		}
	}
	send := func(m *waE2E.Message) (string, error) { return friend.Send(d.phone.Number(), m) }
	id, err := send(&waE2E.Message{Conversation: proto.String("hello")})
	comes("text", id, err, message.Text("hello"))
	first := id
	id, err = send(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("hi @1"), ContextInfo: &waE2E.ContextInfo{
		MentionedJID: []string{me}, StanzaID: &ours, Participant: &me, QuotedMessage: &waE2E.Message{Conversation: proto.String("ours")},
	}}})
	comes("reply", id, err, message.Content{
		Type: message.TypeText, Text: "hi @1", Mentions: []string{"+" + d.phone.Number()}, Quote: &message.Ref{RemoteID: ours, Text: "ours"},
	})
	id, err = send(&waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: proto.Float64(1.5), DegreesLongitude: proto.Float64(-2.5), Name: proto.String("here"), Address: proto.String("street"),
	}})
	comes("location", id, err, message.Content{Type: message.TypeLocation, Location: &message.Location{Latitude: 1.5, Longitude: -2.5, Name: "here", Address: "street"}})
	card := "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nitem1.TEL;waid=491701234567:+49 170 1234567\nTEL:+1 555\nEND:VCARD"
	id, err = send(&waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Ann"), Vcard: &card}})
	comes("contact", id, err, message.Content{Type: message.TypeContact, Cards: []message.Card{{Name: "Ann", Phones: []string{"+491701234567", "+1 555"}, VCard: card}}})
	id, err = friend.Vote(asked, "Ugali")
	comes("vote", id, err, message.Content{Type: message.TypeVote, Options: []string{"Ugali"}, About: &message.Ref{RemoteID: poll}})
	id, err = friend.React(asked, "👍")
	comes("reaction", id, err, message.Content{Type: message.TypeReaction, Text: "👍", About: &message.Ref{RemoteID: poll}})
	id, err = friend.Edit(first, "hello there")
	comes("edit", id, err, message.Content{Type: message.TypeEdit, Text: "hello there", About: &message.Ref{RemoteID: first, From: from.String()}})
	id, err = friend.Revoke(first)
	comes("delete", id, err, message.Content{Type: message.TypeDelete, About: &message.Ref{RemoteID: first, From: from.String()}})
	id, err = send(&waE2E.Message{PollCreationMessageV3: &waE2E.PollCreationMessage{
		Name: proto.String("Where?"), Options: []*waE2E.PollCreationMessage_Option{{OptionName: proto.String("A")}, {OptionName: proto.String("B")}}, SelectableOptionsCount: proto.Uint32(1),
	}})
	comes("poll", id, err, message.Content{Type: message.TypePoll, Text: "Where?", Options: []string{"A", "B"}, Choices: 1})
	id, err = send(&waE2E.Message{ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{
		Response: &waE2E.ButtonsResponseMessage_SelectedDisplayText{SelectedDisplayText: "Yes"},
	}})
	comes("button", id, err, message.Text("Yes"))
	id, err = send(&waE2E.Message{GroupInviteMessage: &waE2E.GroupInviteMessage{GroupName: proto.String("x")}})
	comes("something else", id, err, message.Content{Type: message.TypeOther, Text: "groupInvite"})
	// What says nothing is taken and not told of.
	if _, err := send(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum(), Key: &waCommon.MessageKey{},
	}}); err != nil {
		t.Fatal(err)
	}
	id, err = send(&waE2E.Message{Conversation: proto.String("last")})
	comes("after what says nothing", id, err, message.Text("last"))
}

// TestWhatCannotBeReadKeepsNothingBack: a message that was made to be unreadable does not come again and again.
func TestWhatCannotBeReadKeepsNothingBack(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	send := func(m *waE2E.Message) string {
		t.Helper()
		id, err := friend.Send(d.phone.Number(), m)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := send(&waE2E.Message{Conversation: proto.String("hello"), MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: make([]byte, 32)}})
	key := &waCommon.MessageKey{FromMe: proto.Bool(true), ID: &first, RemoteJID: proto.String(d.phone.Number() + "@s.whatsapp.net")}
	short := []byte("short")
	send(&waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{
		PollCreationMessageKey: key, Vote: &waE2E.PollEncValue{EncPayload: make([]byte, 32), EncIV: short},
	}})
	send(&waE2E.Message{EncReactionMessage: &waE2E.EncReactionMessage{TargetMessageKey: key, EncPayload: make([]byte, 32), EncIV: short}})
	send(&waE2E.Message{Conversation: proto.String("after it")})
	var got []string
	for _, in := range d.inbounds(4) {
		got = append(got, string(in.Content.Type)+" "+in.Content.Text)
	}
	if want := []string{"text hello", "other pollUpdate", "other encReaction", "text after it"}; !slices.Equal(got, want) {
		t.Errorf("%q came in", got)
	}
}

// TestWhatTheOwnerWritesIsHis: what he writes on the phone comes in as his own.
func TestWhatTheOwnerWritesIsHis(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	id, err := d.phone.Send(friend.Number(), &waE2E.Message{Conversation: proto.String("mine")})
	if err != nil {
		t.Fatal(err)
	}
	in := d.inbounds(1)[0]
	if !in.Own || in.RemoteID != id || in.From != phoneOf(d.phone.Number()) || in.To != phoneOf(friend.Number()) || in.Content.Text != "mine" {
		t.Errorf("%+v", in)
	}
}
