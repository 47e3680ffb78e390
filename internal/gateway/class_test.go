package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// A network that takes an id once is asked again with the same: no copy, no mark, whatever the message wants.
func TestANetworkThatKnowsIdsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, choice := range []message.OnUnknown{message.Resend, message.Hold, message.Fail} {
		t.Run(string(choice), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, finding(channel.Dedupe))
			w.network.On(phone(1), unsure, unsure, w.network.Take)
			id := w.send(wanting(phone(1), "hello", choice))
			w.until(func() bool { return len(w.sends(2)) == 2 && w.hasJob(id) }, func() string { return w.told(id) })
			w.store.Shift(2 * time.Second)
			m := w.await(id, message.Sent)
			w.wantTold(id, "retrying retrying sent")
			w.wantMoney(1, 0)
			if m.Duplicate || m.Attempt != 1 || len(m.Parts) != 1 {
				t.Errorf("%+v", m)
			}
			for _, out := range w.sends(3) {
				if out.Message != id || out.Attempt != 1 || out.Number != 1 {
					t.Errorf("asked for attempt %d of part %d", out.Attempt, out.Number)
				}
			}
		})
	}
}

// Once the network may have forgotten the id, its word is worth no more than another's.
func TestAForgottenIdIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, finding(channel.Dedupe), func(w *world) { w.network.Features.Remembers = time.Hour })
	w.network.On(phone(1), unsure)
	id := w.send(wanting(phone(1), "hello", message.Hold))
	w.sends(2)
	w.until(func() bool { return w.told(id) == "retrying retrying" && w.hasJob(id) }, func() string { return w.told(id) })
	w.store.Shift(55 * time.Minute) // a tenth of the time is kept clear
	w.await(id, message.Unknown)
	if n := len(w.sends(3)); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestAKilledServerAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, finding(channel.Dedupe))
	w.network.On(phone(1), channeltest.Silent, w.network.Take)
	id := w.send(wanting(phone(1), "hello", message.Hold))
	w.sends(1)
	w.kill()
	if m := w.await(id, message.Sent); m.Duplicate || m.Attempt != 1 {
		t.Errorf("%+v", m)
	}
	w.wantMoney(1, 0)
}

// echo has the network tell of a part by our reference.
func (w *world) echo(out message.Outbound, remote string, s message.Status) {
	w.t.Helper()
	w.must(w.gateway.Receipt(w.t.Context(), message.Receipt{
		Channel: w.channel, RemoteID: remote, Reference: out.Echo(), To: out.To, Status: s, Reason: reasonOf(s),
	}))
}

func TestAReceiptThatNamesOurReferenceEndsTheDoubt(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"no answer": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, finding(channel.Echo))
			w.network.On(phone(1), channeltest.Silent)
			if !killed {
				w.network.On(phone(1), unsure)
			}
			id := w.send(draft(phone(1), "hello"))
			out := w.sends(1)[0]
			if killed {
				w.kill()
			}
			w.until(func() bool { return len(w.message(id).Parts) == 1 }, func() string { return "it has no part" })
			if m := w.message(id); m.Status != message.Queued || m.Parts[0].Status != message.Unknown {
				t.Errorf("%s %+v", m.Status, m.Parts)
			}
			w.echo(out, "net-1", message.Delivered)
			w.echo(out, "net-1", message.Delivered)
			w.wantTold(id, "sent delivered")
			w.wantMoney(1, 0)
			if m := w.message(id); m.Duplicate || m.Parts[0].RemoteID != "net-1" || w.hasJob(id) {
				t.Errorf("%+v", m)
			}
			w.store.Shift(3 * time.Minute)
			if n := len(w.network.Sends()); n != 1 {
				t.Errorf("%d sends", n)
			}
		})
	}
}

// chosen has the network know parts by ids that the driver makes.
func chosen(w *world) {
	w.network.RemoteID = func(m message.Outbound) string { return fmt.Sprintf("chosen-%d-%d-%d", m.Message, m.Attempt, m.Number) }
}

// Where the driver chooses the id, a receipt with it ends the doubt, whether it comes before or after that.
func TestAReceiptWithAnIdOfOursEndsTheDoubt(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"late": false, "early": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, finding(channel.Echo), chosen)
			release := make(chan struct{})
			w.network.On(phone(1), channeltest.Held(release, unsure))
			id := w.send(draft(phone(1), "hello"))
			out := w.sends(1)[0]
			told := func(remote string) {
				w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: remote, To: out.To, Status: message.Delivered}))
			}
			if early {
				told(w.network.RemoteID(out))
			}
			close(release)
			if !early {
				w.until(func() bool { return len(w.message(id).Parts) == 1 }, func() string { return "it has no part" })
				told("of another message")
				told(w.network.RemoteID(out))
			}
			w.await(id, message.Delivered)
			w.wantTold(id, "sent delivered")
			if m := w.message(id); m.Duplicate || m.Parts[0].RemoteID != w.network.RemoteID(out) || w.hasJob(id) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// A receipt may name the reference before anyone knows that the answer does not come.
