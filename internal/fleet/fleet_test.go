package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// yard is a fleet on a store of its own.
type yard struct {
	*Fleet
	t       *testing.T
	store   *store.Store
	account account.Account
	drain   context.CancelFunc // no new work
	hard    context.CancelFunc // let go
	done    chan struct{}
}

func newYard(t *testing.T, networks ...*channeltest.Scripted) *yard {
	t.Helper()
	y := yardThatLooks(t, often, storetest.Open(t), networks...)
	y.write(func(tx *store.Tx) (err error) {
		y.account, err = member.New(y.store, account.Limits{}).Create(tx, audit.System, account.Account{Name: "A", Currency: "KES", Active: true}, "a", "")
		return err
	})
	return y
}

// often is how often the fleet of a yard looks: what it does then is the same, and nobody waits for it. Tests of several servers,
// which measure how soon one follows another, look as often as servers do.
const often = usualLook / 10

// newYardOn is a fleet on a store, without an account.
func newYardOn(t *testing.T, s *store.Store, networks ...*channeltest.Scripted) *yard {
	t.Helper()
	return yardThatLooks(t, usualLook, s, networks...)
}

func yardThatLooks(t *testing.T, look time.Duration, s *store.Store, networks ...*channeltest.Scripted) *yard {
	t.Helper()
	q, events := queue.New(s, quiet), event.New(s)
	var drivers []channel.Driver
	for _, n := range networks {
		drivers = append(drivers, n.Driver())
	}
	gw := gateway.New(gateway.Parts{
		Store: s, Queue: q, Events: events, Wallet: wallet.New(s, events), Consent: consent.New(s, events), Contacts: contact.New(s, events), Conversations: conversation.New(s), Numbers: number.New(s), Policies: policy.New(s),
		Connections: connection.New(s), Routes: route.New(s), Drivers: drivers, Log: quiet,
	})
	y := &yard{Fleet: New(gw, q, drivers, quiet), t: t, store: s, done: make(chan struct{})}
	y.look = look
	if err := q.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	soft, drain := context.WithCancel(context.Background())
	hard, end := context.WithCancel(context.Background())
	y.drain, y.hard = drain, end
	go func() {
		defer close(y.done)
		y.Run(soft, hard)
	}()
	t.Cleanup(func() {
		drain()
		end()
		<-y.done
	})
	return y
}

func (y *yard) write(f func(*store.Tx) error) {
	y.t.Helper()
	if err := y.store.Write(f); err != nil {
		y.t.Fatal(err)
	}
}

// channel makes a channel on the named driver.
func (y *yard) channel(c connection.Channel) connection.Channel {
	y.t.Helper()
	c.Kind, c.Enabled, c.Shards, c.Account = message.SMS, true, max(c.Shards, 1), y.account.ID
	if c.Name == "" {
		c.Name = c.Driver
	}
	y.write(func(tx *store.Tx) (err error) {
		c, err = y.gw.Connections.Create(tx, audit.System, c)
		return err
	})
	return c
}

func (y *yard) update(c connection.Channel) {
	y.t.Helper()
	y.write(func(tx *store.Tx) error { return y.gw.Connections.Update(tx, audit.System, c) })
}

func (y *yard) send(c connection.Channel, n int) (ids []message.ID) {
	y.t.Helper()
	drafts := make([]message.Draft, n)
	for i := range drafts {
		drafts[i] = message.Draft{Channel: c.ID, To: fmt.Sprintf("+2547%08d", i), Content: message.Text("x"), OnUnknown: message.Hold}
	}
	reply, err := y.gw.Submit(y.t.Context(), gateway.Caller{Account: y.account}, gateway.Request{Drafts: drafts})
	if err != nil {
		y.t.Fatal(err)
	}
	for _, r := range reply.Results {
		if r.Fault != nil {
			y.t.Fatal(r.Fault)
		}
		ids = append(ids, r.Message.ID)
	}
	return ids
}

// drop ends the network's sessions once there is one: what is not up yet cannot be cut.
func (y *yard) drop(n *channeltest.Scripted, why error) {
	y.t.Helper()
	if err := n.AwaitSession(y.t.Context()); err != nil {
		y.t.Fatal(err)
	}
	n.Drop(why)
}

func (y *yard) status(id message.ID) message.Status {
	y.t.Helper()
	m, err := y.gw.Message(y.t.Context(), y.account.ID, id)
	if err != nil {
		y.t.Fatal(err)
	}
	return m.Status
}

