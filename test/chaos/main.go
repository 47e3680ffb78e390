// Chaos kills the product under load, again and again, and checks from the outside that it kept every promise.
//
//	go run ./test/chaos -kills 100            kill -9 a hundred times, drain, check
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

func runMain(args []string) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	kills := flags.Int("kills", 100, "how often to kill the product")
	short := flags.Bool("short", false, "10 kills")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "of the load and of what goes wrong")
	dir := flags.String("dir", "", "where to keep the histories; default: a new temporary folder, removed after success")
	binary := flags.String("binary", "", "the product; default: built from this checkout")
	drain := flags.Duration("drain", 3*time.Minute, "how long the product may take to come to rest")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *short {
		*kills = 10
	}
	ctx, cancel := interruptible()
	defer cancel()
	keep := *dir != ""
	if !keep {
		made, err := os.MkdirTemp("", "chaos-")
		if err != nil {
			return err
		}
		*dir = made
	}
	if *binary == "" {
		*binary = filepath.Join(*dir, "tidings")
		if err := product.Build(ctx, "./cmd/tidings", *binary); err != nil {
			return err
		}
	}
	fmt.Printf("chaos: %d kills, seed %d, histories in %s\n", *kills, *seed, *dir)
	plan := Plan{Kills: *kills, Seed: *seed, Dir: *dir, Binary: *binary, Drain: *drain, Out: os.Stdout}
	if err := plan.execute(ctx); err != nil {
		return fmt.Errorf("the run failed, its histories are in %s: %w", *dir, err)
	}
	if err := judge(*dir, *kills); err != nil {
		return err
	}
	if !keep {
		return os.RemoveAll(*dir)
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
