package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// everyType is what a rich network carries.
var everyType = []message.Type{
	message.TypeImage, message.TypeVideo, message.TypeAudio, message.TypeVoice, message.TypeDocument, message.TypeSticker, message.TypeLocation,
	message.TypeContact, message.TypePoll, message.TypeReaction, message.TypeEdit, message.TypeDelete,
}

// rich has the network carry everything but buttons, as WhatsApp's linked devices do.
func rich(w *world) {
	w.network.Kind, w.network.Features = message.WhatsApp, channel.Features{Media: true, Receipts: true, Types: everyType}
	w.network.Abilities = &channeltest.Abilities{}
}

// newRich starts a core over a rich network, whose channel is Alice's.
func newRich(t *testing.T, options ...option) *world {
	t.Helper()
	w := newWorld(t, append([]option{rich}, options...)...)
	w.own(w.alice, ours, "")
	return w
}

const ours = "+254711000000"

var group = message.Address{Kind: message.Group, Value: "120363000000000001"}

func (w *world) rich(to string, c message.Content) message.Draft {
	c.Version = 1
	return message.Draft{Kind: message.WhatsApp, Channel: w.channel, To: to, Content: c}
}

func dot() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (w *world) put(a account.ID, content []byte) message.MediaID {
	w.t.Helper()
	m, err := w.media.Put(w.t.Context(), a, bytes.NewReader(content), "file", "")
	w.must(err)
	return m.ID
}

// arrives hands a message over as the network does.
func (w *world) arrives(in message.Inbound) {
	w.t.Helper()
	in.Channel, in.Content.Version = w.channel, 1
	if in.To.Value == "" {
		in.To = message.Address{Kind: message.Phone, Value: ours}
	}
	w.must(w.gateway.Inbound(w.t.Context(), in))
}

func from(number string) message.Address { return message.Address{Kind: message.Phone, Value: number} }

// data is what a webhook tells of an event.
func (w *world) data(e event.Event) (d struct {
	Text, Chat string
	Own        bool
	Content    *gateway.ContentData
},
) {
	w.t.Helper()
	text, err := w.gateway.EventData(w.t.Context(), e)
	w.must(err)
	w.must(json.Unmarshal(text, &d))
	return d
}

func (w *world) eventsOf(id message.ID) []event.Event {
	w.t.Helper()
	events, err := w.events.Of(w.t.Context(), w.alice.ID, int64(id))
	w.must(err)
	return events
}

