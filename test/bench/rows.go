package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/store/storetest"
	"tidings.dev/test/product"
)

// Bench is a measurement under way.
type Bench struct {
	Rounds int
	Dir    string // scratch
	Binary string // the product
	Out    io.Writer

	installs int
	started  int64    // the number of the next request, so that references never repeat
	cluster  *cluster // PostgreSQL's, once it is needed
}

// Row is one line of the table of speeds in the design, or a few that are measured together.
type Row struct {
	Name    string
	What    string
	measure func(context.Context, *Bench) ([]*Figure, error)
}

var rows = []Row{
	{"accept", "durable accept over HTTP against a handler that only parses and replies, 64 connections", acceptRow},
	{"batch", "batches of 1,000 through the native API and the clicksend surface, durable", batchRow},
	{"storage", "storage life cycle per core of CPU", storageRow},
	{"life", "whole life: HTTP, queue, SMPP, receipt, signed webhook", lifeRow},
	{"bind", "one SMPP bind, window 10, peer answering after 50 ms", bindRow},
	{"codec", "SMPP codec against gosmpp", codecRow},
	{"webhook", "signed webhooks against unsigned", webhookRow},
	{"memory", "idle server", memoryRow},
}

// slice is how long one side of a comparison runs at a time.
const slice = 2 * time.Second

// far says where the product finds the world outside.
type far struct {
	smsc   string // its address; empty: nobody listens there
	hook   string // the customer's receiver; empty: none
	window int
	price  int64
	engine engine
}

// username is the account's.
const username = "bench"

// server is a running product with one account.
type server struct {
	*product.Installation
	process *product.Process
	key     string
}

// serve makes a fresh installation and starts it.
func (b *Bench) serve(ctx context.Context, f far) (*server, error) {
	b.installs++
	dir := filepath.Join(b.Dir, fmt.Sprintf("install-%d", b.installs))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	install, err := product.New(b.Binary, filepath.Join(dir, "data"), log)
	if err != nil {
		return nil, err
	}
	if f.hook != "" {
		install.Hooks = []string{f.hook}
	}
	if f.engine == postgres {
		where, err := b.database(ctx)
		if err != nil {
			return nil, err
		}
		install.Setting = append(install.Setting, "TIDINGS_DATABASE="+where)
	}
	s := &server{Installation: install}
	if err := s.provision(ctx, f); err != nil {
		return nil, err
	}
	if s.process, err = s.Start(); err != nil {
		return nil, err
	}
	readyCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Ready(readyCtx, s.process); err != nil {
		return nil, err
	}
	if f.hook == "" {
		return s, nil
	}
	_, _, err = product.NewClient(s.URL(), s.key).CreateWebhook(ctx, "http://"+f.hook+"/hook", "message.delivered")
	return s, err
}

func (s *server) provision(ctx context.Context, f far) error {
	account, err := s.CreateAccount(ctx, username, "KE", "KES", 1e15)
	if err != nil {
		return err
	}
	if f.smsc == "" {
		if f.smsc, err = product.FreeAddress(); err != nil {
			return err
		}
	}
	if _, err := s.CreateChannel(ctx, "network", "smpp", product.SMPP(f.smsc, max(1, f.window), nil)); err != nil {
		return err
	}
	if f.price > 0 {
		if err := s.SetPrice(ctx, "254", "KES", f.price); err != nil {
			return err
		}
	}
	s.key, err = s.CreateKey(ctx, account)
	return err
}

// end stops the server and forgets its data.
func (s *server) end() {
	_ = s.process.Stop(20 * time.Second)
	_ = os.RemoveAll(filepath.Dir(s.Dir))
}

// load runs the load driver in a process of its own.
func (b *Bench) load(ctx context.Context, args ...string) (Tally, error) {
	self, err := os.Executable()
	if err != nil {
		return Tally{}, err
	}
	args = append([]string{"load", "-start", strconv.FormatInt(b.started, 10)}, args...)
	command := exec.CommandContext(ctx, self, args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return Tally{}, fmt.Errorf("load: %w", err)
	}
	var t Tally
	if err := json.Unmarshal(out, &t); err != nil {
		return t, err
	}
	b.started += t.OK + t.Bad + 1000
	if t.Bad > 0 || t.OK == 0 {
		return t, fmt.Errorf("%d of %d requests were refused, such as: %s", t.Bad, t.OK+t.Bad, t.Sample)
	}
	return t, nil
}

func (b *Bench) drive(ctx context.Context, s *server, kind string, connections int, last time.Duration) (Tally, error) {
	return b.load(ctx, "-host", s.Listen, "-key", s.key, "-kind", kind, "-connections", strconv.Itoa(connections), "-for", last.String())
}

