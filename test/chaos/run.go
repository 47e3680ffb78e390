package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tidings.dev/test/product"
)

// Plan is what a run is to do.
type Plan struct {
	Setup
	Kills  int
	Seed   uint64
	Dir    string // of the run; everything is kept in it
	Binary string // of the product
	Drain  time.Duration
	Out    io.Writer
}

// What a run strikes.
const (
	onProduct  = "product"
	onDatabase = "postgres"
)

const (
	minBacklog = 100 // accepted and not handed over, at every kill
	minRate    = 50  // accepts a second before the kills
	maxNodes   = 2
	price      = 800_000
	credit     = 1_000_000_000_000
	readyTime  = 30 * time.Second
	dropTime   = 20 * time.Second // for the backlog to build up
)

// Run is a run under way.
type Run struct {
	Plan
	random   *rand.Rand
	network  *peer
	customer *peer
	control  string
	base     *Base
	db       *sql.DB // to look into the database
	nodes    []*node
	load     *Load
	samples  *History // of a soak
	kills    int
	frozen   int       // how often a server was
	reached  []float64 // accepts a second before each fault
	accepted int64     // at the last fault of a soak
	before   int64     // bytes of the database before a soak
}

// node is one of the servers.
type node struct {
	n       int
	install *product.Installation
	process *product.Process // nil: it has not run yet
	log     *os.File
}

// execute does the run and leaves its histories; the checker looks at them after.
func (p Plan) execute(ctx context.Context) (err error) {
	r := &Run{Plan: p, random: rand.New(rand.NewPCG(p.Seed, 1))}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	loadCtx, endLoad := context.WithCancel(ctx)
	defer endLoad()
	watchCtx, endWatch := context.WithCancel(ctx)
	defer endWatch()
	go func() { _ = r.load.watch.follow(watchCtx, p.Dir) }()
	loadOver := make(chan struct{})
	go func() { defer close(loadOver); r.load.run(loadCtx) }()
	strike := r.strike
	if p.Soak != nil {
		strike = r.soak
	}
	err = strike(ctx)
	endLoad()
	<-loadOver
	if err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	if p.Soak != nil {
		if err := r.rest(ctx); err != nil {
			return err
		}
	}
	return r.finish(ctx)
}

// prepare starts all processes and makes what the load needs.
func (r *Run) prepare(ctx context.Context) (err error) {
	delay := 15 * time.Millisecond * time.Duration(r.Nodes) // so that more sessions do not take more than there is
	if r.Soak != nil {
		delay = 5 * time.Millisecond // so that the peak is the product's
	}
	if r.network, err = startPeer("smsc", "-history", filepath.Join(r.Dir, smscFile), "-seed", fmt.Sprint(r.Seed), "-delay", delay.String()); err != nil {
		return err
	}
	smpp, control, _ := strings.Cut(r.network.Address, " ")
	r.control = control
	if r.customer, err = startPeer("customer", "-history", filepath.Join(r.Dir, customerFile)); err != nil {
		return err
	}
	if r.base, err = newBase(ctx, r.Engine, r.Dir, filepath.Join(r.Dir, "data", databaseFile)); err != nil {
		return err
	}
	if err := r.install(ctx); err != nil {
		return err
	}
	key, err := r.provision(ctx, smpp)
	if err != nil {
		return err
	}
	if r.db, err = r.base.open(); err != nil {
		return err
	}
	history, err := createHistory(filepath.Join(r.Dir, loadFile))
	if err != nil {
		return err
	}
	history.add(Entry{At: now(), Op: "run", Setup: &r.Setup})
	r.load = newLoad(control, history, r.Seed)
	if r.Soak != nil {
		if err := r.openSamples(ctx); err != nil {
			return err
		}
	}
	for _, n := range r.nodes {
		r.load.servers = append(r.load.servers, &server{Client: product.NewClient(n.install.URL(), key)})
	}
	for _, n := range r.nodes {
		if err := r.start(ctx, n, 0); err != nil {
			return err
		}
	}
	if err := r.subscribe(ctx, key); err != nil {
		return err
	}
	pause(ctx, r.base.grace())
	return nil
}

// install prepares the servers. Several have their own data folders and ports, and one master key.
func (r *Run) install(ctx context.Context) error {
	setting := r.base.setting()
	if r.Soak != nil {
		setting = append(setting, retention...)
	}
	for n := range r.Nodes {
		log, err := os.Create(filepath.Join(r.Dir, logOf(n)))
		if err != nil {
			return err
		}
		folder := "data"
		if n > 0 {
			folder += strconv.Itoa(n)
		}
		i, err := product.New(r.Binary, filepath.Join(r.Dir, folder), log)
		if err != nil {
			return err
		}
		if n == 0 && r.Nodes > 1 {
			key, err := i.CreateMasterKey(ctx)
			if err != nil {
				return err
			}
			setting = append(setting, "TIDINGS_MASTER_KEY="+key)
		}
		i.Hooks, i.Setting = []string{r.customer.Address}, setting
		r.nodes = append(r.nodes, &node{n: n, install: i, log: log})
	}
	return nil
}

func (r *Run) provision(ctx context.Context, smpp string) (key string, err error) {
	i := r.nodes[0].install
	account, err := i.CreateAccount(ctx, "chaos", "KE", "KES", credit)
	if err != nil {
		return "", err
	}
	more := map[string]any{"response_timeout": "1500ms"}
	if r.Bind == "each" {
		more["nodes"] = r.Bind
	}
	channel, err := i.CreateChannel(ctx, "network", "smpp", product.SMPP(smpp, window, more),
		"--shards", strconv.Itoa(r.Shards), "--rate", strconv.Itoa(r.Rate))
	if err != nil {
		return "", err
	}
	if err := i.SetPrice(ctx, "254", "KES", price); err != nil {
		return "", err
	}
	if r.Soak != nil {
		if err := r.fill(ctx, account, channel); err != nil {
			return "", err
		}
	}
	return i.CreateKey(ctx, account)
}

