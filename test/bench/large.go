package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tidings.dev/internal/id"
	"tidings.dev/test/product"
)

// Large is the measurement of a database that has been in use for long.
type Large struct {
	Bench
	Rows   int
	Seed   uint64
	Engine string
	Each   int // requests for each filter
	Cycle  int // messages of one side in one round
}

// largeMain fills a database, or takes the one of an earlier run, and measures it.
func largeMain(args []string) error {
	l := &Large{}
	flags := flag.NewFlagSet("large", flag.ContinueOnError)
	flags.IntVar(&l.Rows, "rows", 10_000_000, "messages in the database")
	flags.Uint64Var(&l.Seed, "seed", 1, "the same seed gives the same messages")
	flags.StringVar(&l.Engine, "engine", "sqlite", "sqlite or postgres")
	flags.StringVar(&l.Dir, "dir", filepath.Join(os.TempDir(), "tidings-large"), "where databases are kept for the next run")
	flags.IntVar(&l.Rounds, "rounds", 5, "of the comparison with an empty database")
	flags.IntVar(&l.Each, "requests", 250, "for each filter")
	flags.IntVar(&l.Cycle, "messages", 10_000, "of one side in one round")
	flags.StringVar(&l.Binary, "binary", "", "the product; default: built from this checkout")
	only := flags.String("row", "", "only rows whose name starts so: pages, cost; none: fill only")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	l.Out = os.Stdout
	return l.run(ctx, *only)
}

func (l *Large) run(ctx context.Context, only string) error {
	if err := os.MkdirAll(l.Dir, 0o755); err != nil { // a database server may be another user
		return err
	}
	if l.Binary == "" {
		l.Binary = filepath.Join(l.Dir, "tidings")
		if err := product.Build(ctx, "./cmd/tidings", l.Binary); err != nil {
			return err
		}
	}
	full, err := l.filled(ctx)
	if err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	defer full.end()
	return l.measure(ctx, []Row{
		{"pages", "pages of 50 by each filter", func(ctx context.Context, _ *Bench) ([]*Figure, error) { return l.pages(ctx, full) }},
		{"cost", "a message's storage against an empty database", func(ctx context.Context, _ *Bench) ([]*Figure, error) { return l.costs(ctx, full) }},
	}, only)
}

// installed is a database with what the product has made in it.
type installed struct {
	*product.Installation
	place
	database string // its address; empty: a file in the data folder
	cluster  *cluster
}

func (i *installed) end() {
	if i.cluster != nil {
		i.cluster.stop()
	}
}

// filled is the database of an earlier run with the same history, or a new one.
func (l *Large) filled(ctx context.Context) (*installed, error) {
	dir := filepath.Join(l.Dir, fmt.Sprintf("%s-%d-%d", l.Engine, l.Rows, l.Seed))
	file := filepath.Join(dir, "stamp.json")
	text, err := os.ReadFile(file)
	if err == nil {
		i, err := l.install(ctx, dir)
		if err != nil {
			return nil, err
		}
		return i, json.Unmarshal(text, &i.place)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	i, err := l.fresh(ctx, dir)
	if err != nil {
		return nil, err
	}
	i.End = time.Now().Add(-time.Minute)
	if err := l.fill(ctx, i); err != nil {
		i.end()
		return nil, err
	}
	text, _ = json.Marshal(i.place) // of plain words and numbers
	return i, os.WriteFile(file, text, 0o600)
}

func (l *Large) fill(ctx context.Context, i *installed) error {
	to, err := i.sink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "filling %s with %d messages\n", i.Dir, l.Rows)
	err = fill(ctx, to, newHistory(l.Seed, l.Rows, i.place), l.Out)
	return errors.Join(err, to.close())
}

func (i *installed) sink(ctx context.Context) (sink, error) {
	if i.database != "" {
		return openPostgresSink(ctx, i.database, months(i.End.AddDate(0, 0, -historyDays-1), i.End))
	}
	return openSQLiteSink(ctx, filepath.Join(i.Dir, "tidings.db"))
}

// install prepares an installation in the folder. What a history holds is not past its retention.
func (l *Large) install(ctx context.Context, dir string) (*installed, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	install, err := product.New(l.Binary, filepath.Join(dir, "data"), log)
	if err != nil {
		return nil, err
	}
	for _, what := range []string{"BODIES", "MESSAGES", "EVENTS", "DELIVERIES", "LEDGER", "AUDIT"} {
		install.Setting = append(install.Setting, "TIDINGS_RETENTION_"+what+"=3650d")
	}
	i := &installed{Installation: install}
	if l.Engine == "sqlite" {
		return i, nil
	}
	if i.cluster, err = startCluster(ctx, dir); err != nil {
		return nil, err
	}
	i.database = i.cluster.url
	install.Setting = append(install.Setting, "TIDINGS_DATABASE="+i.database)
	return i, nil
}

// fresh is an empty database with accounts, keys, channels and a webhook, as the product makes them.
func (l *Large) fresh(ctx context.Context, dir string) (*installed, error) {
	i, err := l.install(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := i.provision(ctx); err != nil {
		i.end()
		return nil, fmt.Errorf("%w; its log is in %s", err, dir)
	}
	return i, nil
}

func (i *installed) provision(ctx context.Context) error {
	for n := range shares {
		account, err := i.CreateAccount(ctx, fmt.Sprintf("large %d", n), "KE", "KES", 0)
		if err != nil {
			return err
		}
		key, err := i.CreateKey(ctx, account)
		if err != nil {
			return err
		}
		i.Accounts, i.Keys = append(i.Accounts, keyOf(account)), append(i.Keys, key)
	}
	for n := range carried {
		channel, err := i.CreateChannel(ctx, fmt.Sprintf("network-%d", n), driverName, map[string]any{})
		if err != nil {
			return err
		}
		i.Channels = append(i.Channels, keyOf(channel))
	}
	if err := i.SetPrice(ctx, "254", "KES", historyPrice); err != nil {
		return err
	}
	i.Hooks = []string{"127.0.0.1:9"} // where nobody listens; nothing new is posted
	return i.serve(ctx, func(*product.Process) error {
		hook, _, err := i.client(big).CreateWebhook(ctx, "http://127.0.0.1:9/hook", "message.*")
		i.Webhook = keyOf(hook)
		return err
	})
}

// driverName is of a driver that needs no network.
const driverName = "trial"

func keyOf(text string) int64 {
	key, _ := id.Parse[place](text) // the product made it
	return int64(key)
}

func (i *installed) client(account int) *product.Client {
	return product.NewClient(i.URL(), i.Keys[account])
}

// serve runs the real server while work does.
func (i *installed) serve(ctx context.Context, work func(*product.Process) error) error {
	p, err := i.Start()
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, 10*time.Minute) // a large database may be checked first
	defer cancel()
	err = i.Ready(ready, p)
	if err == nil {
		err = work(p)
	}
	if stopped := p.Stop(time.Minute); stopped != nil && !strings.Contains(stopped.Error(), "exit status 0") {
		err = errors.Join(err, stopped)
	}
	return err
}
