// Bench measures the product on this machine, in ratios to a peer in the same run where absolute numbers mean little.
//
//	go run ./test/bench                 every row of the table
//	go run ./test/bench -row accept     one row
//	go run ./test/bench -kannel         against Kannel, which is installed if need be
//	go run ./test/bench large           on ten million messages
//	go run ./test/bench whatsapp        with a thousand linked devices
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tidings.dev/test/product"
)

// roles are what this program is when it starts itself.
var roles = map[string]func([]string) error{"null": nullMain, "sink": sinkMain, "smsc": smscMain, "load": loadMain, "large": largeMain, "whatsapp": whatsappMain, "whatsapp-network": networkMain}

func main() {
	run := benchMain
	args := os.Args[1:]
	if len(args) > 0 && roles[args[0]] != nil {
		run, args = roles[args[0]], args[1:]
	}
	if err := run(args); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func benchMain(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "of each row; the medians of fewer than five mean little")
	only := flags.String("row", "", "only rows whose name starts so")
	kannel := flags.Bool("kannel", false, "measure against Kannel")
	binary := flags.String("binary", "", "the product; default: built from this checkout")
	keep := flags.Bool("keep", false, "keep the scratch folder")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	if !*keep {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL may run as another user
		return err
	}
	if *binary == "" {
		*binary = filepath.Join(dir, "tidings")
		if err := product.Build(ctx, "./cmd/tidings", *binary); err != nil {
			return err
		}
	}
	table := rows
	if *kannel {
		if table = kannelRows; !haveKannel() {
			if err := installKannel(ctx); err != nil {
				return err
			}
		}
	}
	b := &Bench{Rounds: *rounds, Dir: dir, Binary: *binary, Out: os.Stdout, started: time.Now().UnixMilli() % 100_000_000 * 1000}
	defer func() {
		if b.cluster != nil {
			b.cluster.stop()
		}
	}()
	return b.measure(ctx, table, *only)
}

// measure prints each row as soon as it is known. Only a row that could not be measured is an error.
func (b *Bench) measure(ctx context.Context, table []Row, only string) error {
	describe(b.Out, b.Rounds)
	printHead(b.Out)
	failed := 0
	for _, row := range table {
		if !strings.HasPrefix(row.Name, only) {
			continue
		}
		figures, err := row.measure(ctx, b)
		if len(figures) > 0 && figures[0].Tail {
			printHeadOf(b.Out, "p95", "p50", "p99")
		}
		for _, f := range figures {
			f.print(b.Out)
		}
		if err != nil {
			failed++
			fmt.Fprintf(b.Out, "%s (%s): NOT MEASURED: %v\n", row.Name, row.What, err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d rows could not be measured", failed)
	}
	return ctx.Err()
}

func describe(out io.Writer, rounds int) {
	cpus := 0
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				cpus++
				model = strings.TrimSpace(value)
			}
		}
	}
	fmt.Fprintf(out, "%s, %d x %s, %d rounds\n", time.Now().UTC().Format(time.DateOnly), cpus, model, rounds)
}
