package connection

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topicState names what is kept in memory: how the channels are on all servers.
const topicState = "channel_state"

// Phase is how a server's session of a channel is.
type Phase string

// The phases.
const (
	Connecting Phase = "connecting" // for the first time, or after it was up
	Up         Phase = "up"
	Down       Phase = "down"
	Waiting    Phase = "waiting"  // another server has the session
	Unlinked   Phase = "unlinked" // no phone has linked it, or one logged it out
	Linking    Phase = "pairing"  // a phone is shown codes
)

// State is how one server's session of a channel is.
type State struct {
	Channel message.ChannelID
	Boot    int64  // the start of the server
	Node    string // its name
	Phase   Phase
	Since   time.Time
	Code    string // why it is down, for programs
	Reason  string // and for people
	Window  int
	Busy    int // parts under way, as of some seconds ago
}

// states is how all channels are, in memory.
type states struct {
	of      map[message.ChannelID][]State
	outages map[message.ChannelID]time.Time // that were told of
}

func (k *Keeper) loadStates(ctx context.Context, q store.Queryer) (*states, error) {
	rows, err := on(q).LiveStates(ctx, liveStatesParams{Boot: k.store.Boot()})
	if err != nil {
		return nil, err
	}
	outages, err := on(q).Outages(ctx)
	if err != nil {
		return nil, err
	}
	s := &states{of: map[message.ChannelID][]State{}, outages: map[message.ChannelID]time.Time{}}
	for _, r := range rows {
		s.of[r.ChannelID] = append(s.of[r.ChannelID], State{
			Channel: r.ChannelID, Boot: r.Node, Node: r.Name, Phase: Phase(r.Phase), Since: time.UnixMilli(r.Since).UTC(),
			Code: r.Code, Reason: r.Reason, Window: int(r.Parts), Busy: int(r.Busy),
		})
	}
	for _, r := range outages {
		s.outages[r.ChannelID] = time.UnixMilli(r.Since).UTC()
	}
	return s, nil
}

// Report writes down how this server's sessions are: those that changed, and those that are no more. Counts alone are news to
// whoever asks, and not to what every server keeps in memory.
func (k *Keeper) Report(tx *store.Tx, changed []State, gone []message.ChannelID, countsOnly bool) error {
	rows := make([]putStateParams, len(changed))
	for i, s := range changed {
		rows[i] = putStateParams{
			ChannelID: s.Channel, Node: tx.Boot(), Name: s.Node, Phase: string(s.Phase), Since: s.Since.UnixMilli(), Code: s.Code, Reason: s.Reason,
			Parts: int64(s.Window), Busy: int64(s.Busy),
		}
	}
	dropped := make([]dropStateParams, len(gone))
	for i, id := range gone {
		dropped[i] = dropStateParams{ChannelID: id, Node: tx.Boot()}
	}
	if err := store.Run(tx, putState, rows); err != nil {
		return fmt.Errorf("write down how channels are: %w", err)
	}
	if err := store.Run(tx, dropState, dropped); err != nil {
		return fmt.Errorf("write down how channels are: %w", err)
	}
	if countsOnly {
		return nil
	}
	return tx.Touch(topicState)
}

// Begin forgets how channels were on servers that are no more.
func (k *Keeper) Begin(tx *store.Tx) error {
	if err := store.Run(tx, dropLostStates, []int64{tx.Boot()}); err != nil {
		return fmt.Errorf("forget how channels were: %w", err)
	}
	return tx.Touch(topicState)
}

// End forgets how channels were on this server, which stops.
func (k *Keeper) End(tx *store.Tx) error { return k.forget(tx, tx.Boot()) }

func (k *Keeper) forget(tx *store.Tx, boot int64) error {
	if err := store.Run(tx, dropStatesOf, []int64{boot}); err != nil {
		return fmt.Errorf("forget how channels were: %w", err)
	}
	return tx.Touch(topicState)
}

// States tells how all channels are on all servers, as of now.
func (k *Keeper) States(ctx context.Context) (map[message.ChannelID][]State, error) {
	s, err := k.loadStates(ctx, k.store.Reader())
	if err != nil {
		return nil, fmt.Errorf("read how channels are: %w", err)
	}
	return s.of, nil
}

