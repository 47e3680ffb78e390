package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tidings.dev/internal/store/storetest"
	"tidings.dev/test/product"
)

// The short forms of the real thing: the real binary, processes of their own, a few kills.

func TestTenKills(t *testing.T) {
	if storetest.Postgres() {
		t.Skip("on PostgreSQL the two servers and the database itself are killed")
	}
	chaos(t, "-short")
}

func TestKillsOfTwoServers(t *testing.T) {
	onPostgres(t)
	chaos(t, "-kills", "4", "-nodes", "2")
}

func TestKillsOfTheDatabase(t *testing.T) {
	onPostgres(t)
	chaos(t, "-short", "-faults", "postgres", "-nodes", "2")
}

func TestSoakForSeconds(t *testing.T) {
	if storetest.Postgres() {
		t.Skip("servers that live for seconds get nowhere on PostgreSQL, where each first waits for the end of the one before: make soak-postgres")
	}
	chaos(t, "-soak", "10s", "-every", "5s")
}

func TestInboundThroughKillsAndFailedWrites(t *testing.T) {
	engine := sqlite
	if storetest.Postgres() {
		engine = postgres
	}
	run(t, []string{simulatedTag, failingTag}, "inbound", "-messages", "600", "-kills", "4", "-rate", "60", "-engine", engine)
}

func onPostgres(t *testing.T) {
	t.Helper()
	if !storetest.Postgres() {
		t.Skip("runs where the tests are for PostgreSQL")
	}
}

func chaos(t *testing.T, args ...string) {
	t.Helper()
	run(t, nil, args...)
}

// run does a run with the product built with the tags. Its folder is no t.TempDir, since whoever runs PostgreSQL cannot get there.
func run(t *testing.T, tags []string, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: make chaos runs the whole of it")
	}
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	chaos, tidings := filepath.Join(dir, "chaos"), filepath.Join(dir, "tidings")
	for command, into := range map[string]string{"./test/chaos": chaos, "./cmd/tidings": tidings} {
		if err := product.Build(t.Context(), command, into, tags...); err != nil {
			t.Fatal(err)
		}
	}
	args = append(args, "-seed", "1", "-binary", tidings, "-dir", filepath.Join(dir, "run"))
	out, err := exec.CommandContext(t.Context(), chaos, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
