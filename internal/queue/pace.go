package queue

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	span      = time.Second           // in which no more than the rate leaves
	slack     = 10 * time.Millisecond // by which what left evenly may arrive unevenly
	recovery  = 20                    // steps in which a pace that was halved to nothing would be back
	relearned = 2                     // times the rate at which a network first objected: then it objects no more
	slowest   = 1.0                   // a second, at which a pace is no longer halved, unless it is set lower
)

// Pace is how fast the lanes of one channel may go, together. No more than its rate leaves within any second, whenever that
// begins. It goes down to half when the network says that it is asked too fast, and up again evenly (additive increase,
// multiplicative decrease).
type Pace struct {
	mu      sync.Mutex
	set     float64   // a second; 0: as fast as the network takes it
	rate    float64   // now; 0: any
	top     float64   // the rate to come back to
	step    float64   // by which it comes back each second; 0: it is not slowed
	stepped time.Time // when it last did
	slowed  time.Time // when it was halved
	next    time.Time // turn
	left    []time.Time
	seconds [2]count // what left in this second and the one before

	every  time.Duration // between two on average; 0: as the rate says
	jitter float64       // how much longer or shorter that may be, as a share of it
	shut   func() bool   // nothing may go now; nil: never
}

type count struct {
	second int64
	n      int
}

// NewPace returns a pace of that many jobs a second; 0 is as fast as it can.
func NewPace(rate float64) *Pace {
	p := new(Pace)
	p.Set(rate)
	return p
}

// NewCarefulPace returns a pace of one job each while, a share of it longer or shorter, so that nobody takes it for a machine's.
// Nothing begins while shut says so.
func NewCarefulPace(every time.Duration, jitter float64, shut func() bool) *Pace {
	p := &Pace{every: every, jitter: min(max(jitter, 0), 1), shut: shut}
	if every > 0 {
		p.Set(float64(time.Second) / float64(every))
		p.next = time.Now().Add(rand.N(every)) // sessions that were opened together do not begin together
	}
	return p
}

// Set changes the rate. What was learned of the network goes on.
func (p *Pace) Set(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == rate || p.every > 0 && p.set > 0 { // a careful one stays as it is
		return
	}
	p.set, p.top = rate, rate
	if p.step == 0 || rate > 0 && p.rate > rate {
		p.rate, p.step = rate, 0
	}
}

// Slowed is the rate that is left of what was set, or 0 when the network does not object.
func (p *Pace) Slowed() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(time.Now())
	if p.step == 0 {
		return 0
	}
	return p.rate
}

// slow halves the rate, once for all answers of one moment.
func (p *Pace) slow(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(now)
	if p.step > 0 && now.Sub(p.slowed) < span {
		return
	}
	if p.rate == 0 { // nobody said how fast this network is; it has just shown it
		p.rate = max(p.measured(now), slowest)
		p.top = p.rate
	}
	p.step = max(p.top/recovery, slowest/recovery)
	p.rate = max(p.rate/2, min(slowest, p.top))
	p.stepped, p.slowed = now, now
}

// recover brings the rate up for the time that has passed. Where none is set it is free again once it is well past what the
// network first objected to.
func (p *Pace) recover(now time.Time) {
	if p.step == 0 {
		return
	}
	steps := math.Floor(now.Sub(p.stepped).Seconds())
	if steps < 1 {
		return
	}
	p.stepped = p.stepped.Add(time.Duration(steps) * time.Second)
	p.rate += steps * p.step
	switch {
	case p.set > 0 && p.rate >= p.set:
		p.rate, p.step = p.set, 0
	case p.set == 0 && p.rate >= relearned*p.top:
		p.rate, p.step = 0, 0
	}
}

// measure counts one that left.
func (p *Pace) measure(now time.Time) {
	if second := now.Unix(); p.seconds[0].second != second {
		p.seconds[1], p.seconds[0] = p.seconds[0], count{second: second}
	}
	p.seconds[0].n++
}

// measured is how many left within about a second.
func (p *Pace) measured(now time.Time) float64 {
	second, most := now.Unix(), 0
	for _, c := range p.seconds {
		if second-c.second <= 1 {
			most = max(most, c.n)
		}
	}
	return float64(most)
}

// within is how many may leave in which time: whole ones, so that a rate of 7.5 is 8 in 1067 ms.
func (p *Pace) within() (n int, in time.Duration) {
	if p.every > 0 {
		return 1, time.Duration(float64(p.every) * (1 - p.jitter))
	}
	n = max(1, int(math.Ceil(p.rate)))
	return n, time.Duration(float64(n)/p.rate*float64(span)) + slack
}

// interval is the time between two turns.
func (p *Pace) interval() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.every > 0 {
		return time.Duration(float64(p.every) * (1 + p.jitter))
	}
	return p.gap()
}

func (p *Pace) gap() time.Duration {
	if p.rate == 0 {
		return 0
	}
	if p.every > 0 {
		return time.Duration(float64(p.every) * (1 + p.jitter*(2*rand.Float64()-1)))
	}
	n, in := p.within()
	return in / time.Duration(n)
}

// reserve gives out the next turn, which is now or later.
func (p *Pace) reserve(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(now)
	if p.rate == 0 {
		return now
	}
	turn, gap := p.next, p.gap()
	if now.Sub(turn) > gap { // a turn that nobody needed is lost
		turn = now
	}
	p.next = turn.Add(gap)
	return turn
}

// closed reports whether nothing may go now, however long ago the last one did.
func (p *Pace) closed() bool { return p.shut != nil && p.shut() }

// Leave waits until one more may leave, where those before it came late and it would follow too closely. It is nil, or why ctx
// ended.
func (p *Pace) Leave(ctx context.Context) error {
	for {
		wait := p.leave(time.Now())
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// leave notes that one leaves, or tells how long it has to wait.
func (p *Pace) leave(now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		p.left = nil
		p.measure(now)
		return 0
	}
	n, in := p.within()
	gone := 0
	for gone < len(p.left) && (now.Sub(p.left[gone]) >= in || len(p.left)-gone > n) {
		gone++
	}
	p.left = p.left[gone:]
	if len(p.left) >= n {
		return in - now.Sub(p.left[len(p.left)-n])
	}
	p.left = append(p.left, now)
	return 0
}
