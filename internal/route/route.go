// Package route keeps which channels carry a message that names none, in the order in which they are tried.
package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all defaults.
const topic = "route"

// most is how many channels a list may name: one that goes through it tries each.
const most = 10

// Keeper keeps default channels.
type Keeper struct {
	all *store.Cached[map[way][]message.ChannelID]
}

// way is whose messages of which kind.
type way struct {
	account account.ID
	kind    message.Kind
}

// New returns the keeper of the store's default channels.
func New(s *store.Store) *Keeper { return &Keeper{store.NewCached(s, topic, load)} }

func load(ctx context.Context, q store.Queryer) (map[way][]message.ChannelID, error) {
	rows, err := on(q).DefaultChannels(ctx)
	if err != nil {
		return nil, err
	}
	all := map[way][]message.ChannelID{}
	for _, r := range rows {
		w := way{r.AccountID, message.Kind(r.Kind)}
		all[w] = append(all[w], r.ChannelID)
	}
	return all, nil
}

// Defaults returns the channels that carry an account's messages of a kind, first to be tried first: its own, else those of all
// accounts. Whether they are enabled and up, the gateway looks at. The slice is the caller's.
func (k *Keeper) Defaults(ctx context.Context, a account.ID, kind message.Kind) ([]message.ChannelID, error) {
	all, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	if own := all[way{a, kind}]; len(own) > 0 {
		return slices.Clone(own), nil
	}
	return slices.Clone(all[way{0, kind}]), nil
}

// SetDefaults names the default channels of an account, or of all accounts (zero), in the order in which they are tried. No
// channels: the account has the defaults of all accounts again. Whether the account may use them, and whether they are of the
// kind, the caller has seen to.
func (k *Keeper) SetDefaults(tx *store.Tx, by audit.Actor, a account.ID, kind message.Kind, channels []message.ChannelID) error {
	if err := check(channels); err != nil {
		return err
	}
	rows := make([]addDefaultParams, len(channels))
	names := make([]string, len(channels))
	for i, ch := range channels {
		rows[i] = addDefaultParams{AccountID: a, Kind: string(kind), Rank: int64(i) + 1, ChannelID: ch}
		names[i] = ch.String()
	}
	if err := store.Run(tx, dropDefaults, []dropDefaultsParams{{AccountID: a, Kind: string(kind)}}); err != nil {
		return fmt.Errorf("drop default channels: %w", err)
	}
	if err := store.Run(tx, addDefault, rows); err != nil {
		return fmt.Errorf("set default channels: %w", err)
	}
	if err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "route.default", Subject: strings.Join(names, " "), Detail: string(kind)}); err != nil {
		return err
	}
	return tx.Touch(topic)
}

// check refuses lists that make no sense.
func check(channels []message.ChannelID) error {
	if len(channels) > most {
		return fault.New(fault.InvalidField, "a list of default channels names at most %d", most)
	}
	for i, ch := range channels {
		if slices.Contains(channels[:i], ch) {
			return fault.New(fault.InvalidField, "channel %s is in the list twice", ch)
		}
	}
	return nil
}

// Forget takes a channel that is no more out of all lists.
func (k *Keeper) Forget(tx *store.Tx, ch message.ChannelID) error {
	if err := store.Run(tx, forgetChannel, []forgetChannelParams{{ChannelID: ch}}); err != nil {
		return fmt.Errorf("forget a default channel: %w", err)
	}
	return tx.Touch(topic)
}