// acceptRow runs A B A for each engine in each round and compares B with the mean of the two A around it.
func acceptRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	plain := &Figure{Name: "CPU of the null handler", Unit: "us"}
	null, err := startPeer("null")
	if err != nil {
		return nil, err
	}
	defer null.stop()
	if _, err := b.null(ctx, null, time.Second/2); err != nil { // warm-up
		return nil, err
	}
	sides := []*accepting{newAccepting(sqlite, 0.40, 0.50), newAccepting(postgres, 0.30, 0)}
	for range b.Rounds {
		for _, side := range sides {
			if err := side.round(ctx, b, null, plain); err != nil {
				return nil, err
			}
		}
	}
	var figures []*Figure
	for _, side := range sides {
		figures = append(figures, side.ratio, side.tail, side.rate, side.cpu)
		if side.engine == postgres {
			figures = append(figures, side.theirs)
		}
	}
	return append(figures, plain), nil
}

func (b *Bench) null(ctx context.Context, null *peer, last time.Duration) (Tally, error) {
	return b.load(ctx, "-host", null.address, "-for", last.String())
}

// accepting is what is measured of accepts on one engine.
type accepting struct {
	engine                 engine
	ratio, tail, rate, cpu *Figure
	theirs                 *Figure // CPU of PostgreSQL's processes
}

func newAccepting(e engine, floor, aim float64) *accepting {
	tail := &Figure{Name: "p99 of accept / p99 of null handler" + e.suffix()}
	if e == sqlite {
		tail.Floor, tail.Aim, tail.Lower = 2, 1.2, true
	}
	return &accepting{
		engine: e, ratio: &Figure{Name: "accept / null handler" + e.suffix(), Floor: floor, Aim: aim}, tail: tail,
		theirs: &Figure{Name: "PostgreSQL's CPU of an accept", Unit: "us"},
		rate:   &Figure{Name: "accepts" + e.suffix(), Unit: "1/s"}, cpu: &Figure{Name: "CPU of an accept" + e.suffix(), Unit: "us"},
	}
}

func (a *accepting) round(ctx context.Context, b *Bench, null *peer, plain *Figure) error {
	s, err := b.serve(ctx, far{engine: a.engine})
	if err != nil {
		return err
	}
	defer s.end()
	if _, err := b.drive(ctx, s, "json", 64, time.Second/2); err != nil {
		return err
	}
	before, err := b.null(ctx, null, slice)
	if err != nil {
		return err
	}
	served, err := b.servedBy(a.engine)
	if err != nil {
		return err
	}
	own, spent, err := b.measured(s, func() (Tally, error) { return b.drive(ctx, s, "json", 64, slice) })
	if err != nil {
		return err
	}
	servedAll, err := b.servedBy(a.engine)
	if err != nil {
		return err
	}
	a.theirs.add(float64((servedAll - served).Microseconds()) / float64(own.OK))
	nulls, err := cpuOf(null.command.Process.Pid)
	if err != nil {
		return err
	}
	after, err := b.null(ctx, null, slice)
	if err != nil {
		return err
	}
	allNulls, err := cpuOf(null.command.Process.Pid)
	if err != nil {
		return err
	}
	plain.add(float64((allNulls - nulls).Microseconds()) / float64(after.OK))
	a.ratio.add(own.rate() / ((before.rate() + after.rate()) / 2))
	a.tail.add(own.P99 / ((before.P99 + after.P99) / 2))
	a.rate.add(own.rate())
	a.cpu.add(float64(spent.Microseconds()) / float64(own.OK))
	return nil
}

// measured runs a load and tells what it cost the server's own process.
func (b *Bench) measured(s *server, load func() (Tally, error)) (t Tally, spent time.Duration, err error) {
	before, err := cpuOf(s.process.Pid())
	if err != nil {
		return t, 0, err
	}
	if t, err = load(); err != nil {
		return t, 0, err
	}
	after, err := cpuOf(s.process.Pid())
	return t, after - before, err
}

// batching is what is measured of batches of 1,000 on one surface.
type batching struct {
	kind             string
	alone, rate, cpu *Figure
}

func batchRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	sides := []batching{newBatching("batch", "", 40_000, 80_000), newBatching("clicksend", ", clicksend", 15_000, 30_000)}
	for range b.Rounds {
		for _, side := range sides {
			if err := side.round(ctx, b); err != nil {
				return nil, err
			}
		}
	}
	var figures []*Figure
	for _, side := range sides {
		figures = append(figures, side.rate, side.cpu, side.alone)
	}
	return figures, nil
}

func newBatching(kind, on string, floor, aim float64) batching {
	return batching{
		kind: kind, rate: &Figure{Name: "batches of 1,000" + on, Unit: "messages/s", Floor: floor, Aim: aim},
		cpu:   &Figure{Name: "CPU of a message in a batch" + on, Unit: "us"},
		alone: &Figure{Name: "p95 of one batch, nothing beside it" + on, Unit: "ms", Floor: 100, Aim: 50, Lower: true},
	}
}

