package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
)

// tryTime is how long a trial of a channel may take.
const tryTime = 20 * time.Second

// Trial is what came of trying a channel.
type Trial struct {
	OK     bool
	Live   bool // no session was opened: the one that is there says it, since the network allows one
	Took   time.Duration
	Window int
	Code   string // why it failed, for programs
	Reason string // and for people
}

// Try opens a session of the channel as it would be opened for work, and closes it. What the network tells meanwhile is taken as
// ever. Where only one session may be, and one is up, that one is left alone and answers for it. So does that of a linked device,
// however it is: a second one would push it out.
func (f *Fleet) Try(ctx context.Context, c connection.Channel) (Trial, error) {
	all, err := f.gw.Connections.States(ctx)
	if err != nil {
		return Trial{}, err
	}
	if now := connection.Overall(all[c.ID]); now.Phase == connection.Up && !f.eachNode(c) {
		return Trial{OK: true, Live: true, Window: now.Window}, nil
	}
	if f.drivers[c.Driver].Link != nil {
		now := connection.Overall(all[c.ID])
		return Trial{Live: true, Code: cmp.Or(now.Code, "not_connected"), Reason: cmp.Or(now.Reason, "The device is not connected.")}, nil
	}
	if f.gw.Links(c) { // a second session would end the first, and one of a device that is not linked cannot be
		now := connection.Overall(all[c.ID])
		return Trial{Code: cmp.Or(now.Code, "not_connected"), Reason: cmp.Or(now.Reason, sentence("not_connected", nil))}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	began := time.Now()
	window, err := f.openOnce(ctx, c)
	t := Trial{OK: err == nil, Took: time.Since(began), Window: window}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		t.Code, t.Reason = "no_answer", fmt.Sprintf("%s within %s.", sentences["no_answer"], tryTime)
	default:
		down := downOf(err)
		t.Code, t.Reason = down.Code, down.Reason
	}
	return t, nil
}

// openOnce opens a session and closes it again, as far as it can before ctx ends; the rest is then done behind.
func (f *Fleet) openOnce(ctx context.Context, c connection.Channel) (window int, err error) {
	driver, ok := f.drivers[c.Driver]
	if !ok {
		return 0, fmt.Errorf("there is no driver %q", c.Driver)
	}
	type result struct {
		window int
		err    error
	}
	done := make(chan result, 1)
	go func() {
		session, err := open(ctx, driver, f.env(c, nil))
		if err != nil {
			done <- result{err: err}
			return
		}
		ended, end := context.WithCancel(ctx)
		end()
		if err := f.run(ended, session); errors.As(err, new(*panicError)) {
			done <- result{err: err}
			return
		}
		done <- result{window: channel.WindowOf(session)}
	}()
	select {
	case r := <-done:
		return r.window, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// open opens a session; a panic is its failure.
func open(ctx context.Context, driver channel.Driver, env channel.Env) (session channel.Session, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("open panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	return driver.Open(ctx, env)
}
