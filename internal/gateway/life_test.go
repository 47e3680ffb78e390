package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

func TestAMessageIsAcceptedSentAndDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(draft(phone(1), "hello"))
	m := w.await(id, message.Sent)
	if out := w.sends(1)[0]; out.Text != "hello" || out.To.Value != phone(1) || out.From.Value != "TIDINGS" || out.Attempt != 1 || out.Number != 1 {
		t.Errorf("sent %+v", out)
	}
	if len(m.Parts) != 1 || m.Parts[0].RemoteID == "" {
		t.Errorf("parts %+v", m.Parts)
	}
	w.wantMoney(1, 0)
	w.report(id, 1, 1, message.Delivered)
	w.report(id, 1, 1, message.Delivered)
	w.report(id, 1, 1, message.Failed)
	w.report(id, 1, 1, message.Sent)
	if m = w.message(id); m.Status != message.Delivered || m.Parts[0].DoneAt.IsZero() {
		t.Errorf("%s, %+v", m.Status, m.Parts)
	}
	w.report(id, 1, 1, message.Read)
	w.wantTold(id, "sent delivered read")
	w.wantMoney(1, 0)
}

func TestALateDeliveredCorrectsAFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(draft(phone(1), "hello"))
	w.await(id, message.Sent)
	w.report(id, 1, 1, message.Failed)
	if m := w.message(id); m.Status != message.Failed || m.Reason != "undelivered" {
		t.Errorf("%s %q", m.Status, m.Reason)
	}
	w.report(id, 1, 1, message.Delivered)
	if m := w.message(id); m.Status != message.Delivered || m.Reason != "" {
		t.Errorf("%s %q", m.Status, m.Reason)
	}
	w.wantTold(id, "sent failed delivered(correction)")
	w.wantMoney(1, 0)
}

func TestARejectedMessageCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "unknown_number", Native: "0x0B"}))
	id := w.send(draft(phone(1), "hello"))
	m := w.await(id, message.Failed)
	if m.Reason != "unknown_number" || m.Parts[0].Status != message.Failed || m.Parts[0].DoneAt.IsZero() {
		t.Errorf("%q %+v", m.Reason, m.Parts)
	}
	w.wantTold(id, "failed")
	w.wantMoney(0, 0)
}

func TestARetryIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "queue_full"}), w.network.Take)
	id := w.send(draft(phone(1), "hello"))
	w.until(func() bool { return w.told(id) == "retrying" }, func() string { return w.told(id) })
	w.wantMoney(0, 1)
	w.store.Shift(2 * time.Second)
	w.await(id, message.Sent)
	w.wantTold(id, "retrying sent")
	if out := w.sends(2)[1]; out.Attempt != 1 {
		t.Errorf("a refusal that may be tried again is no new attempt: %d", out.Attempt)
	}
	w.wantMoney(1, 0)
}

func TestThrottlingIsNoTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: 20 * time.Millisecond}), w.network.Take)
	id := w.send(draft(phone(1), "hello"))
	w.await(id, message.Sent)
	w.wantTold(id, "sent")
}

func TestThePartsOfALongText(t *testing.T) {
	t.Parallel()
	take := (&channeltest.Scripted{}).Take // ids of its own do not matter here
	fail := func(v channel.Verdict) channeltest.Answer {
		return channeltest.Fail(channel.Failure{Verdict: v, Code: "no"})
	}
	for _, c := range []struct {
		name      string
		onUnknown message.OnUnknown
		second    []channeltest.Answer // to the second of three parts
		sends     int
		status    message.Status
		told      string
		charged   int64
	}{
		{"all taken", message.Resend, []channeltest.Answer{take}, 3, message.Sent, "sent", 3},
		{"the second refused", message.Resend, []channeltest.Answer{fail(channel.Reject)}, 2, message.Failed, "failed", 3},
		{"the second tried again", message.Resend, []channeltest.Answer{fail(channel.Retry), take}, 4, message.Sent, "retrying sent", 3},
		{"the second unknown, sent again", message.Resend, []channeltest.Answer{fail(channel.Unsure), take}, 4, message.Sent, "retrying(duplicate) sent(duplicate)", 3},
		{"the second unknown twice", message.Resend, []channeltest.Answer{fail(channel.Unsure)}, 3, message.Unknown, "retrying(duplicate) unknown(duplicate)", 3},
		{"the second unknown, held", message.Hold, []channeltest.Answer{fail(channel.Unsure)}, 2, message.Unknown, "unknown", 3},
		{"the second unknown, failed", message.Fail, []channeltest.Answer{fail(channel.Unsure)}, 2, message.Failed, "failed", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.network.On(phone(1), append(append([]channeltest.Answer{w.network.Take}, c.second...), lastly(w.network, c.second)...)...)
			d := draft(phone(1), long(3))
			d.OnUnknown = c.onUnknown
			id := w.send(d)
			if c.sends > 3 {
				w.sends(2)
				w.store.Shift(2 * time.Second)
			}
			m := w.await(id, c.status)
			if got := len(w.sends(c.sends)); got != c.sends {
				t.Errorf("%d sends, want %d", got, c.sends)
			}
			if m.Joint == 0 {
				t.Error("no number joins the parts")
			}
			w.wantTold(id, c.told)
			w.wantMoney(c.charged, 0)
			w.until(func() bool { return !w.hasJob(id) }, func() string { return "its job is still there" })
		})
	}
}

