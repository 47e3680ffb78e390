package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/message"
)

var unsure = channeltest.Fail(channel.Failure{Verdict: channel.Unsure, Code: "no_answer"})

// wanting is a draft with a choice for what is unknown.
func wanting(to, text string, u message.OnUnknown) message.Draft {
	d := draft(to, text)
	d.OnUnknown = u
	return d
}

func TestWhatBecomesOfAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		choice  message.OnUnknown
		sends   int
		status  message.Status
		told    string
		charged int64
		held    int64
	}{
		{message.Resend, 2, message.Sent, "retrying(duplicate) sent(duplicate)", 1, 0},
		{message.Hold, 1, message.Unknown, "unknown", 0, 1},
		{message.Fail, 1, message.Failed, "failed", 0, 0},
	} {
		t.Run(string(c.choice), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.network.On(phone(1), unsure, w.network.Take)
			id := w.send(wanting(phone(1), "hello", c.choice))
			m := w.await(id, c.status)
			w.wantTold(id, c.told)
			w.wantMoney(c.charged, c.held)
			if n := len(w.sends(c.sends)); n != c.sends {
				t.Errorf("%d sends, want %d", n, c.sends)
			}
			if m.Duplicate != (c.choice == message.Resend) {
				t.Errorf("possible duplicate: %v", m.Duplicate)
			}
		})
	}
}

func TestUrgentMessagesAreResentAndBulkIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for p, want := range map[message.Priority]message.OnUnknown{
		message.OTP: message.Resend, message.Transactional: message.Resend, message.Bulk: message.Hold, 0: message.Resend,
	} {
		d := draft(phone(1), "hello")
		d.Priority = p
		if got := w.message(w.send(d)).OnUnknown; got != want {
			t.Errorf("priority %d: %s, want %s", p, got, want)
		}
	}
}

func TestASecondUnknownIsNotResent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure)
	id := w.send(draft(phone(1), "hello"))
	w.await(id, message.Unknown)
	w.wantTold(id, "retrying(duplicate) unknown(duplicate)")
	w.wantMoney(0, 1)
	if n := len(w.sends(2)); n != 2 {
		t.Errorf("%d sends", n)
	}
}

func TestTheWaitForAnUnknownOutcomeEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure)
	id := w.send(wanting(phone(1), "hello", message.Hold))
	w.await(id, message.Unknown)
	w.store.Shift(49 * time.Hour)
	w.until(func() bool { return w.balance().Held == 0 }, func() string { return "the money is still held" })
	w.wantMoney(0, 0)
	if m := w.message(id); m.Status != message.Unknown || m.Reason != "outcome_unknown" {
		t.Errorf("%s %q", m.Status, m.Reason)
	}
	// Even then a late answer is true; it is not charged.
	w.must(w.gateway.Late(t.Context(), w.sends(1)[0], "late-1", nil))
	w.report(id, 1, 1, message.Delivered)
	w.wantTold(id, "unknown sent(correction) delivered")
	w.wantMoney(0, 0)
}

func TestAKillLeavesNothingUncertainUntold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 4 {
		w.network.On(phone(n), channeltest.Silent, w.network.Take)
	}
	choices := []message.OnUnknown{message.Resend, message.Hold, message.Fail}
	ids := make([]message.ID, 4)
	for n, c := range choices {
		ids[n] = w.send(wanting(phone(n), "hello", c))
	}
	ids[3] = w.send(wanting(phone(3), long(3), message.Resend))
	w.sends(4)
	w.kill()
	w.await(ids[0], message.Sent)
	w.wantTold(ids[0], "retrying(duplicate) sent(duplicate)")
	w.await(ids[1], message.Unknown)
	w.wantTold(ids[1], "unknown")
	w.await(ids[2], message.Failed)
	w.wantTold(ids[2], "failed")
	w.await(ids[3], message.Sent)
	w.wantMoney(4, 1)
	if n := len(w.sends(8)); n != 8 {
		t.Errorf("%d parts went out: 4 before, then one resend and three parts", n)
	}
	for _, id := range ids {
		if m := w.message(id); m.Status == message.Sent && !m.Duplicate {
			t.Errorf("%s was sent twice and does not say so", m.To.Value)
		}
	}
}

func TestASecondKillResendsNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Silent)
	id := w.send(draft(phone(1), "hello"))
	w.sends(1)
	w.kill()
	w.sends(2)
	w.kill()
	w.await(id, message.Unknown)
	w.kill()
	w.wantTold(id, "retrying(duplicate) unknown(duplicate)")
	if n := len(w.sends(2)); n != 2 {
		t.Errorf("%d sends", n)
	}
	w.wantMoney(0, 1)
}

func TestAKillLosesNothingThatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retry := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"})
	w.network.On(phone(1), retry, w.network.Take)
	backing := w.send(draft(phone(1), "hello"))
	d := draft(phone(2), "hello")
	d.ScheduledAt = w.store.Now().Add(time.Hour)
	scheduled := w.send(d)
	w.until(func() bool { return w.told(backing) == "retrying" }, func() string { return w.told(backing) })
	w.kill()
	w.store.Shift(2 * time.Hour)
	w.await(backing, message.Sent)
	w.await(scheduled, message.Sent)
	w.wantTold(backing, "retrying sent")
	w.wantMoney(2, 0)
}

