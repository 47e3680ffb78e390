package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

// own gives an account a number of the channel, and has it answer.
func (w *world) own(a account.Account, address, keyword string) {
	w.t.Helper()
	n := message.Address{Kind: message.Phone, Value: address}
	w.write(func(tx *store.Tx) error {
		if _, err := w.numbers.Assign(tx, audit.System, number.Number{Account: a.ID, Channel: w.channel, Address: n, Keyword: keyword}); err != nil {
			return err
		}
		return w.consent.SetReplies(tx, audit.System, a.ID, consent.Replies{})
	})
}

// writes has a phone write to a number of ours.
func (w *world) writes(from, to, text string) {
	w.t.Helper()
	in := inbound(w.channel, from, text)
	in.To = message.Address{Kind: message.Phone, Value: to}
	w.must(w.gateway.Inbound(w.t.Context(), in))
}

// settled waits until nothing is to be answered any more.
func (w *world) settled() {
	w.t.Helper()
	w.until(func() bool { return w.count("job WHERE kind IN ('reply', 'send')") == 0 }, func() string { return "answers wait" })
}

func TestEachChangeIsConfirmedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ours = "+254711000001"
	w.own(w.alice, ours, "")
	for _, text := range []string{"STOP", "Stop!", "START", "start", "ARRET", "HELP", "help", "thanks"} {
		w.writes(phone(1), ours, text)
		w.settled()
	}
	want := []string{"You will get no more", "You will get messages from us again", "Vous ne recevrez plus", "Reply STOP to get no more"}
	all := w.sends(len(want))
	if len(all) != len(want) {
		t.Fatalf("%d answers: %+v", len(all), all)
	}
	for i, out := range all {
		if !strings.HasPrefix(out.Text, want[i]) || out.To.Value != phone(1) || out.From.Value != ours || out.Account != w.alice.ID {
			t.Errorf("answer %d: %+v", i, out)
		}
		m := w.message(out.Message)
		in := w.message(m.Answers)
		if m.Channel != w.channel || m.Priority != message.Transactional || in.Direction != message.In || m.ValidUntil.Sub(in.ID.Time()) > 5*time.Minute {
			t.Errorf("%+v answers %+v", m, in)
		}
	}
	w.wantMoney(4, 0)
	w.store.Shift(2 * time.Minute)
	w.writes(phone(1), ours, "info")
	w.sends(5)
}

func TestAStopCountsWithoutMoney(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	poor := w.account()
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, poor.ID, -funds, "spent") })
	const ours = "+254711000002"
	w.own(poor, ours, "")
	w.writes(phone(1), ours, "STOP")
	w.settled()
	out, err := w.consent.List(t.Context(), poor.ID, 0, 10)
	if w.must(err); len(out) != 1 || len(w.network.Sends()) != 0 {
		t.Errorf("%+v, and %d answers", out, len(w.network.Sends()))
	}
}

// The account that owns what came in is meant: the other one on the number may still write.
func TestAStopIsForTheAccountThatItWasWrittenTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	const ours = "+254711000003"
	w.own(w.alice, ours, "")
	w.own(bob, ours, "shop")
	w.writes(phone(1), ours, "SHOP open?")
	w.writes(phone(1), ours, "STOP")
	w.settled()
	for a, want := range map[account.ID]int{w.alice.ID: 1, bob.ID: 0} {
		if out, err := w.consent.List(t.Context(), a, 0, 10); err != nil || len(out) != want {
			t.Errorf("%+v, %v", out, err)
		}
	}
	reply, err := w.gateway.Submit(t.Context(), w.caller(bob), requestOf(draft(phone(1), "still yours")))
	if w.must(err); reply.Results[0].Fault != nil {
		t.Error(reply.Results[0].Fault)
	}
	w.refused(draft(phone(1), "not any more"), "recipient_opted_out")
}

func TestNobodyAnswersWhoIsNoPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ours, other = "+254711000004", "+254711000005"
	w.own(w.alice, ours, "")
	w.own(w.account(), other, "")
	w.writes(other, ours, "STOP")
	short := inbound(w.channel, "", "STOP")
	short.From, short.To = message.Address{Kind: message.Short, Value: "22333"}, message.Address{Kind: message.Phone, Value: ours}
	w.must(w.gateway.Inbound(t.Context(), short))
	test := inbound(w.trial, phone(2), "STOP")
	w.must(w.gateway.Inbound(t.Context(), test))
	w.settled()
	if all := w.network.Sends(); len(all) != 0 {
		t.Errorf("answered: %+v", all)
	}
}

func TestAnAccountChoosesItsAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ours = "+254711000006"
	w.own(w.alice, ours, "")
	choose := func(r consent.Replies) {
		w.write(func(tx *store.Tx) error { return w.consent.SetReplies(tx, audit.System, w.alice.ID, r) })
	}
	choose(consent.Replies{Language: "sw", Texts: consent.TextsFor{"sw": {"stop": "Kwaheri.", "start": ""}}})
	w.writes(phone(1), ours, "STOP")
	w.settled()
	w.writes(phone(1), ours, "START")
	w.settled()
	choose(consent.Replies{Off: true})
	w.writes(phone(1), ours, "STOP")
	w.settled()
	if all := w.network.Sends(); len(all) != 1 || all[0].Text != "Kwaheri." {
		t.Errorf("%+v", all)
	}
}

