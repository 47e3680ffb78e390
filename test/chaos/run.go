package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidings.dev/test/product"
)

// Plan is what a run is to do.
type Plan struct {
	Kills  int
	Seed   uint64
	Dir    string // of the run; everything is kept in it
	Binary string // of the product
	Drain  time.Duration
	Out    io.Writer
}

const (
	minBacklog = 100 // accepted and not handed over, at every kill
	minRate    = 50  // accepts a second before the kills
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
	install  *product.Installation
	process  *product.Process
	load     *Load
	log      *os.File
	kills    int
	reached  []float64 // accepts a second before each fault
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
	err = r.strike(ctx)
	endLoad()
	<-loadOver
	if err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// prepare starts the three processes and makes what the load needs.
func (r *Run) prepare(ctx context.Context) (err error) {
	if r.network, err = startPeer("smsc", "-history", filepath.Join(r.Dir, smscFile), "-seed", fmt.Sprint(r.Seed)); err != nil {
		return err
	}
	smpp, control, _ := strings.Cut(r.network.Address, " ")
	r.control = control
	if r.customer, err = startPeer("customer", "-history", filepath.Join(r.Dir, customerFile)); err != nil {
		return err
	}
	if r.log, err = os.Create(filepath.Join(r.Dir, productLog)); err != nil {
		return err
	}
	if r.install, err = product.New(r.Binary, filepath.Join(r.Dir, "data"), r.log); err != nil {
		return err
	}
	r.install.Hooks = []string{r.customer.Address}
	key, err := r.provision(ctx, smpp)
	if err != nil {
		return err
	}
	history, err := createHistory(filepath.Join(r.Dir, loadFile))
	if err != nil {
		return err
	}
	r.load = &Load{
		client: product.NewClient(r.install.URL(), key), control: control, history: history, seed: r.Seed,
		watch: newWatcher(),
	}
	if err := r.start(ctx, 0); err != nil {
		return err
	}
	return r.subscribe(ctx, key)
}

func (r *Run) provision(ctx context.Context, smpp string) (key string, err error) {
	account, err := r.install.CreateAccount(ctx, "chaos", "KE", "KES", credit)
	if err != nil {
		return "", err
	}
	settings := product.SMPP(smpp, window, map[string]any{"response_timeout": "1500ms"})
	if _, err := r.install.CreateChannel(ctx, "network", "smpp", settings); err != nil {
		return "", err
	}
	if err := r.install.SetPrice(ctx, "254", "KES", price); err != nil {
		return "", err
	}
	return r.install.CreateKey(ctx, account)
}

// subscribe adds the customer's endpoint and gives the customer its secret.
func (r *Run) subscribe(ctx context.Context, key string) error {
	_, secret, err := r.load.client.CreateWebhook(ctx, "http://"+r.customer.Address+"/hook", "message.*")
	if err != nil {
		return err
	}
	text, _ := json.Marshal(map[string]string{"the API key": key, "the webhook's secret": strings.TrimPrefix(secret, "whsec_")})
	if err := os.WriteFile(filepath.Join(r.Dir, secretsFile), text, 0o600); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+r.customer.Address+"/secret", strings.NewReader(secret))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// start runs the product and waits until it answers.
func (r *Run) start(ctx context.Context, backlog int) error {
	if err := r.launch(backlog); err != nil {
		return err
	}
	return r.ready(ctx)
}

func (r *Run) launch(backlog int) (err error) {
	r.load.firstYes.Store(0)
	r.load.history.add(Entry{At: now(), Op: "start", Backlog: backlog})
	r.process, err = r.install.Start()
	return err
}

func (r *Run) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err := r.install.Ready(ctx, r.process)
	r.load.history.add(Entry{At: now(), Op: "ready"})
	return err
}