func TestALateAnswerMakesAnUnknownOutcomeKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure)
	w.network.On(phone(2), unsure)
	w.network.On(phone(3), unsure)
	held, refused, failed := w.send(wanting(phone(1), "x", message.Hold)), w.send(wanting(phone(2), "x", message.Hold)), w.send(wanting(phone(3), "x", message.Fail))
	w.await(held, message.Unknown)
	w.await(refused, message.Unknown)
	w.await(failed, message.Failed)
	for _, out := range w.sends(3) {
		var err error
		if out.Message == refused {
			err = &channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}
		}
		w.must(w.gateway.Late(t.Context(), out, map[bool]string{false: "late-" + out.To.Value}[err != nil], err))
		w.must(w.gateway.Late(t.Context(), out, map[bool]string{false: "late-" + out.To.Value}[err != nil], err))
	}
	w.wantTold(held, "unknown sent(correction)")
	w.wantTold(refused, "unknown failed(correction)")
	w.wantTold(failed, "failed")
	w.wantMoney(1, 0)
	w.report(failed, 1, 1, message.Delivered)
	w.wantTold(failed, "failed delivered(correction)")
	w.must(w.gateway.Late(t.Context(), w.sends(1)[0], "x", errors.New("says nothing")))
}

func TestALateAnswerTakesBackTheResend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retry := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"})
	w.network.On(phone(1), unsure, retry)
	w.network.On(phone(2), w.network.Take, unsure, retry, w.network.Take)
	short, text := w.send(draft(phone(1), "x")), w.send(draft(phone(2), long(3)))
	for _, id := range []message.ID{short, text} {
		w.until(func() bool { return w.told(id) == "retrying(duplicate) retrying(duplicate)" }, func() string { return w.told(id) })
	}
	for _, out := range w.sends(5) {
		if out.Attempt == 1 && (out.Message == short || out.Number == 2) {
			w.must(w.gateway.Late(t.Context(), out, "late-"+out.To.Value, nil))
		}
	}
	if m := w.message(short); m.Status != message.Sent || m.Duplicate || w.hasJob(short) {
		t.Errorf("%s, duplicate %v, job %v", m.Status, m.Duplicate, w.hasJob(short))
	}
	m := w.await(text, message.Sent)
	if m.Duplicate || len(m.Parts) != 3 {
		t.Errorf("duplicate %v, parts %+v", m.Duplicate, m.Parts)
	}
	if n := len(w.sends(6)); n != 6 {
		t.Errorf("%d sends, want the third part and no second one", n)
	}
	w.wantMoney(4, 0)
}

func TestALateAnswerSendsTheRestOfALongText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), w.network.Take, unsure, w.network.Take)
	id := w.send(wanting(phone(1), long(3), message.Hold))
	w.await(id, message.Unknown)
	w.must(w.gateway.Late(t.Context(), w.sends(2)[1], "late-1", nil))
	w.await(id, message.Sent)
	w.wantTold(id, "unknown retrying sent")
	w.store.Shift(49 * time.Hour)
	w.wantMoney(3, 0)
}

func TestAReceiptAheadOfItsResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	w.network.On(phone(1), channeltest.Held(release, w.network.Take))
	id := w.send(draft(phone(1), "x"))
	w.sends(1)
	to := message.Address{Kind: message.Phone, Value: phone(1)}
	for _, s := range []message.Status{message.Sent, message.Delivered, message.Delivered} {
		w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "0x1", RemoteIDs: []string{"remote-1", "1"}, To: to, Status: s}))
	}
	other := message.Address{Kind: message.Phone, Value: phone(2)}
	w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "remote-1", To: other, Status: message.Failed}))
	close(release)
	w.await(id, message.Delivered)
	w.wantTold(id, "sent delivered")
	if n := w.count("early_receipt"); n != 1 {
		t.Errorf("%d early receipts are left, want the one about somebody else", n)
	}
	w.wantMoney(1, 0)
}

// A network may count its ids anew for each of its machines: that the one recipient's receipt was taken says nothing of the other's.
func TestEarlyReceiptsOfTwoRecipientsUnderOneID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	same := func(context.Context, message.Outbound) (string, error) { return "same", nil }
	var ids [2]message.ID
	var release [2]chan struct{}
	for n := range ids {
		release[n] = make(chan struct{})
		w.network.On(phone(n), channeltest.Held(release[n], same))
		ids[n] = w.send(draft(phone(n), "x"))
		w.sends(n + 1)
	}
	for n := range ids {
		to := message.Address{Kind: message.Phone, Value: phone(n)}
		w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "same", To: to, Status: message.Delivered}))
	}
	for n, id := range ids {
		close(release[n])
		w.await(id, message.Delivered)
		w.wantTold(id, "sent delivered")
	}
	if n := w.count("early_receipt"); n != 0 {
		t.Errorf("%d early receipts are left", n)
	}
}

