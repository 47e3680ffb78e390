package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"tidings.dev/internal/id"
)

// Soak is a run of some length at half of the peak, with a kill at its begin and another each time that a while has passed.
type Soak struct {
	Length time.Duration `json:"length"`
	Every  time.Duration `json:"every"` // between two kills
	Rate   float64       `json:"most"`  // messages a second at most, so that the past is more than what comes
	Past   int           `json:"past"`  // messages in the database that are past their retention
	Stay   int           `json:"stay"`  // and such that are not
	Bound  int64         `json:"bound"` // the keys of the former are below
}

const (
	soakRate  = 400 // messages a second: of ten minutes of that the checker takes some 2 GB
	leastPast = 20_000
)

// newSoak plans a soak whose past is more than what will come.
func newSoak(length, every time.Duration) *Soak {
	s := &Soak{Length: length, Every: every, Rate: soakRate}
	s.Past = max(leastPast, int((length+s.climb()).Seconds()*soakRate*4/3))
	s.Stay = s.Past / 2
	return s
}

// climb is how long the load has no limit, to see what is possible.
func (s *Soak) climb() time.Duration { return min(20*time.Second, max(3*time.Second, s.Length/20)) }

// step is the time between two samples.
func (s *Soak) step() time.Duration { return min(2*time.Second, s.Every/12) }

// fill gives the database its past. Nothing serves it yet. What stays is another account's, and is more than what the caches of
// a server hold, so that what they hold says nothing about how far retention has come.
func (r *Run) fill(ctx context.Context, account, channel string) error {
	began := time.Now()
	neighbour, err := r.nodes[0].install.CreateAccount(ctx, "neighbour", "KE", "KES", credit)
	if err != nil {
		return err
	}
	r.Soak.Bound = int64(id.At[struct{}](began.Add(-2 * 24 * time.Hour)))
	for _, p := range []past{over(account, channel, r.Soak.Past), stays(neighbour, channel, r.Soak.Stay)} {
		if err := r.base.writePast(ctx, p); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.Out, "  %d messages past their retention and %d that stay written in %s\n", r.Soak.Past, r.Soak.Stay, time.Since(began).Round(time.Second))
	return nil
}

// soak has the load climb to its peak, paces it to half of that, and kills the server while that goes on.
func (r *Run) soak(ctx context.Context) (err error) {
	if err := r.climb(ctx); err != nil {
		return err
	}
	began, told := time.Now(), time.Time{}
	for next := began; ctx.Err() == nil && time.Since(began) < r.Soak.Length; {
		if !time.Now().Before(next) {
			next = next.Add(r.Soak.Every)
			if err := r.killPaced(ctx); err != nil {
				return err
			}
		}
		s, err := r.look(ctx, false)
		if err != nil {
			return err
		}
		if time.Since(told) >= min(time.Minute, r.Soak.Every) {
			if told.IsZero() {
				fmt.Fprintln(r.Out, tableHead)
			}
			fmt.Fprintln(r.Out, s.line())
			told = time.Now()
		}
		pause(ctx, r.Soak.step())
	}
	return ctx.Err()
}

// climb measures what is accepted and finished in a second when nothing holds the load back but its backlog.
func (r *Run) climb(ctx context.Context) error {
	pause(ctx, time.Second)
	before, began := r.load.watch.finished(), time.Now()
	for time.Since(began) < r.Soak.climb() && ctx.Err() == nil {
		if _, err := r.look(ctx, false); err != nil {
			return err
		}
		pause(ctx, r.Soak.step())
	}
	peak := float64(r.load.watch.finished()-before) / time.Since(began).Seconds()
	pace := min(peak/2, r.Soak.Rate)
	r.load.pace.SetLimit(rate.Limit(pace))
	r.note(Entry{Op: "peak", Rate: peak})
	r.note(Entry{Op: "pace", Rate: pace})
	r.reached = append(r.reached, peak)
	fmt.Fprintf(r.Out, "  peak: %.0f messages a second; paced to %.0f (half of it, at most %.0f)\n", peak, pace, r.Soak.Rate)
	return ctx.Err()
}

// killPaced kills the server and starts it again at once. What was accepted a second since the last time is written down.
func (r *Run) killPaced(ctx context.Context) error {
	n, backlog := r.nodes[0], r.load.watch.backlog()
	if err := r.alive(); err != nil {
		return err
	}
	if first := r.load.firstYes.Load(); r.kills > 0 && first != 0 {
		r.reached = append(r.reached, float64(r.load.accepts.Load()-r.accepted)/(float64(now()-first)/1e6))
	}
	r.kill(n, backlog)
	r.accepted = r.load.accepts.Load()
	return r.start(ctx, n, max(backlog, 1)) // more is always on its way
}

// openSamples makes the file of samples and takes the first, of the database alone.
func (r *Run) openSamples(ctx context.Context) (err error) {
	if r.samples, err = createHistory(filepath.Join(r.Dir, sampleFile)); err != nil {
		return err
	}
	s, err := r.look(ctx, false)
	r.before = s.Database
	return err
}

// rest looks at what is left when nothing moves any more, once retention has come to its end or has had the time to.
func (r *Run) rest(ctx context.Context) error {
	for deadline := time.Now().Add(r.Drain); ctx.Err() == nil; pause(ctx, r.Soak.step()) {
		database, _, err := r.base.sizes(ctx, r.db)
		if err != nil {
			return err
		}
		rows, err := countOf(ctx, r.db)
		if err != nil {
			return err
		}
		if rows.Oldest >= r.Soak.Bound && database <= r.before || time.Now().After(deadline) {
			break
		}
	}
	s, err := r.look(ctx, true)
	fmt.Fprintln(r.Out, s.line())
	return err
}
