package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// keyLife is how long keys made at the command line live.
const keyLife = 365 * 24 * time.Hour

// CreateAccount makes a tenant with a wallet and, if asked for, credit in micro-units.
func (c *Core) CreateAccount(by audit.Actor, a account.Account, username, password string, credit int64) (made account.Account, err error) {
	err = c.Store.Write(func(tx *store.Tx) error {
		if made, err = c.Members.Create(tx, by, a, username, password); err != nil {
			return err
		}
		if err := c.Wallet.Open(tx, made.ID, made.Currency); err != nil || credit == 0 {
			return err
		}
		return c.Wallet.TopUp(tx, by, made.ID, credit, "first credit")
	})
	return made, err
}

// SetSignIn gives an account another user name and password.
func (c *Core) SetSignIn(by audit.Actor, a account.ID, username, password string) error {
	return c.Store.Write(func(tx *store.Tx) error { return c.Members.SetSignIn(tx, by, a, username, password) })
}

// CreateKey makes an API key. Its secret is in the reply and nowhere else.
func (c *Core) CreateKey(by audit.Actor, k key.Key) (made key.Made, err error) {
	if k.Expires.IsZero() {
		k.Expires = c.Store.Now().Add(keyLife)
	}
	err = c.Store.Write(func(tx *store.Tx) error {
		made, err = c.Keys.Create(tx, by, k, true)
		return err
	})
	return made, err
}

// CreateChannel makes a channel after its driver has looked at the settings; for account 0 it is shared with all. asDefault
// makes it the owner's default of its kind.
func (c *Core) CreateChannel(by audit.Actor, ch connection.Channel, asDefault bool) (made connection.Channel, err error) {
	driver, err := driverNamed(ch.Driver)
	if err != nil {
		return made, err
	}
	ch.Kind, ch.Enabled, ch.Shards = driver.Kind, true, max(1, ch.Shards)
	if err := driver.Check(ch.Settings); err != nil {
		return made, fmt.Errorf("settings of the channel: %w", err)
	}
	err = c.Store.Write(func(tx *store.Tx) error {
		if made, err = c.Connections.Create(tx, by, ch); err != nil || !asDefault {
			return err
		}
		return c.Routes.SetDefault(tx, by, ch.Account, made.Kind, made.ID)
	})
	return made, err
}

// AssignNumber gives an address on a channel to an account.
func (c *Core) AssignNumber(by audit.Actor, a account.ID, ch message.ChannelID, address message.Address) error {
	return c.Store.Write(func(tx *store.Tx) error {
		_, err := c.Numbers.Assign(tx, by, number.Number{Account: a, Channel: ch, Address: address})
		return err
	})
}

// SetPrices puts prices into the book.
func (c *Core) SetPrices(by audit.Actor, prices []wallet.Price) error {
	return c.Store.Write(func(tx *store.Tx) error { return c.Wallet.SetPrices(tx, by, prices) })
}

// TopUp adds to an account's wallet, in micro-units.
func (c *Core) TopUp(by audit.Actor, a account.ID, amount int64, note string) error {
	return c.Store.Write(func(tx *store.Tx) error { return c.Wallet.TopUp(tx, by, a, amount, note) })
}

// operatorKey makes the operator's first key; empty when there is one already.
func (c *Core) operatorKey(ctx context.Context) (string, error) {
	op, err := c.Operator(ctx)
	if err != nil {
		return "", err
	}
	have, err := c.Keys.List(ctx, op.ID, 0, 1)
	if err != nil || len(have) > 0 {
		return "", err
	}
	made, err := c.CreateKey(audit.System, key.Key{Account: op.ID, Name: "first key", Scopes: account.Scopes{account.Operate}})
	return made.Secret, err
}

// existing is the folder or the nearest one above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
