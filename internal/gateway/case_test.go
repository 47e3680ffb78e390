package gateway_test

import (
	"context"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/message"
)

// The numbers are those of the index of SMPP cases in test/README.md.

// named takes a part under a given id.
func named(id string) channeltest.Answer {
	return func(context.Context, message.Outbound) (string, error) { return id, nil }
}

func (w *world) delivered(ch message.ChannelID, id, to string) {
	w.t.Helper()
	w.must(w.gateway.Receipt(w.t.Context(), message.Receipt{
		Channel: ch, RemoteID: id, To: message.Address{Kind: message.Phone, Value: to}, Status: message.Delivered,
	}))
}

func TestCase6b11AnIDIsOfItsChannelAndOfItsNewestOpenMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare)
	w.network.On(phone(1), named("SAME"))
	w.spare.On(phone(1), named("SAME"))
	here, there := draft(phone(1), "here"), draft(phone(1), "there")
	here.Channel, there.Channel = w.channel, w.second
	first, other := w.send(here), w.send(there)
	w.await(first, message.Sent)
	w.await(other, message.Sent)
	w.delivered(w.second, "SAME", phone(1))
	if a, b := w.message(first).Status, w.message(other).Status; a != message.Sent || b != message.Delivered {
		t.Errorf("%s here, %s there", a, b)
	}
	w.store.Shift(7 * 24 * time.Hour)
	newest := w.send(here)
	w.await(newest, message.Sent)
	w.network.On(phone(2), named("SAME"))
	else2 := draft(phone(2), "to somebody else")
	else2.Channel = w.channel
	stranger := w.send(else2)
	w.await(stranger, message.Sent)
	w.delivered(w.channel, "SAME", phone(1))
	if a, b, c := w.message(first).Status, w.message(newest).Status, w.message(stranger).Status; a != message.Sent || b != message.Delivered || c != message.Sent {
		t.Errorf("%s the old one, %s the new one, %s to somebody else", a, b, c)
	}
}

func TestCase6b12And13ReceiptsOfParts(t *testing.T) {
	t.Parallel()
	const d, u, sent = message.Delivered, message.Failed, message.Sent
	type news struct {
		part   int
		status message.Status
	}
	for name, c := range map[string]struct {
		parts  int
		news   []news
		status message.Status
		told   string
	}{
		"12 all delivered":            {3, []news{{1, d}, {2, d}, {3, d}}, d, "sent delivered"},
		"12 in any order":             {3, []news{{3, d}, {1, d}, {2, d}}, d, "sent delivered"},
		"12 one undelivered":          {3, []news{{1, d}, {2, u}, {3, d}}, u, "sent failed"},
		"12 one missing":              {3, []news{{1, d}, {2, d}}, sent, "sent"},
		"13 final twice":              {1, []news{{1, d}, {1, d}}, d, "sent delivered"},
		"13 undelivered twice":        {1, []news{{1, u}, {1, u}}, u, "sent failed"},
		"13 accepted after delivered": {1, []news{{1, d}, {1, sent}}, d, "sent delivered"},
		"13 delivered at last":        {1, []news{{1, u}, {1, d}}, d, "sent failed delivered(correction)"},
		"13 undelivered at last":      {1, []news{{1, d}, {1, u}}, d, "sent delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			text := "hello"
			if c.parts > 1 {
				text = long(c.parts)
			}
			id := w.send(draft(phone(1), text))
			w.await(id, message.Sent)
			for _, n := range c.news {
				w.report(id, 1, n.part, n.status)
			}
			if got := w.message(id).Status; got != c.status {
				t.Errorf("%s", got)
			}
			w.wantTold(id, c.told)
			w.wantMoney(int64(c.parts), 0)
		})
	}
}

func TestCase6c02AnswersAndMoney(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first   channel.Failure
		status  message.Status
		told    string
		charged int64
		sends   int
	}{
		"throttled is no try":     {channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: 10 * time.Millisecond, Slow: true}, message.Sent, "sent", 1, 2},
		"queue full backs off":    {channel.Failure{Verdict: channel.Retry, Code: "queue_full"}, message.Sent, "retrying sent", 1, 2},
		"unknown number is final": {channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}, message.Failed, "failed", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.network.On(phone(1), channeltest.Fail(c.first), w.network.Take)
			id := w.send(draft(phone(1), "hello"))
			w.until(func() bool {
				w.store.Shift(time.Second)
				return w.message(id).Status == c.status
			}, func() string { return w.told(id) })
			w.wantTold(id, c.told)
			w.wantMoney(c.charged, 0)
			if n := len(w.sends(c.sends)); n != c.sends {
				t.Errorf("%d sends", n)
			}
		})
	}
}

// A part that is throttled goes out again alone, tied to the others as before.
func TestCase6c04OnlyTheThrottledPartGoesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: 10 * time.Millisecond, Slow: true})
	w.network.On(phone(1), w.network.Take, slow, w.network.Take)
	id := w.send(draft(phone(1), long(3)))
	w.until(func() bool {
		w.store.Shift(time.Second)
		return w.message(id).Status == message.Sent
	}, func() string { return w.told(id) })
	all := w.sends(4)
	var numbers []int
	for _, out := range all {
		numbers = append(numbers, out.Number)
		if out.Reference != all[0].Reference || out.Total != 3 || out.Attempt != 1 {
			t.Errorf("%+v", out)
		}
	}
	if len(numbers) != 4 || numbers[0] != 1 || numbers[1] != 2 || numbers[2] != 2 || numbers[3] != 3 {
		t.Errorf("parts %v", numbers)
	}
	w.wantMoney(3, 0)
}

// Parts of one text come in any order and again; a reference that another sender uses is another text.
func TestCase6b15PartsOfAnInboundText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, in := range []message.Inbound{
		part(w.channel, phone(1), 9, 3, 3, "three"), part(w.channel, phone(2), 9, 3, 2, "another's"), part(w.channel, phone(1), 9, 3, 1, "one "),
		part(w.channel, phone(1), 9, 3, 3, "three"), part(w.channel, phone(1), 9, 3, 1, "one "), part(w.channel, phone(1), 9, 3, 2, "two "),
	} {
		w.must(w.gateway.Inbound(t.Context(), in))
	}
	got := w.received(w.operator())
	if len(got) != 1 || got[0].Content.Text != "one two three" || got[0].Reason != "" {
		t.Fatalf("%+v", got)
	}
	w.store.Shift(31 * time.Minute)
	w.until(func() bool { return len(w.received(w.operator())) == 2 }, func() string { return "the text that is not whole does not come" })
	for _, m := range w.received(w.operator()) {
		if whole := m.Content.Text == "one two three"; whole == (m.Reason == "incomplete") {
			t.Errorf("%q %q", m.Content.Text, m.Reason)
		}
	}
}
