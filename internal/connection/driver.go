package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// ErrFenced says that the session of the channel is not this server's any more, so that nothing more may be written of it.
var ErrFenced = errors.New("the channel's session is another server's")

// afterAll comes after all that names go on with.
const afterAll = "\U0010FFFF"

// sealedState is what a driver keeps of one channel.
type sealedState struct {
	keeper *Keeper
	id     message.ChannelID
	lease  *store.Lease
}

// State is what a driver keeps of the channel, written by leave of the lease of the channel's session.
func (k *Keeper) State(id message.ChannelID, lease *store.Lease) channel.State {
	return &sealedState{k, id, lease}
}

// Load returns what is kept under the names.
func (s *sealedState) Load(ctx context.Context, names ...string) ([][]byte, error) {
	values := make([][]byte, len(names))
	q := on(s.keeper.store.Reader())
	for i, name := range names {
		sealed, err := q.DriverState(ctx, driverStateParams{ChannelID: s.id, Name: name})
		if store.NoRows(err) {
			continue
		}
		if err == nil {
			values[i], err = s.open(name, sealed)
		}
		if err != nil {
			return nil, fmt.Errorf("load the state of a session: %w", err)
		}
	}
	return values, nil
}

// List returns all that is kept under names with the prefix.
func (s *sealedState) List(ctx context.Context, prefix string) ([]channel.Kept, error) {
	rows, err := on(s.keeper.store.Reader()).DriverStates(ctx, driverStatesParams{ChannelID: s.id, First: prefix, Past: prefix + afterAll})
	if err != nil {
		return nil, fmt.Errorf("list the state of a session: %w", err)
	}
	list := make([]channel.Kept, len(rows))
	for i, r := range rows {
		list[i].Name = r.Name
		if list[i].Value, err = s.open(r.Name, r.Value); err != nil {
			return nil, fmt.Errorf("list the state of a session: %w", err)
		}
	}
	return list, nil
}

// Count tells how much is kept under names with the prefix.
func (s *sealedState) Count(ctx context.Context, prefix string) (int, error) {
	n, err := on(s.keeper.store.Reader()).CountDriverStates(ctx, countDriverStatesParams{ChannelID: s.id, First: prefix, Past: prefix + afterAll})
	if err != nil {
		return 0, fmt.Errorf("count the state of a session: %w", err)
	}
	return int(n), nil
}

// Save keeps all of these, or none.
func (s *sealedState) Save(_ context.Context, kept ...channel.Kept) error {
	c := &stateChange{id: s.id, lease: s.lease}
	for _, k := range kept {
		if k.Value == nil {
			c.drops = append(c.drops, dropDriverStateParams{ChannelID: s.id, Name: k.Name})
			continue
		}
		sealed, err := s.keeper.store.Seal(s.place(k.Name), string(k.Value))
		if err != nil {
			return err
		}
		c.puts = append(c.puts, putDriverStateParams{ChannelID: int64(s.id), Name: k.Name, Value: sealed, ExpiresAt: milli(k.Until)})
	}
	return s.keeper.change(c, len(kept))
}

// Clear forgets everything.
func (s *sealedState) Clear(context.Context) error {
	return s.keeper.change(&stateChange{id: s.id, lease: s.lease, clear: true}, 1)
}

func (s *sealedState) open(name, sealed string) ([]byte, error) {
	value, err := s.keeper.store.Unseal(s.place(name), sealed)
	return []byte(value), err
}

// place is where a value is sealed for.
func (s *sealedState) place(name string) string {
	return fmt.Sprintf("state/%d/%s", int64(s.id), name)
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stateChange is a member of the batch in which the sessions of all channels write what their drivers keep.
type stateChange struct {
	id    message.ChannelID
	lease *store.Lease
	clear bool
	drops []dropDriverStateParams
	puts  []putDriverStateParams
	err   error
}

func (k *Keeper) change(c *stateChange, rows int) error {
	if err := k.states.Do(c, rows); err != nil {
		return fmt.Errorf("keep the state of a session: %w", err)
	}
	return c.err
}

// changeStates writes the changes of those whose lease still holds. What a session changes at the same time may be written in any
// order.
func changeStates(tx *store.Tx, changes []*stateChange) error {
	var clears []dropDriverStatesParams
	var drops []dropDriverStateParams
	var puts []putDriverStateParams
	for _, c := range changes {
		holds, err := tx.Holds(c.lease)
		if err != nil {
			return err
		}
		if c.err = nil; !holds {
			c.err = ErrFenced
			continue
		}
		if c.clear {
			clears = append(clears, dropDriverStatesParams{ChannelID: c.id})
		}
		drops, puts = append(drops, c.drops...), append(puts, c.puts...)
	}
	return errors.Join(store.Run(tx, dropDriverStates, clears), store.Run(tx, dropDriverState, drops), store.Run(tx, putDriverState, puts))
}

// DropExpired forgets some of what drivers need no more, and tells whether there may be more.
func DropExpired(tx *store.Tx) (more bool, err error) {
	n, err := store.Each(tx, dropExpiredDriverStates, []dropExpiredDriverStatesParams{{Now: tx.NowMilli()}})
	if err != nil {
		return false, fmt.Errorf("drop what drivers need no more: %w", err)
	}
	return n[0] > 0, nil
}
