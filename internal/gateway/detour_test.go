package gateway_test

import (
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

// over waits until the second channel was given n parts.
func (w *world) over(n int) []message.Outbound {
	w.t.Helper()
	w.until(func() bool { return len(w.spare.Sends()) >= n }, func() string { return "the second channel was not used" })
	return w.spare.Sends()
}

func TestTheFirstDefaultThatIsUpIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare)
	on := func(want message.ChannelID, d message.Draft) {
		t.Helper()
		if got := w.message(w.send(d)).Channel; got != want {
			t.Errorf("went out by %s", got)
		}
	}
	on(w.channel, draft(phone(1), "hello"))
	w.goes(w.channel, connection.Down)
	on(w.second, draft(phone(1), "hello"))
	named := draft(phone(1), "hello")
	named.Channel = w.channel
	on(w.channel, named)
	w.goes(w.second, connection.Down)
	on(w.channel, draft(phone(1), "hello"))
}

// stall has the first network answer nothing but that it cannot, so that messages wait in its lane.
func (w *world) stall() {
	w.network.Answer = channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "not_connected", Pause: time.Hour})
}

func TestWaitingMessagesLeaveAChannelThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, (*world).stall)
	first, second := w.send(draft(phone(1), "first")), w.send(draft(phone(1), long(2)))
	w.sends(1)
	named := draft(phone(2), "named")
	named.Channel = w.channel
	stays := w.send(named)
	later := draft(phone(3), "later")
	later.ScheduledAt = w.store.Now().Add(24 * time.Hour)
	waits := w.send(later)
	w.goes(w.channel, connection.Down)
	went := w.over(3)
	if went[0].Message != first || went[1].Message != second || went[2].Message != second || went[2].Number != 2 {
		t.Errorf("out of order: %+v", went)
	}
	for _, id := range []message.ID{first, second} {
		m := w.await(id, message.Sent)
		if m.Channel != w.second || m.Parts[0].Channel != w.second || m.Duplicate {
			t.Errorf("%+v", m)
		}
	}
	w.wantTold(second, "retrying sent")
	w.wantMoney(3, 2)
	for _, id := range []message.ID{stays, waits} {
		if m := w.message(id); m.Channel != w.channel || !m.Status.Waiting() {
			t.Errorf("%+v", m)
		}
	}
	w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.second, RemoteID: w.message(first).Parts[0].RemoteID, Status: message.Delivered}))
	w.await(first, message.Delivered)
}

// A message moves before or after a kill, and never twice.
func TestAKillWhileMessagesMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, (*world).stall)
	var ids []message.ID
	for n := range 20 {
		ids = append(ids, w.send(draft(phone(n), "hello")))
	}
	w.sends(1)
	w.goes(w.channel, connection.Down)
	w.over(1)
	w.kill()
	w.goes(w.channel, connection.Down)
	for _, id := range ids {
		w.until(func() bool {
			s := w.message(id).Status
			return s == message.Sent
		}, func() string { return w.told(id) })
	}
	w.wantMoney(20, 0)
}

func TestAFaultOfTheChannelSendsTheMessageByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare)
	fault := channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "not_allowed", Native: "0x0D", Channel: true})
	w.network.On(phone(1), fault)
	w.network.On(phone(2), channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}))
	w.network.On(phone(3), fault)
	w.network.On(phone(4), w.network.Take, fault) // a part of it is out
	moved, refused := w.send(draft(phone(1), "hello")), w.send(draft(phone(2), "hello"))
	named := draft(phone(3), "hello")
	named.Channel = w.channel
	stays, half := w.send(named), w.send(draft(phone(4), long(2)))
	m := w.await(moved, message.Sent)
	if m.Channel != w.second || m.Attempt != 2 || len(m.Parts) != 2 || m.Parts[0].Channel != w.channel || m.Parts[0].Status != message.Failed || m.Parts[1].Channel != w.second {
		t.Errorf("%+v", m)
	}
	w.wantTold(moved, "retrying sent")
	for _, id := range []message.ID{refused, stays, half} {
		if m := w.await(id, message.Failed); m.Channel != w.channel {
			t.Errorf("%+v", m)
		}
	}
	if n := len(w.spare.Sends()); n != 1 {
		t.Errorf("%d parts went by the second channel", n)
	}
}