// strike is the nemesis. Each round lets the load run for 50 to 600 ms from the first accept, waits for the backlog, and
// kills; one in ten strikes again while the product recovers, and one in ten rounds asks it to stop instead.
func (r *Run) strike(ctx context.Context) error {
	for r.kills < r.Kills {
		if err := r.untilLoaded(ctx); err != nil {
			return err
		}
		backlog := r.load.watch.backlog()
		switch dice := r.random.IntN(10); {
		case dice == 0 && r.kills > 0:
			r.load.history.add(Entry{At: now(), Op: "term", Backlog: backlog})
			if err := r.process.Stop(25 * time.Second); err != nil {
				return fmt.Errorf("after SIGTERM: %w", err)
			}
		case dice == 1 && r.kills+1 < r.Kills:
			r.kill(backlog)
			if err := r.launch(0); err != nil {
				return err
			}
			pause(ctx, 10*time.Millisecond+time.Duration(r.random.Int64N(int64(250*time.Millisecond))))
			r.kill(backlog)
		default:
			r.kill(backlog)
		}
		if err := r.start(ctx, backlog); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) kill(backlog int) {
	r.kills++
	e := Entry{At: now(), Op: "kill", Backlog: backlog}
	if len(r.reached) > 0 {
		e.Rate = r.reached[len(r.reached)-1]
	}
	r.load.history.add(e)
	r.process.Kill()
	if r.kills%10 == 0 {
		fmt.Fprintf(r.Out, "  %d kills, %d accepted, backlog %d\n", r.kills, r.load.accepts.Load(), backlog)
	}
}

// untilLoaded waits until the load has run for its time and there is enough to lose.
func (r *Run) untilLoaded(ctx context.Context) error {
	before := r.load.accepts.Load()
	wait := 50*time.Millisecond + time.Duration(r.random.Int64N(int64(550*time.Millisecond)))
	deadline := time.Now().Add(dropTime)
	for {
		first := r.load.firstYes.Load()
		if first != 0 && now()-first >= wait.Microseconds() && r.load.watch.backlog() >= minBacklog {
			seconds := float64(now()-first) / 1e6
			r.reached = append(r.reached, float64(r.load.accepts.Load()-before)/seconds)
			return nil
		}
		select {
		case <-r.process.Done():
			return fmt.Errorf("the product ended by itself: %w", r.process.Err())
		default:
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("after %d kills the load does not reach its goal: backlog %d, %d accepted", r.kills,
				r.load.watch.backlog(), r.load.accepts.Load()-before)
		}
		pause(ctx, time.Millisecond)
	}
}

// drain waits until nothing moves any more: the network owes nothing, no job is due soon, nobody hears anything.
func (r *Run) drain(ctx context.Context) error {
	fmt.Fprintf(r.Out, "  draining: %d accepted, backlog %d\n", r.load.accepts.Load(), r.load.watch.backlog())
	db, err := openReadOnly(filepath.Join(r.Dir, "data", databaseFile))
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.Now().Add(r.Drain)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		jobs, err := soon(db, 15)
		if err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
		if jobs == 0 && r.owed(ctx) == "0" && r.load.watch.quietFor() > 1500*time.Millisecond {
			r.load.history.add(Entry{At: now(), Op: "quiet", Phase: OK})
			return nil
		}
		pause(ctx, 200*time.Millisecond)
	}
	r.load.history.add(Entry{At: now(), Op: "quiet", Phase: Fail})
	return ctx.Err()
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

// finish writes down how everything ended and keeps a copy of the database.
func (r *Run) finish(ctx context.Context) error {
	final, err := createHistory(filepath.Join(r.Dir, finalFile))
	if err != nil {
		return err
	}
	err = r.load.client.Messages(ctx, nil, func(m product.Message) bool { final.add(m); return true })
	if err := errors.Join(err, final.close()); err != nil {
		return err
	}
	if err := r.process.Stop(25 * time.Second); err != nil {
		return fmt.Errorf("the last stop: %w", err)
	}
	return r.keepDatabase()
}

func (r *Run) keepDatabase() error {
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(filepath.Join(r.Dir, "data", databaseFile+suffix))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.Dir, databaseFile+suffix), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) close() error {
	var problems []error
	if r.process != nil {
		r.process.Kill()
	}
	if r.load != nil {
		problems = append(problems, r.load.history.close())
	}
	for _, p := range []*peer{r.network, r.customer} {
		if p != nil {
			problems = append(problems, p.stop())
		}
	}
	if r.log != nil {
		problems = append(problems, r.log.Close())
	}
	return errors.Join(problems...)
}

// vacuous tells why a run proves nothing, or "".
func vacuous(w World, kills int) string {
	struck, backlog, rates, n := 0, 1<<30, 0.0, 0
	for _, e := range w.Load {
		if e.Op == "kill" {
			struck++
			backlog = min(backlog, e.Backlog)
			if e.Rate > 0 {
				rates += e.Rate
				n++
			}
		}
	}
	switch {
	case struck < kills || struck == 0:
		return fmt.Sprintf("%d kills of %d", struck, kills)
	case backlog < minBacklog:
		return fmt.Sprintf("a kill with a backlog of only %d", backlog)
	case n == 0 || rates/float64(n) < minRate:
		return fmt.Sprintf("%.0f accepts a second before the kills; %d are needed", rates/float64(max(n, 1)), minRate)
	case len(w.Posts) == 0 || len(w.SMSC) == 0 || len(w.Final) == 0:
		return "a history is empty"
	}
	return ""
}
