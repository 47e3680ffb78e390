package main

import (
	"cmp"
	"slices"
	"time"

	"tidings.dev/internal/simulator/smsc"
)

// budget is how many attempts without an outcome the product may find after a fault, and until when.
type budget struct {
	from, until int64
	left        int
}

// findTime is how long servers that share a database may take to find what one of them left.
const findTime = 10 * time.Second

// doubts: after a fault the product itself may find at most a window of attempts without an outcome, and none after it
// was asked to stop.
func doubts(w World) []Violation {
	f := found{rule: "C3"}
	if w.Books == nil {
		return nil
	}
	budgets, beyond := w.budgets(), 0
	for _, at := range w.Books.Doubts {
		n := slices.IndexFunc(budgets, func(b budget) bool { return b.left > 0 && b.from-1000 <= at && at < b.until })
		if n >= 0 {
			budgets[n].left--
			continue
		}
		if beyond++; beyond <= shownViolations {
			f.add("", "at %s the product found an attempt without an outcome; the bound of the faults before is %d each, and used up", clock(at), window)
		}
	}
	return f.all
}

// budgets are the allowances of all faults, those that end first in front.
func (w World) budgets() (all []budget) {
	setup := w.setup()
	for n, e := range w.Load {
		b := budget{from: e.At, left: window}
		switch e.Op {
		case "kill":
			b.until = w.Load[n:].nextLife(e.Node)
		case "freeze":
			b.until = nextOf(w.Load[n:], "thaw") + findTime.Microseconds()
		case "cut":
			b.until, b.left = nextOf(w.Load[n:], "mend")+findTime.Microseconds(), window*setup.Nodes
		default:
			continue
		}
		if setup.Engine == postgres {
			b.until = max(b.until, b.from+findTime.Microseconds())
		}
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(a, b budget) int { return cmp.Compare(a.until, b.until) })
	return all
}

// Entries are a history in order of time.
type Entries []Entry

// nextLife is when the second start of a server begins of those that came to be ready: until then what is found was left
// by its last death.
func (all Entries) nextLife(node int) int64 {
	lived := false
	for n, e := range all {
		if e.Op != "start" || e.Node != node {
			continue
		}
		if lived {
			return e.At
		}
		mine := slices.DeleteFunc(slices.Clone(all[n+1:]), func(e Entry) bool { return e.Node != node })
		lived = nextOf(mine, "ready") < nextOf(mine, "kill", "term")
	}
	return 1 << 60
}

// takeover is how long a lane was silent after its server was struck.
type takeover struct {
	what string
	at   int64
	node int
	lane int
	took time.Duration
}

// settle is how late the network may still record what a server sent before it died.
const settle = 50 * time.Millisecond

// takeovers finds when each lane of a struck server was worked again, where another server was there to do it.
func (w World) takeovers() (all []takeover) {
	setup := w.setup()
	if setup.Nodes < 2 || setup.Faults != onProduct {
		return nil
	}
	byLane := map[int][]smsc.Record{}
	for _, r := range w.SMSC {
		if r.Op == smsc.OpSubmit {
			lane := laneOf(r.To, setup.Shards)
			byLane[lane] = append(byLane[lane], r)
		}
	}
	for n, e := range w.Load {
		if e.Op != "kill" && e.Op != "term" || w.Load[:n].down() > 0 {
			continue
		}
		from := e.At + settle.Microseconds()
		if e.Op == "kill" {
			from = nextOf(w.Load[n:], "dead") + settle.Microseconds()
		}
		others := nextKill(w.Load[n+1:], e.Node)
		for _, lane := range sendLanes(e.Leases) {
			at := firstSubmit(byLane[lane], from)
			if at > others {
				continue // who was left was struck before it could
			}
			all = append(all, takeover{e.Op, e.At, e.Node, lane, time.Duration(at-e.At) * time.Microsecond})
		}
	}
	return all
}

