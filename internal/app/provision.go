package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// What follows is what operators do at the command line, in words: ids are as they are shown, money is in micro-units.

// NewAccount is an account to be made.
type NewAccount struct {
	Name     string `required:"" help:"Its name."`
	Username string `help:"Its user name, for APIs that take one; else made from the name."`
	Password string `help:"Its password, for APIs that take one."`
	Region   string `help:"Country whose national numbers it may write, such as KE."`
	Currency string `default:"USD" help:"Currency of its wallet."`
	Parent   string `help:"Account it is a subaccount of."`
	Credit   int64  `help:"First credit, in micro-units of the currency."`
}

// Account is an account as it is shown.
type Account struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Region   string `json:"region"`
	Currency string `json:"currency"`
	Operator bool   `json:"operator"`
	Active   bool   `json:"active"`
}

// CreateAccount makes a tenant with a wallet and its first credit.
func (c *Core) CreateAccount(n NewAccount) (Account, error) {
	parent, err := optional[account.Account](n.Parent, "account")
	if err != nil {
		return Account{}, err
	}
	if n.Username == "" {
		n.Username = strings.ToLower(strings.Join(strings.Fields(n.Name), "-"))
	}
	var made account.Account
	err = c.Store.Write(func(tx *store.Tx) (err error) {
		wish := account.Account{Name: n.Name, Parent: parent, Region: n.Region, Currency: n.Currency, Active: true}
		if made, err = c.Members.Create(tx, audit.CLI, wish, n.Username, n.Password); err != nil {
			return err
		}
		if err := c.Wallet.Open(tx, made.ID, made.Currency); err != nil || n.Credit == 0 {
			return err
		}
		return c.Wallet.TopUp(tx, audit.CLI, made.ID, n.Credit, "first credit")
	})
	return shown(made), err
}

// Accounts lists all accounts.
func (c *Core) Accounts(ctx context.Context) ([]Account, error) {
	all, err := c.Members.All(ctx)
	list := make([]Account, len(all))
	for i, a := range all {
		list[i] = shown(a)
	}
	return list, err
}

func shown(a account.Account) Account {
	return Account{a.ID.String(), a.Name, a.Region, a.Currency, a.Operator, a.Active}
}

// SetSignIn gives an account another user name and password.
func (c *Core) SetSignIn(owner, username, password string) error {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return err
	}
	return c.Store.Write(func(tx *store.Tx) error { return c.Members.SetSignIn(tx, audit.CLI, a, username, password) })
}

// NewKey is an API key to be made.
type NewKey struct {
	Account  string   `help:"Whose key; none: the operator's."`
	Name     string   `help:"What it is for."`
	Test     bool     `help:"A test key: it never reaches a network."`
	Internal bool     `help:"For a trusted program that provisions accounts."`
	Scopes   []string `help:"What it may do; none: all of the account's own."`
	Days     int      `default:"365" help:"Days until it expires, 1 to 365."`

	SpendLimit int64 `help:"What its messages may cost in a day of UTC, in micro-units; 0: any price."`
}

// Key is an API key as it is shown. Its secret is told once, when it is made.
type Key struct {
	ID      string    `json:"id"`
	Secret  string    `json:"key,omitempty"`
	Hint    string    `json:"hint"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires_at"`
	Revoked bool      `json:"revoked"`
}

// CreateKey makes an API key.
func (c *Core) CreateKey(ctx context.Context, n NewKey) (Key, error) {
	owner, err := optional[account.Account](n.Account, "account")
	if err != nil {
		return Key{}, err
	}
	if owner == 0 {
		op, err := c.Operator(ctx)
		if err != nil {
			return Key{}, err
		}
		owner = op.ID
	}
	wish := key.Key{Account: owner, Name: n.Name, Test: n.Test, Scopes: n.scopes(), SpendLimit: n.SpendLimit}
	if n.Days != 0 {
		wish.Expires = c.Store.Now().Add(time.Duration(n.Days) * 24 * time.Hour)
	}
	var made key.Made
	err = c.Store.Write(func(tx *store.Tx) (err error) {
		made, err = c.Keys.Create(tx, audit.CLI, wish, true)
		return err
	})
	shown := shownKey(made.Key)
	shown.Secret = made.Secret
	return shown, err
}

