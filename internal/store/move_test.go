package store_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/store"
)

func TestEveryRowComesThroughBothEngines(t *testing.T) {
	t.Parallel()
	for range 2 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			old, middle, last := stopped(t), empty(t), store.Options{Dir: t.TempDir()}
			file := filepath.Join(old.Dir, "tidings.db")
			fillAll(t, file, random, 150)
			move(t, old, middle)

			backup := filepath.Join(t.TempDir(), "backup.db")
			if err := store.Backup(t.Context(), at(middle), backup); err != nil {
				t.Fatal(err)
			}
			sameRows(t, file, backup)
			again := empty(t)
			if err := store.Restore(t.Context(), at(again), backup); err != nil {
				t.Fatal(err)
			}
			other := empty(t)
			move(t, again, other)
			move(t, other, last)
			sameRows(t, file, filepath.Join(last.Dir, "tidings.db"))
		})
	}
}

func move(t *testing.T, from, to store.Options) {
	t.Helper()
	if err := store.Move(t.Context(), named(from), named(to), nil); err != nil {
		t.Fatal(err)
	}
}

func TestAMovedDatabaseIsServed(t *testing.T) {
	t.Parallel()
	old, fresh := stopped(t), empty(t)
	file := filepath.Join(old.Dir, "tidings.db")
	month := time.Now().AddDate(0, -3, 0)
	onFile(t, file, fmt.Sprintf("INSERT INTO event (subject, seq, account_id, kind, data, at) VALUES (%d, 1, 1, 'kind', '{}', 7)", store.KeyOf(month)))
	fresh.Dir = old.Dir // where the master key is
	move(t, old, fresh)
	s := openIn(t, fresh)
	if boot := s.Boot(); boot != 2 {
		t.Errorf("the first start after the move is number %d, want 2: the starts are counted on", boot)
	}
	if n := one[int](t, fresh.Database, "SELECT count(*) FROM event"+month.UTC().Format("_2006_01")); n != 1 {
		t.Errorf("%d rows in the piece of their month", n)
	}
	_ = s.Close()
	back := store.Options{Dir: t.TempDir(), Serve: true}
	if err := os.Rename(filepath.Join(old.Dir, "master.key"), filepath.Join(back.Dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	move(t, fresh, back)
	if boot := openIn(t, back).Boot(); boot != 3 {
		t.Errorf("the first start after the way back is number %d, want 3", boot)
	}
}

func TestAMoveTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	old, fresh := stopped(t), empty(t)
	onFile(t, filepath.Join(old.Dir, "tidings.db"), `INSERT INTO version
		WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 50000) SELECT 'topic ' || n, n FROM n`)
	told := map[store.Progress]bool{}
	if err := store.Move(t.Context(), named(old), named(fresh), func(p store.Progress) { told[p] = true }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []store.Progress{
		{"version", false, 20000, 50000},
		{"version", false, 40000, 50000},
		{"version", false, 50000, 50000},
		{"version", true, 20000, 50000},
		{"version", true, 50000, 50000},
		{"account", false, 0, 0},
		{"account", true, 0, 0},
	} {
		if !told[want] {
			t.Errorf("%+v was not told", want)
		}
	}
}

// What was written is read again: a row that is missing, another or too many is found in any table.
func TestADifferenceIsFound(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"changed":   "UPDATE wallet SET held = held + 1 WHERE account_id = 7",
		"swapped":   "UPDATE wallet SET held = charged, charged = held WHERE account_id = 7",
		"missing":   "DELETE FROM wallet WHERE account_id = 7",
		"too many":  "INSERT INTO wallet (account_id, currency) VALUES (9, 'USD')",
		"exchanged": "UPDATE wallet SET account_id = CASE account_id WHEN 7 THEN -7 ELSE 7 END; UPDATE wallet SET account_id = 8 WHERE account_id = -7",
		"a space":   "UPDATE wallet SET currency = currency || ' ' WHERE account_id = 8",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, fresh := stopped(t), empty(t)
			onFile(t, filepath.Join(old.Dir, "tidings.db"), "INSERT INTO wallet (account_id, currency, held, charged) VALUES (7, 'USD', 1, 2), (8, 'KES', 3, 4)")
			planted := false
			err := store.Move(t.Context(), named(old), named(fresh), func(p store.Progress) {
				if p.Checking && !planted {
					planted = true
					direct(t, fresh.Database, plant)
				}
			})
			if err == nil || !strings.Contains(err.Error(), "wallet") || strings.Contains(err.Error(), "account") {
				t.Errorf("not found: %v", err)
			}
			if n := one[int](t, fresh.Database, "SELECT count(*) FROM meta WHERE name = 'moving'"); n != 1 {
				t.Error("a database that is not the same counts as whole")
			}
		})
	}
}

