package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// costs compares the CPU that storing a whole life takes on a full database and on an empty one: accepted with its price
// held, claimed, sent, delivered, each step on disk before the next. Both are open all the time and take turns.
func (l *Large) costs(ctx context.Context, full *installed) ([]*Figure, error) {
	ratio := &Figure{Name: fmt.Sprintf("cost of a message at %d rows / empty", l.Rows), Floor: 1.3, Aim: 1.1, Lower: true}
	steady := &Figure{Name: "the same, as many old ones deleted / empty", Floor: 1.3, Aim: 1.1, Lower: true}
	spent := [3]*Figure{{Name: "CPU of a message, empty", Unit: "us"}, {Name: "CPU of a message, full", Unit: "us"}, {Name: "CPU of a message, full, an old one deleted", Unit: "us"}}
	theirs := [3]*Figure{{Name: "PostgreSQL's CPU, empty", Unit: "us"}, {Name: "PostgreSQL's CPU, full", Unit: "us"}, {Name: "PostgreSQL's CPU, full, an old one deleted", Unit: "us"}}
	figures := []*Figure{ratio, steady, spent[0], spent[1], spent[2]}
	if full.cluster != nil {
		figures = append(figures, theirs[0], theirs[1], theirs[2])
	}
	dir := filepath.Join(l.Dir, "empty-"+l.Engine)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	empty, err := l.fresh(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer empty.end()
	cores := [2]*core{}
	defer func() {
		for _, c := range cores {
			if c != nil {
				c.close()
			}
		}
	}()
	for n, i := range []*installed{empty, full} {
		c, err := openCore(ctx, i, rand.New(rand.NewPCG(l.Seed, uint64(time.Now().Unix()))), l.Rows) // these need not repeat
		if err != nil {
			return nil, err
		}
		cores[n] = c
		if _, _, err := c.live(ctx, l.Cycle/2); err != nil { // warm-up
			return nil, err
		}
	}
	for range l.Rounds {
		var cost [3]float64
		for n, side := range []struct {
			*core
			retain bool
		}{{cores[0], false}, {cores[1], false}, {cores[1], true}} {
			own, other, err := side.lives(ctx, l.Cycle, side.retain)
			if err != nil {
				return nil, err
			}
			spent[n].add(own)
			theirs[n].add(other)
			cost[n] = own + other
		}
		ratio.add(cost[1] / cost[0])
		steady.add(cost[2] / cost[0])
	}
	return figures, cores[1].wallet.Verify(ctx)
}

// core is the product's core over a network that takes and delivers each part at once.
type core struct {
	*installed
	store    *store.Store
	wallet   *wallet.Keeper
	gateway  *gateway.Gateway
	account  account.Account
	numbers  *rand.Zipf
	sent     int
	network  *instant
	told     atomic.Int64 // receipts that are on disk
	problems chan error
	close    func()
}

func openCore(ctx context.Context, i *installed, random *rand.Rand, rows int) (*core, error) {
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(ctx, store.Options{Dir: i.Dir, Database: i.database, Serve: true, Log: quiet})
	if err != nil {
		return nil, err
	}
	events, jobs, members := event.New(s), queue.New(s, quiet), member.New(s, account.Limits{})
	c := &core{
		installed: i, store: s, wallet: wallet.New(s, event.New(s)), numbers: newNumbers(random, rows), network: &instant{taken: make(chan message.Receipt, 4*window)},
		problems: make(chan error, 1),
	}
	c.gateway = gateway.New(gateway.Parts{
		Store: s, Queue: jobs, Events: events, Wallet: c.wallet, Consent: consent.New(s, events), Contacts: contact.New(s, events), Conversations: conversation.New(s), Numbers: number.New(s), Policies: policy.New(s),
		Connections: connection.New(s), Routes: route.New(s), Drivers: []channel.Driver{plain}, Log: quiet,
	})
	if c.account, err = c.sender(ctx, members); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	run, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		jobs.Work(run, run, gateway.Lane(message.ChannelID(i.Channels[0]), 0), window, nil, c.gateway.Sender(c.network))
	})
	for range window {
		running.Go(func() { c.report(run) })
	}
	c.close = func() {
		stop()
		running.Wait()
		_ = s.Close()
	}
	return c, nil
}

// sender is the big account, with money to spend.
func (c *core) sender(ctx context.Context, members *member.Keeper) (account.Account, error) {
	a, there, err := members.Get(ctx, account.ID(c.Accounts[big]))
	if err != nil || !there {
		return a, errors.Join(err, fmt.Errorf("account %d is there: %v", c.Accounts[big], there))
	}
	balance, err := c.wallet.Balance(ctx, a.ID)
	if err != nil || balance.Available > 0 {
		return a, err
	}
	return a, c.store.Write(func(tx *store.Tx) error {
		return c.wallet.TopUp(tx, audit.System, a.ID, historyCredit, "bench")
	})
}

