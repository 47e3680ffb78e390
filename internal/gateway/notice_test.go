package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// linkable has a phone link the channels of the network.
func linkable(w *world) { w.network.Pairing = channeltest.Unscanned(0) }

var linkedPhone = channel.Identity{
	Remote: "491701234567:12@s.whatsapp.net",
	Person: message.Person{Phone: message.Address{Kind: message.Phone, Value: "+491701234567"}, PushName: "Shop"},
}

// deviceStory lists what was told of the channel.
func (w *world) deviceStory() string {
	w.t.Helper()
	c, _, err := w.connections.Get(w.t.Context(), w.channel)
	w.must(err)
	whose := c.Account
	if whose == 0 {
		whose = w.operator()
	}
	events, err := w.events.Of(w.t.Context(), whose, int64(w.channel))
	w.must(err)
	var told []string
	for _, e := range events {
		told = append(told, string(e.Kind))
	}
	return strings.Join(told, " ")
}

func (w *world) submitOne() *fault.Fault {
	w.t.Helper()
	reply, err := w.gateway.Submit(w.t.Context(), gateway.Caller{Account: w.alice}, gateway.Request{
		Drafts: []message.Draft{{Channel: w.channel, To: "+254701234567", Content: message.Text("x")}},
	})
	w.must(err)
	return reply.Results[0].Fault
}

func TestOnlyALinkedChannelTakesMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linkable)
	notice := func(n channel.Notice) {
		t.Helper()
		n.Channel = w.channel
		w.must(w.gateway.Notice(t.Context(), n))
	}
	if f := w.submitOne(); !fault.Is(f, fault.NotLinked) || f.Field != "channel" {
		t.Fatalf("one that was never linked: %v", f)
	}
	notice(channel.Notice{Linked: &linkedPhone})
	if f := w.submitOne(); f != nil {
		t.Fatalf("one that is linked and has no session: %v", f)
	}
	notice(channel.Notice{Unlinked: &channel.Unlinked{Code: "logged_out", Reason: "The phone logged the device out."}})
	if f := w.submitOne(); !fault.Is(f, fault.NotLinked) || !strings.Contains(f.Text, "The phone logged the device out.") {
		t.Fatalf("one that was logged out: %v", f)
	}
	notice(channel.Notice{Unlinked: &channel.Unlinked{Code: "removed"}}) // nothing new
	list, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Limit: 10})
	w.must(err)
	if len(list.Messages) != 1 {
		t.Errorf("%d messages are stored, want the accepted one", len(list.Messages))
	}
	if got := w.deviceStory(); got != "channel.linked channel.unlinked" {
		t.Errorf("told: %s", got)
	}
}

func TestADeviceIsWhoItsNoticesSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linkable)
	w.must(w.gateway.Notice(t.Context(), channel.Notice{Channel: w.channel, Linked: &linkedPhone}))
	later := channel.Identity{Remote: linkedPhone.Remote, Person: message.Person{LID: message.Address{Kind: message.LID, Value: "99"}}}
	w.must(w.gateway.Notice(t.Context(), channel.Notice{Channel: w.channel, Linked: &later}))
	d, err := w.connections.Device(t.Context(), w.channel)
	w.must(err)
	if d.Person.Phone != linkedPhone.Person.Phone || d.Person.LID.Value != "99" || d.Person.PushName != "Shop" || d.Linked.IsZero() {
		t.Errorf("%+v", d)
	}
	until := w.store.Now().Add(time.Hour).Truncate(time.Millisecond)
	limit := channel.Notice{Channel: w.channel, Limited: &channel.Limited{Code: "reach_out", Reason: "It wrote to too many strangers.", Until: until}}
	w.must(w.gateway.Notice(t.Context(), limit))
	w.must(w.gateway.Notice(t.Context(), limit)) // told once
	d, err = w.connections.Device(t.Context(), w.channel)
	w.must(err)
	if now := w.store.Now(); !d.LimitedUntil(now).Equal(until) || !d.LimitedUntil(until).IsZero() {
		t.Errorf("limited until %s, want %s", d.LimitedUntil(now), until)
	}
	call := channel.Call{RemoteID: "c1", From: message.Person{Phone: message.Address{Kind: message.Phone, Value: "+254700000001"}}, Rejected: true}
	w.must(w.gateway.Notice(t.Context(), channel.Notice{Channel: w.channel, Call: &call}))
	if got := w.deviceStory(); got != "channel.linked channel.limited channel.call" {
		t.Errorf("told: %s", got)
	}
	events, err := w.events.Of(t.Context(), w.operator(), int64(w.channel))
	w.must(err)
	var facts event.Call
	w.must(json.Unmarshal(events[2].Change.Facts, &facts))
	if facts.From != "+254700000001" || !facts.Rejected || facts.RemoteID != "c1" {
		t.Errorf("%+v", facts)
	}
}

func TestPeopleGoToWhoKeepsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linkable)
	ada := message.Address{Kind: message.LID, Value: "8801"}
	w.must(w.gateway.Notice(t.Context(), channel.Notice{Channel: w.channel, People: []message.Person{{LID: ada, Name: "Ada"}}}))
	if known := w.known(w.operator()); len(known) != 1 || known[0].BookName != "Ada" || known[0].Address(message.LID) != ada {
		t.Errorf("the operator knows %+v", known)
	}
}

func TestAPersonWhoIsErasedIsInNoCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linkable)
	caller, mark := message.Address{Kind: message.Phone, Value: "+254700000001"}, message.Address{Kind: message.Erased, Value: "x"}
	c, _, err := w.connections.Get(t.Context(), w.channel)
	w.must(err)
	c.Name, c.Account = "own", w.alice.ID
	w.write(func(tx *store.Tx) (err error) { c, err = w.connections.Create(tx, audit.System, c); return err })
	call := channel.Call{RemoteID: "c1", From: message.Person{Phone: caller, PushName: "Ada"}}
	w.must(w.gateway.Notice(t.Context(), channel.Notice{Channel: c.ID, Call: &call}))
	w.write(func(tx *store.Tx) error {
		return w.connections.Remember(tx, c.ID, []channel.Known{{Phone: caller, There: true, Person: call.From}})
	})
	w.must(w.gateway.EraseTraces(t.Context(), gateway.Person{Account: w.alice.ID, Address: caller, Mark: mark}))
	events, err := w.events.Of(t.Context(), w.alice.ID, int64(c.ID))
	w.must(err)
	for _, e := range events {
		if text := string(e.Change.Facts); strings.Contains(text, "700000001") || strings.Contains(text, "Ada") || !strings.Contains(text, mark.String()) {
			t.Errorf("%s tells %s", e.Kind, text)
		}
	}
	known, err := w.connections.Known(t.Context(), c.ID, []message.Address{caller})
	w.must(err)
	if len(events) != 1 || len(known) != 0 {
		t.Errorf("%d events; known: %v", len(events), known)
	}
}