func (n NewKey) scopes() (scopes account.Scopes) {
	for _, text := range n.Scopes {
		scopes = append(scopes, account.Scope(text))
	}
	switch {
	case n.Internal:
		scopes = append(scopes, account.Internal)
	case len(scopes) == 0:
		scopes = account.Scopes{account.Admin}
	}
	return scopes
}

// KeysOf lists an account's newest keys.
func (c *Core) KeysOf(ctx context.Context, owner string) ([]Key, error) {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return nil, err
	}
	keys, err := c.Keys.List(ctx, a, 0, 1000)
	list := make([]Key, len(keys))
	for i, k := range keys {
		list[i] = shownKey(k)
	}
	return list, err
}

func shownKey(k key.Key) Key {
	return Key{ID: k.ID.String(), Hint: k.Hint, Name: k.Name, Expires: k.Expires, Revoked: !k.Revoked.IsZero()}
}

// RevokeKey takes a key back at once.
func (c *Core) RevokeKey(owner, which string) error {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return err
	}
	k, err := required[account.Key](which, "key")
	if err != nil {
		return err
	}
	return c.Store.Write(func(tx *store.Tx) error {
		found, err := c.Keys.Revoke(tx, audit.CLI, a, k)
		if err == nil && !found {
			err = fmt.Errorf("the account has no such key to revoke: %s", which)
		}
		return err
	})
}

// NewChannel is a channel to be made.
type NewChannel struct {
	Account string `xor:"owner" help:"Whose channel."`
	Shared  bool   `xor:"owner" help:"Shared with all accounts."`
	Driver  string `required:"" help:"Such as smpp."`
	Name    string `required:"" help:"Its name."`
	Sender  string `help:"Sender of messages that name none."`
	Rate    int    `help:"Parts a second at most; 0: no limit."`
	Shards  int    `default:"1" help:"Lanes that its recipients are spread over; each is worked by one node."`
	Default bool   `help:"Make it the default of its kind."`
}

// Channel is a channel as it is shown: without its settings, which may hold secrets.
type Channel struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Driver  string `json:"driver"`
	Kind    string `json:"kind"`
	Account string `json:"account"` // empty: shared
	Enabled bool   `json:"enabled"`
}

// CreateChannel makes a channel once its driver has looked at the settings (JSON).
func (c *Core) CreateChannel(n NewChannel, settings []byte) (Channel, error) {
	wish, err := n.wish(settings)
	if err != nil {
		return Channel{}, err
	}
	var made connection.Channel
	err = c.Store.Write(func(tx *store.Tx) (err error) {
		if made, err = c.Gateway.CreateChannel(tx, audit.CLI, wish); err != nil || !n.Default {
			return err
		}
		return c.Routes.SetDefaults(tx, audit.CLI, made.Account, made.Kind, []message.ChannelID{made.ID})
	})
	return shownChannel(made), allOf(err)
}

// allOf is an error that tells every mistake it holds: a fault by itself tells the first.
func allOf(err error) error {
	f := fault.Of(err)
	if f == nil {
		return err
	}
	all := []error{f}
	for _, more := range f.More {
		all = append(all, more)
	}
	return errors.Join(all...)
}

func (n NewChannel) wish(settings []byte) (connection.Channel, error) {
	wish := connection.Channel{Name: n.Name, Driver: n.Driver, Settings: channel.Settings(settings), Rate: n.Rate, Enabled: true, Shards: n.Shards}
	var err error
	if wish.Account, err = optional[account.Account](n.Account, "account"); err != nil {
		return wish, err
	}
	if wish.Account == 0 && !n.Shared {
		return wish, errors.New("a channel is an account's, or shared")
	}
	wish.Sender, err = message.ParseSender(n.Sender, "")
	return wish, err
}

// Channels lists all channels.
func (c *Core) Channels(ctx context.Context) ([]Channel, error) {
	all, err := c.Connections.All(ctx)
	list := make([]Channel, len(all))
	for i, one := range all {
		list[i] = shownChannel(one)
	}
	return list, err
}

