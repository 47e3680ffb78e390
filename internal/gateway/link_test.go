package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// shortened is a draft whose URLs are to become links.
func shortened(to, text string) message.Draft {
	d := draft(to, text)
	d.Shorten = true
	return d
}

// links are those of a message, in the order of its text.
func (w *world) linksOf(id message.ID) []link.Link {
	w.t.Helper()
	list, err := w.links.Of(w.t.Context(), w.alice.ID, id, 0, 100)
	w.must(err)
	for i := range len(list) / 2 {
		list[i], list[len(list)-1-i] = list[len(list)-1-i], list[i]
	}
	return list
}

// click has somebody follow a link, and counts it.
func (w *world) click(links ...link.Link) {
	w.t.Helper()
	for _, l := range links {
		w.links.Clicked(l.ID)
	}
	over, cancel := context.WithCancel(w.t.Context())
	cancel()
	w.gateway.CountClicks(over) // counts what there is, and ends
}

func TestLinksStandForTheURLsOfAText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	far := "https://shop.example/" + strings.Repeat("x", 300)
	text := "Pay at " + far + " or " + far + ", see http://help.example!"
	preview, err := w.gateway.Preview(t.Context(), w.caller(w.alice), []message.Draft{shortened(phone(1), text), draft(phone(1), text)})
	w.must(err)
	if n := w.count("link"); n != 0 {
		t.Errorf("a preview made %d links", n)
	}
	id := w.send(shortened(phone(1), text))
	w.sends(1)
	m, links := w.await(id, message.Sent), w.linksOf(id)
	if len(links) != 2 || links[0].Target != far || links[1].Target != "http://help.example" {
		t.Fatalf("%+v", links)
	}
	want := fmt.Sprintf("Pay at %s or %[1]s, see %s!", w.links.URL(links[0].Code), w.links.URL(links[1].Code))
	if m.Content.Text != want || m.Total != 1 || m.Price != price {
		t.Errorf("%q in %d parts for %d, want %q", m.Content.Text, m.Total, m.Price, want)
	}
	if out := w.network.Sends(); out[0].Text != want {
		t.Errorf("%q went out", out[0].Text)
	}
	short, long := preview[0], preview[1]
	if short.Message.Total != 1 || short.Lengths[0] != len(want) || short.Units != len(want) || short.Message.Price != price {
		t.Errorf("the preview has %d parts, %v characters and the price %d", short.Message.Total, short.Lengths, short.Message.Price)
	}
	if long.Message.Content.Text != text || long.Message.Total != 5 {
		t.Errorf("the preview of the same text as it is: %d parts", long.Message.Total)
	}
	w.wantMoney(1, 0)
	for _, plain := range []message.Draft{draft(phone(2), text), shortened(phone(2), "no URL in here")} {
		if m := w.message(w.send(plain)); m.Content.Text != plain.Content.Text {
			t.Errorf("%q was shortened", m.Content.Text)
		}
	}
	if n := w.count("link"); n != 2 {
		t.Errorf("there are %d links", n)
	}
}

func TestWhatIsNotShortened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var many strings.Builder
	for i := range 51 {
		fmt.Fprintf(&many, "http://a.example/%d ", i)
	}
	rich := shortened(phone(1), "https://a.example")
	rich.Content.Preview = true
	for _, c := range []struct {
		draft message.Draft
		field string
	}{
		{rich, "shorten_urls"},
		{shortened(phone(1), many.String()), "text"},
		{shortened(phone(1), "http://a.example/"+strings.Repeat("x", 2040)), "text"},
	} {
		if f := w.refused(c.draft, fault.InvalidField); f.Field != c.field {
			t.Errorf("%v names %q, want %q", f, f.Field, c.field)
		}
	}
	w.refused(shortened(phone(1), "http://a.example "+long(256)), fault.TextTooLong)
}

// What is refused leaves no link, whether codes ran out or something else speaks against it.
func TestARefusedMessageLeavesNoLinks(t *testing.T) {
	t.Parallel()
	codes := []string{"aaaaaaaa", "bbbbbbbb"}
	w := newWorld(t, func(w *world) {
		w.drawn = func() (code string) {
			if code = codes[0]; len(codes) > 1 {
				codes = codes[1:]
			}
			return code
		}
	})
	first := w.send(shortened(phone(1), "http://a.example"))
	f := w.refused(shortened(phone(1), "http://a.example/1 http://a.example/2"), fault.NoShortLink)
	if f.Field != "text" || w.count("link") != 1 {
		t.Errorf("%v, and %d links", f, w.count("link"))
	}
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{draft(phone(2), "fine"), shortened(phone(1), "http://a.example/1"), shortened(phone(3), "http://a.example/2")}})
	w.must(err)
	if reply.Results[0].Fault != nil || !fault.Is(reply.Results[2].Fault, fault.NoShortLink) {
		t.Errorf("%+v", reply.Results)
	}
	w.must(w.store.Write(func(tx *store.Tx) error { return w.links.DropIn(tx, []message.ID{reply.Results[1].Message.ID}) }))
	reply, err = w.submit(gateway.Request{Drafts: []message.Draft{draft(phone(2), "fine"), shortened(phone(1), "http://a.example/1 http://a.example/2")}, Whole: []fault.Code{fault.NoShortLink}})
	w.must(err)
	if !fault.Is(reply.Results[0].Fault, fault.NoShortLink) || w.count("link") != 1 {
		t.Errorf("%+v, and %d links", reply.Results, w.count("link"))
	}
	poor := account.Account{Name: "poor", Region: "KE", Currency: "KES", Active: true}
	w.write(func(tx *store.Tx) (err error) {
		if poor, err = w.members.Create(tx, audit.System, poor, "poor", ""); err != nil {
			return err
		}
		return w.wallet.Open(tx, poor.ID, poor.Currency)
	})
	codes = []string{"dddddddd"}
	if reply, err = w.gateway.Submit(t.Context(), w.caller(poor), gateway.Request{Drafts: []message.Draft{shortened(phone(1), "http://a.example")}}); err != nil || !fault.Is(reply.Results[0].Fault, fault.InsufficientBalance) {
		t.Errorf("%+v (%v)", reply.Results, err)
	}
	if n := w.count("link"); n != 1 || len(w.linksOf(first)) != 1 {
		t.Errorf("%d links are left", n)
	}
}

func TestARepeatGivesTheSameLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := gateway.Request{Drafts: []message.Draft{shortened(phone(1), "http://a.example"), shortened(phone(2), "http://a.example")}, Key: "k", Fingerprint: "f"}
	one, err := w.submit(r)
	w.must(err)
	two, err := w.submit(r)
	w.must(err)
	if !two.Replayed || w.count("link") != 2 {
		t.Errorf("there are %d links", w.count("link"))
	}
	for i := range one.Results {
		if a, b := one.Results[i].Message.Content.Text, two.Results[i].Message.Content.Text; a != b || a == "http://a.example" {
			t.Errorf("first %q, then %q", a, b)
		}
	}
	if one.Results[0].Message.Content.Text == one.Results[1].Message.Content.Text {
		t.Error("two messages share a link")
	}
}

func TestATestKeysLinksLeadOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.caller(w.alice)
	c.Key.Test = true
	reply, err := w.gateway.Submit(t.Context(), c, gateway.Request{Drafts: []message.Draft{shortened(phone(1), "http://a.example")}})
	w.must(err)
	links := w.linksOf(reply.Results[0].Message.ID)
	if l, err := w.links.Follow(t.Context(), links[0].Code); err != nil || l.Target != "http://a.example" {
		t.Errorf("%+v (%v)", l, err)
	}
}

func TestTheFirstClickIsAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(shortened(phone(1), "http://a.example/1 http://a.example/2"))
	w.await(id, message.Sent)
	links := w.linksOf(id)
	w.click(links[0], links[0], links[1], link.Link{ID: 1})
	w.click(links[0])
	w.wantTold(id, "sent link.clicked link.clicked")
	events, err := w.events.Of(t.Context(), w.alice.ID, int64(id))
	w.must(err)
	data, err := w.gateway.EventData(t.Context(), events[1])
	w.must(err)
	if text := string(data); !strings.Contains(text, `"link":{"id":"`+links[0].ID.String()+`","url":"`+w.links.URL(links[0].Code)+`"}`) || strings.Contains(text, "a.example") {
		t.Errorf("told %s", text)
	}
	w.kill()
	list := w.linksOf(id)
	if list[0].Clicks != 3 || list[1].Clicks != 1 {
		t.Errorf("after the next start: %+v", list)
	}
	w.report(id, 1, 1, message.Delivered)
	w.await(id, message.Delivered)
}

// Links go with their message: when its retention ends, and when a person is erased.
func TestLinksGoWithTheirMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with(gateway.Settings{KeepMessages: 30 * day}))
	id := w.send(shortened(phone(1), "http://a.example/1"))
	w.await(id, message.Sent)
	other := w.send(shortened(phone(2), "http://a.example/2"))
	w.await(other, message.Sent)
	later := shortened(phone(3), "http://a.example/3")
	later.ScheduledAt = w.store.Now().Add(60 * day)
	w.send(later)
	erasedLink := w.linksOf(id)[0]
	w.write(func(tx *store.Tx) error {
		who := gateway.Person{Account: w.alice.ID, Address: message.Address{Kind: message.Phone, Value: phone(1)}, Mark: message.Address{Kind: message.Erased, Value: "x"}, Before: id + 1<<40}
		_, err := w.gateway.EraseMessages(tx, who, 0)
		return err
	})
	if _, err := w.links.Follow(t.Context(), erasedLink.Code); !fault.Is(err, fault.NotHere) {
		t.Errorf("the link of a person who was erased leads on (%v)", err)
	}
	w.click(erasedLink)
	w.wantTold(id, "sent")
	w.pass(31 * day)
	w.until(func() bool { return w.count("link") == 1 }, func() string { return fmt.Sprint(w.count("link"), " links") })
	w.pass(60 * day)
	w.until(func() bool { return w.count("link") == 0 }, func() string { return "the link of a scheduled message is kept too long" })
}