func (y *yard) until(what string, holds func() bool) {
	y.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			y.t.Fatalf("%s: does not come; %+v", what, y.States())
		}
	}
}

func (y *yard) state(c connection.Channel) State {
	all := y.States()
	if i := slices.IndexFunc(all, func(s State) bool { return s.Channel == c.ID }); i >= 0 {
		return all[i]
	}
	return State{}
}

func TestALostSessionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	y.until("the session", func() bool { return y.state(c).Phase == connection.Up })
	if s := y.state(c); s.Window != 10 || s.Name != "scripted" {
		t.Errorf("%+v", s)
	}
	began := time.Now()
	y.drop(n, &channel.Failure{Verdict: channel.Retry, Code: "connection_lost", Err: errors.New("planted")})
	y.until("the loss", func() bool { return y.state(c).Phase == connection.Down })
	if why := y.state(c).Reason; why != "The connection was lost: planted." {
		t.Errorf("it is down because of %q", why)
	}
	y.until("another session", func() bool { return n.Opened() == 2 && y.state(c).Phase == connection.Up })
	if waited := time.Since(began); waited < 700*time.Millisecond {
		t.Errorf("opened again after %s", waited)
	}
	id := y.send(c, 1)[0]
	y.until("the message", func() bool { return y.status(id) == message.Sent })
}

func TestALostSessionLetsGoOfWhatWaits(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{Answer: channeltest.Silent}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	ids := y.send(c, 3)
	_, _ = n.AwaitSends(t.Context(), 3)
	n.Drop(errors.New("planted"))
	for _, id := range ids {
		y.until("the outcome", func() bool { return y.status(id) == message.Unknown })
	}
	y.until("another session", func() bool { return n.Opened() == 2 })
}

func TestWaitsGrowAndABadLoginWaitsAMinute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want time.Duration
	}{
		{errors.New("x"), 0},
		{&channel.Failure{Verdict: channel.Retry, Code: "x"}, 0},
		{&channel.Failure{Verdict: channel.Retry, Code: "already_bound", Pause: 3 * time.Minute}, 3 * time.Minute},
		{&channel.Failure{Verdict: channel.Reject, Code: "bad_credentials"}, time.Minute},
		{nil, 0},
	} {
		if got := patience(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	var tries atomic.Int64
	n := &channeltest.Scripted{OpenErr: func() error {
		tries.Add(1)
		return errors.New("refused\nat length")
	}}
	y := newYard(t, n)
	ch := y.channel(connection.Channel{Driver: "scripted"})
	y.until("two tries", func() bool { return tries.Load() == 2 && y.state(ch).Phase == connection.Down })
	if why := y.state(ch).Reason; why != "The session failed: refused." {
		t.Errorf("it is down because of %q", why)
	}
	time.Sleep(1300 * time.Millisecond)
	if n := tries.Load(); n != 2 {
		t.Errorf("%d tries: the second wait is no longer than the first", n)
	}
}

func TestChangedSettingsRestartTheSession(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted", Settings: channel.Settings(`{"a":1}`)})
	y.until("the session", func() bool { return y.state(c).Phase == connection.Up })
	c.Sender = message.Address{Kind: message.Name, Value: "ACME"} // nothing to the session
	y.update(c)
	y.rounds()
	if n.Opened() != 1 {
		t.Errorf("opened %d times", n.Opened())
	}
	c.Settings = channel.Settings(`{"a":2}`)
	y.update(c)
	y.until("the new session", func() bool { return n.Opened() == 2 && y.state(c).Phase == connection.Up })
	c.Enabled = false
	y.update(c)
	y.until("the end", func() bool { return len(y.States()) == 0 })
	c.Enabled = true
	y.update(c)
	y.until("another session", func() bool { return n.Opened() == 3 })
}

func TestASlowChannelHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	slow, other := &channeltest.Scripted{Name: "slow", Answer: channeltest.Silent}, &channeltest.Scripted{Name: "other"}
	y := newYard(t, slow, other)
	a := y.channel(connection.Channel{Driver: "slow"})
	y.send(a, 1)
	_, _ = slow.AwaitSends(t.Context(), 1)
	a.Rate = 5
	y.update(a) // it must wait for its answer before it starts anew
	b := y.channel(connection.Channel{Driver: "other"})
	y.until("the other channel", func() bool { return y.state(b).Phase == connection.Up })
	if slow.Opened() != 1 {
		t.Error("the slow channel has two sessions")
	}
}

