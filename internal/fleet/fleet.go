// Package fleet keeps sessions alive: it opens every enabled channel, works its lanes while its session lives, opens it
// again when it is lost, and reports how it is.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
)

const (
	look      = time.Second      // how often changed settings are looked for
	firstWait = time.Second      // before the second try to open
	lastWait  = time.Minute      // between tries at most
	badLogin  = time.Minute      // before another try after a refused login, at least
	steady    = 30 * time.Second // a session that lived so long was no failure
)

// Phase is how a channel's session is.
type Phase string

// The phases.
const (
	Opening Phase = "opening"
	Up      Phase = "up"
	Down    Phase = "down"
)

// State is how a channel's session is, in words for the operator.
type State struct {
	Channel message.ChannelID
	Name    string
	Driver  string
	Phase   Phase
	Reason  string // why it is down
	Since   time.Time
	Window  int
}

// Fleet runs the sessions of all channels on this node.
type Fleet struct {
	gw      *gateway.Gateway
	queue   *queue.Queue
	drivers map[string]channel.Driver
	log     *slog.Logger
	mu      sync.Mutex
	states  map[message.ChannelID]State
}

// New returns a fleet for the drivers.
func New(gw *gateway.Gateway, q *queue.Queue, drivers []channel.Driver, log *slog.Logger) *Fleet {
	f := &Fleet{gw: gw, queue: q, drivers: map[string]channel.Driver{}, log: log, states: map[message.ChannelID]State{}}
	for _, d := range drivers {
		f.drivers[d.Name] = d
	}
	return f
}

// States tells how each channel is, by name.
func (f *Fleet) States() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]State, 0, len(f.states))
	for _, s := range f.states {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b State) int { return int(a.Channel - b.Channel) })
	return list
}

// crew is what runs for one channel.
type crew struct {
	channel connection.Channel
	stop    context.CancelFunc
	done    chan struct{}
}

// Run keeps every enabled channel's session until ctx ends; then what is under way is finished, for as long as hard lives.
func (f *Fleet) Run(ctx, hard context.Context) {
	crews := map[message.ChannelID]*crew{}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := f.muster(ctx, hard, crews); err != nil && ctx.Err() == nil {
			f.log.Error("cannot read channels", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	for _, c := range crews {
		<-c.done
	}
}

// muster starts, stops and restarts crews so that they are what the settings say.
func (f *Fleet) muster(ctx, hard context.Context, crews map[message.ChannelID]*crew) error {
	want, err := f.gw.Connections.All(ctx)
	if err != nil {
		return err
	}
	wanted := map[message.ChannelID]connection.Channel{}
	for _, c := range want {
		if c.Enabled {
			wanted[c.ID] = c
		}
	}
	for id, c := range crews {
		if w, ok := wanted[id]; !ok || !same(w, c.channel) {
			c.stop()
			<-c.done
			delete(crews, id)
			f.forget(id)
		}
	}
	for id, c := range wanted {
		if crews[id] == nil {
			crews[id] = f.start(ctx, hard, c)
		}
	}
	return nil
}

func same(a, b connection.Channel) bool {
	settings := slices.Equal(a.Settings, b.Settings)
	a.Settings, b.Settings = nil, nil
	return settings && a.Driver == b.Driver && a.Rate == b.Rate && a.Shards == b.Shards && a.Name == b.Name
}

func (f *Fleet) start(ctx, hard context.Context, c connection.Channel) *crew {
	run, stop := context.WithCancel(ctx)
	w := &crew{channel: c, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		f.keep(run, hard, c)
	}()
	return w
}

// keep opens the channel's session again and again, waiting longer while that fails.
func (f *Fleet) keep(ctx, hard context.Context, c connection.Channel) {
	wait := firstWait
	for ctx.Err() == nil {
		f.report(c, Opening, "", 0)
		began := time.Now()
		err := f.serve(ctx, hard, c)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steady {
			wait = firstWait
		}
		pause := queue.Jitter(max(wait, patience(err)))
		f.report(c, Down, reason(err), 0)
		f.log.Warn("session lost", "channel", c.Name, "driver", c.Driver, "err", err, "again", pause.Round(time.Millisecond))
		wait = min(2*wait, lastWait)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// patience is how long to wait at least before opening again.
func patience(err error) time.Duration {
	fail, ok := errors.AsType[*channel.Failure](err)
	if !ok {
		return 0
	}
	if fail.Verdict == channel.Reject {
		return badLogin
	}
	return fail.Pause
}

func reason(err error) string {
	if fail, ok := errors.AsType[*channel.Failure](err); ok {
		return fail.Code
	}
	if err == nil {
		return "closed"
	}
	return err.Error()
}

// serve opens a session and works the channel's lanes with it until it is lost or ctx ends.
func (f *Fleet) serve(ctx, hard context.Context, c connection.Channel) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("driver %s panicked: %v\n%s", c.Driver, p, debug.Stack())
		}
	}()
	driver, ok := f.drivers[c.Driver]
	if !ok {
		return fmt.Errorf("there is no driver %q", c.Driver)
	}
	session, err := driver.Open(ctx, channel.Env{Channel: c.ID, Settings: c.Settings, Sink: f.gw, Log: f.log.With("channel", c.Name)})
	if err != nil {
		return err
	}
	window := channel.WindowOf(session)
	f.report(c, Up, "", window)
	f.log.Info("session open", "channel", c.Name, "driver", c.Driver, "window", window)
	return f.work(ctx, hard, c, session, window)
}

// work runs the session and its lanes. The session outlives the lanes' work, so that what is under way gets its answer.
func (f *Fleet) work(ctx, hard context.Context, c connection.Channel, session channel.Session, window int) error {
	alive, lost := context.WithCancel(ctx) // lanes claim while this lives
	defer lost()
	live, end := context.WithCancel(hard) // the session serves while this lives
	defer end()
	ended := make(chan error, 1)
	go func() {
		ended <- f.run(live, session)
		lost()
	}()
	var lanes sync.WaitGroup
	pace := paceOf(c)
	shards := max(1, c.Shards)
	for shard := range shards {
		workers := max(1, window/shards)
		lanes.Go(func() { f.queue.Work(alive, live, gateway.Lane(c.ID, shard), workers, pace, f.gw.Sender(session)) })
	}
	lanes.Wait()
	end()
	return <-ended
}

// run serves the session; a panic ends it and nothing else.
func (f *Fleet) run(ctx context.Context, s channel.Session) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Run(ctx)
}

// paceOf is the channel's rate, shared by its lanes and without bursts.
func paceOf(c connection.Channel) *rate.Limiter {
	if c.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(c.Rate), 1)
}

func (f *Fleet) report(c connection.Channel, phase Phase, why string, window int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[c.ID] = State{Channel: c.ID, Name: c.Name, Driver: c.Driver, Phase: phase, Reason: why, Since: time.Now().UTC(), Window: window}
}

func (f *Fleet) forget(id message.ChannelID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.states, id)
}
