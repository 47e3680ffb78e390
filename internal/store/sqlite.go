package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// oldestSQLite is the first version without the WAL-reset race that can corrupt a database with several connections.
const oldestSQLite = "3.51.3"

// trouble is what an error of SQLite says about the disk.
type trouble int

const (
	noTrouble trouble = iota
	diskFull
	untrusted // what was reported as written may not be
)

// openSQLite opens the one writing connection and the pool of reading ones.
//
// WAL with synchronous=FULL: a commit is on disk when it returns. Commits are grouped, so that full sync costs nothing.
func openSQLite(ctx context.Context, path string) (writer, readers *sql.DB, err error) {
	common := []string{"busy_timeout(10000)", "foreign_keys(1)", "mmap_size(0)", "temp_store(2)"}
	// auto_vacuum must be set before the first table is made.
	writing := append([]string{"auto_vacuum(2)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "wal_autocheckpoint(0)", "journal_size_limit(67108864)"}, common...)
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

// countStart numbers this start and marks the database as in use.
func countStart(ctx context.Context, db *sql.DB) (boot int64, err error) {
	const count = `INSERT INTO meta (name, value) VALUES ('boot', '1')
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT) RETURNING CAST(value AS INTEGER)`
	if err := db.QueryRowContext(ctx, count).Scan(&boot); err != nil {
		return 0, fmt.Errorf("count the start: %w", err)
	}
	return boot, setMeta(ctx, db, "clean", "0")
}

func markClean(db *sql.DB) error { return setMeta(context.Background(), db, "clean", "1") }

func setMeta(ctx context.Context, db execer, name, value string) error {
	const set = `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	if _, err := db.ExecContext(ctx, set, name, value); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// troubleOf judges an error by SQLite's result code (sqlite.org/rescode.html). The index of the log is written through
// shared memory, where a full disk shows as an I/O error of its own.
func troubleOf(err error) trouble {
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