func TestEarlyReceiptsOutliveAKillAndThenTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), channeltest.Silent, w.network.Take)
	id := w.send(draft(phone(1), "x"))
	w.sends(1)
	for _, remote := range []string{"remote-1", "nobody's"} {
		w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: remote, Status: message.Delivered}))
	}
	w.kill()
	w.await(id, message.Delivered)
	w.wantTold(id, "retrying(duplicate) sent(duplicate) delivered(duplicate)")
	w.store.Shift(73 * time.Hour)
	var from message.ID
	w.must(w.gateway.Retain(t.Context(), &from))
	if n := w.count("early_receipt"); n != 0 {
		t.Errorf("%d early receipts are left", n)
	}
}

func TestARemoteIDThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	same := channeltest.Answer(func(context.Context, message.Outbound) (string, error) { return "same", nil })
	w.network.Answer = same
	first := w.send(draft(phone(1), "x"))
	w.await(first, message.Sent)
	other := w.send(draft(phone(2), "x"))
	w.await(other, message.Sent)
	second := w.send(draft(phone(1), "y"))
	w.await(second, message.Sent)
	receipt := message.Receipt{Channel: w.channel, RemoteID: "same", To: message.Address{Kind: message.Phone, Value: "00" + phone(1)[1:]}, Status: message.Delivered}
	w.must(w.gateway.Receipt(t.Context(), receipt))
	if a, b, c := w.message(first).Status, w.message(other).Status, w.message(second).Status; a != message.Sent || b != message.Sent || c != message.Delivered {
		t.Errorf("%s %s %s", a, b, c)
	}
	w.must(w.gateway.Receipt(t.Context(), receipt))
	if s := w.message(first).Status; s != message.Delivered {
		t.Errorf("the older one is %s", s)
	}
	receipt.Channel++
	w.must(w.gateway.Receipt(t.Context(), receipt))
	if s := w.message(other).Status; s != message.Sent {
		t.Errorf("another channel's receipt made it %s", s)
	}
}

func TestReceiptsInOneGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const texts, parts = 20, 3
	ids := make([]message.ID, texts)
	for n := range ids {
		ids[n] = w.send(draft(phone(n), long(parts)))
	}
	done := make(chan error)
	n := 0
	for _, id := range ids {
		for _, p := range w.await(id, message.Sent).Parts {
			for range 2 {
				n++
				go func() {
					done <- w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: p.RemoteID, Status: message.Delivered})
				}()
			}
		}
	}
	for range n {
		w.must(<-done)
	}
	for _, id := range ids {
		w.wantTold(id, "sent delivered")
	}
}

func TestNewsOfOnePartWhileAnotherIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), w.network.Take, unsure, channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"}), w.network.Take)
	id := w.send(draft(phone(1), long(2)))
	w.until(func() bool { return w.told(id) == "retrying(duplicate) retrying(duplicate)" }, func() string { return w.told(id) })
	w.report(id, 1, 1, message.Delivered)
	w.wantTold(id, "retrying(duplicate) retrying(duplicate)")
	w.store.Shift(2 * time.Second)
	w.await(id, message.Sent)
	w.report(id, 2, 2, message.Delivered)
	w.wantTold(id, "retrying(duplicate) retrying(duplicate) sent(duplicate) delivered(duplicate)")
}

// What becomes of a part that is sent again matters no more once the first try of it has arrived: the rest goes out.
func TestTheRestGoesOutWhenAnEarlierTryArrived(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]channeltest.Answer{
		"unknown":  unsure,
		"rejected": channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "no"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			release := make(chan struct{})
			w.network.On(phone(1), unsure, channeltest.Held(release, second), w.network.Take)
			id := w.send(draft(phone(1), long(2)))
			first := w.sends(2)[0]
			w.must(w.gateway.Late(t.Context(), first, "late", nil))
			w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "late", To: first.To, Status: message.Delivered}))
			close(release)
			if rest := w.sends(3)[2]; rest.Attempt != 2 || rest.Number != 2 {
				t.Errorf("attempt %d of part %d went out", rest.Attempt, rest.Number)
			}
			w.await(id, message.Sent)
			w.report(id, 2, 2, message.Delivered)
			w.await(id, message.Delivered)
			w.wantMoney(2, 0)
		})
	}
}

// The late answer to a part that was sent again takes back what waits, but not the word that it was sent again.
func TestALateAnswerToASecondTryLeavesTheMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	w.network.On(phone(1), unsure, channeltest.Held(release, unsure), channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "busy"}), w.network.Take)
	id := w.send(draft(phone(1), long(2)))
	tries := w.sends(2)
	w.must(w.gateway.Late(t.Context(), tries[0], "first", nil))
	w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "first", To: tries[0].To, Status: message.Delivered}))
	close(release)
	w.sends(3)
	w.until(func() bool { return strings.HasSuffix(w.told(id), "retrying(duplicate)") && w.hasJob(id) }, func() string { return w.told(id) })
	w.must(w.gateway.Late(t.Context(), tries[1], "second", nil))
	if m := w.await(id, message.Sent); !m.Duplicate {
		t.Errorf("sent twice and not marked: %s", w.told(id))
	}
}
