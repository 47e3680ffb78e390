// Package route keeps which channel carries a message that names none.
package route

import (
	"context"
	"fmt"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all defaults.
const topic = "route"

// Keeper keeps default channels.
type Keeper struct {
	all *store.Cached[map[way]message.ChannelID]
}

// way is whose messages of which kind.
type way struct {
	account account.ID
	kind    message.Kind
}

// New returns the keeper of the store's default channels.
func New(s *store.Store) *Keeper { return &Keeper{store.NewCached(s, topic, load)} }

func load(ctx context.Context, q store.Queryer) (map[way]message.ChannelID, error) {
	rows, err := on(q).Defaults(ctx)
	if err != nil {
		return nil, err
	}
	all := map[way]message.ChannelID{}
	for _, r := range rows {
		all[way{r.AccountID, message.Kind(r.Kind)}] = r.ChannelID
	}
	return all, nil
}

// Default returns the channel that carries an account's messages of a kind: its own default, else that of all accounts.
func (k *Keeper) Default(ctx context.Context, a account.ID, kind message.Kind) (message.ChannelID, bool, error) {
	all, err := k.all.Get(ctx)
	if err != nil {
		return 0, false, err
	}
	for _, w := range []way{{a, kind}, {0, kind}} {
		if ch, ok := all[w]; ok {
			return ch, true, nil
		}
	}
	return 0, false, nil
}

// SetDefault names the default channel of an account, or of all accounts (zero). Channel zero removes it.
func (k *Keeper) SetDefault(tx *store.Tx, by audit.Actor, a account.ID, kind message.Kind, ch message.ChannelID) error {
	var err error
	if ch == 0 {
		err = store.Run(tx, dropDefault, []dropDefaultParams{{AccountID: a, Kind: string(kind)}})
	} else {
		err = store.Run(tx, putDefault, []putDefaultParams{{AccountID: a, Kind: string(kind), ChannelID: ch}})
	}
	if err != nil {
		return fmt.Errorf("set default channel: %w", err)
	}
	if err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "route.default", Subject: ch.String(), Detail: string(kind)}); err != nil {
		return err
	}
	return tx.Touch(topic)
}
