package webhook

import (
	"net/http"
	"sync"
	"time"
)

const (
	look        = 5 * time.Minute // the breaker judges by posts of so long
	cells       = 10              // in which the look is counted
	enough      = 10              // posts it needs to judge
	tooMany     = 0.7             // share of failures that opens it
	firstProbe  = 30 * time.Second
	lastProbe   = 15 * time.Minute
	whileProbe  = 2 * time.Second // how long others wait for a probe before they look again
	firstPause  = time.Second     // after an answer that asks for patience
	lastPause   = time.Minute
	longPause   = 15 * time.Minute // what an endpoint's Retry-After may ask of its whole lane
	failingNote = time.Hour        // an endpoint that only fails is written down after so long
	failingEnd  = 120 * time.Hour  // and disabled after so long
)

// gate decides whether an endpoint may be posted to now. It is memory only: after a restart every gate is open, and learns.
type gate struct {
	version int64 // of the endpoint
	mu      sync.Mutex
	window  [cells]struct {
		cell    int64
		ok, bad int
	}
	open    time.Duration // between probes while the breaker is open; zero: it is closed
	until   time.Time     // the next probe
	probing bool
	pause   time.Duration // asked for by the last throttling answer
	paused  time.Time
	failing time.Time // since when only failures were seen
}

// outcome is how a post went, as far as its endpoint is to blame.
type outcome int

const (
	nothing outcome = iota // it says nothing about the endpoint
	success
	failure
)

// wait is how long posts must wait now; zero: they may go.
func (g *gate) wait(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting(now)
}

func (g *gate) waiting(now time.Time) time.Duration {
	switch {
	case now.Before(g.paused):
		return g.paused.Sub(now)
	case g.open > 0 && now.Before(g.until):
		return g.until.Sub(now)
	case g.open > 0 && g.probing:
		return whileProbe
	}
	return 0
}

// enter lets a post through, or tells how long it must wait. With an open breaker one post at a time goes, as a probe.
func (g *gate) enter(now time.Time) (probe bool, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.waiting(now); wait > 0 {
		return false, wait
	}
	g.probing = g.open > 0
	return g.probing, 0
}

// leave takes note of how a post went.
func (g *gate) leave(now time.Time, probe bool, o outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		g.probing = false
	}
	switch {
	case o == nothing:
		return
	case o == success:
		g.failing, g.pause = time.Time{}, 0
	case g.failing.IsZero():
		g.failing = now
	}
	if g.open > 0 {
		g.probed(now, probe, o)
		return
	}
	g.count(now, o)
}

func (g *gate) probed(now time.Time, probe bool, o outcome) {
	switch {
	case !probe: // it began before the breaker opened
	case o == success:
		g.open = 0
	default:
		g.open = min(2*g.open, lastProbe)
		g.until = now.Add(g.open)
	}
}

func (g *gate) count(now time.Time, o outcome) {
	n := now.UnixNano() / int64(look/cells)
	at := &g.window[n%cells]
	if at.cell != n {
		at.cell, at.ok, at.bad = n, 0, 0
	}
	if o == success {
		at.ok++
		return
	}
	at.bad++
	ok, bad := 0, 0
	for _, s := range g.window {
		if s.cell > n-cells {
			ok, bad = ok+s.ok, bad+s.bad
		}
	}
	if ok+bad >= enough && float64(bad) >= tooMany*float64(ok+bad) {
		g.open, g.until = firstProbe, now.Add(firstProbe)
		clear(g.window[:])
	}
}

// throttle pauses the lane of an endpoint that asks for patience: as long as it says, or longer each time.
func (g *gate) throttle(now time.Time, status int, retryAfter time.Duration) {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.paused) {
		return // the answer to a post that was under way when the pause began
	}
	g.pause = min(max(2*g.pause, firstPause), lastPause)
	g.paused = now.Add(min(max(g.pause, retryAfter), longPause))
}

// failingSince is since when nothing but failures was seen; zero: the last post was taken.
func (g *gate) failingSince() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failing
}
