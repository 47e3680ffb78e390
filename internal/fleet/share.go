package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// eachNode reports whether every server may open the channel.
func (f *Fleet) eachNode(c connection.Channel) bool {
	d, ok := f.drivers[c.Driver]
	return ok && d.EachNode != nil && d.EachNode(c.Settings)
}

// alone keeps the channel's session on one server at a time: it waits until no other has it, and stops at once when another
// may have taken it.
func (f *Fleet) alone(ctx, hard context.Context, c connection.Channel) {
	for ctx.Err() == nil {
		lease := f.lease(ctx, c)
		if lease == nil {
			return
		}
		f.guarding(ctx, hard, lease, func(ctx, hard context.Context) { f.keep(ctx, hard, c, lease) })
		if ctx.Err() == nil {
			f.report(c, connection.State{Phase: connection.Down, Code: noDatabase, Reason: sentence(noDatabase, nil)})
		}
		if err := f.gw.Store.Give(hard, lease); err != nil && !f.gw.Store.Closing() {
			f.log.Error("cannot give a session back", "channel", c.Name, "err", err)
		}
	}
}

// leaseName is the lease of a channel's session, by which servers also call each other about the channel.
func leaseName(id message.ChannelID) string { return fmt.Sprintf("%s%d", leasePrefix, int64(id)) }

const leasePrefix = "channel:"

// lease waits for the lease of the channel's session; nil at the end of ctx.
func (f *Fleet) lease(ctx context.Context, c connection.Channel) *store.Lease {
	for ctx.Err() == nil {
		called := f.calls()
		taken, err := f.taken(ctx, c.ID)
		if err == nil && !taken {
			var lease *store.Lease
			if lease, err = f.gw.Store.Take(ctx, leaseName(c.ID), store.Grace); lease != nil {
				return lease
			}
		}
		if err != nil {
			f.log.Error("cannot take a session", "channel", c.Name, "err", err)
		}
		f.report(c, connection.State{Phase: connection.Waiting})
		select {
		case <-ctx.Done():
		case <-called:
		case <-time.After(f.look):
		}
	}
	return nil
}

// leases is who has which channel's session, as of a moment: a thousand channels that stand by cost one look into the database a
// second, and not a thousand.
type leases struct {
	mu   sync.Mutex
	held map[string]int64
	at   time.Time
}

// taken reports whether another server has the channel's session, as of a second ago, or of the last call.
func (f *Fleet) taken(ctx context.Context, id message.ChannelID) (bool, error) {
	f.leases.mu.Lock()
	defer f.leases.mu.Unlock()
	if time.Since(f.leases.at) >= f.look/2 {
		held, err := f.gw.Store.Held(ctx, leasePrefix, leasePrefix+"~")
		if err != nil {
			return false, err
		}
		f.leases.held, f.leases.at = held, time.Now()
	}
	boot := f.leases.held[leaseName(id)]
	return boot != 0 && boot != f.gw.Store.Boot(), nil
}

// stale has who holds what be read again.
func (l *leases) stale() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = time.Time{}
}

// guarding runs work, and ends both its contexts when another server may take the lease.
func (f *Fleet) guarding(ctx, hard context.Context, lease *store.Lease, work func(ctx, hard context.Context)) {
	soft, drain := context.WithCancel(ctx)
	firm, end := context.WithCancel(hard)
	var guard sync.WaitGroup
	guard.Go(func() {
		defer drain()
		defer end()
		tick := time.NewTicker(f.look)
		defer tick.Stop()
		for f.gw.Store.Current(lease) {
			select {
			case <-firm.Done():
				return
			case <-tick.C:
			}
		}
		f.log.Error("the database has not been heard of for long; another server may open the session", "lease", lease.Name)
	})
	work(soft, firm)
	end()
	guard.Wait()
}

// lanes works those of the channel's lanes that are this server's until ctx ends. Which they are follows from which servers
// have a session of the channel. When that changes, each lane first finishes what is under way in it, and waits for no other:
// an answer may take a minute.
func (f *Fleet) lanes(ctx, hard context.Context, c connection.Channel, send queue.Do, window int, pace *queue.Pace) {
	if f.shares(c) {
		defer f.withdraw(hard, c)
	}
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil && f.mayGo(ctx, c) {
		called := f.calls()
		mine := f.share(ctx, c, window)
		turn, over := context.WithCancel(ctx)
		if len(mine) > 0 { // a pause is no rate, and what was learned of the network outlives it
			pace.Set(rateOf(c, len(mine)))
		}
		for i, shard := range mine {
			running.Go(func() {
				f.queue.Work(turn, hard, gateway.Lane(c.ID, shard), workers(window, len(mine), i), pace, send)
			})
		}
		f.changes(ctx, c, window, mine, called)
		over()
	}
}