// refusedHalf fails unless the database of a move that did not end is refused by all.
func refusedHalf(t *testing.T, half store.Options) {
	t.Helper()
	const words = "being filled"
	for _, opt := range []store.Options{half, command(half)} {
		s, err := store.Open(t.Context(), opt)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("a half-moved database was opened: %v", err)
		}
	}
	onward := store.Options{Dir: t.TempDir()}
	if half.Database == "" {
		onward = empty(t)
	}
	if err := store.Move(t.Context(), named(half), named(onward), nil); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("a half-moved database was moved on: %v", err)
	}
	if err := store.Move(t.Context(), named(other(t, half)), named(half), nil); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("a half-moved database was filled again: %v", err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), at(half), file); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("a half-moved database was backed up: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("half a backup was left behind")
	}
}

// other is a whole database of the other engine.
func other(t *testing.T, than store.Options) store.Options {
	t.Helper()
	whole := stopped(t)
	if than.Database != "" {
		return whole
	}
	moved := empty(t)
	move(t, whole, moved)
	return moved
}

// childMove tells a child of the tests, in its environment, what it moves and where it stops.
const childMove = "TIDINGS_TEST_MOVE"

func TestMoveInAChild(t *testing.T) {
	told, err := os.OpenFile(os.Getenv(childMove+"_TOLD"), os.O_WRONLY, 0)
	if err != nil {
		t.Skip("it is a part of the test of a killed move")
	}
	from, to, _ := strings.Cut(os.Getenv(childMove), "\n")
	err = store.Move(t.Context(), from, to, func(p store.Progress) {
		if p.Table == "version" && p.Done > 0 && p.Checking == (os.Getenv(childMove+"_AT") == "compare") {
			_, _ = told.WriteString("there\n")
			select {}
		}
	})
	t.Error("it should have been killed:", err)
}

func TestAMoveThatIsKilledLeavesTheOldDatabaseAndNoNewOne(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"copy", "compare"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			old, fresh, back := stopped(t), empty(t), store.Options{Dir: t.TempDir(), Serve: true}
			file := filepath.Join(old.Dir, "tidings.db")
			fillAll(t, file, rand.New(rand.NewPCG(1, 2)), 20)
			before := dump(t, file)
			killAt(t, stage, old, fresh)
			refusedHalf(t, fresh)
			if after := dump(t, file); len(after) != len(before) {
				t.Errorf("%d rows of %d are left", len(after), len(before))
			}
			again := empty(t)
			move(t, old, again)
			killAt(t, stage, again, back)
			refusedHalf(t, back)
			last := store.Options{Dir: t.TempDir()}
			move(t, again, last)
			sameRows(t, file, filepath.Join(last.Dir, "tidings.db"))
		})
	}
}

