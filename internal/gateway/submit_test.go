package gateway_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.store.Now()
	ok := draft(phone(1), "hello")
	for _, c := range []struct {
		name   string
		change func(*message.Draft)
		code   fault.Code
		field  string
	}{
		{"no number", func(d *message.Draft) { d.To = "abc" }, fault.InvalidRecipient, "to"},
		{"an impossible number", func(d *message.Draft) { d.To = "+2547" }, fault.InvalidRecipient, "to"},
		{"an empty text", func(d *message.Draft) { d.Content.Text = " \n" }, fault.EmptyText, "text"},
		{"bytes that are no text", func(d *message.Draft) { d.Content.Text = "a\xff" }, fault.InvalidField, "text"},
		{"256 parts", func(d *message.Draft) { d.Content.Text = long(256) }, fault.TextTooLong, "text"},
		{"more than any number of parts", func(d *message.Draft) { d.Content.Text = strings.Repeat("x", 70_000) }, fault.TextTooLong, "text"},
		{"a sender over 11", func(d *message.Draft) { d.From = "ABCDEFGHIJKL" }, fault.InvalidSender, "from"},
		{"a sender with a space", func(d *message.Draft) { d.From = "AC ME" }, fault.InvalidSender, "from"},
		{"a schedule in the past", func(d *message.Draft) { d.ScheduledAt = now.Add(-time.Minute) }, fault.InvalidSchedule, "scheduled_at"},
		{"a schedule over a year ahead", func(d *message.Draft) { d.ScheduledAt = now.Add(366 * 24 * time.Hour) }, fault.InvalidSchedule, "scheduled_at"},
		{"a validity that is over", func(d *message.Draft) { d.ValidUntil = now.Add(-time.Hour) }, fault.InvalidValidity, "valid_until"},
		{"a validity over a week", func(d *message.Draft) { d.ValidUntil = now.Add(8 * 24 * time.Hour) }, fault.InvalidValidity, "valid_until"},
		{"metadata that is a list", func(d *message.Draft) { d.Metadata = json.RawMessage("[]") }, fault.InvalidField, "metadata"},
		{"metadata over 1 KB", func(d *message.Draft) {
			d.Metadata = json.RawMessage(`{"a":"` + strings.Repeat("x", 1020) + `"}`)
		}, fault.MetadataTooLarge, "metadata"},
		{"a reference over 255", func(d *message.Draft) { d.Reference = strings.Repeat("x", 256) }, fault.InvalidField, "client_reference"},
		{"a channel that is not there", func(d *message.Draft) { d.Channel = 1 }, fault.NoChannel, "channel"},
		{"a kind without a channel", func(d *message.Draft) { d.Kind = message.WhatsApp }, fault.NoChannel, ""},
	} {
		d := ok
		c.change(&d)
		if f := w.refused(d, c.code); f.Field != c.field {
			t.Errorf("%s: field %q, want %q", c.name, f.Field, c.field)
		}
	}
	if n := w.count("message") + w.count("job WHERE kind = 'send'") + w.count("idempotency") + w.count("reference"); n != 0 {
		t.Errorf("%d rows are left of what was refused", n)
	}
	w.wantMoney(0, 0)
	drafts := make([]message.Draft, 1001)
	if _, err := w.submit(gateway.Request{Drafts: drafts}); !fault.Is(err, fault.TooManyItems) {
		t.Errorf("1,001 drafts: %v", err)
	}
}

func TestAnotherAccountsSenderAndChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	w.write(func(tx *store.Tx) error {
		_, err := w.numbers.Assign(tx, audit.System, number.Number{Account: bob.ID, Channel: w.channel, Address: message.Address{Kind: message.Name, Value: "BOB"}})
		return err
	})
	d := draft(phone(1), "hello")
	d.From = "BOB"
	w.refused(d, fault.InvalidSender)
	if _, err := w.gateway.Submit(t.Context(), w.caller(bob), gateway.Request{Drafts: []message.Draft{d}}); err != nil {
		t.Error(err)
	}
}

func TestItemsStandAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{draft(phone(1), "a"), draft("x", "b"), draft(phone(2), "")}})
	w.must(err)
	codes := []fault.Code{"", fault.InvalidRecipient, fault.EmptyText}
	for i, r := range reply.Results {
		if (codes[i] == "") != (r.Fault == nil) || r.Fault != nil && r.Fault.Code != codes[i] {
			t.Errorf("item %d: %v", i, r.Fault)
		}
	}
	w.await(reply.Results[0].Message.ID, message.Sent)
	w.wantMoney(1, 0)
}

func TestOneWrongItemMayRefuseAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, 2*price-funds, "") })
	whole := []fault.Code{fault.InvalidRecipient, fault.InsufficientBalance, fault.RecipientOptedOut}
	for name, drafts := range map[string][]message.Draft{
		"a wrong number": {draft(phone(1), "a"), draft("x", "b")},
		"no money":       {draft(phone(1), "a"), draft(phone(2), "b"), draft(phone(3), "c")},
	} {
		reply, err := w.submit(gateway.Request{Drafts: drafts, Whole: whole, Key: name})
		w.must(err)
		for i, r := range reply.Results {
			if r.Fault == nil {
				t.Errorf("%s: item %d was accepted", name, i)
			}
			if i > 0 && r.Fault == reply.Results[i-1].Fault {
				t.Errorf("%s: two items share a fault that a surface may change", name)
			}
		}
		w.wantMoney(0, 0)
	}
	if n := w.count("message") + w.count("idempotency"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{draft(phone(1), "a"), draft(phone(2), "b"), draft(phone(3), "c")}})
	w.must(err)
	if !fault.Is(reply.Results[2].Fault, fault.InsufficientBalance) || reply.Results[1].Fault != nil {
		t.Errorf("%v %v", reply.Results[1].Fault, reply.Results[2].Fault)
	}
}

func TestManyAtOnceSpendWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, 10*price-funds, "") })
	var accepted, refused int
	for _, r := range w.together(200, func(n int) gateway.Request {
		r := gateway.Request{Drafts: []message.Draft{draft(phone(n), "x")}}
		if n%10 == 0 { // all or nothing, and more than there ever is
			r = gateway.Request{Drafts: make([]message.Draft, 11), Whole: []fault.Code{fault.InsufficientBalance}}
			for i := range r.Drafts {
				r.Drafts[i] = draft(phone(n+i), "x")
			}
		}
		return r
	}) {
		for _, item := range r.reply.Results {
			switch {
			case item.Fault == nil:
				accepted++
			case fault.Is(item.Fault, fault.InsufficientBalance):
				refused++
			default:
				t.Error(item.Fault)
			}
		}
	}
	if accepted != 10 || refused != 180+20*11-10 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
	w.until(func() bool { return w.balance().Charged == 10*price }, func() string { return fmt.Sprint(w.balance()) })
	w.wantMoney(10, 0)
}

// answered is what Submit returned.
type answered struct {
	reply gateway.Reply
	err   error
}

// together submits n requests at once.
func (w *world) together(n int, request func(int) gateway.Request) []answered {
	w.t.Helper()
	outcomes := make([]answered, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			outcomes[i].reply, outcomes[i].err = w.submit(request(i))
		})
	}
	running.Wait()
	for _, o := range outcomes {
		w.must(o.err)
	}
	return outcomes
}

func TestAKeySendsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zone := time.FixedZone("EAT", 3*60*60)
	full := message.Draft{
		To: "0712345678", Content: message.Text("<héllo> & more"), Reference: "r-1", ScheduledAt: w.store.Now().Add(time.Hour).In(zone),
		ValidUntil: w.store.Now().Add(2*time.Hour + 7*time.Microsecond).In(zone), Priority: message.OTP, Metadata: json.RawMessage(`{"a": 1}`), From: "254711222333",
	}
	request := gateway.Request{
		Drafts: []message.Draft{full, draft("x", "y"), draft(phone(1), long(2))}, Key: "k", Scope: "POST /x", Fingerprint: "f",
	}
	outcomes := w.together(8, func(int) gateway.Request { return request })
	fresh := 0
	for _, o := range outcomes {
		if !o.reply.Replayed {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d of 8 were new", fresh)
	}
	w.await(outcomes[0].reply.Results[2].Message.ID, message.Sent)
	w.kill()
	last, err := w.submit(request)
	w.must(err)
	if !last.Replayed {
		t.Error("not replayed after a kill")
	}
	for _, o := range append(outcomes, answered{reply: last}) {
		if a, b := showJSON(o.reply.Results), showJSON(last.Results); a != b {
			t.Errorf("a repeat is answered\n%s\nand not\n%s", b, a)
		}
		if !reflect.DeepEqual(o.reply.Results, last.Results) {
			t.Errorf("%+v differs from %+v", o.reply.Results, last.Results)
		}
	}
	if n := w.count("message"); n != 2 {
		t.Errorf("%d messages", n)
	}

	other := request
	other.Fingerprint = "g"
	if _, err := w.submit(other); !fault.Is(err, fault.KeyReused) {
		t.Errorf("another body: %v", err)
	}
	other.Scope = "POST /y"
	reply, err := w.submit(other)
	if err != nil || reply.Replayed || !fault.Is(reply.Results[0].Fault, fault.ReferenceTaken) {
		t.Errorf("another route: %v %v", reply.Replayed, err)
	}
	bob := w.account()
	if reply, err := w.gateway.Submit(t.Context(), w.caller(bob), request); err != nil || reply.Replayed {
		t.Errorf("another account: %v %v", reply.Replayed, err)
	}
	w.store.Shift(8 * 24 * time.Hour)
	if reply, err := w.submit(gateway.Request{Drafts: []message.Draft{draft(phone(1), "x")}, Key: "k", Scope: "POST /x", Fingerprint: "g"}); err != nil || reply.Replayed {
		t.Errorf("after a week: %v %v", reply.Replayed, err)
	}
}

func TestARefusedRequestKeepsNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := gateway.Request{Drafts: []message.Draft{draft("x", "y")}, Key: "k", Fingerprint: "f"}
	_, err := w.submit(wrong)
	w.must(err)
	right := gateway.Request{Drafts: []message.Draft{draft(phone(1), "y")}, Key: "k", Fingerprint: "g"}
	if reply, err := w.submit(right); err != nil || reply.Replayed || reply.Results[0].Fault != nil {
		t.Errorf("%+v %v", reply, err)
	}
}

func TestAReferenceIsTakenForThirtyDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := draft(phone(1), "x")
	d.Reference = "order-1"
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{d, d}})
	w.must(err)
	first := reply.Results[0].Message.ID
	if f := reply.Results[1].Fault; !fault.Is(f, fault.ReferenceTaken) || f.Existing != first.String() {
		t.Errorf("in one batch: %+v", f)
	}
	if f := w.refused(d, fault.ReferenceTaken); f.Existing != first.String() {
		t.Errorf("existing %q", f.Existing)
	}
	if _, err := w.gateway.Submit(t.Context(), w.caller(w.account()), gateway.Request{Drafts: []message.Draft{d}}); err != nil {
		t.Error(err)
	}
	w.store.Shift(30*24*time.Hour + time.Second)
	w.send(d)
}

func TestAnAccountsQueueHasACap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alice.Limits.Queue = 3
	later := func(n int) message.Draft {
		d := draft(phone(n), "x")
		d.ScheduledAt = w.store.Now().Add(time.Hour)
		return d
	}
	ids := []message.ID{w.send(later(1)), w.send(later(2)), w.send(later(3))}
	if f := w.refused(later(4), fault.QueueFull); f.RetryAfter == 0 {
		t.Error("it does not say when to try again")
	}
	bob := w.account()
	if _, err := w.gateway.Submit(t.Context(), w.caller(bob), gateway.Request{Drafts: []message.Draft{later(5)}}); err != nil {
		t.Errorf("another account: %v", err)
	}
	_, err := w.gateway.Cancel(t.Context(), w.caller(w.alice), ids[0])
	w.must(err)
	w.send(later(4))
	w.kill()
	w.refused(later(5), fault.QueueFull)
	w.store.Shift(2 * time.Hour)
	w.await(ids[1], message.Sent)
	w.until(func() bool { return w.queue.Depth(w.alice.ID) == 0 }, func() string { return fmt.Sprint(w.queue.Depth(w.alice.ID)) })
	w.send(later(5))
}

func TestOptOutsCountAtAcceptAndAtClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.await(w.send(draft(phone(1), "an offer")), message.Sent)
	later := draft(phone(1), "x")
	later.ScheduledAt = w.store.Now().Add(time.Hour)
	waiting := w.send(later)
	bobs, err := w.gateway.Submit(t.Context(), w.caller(w.account()), gateway.Request{Drafts: []message.Draft{draft(phone(2), "x")}})
	w.must(err)
	w.says(phone(1), " Stop! ")
	w.refused(draft(phone(1), "y"), fault.RecipientOptedOut)
	w.store.Shift(2 * time.Hour)
	if m := w.await(waiting, message.Blocked); m.Reason != "blocked" {
		t.Errorf("reason %q", m.Reason)
	}
	w.wantTold(waiting, "blocked")
	w.wantMoney(1, 0)
	w.await(bobs.Results[0].Message.ID, message.Sent)
	w.says(phone(1), "please stop by at five")
	w.refused(draft(phone(1), "y"), fault.RecipientOptedOut)
	w.says(phone(1), "START")
	w.await(w.send(draft(phone(1), "y")), message.Sent)
	log, err := w.consent.Log(t.Context(), w.alice.ID, message.Address{}, 0, 10)
	w.must(err)
	if len(log) != 2 || log[0].Out || !log[1].Out || log[1].Source != "message" {
		t.Errorf("the log of consent: %+v", log)
	}
}

func TestAStopBetweenPartsEndsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	w.network.On(phone(1), channeltest.Held(release, w.network.Take), w.network.Take)
	id := w.send(draft(phone(1), long(2)))
	w.sends(1)
	w.says(phone(1), "STOP")
	close(release)
	m := w.await(id, message.Failed)
	if m.Reason != "blocked" || len(w.network.Sends()) != 1 {
		t.Errorf("%q after %d parts", m.Reason, len(w.network.Sends()))
	}
	w.wantMoney(1+1, 0)
}

func TestAnOptOutOfNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.account()
	w.write(func(tx *store.Tx) error {
		_, err := w.consent.Record(tx, []consent.Choice{{Account: bob.ID, Address: message.Address{Kind: message.Phone, Value: phone(1)}, Out: true, Source: "api"}})
		return err
	})
	w.await(w.send(draft(phone(1), "x")), message.Sent)
	var none account.ID
	if _, err := w.gateway.Message(t.Context(), none, 1); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
}
