package main

import (
	"errors"
	"os"
	"time"

	"tidings.dev/internal/app"
)

type accountCommand struct {
	Create accountCreate `cmd:"" help:"Make an account."`
	List   accountList   `cmd:"" help:"List the accounts."`
}

type accountCreate struct{ app.NewAccount }

// Run makes the account.
func (a accountCreate) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		made, err := c.CreateAccount(a.NewAccount)
		if err != nil {
			return err
		}
		return s.print(made, "account %s (%s)\n", made.ID, made.Name)
	})
}

type accountList struct{}

// Run lists the accounts.
func (accountList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		all, err := c.Accounts(s.ctx)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(all, ""))
		}
		for _, a := range all {
			say(s.out, "%s  %-24s %-3s %-3s%s\n", a.ID, a.Name, a.Region, a.Currency, map[bool]string{true: "  operator"}[a.Operator])
		}
		return nil
	})
}

type keyCommand struct {
	Create keyCreate `cmd:"" help:"Make a key. Its secret is shown once."`
	List   keyList   `cmd:"" help:"List an account's keys."`
	Revoke keyRevoke `cmd:"" help:"Take a key back at once."`
}

type keyCreate struct{ app.NewKey }

// Run makes the key.
func (k keyCreate) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		made, err := c.CreateKey(s.ctx, k.NewKey)
		if err != nil {
			return err
		}
		return s.print(made, "%s\n", made.Secret)
	})
}

type keyList struct {
	Account string `required:"" help:"Whose keys."`
}

// Run lists the keys.
func (k keyList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		keys, err := c.KeysOf(s.ctx, k.Account)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(keys, ""))
		}
		for _, one := range keys {
			say(s.out, "%s  %s  %-20s until %s%s\n", one.ID, one.Hint, one.Name, one.Expires.Format(time.DateOnly), map[bool]string{true: "  revoked"}[one.Revoked])
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
	return s.core(func(c *app.Core) error { return c.RevokeKey(k.Account, k.ID) })
}

type channelCommand struct {
	Create channelCreate `cmd:"" help:"Make a channel."`
	List   channelList   `cmd:"" help:"List the channels."`
}

type channelCreate struct {
	app.NewChannel
	Settings string `required:"" type:"existingfile" help:"File with the driver's settings (JSON)."`
}

// Run makes the channel.
func (ch channelCreate) Run(s *session) error {
	settings, err := os.ReadFile(ch.Settings)
	if err != nil {
		return err
	}
	return s.core(func(c *app.Core) error {
		made, err := c.CreateChannel(ch.NewChannel, settings)
		if err != nil {
			return err
		}
		return s.print(made, "channel %s (%s)\n", made.ID, made.Name)
	})
}

type channelList struct{}

// Run lists the channels.
func (channelList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		all, err := c.Channels(s.ctx)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(all, ""))
		}
		for _, one := range all {
			say(s.out, "%s  %-20s %-8s %-8s %s\n", one.ID, one.Name, one.Driver, one.Kind, one.Account)
		}
		return nil
	})
}

type priceCommand struct {
	Set  priceSet  `cmd:"" help:"Price a part to numbers that begin with a prefix."`
	List priceList `cmd:"" help:"List the prices."`
}

type priceSet struct{ app.Price }

// Run sets the price.
func (p priceSet) Run(s *session) error {
	return s.core(func(c *app.Core) error { return c.SetPrices(p.Price) })
}

type priceList struct{}

// Run lists the prices.
func (priceList) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		prices, err := c.Prices(s.ctx)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(prices, ""))
		}
		for _, p := range prices {
			say(s.out, "%-12s %s %d micros %s\n", p.Prefix, p.Currency, p.Micros, p.Account)
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
	return s.core(func(c *app.Core) error { return c.TopUp(w.Account, w.Micros, w.Note) })
}

type walletShow struct {
	Account string `required:"" help:"Whose wallet."`
}

// Run shows the balance.
func (w walletShow) Run(s *session) error {
	return s.core(func(c *app.Core) error {
		b, err := c.Balance(s.ctx, w.Account)
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
	return s.core(func(c *app.Core) error {
		j, err := c.Trace(s.ctx, t.ID)
		if err != nil || s.all.JSON {
			return errors.Join(err, s.print(j, ""))
		}
		say(s.out, "message %s is %s %s\n", j.Message, j.Status, j.Reason)
		for _, step := range j.Steps {
			say(s.out, "  %s  %-12s %s\n", step.At.Format("2006-01-02 15:04:05.000"), step.Name, step.Detail)
		}
		return nil
	})
}
