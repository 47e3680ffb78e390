package fleet

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/store"
)

// checksPerMinute is how many numbers a device may ask its network about in a minute: one that asks about many is taken for a
// machine and banned.
const checksPerMinute = 60

// reconnect is the call that has a session opened anew; it needs none.
const reconnect = "reconnect"

type (
	typing struct {
		To    message.Address
		State channel.Typing
	}
	marking struct {
		From, Group message.Address
		RemoteIDs   []string
		At          time.Time
	}
	none struct{}
)

// What a session can be asked.
var (
	unlinkCall = ability("unlink", func(s channel.Unlinker, ctx context.Context, _ none) (none, error) { return none{}, s.Unlink(ctx) })
	checkCall  = ability("check", channel.Checker.Check)
	peopleCall = ability("people", func(s channel.AddressBook, ctx context.Context, _ none) ([]message.Person, error) {
		return s.People(ctx)
	})
	pictureCall = ability("picture", channel.AddressBook.Picture)
	groupsCall  = ability("groups", func(s channel.Grouper, ctx context.Context, _ none) ([]channel.Group, error) { return s.Groups(ctx) })
	groupCall   = ability("group", channel.Grouper.Group)
	typingCall  = ability("typing", func(s channel.Presenter, ctx context.Context, t typing) (none, error) {
		return none{}, s.Typing(ctx, t.To, t.State)
	})
	markCall = ability("mark_read", func(s channel.Presenter, ctx context.Context, m marking) (none, error) {
		return none{}, s.MarkRead(ctx, m.From, m.Group, m.RemoteIDs, m.At)
	})
)

// askable is what one server may ask another.
var askable = map[string]interface {
	serves(ctx context.Context, s *guarded, question string) (any, error)
}{
	unlinkCall.name: unlinkCall, checkCall.name: checkCall, peopleCall.name: peopleCall, pictureCall.name: pictureCall,
	groupsCall.name: groupsCall, groupCall.name: groupCall, typingCall.name: typingCall, markCall.name: markCall,
}

// People lists everybody the channel's device knows. The errors of this and the next ones are faults: fault.NotConnected,
// fault.NoAnswer after five seconds, fault.NotSupported, fault.NetworkRefused.
func (f *Fleet) People(ctx context.Context, c connection.Channel) ([]message.Person, error) {
	return peopleCall.ask(ctx, f, c, none{})
}

// Picture is where the picture of somebody, a group or, for no address, the device itself can be fetched for some time.
func (f *Fleet) Picture(ctx context.Context, c connection.Channel, of message.Address) (url string, err error) {
	return pictureCall.ask(ctx, f, c, of)
}

// Groups lists the groups that the channel's device is in.
func (f *Fleet) Groups(ctx context.Context, c connection.Channel) ([]channel.Group, error) {
	return groupsCall.ask(ctx, f, c, none{})
}

// Group tells about one of them.
func (f *Fleet) Group(ctx context.Context, c connection.Channel, group message.Address) (channel.Group, error) {
	return groupCall.ask(ctx, f, c, group)
}

// Typing shows that we write, or do not any more.
func (f *Fleet) Typing(ctx context.Context, c connection.Channel, to message.Address, state channel.Typing) error {
	_, err := typingCall.ask(ctx, f, c, typing{to, state})
	return err
}

// MarkRead tells the writer that messages of one chat were read.
func (f *Fleet) MarkRead(ctx context.Context, c connection.Channel, from, group message.Address, remoteIDs []string) error {
	_, err := markCall.ask(ctx, f, c, marking{from, group, remoteIDs, f.gw.Store.Now()})
	return err
}

// Check tells which phone numbers have an account of the channel's network, in their order. What was asked lately is remembered;
// of others a device may ask for sixty in a minute: fault.RateLimited.
func (f *Fleet) Check(ctx context.Context, c connection.Channel, phones []message.Address) ([]channel.Known, error) {
	known, err := f.gw.Connections.Known(ctx, c.ID, phones)
	if err != nil {
		return nil, err
	}
	var unknown []message.Address
	for _, phone := range phones {
		if _, ok := known[phone]; !ok {
			known[phone] = channel.Known{} // asked once, however often it is there
			unknown = append(unknown, phone)
		}
	}
	if len(unknown) > 0 {
		fresh, err := f.checkUnknown(ctx, c, unknown)
		if err != nil {
			return nil, err
		}
		for i, one := range fresh {
			known[unknown[i]] = one
		}
	}
	answers := make([]channel.Known, len(phones))
	for i, phone := range phones {
		answers[i] = known[phone]
	}
	return answers, nil
}

