package fleet

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// countEvery is how often counts alone are written down: they change with each part.
const countEvery = 2 * time.Second

// ledger is what this server has written down of how its channels are.
type ledger struct {
	boot    int64 // under which start; it changes when the others took this server for dead
	states  map[message.ChannelID]connection.State
	counted time.Time
}

// report notes how a channel's session is. A channel that is down stays so, and since then, while it is tried again in vain.
func (f *Fleet) report(c connection.Channel, s connection.State) {
	f.note(c, s, nil, nil)
}

// up notes that the session is open.
func (f *Fleet) up(c connection.Channel, window int, busy func() int, pace *queue.Pace) {
	f.note(c, connection.State{Phase: connection.Up, Window: window}, busy, pace)
}

func (f *Fleet) note(c connection.Channel, s connection.State, busy func() int, pace *queue.Pace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.states[c.ID]
	if old.Phase == connection.Down && s.Phase == connection.Connecting {
		return
	}
	s.Channel, s.Node, s.Since = c.ID, f.host, f.gw.Store.Now().UTC()
	if old.Phase == s.Phase {
		s.Since = old.Since
	}
	f.states[c.ID] = State{State: s, Name: c.Name, Driver: c.Driver, busy: busy, pace: pace}
}

func (f *Fleet) forget(id message.ChannelID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.states, id)
}

// downOf is the state of a session that ended, or could not be opened.
func downOf(err error) connection.State {
	s := connection.State{Phase: connection.Down, Code: "closed"}
	fail, ok := errors.AsType[*channel.Failure](err)
	switch {
	case ok:
		s.Code = fail.Code
	case err != nil:
		s.Code = "failed"
	}
	s.Reason = sentence(s.Code, err)
	return s
}

// noDatabase is the code of a session that was closed because another server may take it over.
const noDatabase = "no_database"

// sentences are what the codes of failures that end a session say to people.
var sentences = map[string]string{
	"closed":          "The network closed the connection",
	"unreachable":     "The network cannot be reached",
	"no_bind":         "The network did not answer the login",
	"bad_credentials": "The network refused the user name or the password",
	"bad_settings":    "The network refused the settings",
	"already_bound":   "The network says that we are logged in already, as it does for a while after a connection is cut",
	"throttled":       "The network wants fewer logins",
	"not_bound":       "The network has forgotten our login",
	"connection_lost": "The connection was lost",
	"not_connected":   "The connection was lost",
	"no_answer":       "The network does not answer",
	"protocol_error":  "The network broke the rules of the protocol",
	"failed":          "The session failed",
	"not_linked":      "No phone has linked the channel",
	"codes_expired":   "Nobody scanned or typed a code in time",
	"logged_out":      "The device was removed on the phone or by WhatsApp; link it again",
	"removed":         "WhatsApp has locked the account, or it has moved to another phone; link the device again",
	"banned":          "WhatsApp has banned the account",
	"temporary_ban":   "WhatsApp has banned the number for some time",
	"reach_out":       "WhatsApp lets the number write to nobody who has not written first",
	"replaced":        "Another program has connected as this very device",
	"client_outdated": "WhatsApp wants a newer client",
	"refused":         "The network refused the login",
	"no_login":        "The network did not let the device in",
	"stream_error":    "The network ended the connection",
	"storage":         "What came in could not be stored; the network brings it again",
	"code_refused":    "WhatsApp gave no code for this number",
	"pairing_failed":  "The phone's answer could not be checked",
	"passkey_wanted":  "WhatsApp wants a passkey for this account, which only its own clients can ask for",
	interrupted:       "The server that showed the codes stopped",
	cancelled:         "It was given up",
	noDatabase:        "The database has not been heard of for long, and another server may take over",
}

