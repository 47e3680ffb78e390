package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// oldestSQLite is the first version without the WAL-reset race that can corrupt a database with several connections.
const oldestSQLite = "3.51.3"

// sqliteEngine is the engine of one process and one file.
type sqliteEngine struct {
	store   *Store
	db      *sql.DB // the single writer
	readers *sql.DB
	reading *reading
}

func newSQLite(ctx context.Context, s *Store) (engine, error) {
	e := &sqliteEngine{store: s}
	err := private(s.Path())
	if err != nil {
		return nil, err
	}
	if e.db, e.readers, err = openSQLite(ctx, s.Path()); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.Path(), err)
	}
	e.reading = newReading(e.readers)
	return e, nil
}

// private makes a database's file, if there is none, for its owner alone; SQLite's log gets the same rights.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}

// prepare leaves to a server what is the server's, when it is for a command beside it: the check after an unclean stop,
// and the schema it runs on.
func (e *sqliteEngine) prepare(ctx context.Context) error {
	opt := e.store.opt
	if opt.Serve {
		if err := checkIntegrity(ctx, e.db); err != nil {
			return err
		}
	}
	return migrate(ctx, e.db, forSQLite, e.store.log, !opt.Serve && served(opt.Dir))
}

func (e *sqliteEngine) ask() Queryer    { return rewriting{e.db} }
func (e *sqliteEngine) reader() Queryer { return cleaning{rewriting{e.reading}} }

func (e *sqliteEngine) connect(ctx context.Context) (connection, error) {
	return openSQLiteConn(ctx, e.store, e.db)
}

// leave spares the next start the look at every page.
func (e *sqliteEngine) leave(ctx context.Context) error { return setMeta(ctx, e.ask(), "clean", "1") }

func (e *sqliteEngine) close() error {
	return errors.Join(e.reading.close(), e.readers.Close(), e.db.Close())
}

// openSQLite opens the one writing connection and the pool of reading ones.
//
// WAL with synchronous=FULL: a commit is on disk when it returns. Commits are grouped, so that full sync costs nothing.
func openSQLite(ctx context.Context, path string) (writer, readers *sql.DB, err error) {
	common := []string{"busy_timeout(10000)", "foreign_keys(1)", "mmap_size(0)", "temp_store(2)"}
	// auto_vacuum must be set before the first table is made.
	writing := append([]string{"auto_vacuum(2)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "wal_autocheckpoint(0)", "journal_size_limit(20971520)"}, common...)
	if writer, err = sql.Open("sqlite", dsn(path, writing)); err != nil {
		return nil, nil, err
	}
	writer.SetMaxOpenConns(1)
	if err := checkSQLite(ctx, writer); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	readers, err = sql.Open("sqlite", dsn(path, append([]string{"query_only(1)", "cache_size(-16384)"}, common...)))
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	readers.SetMaxOpenConns(max(4, 2*runtime.NumCPU()))
	readers.SetMaxIdleConns(max(4, 2*runtime.NumCPU()))
	return writer, readers, nil
}

func dsn(path string, pragmas []string) string {
	q := url.Values{"_pragma": pragmas}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// checkSQLite refuses a database that would not keep what it commits.
func checkSQLite(ctx context.Context, db *sql.DB) error {
	for _, want := range []struct{ query, value, why string }{
		{"PRAGMA journal_mode", "wal", "readers must not block the writer"},
		{"PRAGMA synchronous", "2", "a commit must be on disk"},
		{"PRAGMA auto_vacuum", "2", "deleted rows must give their space back"},
		{"PRAGMA foreign_keys", "1", "the driver must have read our settings"},
	} {
		var got string
		if err := db.QueryRowContext(ctx, want.query).Scan(&got); err != nil {
			return fmt.Errorf("%s: %w", want.query, err)
		}
		if got != want.value {
			return fmt.Errorf("%s is %s, not %s: %s", want.query, got, want.value, want.why)
		}
	}
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("ask SQLite's version: %w", err)
	}
	if olderVersion(version, oldestSQLite) {
		return fmt.Errorf("SQLite %s can corrupt databases with several connections; %s or newer is needed", version, oldestSQLite)
	}
	return nil
}

func olderVersion(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m < n
		}
	}
	return len(x) < len(y)
}

// checkIntegrity looks at every page after a stop that was not clean.
func checkIntegrity(ctx context.Context, db *sql.DB) error {
	var used int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").Scan(&used); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	if used == 0 {
		return nil // it is new
	}
	var clean int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM meta WHERE name = 'clean' AND value = '1'").Scan(&clean); err != nil {
		return fmt.Errorf("read how the last server stopped: %w", err)
	}
	if clean == 1 {
		return nil
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check the database after an unclean stop: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the database is damaged (%s): restore a backup", verdict)
	}
	return nil
}

// trouble judges an error by SQLite's result code (sqlite.org/rescode.html). The index of the log is written through
// shared memory, where a full disk shows as an I/O error of its own.
func (c *sqliteConn) trouble(err error) trouble {
	code := resultCode(err)
	switch {
	case code&0xff == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE:
		return diskFull
	case code&0xff == sqlite3.SQLITE_IOERR, code&0xff == sqlite3.SQLITE_CORRUPT, code&0xff == sqlite3.SQLITE_NOTADB:
		return untrusted
	default:
		return noTrouble
	}
}

// resultCode is SQLite's extended result code of an error, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqliteError](err); ok {
		return e.code
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}