func TestAReceiptThatNamesOurReferenceMayComeEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, finding(channel.Echo))
	release := make(chan struct{})
	w.network.On(phone(1), channeltest.Held(release, unsure), w.network.Take)
	id := w.send(draft(phone(1), long(2)))
	w.echo(w.sends(1)[0], "net-1", message.Delivered)
	close(release)
	w.await(id, message.Sent)
	w.wantTold(id, "sent")
	w.report(id, 1, 2, message.Delivered)
	w.wantTold(id, "sent delivered")
	if n := w.count("early_receipt"); n != 0 {
		t.Errorf("%d early receipts are left", n)
	}
}

// Or before the server dies that waits for the answer: then what is left goes on as if it had come.
func TestAReceiptThatNamesOurReferenceMayComeBeforeADeath(t *testing.T) {
	t.Parallel()
	for parts := 1; parts <= 2; parts++ {
		w := newWorld(t, finding(channel.Echo))
		w.network.On(phone(1), channeltest.Silent, w.network.Take)
		id := w.send(draft(phone(1), long(parts)))
		w.echo(w.sends(1)[0], "net-1", message.Delivered)
		w.kill()
		if parts == 2 {
			w.await(id, message.Sent)
			w.report(id, 1, 2, message.Delivered)
		}
		w.await(id, message.Delivered)
		w.wantTold(id, "sent delivered")
		w.wantMoney(int64(parts), 0)
		if m := w.message(id); m.Duplicate || m.Parts[0].RemoteID != "net-1" || w.hasJob(id) || w.count("early_receipt") != 0 || len(w.network.Sends()) != parts {
			t.Errorf("%+v, %d sends, %d receipts wait", m, len(w.network.Sends()), w.count("early_receipt"))
		}
	}
}

// Of many whose answers do not come in the same moment, the one that was told of is known.
func TestOneOfManyInDoubtWasToldOfEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, finding(channel.Echo))
	const many = 5
	release, write := make(chan struct{}), make(chan struct{})
	var ids [many]message.ID
	for n := range many {
		w.network.On(phone(n), channeltest.Held(release, unsure))
		ids[n] = w.send(draft(phone(n), "hello"))
	}
	sends := w.sends(many)
	told := slices.IndexFunc(sends, func(out message.Outbound) bool { return out.Message == ids[many/2] })
	w.echo(sends[told], "net-1", message.Delivered)
	busy := make(chan error, 1)
	go func() { busy <- w.store.Write(func(*store.Tx) error { <-write; return nil }) }()
	close(release)
	time.Sleep(20 * time.Millisecond) // the answers of all wait for the writer, and so come together
	close(write)
	w.must(<-busy)
	w.await(ids[many/2], message.Delivered)
}

func TestAfterTheWaitForAReceiptTheMessageDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		choice message.OnUnknown
		status message.Status
		told   string
	}{
		{message.Resend, message.Sent, "retrying(duplicate) sent(duplicate)"},
		{message.Hold, message.Unknown, "unknown"},
		{message.Fail, message.Failed, "failed"},
	} {
		t.Run(string(c.choice), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, finding(channel.Echo))
			w.network.On(phone(1), unsure, w.network.Take)
			id := w.send(wanting(phone(1), "hello", c.choice))
			out := w.sends(1)[0]
			w.until(func() bool { return len(w.message(id).Parts) == 1 }, func() string { return "it has no part" })
			w.store.Shift(119 * time.Second)
			w.wantTold(id, "")
			w.store.Shift(2 * time.Second)
			w.await(id, c.status)
			w.wantTold(id, c.told)
			// Later it may be told all the same.
			w.echo(out, "net-1", message.Delivered)
			m := w.await(id, message.Delivered)
			if err := w.wallet.Verify(t.Context()); err != nil || w.balance().Held != 0 {
				t.Errorf("%v %+v", err, m)
			}
		})
	}
}

// finder is a network that can be asked.
type finder struct {
	channel.Session
	find func(m message.Outbound) (string, bool, error)
}

func (f finder) Find(_ context.Context, m message.Outbound) (string, bool, error) { return f.find(m) }

func TestANetworkThatCanBeAskedEndsTheDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		find  func(m message.Outbound) (string, bool, error)
		sends int
		told  string
	}{
		"it has it":         {func(message.Outbound) (string, bool, error) { return "found-1", true, nil }, 1, "sent"},
		"it has it not":     {func(message.Outbound) (string, bool, error) { return "", false, nil }, 2, "retrying sent"},
		"it does not know":  {func(message.Outbound) (string, bool, error) { return "", false, context.DeadlineExceeded }, 2, "retrying(duplicate) sent(duplicate)"},
		"it cannot be told": {nil, 2, "retrying(duplicate) sent(duplicate)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, finding(channel.Echo), func(w *world) {
				if c.find != nil {
					w.wrap = func(s channel.Session) channel.Session { return finder{s, c.find} }
				}
			})
			w.network.On(phone(1), unsure, w.network.Take)
			id := w.send(draft(phone(1), "hello"))
			w.until(func() bool { return len(w.message(id).Parts) == 1 }, func() string { return "it has no part" })
			w.store.Shift(121 * time.Second)
			w.await(id, message.Sent)
			w.wantTold(id, c.told)
			w.wantMoney(1, 0)
			if n := len(w.network.Sends()); n != c.sends {
				t.Errorf("%d sends", n)
			}
		})
	}
}
