package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

// tidings runs the program, and returns its exit code and all that it said.
func tidings(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, nil, &out, &out)
	return code, out.String()
}

// does fails unless the program ends well, and says the words.
func does(t *testing.T, words string, args ...string) {
	t.Helper()
	if code, said := tidings(t, args...); code != 0 || !strings.Contains(said, words) {
		t.Fatalf("%v ended with %d: %s", args, code, said)
	}
}

func TestADatabaseIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	dir, other, file := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "other"), filepath.Join(t.TempDir(), "b.db")
	does(t, "Acme", "--data-dir", dir, "account", "create", "--name", "Acme")
	does(t, "tidings.db is at this version", "--data-dir", dir, "migrate")
	does(t, "master.key apart", "--data-dir", dir, "backup", file)
	does(t, "Restored", "--data-dir", other, "restore", file)
	keep(t, dir, other)
	does(t, "Acme", "--data-dir", other, "account", "list")
	if code, said := tidings(t, "migrate", "--from", "sqlite:"+file); code != 1 || !strings.Contains(said, "both --from and --to") {
		t.Error(code, said)
	}
}

// keep gives another data folder the same master key.
func keep(t *testing.T, from, to string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(from, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseIsMoved(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("it moves to PostgreSQL")
	}
	old, fresh, file := t.TempDir(), storetest.Empty(t), filepath.Join(t.TempDir(), "b.db")
	const password = "hunter2"
	secret := strings.Replace(fresh, "@", ":"+password+"@", 1)
	does(t, "Acme", "--data-dir", old, "account", "create", "--name", "Acme")
	code, said := tidings(t, "migrate", "--from", "sqlite:"+filepath.Join(old, "tidings.db"), "--to", "postgres:"+secret)
	for _, words := range []string{"account          2 of 2 rows copied\n", "account          2 of 2 rows compared\n", "the same"} {
		if code != 0 || !strings.Contains(said, words) {
			t.Fatalf("%d, without %q: %s", code, words, said)
		}
	}
	does(t, "Acme", "--data-dir", old, "--database", secret, "account", "list")
	does(t, "is at this version", "--data-dir", old, "--database", secret, "migrate")
	does(t, "holds the database", "--data-dir", old, "--database", secret, "backup", file)
	_, refused := tidings(t, "--data-dir", old, "--database", secret, "restore", file)
	if !strings.Contains(refused, "name a new database") || strings.Contains(said+refused, password) {
		t.Error(refused, said)
	}
	again := storetest.Empty(t)
	does(t, "Restored into", "--database", again, "restore", file)
	does(t, "Acme", "--data-dir", old, "--database", again, "account", "list")
}
