package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	longFreeze = 33 * time.Second       // past the time after which the others take a server for dead
	avoidance  = 200 * time.Millisecond // after which the load goes around a server that does not answer
)

// strike is the nemesis. Each round lets the load run for a while from the first accept, waits for the backlog, and
// strikes the product or its database.
func (r *Run) strike(ctx context.Context) error {
	for r.kills < r.Kills {
		if err := r.untilLoaded(ctx); err != nil {
			return err
		}
		strike := r.strikeProduct
		if r.Faults == onDatabase {
			strike = r.strikeDatabase
		}
		if err := strike(ctx, r.load.watch.backlog()); err != nil {
			return err
		}
	}
	return nil
}

// strikeProduct kills a server; one in ten strikes comes again while the product recovers, and one in ten asks it to stop
// instead. Of several servers, some are frozen for a while.
func (r *Run) strikeProduct(ctx context.Context, backlog int) error {
	n, dice := r.nodes[r.random.IntN(len(r.nodes))], r.random.IntN(10)
	switch {
	case dice == 0 && r.kills > 0:
		r.note(r.fault("term", n, backlog))
		if err := n.process.Stop(25 * time.Second); err != nil {
			return fmt.Errorf("after SIGTERM: %w", err)
		}
	case dice == 1 && r.kills+1 < r.Kills && r.Nodes > 1:
		return r.killAll(ctx, n, backlog)
	case dice == 1 && r.kills+1 < r.Kills:
		r.kill(n, backlog)
		if err := r.launch(n, 0); err != nil {
			return err
		}
		r.wait(ctx, 10*time.Millisecond, 260*time.Millisecond)
		r.kill(n, backlog)
	case dice <= 3 && r.Nodes > 1:
		return r.freeze(ctx, n, backlog)
	default:
		r.kill(n, backlog)
	}
	if r.Nodes > 1 {
		r.wait(ctx, 0, 2*time.Second)
	}
	return r.start(ctx, n, backlog)
}

// wait waits for some time between two.
func (r *Run) wait(ctx context.Context, from, to time.Duration) {
	pause(ctx, from+time.Duration(r.random.Int64N(int64(to-from))))
}

// fault describes what is struck now.
func (r *Run) fault(op string, n *node, backlog int) Entry {
	e := Entry{Op: op, Node: n.n, Backlog: backlog}
	if len(r.reached) > 0 {
		e.Rate = r.reached[len(r.reached)-1]
	}
	if r.Nodes > 1 {
		e.Leases, _ = owned(r.db, n.process.Pid()) // when the database is away too, nobody knows
	}
	return e
}

func (r *Run) kill(n *node, backlog int) {
	r.note(r.fault("kill", n, backlog))
	n.process.Kill()
	r.note(Entry{Op: "dead", Node: n.n})
	r.struck(backlog)
}

func (r *Run) struck(backlog int) {
	r.kills++
	if r.kills%10 == 0 {
		fmt.Fprintf(r.Out, "  %d kills, %d accepted, backlog %d\n", r.kills, r.load.accepts.Load(), backlog)
	}
}

// killAll kills the second server while it takes over from the first.
func (r *Run) killAll(ctx context.Context, first *node, backlog int) error {
	r.kill(first, backlog)
	r.wait(ctx, 10*time.Millisecond, 1500*time.Millisecond)
	for _, n := range r.nodes {
		if n != first {
			r.kill(n, backlog)
		}
	}
	for _, n := range r.nodes {
		if err := r.launch(n, backlog); err != nil {
			return err
		}
	}
	for _, n := range r.nodes {
		if err := r.ready(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// freeze stops a server for some seconds, as a machine that is out of breath does: it notices nothing, and goes on in the
// middle of what it did. One in twenty lasts until the others have taken it for dead.
func (r *Run) freeze(ctx context.Context, n *node, backlog int) error {
	r.frozen++
	length := 300*time.Millisecond + time.Duration(r.random.Int64N(int64(5*time.Second)))
	if r.frozen%20 == 3 {
		length = longFreeze
	}
	r.note(r.fault("freeze", n, backlog))
	if err := n.process.Freeze(); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	pause(ctx, avoidance)
	r.load.servers[n.n].away.Store(true)
	pause(ctx, length-avoidance)
	r.note(Entry{Op: "thaw", Node: n.n})
	r.load.servers[n.n].away.Store(false)
	r.load.firstYes.Store(0)
	return n.process.Thaw()
}

// strikeDatabase kills the database with all its processes, and starts it again; one in five kills a server while it is
// away.
func (r *Run) strikeDatabase(ctx context.Context, backlog int) error {
	n, dice := r.nodes[r.random.IntN(len(r.nodes))], r.random.IntN(5)
	r.note(r.fault("cut", n, backlog))
	if err := r.base.cluster.Kill(); err != nil {
		return fmt.Errorf("kill the database: %w", err)
	}
	r.struck(backlog)
	r.wait(ctx, 0, 3*time.Second)
	if dice == 0 && r.kills > 1 {
		r.note(r.fault("kill", n, backlog))
		n.process.Kill()
		r.note(Entry{Op: "dead", Node: n.n})
	}
	if err := r.base.cluster.Start(); err != nil {
		return fmt.Errorf("start the database: %w", err)
	}
	r.note(Entry{Op: "mend"})
	r.load.firstYes.Store(0)
	if dice != 0 || r.kills < 2 {
		return nil
	}
	if err := r.start(ctx, n, backlog); err != nil {
		return err
	}
	pause(ctx, r.base.grace()) // else the next cut keeps the dead one from being found
	return nil
}

// interval is how long the load runs between two strikes: long enough that the servers have shared the work again.
func (r *Run) interval() time.Duration {
	least, most := 50*time.Millisecond, 600*time.Millisecond
	switch {
	case r.Faults == onDatabase:
		least, most = time.Second, 3*time.Second
	case r.Nodes > 1:
		least, most = time.Second, 3*time.Second
	}
	return least + time.Duration(r.random.Int64N(int64(most-least)))
}

// untilLoaded waits until the load has run for its time and there is enough to lose.
func (r *Run) untilLoaded(ctx context.Context) error {
	before, wait, deadline := r.load.accepts.Load(), r.interval(), time.Now().Add(dropTime)
	for {
		first := r.load.firstYes.Load()
		if first != 0 && now()-first >= wait.Microseconds() && r.load.watch.backlog() >= minBacklog {
			seconds := float64(now()-first) / 1e6
			r.reached = append(r.reached, float64(r.load.accepts.Load()-before)/seconds)
			return nil
		}
		if err := r.alive(); err != nil {
			return err
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("after %d kills the load does not reach its goal: backlog %d, %d accepted", r.kills,
				r.load.watch.backlog(), r.load.accepts.Load()-before))
		}
		pause(ctx, time.Millisecond)
	}
}

// alive is an error when a server has ended by itself.
func (r *Run) alive() error {
	for _, n := range r.nodes {
		select {
		case <-n.process.Done():
			return fmt.Errorf("server %d ended by itself: %w", n.n, n.process.Err())
		default:
		}
	}
	return nil
}

// sendLanes are the lanes of messages among leases, by their shards.
func sendLanes(leases []string) (shards []int) {
	for _, name := range leases {
		var channel int64
		var shard int
		if _, err := fmt.Sscanf(name, "send:%d:%d", &channel, &shard); err == nil && strings.Count(name, ":") == 2 {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	return slices.Compact(shards) // the test channel has a lane, too
}
