// Chaos kills the product under load, again and again, and checks from the outside that it kept every promise.
//
//	go run ./test/chaos -kills 100            kill -9 a hundred times, drain, check
//	go run ./test/chaos -nodes 2              the same with two servers on one PostgreSQL
//	go run ./test/chaos -faults postgres      kill PostgreSQL instead
//	go run ./test/chaos -soak 10m             half of the peak for long, a kill a minute, and nothing may grow
//	go run ./test/chaos inbound               people write to a linked device while the server is killed and writes fail
//	go run ./test/chaos check DIR             check an earlier run again
//	go run ./test/chaos proof                 plant known bugs and see that each is found
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"tidings.dev/test/product"
)

func main() {
	args, role := os.Args[1:], ""
	if len(args) > 0 {
		role = args[0]
	}
	var err error
	switch role {
	case "smsc":
		err = smscMain(args[1:])
	case "customer":
		err = customerMain(args[1:])
	case "whatsapp":
		err = whatsappMain(args[1:])
	case "inbound":
		err = inboundMain(args[1:])
	case "check":
		err = checkMain(args[1:])
	case "proof":
		err = proofMain(args[1:])
	default:
		err = runMain(args)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// options are the flags of a run.
type options struct {
	plan  Plan
	short bool
	soak  time.Duration
	every time.Duration
}

func parseRun(args []string) (o options, err error) {
	p := &o.plan
	p.Out = os.Stdout
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.IntVar(&p.Kills, "kills", 0, "how often to kill; default: 100, of the database 10")
	flags.BoolVar(&o.short, "short", false, "10 kills, of the database 2")
	flags.Uint64Var(&p.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "of the load and of what goes wrong")
	flags.StringVar(&p.Dir, "dir", "", "where to keep the histories; default: a new temporary folder, removed after success")
	flags.StringVar(&p.Binary, "binary", "", "the product; default: built from this checkout")
	flags.DurationVar(&p.Drain, "drain", 3*time.Minute, "how long the product may take to come to rest")
	flags.StringVar(&p.Engine, "engine", "", "sqlite or postgres; default: what the other flags need, else sqlite")
	flags.IntVar(&p.Nodes, "nodes", 1, "how many servers share the database: 1 or 2")
	flags.StringVar(&p.Faults, "faults", onProduct, "what is killed: product or postgres")
	flags.IntVar(&p.Rate, "rate", 0, "parts a second of the channel; default: no limit, of two servers 300")
	flags.StringVar(&p.Bind, "bind", "", "which servers open the channel: one or each; default: each on PostgreSQL")
	flags.DurationVar(&o.soak, "soak", 0, "instead: how long to go on at half of the peak, with a kill now and then")
	flags.DurationVar(&o.every, "every", time.Minute, "of a soak: the time between two kills")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err = o.complete()
	return o, err
}

// complete fills in what was not said, and refuses what does not go together.
func (o *options) complete() error {
	p := &o.plan
	shares := p.Nodes > 1 || p.Faults == onDatabase
	if p.Engine == "" {
		p.Engine = sqlite
		if shares {
			p.Engine = postgres
		}
	}
	if p.Bind == "" && p.Engine == postgres {
		p.Bind = "each"
	}
	o.count()
	p.Shards = 1
	if p.Nodes > 1 {
		p.Shards = 4
		if p.Rate == 0 {
			p.Rate = 300
		}
	}
	switch {
	case p.Nodes < 1 || p.Nodes > maxNodes:
		return fmt.Errorf("-nodes can be 1 to %d", maxNodes)
	case p.Faults != onProduct && p.Faults != onDatabase:
		return fmt.Errorf("-faults can be %s or %s", onProduct, onDatabase)
	case p.Soak != nil && (shares || o.soak < 2*o.every):
		return errors.New("a soak is of one server, and of two kills at least")
	case shares && p.Engine != postgres:
		return errors.New("only PostgreSQL can be shared or killed")
	}
	return nil
}

// count is how often the run kills.
func (o *options) count() {
	p := &o.plan
	most, least := 100, 10
	if p.Faults == onDatabase {
		most, least = 10, 2
	}
	switch {
	case o.soak > 0 && o.every > 0:
		p.Soak = newSoak(o.soak, o.every)
		p.Kills = int((o.soak-1)/o.every) + 1
	case o.short:
		p.Kills = least
	case p.Kills == 0:
		p.Kills = most
	}
}

func runMain(args []string) error {
	o, err := parseRun(args)
	if err != nil {
		return err
	}
	ctx, cancel := interruptible()
	defer cancel()
	plan := o.plan
	keep := plan.Dir != ""
	if !keep {
		if plan.Dir, err = os.MkdirTemp("", "chaos-"); err != nil {
			return err
		}
	}
	if plan.Binary == "" {
		plan.Binary = filepath.Join(plan.Dir, "tidings")
		if err := product.Build(ctx, "./cmd/tidings", plan.Binary); err != nil {
			return err
		}
	}
	fmt.Printf("chaos: %d kills (%s), %d servers on %s, seed %d, histories in %s\n", plan.Kills, plan.Faults, plan.Nodes, plan.Engine, plan.Seed, plan.Dir)
	if err := plan.execute(ctx); err != nil {
		return fmt.Errorf("the run failed, its histories are in %s: %w", plan.Dir, err)
	}
	if err := judge(plan.Dir, plan.Kills); err != nil {
		return err
	}
	if !keep {
		return os.RemoveAll(plan.Dir)
	}
	return nil
}

func checkMain(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: chaos check DIR")
	}
	return judge(args[0], 0)
}

// judge checks a run's folder and tells what it found.
func judge(dir string, kills int) error {
	debug.SetGCPercent(20) // a long run's histories are large, and stay
	w, err := readWorld(dir)
	if err != nil {
		return err
	}
	violations := Check(w)
	report(os.Stdout, w, violations)
	if why := vacuous(w, kills); why != "" {
		return fmt.Errorf("the run proves nothing: %s", why)
	}
	if len(violations) > 0 {
		return fmt.Errorf("%d promises broken; histories, logs and database are in %s", len(violations), dir)
	}
	return nil
}
