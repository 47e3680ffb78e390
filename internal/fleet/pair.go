package fleet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// pairingTime is how long a channel may take to be linked: networks end it sooner.
const pairingTime = 10 * time.Minute

// Pair asks for a channel to be linked: by a code that the owner of phone types, or by one that is scanned. Whichever server has
// the channel shows the codes. While a pairing runs already, that one is returned.
func (f *Fleet) Pair(ctx context.Context, by audit.Actor, c connection.Channel, phone string) (connection.Pairing, error) {
	if err := f.mayPair(ctx, c); err != nil {
		return connection.Pairing{}, err
	}
	err := f.gw.Store.Write(func(tx *store.Tx) error {
		asked, err := f.gw.Connections.AskPairing(tx, c.ID, phone)
		if err != nil || !asked {
			return err
		}
		return audit.Append(tx, audit.Entry{Account: c.Account, Actor: by, Action: "channel.pair", Subject: c.ID.String(), Detail: c.Name})
	})
	if err != nil {
		return connection.Pairing{}, err
	}
	f.woken(nil)
	p, _, err := f.gw.Connections.Pairing(ctx, c.ID)
	return p, err
}

// firstCode is how long a request waits for the first code of a pairing.
const firstCode = 5 * time.Second

// PairAndShow asks as Pair does, and waits some seconds for the first code. A pairing without one is still being begun.
func (f *Fleet) PairAndShow(ctx context.Context, by audit.Actor, c connection.Channel, phone string) (connection.Pairing, error) {
	p, err := f.Pair(ctx, by, c, phone)
	ctx, cancel := context.WithTimeout(ctx, firstCode)
	defer cancel()
	for err == nil && p.Code == (channel.Code{}) && !p.Over() && ctx.Err() == nil {
		p, err = f.AwaitPairing(ctx, c, p.Step)
	}
	return p, err
}

func (f *Fleet) mayPair(ctx context.Context, c connection.Channel) error {
	d, err := f.gw.Connections.Device(ctx, c.ID)
	switch {
	case err != nil:
		return err
	case !f.gw.Links(c):
		return fault.New(fault.NotSupported, "a channel of the driver %s is not linked to a phone", c.Driver)
	case !d.Linked.IsZero():
		return fault.New(fault.AlreadyThere, "the device is linked already; log it out first")
	case !c.Enabled || c.Mode == connection.Draining:
		return fault.New(fault.NotConnected, "the channel is not enabled, or was drained: no server looks after it")
	}
	return nil
}

// AwaitPairing returns the channel's newest pairing once it is past the given step, or as it is at the end of ctx.
func (f *Fleet) AwaitPairing(ctx context.Context, c connection.Channel, step int) (connection.Pairing, error) {
	for {
		called := f.calls()
		p, ok, err := f.gw.Connections.Pairing(context.WithoutCancel(ctx), c.ID)
		if err == nil && !ok {
			err = fault.New(fault.NotHere, "nobody asked for the device to be linked")
		}
		if err != nil || p.Step > step || p.Over() || ctx.Err() != nil {
			return p, err
		}
		select {
		case <-ctx.Done():
		case <-called:
		case <-time.After(f.look):
		}
	}
}

// linked waits until the channel is linked to a phone, where it must be, and has it linked when somebody asks for that. It is
// false at the end of ctx.
func (f *Fleet) linked(ctx, hard context.Context, c connection.Channel, lease *store.Lease, again <-chan struct{}) bool {
	if f.drivers[c.Driver].Link == nil {
		return true
	}
	failed := connection.State{}
	for ctx.Err() == nil {
		called := f.calls()
		d, err := f.gw.Connections.Device(ctx, c.ID)
		wanted, wantedErr := f.gw.Connections.Wanted(ctx, c.ID)
		switch err = errors.Join(err, wantedErr); {
		case err == nil && !d.Linked.IsZero():
			return true
		case err == nil && d.Remote != "":
			err = f.forgets(ctx, c, lease)
		case err == nil && wanted:
			if failed, err = f.pair(ctx, hard, c, lease); err == nil {
				continue
			}
		}
		if err != nil && ctx.Err() == nil {
			f.log.Error("cannot link a channel", "channel", c.Name, "err", err)
		}
		f.report(c, unlinkedState(d, failed))
		select {
		case <-ctx.Done():
		case <-called:
		case <-again:
		case <-time.After(f.look):
		}
	}
	return false
}

// unlinkedState says why a channel is not linked: because of what came of the last pairing here, or of what its network said.
func unlinkedState(d connection.Device, failed connection.State) connection.State {
	s := connection.State{Phase: connection.Unlinked, Code: "not_linked", Reason: sentence("not_linked", nil)}
	switch {
	case failed.Code != "":
		s.Code, s.Reason = failed.Code, failed.Reason
	case d.Unlinked.Code != "":
		s.Code, s.Reason = d.Unlinked.Code, d.Unlinked.Reason
	}
	return s
}