func shownChannel(c connection.Channel) Channel {
	return Channel{c.ID.String(), c.Name, c.Driver, string(c.Kind), c.Account.String(), c.Enabled}
}

// Redirect gives the shared channel of that name other settings.
func (c *Core) Redirect(ctx context.Context, name string, settings []byte) error {
	all, err := c.Connections.All(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Name == name && one.Account == 0 {
			one.Settings = settings
			return c.Store.Write(func(tx *store.Tx) error { return c.Connections.Update(tx, audit.CLI, one) })
		}
	}
	return fmt.Errorf("there is no shared channel %q", name)
}

// AssignNumber gives an address on a channel to an account.
func (c *Core) AssignNumber(owner, ch, address, region string) error {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return err
	}
	on, err := required[message.Channel](ch, "channel")
	if err != nil {
		return err
	}
	parsed, err := message.ParseSender(address, region)
	if err != nil {
		return err
	}
	return c.Store.Write(func(tx *store.Tx) error {
		_, err := c.Numbers.Assign(tx, audit.CLI, number.Number{Account: a, Channel: on, Address: parsed})
		return err
	})
}

// Price is what a part to numbers with a prefix costs.
type Price struct {
	Prefix   string `help:"First digits of the number, without plus; none: everywhere." json:"prefix"`
	Currency string `required:"" help:"Currency." json:"currency"`
	Micros   int64  `required:"" help:"Price of a part, in micro-units." json:"micros"`
	Account  string `help:"For one account only." json:"account"`
}

// SetPrices puts prices into the book.
func (c *Core) SetPrices(prices ...Price) error {
	rows := make([]wallet.Price, len(prices))
	for i, p := range prices {
		owner, err := optional[account.Account](p.Account, "account")
		if err != nil {
			return err
		}
		rows[i] = wallet.Price{Account: owner, Currency: p.Currency, Prefix: p.Prefix, Amount: p.Micros}
	}
	return c.Store.Write(func(tx *store.Tx) error { return c.Wallet.SetPrices(tx, audit.CLI, rows) })
}

// Prices lists the book.
func (c *Core) Prices(ctx context.Context) ([]Price, error) {
	rows, err := c.Wallet.Prices(ctx)
	list := make([]Price, len(rows))
	for i, p := range rows {
		list[i] = Price{p.Prefix, p.Currency, p.Amount, p.Account.String()}
	}
	return list, err
}

// TopUp adds to an account's wallet.
func (c *Core) TopUp(owner string, micros int64, note string) error {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return err
	}
	return c.Store.Write(func(tx *store.Tx) error { return c.Wallet.TopUp(tx, audit.CLI, a, micros, note) })
}

// Balance is what a wallet holds.
type Balance struct {
	Currency  string `json:"currency"`
	Available int64  `json:"available_micros"`
	Held      int64  `json:"held_micros"`
	Charged   int64  `json:"charged_micros"`
}

// Balance tells what an account's wallet holds.
func (c *Core) Balance(ctx context.Context, owner string) (Balance, error) {
	a, err := required[account.Account](owner, "account")
	if err != nil {
		return Balance{}, err
	}
	b, err := c.Wallet.Balance(ctx, a)
	return Balance{b.Currency, b.Available, b.Held, b.Charged}, err
}

// firstKey makes the operator's first key and returns its secret; empty when there is one already.
func (c *Core) firstKey(ctx context.Context) (string, error) {
	op, err := c.Operator(ctx)
	if err != nil {
		return "", err
	}
	have, err := c.Keys.List(ctx, op.ID, 0, 1)
	if err != nil || len(have) > 0 {
		return "", err
	}
	made, err := c.CreateKey(ctx, NewKey{Name: "first key", Scopes: []string{string(account.Operate)}})
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

// required reads an id.
func required[T any](text, what string) (id.Of[T], error) {
	k, err := id.Parse[T](text)
	if err != nil {
		return 0, fmt.Errorf("%q is not the id of a %s", text, what)
	}
	return k, nil
}

// optional reads an id that may be left out.
func optional[T any](text, what string) (id.Of[T], error) {
	if text == "" {
		return 0, nil
	}
	return required[T](text, what)
}