func (f *Fleet) checkUnknown(ctx context.Context, c connection.Channel, phones []message.Address) ([]channel.Known, error) {
	left, err := f.rates.Take(rate.Name{Of: "checks", ID: int64(c.ID)}, len(phones), rate.Limit{PerMinute: checksPerMinute, Burst: checksPerMinute})
	if err != nil {
		return nil, err
	}
	if !left.OK {
		return nil, fault.New(fault.RateLimited, "a device asks about %d numbers in a minute", checksPerMinute).After(left.Wait)
	}
	fresh, err := checkCall.ask(ctx, f, c, phones)
	if err != nil {
		return nil, err
	}
	if len(fresh) != len(phones) {
		return nil, fmt.Errorf("channel %s answered about %d numbers of %d", c.Name, len(fresh), len(phones))
	}
	for i := range fresh {
		fresh[i].Phone = phones[i]
	}
	return fresh, f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.Connections.Remember(tx, c.ID, fresh) })
}

// Reconnect closes the channel's session and opens it again at once, or tries at once to open one.
func (f *Fleet) Reconnect(ctx context.Context, c connection.Channel) error {
	if p, _ := f.at(c.ID); p != nil {
		f.reopens(p)
		return nil
	}
	if !f.gw.Store.Shared() {
		if c.Enabled && c.Mode != connection.Draining { // its settings were changed a moment ago, and it is opened with them
			return nil
		}
		return notConnected()
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err := f.askOther(ctx, c, reconnect, "null")
	return err
}

func (f *Fleet) reopens(p *post) {
	select {
	case p.again <- struct{}{}:
	default:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.close != nil {
		p.close()
	}
}

// Unlink logs the channel's device out: its network is told, if there is a session, and what its driver keeps of it is dropped.
// A pairing that runs is given up.
func (f *Fleet) Unlink(ctx context.Context, by audit.Actor, c connection.Channel) error {
	d, err := f.gw.Connections.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	pairing, running, err := f.gw.Connections.Pairing(ctx, c.ID)
	if err != nil {
		return err
	}
	running = running && !pairing.Over()
	if d.Linked.IsZero() && !running {
		return fault.New(fault.NotLinked, "the device is not linked")
	}
	if !d.Linked.IsZero() {
		if _, err := unlinkCall.ask(ctx, f, c, none{}); err != nil {
			f.log.Warn("a device was logged out without its network", "channel", c.Name, "err", err)
		}
	}
	err = f.gw.Store.Write(func(tx *store.Tx) error {
		if running {
			if _, err := f.gw.Connections.EndPairing(tx, pairing, connection.PairingFailed, cancelled, sentence(cancelled, nil)); err != nil {
				return err
			}
		}
		if err := f.gw.Unlinked(tx, c, channel.Unlinked{Code: "logged_out", Reason: "It was logged out here."}); err != nil {
			return err
		}
		if err := tx.Wake([]string{leaseName(c.ID)}); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Account: c.Account, Actor: by, Action: "channel.unlink", Subject: c.ID.String(), Detail: c.Name})
	})
	if err != nil {
		return err
	}
	f.woken(nil)
	return f.cleared(ctx, c)
}

// cleared waits until the driver has dropped what it kept of a device that is linked no more. Where no server looks after the
// channel, this one does it.
func (f *Fleet) cleared(ctx context.Context, c connection.Channel) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for {
		called := f.calls()
		d, err := f.gw.Connections.Device(context.WithoutCancel(ctx), c.ID)
		if err != nil || d.Remote == "" || !d.Linked.IsZero() {
			return err
		}
		if ctx.Err() != nil {
			return noAnswer()
		}
		if !c.Enabled || c.Mode == connection.Draining {
			if err := f.clears(ctx, c); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-called:
		case <-time.After(askLook):
		}
	}
}

func (f *Fleet) clears(ctx context.Context, c connection.Channel) error {
	lease, err := f.gw.Store.Take(ctx, leaseName(c.ID), store.Grace)
	if err != nil || lease == nil {
		return err
	}
	err = f.forgets(ctx, c, lease)
	if given := f.gw.Store.Give(ctx, lease); err == nil {
		err = given
	}
	return err
}

// Delete deletes a channel in which nothing waits. A linked one is logged out first.
func (f *Fleet) Delete(ctx context.Context, by audit.Actor, c connection.Channel) error {
	waiting, err := f.gw.WaitingIn(ctx, c.ID)
	if err != nil {
		return err
	}
	if f.gw.Links(c) && len(waiting) == 0 {
		if err := f.Unlink(ctx, by, c); err != nil && !fault.Is(err, fault.NotLinked) {
			return err
		}
	}
	return f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.DeleteChannel(tx, by, c.ID) })
}
