package gateway_test

import (
	"slices"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

// received lists the inbound messages of an account, oldest first.
func (w *world) received(a account.ID) []message.Message {
	w.t.Helper()
	list, err := w.gateway.List(w.t.Context(), a, gateway.Filter{Direction: message.In, Limit: 100})
	w.must(err)
	slices.Reverse(list.Messages)
	return list.Messages
}

func (w *world) operator() account.ID {
	w.t.Helper()
	all, err := w.members.All(w.t.Context())
	w.must(err)
	return all[slices.IndexFunc(all, func(a account.Account) bool { return a.Operator })].ID
}

func TestWhoseAnInboundMessageIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	address := message.Address{Kind: message.Short, Value: "20880"}
	w.write(func(tx *store.Tx) error {
		for _, n := range []number.Number{{Account: w.alice.ID}, {Account: bob.ID, Keyword: "BOB"}} {
			n.Channel, n.Address = w.channel, address
			if _, err := w.numbers.Assign(tx, audit.System, n); err != nil {
				return err
			}
		}
		return nil
	})
	toShort := func(text string) {
		in := inbound(w.channel, phone(1), text)
		in.To = address
		w.must(w.gateway.Inbound(t.Context(), in))
	}
	toShort("hi")
	toShort("bob, hi")
	w.says(phone(1), "to the channel's own sender, unasked")
	asked := w.send(draft(phone(1), "a question"))
	w.says(phone(1), "an answer")
	reply, err := w.gateway.Submit(t.Context(), w.caller(bob), gateway.Request{Drafts: []message.Draft{draft(phone(1), "another")}})
	w.must(err)
	w.says(phone(1), "an answer to another")
	toShort("to whom the number belongs")
	w.store.Shift(8 * 24 * time.Hour)
	w.says(phone(1), "too late for an answer")
	for a, want := range map[account.ID][]string{
		w.alice.ID:   {"hi", "an answer", "to whom the number belongs"},
		bob.ID:       {"bob, hi", "an answer to another"},
		w.operator(): {"to the channel's own sender, unasked", "too late for an answer"},
	} {
		got := w.received(a)
		if len(got) != len(want) {
			t.Fatalf("%d messages, want %q", len(got), want)
		}
		for i, m := range got {
			if m.Status != message.Received || m.From.Value != phone(1) || m.Seq != 1 || m.Kind != message.SMS {
				t.Errorf("%+v", m)
			}
			if m.Content.Text != want[i] {
				t.Errorf("%q, want %q", m.Content.Text, want[i])
			}
		}
	}
	if got := w.received(w.alice.ID); got[1].Answers != asked || got[2].Answers != asked {
		t.Errorf("answers %s and %s, want %s", got[1].Answers, got[2].Answers, asked)
	}
	if got := w.received(bob.ID); got[1].Answers != reply.Results[0].Message.ID {
		t.Errorf("answers %s", got[1].Answers)
	}
}

func TestAnInboundMessageIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := inbound(w.channel, phone(1), "x")
	in.RemoteID = "r1"
	done := make(chan error)
	for range 8 {
		go func() { done <- w.gateway.Inbound(t.Context(), in) }()
	}
	for range 8 {
		w.must(<-done)
	}
	w.kill()
	w.must(w.gateway.Inbound(t.Context(), in))
	in.RemoteID = "r2"
	w.must(w.gateway.Inbound(t.Context(), in))
	if n := len(w.received(w.operator())); n != 2 {
		t.Errorf("%d messages", n)
	}
	w.wantTold(w.received(w.operator())[0].ID, "received")
}

// part is one part of an inbound text.
func part(ch message.ChannelID, from string, reference, total, n int, text string) message.Inbound {
	in := inbound(ch, from, text)
	in.Joint = message.Joint{Reference: reference, Total: total, Number: n}
	return in
}

func TestPartsOfAnInboundText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	w.write(func(tx *store.Tx) error {
		_, err := w.numbers.Assign(tx, audit.System, number.Number{
			Account: bob.ID, Channel: w.channel, Address: message.Address{Kind: message.Name, Value: "TIDINGS"}, Keyword: "ORDER",
		})
		return err
	})
	for _, in := range []message.Inbound{
		part(w.channel, phone(1), 7, 3, 3, "three"),
		part(w.channel, phone(2), 7, 3, 2, "not this"),
		part(w.channel, phone(1), 7, 3, 1, "order one "),
		part(w.channel, phone(1), 7, 3, 1, "order one "),
		part(w.channel, phone(1), 7, 2, 2, "nor this"),
	} {
		w.must(w.gateway.Inbound(t.Context(), in))
	}
	w.kill()
	if n := len(w.received(bob.ID)); n != 0 {
		t.Fatalf("%d messages before the last part", n)
	}
	w.must(w.gateway.Inbound(t.Context(), part(w.channel, phone(1), 7, 3, 2, "two ")))
	got := w.received(bob.ID)
	if len(got) != 1 || got[0].Content.Text != "order one two three" || got[0].Reason != "" {
		t.Fatalf("%+v", got)
	}
	// The same reference again, by the same phone, is another text; and what never completes is kept all the same.
	w.must(w.gateway.Inbound(t.Context(), part(w.channel, phone(1), 7, 3, 1, "order again ")))
	w.store.Shift(20 * time.Minute)
	w.must(w.gateway.Inbound(t.Context(), part(w.channel, phone(1), 7, 3, 3, "third")))
	w.store.Shift(11 * time.Minute)
	w.until(func() bool { return len(w.received(bob.ID)) == 2 && len(w.received(w.operator())) == 2 }, func() string {
		return showJSON(w.received(w.operator()))
	})
	if m := w.received(bob.ID)[1]; m.Content.Text != "order again third" || m.Reason != "incomplete" {
		t.Errorf("%q %q", m.Content.Text, m.Reason)
	}
	if n := w.count("inbound_part"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
}

func TestAJoinedStopCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(draft(phone(1), "x"))
	w.must(w.gateway.Inbound(t.Context(), part(w.channel, phone(1), 1, 2, 2, "OP")))
	w.must(w.gateway.Inbound(t.Context(), part(w.channel, phone(1), 1, 2, 1, "ST")))
	w.refused(draft(phone(1), "x"), "recipient_opted_out")
}