func TestAMessageGoesThroughTheListOnce(t *testing.T) {
	t.Parallel()
	fault := channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "not_allowed", Channel: true})
	w := newWorld(t, withSpare, func(w *world) { w.network.Answer, w.spare.Answer = fault, fault })
	id := w.send(draft(phone(1), "hello"))
	w.await(id, message.Failed)
	w.wantTold(id, "retrying failed")
	w.wantMoney(0, 0)
}

func TestTriesUsedUpSendTheMessageByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, func(w *world) {
		w.network.Answer = channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "queue_full"})
	})
	id := w.send(draft(phone(1), "hello"))
	for n := range 6 {
		w.sends(n + 1)
		w.store.Shift(time.Minute)
	}
	if m := w.await(id, message.Sent); m.Channel != w.second || m.Attempt != 2 {
		t.Errorf("%+v", m)
	}
	if n := len(w.network.Sends()); n != 6 {
		t.Errorf("%d tries", n)
	}
}

// While nobody knows whether the first network has a message, no other is given it.
func TestAnUnknownOutcomeKeepsAMessageWhereItIs(t *testing.T) {
	t.Parallel()
	for name, class := range map[string]channel.Unknown{"blind": channel.Blind, "echo": channel.Echo, "dedupe": channel.Dedupe} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSpare, finding(class))
			w.network.On(phone(1), unsure, channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "busy", Pause: time.Hour}))
			id := w.send(draft(phone(1), "hello"))
			w.until(func() bool { return len(w.message(id).Parts) == 1 }, func() string { return "it has no part" })
			w.goes(w.channel, connection.Down)
			other := w.send(draft(phone(2), "hello"))
			w.await(other, message.Sent)
			time.Sleep(3 * time.Second) // the time in which it would move
			if m := w.message(id); m.Channel != w.channel || !m.Status.Waiting() || len(w.spare.Sends()) != 1 {
				t.Errorf("%+v", m)
			}
		})
	}
}

// What another channel may not say or carry stays.
func TestAMessageStaysWhereOnlyItsChannelCanCarryIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, (*world).stall, func(w *world) { w.spare.PartSize = 1 })
	other := w.account()
	w.write(func(tx *store.Tx) error {
		_, err := w.numbers.Assign(tx, audit.System, number.Number{Account: other.ID, Channel: w.second, Address: message.Address{Kind: message.Name, Value: "SHOP"}})
		return err
	})
	shop := draft(phone(1), "hi")
	shop.From = "SHOP"
	named, tooLong, fits := w.send(shop), w.send(draft(phone(2), long(2))), w.send(draft(phone(3), "hey"))
	w.sends(1)
	w.goes(w.channel, connection.Down)
	m := w.await(fits, message.Sent)
	if m.Total != 3 || m.Price != price {
		t.Errorf("%d parts for %d", m.Total, m.Price)
	}
	for _, id := range []message.ID{named, tooLong} {
		if m := w.message(id); m.Channel != w.channel || !m.Status.Waiting() {
			t.Errorf("%+v", m)
		}
	}
}

// What a channel refused went nowhere: a message that waits for the next one can be cancelled as one that was never tried.
func TestAMovedMessageIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare)
	w.network.Answer = channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "invalid_sender", Channel: true})
	w.spare.Answer = channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "later"})
	id := w.send(draft(phone(1), "hello"))
	w.over(1)
	w.until(func() bool { return w.told(id) == "retrying retrying" }, func() string { return w.told(id) })
	if _, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id); err != nil {
		t.Fatal(err)
	}
	if m := w.message(id); m.Status != message.Cancelled {
		t.Errorf("it is %s (%s): %s", m.Status, m.Reason, w.told(id))
	}
	w.wantMoney(0, 0)
}