func (o batching) round(ctx context.Context, b *Bench) error {
	s, err := b.serve(ctx, far{})
	if err != nil {
		return err
	}
	defer s.end()
	// What is sent in all stays below what one account may have waiting.
	load := func(connections, most int) (Tally, error) {
		return b.load(ctx, "-host", s.Listen, "-key", s.key, "-username", username, "-kind", o.kind,
			"-connections", strconv.Itoa(connections), "-most", strconv.Itoa(most), "-for", "30s")
	}
	if _, err := load(4, 4); err != nil {
		return err
	}
	t, err := load(1, 20)
	if err != nil {
		return err
	}
	o.alone.add(t.P95 / 1000)
	t, spent, err := b.measured(s, func() (Tally, error) { return load(4, 60) })
	if err != nil {
		return err
	}
	o.rate.add(t.rate())
	o.cpu.add(float64(spent.Microseconds()) / float64(t.OK))
	return nil
}

// lived is what one whole-life slice came to.
type lived struct {
	rate, cpu float64
}

// live sends for a while and waits until the customer has heard of every delivery.
func (b *Bench) live(s *server, sink *peer, send func() (Tally, error)) (l lived, err error) {
	if _, err := sink.ask("DELETE"); err != nil {
		return l, err
	}
	spent, err := cpuOf(s.process.Pid())
	if err != nil {
		return l, err
	}
	started := time.Now()
	t, err := send()
	if err != nil {
		return l, err
	}
	heard, err := sink.settled(t.OK, 10*time.Second, time.Minute)
	if err != nil {
		return l, err
	}
	if heard.N < t.OK {
		return l, fmt.Errorf("%d accepted, the customer heard of %d deliveries", t.OK, heard.N)
	}
	total, err := cpuOf(s.process.Pid())
	l.rate = float64(heard.N) / time.UnixMicro(heard.Last).Sub(started).Seconds()
	l.cpu = float64((total - spent).Microseconds()) / float64(heard.N)
	return l, err
}

func lifeRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	cpu := &Figure{Name: "CPU for a whole life, priced", Unit: "us", Floor: 160, Aim: 110, Lower: true}
	rate := &Figure{Name: "whole lives", Unit: "1/s"}
	smsc, err := startPeer("smsc", "-receipts")
	if err != nil {
		return nil, err
	}
	defer smsc.stop()
	sink, err := startPeer("sink")
	if err != nil {
		return nil, err
	}
	defer sink.stop()
	s, err := b.serve(ctx, far{smsc: smsc.address, hook: sink.address, window: 10, price: 800_000})
	if err != nil {
		return nil, err
	}
	defer s.end()
	send := func(last time.Duration) func() (Tally, error) {
		return func() (Tally, error) { return b.drive(ctx, s, "json", 64, last) }
	}
	if _, err := b.live(s, sink, send(time.Second/2)); err != nil {
		return nil, err
	}
	for range b.Rounds {
		l, err := b.live(s, sink, send(slice))
		if err != nil {
			return nil, err
		}
		cpu.add(l.cpu)
		rate.add(l.rate)
	}
	return []*Figure{cpu, rate}, nil
}

// bindRow fills the queue and counts what the network takes while it is never empty.
func bindRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	const window, trip = 10, 50 * time.Millisecond
	share := &Figure{Name: "window 10 at 50 ms, of what is possible", Unit: "%", Floor: 95, Aim: 99}
	smsc, err := startPeer("smsc", "-delay", trip.String())
	if err != nil {
		return nil, err
	}
	defer smsc.stop()
	s, err := b.serve(ctx, far{smsc: smsc.address, window: window})
	if err != nil {
		return nil, err
	}
	defer s.end()
	seconds := 2 * time.Second
	need := int64(float64(b.Rounds+2) * seconds.Seconds() * window / trip.Seconds())
	fill := []string{"-host", s.Listen, "-key", s.key, "-most", strconv.FormatInt(need, 10), "-for", "30s", "-connections", "16"}
	if _, err := b.load(ctx, fill...); err != nil {
		return nil, err
	}
	for range b.Rounds {
		before, err := smsc.ask("GET")
		if err != nil {
			return nil, err
		}
		started := time.Now()
		time.Sleep(seconds)
		after, err := smsc.ask("GET")
		if err != nil {
			return nil, err
		}
		rate := float64(after.N-before.N) / time.Since(started).Seconds()
		share.add(100 * rate / (window / trip.Seconds()))
	}
	return []*Figure{share}, nil
}

func codecRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	root, err := product.Root()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(b.Dir, "gosmpp")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(root, "test", "bench", "gosmpp"), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the comparison with gosmpp: %w\n%s", err, out)
	}
	smsc, err := startPeer("smsc")
	if err != nil {
		return nil, err
	}
	defer smsc.stop()
	measure := func(client string, window int) (float64, error) {
		command := exec.CommandContext(ctx, binary, "-client", client, "-address", smsc.address, "-window", strconv.Itoa(window))
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", client, err)
		}
		return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	}
	var figures []*Figure
	for _, goal := range []struct {
		window     int
		floor, aim float64
	}{{10, 2, 2.5}, {100, 5, 10}} {
		ratio := &Figure{Name: fmt.Sprintf("codec / gosmpp at window %d", goal.window), Floor: goal.floor, Aim: goal.aim}
		rate := &Figure{Name: fmt.Sprintf("codec at window %d", goal.window), Unit: "1/s"}
		for range b.Rounds {
			first, err := measure("gosmpp", goal.window)
			if err != nil {
				return nil, err
			}
			own, err := measure("own", goal.window)
			if err != nil {
				return nil, err
			}
			second, err := measure("gosmpp", goal.window)
			if err != nil {
				return nil, err
			}
			ratio.add(own / ((first + second) / 2))
			rate.add(own)
		}
		figures = append(figures, ratio, rate)
	}
	return figures, nil
}

func memoryRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	memory := &Figure{Name: "memory of an idle server", Unit: "MB", Floor: 60, Aim: 40, Lower: true}
	smsc, err := startPeer("smsc")
	if err != nil {
		return nil, err
	}
	defer smsc.stop()
	for range b.Rounds {
		s, err := b.serve(ctx, far{smsc: smsc.address, window: 10})
		if err != nil {
			return nil, err
		}
		time.Sleep(2 * time.Second) // idle is what it is after a while, not at its start
		resident, err := residentOf(s.process.Pid())
		s.end()
		if err != nil {
			return nil, err
		}
		memory.add(resident)
	}
	return []*Figure{memory}, nil
}

// The next two rows measure what only code inside the product can reach. They are Go benchmarks beside that code, run
// in processes of their own; each reports the metric named here.

func storageRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	var figures []*Figure
	of := map[engine]map[string]*Figure{}
	for _, e := range []engine{sqlite, postgres} {
		of[e] = map[string]*Figure{
			"free":   {Name: "storage lives per core, free, no webhook" + e.suffix(), Unit: "1/s"},
			"priced": {Name: "storage lives per core, priced, one webhook" + e.suffix(), Unit: "1/s"},
		}
		figures = append(figures, of[e]["free"], of[e]["priced"])
	}
	figures[0].Floor, figures[0].Aim, figures[1].Floor, figures[1].Aim = 30_000, 45_000, 12_000, 18_000
	for range b.Rounds {
		for e, lives := range of {
			for name, f := range lives {
				v, err := b.benchmark(ctx, e, "./internal/gateway", "BenchmarkLife/"+name, "lives/cpu-s")
				if err != nil {
					return nil, err
				}
				f.add(v)
			}
		}
	}
	return figures, nil
}

func webhookRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	ratio := &Figure{Name: "signed / unsigned webhooks", Floor: 0.80, Aim: 0.90}
	rate := &Figure{Name: "signed webhooks", Unit: "1/s"}
	for range b.Rounds {
		// The benchmark itself posts signed and unsigned in turn.
		for metric, f := range map[string]*Figure{"signed/unsigned": ratio, "signed/s": rate} {
			v, err := b.benchmark(ctx, sqlite, "./internal/webhook", "BenchmarkPost", metric)
			if err != nil {
				return nil, err
			}
			f.add(v)
		}
	}
	return []*Figure{ratio, rate}, nil
}

// benchmark runs one Go benchmark of the product and reads a metric that it reports.
func (b *Bench) benchmark(ctx context.Context, e engine, pkg, name, metric string) (float64, error) {
	root, err := product.Root()
	if err != nil {
		return 0, err
	}
	pattern := "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
	command := exec.CommandContext(ctx, "go", "test", "-C", root, "-run", "^$", "-bench", pattern, "-benchtime", "2s", pkg)
	if e == postgres {
		c, err := b.postgres(ctx)
		if err != nil {
			return 0, err
		}
		command.Env = append(os.Environ(), storetest.Engine+"=postgres", storetest.Server+"="+c.URL("postgres"))
	}
	out, err := command.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w\n%s", pkg, name, err, out)
	}
	found := regexp.MustCompile(`([0-9.e+]+) ` + regexp.QuoteMeta(metric)).FindSubmatch(out)
	if found == nil {
		return 0, errors.New(pkg + " has no benchmark " + name + " that reports " + metric)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
