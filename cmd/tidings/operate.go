package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/app"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/id"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

type accountCommand struct {
	Create accountCreate `cmd:"" help:"Make an account."`
	List   accountList   `cmd:"" help:"List the accounts."`
}

type accountCreate struct {
	Name     string `required:"" help:"Its name."`
	Username string `help:"Its user name, for APIs that take one; else made from the name."`
	Password string `help:"Its password, for APIs that take one."`
	Region   string `help:"Country whose national numbers it may write, such as KE."`
	Currency string `default:"USD" help:"Currency of its wallet."`
	Parent   string `help:"Account it is a subaccount of."`
	Credit   int64  `help:"First credit, in micro-units of the currency."`
}

// Run makes the account.
func (a accountCreate) Run(s *session) error {
	parent, err := optional[account.Account](a.Parent, "parent")
	if err != nil {
		return err
	}
	if a.Username == "" {
		a.Username = strings.ToLower(strings.Join(strings.Fields(a.Name), "-"))
	}
	return s.core(func(c *app.Core) error {
		made, err := c.CreateAccount(audit.CLI, account.Account{Name: a.Name, Parent: parent, Region: a.Region, Currency: a.Currency, Active: true}, a.Username, a.Password, a.Credit)
		if err != nil {
			return err
		}
		return s.print(map[string]any{"id": made.ID, "name": made.Name, "username": a.Username}, "account %s (%s)\n", made.ID, made.Name)
	})
}

type accountList struct{}

// Run lists the accounts.
func (accountList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		all, err := c.Members.All(s.ctx)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(all, ""))
		}
		for _, a := range all {
			fmt.Fprintf(s.out, "%s  %-24s %-3s %-3s%s\n", a.ID, a.Name, a.Region, a.Currency, map[bool]string{true: "  operator"}[a.Operator])
		}
		return nil
	})
}

type keyCommand struct {
	Create keyCreate `cmd:"" help:"Make a key. Its secret is shown once."`
	List   keyList   `cmd:"" help:"List an account's keys."`
	Revoke keyRevoke `cmd:"" help:"Take a key back at once."`
}

type keyCreate struct {
	Account  string   `help:"Whose key; none: the operator's."`
	Name     string   `help:"What it is for."`
	Test     bool     `help:"A test key: it never reaches a network."`
	Internal bool     `help:"For a trusted program that provisions accounts."`
	Scopes   []string `help:"What it may do; none: all of the account's own."`
	Days     int      `default:"365" help:"Days until it expires, 1 to 365."`
}

// Run makes the key.
func (k keyCreate) Run(s *session) error {
	owner, err := optional[account.Account](k.Account, "account")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		if owner == 0 {
			op, err := c.Operator(s.ctx)
			if err != nil {
				return err
			}
			owner = op.ID
		}
		made, err := c.CreateKey(audit.CLI, key.Key{
			Account: owner, Name: k.Name, Test: k.Test, Scopes: k.scopes(), Expires: c.Store.Now().Add(time.Duration(k.Days) * 24 * time.Hour),
		})
		if err != nil {
			return err
		}
		return s.print(map[string]any{"id": made.ID, "key": made.Secret}, "%s\n", made.Secret)
	})
}

func (k keyCreate) scopes() account.Scopes {
	var scopes account.Scopes
	for _, text := range k.Scopes {
		scopes = append(scopes, account.Scope(text))
	}
	switch {
	case k.Internal:
		scopes = append(scopes, account.Internal)
	case len(scopes) == 0:
		scopes = account.Scopes{account.Admin}
	}
	return scopes
}

type keyList struct {
	Account string `required:"" help:"Whose keys."`
}

// Run lists the keys.
func (k keyList) Run(s *session) error {
	owner, err := required[account.Account](k.Account, "account")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		keys, err := c.Keys.List(s.ctx, owner, 0, 1000)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(keys, ""))
		}
		for _, one := range keys {
			fmt.Fprintf(s.out, "%s  %s  %-20s until %s\n", one.ID, one.Hint, one.Name, one.Expires.Format(time.DateOnly))
		}
		return nil
	})
}

type keyRevoke struct {
	Account string `required:"" help:"Whose key."`
	ID      string `arg:"" help:"The key's id."`
}

// Run revokes the key.
func (k keyRevoke) Run(s *session) error {
	owner, err := required[account.Account](k.Account, "account")
	if err != nil {
		return err
	}
	which, err := required[account.Key](k.ID, "key")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		var found bool
		err := c.Store.Write(func(tx *store.Tx) error {
			var err error
			found, err = c.Keys.Revoke(tx, audit.CLI, owner, which)
			return err
		})
		if err == nil && !found {
			err = fmt.Errorf("the account has no key %s", k.ID)
		}
		return err
	})
}