// lastly is what follows an answer that would stay otherwise.
func lastly(n *channeltest.Scripted, answers []channeltest.Answer) []channeltest.Answer {
	if len(answers) > 1 {
		return []channeltest.Answer{n.Take}
	}
	return nil
}

func TestEveryPartMustArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(draft(phone(1), long(3)))
	w.await(id, message.Sent)
	w.report(id, 1, 2, message.Delivered)
	w.report(id, 1, 1, message.Delivered)
	if s := w.message(id).Status; s != message.Sent {
		t.Errorf("%s with one part open", s)
	}
	w.report(id, 1, 3, message.Failed)
	w.report(id, 1, 3, message.Failed)
	w.wantTold(id, "sent failed")
	w.report(id, 1, 3, message.Delivered)
	w.wantTold(id, "sent failed delivered(correction)")
}

func TestAPartThatFailsEndsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	w.network.On(phone(1), w.network.Take, channeltest.Held(release, w.network.Take), w.network.Take)
	id := w.send(draft(phone(1), long(3)))
	w.sends(2)
	w.report(id, 1, 1, message.Failed)
	w.await(id, message.Failed)
	close(release)
	w.until(func() bool { return !w.hasJob(id) }, func() string { return "its job is still there" })
	if n := len(w.sends(2)); n != 2 {
		t.Errorf("%d parts went out of a text that cannot arrive", n)
	}
	w.wantTold(id, "failed")
	w.wantMoney(3, 0)
}

func TestAPartThatFailsWhileTheNextBacksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), w.network.Take, channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"}))
	id := w.send(draft(phone(1), long(2)))
	w.until(func() bool { return w.told(id) == "retrying" }, func() string { return w.told(id) })
	w.report(id, 1, 1, message.Failed)
	w.wantTold(id, "retrying failed")
	if w.hasJob(id) {
		t.Error("a message that has ended waits to be sent")
	}
	if _, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id); !fault.Is(err, fault.NotCancellable) {
		t.Errorf("cancelled after its end: %v", err)
	}
	w.store.Shift(72 * time.Hour)
	time.Sleep(10 * time.Millisecond)
	w.wantTold(id, "retrying failed")
	w.wantMoney(2, 0)
}

func TestAMessageExpiresWhileItWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"}))
	w.network.On(phone(2), w.network.Take, channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"}))
	w.network.On(phone(3), channeltest.Fail(channel.Failure{Verdict: channel.Unsure, Code: "no"}), channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"}))
	whole, part, doubt := w.send(draft(phone(1), "x")), w.send(draft(phone(2), long(2))), w.send(draft(phone(3), "x"))
	w.sends(5)
	for _, id := range []message.ID{whole, part, doubt} {
		w.until(func() bool { return w.told(id) != "" }, func() string { return "nothing told" })
	}
	w.until(func() bool { return w.told(doubt) == "retrying(duplicate) retrying(duplicate)" }, func() string { return w.told(doubt) })
	w.store.Shift(49 * time.Hour)
	if m := w.await(whole, message.Expired); m.Reason != "expired" {
		t.Errorf("reason %q", m.Reason)
	}
	if m := w.await(part, message.Failed); m.Reason != "expired" {
		t.Errorf("reason %q", m.Reason)
	}
	w.await(doubt, message.Unknown)
	w.wantMoney(2, 0)
	for _, id := range []message.ID{whole, part, doubt} {
		if w.hasJob(id) {
			t.Errorf("%s has a job", w.message(id).Status)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := draft(phone(1), "hello")
	d.ScheduledAt = w.store.Now().Add(time.Hour)
	id := w.send(d)
	if s := w.message(id).Status; s != message.Scheduled {
		t.Fatalf("%s", s)
	}
	w.wantMoney(0, 1)
	m, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id)
	if err != nil || m.Status != message.Cancelled {
		t.Fatalf("%s %v", m.Status, err)
	}
	w.wantTold(id, "cancelled")
	w.wantMoney(0, 0)
	if _, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id); !fault.Is(err, fault.NotCancellable) {
		t.Errorf("cancelled twice: %v", err)
	}
	if _, err := w.gateway.Cancel(t.Context(), w.caller(w.account()), id); !fault.Is(err, fault.NotHere) {
		t.Errorf("cancelled by another: %v", err)
	}
}

func TestWhatMayBeOutCannotBeCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retry := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"})
	w.network.On(phone(1), w.network.Take, retry)
	w.network.On(phone(2), channeltest.Fail(channel.Failure{Verdict: channel.Unsure, Code: "no"}), retry)
	w.network.On(phone(3), channeltest.Silent)
	w.network.On(phone(4), retry)
	half, doubt, flying, backing := w.send(draft(phone(1), long(2))), w.send(draft(phone(2), "x")), w.send(draft(phone(3), "x")), w.send(draft(phone(4), "x"))
	w.until(func() bool { return w.told(half) == "retrying" && w.told(backing) == "retrying" }, func() string { return "no retry" })
	w.until(func() bool { return w.told(doubt) == "retrying(duplicate) retrying(duplicate)" }, func() string { return w.told(doubt) })
	w.await(flying, message.Sending)
	for _, id := range []message.ID{half, doubt, flying} {
		if _, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id); !fault.Is(err, fault.NotCancellable) {
			t.Errorf("%s was cancelled: %v", w.message(id).To.Value, err)
		}
		if !w.hasJob(id) {
			t.Error("its job is gone")
		}
	}
	if _, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), backing); err != nil {
		t.Errorf("the network refused it: %v", err)
	}
}

