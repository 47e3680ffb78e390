package store_test

import (
	"flag"
	"log/slog"
	"testing"
	"time"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// TestMain lets many tests run at once on PostgreSQL: they mostly wait, for the network and for what others take for dead.
func TestMain(m *testing.M) {
	flag.Parse()
	if storetest.Postgres() {
		_ = flag.Set("test.parallel", "12")
	}
	m.Run()
}

// onSQLite skips a test of something that PostgreSQL does not have.
func onSQLite(t testing.TB, because string) {
	t.Helper()
	if storetest.Postgres() {
		t.Skip("of SQLite alone:", because)
	}
}

// onPostgres skips a test of something that SQLite does not have.
func onPostgres(t testing.TB, because string) {
	t.Helper()
	if !storetest.Postgres() {
		t.Skip("of PostgreSQL alone:", because)
	}
}

// long skips a test that waits for real time to pass.
func long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for half a minute")
	}
}

// open opens a server's store on a fresh database with a table to write to.
func open(t testing.TB) *store.Store {
	t.Helper()
	return openProbe(t, storetest.Options(t))
}

// openProbe opens a store and makes a table to write to.
func openProbe(t testing.TB, opt store.Options) *store.Store {
	t.Helper()
	s := openIn(t, opt)
	execute(t, s, "CREATE TABLE probe (id bigint NOT NULL PRIMARY KEY, note text NOT NULL)")
	return s
}

func openIn(t testing.TB, opt store.Options) *store.Store {
	t.Helper()
	if opt.Log == nil {
		opt.Log = quiet
	}
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// command are the options of a command beside a server.
func command(opt store.Options) store.Options {
	opt.Serve = false
	return opt
}

func write(t testing.TB, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}

func execute(t testing.TB, s *store.Store, stmt string) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt)
		return err
	})
}

type row struct {
	ID   int64
	Note string
}

const addProbe = "INSERT INTO probe (id, note) VALUES ($1, $2)"

// add writes rows in a transaction of their own.
func add(s *store.Store, rows ...row) error {
	return s.Write(func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, rows)
		return err
	})
}

func count(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM probe").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// soon waits for what happens within a look or two at the disk, the database or the other servers.
func soon(t testing.TB, what string, f func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, f)
}

func within(t testing.TB, patience time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Errorf("not within %s: %s", patience, what)
}