// down counts the servers that have been ended and not started again.
func (all Entries) down() int {
	down := map[int]bool{}
	for _, e := range all {
		switch e.Op {
		case "kill", "term":
			down[e.Node] = true
		case "ready":
			delete(down, e.Node)
		}
	}
	return len(down)
}

// nextKill is when another server is struck.
func nextKill(entries []Entry, but int) int64 {
	return nextOf(slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Node == but }), "kill", "term", "freeze")
}

// laneOf is the shard of a recipient: FNV-1a of the number, as the product spreads them.
func laneOf(to string, shards int) int {
	hash := uint32(2166136261)
	for _, c := range []byte("+" + digits(to)) {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return int(hash % uint32(max(shards, 1)))
}

// comeback is how long something took after the database was back.
type comeback struct {
	what string
	at   int64
	took time.Duration
}

func (w World) comebacks() (all []comeback) {
	for n, e := range w.Load {
		if e.Op != "mend" {
			continue
		}
		accepted := slices.IndexFunc(w.Load[n:], func(e Entry) bool { return e.Op == "send" && e.Phase == OK })
		if accepted >= 0 {
			all = append(all, comeback{"accept", e.At, time.Duration(w.Load[n+accepted].At-e.At) * time.Microsecond})
		}
		at := firstSubmit(w.SMSC, e.At)
		all = append(all, comeback{"submit", e.At, time.Duration(at-e.At) * time.Microsecond})
	}
	return all
}

// order: of two messages to one recipient, the one that was accepted before the other was asked for leaves first, unless
// it had to be tried again.
func order(w World, c *Cases) []Violation {
	f := found{rule: "C13"}
	retried := map[*Case]bool{}
	for _, p := range w.Posts {
		if p.Type == "message.retrying" {
			retried[c.byID[p.Subject]] = true
		}
	}
	byTo := map[string][]*Case{}
	for _, it := range c.All {
		if isRegular(it.To) && it.accepted() && len(it.Submits) > 0 && !retried[it] {
			byTo[it.To] = append(byTo[it.To], it)
		}
	}
	for _, all := range byTo {
		slices.SortFunc(all, func(a, b *Case) int { return cmp.Compare(a.Asked[0], b.Asked[0]) })
		for n, it := range all {
			for _, before := range all[:n] {
				if before.accept() < it.Asked[0] && before.Submits[0].Time > it.Submits[0].Time {
					f.add(it.Tag, "left %d ms before %s, which was accepted before it was asked for", before.Submits[0].Time-it.Submits[0].Time, before.Tag)
				}
			}
		}
	}
	return f.sorted()
}

// accept is when the first yes came.
func (c *Case) accept() int64 {
	first := int64(1 << 62)
	for _, at := range c.Acked {
		first = min(first, at)
	}
	return first
}

// Pace is measured over paceTime, since the network's own process is not always on time.
const paceTime = 5 * time.Second

// pace: all servers together send no faster than the channel may.
func pace(w World, _ *Cases) []Violation {
	f := found{rule: "C14"}
	setup := w.setup()
	if setup.Rate == 0 {
		return nil
	}
	allowed := setup.Rate*int(paceTime/time.Second)*21/20 + window*setup.Nodes
	if most, at := peak(w.SMSC, paceTime); most > allowed {
		f.add("", "%d parts left within %s from %s; the channel's rate is %d a second", most, paceTime, clock(at), setup.Rate)
	}
	return f.all
}

// peak is how many submits came within a time at most, and from when.
func peak(records []smsc.Record, within time.Duration) (most int, at int64) {
	var times []int64
	for _, r := range records {
		if r.Op == smsc.OpSubmit {
			times = append(times, r.Time)
		}
	}
	slices.Sort(times)
	first := 0
	for n, t := range times {
		for t-times[first] >= within.Milliseconds() {
			first++
		}
		if n-first+1 > most {
			most, at = n-first+1, times[first]*1000
		}
	}
	return most, at
}
