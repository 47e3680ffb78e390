package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"tidings.dev/test/product"
)

// TestTenKills is the short form of the real thing: the real binary, processes of their own, ten kills.
func TestTenKills(t *testing.T) {
	if testing.Short() {
		t.Skip("short: make chaos runs the whole of it")
	}
	dir := t.TempDir()
	chaos, tidings := filepath.Join(dir, "chaos"), filepath.Join(dir, "tidings")
	for command, into := range map[string]string{"./test/chaos": chaos, "./cmd/tidings": tidings} {
		if err := product.Build(t.Context(), command, into); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), chaos, "-short", "-seed", "1", "-binary", tidings, "-dir", filepath.Join(dir, "run"))
	out, err := run.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