// sentence says what a code means, with the cause as far as one line tells it.
func sentence(code string, err error) string {
	text := sentences[code]
	if text == "" {
		text = "The session ended: " + code
	}
	if fail, ok := errors.AsType[*channel.Failure](err); ok {
		err = fail.Err
		if fail.Native != "" {
			text += " (" + fail.Native + ")"
		}
	}
	if err == nil {
		return text + "."
	}
	cause, _, _ := strings.Cut(err.Error(), "\n") // a stack is for the log
	return text + ": " + cause + "."
}

// hostName is how states name this server.
func hostName() string {
	name, _ := os.Hostname()
	return name
}

// tell writes down how the channels are here, as far as that changed, and tells of those that went down or came up again. What
// cannot be written is tried again.
func (f *Fleet) tell(ctx context.Context) {
	err := f.publish()
	if err == nil {
		err = f.announce(ctx)
	}
	if err != nil && ctx.Err() == nil && f.gw.Store.Healthy() == nil {
		f.log.Error("cannot write down how channels are", "err", err)
	}
}

// publish writes the news of this server's sessions.
func (f *Fleet) publish() error {
	connections, s := f.gw.Connections, f.gw.Store
	if boot := s.Boot(); f.told.boot != boot {
		if err := s.Write(connections.Begin); err != nil {
			return err
		}
		f.told = ledger{boot: boot, states: map[message.ChannelID]connection.State{}}
	}
	changed, gone, countsOnly := f.told.news(f.States())
	if len(changed)+len(gone) == 0 || countsOnly && time.Since(f.told.counted) < countEvery {
		return nil
	}
	err := s.Write(func(tx *store.Tx) error { return connections.Report(tx, changed, gone, countsOnly) })
	if err != nil {
		return err
	}
	for _, c := range changed {
		f.told.states[c.Channel] = c
	}
	for _, id := range gone {
		delete(f.told.states, id)
	}
	f.told.counted = time.Now()
	return nil
}

// news is what differs from what was written down.
func (l *ledger) news(now []State) (changed []connection.State, gone []message.ChannelID, countsOnly bool) {
	countsOnly = true
	here := map[message.ChannelID]bool{}
	for _, s := range now {
		here[s.Channel] = true
		old, known := l.states[s.Channel]
		if known && old == s.State {
			continue
		}
		changed = append(changed, s.State)
		old.Busy = s.Busy
		countsOnly = countsOnly && known && old == s.State
	}
	for id := range l.states {
		if !here[id] {
			gone = append(gone, id)
		}
	}
	return changed, gone, countsOnly && len(gone) == 0
}

// announce tells of channels that have been down on all servers for long, and of those that are up again.
func (f *Fleet) announce(ctx context.Context) error {
	fell, rose, err := f.gw.Connections.Untold(ctx, f.gw.Store.Now())
	if err != nil {
		return err
	}
	for _, id := range fell {
		if err := f.announceOne(ctx, id, event.ChannelDown, f.gw.Connections.Fell); err != nil {
			return err
		}
	}
	for _, id := range rose {
		if err := f.announceOne(ctx, id, event.ChannelUp, f.gw.Connections.Rose); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fleet) announceOne(ctx context.Context, id message.ChannelID, kind event.Kind, mark func(*store.Tx, message.ChannelID) (bool, error)) error {
	c, ok, err := f.gw.Connections.Get(ctx, id)
	if err != nil || !ok {
		return err
	}
	states, err := f.gw.Connections.States(ctx)
	if err != nil {
		return err
	}
	overall := connection.Overall(states[id])
	return f.gw.Store.Write(func(tx *store.Tx) error {
		first, err := mark(tx, id)
		if err != nil || !first {
			return err
		}
		return f.gw.TellOfChannel(tx, c, kind, overall.Reason)
	})
}

// leave forgets how the channels were here.
func (f *Fleet) leave() {
	if err := f.gw.Store.Write(f.gw.Connections.End); err != nil && !f.gw.Store.Closing() && f.gw.Store.Healthy() == nil {
		f.log.Error("cannot forget how channels were", "err", err)
	}
}
