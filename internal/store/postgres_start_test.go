package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

const password = "s3cret-in-the-url"

// said is a log that can be read while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text.Bytes(), []byte(text))
}

func (s *said) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// as is a URL with a user and a password.
func as(t testing.TB, where, user, password string) string {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// refused opens a database that cannot be used, and wants to be told so soon and without the password.
func refused(t *testing.T, database, want string) {
	t.Helper()
	var log said
	start := time.Now()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Database: database, Serve: true, Log: log.logger()})
	if err == nil {
		_ = s.Close()
		t.Errorf("it was opened; want %q", want)
		return
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("told %q, want %q", err, want)
	}
	if strings.Contains(err.Error(), password) || log.has(password) {
		t.Errorf("the password is told: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// alter changes a setting of the whole server, and waits until it holds.
func alter(t *testing.T, where, name, value string) {
	t.Helper()
	direct(t, where, "ALTER SYSTEM SET "+name+" = "+value, "SELECT pg_reload_conf()")
	soon(t, name+" is "+value, func() bool { return one[string](t, where, "SHOW "+name) == value })
}

func TestAServerThatCannotBeTrustedIsRefused(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	admin := c.URL("postgres")
	if err := c.Create(t.Context(), "used"); err != nil {
		t.Fatal(err)
	}
	used := as(t, c.URL("used"), "postgres", password)
	for _, setting := range []string{"fsync", "full_page_writes"} {
		alter(t, admin, setting, "off")
		refused(t, used, "set "+setting+" = on")
		alter(t, admin, setting, "on")
	}
	direct(t, admin, "ALTER DATABASE used SET synchronous_commit = off")
	refused(t, used, "set synchronous_commit = on")
	direct(t, admin, "ALTER DATABASE used SET synchronous_commit = local")
	direct(t, admin, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
	refused(t, as(t, c.URL("ascii"), "postgres", password), "ENCODING 'UTF8'")
	direct(t, admin, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	refused(t, as(t, c.URL("latin"), "postgres", password), "ENCODING 'UTF8'")
	playOldVersion(t, c)
	refused(t, as(t, c.URL("old"), "postgres", password), "version 15 or newer")
	refused(t, as(t, c.URL("nowhere"), "postgres", password), `database "nowhere" does not exist`)
	refusePasswords(t, c)

	s := openIn(t, store.Options{Dir: t.TempDir(), Database: used, Serve: true}) // nothing of this has left a trace
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	refuseStandby(t, c)
}

// playOldVersion makes a database that says of itself that its server is of an older version.
func playOldVersion(t *testing.T, c *storetest.Cluster) {
	t.Helper()
	if err := c.Create(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	direct(t, c.URL("old"), "CREATE SCHEMA played", `CREATE FUNCTION played.current_setting(text) RETURNS text LANGUAGE sql
		RETURN CASE $1 WHEN 'server_version_num' THEN '140010' ELSE pg_catalog.current_setting($1) END`,
		"ALTER DATABASE old SET search_path = played, pg_catalog, public")
}

// dirOf is the cluster's folder.
func dirOf(t *testing.T, c *storetest.Cluster) string {
	t.Helper()
	config, err := pgx.ParseConfig(c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return config.Host
}

// refusePasswords has a user who needs a password.
func refusePasswords(t *testing.T, c *storetest.Cluster) {
	t.Helper()
	rules := filepath.Join(dirOf(t, c), "data", "pg_hba.conf")
	if err := os.WriteFile(rules, []byte("local all secured scram-sha-256\nlocal all all trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	direct(t, c.URL("postgres"), "CREATE USER secured PASSWORD 'right' SUPERUSER", "SELECT pg_reload_conf()")
	right := as(t, c.URL("postgres"), "secured", "right")
	soon(t, "passwords are asked for", func() bool {
		conn, err := pgx.Connect(t.Context(), as(t, c.URL("postgres"), "secured", "wrong"))
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err != nil
	})
	refused(t, as(t, c.URL("used"), "secured", password), "password authentication failed")
	if who := one[string](t, right, "SELECT CAST(current_user AS text)"); who != "secured" {
		t.Errorf("with its password it is %s", who)
	}
}

// refuseStandby starts the server as a standby of nobody.
func refuseStandby(t *testing.T, c *storetest.Cluster) {
	t.Helper()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirOf(t, c), "data", "standby.signal"), nil, 0o644); err != nil { // another user reads it
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	refused(t, as(t, c.URL("used"), "postgres", password), "this is a standby")
}

func TestAURLThatCannotBeReadIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, database := range []string{
		"postgres://user:" + password + "@host:port/db", "postgres://user:" + password + "@host/db?sslmode=" + password,
		"postgres://user:" + password + "@[::1/db", password,
	} {
		refused(t, database, "no postgres:// URL")
	}
}

func TestAStartWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	onPostgres(t, "there is nothing to wait for")
	opt := storetest.Options(t)
	link := storetest.NewLink(t, opt.Database)
	var log said
	opt.Database, opt.Log = as(t, link.URL(), "postgres", password), log.logger()
	link.Cut()
	opened := make(chan error, 1)
	go func() {
		s, err := store.Open(t.Context(), opt)
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	soon(t, "the log says what is waited for", func() bool { return log.has("waiting for the database") && log.has("127.0.0.1") })
	select {
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(2 * time.Second):
	}
	link.Mend()
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits on though the database is there")
	}
	if log.has(password) {
		t.Error("the log tells the password")
	}
}

func TestAStartThatIsStoppedWaitsNoLonger(t *testing.T) {
	t.Parallel()
	onPostgres(t, "there is nothing to wait for")
	opt := storetest.Options(t)
	link := storetest.NewLink(t, opt.Database)
	opt.Database = as(t, link.URL(), "postgres", password)
	link.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := store.Open(ctx, opt)
	if err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "connect to the database at 127.0.0.1") {
		t.Errorf("told %v", err)
	}
}

func TestACommandWaitsALittleForTheDatabase(t *testing.T) {
	t.Parallel()
	onPostgres(t, "there is nothing to wait for")
	opt := storetest.Options(t)
	link := storetest.NewLink(t, opt.Database)
	opt.Database = as(t, link.URL(), "postgres", password)
	link.Cut()
	start := time.Now()
	_, err := store.Open(t.Context(), command(opt))
	if took := time.Since(start); took < store.OutagePatience/2 || took > 3*store.OutagePatience {
		t.Errorf("it took %s", took)
	}
	if err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "connect to the database at 127.0.0.1") {
		t.Errorf("told %v", err)
	}
}

func TestNoPasswordIsLoggedWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite has no password")
	opt := storetest.Options(t)
	link := storetest.NewLink(t, opt.Database)
	var log said
	opt.Database, opt.Log = as(t, link.URL(), "postgres", password), log.logger()
	s := openProbe(t, opt)
	link.Cut()
	err := add(s, row{1, "x"})
	link.Mend()
	if err == nil || strings.Contains(err.Error(), password) || log.has(password) {
		t.Errorf("told %v", err)
	}
	if !log.has("cannot be reached") {
		t.Error("the log does not say that the database is away")
	}
}

// settings of every connection; without them a plan depends on whether a table has been analysed.
func TestConnectionsHaveTheirSettings(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite's are pragmas")
	s := open(t)
	check := func(ctx context.Context, q store.Queryer, readOnly string) {
		for name, want := range map[string]string{
			"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off", "lock_timeout": "20s",
			"idle_in_transaction_session_timeout": "15s", "TimeZone": "UTC", "client_encoding": "UTF8", "transaction_isolation": "read committed",
			"application_name": "tidings", "default_transaction_read_only": readOnly,
		} {
			var got string
			if err := q.QueryRowContext(ctx, "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, want %q (%v)", name, got, want, err)
			}
		}
	}
	check(t.Context(), s.Reader(), "on")
	write(t, s, func(tx *store.Tx) error {
		check(tx.Context(), tx.Queries(), "off")
		return nil
	})
}

func TestStartsAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite has one server")
	opt := storetest.Options(t)
	direct(t, opt.Database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	stores := make([]*store.Store, 5)
	options := make([]store.Options, len(stores))
	for i := range options {
		options[i] = beside(t, opt)
		options[i].Log = quiet
	}
	var all sync.WaitGroup
	for i := range stores {
		all.Go(func() {
			var err error
			if stores[i], err = store.Open(t.Context(), options[i]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	boots := map[int64]bool{}
	for _, s := range stores {
		if s != nil {
			boots[s.Boot()] = true
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if len(boots) != len(stores) {
		t.Errorf("starts %v", boots)
	}
}

// pieces lists the partitions of a table.
func pieces(t *testing.T, database, table string) []string {
	t.Helper()
	const list = `SELECT array_agg(inhrelid::regclass::text ORDER BY inhrelid::regclass::text COLLATE "C") FROM pg_inherits WHERE inhparent = $1::regclass`
	return one[[]string](t, database, list, table)
}

func TestBigTablesHaveAPieceForEachMonth(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite keeps a table in one piece")
	opt := storetest.Options(t)
	s := openIn(t, opt)
	now := s.Now()
	for _, table := range []string{"message", "part", "event"} {
		var want []string
		for ahead := range 3 {
			want = append(want, table+store.MonthOf(now).AddDate(0, ahead, 0).Format("_2006_01"))
		}
		if got := pieces(t, opt.Database, table); fmt.Sprint(got) != fmt.Sprint(append(want, table+"_rest")) {
			t.Errorf("%s has %v, want %v and the rest", table, got, want)
		}
	}
	event := func(at time.Time) string {
		return fmt.Sprintf("INSERT INTO event VALUES (%d, 1, 1, 'x', '{}', 7)", store.KeyOf(at)+1)
	}
	later := store.MonthOf(now).AddDate(0, 5, 0)
	direct(t, opt.Database, event(now), event(later), event(now.AddDate(-1, 0, 0)), "INSERT INTO event VALUES (3, 1, 1, 'x', '{}', 7)")
	if n := one[int](t, opt.Database, "SELECT count(*) FROM event_rest"); n != 3 {
		t.Errorf("%d of 3 rows are in the rest", n)
	}
	db, err := sql.Open("pgx", opt.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for range 2 { // the month whose rows are in the rest has no piece, those around it have
		if err := store.MakePartitions(t.Context(), db, later.AddDate(0, -1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, opt.Database, "SELECT count(*) FROM event"); n != 4 {
		t.Errorf("%d rows of 4", n)
	}
	if got := fmt.Sprint(pieces(t, opt.Database, "event")); strings.Contains(got, later.Format("_2006_01")) || !strings.Contains(got, later.AddDate(0, 1, 0).Format("_2006_01")) {
		t.Errorf("afterwards there are %v", got)
	}
	direct(t, opt.Database, event(later.AddDate(0, 0, 1)), event(later.AddDate(0, 1, 0)))
}

func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	for version, good := range map[string]bool{"150000": true, "170004": true, "149999": false, "90624": false, "": false, "new": false} {
		if store.AtLeast(15, version) != good {
			t.Errorf("%q is %v", version, !good)
		}
	}
}
