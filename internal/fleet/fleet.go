// Package fleet keeps sessions alive: it opens every enabled channel, works its lanes while its session lives, opens it
// again when it is lost, and reports how it is.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/store"
)

const (
	usualLook = time.Second      // between looks for what has changed
	firstWait = time.Second      // before the second try to open
	lastWait  = time.Minute      // between tries at most
	badLogin  = time.Minute      // before another try after a refused login, at least
	steady    = 30 * time.Second // a session that lived so long was no failure

	// opensPerSecond is how many sessions a server opens, so that five hundred that were lost together do not come back together.
	opensPerSecond = 50
)

// State is how a channel's session is here, in words for the operator.
type State struct {
	connection.State
	Name   string
	Driver string
	Slowed float64    // parts a second, while the network wants fewer than the channel's rate; 0: it does not
	busy   func() int // parts under way now; nil: none
	pace   *queue.Pace
}

// Fleet runs the sessions of all channels on this node.
type Fleet struct {
	gw      *gateway.Gateway
	queue   *queue.Queue
	drivers map[string]channel.Driver
	log     *slog.Logger
	host    string
	look    time.Duration // between looks for what has changed
	mu      sync.Mutex
	states  map[message.ChannelID]State
	called  chan struct{} // closed when something about sessions or leases may have changed
	posts   map[message.ChannelID]*post
	leases  leases
	asked   bell // rung when another server asked something, or answered
	rates   *rate.Meters
	opening *queue.Pace // of sessions
	told    ledger
	// Watch is told of each part that a network was given, and of what it said. Set before Run; nil: nobody watches.
	Watch func(m message.Outbound, from, to time.Time, err error)
	// Odd is told of each oddity of a driver's network. Set before Run; nil: nobody counts.
	Odd func(driver string, o channel.Oddity)
	// Reach is how a channel's driver may connect. Set before Run; nil: to anything.
	Reach func(c connection.Channel) channel.Dial
	// Web gets pages that messages link to. Set before Run; nil: none.
	Web channel.Getter
}

// env is what a driver is given to open the channel. lease is of the channel's session; nil where every server may open one.
func (f *Fleet) env(c connection.Channel, lease *store.Lease) channel.Env {
	env := channel.Env{Channel: c.ID, Settings: c.Settings, Sink: f.gw, Log: f.log.With("channel", c.Name), Web: f.Web}
	if lease != nil {
		env.State = f.gw.Connections.State(c.ID, lease)
	}
	if f.Odd != nil {
		env.Odd = func(o channel.Oddity) { f.Odd(c.Driver, o) }
	}
	if f.Reach != nil {
		env.Dial = f.Reach(c)
	}
	if f.drivers[c.Driver].Features.Media && f.gw.Media != nil {
		env.Media = f.gw.Media
	}
	return env
}

// New returns a fleet for the drivers.
func New(gw *gateway.Gateway, q *queue.Queue, drivers []channel.Driver, log *slog.Logger) *Fleet {
	f := &Fleet{
		gw: gw, queue: q, drivers: map[string]channel.Driver{}, log: log, host: hostName(), look: usualLook, states: map[message.ChannelID]State{}, called: make(chan struct{}),
		posts: map[message.ChannelID]*post{}, rates: rate.New(gw.Store), opening: queue.NewPace(opensPerSecond),
	}
	for _, d := range drivers {
		f.drivers[d.Name] = d
	}
	gw.Store.OnWake(f.woken)
	gw.Store.OnDeath(gw.Connections.Bury)
	return f
}

// States tells how each channel is, by name.
func (f *Fleet) States() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]State, 0, len(f.states))
	for _, s := range f.states {
		if s.busy != nil {
			s.Busy, s.Slowed = s.busy(), s.pace.Slowed()
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b State) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Channel, b.Channel)) })
	return list
}

// crew is what runs for one channel.
type crew struct {
	channel  connection.Channel
	stop     context.CancelFunc
	stopping bool
	done     chan struct{}
}