func TestContentsAreCheckedOnce(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	file, foreign := w.put(w.alice.ID, dot()), w.put(w.account().ID, dot())
	at := func(m message.Media) *message.Media { return &m }
	buttons := func(replies ...message.Button) message.Content {
		return message.Content{Type: message.TypeButtons, Text: "Tea?", Buttons: &message.Buttons{Replies: replies}}
	}
	card := func(c message.Card) message.Content {
		return message.Content{Type: message.TypeContact, Cards: []message.Card{c}}
	}
	for _, c := range []struct {
		what    string
		content message.Content
		code    fault.Code
		field   string
	}{
		{"an empty text", message.Text(""), fault.EmptyText, "text"},
		{"a text with a place", message.Content{Type: message.TypeText, Text: "x", Location: &message.Location{}}, fault.InvalidField, "content.location"},
		{"no type", message.Content{Text: "x", Media: &message.Media{}}, fault.InvalidField, "content.type"},
		{"a vote", message.Content{Type: message.TypeVote}, fault.InvalidField, "content.type"},
		{"an image without a file", message.Content{Type: message.TypeImage}, fault.MissingField, "content.media"},
		{"another's file", message.Content{Type: message.TypeImage, Media: at(message.Media{ID: foreign})}, fault.NotHere, "content.media.id"},
		{"an image as a voice note", message.Content{Type: message.TypeVoice, Media: at(message.Media{ID: file})}, fault.UnsupportedMedia, "content.media.id"},
		{"a caption of 1,025", message.Content{Type: message.TypeImage, Text: strings.Repeat("é", 1025), Media: at(message.Media{ID: file})}, fault.TextTooLong, "content.text"},
		{"a caption of a sticker", message.Content{Type: message.TypeSticker, Text: "x", Media: at(message.Media{ID: file})}, fault.InvalidField, "content.text"},
		{"an address that may not be called", message.Content{Type: message.TypeImage, Media: at(message.Media{URL: "http://169.254.169.254/"})}, fault.URLNotAllowed, "content.media.url"},
		{"a place off the Earth", message.Content{Type: message.TypeLocation, Location: &message.Location{Longitude: 180.1}}, fault.InvalidField, "content.location.longitude"},
		{"a card without a name", card(message.Card{Phones: []string{"+254701234567"}}), fault.InvalidField, "content.cards[0].name"},
		{"a card of nobody", card(message.Card{Name: "Jane"}), fault.InvalidField, "content.cards[0]"},
		{"a card that is none", card(message.Card{Name: "Jane", VCard: "BEGIN:VCARD"}), fault.InvalidField, "content.cards[0].vcard"},
		{"a huge card", card(message.Card{Name: "Jane", VCard: "BEGIN:VCARD\n" + strings.Repeat("x", 65<<10) + "\nEND:VCARD"}), fault.InvalidField, "content.cards[0].vcard"},
		{"13 options", message.Content{Type: message.TypePoll, Text: "?", Options: strings.Split("abcdefghijklm", "")}, fault.InvalidField, "content.options"},
		{"the same option twice", message.Content{Type: message.TypePoll, Text: "?", Options: []string{"a", "a"}}, fault.InvalidField, "content.options[1]"},
		{"three of two", message.Content{Type: message.TypePoll, Text: "?", Options: []string{"a", "b"}, Choices: 3}, fault.InvalidField, "content.choices"},
		{"four buttons", buttons(message.Button{ID: "1", Title: "a"}, message.Button{ID: "2", Title: "b"}, message.Button{ID: "3", Title: "c"}, message.Button{ID: "4", Title: "d"}), fault.InvalidField, "content.buttons.replies"},
		{"a title of 21", buttons(message.Button{ID: "1", Title: strings.Repeat("x", 21)}), fault.InvalidField, "content.buttons.replies[0].title"},
		{"one id twice", buttons(message.Button{ID: "1", Title: "a"}, message.Button{ID: "1", Title: "b"}), fault.InvalidField, "content.buttons.replies[1].id"},
		{"a mention of nobody", message.Content{Type: message.TypeText, Text: "x", Mentions: []string{"everybody"}}, fault.InvalidField, "content.mentions[0]"},
		{"a reply to nothing", message.Content{Type: message.TypeText, Text: "x", Quote: &message.Ref{Message: 77}}, fault.NotHere, "content.quote.message"},
		{"a reaction to nothing", message.Content{Type: message.TypeReaction, Text: "!"}, fault.MissingField, "content.about"},
	} {
		if f := w.refused(w.rich("+254701234567", c.content), c.code); f.Field != c.field {
			t.Errorf("%s: %q is at fault, not %q", c.what, f.Field, c.field)
		}
	}
	if n := w.count("message"); n != 0 {
		t.Errorf("%d messages are there", n)
	}
}

func TestAnSMSChannelRefusesWhatItDoesNotCarry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := draft("+254701234567", "")
	d.Content = message.Content{Version: 1, Type: message.TypePoll, Text: "Tea?", Options: []string{"yes", "no"}}
	w.refused(d, fault.UnsupportedContent)
	d.Content = message.Content{Version: 1, Type: message.TypeText, Text: "@254701234567", Mentions: []string{"+254701234567"}}
	w.refused(d, fault.UnsupportedContent)
	d.Content = message.Content{Version: 1, Type: message.TypeButtons, Text: "Tea?", Buttons: &message.Buttons{
		Header: "Break", Footer: "Thanks", Replies: []message.Button{{ID: "y", Title: "Yes"}, {ID: "n", Title: "No"}},
	}}
	id := w.send(d)
	w.await(id, message.Sent)
	out := w.network.Sends()[0]
	if out.Text != "Break\n\nTea?\n\n1. Yes\n2. No\n\nThanks" || out.Content.Type != message.TypeText || out.Content.Text != out.Text {
		t.Errorf("%+v", out)
	}
	if m := w.message(id); m.Content.Type != message.TypeButtons || len(m.Content.Buttons.Replies) != 2 {
		t.Errorf("%+v is stored", m.Content)
	}
}