// Who is suspended with its parent sends nothing, and so answers nothing.
func TestASuspendedParentsSubaccountDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sub account.Account
	w.write(func(tx *store.Tx) (err error) {
		sub, err = w.members.Create(tx, audit.System, account.Account{Name: "sub", Region: "KE", Currency: "KES", Parent: w.alice.ID, ParentPays: true}, "sub", "")
		if err != nil {
			return err
		}
		return w.members.SetActive(tx, audit.System, w.alice.ID, false)
	})
	const ours = "+254711000008"
	w.own(sub, ours, "")
	w.writes(phone(1), ours, "STOP")
	w.settled()
	out, err := w.consent.List(t.Context(), sub.ID, 0, 10)
	if w.must(err); len(out) != 1 || len(w.network.Sends()) != 0 {
		t.Errorf("%+v, and %d answers", out, len(w.network.Sends()))
	}
}

// A kill between the STOP and its confirmation: there is one all the same, and only one.
func TestAKillDoesNotAnswerTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ours = "+254711000007"
	w.own(w.alice, ours, "")
	for n := range 3 {
		w.writes(phone(n), ours, "STOP")
		w.kill()
	}
	w.settled()
	seen := map[message.ID]bool{}
	for _, out := range w.network.Sends() {
		if w.count(fmt.Sprintf("message WHERE id = %d", int64(out.Message))) > 0 { // else it was the work of a server after its death
			seen[out.Message] = true
		}
	}
	if n := w.count("message WHERE direction = 1"); n != 3 || len(seen) != 3 {
		t.Errorf("%d answers, %d went out", n, len(seen))
	}
}

func TestAMessageWithoutAReceiptIsToldOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, func(w *world) {
		w.network.Features.Receipts, w.spare.Features.Receipts = true, true
		w.spare.Receipts = func(channel.Settings) bool { return false }
	})
	unasked := draft(phone(4), "hello")
	unasked.Channel = w.second
	w.send(unasked)
	later := draft(phone(3), "later")
	later.ScheduledAt = w.store.Now().Add(72 * time.Hour)
	confirmed, silent, scheduled := w.send(draft(phone(1), "hello")), w.send(draft(phone(2), "hello")), w.send(later)
	w.await(confirmed, message.Sent)
	w.await(silent, message.Sent)
	w.report(confirmed, 1, 1, message.Delivered)
	quiet := func() bool { return w.count("job WHERE kind = 'retain' AND owner = 0 AND data <> ''") == 1 }
	w.until(quiet, func() string { return "no retention" })
	w.store.Shift(25 * time.Hour)
	w.until(func() bool { return w.count("job WHERE kind = 'receipt'") == 2 }, func() string { return "nobody waits for receipts" })
	w.kill()
	w.wantTold(silent, "sent")
	w.store.Shift(48 * time.Hour)
	w.until(func() bool { return w.told(silent) == "sent unconfirmed" }, func() string { return w.told(silent) })
	if m := w.message(silent); m.Status != message.Sent || m.Reason != "no_receipt" {
		t.Errorf("%s %q", m.Status, m.Reason)
	}
	w.await(scheduled, message.Sent)
	w.wantTold(confirmed, "sent delivered")
	w.store.Shift(96 * time.Hour)
	w.until(func() bool { return w.told(scheduled) == "sent unconfirmed" }, func() string { return w.told(scheduled) })
	w.wantTold(silent, "sent unconfirmed")
	w.report(silent, 1, 1, message.Delivered)
	w.wantTold(silent, "sent unconfirmed delivered")
	w.wantMoney(4, 0)
}

// What came while a message waited is looked at once more before it goes out.
func TestAClaimLooksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	soon := func(n int) message.ID {
		d := draft(phone(n), "hello")
		d.ScheduledAt = w.store.Now().Add(time.Hour)
		d.ValidUntil = d.ScheduledAt.Add(time.Hour)
		return w.send(d)
	}
	stopped, cancelled, wanted := soon(1), soon(2), soon(3)
	w.write(func(tx *store.Tx) error {
		_, err := w.consent.Record(tx, []consent.Choice{{Account: w.alice.ID, Address: message.Address{Kind: message.Phone, Value: phone(1)}, Out: true, Source: "api"}})
		return err
	})
	_, err := w.gateway.Cancel(context.Background(), w.caller(w.alice), cancelled)
	w.must(err)
	w.store.Shift(time.Hour)
	w.await(wanted, message.Sent)
	w.await(stopped, message.Blocked)
	w.await(cancelled, message.Cancelled)
	w.wantTold(stopped, "blocked")
	if n := len(w.network.Sends()); n != 1 {
		t.Errorf("%d sends", n)
	}
	w.wantMoney(1, 0)
	late := soon(4)
	w.store.Shift(3 * time.Hour)
	w.await(late, message.Expired)
	w.wantMoney(1, 0)
}
