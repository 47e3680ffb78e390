// Package upgrade starts today's program on what older ones left behind.
package upgrade

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"tidings.dev/internal/store/storetest"
	"tidings.dev/test/product"
)

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "upgrade-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tidings")
	if err := product.Build(context.Background(), "./cmd/tidings", binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// old makes a data folder as the program with schema 2 left it a moment ago.
func old(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	schema, err := os.ReadFile("testdata/schema2.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "tidings.db"))
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(24 * time.Hour).UnixMilli()
	due := time.Now().UnixMilli()
	for _, stmt := range []string{
		"PRAGMA auto_vacuum = 2", string(schema),
		fmt.Sprintf("UPDATE api_key SET expires_at = %d", later), fmt.Sprintf("UPDATE message SET valid_until = %d", later),
		fmt.Sprintf("UPDATE job SET due_at = %d, expires_at = %d WHERE kind = 'send'", due, later),
	} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("testdata/schema2.master.key")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// today is an installation of this program on the folder. Nothing is past its retention, whenever the test runs.
func today(t *testing.T, dir string, more ...string) *product.Installation {
	t.Helper()
	i, err := product.New(binary, dir, testLog{t})
	if err != nil {
		t.Fatal(err)
	}
	i.Setting = append([]string{
		"TIDINGS_RETENTION_BODIES=36500d", "TIDINGS_RETENTION_MESSAGES=36500d", "TIDINGS_RETENTION_EVENTS=36500d", "TIDINGS_LIMITS_DISK_FLOOR=1MiB",
	}, more...)
	return i
}

// testLog writes what the server says into the test's log.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

func command(t *testing.T, i *product.Installation, args ...string) (string, error) {
	t.Helper()
	run := exec.CommandContext(t.Context(), i.Binary, args...)
	ours := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "TIDINGS_") })
	run.Env = append(append(ours, i.Setting...), "TIDINGS_DATA_DIR="+i.Dir)
	said, err := run.CombinedOutput()
	return string(said), err
}

func TestAnOlderDatabaseIsServed(t *testing.T) {
	t.Parallel()
	dir := old(t)
	i := today(t, dir)
	if said, err := command(t, i, "doctor"); !strings.Contains(said, "has schema 2, this program wants") {
		t.Errorf("the doctor says %v: %s", err, said)
	}
	if said, err := command(t, i, "backup", filepath.Join(t.TempDir(), "before.db")); err != nil {
		t.Errorf("there is no backup of before: %v\n%s", err, said)
	}
	if storetest.Postgres() {
		i = moved(t, i)
	}
	p, err := i.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := i.Ready(ctx, p); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("testdata/schema2.api.key")
	if err != nil {
		t.Fatal(err)
	}
	client := product.NewClient(i.URL(), string(key))
	got := arrivals(ctx, t, client)
	for to, want := range map[string]int{"+254701234567": 1, "+254701234568": 1, "+254701234569": 2} {
		if m := got[to]; m.Status != "delivered" || m.Parts != want {
			t.Errorf("%s: %s in %d parts", to, m.Status, m.Parts)
		}
	}
	if m := got["+254701234570"]; m.Status != "queued" {
		t.Errorf("what waits for a carrier that is away is %s: %s", m.Status, m.Reason)
	}
	var fresh product.Message
	if err := client.Post(ctx, "/tidings/v1/messages", map[string]string{"to": "0701234567", "text": "After"}, &fresh); err != nil {
		t.Error(err)
	}
	if err := p.Stop(20 * time.Second); err != nil {
		t.Error(err)
	}
	if said, err := command(t, i, "wallet", "show", "--account", account(t, i)); err != nil || !strings.Contains(said, "available 999200000, held 800000, ") {
		t.Errorf("the wallet: %v %s", err, said)
	}
}

// moved brings the database to PostgreSQL, once it has today's schema.
func moved(t *testing.T, i *product.Installation) *product.Installation {
	t.Helper()
	url := storetest.Empty(t)
	if said, err := command(t, i, "migrate"); err != nil {
		t.Fatalf("migrate: %v\n%s", err, said)
	}
	if said, err := command(t, i, "migrate", "--from", "sqlite:"+filepath.Join(i.Dir, "tidings.db"), "--to", url); err != nil {
		t.Fatalf("move: %v\n%s", err, said)
	}
	i.Setting = append(i.Setting, "TIDINGS_DATABASE="+url)
	return i
}

// arrivals waits until the messages of test keys have arrived, and returns all by their recipients.
func arrivals(ctx context.Context, t *testing.T, client *product.Client) map[string]product.Message {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, waiting := map[string]product.Message{}, 0
		err := client.Messages(ctx, nil, func(m product.Message) bool {
			got[m.To] = m
			if m.Test && m.Status != "delivered" {
				waiting++
			}
			return true
		})
		if err != nil {
			t.Fatalf("%v; so far %+v", err, got)
		}
		if len(got) == 4 && waiting == 0 {
			return got
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not all arrived: %+v", got)
		case <-tick.C:
		}
	}
}

func account(t *testing.T, i *product.Installation) string {
	t.Helper()
	said, err := command(t, i, "account", "list")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said) {
		if strings.Contains(line, "Acme") {
			return strings.Fields(line)[0]
		}
	}
	t.Fatalf("there is no Acme: %s", said)
	return ""
}

// TestANewerDatabaseIsRefused: an older program must not touch what it does not know.
func TestANewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	dir := old(t)
	db, err := sql.Open("sqlite", filepath.Join(dir, "tidings.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	i := today(t, dir)
	for _, args := range [][]string{{"serve"}, {"account", "list"}} {
		if said, err := command(t, i, args...); err == nil || !strings.Contains(said, "the database has schema 9999, this program knows ") || !strings.Contains(said, "use the newer program") {
			t.Errorf("%v: %v %s", args, err, said)
		}
	}
	if said, err := command(t, i, "doctor"); err == nil || !strings.Contains(said, "restore the backup of before the upgrade") {
		t.Errorf("the doctor says %v: %s", err, said)
	}
}