func TestAFileGoesOutAndStaysAsLongAsItsMessageWaits(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	file := w.put(w.alice.ID, dot())
	d := w.rich("+254701234567", message.Content{Type: message.TypeImage, Text: "Look", Media: &message.Media{ID: file}})
	d.ScheduledAt = w.store.Now().Add(60 * 24 * time.Hour)
	id := w.send(d)
	w.store.Shift(59 * 24 * time.Hour)
	w.must(w.media.Expire(t.Context()))
	w.store.Shift(24*time.Hour + time.Second)
	w.await(id, message.Sent)
	m := w.network.Sends()[0].Content.Media
	if m.ID != file || m.MIME != "image/png" || m.Width != 4 || m.SHA256 == "" {
		t.Errorf("%+v", m)
	}
	if shown := w.message(id).Content.Media; shown.State != "kept" || shown.Size != m.Size {
		t.Errorf("%+v", shown)
	}
	w.write(func(tx *store.Tx) error { return w.media.Delete(tx, w.alice.ID, file) })
	if shown := w.message(id).Content.Media; shown.State != "gone" || shown.MIME != "image/png" {
		t.Errorf("%+v", shown)
	}
}

func TestAMessageWaitsForItsFileInItsPlace(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	release, asked := make(chan struct{}), atomic.Int64{}
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-release
		_, _ = rw.Write(dot())
	}))
	t.Cleanup(host.Close)
	open := sync.OnceFunc(func() { close(release) })
	t.Cleanup(open)
	link := message.Content{Type: message.TypeImage, Media: &message.Media{URL: host.URL + "/a.png"}}
	first, second := w.send(w.rich("+254701234567", link)), w.send(w.rich("+254701234567", message.Text("after it")))
	other := w.send(w.rich("+254701234568", message.Text("to another")))
	w.await(other, message.Sent)
	w.until(func() bool { return asked.Load() == 1 }, func() string { return "the file was not asked for" })
	if m := w.message(second); !m.Status.Waiting() {
		t.Errorf("it overtook: %s", m.Status)
	}
	open()
	w.await(first, message.Sent)
	w.await(second, message.Sent)
	third := w.send(w.rich("+254701234569", link))
	w.await(third, message.Sent)
	var order []string
	for _, out := range w.network.Sends() {
		if out.To.Value == "+254701234567" {
			order = append(order, string(out.Content.Type))
		}
	}
	if !slices.Equal(order, []string{"image", "text"}) || asked.Load() != 1 {
		t.Errorf("%v went out, and the file was asked for %d times", order, asked.Load())
	}
	if found := w.message(first).Content.Media; found.URL != "" || found.MIME != "image/png" {
		t.Errorf("%+v", found)
	}
}

func TestAFileThatCannotBeFetchedFailsItsMessage(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		rw.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(host.Close)
	send := func(path string) message.ID {
		return w.send(w.rich("+254701234567", message.Content{Type: message.TypeImage, Media: &message.Media{URL: host.URL + path}}))
	}
	gone := w.await(send("/gone"), message.Failed)
	busy := send("/busy")
	w.until(func() bool {
		w.store.Shift(time.Second)
		return w.message(busy).Status == message.Failed
	}, func() string { return w.told(busy) })
	if gone.Reason != "media_unavailable" || w.message(busy).Reason != "media_unavailable" || len(w.network.Sends()) > 0 {
		t.Errorf("%s, %s, and %d went out", gone.Reason, w.message(busy).Reason, len(w.network.Sends()))
	}
	w.wantMoney(0, 0)
}

func TestWhatCameInIsFetchedByAJob(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	w := newRich(t, func(w *world) {
		w.network.Abilities.Fetch = func(_ context.Context, source []byte, into io.Writer) error {
			switch n := tries.Add(1); {
			case string(source) == "gone":
				return &channel.Failure{Verdict: channel.Reject, Code: "gone"}
			case n == 1:
				return &channel.Failure{Verdict: channel.Retry, Code: "away", Err: errors.New("the phone is away")}
			case n == 2:
				panic("a bug")
			}
			_, err := into.Write(dot())
			return err
		}
	})
	w.arrives(message.Inbound{
		RemoteID: "A", From: from("+254701234567"), Fetch: []byte("source"), At: w.store.Now().Add(-time.Hour),
		Content: message.Content{Type: message.TypeImage, Text: "Look", Media: &message.Media{MIME: "image/jpeg", Size: 9, Width: 640}},
	})
	m := w.received(w.alice.ID)[0]
	w.until(func() bool { w.store.Shift(time.Second); return len(w.eventsOf(m.ID)) == 2 }, func() string { return w.told(m.ID) })
	events := w.eventsOf(m.ID)
	if events[0].Kind != event.Received || events[1].Kind != event.Media || events[1].Change.Reason != "" {
		t.Errorf("%+v", events)
	}
	before, after := w.data(events[0]).Content.Media, w.data(events[1]).Content.Media
	if before.State != "pending" || before.MIME != "image/jpeg" || before.URL != "" {
		t.Errorf("%+v", before)
	}
	if after.State != "kept" || after.MIME != "image/png" || !strings.Contains(after.URL, "/files/"+after.ID+".") || w.data(events[1]).Content.Text != "Look" {
		t.Errorf("%+v", after)
	}
	if again := w.data(events[1]).Content.Media; *again != *after {
		t.Error("two tries say two things")
	}
	w.arrives(message.Inbound{RemoteID: "B", From: from("+254701234567"), Fetch: []byte("gone"), Content: message.Content{Type: message.TypeVideo}})
	lost := w.received(w.alice.ID)[1]
	w.until(func() bool { return len(w.eventsOf(lost.ID)) == 2 }, func() string { return w.told(lost.ID) })
	if last := w.eventsOf(lost.ID)[1]; last.Kind != event.Media || last.Change.Reason != "gone" || w.data(last).Content.Media.State != "gone" {
		t.Errorf("%+v", last)
	}
	if m.Written.IsZero() {
		t.Error("when it was written is not kept")
	}
}

