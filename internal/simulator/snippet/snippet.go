// Package snippet plays the reader of a document who copies an example from it, fills in what is his own, and runs it.
package snippet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// languages are how an example is run, by the ending of its file: what stands before it, and the program that takes it as its last argument.
var languages = map[string]struct{ before, program string }{
	".sh":  {"set -e\n", "sh"},
	".mjs": {"", "node"},
	".php": {"<?php require '/usr/share/php/GuzzleHttp/autoload.php';\n", "php"},
}

// Endings are those of the files that Run takes.
var Endings = []string{".sh", ".mjs", ".php"}

// Run runs the file after the replacements, given in pairs as to strings.NewReplacer, and returns what the program said and how it ended.
func Run(t testing.TB, file string, replace ...string) ([]byte, error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	language := languages[filepath.Ext(file)]
	Needs(t, language.program)
	script := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(script, []byte(language.before+strings.NewReplacer(replace...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), language.program, script).CombinedOutput()
}

// Needs ends a test that needs a program which is not here: a short one is skipped.
func Needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if testing.Short() {
				t.Skipf("there is no %s here", program)
			}
			t.Fatalf("there is no %s here; make foreign installs it", program)
		}
	}
}