// plain is a driver that sends each text as one part.
var plain = channel.Driver{
	Name: driverName, Kind: message.SMS, Features: channel.Features{Receipts: true},
	Split: func(_ channel.Settings, c message.Content) (message.Split, error) {
		return message.Split{Encoding: "gsm7", Units: len(c.Text), Total: 1}, nil
	},
}

const window = 64

// instant is a network that takes each part at once and delivers it at once.
type instant struct {
	ids   atomic.Int64
	taken chan message.Receipt
}

// Send takes the part.
func (n *instant) Send(_ context.Context, m message.Outbound) (string, error) {
	id := strconv.FormatInt(m.Message.Time().UnixMilli(), 36) + "-" + strconv.FormatInt(n.ids.Add(1), 10)
	n.taken <- message.Receipt{RemoteID: id, To: m.To, Status: message.Delivered}
	return id, nil
}

// Run has nothing to do.
func (n *instant) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Window is how many parts it takes at once.
func (n *instant) Window() int { return window }

// report hands in what the network says.
func (c *core) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-c.network.taken:
			r.Channel = message.ChannelID(c.Channels[0])
			if err := c.gateway.Receipt(ctx, r); err != nil {
				c.fail(err)
			}
			c.told.Add(1)
		}
	}
}

func (c *core) fail(err error) {
	select {
	case c.problems <- err:
	default:
	}
}

// lives is live with, if wished, the retention of as many old messages beside it. It returns the CPU of a message, our own
// and the database server's, in microseconds.
func (c *core) lives(ctx context.Context, count int, retain bool) (own, server float64, err error) {
	retained := make(chan error, 1)
	if !retain {
		return c.live(ctx, count)
	}
	var key message.ID
	if err := c.store.Reader().QueryRowContext(ctx, "SELECT id FROM message ORDER BY id LIMIT 1 OFFSET $1", count).Scan(&key); err != nil {
		return 0, 0, err
	}
	c.gateway.Settings.KeepMessages = c.store.Now().Sub(key.Time())
	before, err := c.spent()
	if err != nil {
		return 0, 0, err
	}
	go func() {
		emptied := message.ID(0)
		retained <- c.gateway.Retain(ctx, &emptied)
	}()
	_, _, err = c.live(ctx, count)
	if err := errors.Join(err, <-retained); err != nil {
		return 0, 0, err
	}
	return c.since(before, count)
}

// live sends messages and waits until each is delivered.
func (c *core) live(ctx context.Context, count int) (own, server float64, err error) {
	before, err := c.spent()
	if err != nil {
		return 0, 0, err
	}
	goal := c.told.Load() + int64(count)
	requests := make(chan message.Draft, window)
	go func() {
		defer close(requests)
		for range count {
			requests <- c.draft()
		}
	}()
	var running sync.WaitGroup
	for range window {
		running.Go(func() {
			for d := range requests {
				if err := c.submit(ctx, d); err != nil {
					c.fail(err)
				}
			}
		})
	}
	running.Wait()
	for end := time.Now().Add(5 * time.Minute); c.told.Load() < goal; time.Sleep(time.Millisecond) {
		select {
		case err := <-c.problems:
			return 0, 0, err
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		default:
		}
		if time.Now().After(end) {
			return 0, 0, fmt.Errorf("%d of %d messages did not arrive", goal-c.told.Load(), count)
		}
	}
	return c.since(before, count)
}

func (c *core) draft() message.Draft {
	c.sent++
	d := message.Draft{To: phoneOf(c.numbers.Uint64()), Content: message.Text(sampleText)}
	if c.sent%3 == 0 {
		d.Reference = fmt.Sprintf("bench-%d-%d", c.store.Boot(), c.sent)
	}
	return d
}

func (c *core) submit(ctx context.Context, d message.Draft) error {
	d.Channel = message.ChannelID(c.Channels[0])
	reply, err := c.gateway.Submit(ctx, gateway.Caller{Account: c.account, Key: account.Key{Account: c.account.ID}, By: audit.System}, gateway.Request{Drafts: []message.Draft{d}})
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	return nil
}

// effort is CPU, this process's and the database server's.
type effort struct{ own, server time.Duration }

func (c *core) spent() (e effort, err error) {
	if e.own, err = cpuOf(os.Getpid()); err != nil || c.cluster == nil {
		return e, err
	}
	e.server, err = cpuOfFamily(c.cluster.pid)
	return e, err
}

func (c *core) since(before effort, count int) (own, server float64, err error) {
	now, err := c.spent()
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(count) }
	return each(now.own - before.own), each(now.server - before.server), err
}