func TestAFetchOutlivesTheServer(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	w := newRich(t, func(w *world) {
		w.network.Abilities.Fetch = func(ctx context.Context, _ []byte, into io.Writer) error {
			if !up.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			_, err := into.Write(dot())
			return err
		}
	})
	w.arrives(message.Inbound{RemoteID: "A", From: from("+254701234567"), Fetch: []byte("source"), Content: message.Content{Type: message.TypeImage}})
	id := w.received(w.alice.ID)[0].ID
	w.kill()
	up.Store(true)
	w.until(func() bool { return w.message(id).Content.Media.State == "kept" }, func() string { return w.told(id) })
}

func TestWhatTheOwnerWritesHimself(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	sent := w.send(w.rich("+254701234567", message.Text("by us")))
	w.await(sent, message.Sent)
	echo := w.message(sent).Parts[0].RemoteID
	own := message.Inbound{RemoteID: echo, From: from(ours), To: from("+254701234567"), Own: true, Content: message.Text("by us")}
	w.arrives(own)
	if n := w.count("message"); n != 1 {
		t.Errorf("%d messages: what we sent came back as another", n)
	}
	before := w.balance()
	own.RemoteID, own.Content = "OWN", message.Text("STOP")
	w.arrives(own)
	w.arrives(own)
	page, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Limit: 10})
	w.must(err)
	if len(page.Messages) != 2 {
		t.Fatalf("%d messages", len(page.Messages))
	}
	m := page.Messages[0]
	if m.Direction != message.Out || !m.Own() || m.Status != message.Sent || m.Price != 0 || m.To.Value != "+254701234567" || m.From.Value != ours {
		t.Errorf("%+v", m)
	}
	if d := w.data(w.eventsOf(m.ID)[0]); !d.Own || d.Text != "STOP" {
		t.Errorf("%+v", d)
	}
	if w.balance() != before {
		t.Error("it cost something")
	}
	if _, out, err := w.consent.Of(t.Context(), w.alice.ID, from("+254701234567")); out || err != nil {
		t.Error("the owner's own STOP counts as the other's")
	}
	w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "OWN", To: from("+254701234567"), Status: message.Delivered}))
	w.wantTold(m.ID, "sent delivered")
}

func TestHistoryIsKeptAndToldToNobody(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	at := w.store.Now().Add(-100 * 24 * time.Hour).Truncate(time.Second)
	for _, in := range []message.Inbound{
		{RemoteID: "P1", From: from("+254701234567"), Past: true, At: at, Content: message.Text("STOP")},
		{RemoteID: "P2", From: from(ours), To: from("+254701234567"), Own: true, Past: true, At: at, Content: message.Text("Hello")},
	} {
		w.arrives(in)
		w.store.Shift(4 * 24 * time.Hour) // past the time in which ids of what came are kept against repeats
		w.arrives(in)
	}
	page, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Limit: 10})
	w.must(err)
	if len(page.Messages) != 2 || w.count("event") != 0 || w.count("job") != 1 { // of retention
		t.Errorf("%+v, %d events, %d jobs", page.Messages, w.count("event"), w.count("job"))
	}
	for _, m := range page.Messages {
		if !m.Written.Equal(at) || m.Seq != 0 {
			t.Errorf("%+v", m)
		}
	}
	if _, out, err := w.consent.Of(t.Context(), w.alice.ID, from("+254701234567")); out || err != nil {
		t.Error("a STOP of the past counts")
	}
}

