package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tidings.dev/internal/id"
)

// end is one end of a move: the database that is read, or the one that is filled. All runs on one connection.
type end struct {
	place
	db   *sql.DB
	conn *sql.Conn
	lock *lock // of SQLite's folder
}

// How SQLite is set for each end. With a rollback journal the finished database is one file; auto_vacuum must be set before the
// first table is made.
var (
	asSource = []string{"query_only(1)", "busy_timeout(10000)", "cache_size(-65536)", "temp_store(2)"}
	asTarget = []string{"auto_vacuum(2)", "journal_mode(DELETE)", "synchronous(FULL)", "cache_size(-65536)", "temp_store(2)"}
)

// openHeld opens a database that nobody serves until it is closed. A server of PostgreSQL that starts meanwhile waits at the
// door where starts take their turn to migrate.
func openHeld(ctx context.Context, p place, open func(context.Context, place) (*end, error)) (*end, error) {
	l := &lock{}
	if p.config == nil {
		var err error
		if l, err = takeLock(filepath.Dir(p.file)); err != nil {
			return nil, err
		}
	}
	e, err := open(ctx, p)
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	if e.lock = l; e.postgres() {
		err = e.hold(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// openSource opens a database to read.
func openSource(ctx context.Context, p place) (*end, error) {
	if p.config != nil {
		return openPostgresEnd(ctx, p)
	}
	return openSQLiteEnd(ctx, p, dsn(p.file, asSource))
}

// openBackup opens a file to read that may be on a disk that nobody can write to.
func openBackup(ctx context.Context, file string) (*end, error) {
	return openSQLiteEnd(ctx, place{file: file}, dsn(file, asSource)+"&mode=ro")
}

// openTarget opens a database to fill. A file is made if there is none, for its owner alone.
func openTarget(ctx context.Context, p place) (*end, error) {
	if p.config != nil {
		return openPostgresEnd(ctx, p)
	}
	if err := private(p.file); err != nil {
		return nil, err
	}
	return openSQLiteEnd(ctx, p, dsn(p.file, asTarget))
}

func openSQLiteEnd(ctx context.Context, p place, where string) (*end, error) {
	db, err := sql.Open("sqlite", where)
	if err != nil {
		return nil, err
	}
	return newEnd(ctx, p, db)
}

// openPostgresEnd opens a connection that may be idle for as long as the other end takes.
func openPostgresEnd(ctx context.Context, p place) (*end, error) {
	config := p.config.Copy()
	for name, value := range map[string]string{
		"application_name": "tidings move", "timezone": "UTC", "client_encoding": "UTF8", "statement_timeout": "0",
		"idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0", "lock_timeout": "20s",
	} {
		config.RuntimeParams[name] = value
	}
	config.ConnectTimeout = connectTimeout
	config.DialFunc = dial
	e, err := newEnd(ctx, p, stdlib.OpenDB(*config))
	if err != nil {
		return nil, fmt.Errorf("connect to the database at %s as %s: %w", p, config.User, err)
	}
	return e, nil
}

func newEnd(ctx context.Context, p place, db *sql.DB) (*end, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &end{place: p, db: db, conn: conn, lock: &lock{}}, nil
}

func (e *end) postgres() bool { return e.config != nil }

func (e *end) ask() Queryer {
	if e.postgres() {
		return e.conn
	}
	return rewriting{e.conn}
}

func (e *end) close() error {
	return errors.Join(e.conn.Close(), e.db.Close(), e.lock.release())
}

// hold takes PostgreSQL's database for as long as the connection lives. It must be one that could be served: on a standby
// nobody sees who serves.
func (e *end) hold(ctx context.Context) error {
	if err := e.asPostgres().check(ctx); err != nil {
		return err
	}
	var mine bool
	if err := e.conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", migrateLock).Scan(&mine); err != nil {
		return fmt.Errorf("take the database: %w", err)
	}
	if !mine {
		return fmt.Errorf("something else is starting on the database at %s, or moving it", e)
	}
	return e.refuseServed(ctx)
}

// refuseServed refuses a database of PostgreSQL that a node lives on.
func (e *end) refuseServed(ctx context.Context) error {
	var n int
	if err := e.conn.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE "+nodeLocks).Scan(&n); err != nil {
		return fmt.Errorf("look for servers on the database: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%d tidings serve from the database at %s: stop them first", n, e)
	}
	return nil
}

// freeze lets all that is read from now on be of one moment.
func (e *end) freeze(ctx context.Context) error {
	begin := "BEGIN"
	if e.postgres() {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := e.conn.ExecContext(ctx, begin); err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	return nil
}

// version is the schema's.
func (e *end) version(ctx context.Context) (n int64, err error) {
	if err := e.ask().QueryRowContext(ctx, "SELECT max(version_id) FROM "+versionTable).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s is no database of Tidings: %w", e, err)
	}
	return n, nil
}

// refuseVersion refuses a source whose schema is not this program's.
func (e *end) refuseVersion(ctx context.Context) error {
	have, err := e.version(ctx)
	if err != nil {
		return err
	}
	want, err := newestVersion()
	switch {
	case err != nil || have == want:
		return err
	case have > want:
		return fmt.Errorf("%s has schema %d, this program knows %d: use the newer program", e, have, want)
	default:
		return fmt.Errorf("%s has schema %d, this program wants %d: start this program on it once", e, have, want)
	}
}

// newestVersion is of the schema that this program makes.
func newestVersion() (n int64, err error) {
	files, err := migrations.ReadDir("migrations")
	if err == nil {
		_, err = fmt.Sscanf(files[len(files)-1].Name(), "%d_", &n)
	}
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	return n, nil
}

// starts is how often a server started on the database.
func starts(ctx context.Context, db Queryer) (n string, err error) {
	err = db.QueryRowContext(ctx, "SELECT COALESCE((SELECT value FROM meta WHERE name = 'boot'), '0')").Scan(&n)
	if err != nil {
		return "", fmt.Errorf("read how often a server started: %w", err)
	}
	return n, nil
}

// prepare makes the schema, and takes the database for the move. One that holds anything is refused.
func (e *end) prepare(ctx context.Context, months span) error {
	if err := e.refuseFull(ctx); err != nil {
		return err
	}
	words := forSQLite
	if e.postgres() {
		words = forPostgres
	}
	if err := migrate(ctx, e.db, words, slog.New(slog.DiscardHandler), false); err != nil {
		return err
	}
	if e.postgres() {
		if err := makePartitionsOf(ctx, e.db, months.from, months.to); err != nil {
			return err
		}
	}
	return markMoving(ctx, e.ask())
}

// refuseFull refuses a database that is not fresh: nothing is ever overwritten or mixed.
func (e *end) refuseFull(ctx context.Context) error {
	tables, err := e.tables(ctx)
	if err != nil || len(tables) == 0 {
		return err
	}
	if !slices.ContainsFunc(tables, func(t table) bool { return t.name == "meta" }) {
		return fmt.Errorf("%s has tables that are not Tidings': name a new database", e)
	}
	if err := refuseHalfMoved(ctx, e.ask()); err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	for _, t := range tables {
		var n int
		if err := e.ask().QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+quoted(t.name)+" LIMIT 1) AS t").Scan(&n); err != nil {
			return fmt.Errorf("look into %s: %w", t.name, err)
		}
		if n > 0 && t.name != "meta" {
			return fmt.Errorf("%s is not empty (table %s has rows), and nothing is overwritten: name a new database", e, t.name)
		}
	}
	return nil
}

// span is from one moment to another.
type span struct{ from, to time.Time }

// months is the time that the keys of big tables are of, so far as it makes sense: other keys go into the default pieces.
func (e *end) months(ctx context.Context) (s span, err error) {
	now := time.Now()
	s = span{now, now.AddDate(0, monthsAhead, 0)}
	oldest := keyOf(now.AddDate(-10, 0, 0))
	for _, table := range partitioned {
		key := partitionKey[table]
		query := fmt.Sprintf("SELECT COALESCE(min(%s), 0) FROM %s WHERE %s >= $1", key, table, key)
		var first int64
		if err := e.ask().QueryRowContext(ctx, query, oldest).Scan(&first); err != nil {
			return s, fmt.Errorf("find the oldest row of %s: %w", table, err)
		}
		if at := id.Of[struct{}](first).Time(); first > 0 && at.Before(s.from) {
			s.from = at
		}
	}
	return s, nil
}

// raw runs f on pgx's own connection.
func (e *end) raw(f func(*pgx.Conn) error) error {
	return e.conn.Raw(func(dc any) error { return f(dc.(*stdlib.Conn).Conn()) })
}
