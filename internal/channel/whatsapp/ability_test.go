package whatsapp_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	far "tidings.dev/internal/simulator/whatsapp"
)

func TestADeviceIsLinkedByATypedCode(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `{"platform":"firefox"}`)
	var code channel.Code
	who, err := d.driver.Link.Pair(d.patient(), d.env(), "+"+d.phone.Number(), func(c channel.Code) {
		code = c
		if _, err := d.phone.EnterCode(c.Typed); err != nil {
			t.Error(err)
		}
	})
	if err != nil || who.Person.Phone != phoneOf(d.phone.Number()) || len(code.Typed) != 9 || time.Until(code.Until) < time.Minute {
		t.Fatalf("%+v by %+v (%v)", who, code, err)
	}
	d.open()
	d.mustSend(phoneOf(network.Phone(fresh()).Number()), message.Text("hi"))
}

// TestLinkingThatIsGivenUpLeavesTheOldLink also shows the codes and their lives.
func TestLinkingThatIsGivenUpLeavesTheOldLink(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	d.close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := d.driver.Link.Pair(ctx, d.env(), "", func(c channel.Code) {
		if left := time.Until(c.Until); c.QR == "" || left > time.Minute || left < 50*time.Second {
			t.Errorf("code %+v", c)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	d.open()
	d.mustSend(phoneOf(network.Phone(fresh()).Number()), message.Text("still linked"))
}

func TestForgettingDropsEverything(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	d.close()
	if err := d.driver.Link.Forget(t.Context(), d.env()); err != nil || d.left() > 0 {
		t.Errorf("%d things are left (%v)", d.left(), err)
	}
}

func TestUnlinkingTellsThePhone(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	if err := d.session.(channel.Unlinker).Unlink(d.patient()); err != nil {
		t.Fatal(err)
	}
	d.lost(channel.Reject, "not_linked")
	if len(d.phone.Devices()) > 0 || d.left() > 0 {
		t.Errorf("the phone has %v, and %d things are left", d.phone.Devices(), d.left())
	}
}

func TestGroupsInBothAddressings(t *testing.T) {
	t.Parallel()
	for _, mode := range []types.AddressingMode{types.AddressingModePN, types.AddressingModeLID} {
		d, ann, bob := linked(t, `{}`), network.Phone(fresh()), network.Phone(fresh())
		g, err := ann.CreateGroup("Friends", mode, d.phone.Number(), bob.Number())
		if err != nil {
			t.Fatal(err)
		}
		group := message.Address{Kind: message.Group, Value: g.JID().User}
		id := d.mustSend(group, message.Content{Type: message.TypeText, Text: "hi @" + bob.Number(), Mentions: []string{"+" + bob.Number()}})
		for _, p := range []*far.Phone{ann, bob} {
			got := d.next(p)
			if got.ID != id || got.Group != g.JID().String() || got.From != d.phone.Number() || got.Text() != "hi @"+bob.Number() {
				t.Errorf("%s: %+v", mode, got)
			}
		}
		if err := bob.Read(id); err != nil {
			t.Fatal(err)
		}
		d.eventually("it is read", func() bool {
			return slices.ContainsFunc(d.sink.Receipts(), func(r message.Receipt) bool { return r.RemoteID == id && r.Status == message.Read && r.To == group })
		})
		for range 2 { // the first brings the key to decrypt both
			if _, err := bob.SendGroup(g, &waE2E.Message{Conversation: proto.String("hello all")}); err != nil {
				t.Fatal(err)
			}
		}
		for _, in := range d.inbounds(2) {
			if in.Chat != group || in.From != phoneOf(bob.Number()) || in.Content.Text != "hello all" || in.To != phoneOf(d.phone.Number()) {
				t.Errorf("%s: %+v", mode, in)
			}
		}
		grouper := d.session.(channel.Grouper)
		one, err := grouper.Group(d.patient(), group)
		if err != nil || one.Name != "Friends" || len(one.Participants) != 3 {
			t.Errorf("%s: %+v (%v)", mode, one, err)
		}
		for _, p := range one.Participants {
			if owner := p.Phone == phoneOf(ann.Number()); p.Phone.Kind != message.Phone || p.LID.Kind != message.LID || (p.Admin || p.Owner) != owner {
				t.Errorf("%s: member %+v", mode, p)
			}
		}
		all, err := grouper.Groups(d.patient())
		if err != nil || len(all) != 1 || all[0].Address != group {
			t.Errorf("%s: %+v (%v)", mode, all, err)
		}
		if err := g.Remove(ann, d.phone.Number()); err != nil {
			t.Fatal(err)
		}
		_, err = grouper.Group(d.patient(), group)
		mustFail(t, err, channel.Reject, "not_in_group")
	}
}

func TestCallsAreRejectedButForExceptions(t *testing.T) {
	t.Parallel()
	ann, bob := network.Phone(fresh()), network.Phone(fresh())
	d := linked(t, `{"calls":"reject","call_message":"Please write.","call_exceptions":["+`+bob.Number()+`"]}`)
	calls := func() []channel.Notice { return d.sink.told(func(n channel.Notice) bool { return n.Call != nil }) }
	call, err := ann.Call(d.phone.Number(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := call.AwaitRejected(d.patient()); err != nil {
		t.Error(err)
	}
	if got := d.next(ann); got.Text() != "Please write." {
		t.Errorf("%+v", got)
	}
	if _, err := bob.Call(d.phone.Number(), false); err != nil {
		t.Fatal(err)
	}
	d.eventually("both are told", func() bool { return len(calls()) == 2 })
	first, second := calls()[0].Call, calls()[1].Call
	if first.From.Phone != phoneOf(ann.Number()) || !first.Rejected || !first.Video || first.RemoteID != call.ID || second.Rejected || second.Video {
		t.Errorf("%+v, %+v", first, second)
	}
}

func TestPeopleAreLearned(t *testing.T) {
	t.Parallel()
	d, ann := linked(t, `{}`), network.Phone(fresh())
	ann.Rename("Ann")
	d.arrive(ann, "hi")
	if in := d.inbounds(1)[0]; in.Sender.PushName != "Ann" || in.Sender.LID.Value != ann.LID().User {
		t.Errorf("%+v", in.Sender)
	}
	d.eventually("it is told", func() bool {
		return len(d.sink.told(func(n channel.Notice) bool {
			return slices.ContainsFunc(n.People, func(p message.Person) bool { return p.PushName == "Ann" && p.Phone == phoneOf(ann.Number()) })
		})) > 0
	})
	people, err := d.session.(channel.AddressBook).People(t.Context())
	found := slices.DeleteFunc(people, func(p message.Person) bool { return p.Phone != phoneOf(ann.Number()) })
	if err != nil || len(found) != 1 || found[0].PushName != "Ann" {
		t.Errorf("%+v (%v)", found, err)
	}
	if url, err := d.session.(channel.AddressBook).Picture(d.patient(), phoneOf(ann.Number())); err != nil || url != "" {
		t.Errorf("%q (%v)", url, err)
	}
}

// TestSomebodyWhoHidesHisNumberIsAnswered by his linked id.
func TestSomebodyWhoHidesHisNumberIsAnswered(t *testing.T) {
	t.Parallel()
	d, ann := linked(t, `{}`), network.Phone(fresh())
	ann.Address(far.ByLIDOnly)
	d.arrive(ann, "who am I?")
	in := d.inbounds(1)[0]
	if in.From != (message.Address{Kind: message.LID, Value: ann.LID().User}) {
		t.Errorf("%+v", in)
	}
	id := d.mustSend(in.From, message.Text("somebody"))
	if got := d.next(ann); got.ID != id || got.Text() != "somebody" {
		t.Errorf("%+v", got)
	}
}

func TestNumbersAreCheckedKeptAndLimited(t *testing.T) {
	t.Parallel()
	d, ann := linked(t, `{}`), network.Phone(fresh())
	checker := d.session.(channel.Checker)
	nobody := phoneOf("+491700019913")
	asked := []message.Address{nobody, phoneOf(ann.Number()), nobody}
	for range 3 {
		got, err := checker.Check(d.patient(), asked)
		if err != nil || len(got) != 3 || got[0].There || !got[1].There || got[2].There || got[1].Person.LID.Value != ann.LID().User || got[1].Phone != asked[1] {
			t.Fatalf("%+v (%v)", got, err)
		}
	}
	var many []message.Address
	for range 99 {
		many = append(many, phoneOf(fresh()))
	}
	_, err := checker.Check(d.patient(), many)
	mustFail(t, err, channel.Retry, "throttled")
	if _, err := checker.Check(d.patient(), many[:98]); err != nil {
		t.Error(err)
	}
	_, err = checker.Check(d.patient(), []message.Address{{Kind: message.Group, Value: "1"}})
	mustFail(t, err, channel.Reject, "invalid_number")
}

func TestTypingAndReadingAreShown(t *testing.T) {
	t.Parallel()
	d, ann := linked(t, `{"presence":"online"}`), network.Phone(fresh())
	d.arrive(ann, "hi")
	in := d.inbounds(1)[0]
	presenter := d.session.(channel.Presenter)
	for _, state := range []channel.Typing{channel.TypingText, channel.TypingVoice, channel.TypingOff} {
		if err := presenter.Typing(d.patient(), in.From, state); err != nil {
			t.Fatal(err)
		}
	}
	d.eventually("it is seen", func() bool { return len(ann.Typings()) == 3 })
	for i, want := range []far.Typing{{State: "composing"}, {State: "composing", Media: "audio"}, {State: "paused"}} {
		if got := ann.Typings()[i]; got.State != want.State || got.Media != want.Media || got.From != d.phone.Number() {
			t.Errorf("%+v", got)
		}
	}
	if err := presenter.MarkRead(d.patient(), in.From, message.Address{}, []string{in.RemoteID}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if r, err := ann.AwaitReceipt(d.patient(), in.RemoteID, "read"); err != nil || r.From != d.phone.Number() {
		t.Errorf("%+v (%v)", r, err)
	}
}

// TestThePastIsTakenOverOnce and marked as such.
func TestThePastIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings string
		want     int
	}{{`{"history":"full"}`, 3}, {`{}`, 0}} {
		d, ann := newDevice(t, c.settings), network.Phone(fresh())
		began := time.Now().Add(-time.Hour).Truncate(time.Second)
		d.phone.Remember(far.Conversation{With: ann.Number(), Messages: []far.PastMessage{
			{ID: "A1", Time: began, Content: &waE2E.Message{Conversation: proto.String("one")}},
			{ID: "A2", Mine: true, Time: began.Add(time.Minute), Content: &waE2E.Message{Conversation: proto.String("two")}},
			{ID: "A3", Time: began.Add(2 * time.Minute), Content: &waE2E.Message{Conversation: proto.String("three")}},
		}})
		d.pair()
		d.open()
		d.arrive(ann, "now")
		for i, in := range d.inbounds(c.want + 1) {
			if in.Content.Text == "now" {
				if in.Past {
					t.Errorf("%d: %+v", i, in)
				}
				continue
			}
			if !in.Past || in.Own != (in.RemoteID == "A2") || in.At.Before(began) || in.At.After(began.Add(time.Hour)) {
				t.Errorf("%d: %+v", i, in)
			}
		}
		d.eventually("nothing of it is left to do", func() bool { n, _ := d.state.Count(t.Context(), "past/"); return n == 0 })
		d.close()
		d.open()
		d.arrive(ann, "later")
		if n := len(d.inbounds(c.want + 2)); n != c.want+2 {
			t.Errorf("%d messages came in", n)
		}
	}
}
