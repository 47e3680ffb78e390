package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidings.dev/test/product"
)

// planted are the bugs that the product carries behind build tags of the same name, each a classic of this kind of
// software, and the rules that must notice. Finding them is the proof that the checker's silence means something.
var planted = []struct{ tag, rules string }{
	{"bug_reply_before_commit", "C1 C4 C5"}, // the 202 leaves before the message is on disk
	{"bug_no_fence", "C1 C3 C5 C6 C7"},      // a result is taken without asking whether the work is still its own
	{"bug_webhook_outside_tx", "C7"},        // the webhook's job is written after the change is committed
	{"bug_slot_early", "C3"},                // a window slot is free before its result is committed
	{"bug_ack_before_commit", "C5"},         // a receipt is acknowledged before it is on disk
}

// chances is how many kills a bug may survive.
const chances = 20

func proofMain(args []string) error {
	flags := flag.NewFlagSet("proof", flag.ContinueOnError)
	only := flags.String("bug", "", "only this one")
	seed := flags.Uint64("seed", 1, "of the load and of what goes wrong")
	dir := flags.String("dir", "", "where to keep the histories; default: a new temporary folder")
	engine := flags.String("engine", sqlite, "sqlite or postgres")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := interruptible()
	defer cancel()
	if *dir == "" {
		made, err := os.MkdirTemp("", "chaos-proof-")
		if err != nil {
			return err
		}
		*dir = made
		defer os.RemoveAll(made)
	}
	if err := os.Chmod(*dir, 0o711); err != nil { // whoever runs PostgreSQL must get through it
		return err
	}
	missed := 0
	for _, bug := range planted {
		if *only != "" && *only != bug.tag {
			continue
		}
		started := time.Now()
		found, err := hunt(ctx, bug.tag, strings.Fields(bug.rules), *engine, *seed, filepath.Join(*dir, bug.tag))
		if err != nil {
			return fmt.Errorf("%s: %w", bug.tag, err)
		}
		if found == "" {
			missed++
			found = "MISSED"
		}
		fmt.Printf("%-26s %-40s %s\n", bug.tag, found, time.Since(started).Round(time.Second))
	}
	if missed > 0 {
		return fmt.Errorf("%d planted bugs were not found within %d kills", missed, chances)
	}
	return nil
}

// hunt runs the product with one bug and tells which rules caught it, or "".
func hunt(ctx context.Context, bug string, rules []string, engine string, seed uint64, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", err
	}
	if err := isPlanted(bug); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "tidings")
	if err := product.Build(ctx, "./cmd/tidings", binary, bug); err != nil {
		return "", err
	}
	bind := ""
	if engine == postgres {
		bind = "each"
	}
	plan := Plan{
		Setup: Setup{Engine: engine, Nodes: 1, Shards: 1, Faults: onProduct, Bind: bind},
		Kills: chances, Seed: seed, Dir: dir, Binary: binary, Drain: 45 * time.Second, Out: io.Discard,
	}
	if err := plan.execute(ctx); err != nil {
		return "", err
	}
	w, err := readWorld(dir)
	if err != nil {
		return "", err
	}
	counts := map[string]int{}
	for _, v := range Check(w) {
		counts[v.Rule]++
	}
	var names []string
	caught := false
	for rule, n := range counts {
		names = append(names, fmt.Sprintf("%s x%d", rule, n))
		caught = caught || slices.Contains(rules, rule)
	}
	slices.Sort(names)
	if !caught {
		return "", nil
	}
	return "caught by " + strings.Join(names, ", "), nil
}

// isPlanted is an error unless the product has code behind the build tag: without it, proof would hunt for nothing.
func isPlanted(bug string) error {
	root, err := product.Root()
	if err != nil {
		return err
	}
	found := false
	err = filepath.WalkDir(filepath.Join(root, "internal"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || found || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || strings.HasPrefix(string(text), "//go:build "+bug+"\n")
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("no file of the product is built with the tag %s", bug)
	}
	return err
}
