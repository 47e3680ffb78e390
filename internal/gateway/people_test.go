package gateway_test

import (
	"slices"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// whatsapp adds a channel of an account; of none: one that all share.
func (w *world) whatsapp(name string, a account.ID) (ch message.ChannelID) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		c, err := w.connections.Create(tx, audit.System, connection.Channel{
			Name: name, Account: a, Driver: "scripted", Kind: message.WhatsApp, Shards: 1, Enabled: true, Sender: address(message.Phone, "+254711000000"),
		})
		ch = c.ID
		return err
	})
	return ch
}

func address(kind message.AddressKind, value string) message.Address {
	return message.Address{Kind: kind, Value: value}
}

// talk submits a WhatsApp message of an account that must be accepted.
func (w *world) talk(a account.Account, ch message.ChannelID, to, text string) message.Message {
	w.t.Helper()
	d := draft(to, text)
	d.Channel, d.Kind = ch, message.WhatsApp
	reply, err := w.gateway.Submit(w.t.Context(), w.caller(a), gateway.Request{Drafts: []message.Draft{d}})
	w.must(err)
	if f := reply.Results[0].Fault; f != nil {
		w.t.Fatal(f)
	}
	return reply.Results[0].Message
}

// hears hands an inbound WhatsApp message over.
func (w *world) hears(ch message.ChannelID, from message.Address, who message.Person, text string) {
	w.t.Helper()
	w.must(w.gateway.Inbound(w.t.Context(), message.Inbound{
		Channel: ch, From: from, To: address(message.Phone, "+254711000000"), Sender: who, Content: message.Text(text),
	}))
}

func (w *world) learn(a account.ID, who ...message.Person) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error { return w.contacts.Learn(tx, a, who) })
}

// known lists an account's contacts, the oldest first.
func (w *world) known(a account.ID) []contact.Contact {
	w.t.Helper()
	list, _, err := w.contacts.List(w.t.Context(), a, contact.Filter{}, "", 100)
	w.must(err)
	slices.Reverse(list)
	return list
}

func (w *world) talks(a account.ID) []conversation.Conversation {
	w.t.Helper()
	list, _, err := w.conversations.List(w.t.Context(), a, "", 100)
	w.must(err)
	return list
}

func (w *world) said(c conversation.Conversation) (texts []string) {
	w.t.Helper()
	list, err := w.gateway.Said(w.t.Context(), c, 0, 100)
	w.must(err)
	for _, m := range list {
		texts = append(texts, m.Content.Text)
	}
	slices.Reverse(texts)
	return texts
}

func TestOnePersonIsOneContactAndOneConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch, lid := w.whatsapp("shared", 0), address(message.LID, "8801")
	first := w.talk(w.alice, ch, phone(1), "to the phone")
	w.hears(ch, lid, message.Person{LID: lid, PushName: "Ann"}, "from the LID") // nobody knows yet whose it is
	w.learn(w.alice.ID, message.Person{Phone: address(message.Phone, phone(1)), LID: lid})
	w.store.Shift(time.Hour)
	w.hears(ch, lid, message.Person{PushName: "Ann B."}, "from the LID again")
	w.hears(ch, address(message.Phone, phone(1)), message.Person{}, "from the phone")
	w.talk(w.alice, ch, phone(1), "to the phone again")
	people := w.known(w.alice.ID)
	if len(people) != 1 || people[0].ID != first.Contact || people[0].Display() != "Ann B." || people[0].Number != 1 {
		t.Fatalf("the contacts are %+v", people)
	}
	talks := w.talks(w.alice.ID)
	if len(talks) != 1 || talks[0].Contact != people[0].ID || talks[0].Unread != 0 || talks[0].At.Before(first.ID.Time().Add(time.Hour)) {
		t.Fatalf("the conversations are %+v", talks)
	}
	if got, want := talks[0].WindowEnds(), talks[0].In.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("the window ends at %s, not at %s", got, want)
	}
	want := []string{"to the phone", "from the LID again", "from the phone", "to the phone again"}
	if got := w.said(talks[0]); !slices.Equal(got, want) {
		t.Errorf("they said %q, not %q", got, want)
	}
	// The first LID was nobody's, on a channel of all: what it wrote is the operator's, with a contact of theirs.
	if theirs := w.talks(w.operator()); len(theirs) != 1 || theirs[0].Unread != 1 || !slices.Equal(w.said(theirs[0]), []string{"from the LID"}) {
		t.Errorf("the operator's conversations are %+v", theirs)
	}
}

func TestMergedConversationsKeepWhatWasSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch, other, lid := w.whatsapp("one", w.alice.ID), w.whatsapp("other", w.alice.ID), address(message.LID, "8801")
	w.talk(w.alice, ch, phone(1), "to the phone")
	w.hears(other, lid, message.Person{}, "over another channel")
	w.hears(ch, lid, message.Person{}, "from the LID")
	if n := len(w.known(w.alice.ID)); n != 2 {
		t.Fatalf("%d contacts", n)
	}
	for range 2 {
		w.learn(w.alice.ID, message.Person{LID: lid, Phone: address(message.Phone, phone(1))})
	}
	people, talks := w.known(w.alice.ID), w.talks(w.alice.ID)
	if len(people) != 1 || len(talks) != 2 || talks[0].Channel != ch || talks[0].Unread != 1 || talks[1].Channel != other {
		t.Fatalf("%d contacts, conversations %+v", len(people), talks)
	}
	if got := w.said(talks[0]); !slices.Equal(got, []string{"to the phone", "from the LID"}) {
		t.Errorf("they said %q", got)
	}
	if got := w.said(talks[1]); !slices.Equal(got, []string{"over another channel"}) {
		t.Errorf("they said %q elsewhere", got)
	}
}

// TestWhoWroteIsFoundByAllAddresses: on a channel that all share, an answer is the account's that wrote last, whichever of the person's
// addresses it wrote to.
func TestWhoWroteIsFoundByAllAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	ch, lid := w.whatsapp("shared", 0), address(message.LID, "8801")
	w.talk(w.alice, ch, phone(1), "first")
	asked := w.talk(bob, ch, phone(1), "second")
	w.hears(ch, lid, message.Person{Phone: address(message.Phone, phone(1))}, "the network tells both")
	w.hears(ch, lid, message.Person{}, "bob knows by now")
	w.talk(w.alice, ch, phone(1), "third")
	w.learn(w.alice.ID, message.Person{LID: lid, Phone: address(message.Phone, phone(1))})
	w.hears(ch, lid, message.Person{}, "both know")
	for a, want := range map[account.ID][]string{bob.ID: {"the network tells both", "bob knows by now"}, w.alice.ID: {"both know"}} {
		var got []string
		for _, m := range w.received(a) {
			if got = append(got, m.Content.Text); m.Contact == 0 || m.Answers == 0 || a == bob.ID && m.Answers != asked.ID {
				t.Errorf("%+v", m)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("heard %q, not %q", got, want)
		}
	}
}

// TestNobodyDrawsWhatOthersAreWritten: that two addresses are one person's an account may write for itself; whose a message is it does not
// decide.
func TestNobodyDrawsWhatOthersAreWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	ch, lid, mine := w.whatsapp("shared", 0), address(message.LID, "8801"), address(message.Phone, phone(2))
	w.talk(w.alice, ch, phone(1), "from alice")
	w.hears(ch, lid, message.Person{Phone: address(message.Phone, phone(1))}, "to alice")
	w.must(w.store.Write(func(tx *store.Tx) error {
		a, err := w.contacts.Create(tx, bob.ID, contact.Edit{Phone: &mine})
		if err != nil {
			return err
		}
		b, err := w.contacts.Create(tx, bob.ID, contact.Edit{LID: &lid})
		if err != nil {
			return err
		}
		_, err = w.contacts.Merge(tx, audit.Actor{}, bob.ID, a.ID, b.ID)
		return err
	}))
	w.talk(bob, ch, phone(2), "from bob to a phone of his own")
	w.hears(ch, lid, message.Person{}, "to alice again")
	if got := w.received(bob.ID); len(got) != 0 {
		t.Errorf("bob is shown %+v", got)
	}
	if got := w.received(w.alice.ID); len(got) != 2 {
		t.Errorf("alice has %+v", got)
	}
}

// TestHistoryOfASharedDeviceIsTheOperators: what somebody wrote to it before it was linked answers no account's message.
func TestHistoryOfASharedDeviceIsTheOperators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.whatsapp("shared", 0)
	w.talk(w.alice, ch, phone(1), "hello")
	w.must(w.gateway.Inbound(t.Context(), message.Inbound{
		Channel: ch, From: address(message.Phone, phone(1)), To: address(message.Phone, "+254711000000"), Content: message.Text("to the operator, last year"),
		Past: true, At: w.store.Now().Add(-365 * 24 * time.Hour),
	}))
	if got := w.received(w.alice.ID); len(got) != 0 {
		t.Errorf("alice is shown %+v", got)
	}
	if got := w.received(w.operator()); len(got) != 1 {
		t.Errorf("the operator has %+v", got)
	}
}