// subscribe adds the customer's endpoint and gives the customer its secret.
func (r *Run) subscribe(ctx context.Context, key string) error {
	_, secret, err := r.load.servers[0].CreateWebhook(ctx, "http://"+r.customer.Address+"/hook", "message.*")
	if err != nil {
		return err
	}
	text, _ := json.Marshal(map[string]string{"the API key": key, "the webhook's secret": strings.TrimPrefix(secret, "whsec_")})
	if err := os.WriteFile(filepath.Join(r.Dir, secretsFile), text, 0o600); err != nil {
		return err
	}
	return hand(ctx, secret, r.customer.Address)
}

// hand gives the customer the secret that its posts are signed with.
func hand(ctx context.Context, secret, customer string) error {
	status, text, err := product.NewClient("http://"+customer, "").Do(ctx, http.MethodPut, "/secret", []byte(secret))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the customer does not take its secret: %d %s", status, text)
	}
	return err
}

// start runs a server and waits until it answers.
func (r *Run) start(ctx context.Context, n *node, backlog int) error {
	if err := r.launch(n, backlog); err != nil {
		return err
	}
	return r.ready(ctx, n)
}

func (r *Run) launch(n *node, backlog int) (err error) {
	r.load.firstYes.Store(0)
	r.note(Entry{Op: "start", Node: n.n, Backlog: backlog})
	n.process, err = n.install.Start()
	return err
}

func (r *Run) ready(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err := n.install.Ready(ctx, n.process)
	r.note(Entry{Op: "ready", Node: n.n})
	return err
}

// note writes down what the nemesis does.
func (r *Run) note(e Entry) {
	e.At = now()
	r.load.history.add(e)
}

// drain waits until nothing moves any more: the network owes nothing, no job is due soon, nobody hears anything.
func (r *Run) drain(ctx context.Context) error {
	fmt.Fprintf(r.Out, "  draining: %d accepted, backlog %d\n", r.load.accepts.Load(), r.load.watch.backlog())
	deadline := time.Now().Add(r.Drain)
	var err error
	var jobs int
	for time.Now().Before(deadline) && ctx.Err() == nil {
		jobs, err = soon(r.db, 15*time.Second) // which fails once on a connection that died with the database
		if err == nil && jobs == 0 && r.owed(ctx) == "0" && r.load.watch.quietFor() > 1500*time.Millisecond {
			r.note(Entry{Op: "quiet", Phase: OK})
			return nil
		}
		pause(ctx, 200*time.Millisecond)
	}
	r.note(Entry{Op: "quiet", Phase: Fail})
	return errors.Join(err, ctx.Err())
}

func (r *Run) owed(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.control+"/pending", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// finish writes down how everything ended and keeps the database.
func (r *Run) finish(ctx context.Context) error {
	final, err := createHistory(filepath.Join(r.Dir, finalFile))
	if err != nil {
		return err
	}
	err = r.load.servers[0].Messages(ctx, nil, func(m product.Message) bool { final.add(m); return true })
	if err := errors.Join(err, final.close()); err != nil {
		return err
	}
	for _, n := range r.nodes {
		if err := n.process.Stop(25 * time.Second); err != nil {
			return fmt.Errorf("the last stop: %w", err)
		}
	}
	return r.base.keep(r.Dir)
}

func (r *Run) close() error {
	var problems []error
	for _, n := range r.nodes {
		if n.process != nil {
			n.process.Kill()
		}
		problems = append(problems, n.log.Close())
	}
	if r.load != nil {
		problems = append(problems, r.load.history.close())
	}
	if r.samples != nil {
		problems = append(problems, r.samples.close())
	}
	for _, p := range []*peer{r.network, r.customer} {
		if p != nil {
			problems = append(problems, p.stop())
		}
	}
	if r.db != nil {
		problems = append(problems, r.db.Close())
	}
	if r.base != nil {
		problems = append(problems, r.base.close())
	}
	return errors.Join(problems...)
}

// vacuous tells why a run proves nothing, or "".
func vacuous(w World, kills int) string {
	struck, backlog, rates, n, working := 0, 1<<30, 0.0, 0, 0
	for _, e := range w.Load {
		if e.Op == "kill" || e.Op == "cut" {
			struck++
			backlog = min(backlog, e.Backlog)
			if e.Rate > 0 {
				rates += e.Rate
				n++
			}
			if len(e.Leases) > 0 {
				working++
			}
		}
	}
	switch setup := w.setup(); {
	case setup.Soak != nil && soaked(w) != "":
		return soaked(w)
	case struck < kills || struck == 0:
		return fmt.Sprintf("%d kills of %d", struck, kills)
	case setup.Soak == nil && backlog < minBacklog:
		return fmt.Sprintf("a kill with a backlog of only %d", backlog)
	case n == 0 || rates/float64(n) < minRate:
		return fmt.Sprintf("%.0f accepts a second before the kills; %d are needed", rates/float64(max(n, 1)), minRate)
	case setup.Nodes > 1 && setup.Faults == onProduct && working < struck/2:
		return fmt.Sprintf("only %d of %d kills met a server that worked a lane", working, struck)
	case len(w.Posts) == 0 || len(w.SMSC) == 0 || len(w.Final) == 0:
		return "a history is empty"
	}
	return ""
}
