package fleet

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// careful is a network whose channels send so carefully.
func careful(care channel.Care) *channeltest.Scripted {
	return &channeltest.Scripted{Pairing: channeltest.Scanned(somebody), Care: func(channel.Settings) channel.Care { return care }}
}

func (y *yard) careful(c connection.Channel) gateway.Careful {
	y.t.Helper()
	now, ok, err := y.gw.Careful(y.t.Context(), c)
	if err != nil || !ok {
		y.t.Fatal(ok, err)
	}
	return now
}

// What a day does not hold stays queued until the next one, over a restart of the session too.
func TestADayThatIsFullLeavesTheRestQueued(t *testing.T) {
	t.Parallel()
	n := careful(channel.Care{Every: 20 * time.Millisecond, Jitter: 0.5, Daily: 3})
	y := newYard(t, n)
	c := y.link(connection.Channel{Driver: "scripted"})
	ids := y.send(c, 5)
	y.until("the day is full", func() bool { return y.careful(c).Sent == 3 })
	if err := y.Reconnect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	y.until("another session", func() bool { return n.Opened() == 2 && y.state(c).Phase == connection.Up })
	time.Sleep(200 * time.Millisecond) // ten turns
	queued := 0
	for _, id := range ids {
		if y.status(id) == message.Queued {
			queued++
		}
	}
	now := y.careful(c)
	if len(n.Sends()) != 3 || queued != 2 || now.Most != 3 || !now.Until.Equal(connection.Tomorrow(y.store.Now())) {
		t.Errorf("%d left, %d are queued; %+v", len(n.Sends()), queued, now)
	}
	y.store.Shift(time.Until(connection.Tomorrow(time.Now())) + time.Second)
	y.until("the rest", func() bool { return len(n.Sends()) == 5 })
	if now := y.careful(c); now.Sent != 2 || !now.Until.IsZero() {
		t.Errorf("%+v", now)
	}
}

// What the network says stops everything within a second, and the rest waits.
func TestALimitOfTheNetworkStopsTheLane(t *testing.T) {
	t.Parallel()
	n := careful(channel.Care{Every: 20 * time.Millisecond})
	y := newYard(t, n)
	c := y.link(connection.Channel{Driver: "scripted"})
	y.send(c, 1)
	if _, err := n.AwaitSends(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	until := y.store.Now().Add(time.Hour)
	if err := n.Notice(t.Context(), channel.Notice{Limited: &channel.Limited{Code: "reach_out", Reason: "Too many strangers.", Until: until}}); err != nil {
		t.Fatal(err)
	}
	ids := y.send(c, 3)
	time.Sleep(200 * time.Millisecond)
	if len(n.Sends()) != 1 || y.status(ids[0]) != message.Queued || y.careful(c).Until.IsZero() {
		t.Errorf("%d left", len(n.Sends()))
	}
	y.store.Shift(time.Hour + time.Second)
	y.until("the rest", func() bool { return len(n.Sends()) == 4 })
}

// What did not go out is not counted: a network that is busy for a while uses up nobody's day.
func TestATryThatFailedCostsNothingOfTheDay(t *testing.T) {
	t.Parallel()
	n := careful(channel.Care{Every: 10 * time.Millisecond, Daily: 2})
	var tries atomic.Int64
	n.Answer = func(ctx context.Context, m message.Outbound) (string, error) {
		if tries.Add(1) <= 3 {
			return "", &channel.Failure{Verdict: channel.Retry, Code: "busy"}
		}
		return n.Take(ctx, m)
	}
	y := newYard(t, n)
	c := y.link(connection.Channel{Driver: "scripted"})
	ids := y.send(c, 2)
	went := func() bool { return y.status(ids[0]) == message.Sent && y.status(ids[1]) == message.Sent }
	for n := 0; n < 200 && !went(); n++ {
		y.store.Shift(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if now := y.careful(c); !went() || now.Sent != 2 || tries.Load() != 5 {
		t.Errorf("%+v after %d tries", now, tries.Load())
	}
}