func TestAPanicStopsItsSessionOnly(t *testing.T) {
	t.Parallel()
	bad, good := &channeltest.Scripted{Name: "bad"}, &channeltest.Scripted{Name: "good"}
	bad.Answer = func(context.Context, message.Outbound) (string, error) { panic("planted") }
	y := newYard(t, bad, good)
	b, g := y.channel(connection.Channel{Driver: "bad"}), y.channel(connection.Channel{Driver: "good"})
	broken, fine := y.send(b, 1)[0], y.send(g, 1)[0]
	y.until("the outcome", func() bool { return y.status(broken) == message.Unknown })
	y.until("the panic", func() bool { return y.state(b).Phase == connection.Down })
	if why := y.state(b).Reason; why != "The session failed: send panicked: planted." {
		t.Errorf("it is down because of %q", why)
	}
	y.until("another session", func() bool { return bad.Opened() == 2 })
	y.until("the other channel's message", func() bool { return y.status(fine) == message.Sent })
	if good.Opened() != 1 {
		t.Errorf("the good channel was opened %d times", good.Opened())
	}
}

func TestOpenAndRunMayPanic(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{OpenErr: func() error { panic("planted") }}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	y.until("the panic", func() bool { return y.state(c).Phase == connection.Down })
	none := y.channel(connection.Channel{Driver: "nobody's"})
	y.until("the missing driver", func() bool { return y.state(none).Phase == connection.Down })
}

func TestALaneNeverHasMoreUnderWayThanTheWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ window, shards int }{{1, 4}, {5, 2}, {7, 3}} {
		total := 0
		for shard := range c.shards {
			total += workers(c.window, c.shards, shard)
		}
		if total != max(c.window, c.shards) {
			t.Errorf("window %d over %d lanes: %d workers", c.window, c.shards, total)
		}
		var mu sync.Mutex
		busy, most := 0, 0
		n := &channeltest.Scripted{Window: c.window}
		n.Answer = func(ctx context.Context, m message.Outbound) (string, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			busy--
			mu.Unlock()
			return n.Take(ctx, m)
		}
		y := newYard(t, n)
		ch := y.channel(connection.Channel{Driver: "scripted", Shards: c.shards})
		for _, id := range y.send(ch, 60) {
			y.until("the message", func() bool { return y.status(id) == message.Sent })
		}
		if most > c.window || most < min(2, c.window) { // how many meet at once is the scheduler's choice
			t.Errorf("window %d over %d lanes: %d parts at once", c.window, c.shards, most)
		}
	}
}

func TestARateIsSharedByTheLanes(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{}
	y := newYard(t, n)
	ch := y.channel(connection.Channel{Driver: "scripted", Shards: 4, Rate: 50})
	began := time.Now()
	y.send(ch, 51)
	if _, err := n.AwaitSends(t.Context(), 51); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 950*time.Millisecond {
		t.Errorf("51 parts at 50 a second left within %s", took)
	}
}

func TestADrainFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	n := &channeltest.Scripted{Window: 2}
	n.Answer = channeltest.Held(release, n.Take)
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	ids := y.send(c, 5)
	_, _ = n.AwaitSends(t.Context(), 2)
	y.drain()
	select {
	case <-y.done:
		t.Fatal("stopped with parts under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-y.done
	sent := 0
	for _, id := range ids {
		switch y.status(id) {
		case message.Sent:
			sent++
		case message.Queued:
		default:
			t.Errorf("%s", y.status(id))
		}
	}
	if sent != 2 || len(n.Sends()) != 2 {
		t.Errorf("%d sent, %d went out; 2 were under way", sent, len(n.Sends()))
	}
}

func TestTheEndOfADrainLetsGo(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{Answer: channeltest.Silent}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	id := y.send(c, 1)[0]
	_, _ = n.AwaitSends(t.Context(), 1)
	y.drain()
	y.hard()
	<-y.done
	if s := y.status(id); s != message.Unknown {
		t.Errorf("%s", s)
	}
}

func TestOdditiesAreToldWithTheirDriver(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	var told []string
	y.Odd = func(driver string, o channel.Oddity) { told = append(told, driver+" "+string(o)) }
	env := y.env(connection.Channel{Driver: "smpp"}, nil)
	env.Note(channel.AnswerStray)
	y.Odd = nil
	env = y.env(connection.Channel{Driver: "smpp"}, nil)
	env.Note(channel.AnswerStray)
	if !slices.Equal(told, []string{"smpp answer_stray"}) {
		t.Error(told)
	}
}
