package fleet

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
)

// kept is how the channel is on all servers, as everyone can read it.
func (y *yard) kept(c connection.Channel) []connection.State {
	y.t.Helper()
	all, err := y.gw.Connections.States(y.t.Context())
	if err != nil {
		y.t.Fatal(err)
	}
	return all[c.ID]
}

func (y *yard) isKept(c connection.Channel, p connection.Phase) func() bool {
	return func() bool { return connection.Overall(y.kept(c)).Phase == p && len(y.kept(c)) > 0 }
}

// told is what was told of the channel.
func (y *yard) told(c connection.Channel) (kinds []event.Kind) {
	y.t.Helper()
	events, err := y.gw.Events.Of(y.t.Context(), c.Account, int64(c.ID))
	if err != nil {
		y.t.Fatal(err)
	}
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// rounds waits until the fleet has looked at its channels once more.
func (y *yard) rounds() { time.Sleep(y.look + usualLook/4) }

func TestAnOutageIsToldOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	n := &channeltest.Scripted{OpenErr: func() error {
		if broken.Load() {
			return &channel.Failure{Verdict: channel.Retry, Code: "unreachable", Err: errors.New("refused")}
		}
		return nil
	}}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Account: y.account.ID, Driver: "scripted"})
	y.until("the outage", y.isKept(c, connection.Down))
	if _, down := y.gw.Connections.Down(t.Context(), c.ID); !down {
		t.Error("it does not count as down")
	}
	y.rounds()
	if told := y.told(c); len(told) > 0 {
		t.Errorf("%v was told too soon", told)
	}
	y.store.Shift(time.Minute)
	y.until("the notice", func() bool { return len(y.told(c)) == 1 })
	y.store.Shift(time.Hour)
	broken.Store(false)
	y.until("the session", y.isKept(c, connection.Up))
	if told := y.told(c); !slices.Equal(told, []event.Kind{event.ChannelDown}) {
		t.Errorf("%v was told", told)
	}
	y.store.Shift(10 * time.Second)
	y.until("the notice of its end", func() bool { return len(y.told(c)) == 2 })
	y.store.Shift(time.Hour)
	y.rounds()
	if told := y.told(c); !slices.Equal(told, []event.Kind{event.ChannelDown, event.ChannelUp}) {
		t.Errorf("%v was told", told)
	}
	e, err := y.gw.Events.One(t.Context(), c.Account, int64(c.ID), 1)
	if want := `{"channel":"` + c.ID.String() + `","name":"scripted","shared":false,"reason":"The network cannot be reached: refused."}`; err != nil || string(e.Change.Facts) != want {
		t.Errorf("it tells %s (%v)", e.Change.Facts, err)
	}
}

func TestAShortCutTellsNothing(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Account: y.account.ID, Driver: "scripted"})
	y.until("the session", y.isKept(c, connection.Up))
	y.drop(n, errors.New("planted"))
	y.until("the cut", func() bool { return y.state(c).Phase == connection.Down })
	y.until("another session", func() bool { return n.Opened() == 2 && y.isKept(c, connection.Up)() })
	y.store.Shift(time.Hour)
	y.rounds()
	if told := y.told(c); len(told) > 0 {
		t.Errorf("%v was told", told)
	}
}

func TestAPausedChannelKeepsItsSessionAndSendsNothing(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted", Shards: 2})
	y.until("the session", y.isKept(c, connection.Up))
	first := y.send(c, 1)[0]
	y.until("the message", func() bool { return y.status(first) == message.Sent })
	c.Mode = connection.Paused
	y.update(c)
	y.rounds()
	id := y.send(c, 1)[0]
	y.rounds()
	if s := y.status(id); s != message.Queued || n.Opened() != 1 || y.state(c).Phase != connection.Up {
		t.Errorf("paused, the message is %s, %d sessions were opened, and one is %s", s, n.Opened(), y.state(c).Phase)
	}
	if _, down := y.gw.Connections.Down(t.Context(), c.ID); !down {
		t.Error("paused, it counts as carrying messages")
	}
	c.Mode = connection.Working
	y.update(c)
	y.until("the message", func() bool { return y.status(id) == message.Sent })
	if n.Opened() != 1 {
		t.Error("the session was opened anew")
	}
}

func TestADrainedChannelFinishesAndCloses(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	n := &channeltest.Scripted{Window: 1}
	n.Answer = channeltest.Held(release, n.Take)
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	ids := y.send(c, 2)
	_, _ = n.AwaitSends(t.Context(), 1)
	y.until("the count", func() bool { return connection.Overall(y.kept(c)).Busy == 1 })
	c.Mode = connection.Draining
	y.update(c)
	y.rounds()
	if y.state(c).Phase != connection.Up {
		t.Errorf("with a part under way its session is %s", y.state(c).Phase)
	}
	close(release)
	y.until("the end", func() bool { return len(y.States()) == 0 && len(y.kept(c)) == 0 })
	if a, b := y.status(ids[0]), y.status(ids[1]); a != message.Sent || b != message.Queued {
		t.Errorf("the message under way is %s and the next one %s", a, b)
	}
	c.Mode = connection.Working
	y.update(c)
	y.until("the rest", func() bool { return y.status(ids[1]) == message.Sent })
}

func TestAServerThatStopsSaysSo(t *testing.T) {
	t.Parallel()
	y := newYard(t, &channeltest.Scripted{})
	c := y.channel(connection.Channel{Driver: "scripted"})
	y.until("the session", y.isKept(c, connection.Up))
	y.drain()
	<-y.done
	if left := y.kept(c); len(left) > 0 {
		t.Errorf("%+v is left", left)
	}
}

func TestEveryServerSeesHowAChannelIs(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.joins(&channeltest.Scripted{EachNode: true})
	c := a.channel(connection.Channel{Driver: "scripted"})
	b := w.joins(&channeltest.Scripted{EachNode: true, OpenErr: func() error { return errors.New("refused") }})
	b.until("both", func() bool { return len(b.kept(c)) == 2 && len(a.kept(c)) == 2 && b.state(c).Phase == connection.Down })
	b.until("the other's session", func() bool { _, down := b.gw.Connections.Down(context.Background(), c.ID); return !down })
	a.leaves()
	b.until("the other", func() bool { _, down := b.gw.Connections.Down(context.Background(), c.ID); return down })
	if len(b.kept(c)) != 1 {
		t.Errorf("%+v", b.kept(c))
	}
}

// What a channel has learned of its network outlives a pause.
func TestAPausedChannelStaysSlowed(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{Answer: channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: time.Minute, Slow: true})}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted", Rate: 100})
	y.send(c, 1)
	y.until("the slower pace", func() bool { return y.state(c).Slowed > 0 })
	c.Mode = connection.Paused
	y.update(c)
	y.rounds()
	before := y.state(c).Slowed
	y.until("a second of the pause", func() bool { now := y.state(c).Slowed; return now != before })
	if now := y.state(c).Slowed; now < before {
		t.Errorf("it goes at %v of 100 a second, and then at %v", before, now)
	}
}