type channelCommand struct {
	Create channelCreate `cmd:"" help:"Make a channel."`
	List   channelList   `cmd:"" help:"List the channels."`
}

type channelCreate struct {
	Account  string `xor:"owner" help:"Whose channel."`
	Shared   bool   `xor:"owner" help:"Shared with all accounts."`
	Driver   string `required:"" help:"Such as smpp."`
	Name     string `required:"" help:"Its name."`
	Settings string `required:"" type:"existingfile" help:"File with the driver's settings (JSON)."`
	Sender   string `help:"Sender of messages that name none."`
	Rate     int    `help:"Parts a second at most; 0: no limit."`
	Default  bool   `help:"Make it the default of its kind."`
}

// Run makes the channel.
func (ch channelCreate) Run(s *session) error {
	owner, err := optional[account.Account](ch.Account, "account")
	if err != nil {
		return err
	}
	if owner == 0 && !ch.Shared {
		return errors.New("say --account ID or --shared")
	}
	settings, err := os.ReadFile(ch.Settings)
	if err != nil {
		return err
	}
	sender, err := message.ParseSender(ch.Sender, "")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		made, err := c.CreateChannel(audit.CLI, connection.Channel{
			Account: owner, Name: ch.Name, Driver: ch.Driver, Settings: channel.Settings(settings), Sender: sender, Rate: ch.Rate,
		}, ch.Default)
		if err != nil {
			return err
		}
		return s.print(map[string]any{"id": made.ID}, "channel %s (%s)\n", made.ID, made.Name)
	})
}

type channelList struct{}

// Run lists the channels without their settings.
func (channelList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		all, err := c.Connections.All(s.ctx)
		if err != nil {
			return err
		}
		for i := range all {
			all[i].Settings = nil
		}
		if s.all.JSON {
			return s.print(all, "")
		}
		for _, one := range all {
			fmt.Fprintf(s.out, "%s  %-20s %-8s %-8s %s\n", one.ID, one.Name, one.Driver, one.Kind, one.Account)
		}
		return nil
	})
}

type priceCommand struct {
	Set  priceSet  `cmd:"" help:"Price a part to numbers that begin with a prefix."`
	List priceList `cmd:"" help:"List the prices."`
}

type priceSet struct {
	Prefix   string `help:"First digits of the number, without plus; none: everywhere."`
	Currency string `required:"" help:"Currency."`
	Micros   int64  `required:"" help:"Price of a part, in micro-units."`
	Account  string `help:"For one account only."`
}

// Run sets the price.
func (p priceSet) Run(s *session) error {
	owner, err := optional[account.Account](p.Account, "account")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		return c.SetPrices(audit.CLI, []wallet.Price{{Account: owner, Currency: p.Currency, Prefix: p.Prefix, Amount: p.Micros}})
	})
}

type priceList struct{}

// Run lists the prices.
func (priceList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		prices, err := c.Wallet.Prices(s.ctx)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(prices, ""))
		}
		for _, p := range prices {
			fmt.Fprintf(s.out, "%-12s %s %d micros %s\n", p.Prefix, p.Currency, p.Amount, p.Account)
		}
		return nil
	})
}

type walletCommand struct {
	Topup walletTopup `cmd:"" help:"Add to a wallet."`
	Show  walletShow  `cmd:"" help:"Show a wallet."`
}

type walletTopup struct {
	Account string `required:"" help:"Whose wallet."`
	Micros  int64  `required:"" help:"How much, in micro-units."`
	Note    string `help:"What for."`
}

// Run tops up.
func (w walletTopup) Run(s *session) error {
	owner, err := required[account.Account](w.Account, "account")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error { return c.TopUp(audit.CLI, owner, w.Micros, w.Note) })
}

type walletShow struct {
	Account string `required:"" help:"Whose wallet."`
}

// Run shows the balance.
func (w walletShow) Run(s *session) error {
	owner, err := required[account.Account](w.Account, "account")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		b, err := c.Wallet.Balance(s.ctx, owner)
		if err != nil {
			return err
		}
		return s.print(b, "available %d, held %d, charged %d micro-units of %s\n", b.Available, b.Held, b.Charged, b.Currency)
	})
}

type traceCommand struct {
	ID string `arg:"" help:"The message's id."`
}

// Run tells the journey.
func (t traceCommand) Run(s *session) error {
	which, err := required[message.Message](t.ID, "message")
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		m, steps, err := c.Trace(s.ctx, which)
		if err != nil {
			return err
		}
		if s.all.JSON {
			return s.print(steps, "")
		}
		fmt.Fprintf(s.out, "message %s is %s %s\n", m.ID, m.Status, m.Reason)
		for _, step := range steps {
			fmt.Fprintf(s.out, "  %s  %-12s %s\n", step.At.Format("2006-01-02 15:04:05.000"), step.Name, step.Detail)
		}
		return nil
	})
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