// shares reports whether other servers may work some of the channel's lanes.
func (f *Fleet) shares(c connection.Channel) bool { return f.gw.Store.Shared() && f.eachNode(c) }

// share is which of the channel's lanes are this server's: none of a channel that is paused. Each server that has a session
// gets every n-th.
func (f *Fleet) share(ctx context.Context, c connection.Channel, window int) (mine []int) {
	if f.paused(ctx, c) {
		return nil
	}
	place, servers := 0, 1
	if f.shares(c) {
		place, servers = f.place(ctx, c, window)
	}
	for shard := range max(1, c.Shards) {
		if shard%servers == place {
			mine = append(mine, shard)
		}
	}
	return mine
}

// paused tells whether nothing is to be sent by the channel. While that cannot be told, it stays as it was.
func (f *Fleet) paused(ctx context.Context, c connection.Channel) bool {
	now, ok, err := f.gw.Connections.Get(ctx, c.ID)
	if err != nil || !ok {
		now = c
	}
	return now.Mode == connection.Paused
}

// place is this server's among those that have a session of the channel. While that cannot be told it has no lanes.
func (f *Fleet) place(ctx context.Context, c connection.Channel, window int) (place, servers int) {
	for range 2 {
		sessions, err := f.gw.Connections.Sessions(ctx, c.ID)
		if err == nil {
			boot := f.gw.Store.Boot()
			place = slices.IndexFunc(sessions, func(s connection.Session) bool { return s.Boot == boot })
			if place >= 0 {
				return place, len(sessions)
			}
			err = f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.Connections.Opened(tx, c.ID, window) })
		}
		if err != nil {
			if ctx.Err() == nil {
				f.log.Error("cannot share a channel", "channel", c.Name, "err", err)
			}
			break
		}
	}
	return -1, 1
}

// changes returns when this server's share of the lanes is another one, or at the end of ctx.
func (f *Fleet) changes(ctx context.Context, c connection.Channel, window int, mine []int, called <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-called:
		case <-time.After(f.look):
		}
		called = f.calls()
		if !slices.Equal(mine, f.share(ctx, c, window)) || !f.mayGo(ctx, c) {
			return
		}
	}
}

// mayGo reports whether the channel's session may go on: not once its device is linked no more.
func (f *Fleet) mayGo(ctx context.Context, c connection.Channel) bool {
	if !f.gw.Links(c) {
		return true
	}
	d, err := f.gw.Connections.Device(ctx, c.ID)
	return err != nil || !d.Linked.IsZero()
}

// withdraw leaves the lanes to the others. It tries until it can, since they do not take them before.
func (f *Fleet) withdraw(hard context.Context, c connection.Channel) {
	for {
		err := f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.Connections.Closed(tx, c.ID) })
		if err == nil || hard.Err() != nil || f.gw.Store.Closing() || f.gw.Store.Broken() {
			return
		}
		time.Sleep(f.look)
	}
}

// woken is called when other servers changed something; most of it is about jobs.
func (f *Fleet) woken(names []string) {
	if len(names) == 0 || slices.ContainsFunc(names, aboutAsks) {
		f.asked.rung()
	}
	if len(names) > 0 && !slices.ContainsFunc(names, ours) {
		return
	}
	f.leases.stale()
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.called)
	f.called = make(chan struct{})
}

func ours(name string) bool {
	return name == store.Everyone || strings.HasPrefix(name, "session:") || strings.HasPrefix(name, "channel:")
}

// calls is closed at the next call.
func (f *Fleet) calls() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.called
}

// workers is a lane's share of the window. A lane has one at least, so that more lanes than slots take turns.
func workers(window, lanes, lane int) int {
	n := window / lanes
	if lane < window%lanes {
		n++
	}
	return max(1, n)
}

// rateOf is what the channel's rate leaves for some of its lanes together; 0 is no limit.
func rateOf(c connection.Channel, lanes int) float64 {
	return float64(c.Rate) * float64(lanes) / float64(max(1, c.Shards))
}