// Run keeps every enabled channel's session until ctx ends; then what is under way is finished, for as long as hard lives.
func (f *Fleet) Run(ctx, hard context.Context) {
	crews := map[message.ChannelID]*crew{}
	var answering sync.WaitGroup
	listening, deaf := context.WithCancel(hard)
	answering.Go(func() { f.answers(listening) })
	defer answering.Wait()
	defer deaf()
	tick := time.NewTicker(f.look)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := f.muster(ctx, hard, crews); err != nil && ctx.Err() == nil {
			f.log.Error("cannot read channels", "err", err)
		}
		f.tell(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	for _, c := range crews {
		<-c.done
	}
	f.leave()
}

// muster starts, stops and restarts crews so that they are what the settings say. It waits for no crew: one that takes
// long to stop must not keep the others from what they want.
func (f *Fleet) muster(ctx, hard context.Context, crews map[message.ChannelID]*crew) error {
	want, err := f.gw.Connections.All(ctx)
	if err != nil {
		return err
	}
	wanted := map[message.ChannelID]connection.Channel{}
	for _, c := range want {
		if c.Enabled && c.Mode != connection.Draining {
			wanted[c.ID] = c
		}
	}
	for id, c := range crews {
		if w, ok := wanted[id]; c.stopping || !ok || !same(w, c.channel) {
			c.stopping = true
			c.stop()
			if c.ended() {
				delete(crews, id)
				f.forget(id)
			}
		}
	}
	for id, c := range wanted {
		if crews[id] == nil {
			crews[id] = f.start(ctx, hard, c)
		}
	}
	return nil
}

// ended tells whether the crew has stopped.
func (c *crew) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
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
		if f.eachNode(c) {
			f.keep(run, hard, c, nil)
			return
		}
		f.alone(run, hard, c)
	}()
	return w
}

// keep opens the channel's session again and again, waiting longer while that fails.
func (f *Fleet) keep(ctx, hard context.Context, c connection.Channel, lease *store.Lease) {
	p := f.holds(c.ID)
	defer f.quits(c.ID, p)
	wait := firstWait
	for f.linked(ctx, hard, c, lease, p.again) && f.opening.Leave(ctx) == nil {
		f.report(c, connection.State{Phase: connection.Connecting})
		lived, err := f.serve(ctx, hard, c, lease, p)
		if ctx.Err() != nil {
			return
		}
		if !f.mayGo(ctx, c) { // its device is linked no more, which says why
			wait = firstWait
			continue
		}
		if lived > steady {
			wait = firstWait
		}
		pause := max(queue.Jitter(wait), patience(err))
		f.report(c, downOf(err))
		f.log.Warn("session lost", "channel", c.Name, "driver", c.Driver, "err", err, "again", pause.Round(time.Millisecond))
		wait = min(2*wait, lastWait)
		select {
		case <-ctx.Done():
		case <-p.again:
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

// serve opens a session and works the channel's lanes with it until it is lost or ctx ends. It tells how long the session
// lived.
func (f *Fleet) serve(ctx, hard context.Context, c connection.Channel, lease *store.Lease, p *post) (lived time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("driver %s panicked: %v\n%s", c.Driver, p, debug.Stack())
		}
	}()
	driver, ok := f.drivers[c.Driver]
	if !ok {
		return 0, fmt.Errorf("there is no driver %q", c.Driver)
	}
	pace, err := f.paceOf(ctx, c)
	if err != nil {
		return 0, err
	}
	session, err := driver.Open(ctx, f.env(c, lease))
	if err != nil {
		return 0, err
	}
	window := channel.WindowOf(session)
	slots := make(chan struct{}, window)
	f.up(c, window, func() int { return len(slots) }, pace)
	f.log.Info("session open", "channel", c.Name, "driver", c.Driver, "window", window)
	began := time.Now()
	err = f.work(ctx, hard, c, session, slots, pace, p)
	return time.Since(began), err
}

// paceOf is how fast the channel goes: as its rate says, or as carefully as its driver wants.
func (f *Fleet) paceOf(ctx context.Context, c connection.Channel) (*queue.Pace, error) {
	care, careful := f.gw.Care(c)
	if !careful {
		return queue.NewPace(rateOf(c, max(1, c.Shards))), nil
	}
	if err := f.gw.Connections.Recall(ctx, c.ID); err != nil {
		return nil, err
	}
	every := care.Every
	if every > 0 && c.Rate > 0 {
		every = max(every, time.Second/time.Duration(c.Rate))
	}
	return queue.NewCarefulPace(every, care.Jitter, func() bool { return f.gw.Closed(c, care) }), nil
}

// work runs the session and its lanes. The session outlives the lanes' work, so that what is under way gets its answer.
func (f *Fleet) work(ctx, hard context.Context, c connection.Channel, session channel.Session, slots chan struct{}, pace *queue.Pace, p *post) error {
	alive, lost := context.WithCancel(ctx) // lanes claim while this lives
	defer lost()
	live, end := context.WithCancelCause(hard) // the session serves while this lives
	defer end(nil)
	ended := make(chan error, 1)
	go func() {
		err := f.run(live, session)
		ended <- err
		lost()
		end(err) // what still waits for an answer of it waits in vain
	}()
	s := &guarded{session, slots, pace, end, f.Watch}
	f.mans(p, s, lost)
	defer f.mans(p, nil, nil)
	var fetching sync.WaitGroup
	if _, able := session.(channel.Fetcher); able {
		fetching.Go(func() { f.fetch(alive, live, c, s) })
	}
	f.lanes(alive, live, c, f.gw.Sender(s), cap(slots), pace)
	lost() // the lanes also end when the device is linked no more
	fetching.Wait()
	end(nil)
	err := <-ended
	if panicked := (*panicError)(nil); errors.As(context.Cause(live), &panicked) {
		return panicked
	}
	return err
}

// guarded is a session that is given no more parts at once than it takes, and that a panic stops.
type guarded struct {
	channel.Session
	slots chan struct{}
	pace  *queue.Pace
	end   context.CancelCauseFunc
	watch func(m message.Outbound, from, to time.Time, err error)
}

// Send hands a part to the session. After a panic nobody knows whether it left.
func (s *guarded) Send(ctx context.Context, m message.Outbound) (remoteID string, err error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return "", &channel.Failure{Verdict: channel.Retry, Code: "session_lost", Err: context.Cause(ctx)}
	}
	defer func() { <-s.slots }()
	if err := s.pace.Leave(ctx); err != nil {
		return "", &channel.Failure{Verdict: channel.Retry, Code: "session_lost", Err: err}
	}
	defer func() {
		if p := recover(); p != nil {
			broken := &panicError{fmt.Sprintf("send panicked: %v\n%s", p, debug.Stack())}
			s.end(broken)
			err = &channel.Failure{Code: "driver_panic", Err: broken}
		}
	}()
	if s.watch != nil {
		began := time.Now()
		defer func() { s.watch(m, began, time.Now(), err) }()
	}
	return s.Session.Send(ctx, m)
}