// killAt kills a process that moves in the middle of it.
func killAt(t *testing.T, stage string, from, to store.Options) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close() }()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMoveInAChild$", "-test.count=1")
	child.ExtraFiles = []*os.File{write}
	child.Env = append(os.Environ(), childMove+"="+named(from)+"\n"+named(to), childMove+"_AT="+stage, childMove+"_TOLD=/dev/fd/3")
	var said strings.Builder
	child.Stdout, child.Stderr = &said, &said
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	_, heard := bufio.NewReader(read).ReadString('\n')
	_ = child.Process.Kill()
	_ = child.Wait()
	if heard != nil && heard != io.EOF || said.Len() > 0 && strings.Contains(said.String(), "FAIL") {
		t.Fatal(heard, said.String())
	}
	if to.Database != "" { // the server notices that nobody is there
		soon(t, "the connection of the dead is gone", func() bool {
			return one[int](t, to.Database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tidings move'") == 0
		})
	}
	if from.Database != "" {
		soon(t, "the connection of the dead is gone", func() bool {
			return one[int](t, from.Database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tidings move'") == 0
		})
	}
}

func TestAServedDatabaseIsNotMoved(t *testing.T) {
	t.Parallel()
	lite, big := stopped(t), empty(t)
	file := store.Options{Dir: t.TempDir()}
	s, p := openIn(t, lite), openIn(t, big)
	for name, err := range map[string]error{
		"from SQLite":        store.Move(t.Context(), named(lite), named(empty(t)), nil),
		"from PostgreSQL":    store.Move(t.Context(), named(big), named(file), nil),
		"over SQLite":        store.Move(t.Context(), named(other(t, lite)), named(lite), nil),
		"over PostgreSQL":    store.Move(t.Context(), named(stopped(t)), named(big), nil),
		"restore over one":   store.Restore(t.Context(), at(big), backupOf(t, at(lite))),
		"restore over other": store.Restore(t.Context(), at(lite), backupOf(t, at(big))),
	} {
		if err == nil || !strings.Contains(err.Error(), "serve") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = s.Close()
	_ = p.Close()
	move(t, lite, empty(t))
	move(t, big, file)
}

func backupOf(t *testing.T, from store.Place) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), from, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAServerThatStartsDuringAMoveIsNotForgotten(t *testing.T) {
	t.Parallel()
	old := empty(t)
	move(t, stopped(t), old)
	err := store.Move(t.Context(), named(old), named(store.Options{Dir: t.TempDir()}), func(p store.Progress) {
		if p.Table == "version" && p.Checking {
			direct(t, old.Database, "UPDATE meta SET value = '77' WHERE name = 'boot'") // as a start does
		}
	})
	if err == nil || !strings.Contains(err.Error(), "started") {
		t.Error(err)
	}
}

func TestOnlyANewDatabaseIsFilled(t *testing.T) {
	t.Parallel()
	old := stopped(t)
	used, foreign := empty(t), empty(t)
	move(t, old, used)
	direct(t, used.Database, "INSERT INTO version VALUES ('account', 1)")
	direct(t, foreign.Database, "CREATE TABLE theirs (n int)")
	for _, to := range []store.Options{used, foreign} {
		if err := store.Move(t.Context(), named(old), named(to), nil); err == nil || !strings.Contains(err.Error(), "name a new database") {
			t.Error(err)
		}
		if err := store.Restore(t.Context(), at(to), backupOf(t, at(old))); err == nil || !strings.Contains(err.Error(), "name a new database") {
			t.Error(err)
		}
	}
	if n := one[int](t, foreign.Database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 1 {
		t.Errorf("%d tables in a database that is not ours", n)
	}
	if n := one[int](t, used.Database, "SELECT count(*) FROM meta WHERE name = 'moving'"); n != 0 {
		t.Error("a whole database was marked")
	}
}

func TestWhatCannotBeMovedWholeIsRefused(t *testing.T) {
	t.Parallel()
	for why, change := range map[string]string{
		"use the newer program":     "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)",
		"start this program on it":  "DELETE FROM goose_db_version WHERE version_id > 0",
		"no database of Tidings":    "DROP TABLE goose_db_version",
		"theirs is not Tidings'":    "CREATE TABLE theirs (n bigint)",
		"wallet has other columns":  "ALTER TABLE wallet ADD COLUMN more bigint NOT NULL DEFAULT 0",
		"wallet is missing":         "DROP TABLE wallet",
		"does not belong there":     "INSERT INTO wallet (account_id, currency, held) VALUES (1, 'USD', 'much')",
		"write account: ":           "INSERT INTO account (id, name, username, active, updated_at) VALUES (1, 'n', 'u', 40000, 0)",
		"write account: ERROR: dup": "INSERT INTO account (id, number, name, username, updated_at) VALUES (1, 1, 'n', 'u' || CAST(X'FF' AS text), 0), (2, 2, 'n', 'u' || CAST(X'FE' AS text), 0)",
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			old, fresh := stopped(t), empty(t)
			onFile(t, filepath.Join(old.Dir, "tidings.db"), change)
			if err := store.Move(t.Context(), named(old), named(fresh), nil); err == nil || !strings.Contains(err.Error(), why) {
				t.Error(err)
			}
		})
	}
}

func TestPlacesOfDatabasesKeepPasswords(t *testing.T) {
	t.Parallel()
	good := named(stopped(t))
	for _, bad := range []string{
		"postgres://tidings:hunter2@/db?host=/nowhere", "postgres:postgres://tidings:hunter2@/db?host=/nowhere",
		"postgres://tidings:hunter2@host:port/db", "postgres:tidings:hunter2@host/db", "postgre://tidings:hunter2@host/db",
		"postgres://tidings:hunter2@host/db?sslmode=strange", "", "sqlite:", "tidings.db", "mysql:hunter2",
	} {
		for _, err := range []error{store.Move(t.Context(), good, bad, nil), store.Move(t.Context(), bad, good, nil)} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", bad, err)
			}
		}
		where := store.Place{Dir: "data", Database: bad}.String()
		if strings.Contains(where, "hunter2") || where == "" {
			t.Errorf("%s is named %s", bad, where)
		}
	}
	if err := store.Move(t.Context(), "sqlite:/nowhere/tidings.db", "postgres://u@/db?host=/nowhere", nil); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Error(err)
	}
	if err := store.Move(t.Context(), good, "sqlite:other.db", nil); err == nil || !strings.Contains(err.Error(), "use backup") {
		t.Error(err)
	}
}