// TestWhatANetworkKeptForLongComesOnce: a device whose acknowledgement was lost and that was away for days is handed its message again.
func TestWhatANetworkKeptForLongComesOnce(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	in := message.Inbound{RemoteID: "K1", From: from("+254701234567"), At: w.store.Now().Add(-time.Minute), Content: message.Text("hello")}
	w.arrives(in)
	w.store.Shift(4 * 24 * time.Hour)
	w.must(w.gateway.Retain(t.Context(), new(message.ID)))
	w.arrives(in)
	in.RemoteID = "K2"
	w.arrives(in)
	if got := w.received(w.alice.ID); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

// TestAPlaceThatCannotBeComesIn: nobody keeps a device from hearing others by a place that is no number.
func TestAPlaceThatCannotBeComesIn(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	for _, l := range []message.Location{{Latitude: math.NaN()}, {Longitude: math.Inf(1)}, {Latitude: 91}, {Latitude: -90, Longitude: 180}} {
		w.arrives(message.Inbound{From: from("+254701234567"), Content: message.Content{Type: message.TypeLocation, Location: &l}})
	}
	for i, m := range w.received(w.alice.ID) {
		last := i == 3
		if c := m.Content; (c.Type == message.TypeLocation) != last || (c.Location != nil) != last || !last && c.Text != "location" {
			t.Errorf("%d: %+v", i, c)
		}
	}
}

func TestGroupsHaveTheirChat(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	w.arrives(message.Inbound{RemoteID: "G1", From: from("+254701234567"), Chat: group, Content: message.Text("STOP")})
	m := w.received(w.alice.ID)[0]
	if m.Chat != group || w.data(w.eventsOf(m.ID)[0]).Chat != group.String() {
		t.Errorf("%+v", m)
	}
	if _, out, err := w.consent.Of(t.Context(), w.alice.ID, from("+254701234567")); out || err != nil {
		t.Error("a STOP that is said in a group is said to us")
	}
	w.free()
	for _, to := range []string{group.String(), group.Value + "@g.us"} {
		id := w.send(w.rich(to, message.Content{Type: message.TypeText, Text: "@254701234567 hi", Mentions: []string{"+254701234567"}, Quote: &message.Ref{Message: m.ID}}))
		w.await(id, message.Sent)
	}
	out := w.network.Sends()[0]
	want := message.Ref{Message: m.ID, RemoteID: "G1", From: "+254701234567", Text: "STOP"}
	if out.To != group || *out.Content.Quote != want || !slices.Equal(out.Content.Mentions, []string{"+254701234567"}) {
		t.Errorf("%+v", out.Content)
	}
	w.refused(w.rich("+254701234567", message.Content{Type: message.TypeReaction, Text: "👍", About: &message.Ref{Message: m.ID}}), fault.InvalidField) // of another chat
}

// free gives who has no number a price of nothing.
func (w *world) free() {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		return w.wallet.SetPrices(tx, w.caller(w.alice).By, []wallet.Price{{Currency: "KES"}})
	})
}