// forgets has the driver drop what it keeps of a device that is linked no more.
func (f *Fleet) forgets(ctx context.Context, c connection.Channel, lease *store.Lease) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("forget panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	if err := f.drivers[c.Driver].Link.Forget(ctx, f.env(c, lease)); err != nil {
		return fmt.Errorf("forget a device: %w", err)
	}
	err = f.gw.Store.Write(func(tx *store.Tx) error {
		return errors.Join(f.gw.Connections.Forgotten(tx, c.ID), tx.Wake([]string{leaseName(c.ID)}))
	})
	f.woken(nil)
	return err
}

// pair links the channel as somebody asked. It returns what is to be shown when that failed.
func (f *Fleet) pair(ctx, hard context.Context, c connection.Channel, lease *store.Lease) (failed connection.State, err error) {
	p, ok, err := f.gw.Connections.Pairing(ctx, c.ID)
	if err != nil || !ok || p.Over() {
		return failed, err
	}
	if p.State == connection.PairingRunning { // whoever began it has ended, or this server would not be here
		return f.unpaired(hard, c, p, &channel.Failure{Code: interrupted})
	}
	var begun bool
	err = f.gw.Store.Write(func(tx *store.Tx) (err error) {
		begun, err = f.gw.Connections.BeginPairing(tx, p)
		return err
	})
	if err != nil || !begun {
		return failed, err
	}
	f.woken(nil)
	f.report(c, connection.State{Phase: connection.Linking})
	f.log.Info("linking a channel", "channel", c.Name, "driver", c.Driver)
	who, err := f.shows(ctx, c, p, lease)
	if err != nil {
		if ctx.Err() != nil {
			err = &channel.Failure{Code: interrupted}
		}
		return f.unpaired(hard, c, p, err)
	}
	f.log.Info("linked a channel", "channel", c.Name, "driver", c.Driver)
	return failed, f.surely(hard, func(tx *store.Tx) error {
		if err := f.gw.Linked(tx, c, who); err != nil {
			return err
		}
		_, err := f.gw.Connections.EndPairing(tx, p, connection.PairingLinked, "", "")
		return err
	})
}

// interrupted is the code of a pairing whose server stopped; cancelled of one that somebody gave up.
const (
	interrupted = "interrupted"
	cancelled   = "cancelled"
)

// unpaired writes down why a pairing came to nothing.
func (f *Fleet) unpaired(hard context.Context, c connection.Channel, p connection.Pairing, why error) (connection.State, error) {
	s := downOf(why)
	f.log.Warn("a channel was not linked", "channel", c.Name, "driver", c.Driver, "err", why)
	return s, f.surely(hard, func(tx *store.Tx) error {
		_, err := f.gw.Connections.EndPairing(tx, p, connection.PairingFailed, s.Code, s.Reason)
		return err
	})
}

// surely writes, and tries again until it can or hard ends: what a phone agreed to is agreed.
func (f *Fleet) surely(hard context.Context, write func(tx *store.Tx) error) error {
	for {
		err := f.gw.Store.Write(write)
		if err == nil || hard.Err() != nil || f.gw.Store.Closing() || f.gw.Store.Broken() {
			f.woken(nil)
			return err
		}
		f.log.Error("cannot write down what came of a pairing; trying again", "err", err)
		select {
		case <-hard.Done():
		case <-time.After(f.look):
		}
	}
}

// shows runs the driver's pairing, and writes each code down for all servers to read, until somebody gives it up.
func (f *Fleet) shows(ctx context.Context, c connection.Channel, p connection.Pairing, lease *store.Lease) (who channel.Identity, err error) {
	ctx, stop := context.WithTimeout(ctx, pairingTime)
	defer stop()
	show := func(code channel.Code) {
		var shown bool
		err := f.gw.Store.Write(func(tx *store.Tx) (err error) {
			shown, err = f.gw.Connections.ShowCode(tx, p, code)
			return err
		})
		if err != nil || !shown {
			stop()
		}
		f.woken(nil)
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- &panicError{fmt.Sprintf("pairing panicked: %v\n%s", p, debug.Stack())}
			}
		}()
		var err error
		who, err = f.drivers[c.Driver].Link.Pair(ctx, f.env(c, lease), p.Phone, show)
		done <- err
	}()
	for {
		called := f.calls()
		select {
		case err := <-done:
			if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = &channel.Failure{Code: "codes_expired", Err: err}
			}
			return who, err
		case <-called:
		case <-time.After(f.look):
		}
		if now, ok, err := f.gw.Connections.Pairing(context.WithoutCancel(ctx), c.ID); err == nil && (!ok || now.ID != p.ID || now.Over()) {
			stop()
		}
	}
}