// Down tells whether a channel carries nothing, and since when: no server has a session of it and one at least has tried in
// vain, or someone paused or drained it. It costs a look into memory. What nobody knows is not down.
func (k *Keeper) Down(ctx context.Context, id message.ChannelID) (since time.Time, down bool) {
	c, ok, err := k.Get(ctx, id)
	if err != nil || !ok {
		return time.Time{}, false
	}
	if c.Mode != Working {
		return c.Updated, true
	}
	s, err := k.live.Get(ctx)
	if err != nil {
		return time.Time{}, false
	}
	if since, down = downSince(s.of[id]); !down {
		since, down = unlinkedSince(s.of[id])
	}
	return since, down
}

// unlinkedSince is since when a channel cannot send because no phone has linked it.
func unlinkedSince(states []State) (since time.Time, unlinked bool) {
	for _, s := range states {
		if s.Phase == Unlinked || s.Phase == Linking {
			return s.Since, true
		}
	}
	return time.Time{}, false
}

// Connected tells whether any server has a session of the channel. It costs a look into memory.
func (k *Keeper) Connected(ctx context.Context, id message.ChannelID) (bool, error) {
	s, err := k.live.Get(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(s.of[id], func(one State) bool { return one.Phase == Up }), nil
}

// downSince is when the last server lost the channel's session.
func downSince(states []State) (since time.Time, down bool) {
	for _, s := range states {
		switch {
		case s.Phase == Up:
			return time.Time{}, false
		case s.Phase == Down && s.Since.After(since):
			since, down = s.Since, true
		}
	}
	return since, down
}

// Overall is how a channel is on all servers together: it is up when any server has its session, and down when those that tried
// since have failed. Nothing at all: nobody has begun with it.
func Overall(all []State) State {
	best, window, busy := State{Phase: Connecting}, 0, 0
	for i, s := range all {
		better := rank[s.Phase] > rank[best.Phase] || s.Phase == best.Phase && (s.Phase == Down) == s.Since.After(best.Since)
		if i == 0 || better {
			best = s
		}
		window, busy = window+s.Window, busy+s.Busy
	}
	best.Window, best.Busy = window, busy
	return best
}

// rank is which phase of several says how a channel is.
var rank = map[Phase]int{Waiting: 1, Connecting: 2, Down: 3, Unlinked: 4, Linking: 5, Up: 6}

// How long a channel is down, or up again, until it is told.
const (
	downLong = time.Minute
	upLong   = 10 * time.Second
)

// Untold lists the channels that have been down for a minute on all servers, and those that are up again, unless it was told.
// It costs a look into memory.
func (k *Keeper) Untold(ctx context.Context, now time.Time) (fell, rose []message.ChannelID, err error) {
	s, err := k.live.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	for id, states := range s.of {
		_, told := s.outages[id]
		since, down := downSince(states)
		switch {
		case !told && down && now.Sub(since) >= downLong:
			fell = append(fell, id)
		case told && upFor(states, now) >= upLong:
			rose = append(rose, id)
		}
	}
	return fell, rose, nil
}

// upFor is how long some server has had a session of the channel.
func upFor(states []State, now time.Time) (longest time.Duration) {
	for _, s := range states {
		if s.Phase == Up {
			longest = max(longest, now.Sub(s.Since))
		}
	}
	return longest
}

// Fell writes down that it is told of a channel that it is down; false when that was told, or is not so any more.
func (k *Keeper) Fell(tx *store.Tx, id message.ChannelID) (bool, error) {
	n, err := store.Each(tx, addOutage, []addOutageParams{{ChannelID: int64(id), Since: tx.NowMilli(), Boot: tx.Boot()}})
	return told(tx, n, err)
}

// Rose writes down that it is told of a channel that it is up again; false when that was told.
func (k *Keeper) Rose(tx *store.Tx, id message.ChannelID) (bool, error) {
	n, err := store.Each(tx, dropOutage, []dropOutageParams{{ChannelID: id}})
	return told(tx, n, err)
}

func told(tx *store.Tx, touched []int64, err error) (bool, error) {
	if err != nil {
		return false, fmt.Errorf("write down an outage: %w", err)
	}
	if touched[0] == 0 {
		return false, nil
	}
	return true, tx.Touch(topicState)
}