// Find asks the session's network about a part, if it can be asked.
func (s *guarded) Find(ctx context.Context, m message.Outbound) (remoteID string, found bool, err error) {
	finder, ok := s.Session.(channel.Finder)
	if !ok {
		return "", false, errors.ErrUnsupported
	}
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("find panicked: %v\n%s", p, debug.Stack())}
			s.end(err)
		}
	}()
	return finder.Find(ctx, m)
}

// Fetch has the session get a file, if it can.
func (s *guarded) Fetch(ctx context.Context, source []byte, into io.Writer) (err error) {
	fetcher, ok := s.Session.(channel.Fetcher)
	if !ok {
		return errors.ErrUnsupported
	}
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("fetch panicked: %v\n%s", p, debug.Stack())}
			s.end(err)
		}
	}()
	return fetcher.Fetch(ctx, source, into)
}

// fetchers is how many files of one channel are fetched at once.
const fetchers = 2

// fetch works the lane of the channel's files until ctx ends. A file that is not here by then is fetched again: it is not waited for.
func (f *Fleet) fetch(ctx, hard context.Context, c connection.Channel, s channel.Fetcher) {
	get := f.gw.Fetcher(s)
	f.queue.Work(ctx, hard, gateway.FetchLane(c.ID), fetchers, nil, func(_ context.Context, t *queue.Task) { get(ctx, t) })
}

// panicError is why a session was stopped.
type panicError struct{ text string }

// Error is what panicked, and where.
func (e *panicError) Error() string { return e.text }

// run serves the session; a panic ends it and nothing else.
func (f *Fleet) run(ctx context.Context, s channel.Session) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("session panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	return s.Run(ctx)
}