// TestStopHoldsForAllAddresses: whichever address somebody opts out by, and whenever the others become known.
func TestStopHoldsForAllAddresses(t *testing.T) {
	t.Parallel()
	lid, number := address(message.LID, "8801"), address(message.Phone, phone(1))
	both := message.Person{LID: lid, Phone: number}
	for name, steps := range map[string]func(w *world, ch message.ChannelID){
		"by the LID, both known": func(w *world, ch message.ChannelID) {
			w.learn(w.alice.ID, both)
			w.hears(ch, lid, message.Person{}, "STOP")
		},
		"by the LID, the phone comes later": func(w *world, ch message.ChannelID) {
			w.hears(ch, lid, message.Person{}, "STOP")
			w.learn(w.alice.ID, both)
		},
		"by the LID, they were two": func(w *world, ch message.ChannelID) {
			w.hears(ch, lid, message.Person{}, "STOP")
			w.learn(w.alice.ID, message.Person{Phone: number})
			w.learn(w.alice.ID, both)
		},
		"by the phone, the LID comes later": func(w *world, _ message.ChannelID) {
			w.write(func(tx *store.Tx) error {
				_, err := w.gateway.Choose(tx, []consent.Choice{{Account: w.alice.ID, Address: number, Out: true, Source: "api"}})
				return err
			})
			w.learn(w.alice.ID, both)
		},
		"by what tells both": func(w *world, ch message.ChannelID) { w.hears(ch, lid, both, "STOP") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ch := w.whatsapp("own", w.alice.ID)
			steps(w, ch)
			w.refused(draft(phone(1), "an SMS"), fault.RecipientOptedOut)
			w.write(func(tx *store.Tx) error {
				out, err := w.consent.OptedOut(tx, []consent.Ask{{Account: w.alice.ID, Address: lid}, {Account: w.alice.ID, Address: number}})
				if !slices.Equal(out, []bool{true, true}) {
					t.Errorf("opted out: %v", out)
				}
				return err
			})
			w.hears(ch, number, message.Person{}, "START")
			w.send(draft(phone(1), "an SMS"))
			w.write(func(tx *store.Tx) error {
				out, err := w.consent.OptedOut(tx, []consent.Ask{{Account: w.alice.ID, Address: lid}})
				if out[0] {
					t.Error("the LID is still out")
				}
				return err
			})
		})
	}
}

func TestAnSMSMakesNoContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(draft(phone(1), "hi"))
	w.says(phone(1), "hi")
	if m := w.message(id); m.Contact != 0 || len(w.known(w.alice.ID)) != 0 || len(w.talks(w.alice.ID)) != 0 {
		t.Errorf("there is a contact: %+v", m)
	}
}

func TestGroupsAndOwnMessagesAndHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch := w.whatsapp("own", w.alice.ID)
	ours, ann, bea := address(message.Phone, "+254711000000"), address(message.Phone, phone(1)), address(message.Phone, phone(2))
	long := w.store.Now().Add(-100 * time.Hour).Truncate(time.Millisecond)
	for _, in := range []message.Inbound{
		{From: ann, To: ours, Chat: address(message.Group, "120363"), Sender: message.Person{PushName: "Ann"}, Content: message.Text("in a group")},
		{From: bea, To: ours, Content: message.Text("long ago"), Past: true, At: long},
		{From: bea, To: ours, Content: message.Text("now")},
		{From: ours, To: bea, Content: message.Text("by the owner"), Own: true},
	} {
		in.Channel = ch
		w.must(w.gateway.Inbound(t.Context(), in))
	}
	people, talks := w.known(w.alice.ID), w.talks(w.alice.ID)
	if len(people) != 2 || people[0].PushName != "Ann" || len(talks) != 1 || talks[0].Contact != people[1].ID || talks[0].Unread != 0 {
		t.Fatalf("the contacts are %+v, the conversations %+v", people, talks)
	}
	if got := w.said(talks[0]); !slices.Equal(got, []string{"long ago", "now", "by the owner"}) {
		t.Errorf("they said %q", got)
	}
}

// TestWhoHasNoNumberIsAnswered: a STOP of somebody who is known by a LID alone is confirmed to it.
func TestWhoHasNoNumberIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.network.Features.Types = []message.Type{message.TypeImage} })
	w.write(func(tx *store.Tx) error {
		if err := w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "", Amount: 1}}); err != nil { // for who has no number
			return err
		}
		return w.consent.SetReplies(tx, audit.System, w.alice.ID, consent.Replies{})
	})
	ch, lid := w.whatsapp("own", w.alice.ID), address(message.LID, "88012345")
	w.hears(ch, lid, message.Person{}, "STOP")
	w.until(func() bool {
		sent, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Direction: message.Out, Limit: 10})
		w.must(err)
		return len(sent.Messages) == 1 && sent.Messages[0].To == lid && sent.Messages[0].Contact == w.known(w.alice.ID)[0].ID
	}, func() string { return "nobody answered" })
}
