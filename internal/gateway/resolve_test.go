package gateway_test

import (
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// resolve decides about a message in the account's name.
func (w *world) resolve(c gateway.Caller, id message.ID, how gateway.Resolution) (m message.Message, err error) {
	err = w.store.Write(func(tx *store.Tx) (err error) {
		m, err = w.gateway.Resolve(tx, c, id, how)
		return err
	})
	return m, err
}

func TestAHeldMessageIsDecided(t *testing.T) {
	t.Parallel()
	for how, c := range map[gateway.Resolution]struct {
		told    string
		status  message.Status
		charged int64
		after   string // once the network says that it was delivered
	}{
		gateway.ResolveSent:   {"unknown sent(correction)", message.Sent, 1, "unknown sent(correction) delivered"},
		gateway.ResolveFailed: {"unknown failed(correction)", message.Failed, 0, "unknown failed(correction) delivered(correction)"},
		gateway.ResolveResend: {"unknown retrying(duplicate) sent(duplicate)", message.Sent, 1, "unknown retrying(duplicate) sent(duplicate) delivered(duplicate)"},
	} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.network.On(phone(1), unsure, w.network.Take)
			id := w.send(wanting(phone(1), "hello", message.Hold))
			w.await(id, message.Unknown)
			out := w.sends(1)[0]
			if _, err := w.resolve(w.caller(w.account()), id, how); !fault.Is(err, fault.NotHere) {
				t.Errorf("another account: %v", err)
			}
			if _, err := w.resolve(w.caller(w.alice), id, "perhaps"); !fault.Is(err, fault.InvalidField) {
				t.Errorf("no resolution: %v", err)
			}
			m, err := w.resolve(w.caller(w.alice), id, how)
			w.must(err)
			if m.ID != id || how != gateway.ResolveResend && m.Status != c.status || m.Duplicate != (how == gateway.ResolveResend) {
				t.Errorf("%+v", m)
			}
			if _, err := w.resolve(w.caller(w.alice), id, gateway.ResolveFailed); !fault.Is(err, fault.NotInDoubt) {
				t.Errorf("twice: %v", err)
			}
			w.await(id, c.status)
			w.wantTold(id, c.told)
			w.wantMoney(c.charged, 0)
			// What is decided may be wrong; the network knows.
			w.must(w.gateway.Late(t.Context(), out, "late", nil))
			w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "late", To: out.To, Status: message.Delivered}))
			w.await(id, message.Delivered)
			w.wantTold(id, c.after)
			w.wantMoney(c.charged, 0)
			if n := w.count("audit WHERE action = 'message.resolve'"); n != 1 {
				t.Errorf("%d audit rows", n)
			}
		})
	}
}

func TestTheRestOfADecidedTextGoesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure, w.network.Take)
	id := w.send(wanting(phone(1), long(3), message.Hold))
	w.await(id, message.Unknown)
	_, err := w.resolve(w.caller(w.alice), id, gateway.ResolveSent)
	w.must(err)
	w.await(id, message.Sent)
	if all := w.sends(3); all[1].Number != 2 || all[2].Number != 3 || all[2].Attempt != 1 {
		t.Errorf("%+v", all)
	}
	w.wantTold(id, "unknown retrying sent")
	w.wantMoney(3, 0)
}

// What nobody can carry any more does not wait until its time is over.
func TestNothingIsSentAgainByAChannelThatIsNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure)
	id := w.send(wanting(phone(1), "hello", message.Hold))
	w.await(id, message.Unknown)
	w.write(func(tx *store.Tx) error { return w.gateway.DeleteChannel(tx, audit.System, w.channel) })
	if _, err := w.resolve(w.caller(w.alice), id, gateway.ResolveResend); !fault.Is(err, fault.NoChannel) {
		t.Errorf("sent again: %v", err)
	}
	if s := w.message(id).Status; s != message.Unknown || w.hasJob(id) {
		t.Errorf("it is %s, with a job: %v", s, w.hasJob(id))
	}
	_, err := w.resolve(w.caller(w.alice), id, gateway.ResolveFailed)
	w.must(err)
	w.wantTold(id, "unknown failed(correction)")
	w.wantMoney(0, 0)
}

// Of a long text that was in doubt, the rest does not go out to a person who was erased meanwhile.
func TestNothingMoreGoesToAnErasedPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure, w.network.Take)
	id := w.send(wanting(phone(1), long(3), message.Hold))
	w.await(id, message.Unknown)
	to := message.Address{Kind: message.Phone, Value: phone(1)}
	w.write(func(tx *store.Tx) error {
		who := gateway.Person{Account: w.alice.ID, Address: to, Mark: w.consent.Mark(w.alice.ID, to), Before: message.ID(tx.NewID())}
		done, err := w.gateway.EraseMessages(tx, who, 0)
		if len(done.Messages) != 1 || done.Cancelled != 0 || done.Busy {
			t.Errorf("%+v", done)
		}
		return err
	})
	if _, err := w.resolve(w.caller(w.alice), id, gateway.ResolveResend); !fault.Is(err, fault.NotInDoubt) {
		t.Errorf("sent again: %v", err)
	}
	_, err := w.resolve(w.caller(w.alice), id, gateway.ResolveSent)
	w.must(err)
	w.until(func() bool { return !w.hasJob(id) }, func() string { return "the rest still waits" })
	if m := w.message(id); m.Status.Waiting() || m.Content.Text != "" {
		t.Errorf("the message is %+v", m)
	}
	w.sends(1)
}

func TestADecisionComesTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(1), unsure)
	id := w.send(wanting(phone(1), "hello", message.Hold))
	w.await(id, message.Unknown)
	w.store.Shift(49 * time.Hour)
	for _, how := range []gateway.Resolution{gateway.ResolveSent, gateway.ResolveFailed, gateway.ResolveResend} {
		if _, err := w.resolve(w.caller(w.alice), id, how); !fault.Is(err, fault.NotInDoubt) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestReceiptsThatFitNothingAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"one", "two"} {
		w.must(w.gateway.Receipt(t.Context(), message.Receipt{
			Channel: w.channel, RemoteID: id, RemoteIDs: []string{"0" + id, "00" + id}, Reference: 7, Status: message.Delivered, Raw: "id:" + id,
		}))
	}
	operator, err := w.members.All(t.Context())
	w.must(err)
	list := func(operatorSees bool, limit int) []gateway.Unmatched {
		t.Helper()
		a := w.alice
		if operatorSees {
			a = operator[0]
		}
		all, err := w.gateway.Unmatched(t.Context(), a, 0, limit)
		w.must(err)
		return all
	}
	if all := list(true, 10); len(all) != 0 {
		t.Errorf("what has just come is listed: %+v", all)
	}
	w.store.Shift(2 * time.Minute)
	all := list(true, 10)
	if len(all) != 2 || all[0].RemoteID != "two" || all[1].RemoteID != "one" || all[0].Raw != "id:two" || all[0].Expires.Sub(all[0].ID.Time()) != 72*time.Hour {
		t.Errorf("%+v", all)
	}
	if first := list(true, 1); len(first) != 1 || first[0].RemoteID != "two" {
		t.Errorf("%+v", first)
	}
	rest, err := w.gateway.Unmatched(t.Context(), operator[0], all[0].ID, 10)
	if w.must(err); len(rest) != 1 || rest[0].RemoteID != "one" {
		t.Errorf("%+v", rest)
	}
	if others := list(false, 10); len(others) != 0 {
		t.Errorf("another sees %+v", others)
	}
}