func TestMessagesAreAboutOthers(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	const jane = "+254701234567"
	sent := w.send(w.rich(jane, message.Text("Tea?")))
	w.await(sent, message.Sent)
	remote := w.message(sent).Parts[0].RemoteID
	w.arrives(message.Inbound{RemoteID: "R1", From: from(jane), Content: message.Content{Type: message.TypeReaction, Text: "👍", About: &message.Ref{RemoteID: remote}}})
	w.arrives(message.Inbound{RemoteID: "R2", From: from(jane), Content: message.Content{Type: message.TypeText, Text: "Yes", Quote: &message.Ref{RemoteID: remote}}})
	w.arrives(message.Inbound{RemoteID: "R3", From: from(jane), Content: message.Content{Type: message.TypeEdit, Text: "No", About: &message.Ref{RemoteID: "R2"}}})
	w.arrives(message.Inbound{RemoteID: "R4", From: from(jane), Content: message.Content{Type: message.TypeDelete, About: &message.Ref{RemoteID: "nobody's"}}})
	in := w.received(w.alice.ID)
	slices.SortFunc(in, func(a, b message.Message) int { return int(a.ID - b.ID) })
	if in[0].Content.About.Message != sent || in[1].Content.Quote.Message != sent || in[1].Answers != sent || in[2].Content.About.Message != in[1].ID ||
		in[3].Content.About.Message != 0 || in[3].Content.About.RemoteID != "nobody's" {
		t.Errorf("%+v", in)
	}
	if d := w.data(w.eventsOf(in[2].ID)[0]); d.Content.About.Message != in[1].ID.String() {
		t.Errorf("%+v", d.Content)
	}
	w.await(w.send(w.rich(jane, message.Content{Type: message.TypeEdit, Text: "Coffee?", About: &message.Ref{Message: sent}})), message.Sent)
	w.await(w.send(w.rich(jane, message.Content{Type: message.TypeReaction, Text: "", About: &message.Ref{Message: in[1].ID}})), message.Sent)
	sends := w.network.Sends()
	if edit := sends[1].Content.About; edit.RemoteID != remote || edit.From != "" {
		t.Errorf("%+v", edit)
	}
	if about := sends[2].Content.About; about.RemoteID != "R2" || about.From != jane {
		t.Errorf("%+v", about)
	}
	w.refused(w.rich(jane, message.Content{Type: message.TypeEdit, Text: "x", About: &message.Ref{Message: in[1].ID}}), fault.InvalidField)
	other := w.account()
	reply, err := w.gateway.Submit(t.Context(), w.caller(other), gateway.Request{Drafts: []message.Draft{{
		Kind: message.WhatsApp, To: jane, Content: message.Content{Version: 1, Type: message.TypeText, Text: "x", Quote: &message.Ref{Message: sent}},
	}}})
	if err != nil || reply.Results[0].Fault == nil {
		t.Errorf("%v %+v", err, reply)
	}
}

// TestReceiptsOfManyDevicesTellOnce: any order of them, however often each comes, ends the same.
func TestReceiptsOfManyDevicesTellOnce(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		id := w.send(w.rich(phone(n), message.Text("hi")))
		w.await(id, message.Sent)
		remote := w.message(id).Parts[0].RemoteID
		for range rapid.IntRange(1, 8).Draw(r, "receipts") {
			rec := message.Receipt{Channel: w.channel, RemoteID: remote, To: message.Address{Kind: message.LID, Value: "77"}, Status: message.Delivered}
			if kind := rapid.IntRange(0, 2).Draw(r, "kind"); kind > 0 {
				rec.Status, rec.Played = message.Read, kind == 2
			}
			w.must(w.gateway.Receipt(t.Context(), rec))
		}
		seen := map[event.Kind]int{}
		for _, e := range w.eventsOf(id) {
			if seen[e.Kind]++; seen[e.Kind] > 1 {
				r.Fatalf("%s was told twice: %s", e.Kind, w.told(id))
			}
		}
		if seen[event.Played] == 1 && seen[event.Read] != 1 {
			r.Fatalf("it was played and not read: %s", w.told(id))
		}
	})
}

func TestAPersonsFilesGoWithTheirMessages(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	shared, own := w.put(w.alice.ID, dot()), w.put(w.alice.ID, append(dot(), 0))
	for i, file := range []message.MediaID{shared, own, shared} {
		w.await(w.send(w.rich(phone(i/2), message.Content{Type: message.TypeDocument, Media: &message.Media{ID: file}})), message.Sent)
	}
	w.write(func(tx *store.Tx) error {
		_, err := w.gateway.EraseMessages(tx, gateway.Person{
			Account: w.alice.ID, Address: from(phone(0)), Mark: message.Address{Kind: message.Erased, Value: "m"}, Before: message.ID(w.store.NewID()),
		}, 0)
		return err
	})
	files, err := w.media.Of(t.Context(), shared, own)
	w.must(err)
	if got := fmt.Sprint(files[0].State, files[1].State); got != "kept gone" {
		t.Error(got)
	}
}

// FuzzContent: whatever a stored content is, showing it breaks nothing, and what is accepted is shown as it was said.
func FuzzContent(f *testing.F) {
	f.Add(`{"v":1,"type":"poll","text":"?","options":["a"]}`)
	f.Add(`{"type":"image","media":{"id":"0198c8f0-0000-7000-8000-000000000000"},"quote":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c message.Content
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		d := gateway.DataOf(&c)
		if (d == nil) != c.Plain() || d != nil && d.Type != c.Type {
			t.Errorf("%q is shown as %+v", text, d)
		}
	})
}