func TestCancelAndClaimNeverBothWin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 40 {
		id := w.send(draft(phone(n), "hello"))
		_, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), id)
		if err != nil && !fault.Is(err, fault.NotCancellable) {
			t.Fatal(err)
		}
		want := message.Cancelled
		if err != nil {
			want = message.Sent
		}
		w.await(id, want)
		out := 0
		for _, s := range w.network.Sends() {
			if s.Message == id {
				out++
			}
		}
		if sent := want == message.Sent; sent != (out == 1) {
			t.Fatalf("%s and went out %d times", want, out)
		}
	}
	w.wantMoney(int64(len(w.network.Sends())), 0)
}

func TestTestKeysReachNoNetworkAndCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	caller := w.caller(w.alice)
	caller.Key.Test = true
	reply, err := w.gateway.Submit(t.Context(), caller, gateway.Request{Drafts: []message.Draft{draft(phone(1), "hello")}})
	w.must(err)
	m := w.await(reply.Results[0].Message.ID, message.Sent)
	if !m.Test || m.Channel != w.trial || m.Price != 0 || len(w.network.Sends()) != 0 {
		t.Errorf("%+v", m)
	}
	w.wantMoney(0, 0)
}

func TestScheduledMessagesGoOutInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := draft(phone(1), "hello")
	d.ScheduledAt = w.store.Now().Add(24 * time.Hour)
	id := w.send(d)
	w.store.Shift(23 * time.Hour)
	time.Sleep(20 * time.Millisecond)
	if s := w.message(id).Status; s != message.Scheduled || len(w.network.Sends()) != 0 {
		t.Fatalf("%s, %d sends", s, len(w.network.Sends()))
	}
	w.store.Shift(time.Hour + time.Second)
	w.await(id, message.Sent)
	w.wantTold(id, "sent")
}

func TestAPanicOfADriverIsUnsure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), func(context.Context, message.Outbound) (string, error) { panic("planted") })
	d := draft(phone(1), "hello")
	d.OnUnknown = message.Hold
	if m := w.await(w.send(d), message.Unknown); m.Reason != "driver_panic" {
		t.Errorf("reason %q", m.Reason)
	}
}

// TestStrictOrderOutlastsATry: where a network promises order, what follows to a recipient waits while an earlier message is tried
// again, through a kill of the server, and nobody else waits with it.
func TestStrictOrderOutlastsATry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.network.Features.Strict = true })
	no := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "queue_full"})
	var tries atomic.Int32
	w.network.On(phone(1), func(ctx context.Context, m message.Outbound) (string, error) {
		if m.Text == "first" && tries.Add(1) < 3 {
			return no(ctx, m)
		}
		return w.network.Take(ctx, m)
	})
	first := w.send(draft(phone(1), "first"))
	w.sends(1)
	second, other := w.send(draft(phone(1), "second")), w.send(draft(phone(2), "other"))
	w.await(other, message.Sent)
	w.kill()
	w.await(first, message.Sent)
	w.await(second, message.Sent)
	var texts []string
	for _, m := range w.network.Sends() {
		if m.To.Value == phone(1) {
			texts = append(texts, m.Text)
		}
	}
	if len(texts) != 4 || texts[2] != "first" || texts[3] != "second" {
		t.Errorf("sent %q", texts)
	}
}
