// Package foreign has programs on top of software that nobody here wrote, and tests our SMPP against some of it.
package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"tidings.dev/test/product"
)

// Node is a command that runs a program of this folder, with the npm packages that package-lock.json names.
func Node(t testing.TB, program string, args ...string) *exec.Cmd {
	t.Helper()
	for _, needed := range []string{"node", "npm"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Fatalf("%s is not installed; run: sudo apt-get install --yes nodejs npm", needed)
		}
	}
	root, err := product.Root()
	if err == nil {
		err = install(t, filepath.Join(root, "test", "foreign"))
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", append([]string{program}, args...)...)
	command.Dir = filepath.Join(root, "test", "foreign")
	return command
}

// install has npm fetch what is not there yet. Tests of several packages take turns.
func install(t testing.TB, dir string) (err error) {
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("take turns: %w", err)
	}
	if there(dir) {
		return nil
	}
	if out, err := exec.CommandContext(t.Context(), "npm", "ci", "--prefix", dir, "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

// pack is what this needs to know of a package.json.
type pack struct {
	Version      string            `json:"version"`
	Dependencies map[string]string `json:"dependencies"`
}

func readPack(dir string) (p pack) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err == nil {
		_ = json.Unmarshal(text, &p)
	}
	return p
}

// there tells whether each package that ours asks for is installed, in its version.
func there(dir string) bool {
	for name, version := range readPack(dir).Dependencies {
		if readPack(filepath.Join(dir, "node_modules", name)).Version != version {
			return false
		}
	}
	return true
}
