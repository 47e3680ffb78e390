package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
)

// oldestPostgres is the first version that the tests run on.
const oldestPostgres = 15

// postgresEngine is the engine of one or more processes, each with one writing connection, a pool for reading and one that
// says that it is alive.
type postgresEngine struct {
	store   *Store
	config  *pgx.ConnConfig
	db      *sql.DB // writes and settings
	readers *sql.DB
}

// session is what every connection is set to. Plans must not depend on whether a table has been analysed yet: each statement
// has its index, so the ways around indexes are closed. A node that hangs within a transaction loses it, since the others
// wait for it.
var session = map[string]string{
	"application_name": "tidings", "timezone": "UTC", "client_encoding": "UTF8",
	"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
	"jit": "off", "idle_in_transaction_session_timeout": "15s", "lock_timeout": "20s",
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3", "tcp_user_timeout": "10s",
}

func newPostgres(ctx context.Context, s *Store) (engine, error) {
	config, err := pgx.ParseConfig(s.opt.Database)
	if err != nil {
		return nil, errors.New("database: this is no postgres:// URL") // the parser's own words hold the password
	}
	for name, value := range session {
		config.RuntimeParams[name] = value
	}
	config.ConnectTimeout = connectTimeout
	config.DialFunc = dial
	e := &postgresEngine{store: s, config: config, db: stdlib.OpenDB(*config)}
	reading := config.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	e.readers = stdlib.OpenDB(*reading)
	e.db.SetMaxOpenConns(4)
	e.db.SetMaxIdleConns(4)
	most := max(8, 4*runtime.NumCPU())
	e.readers.SetMaxOpenConns(most)
	e.readers.SetMaxIdleConns(most)
	if err := e.await(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	s.node = newNode(s, config)
	return e, s.node.setClock(ctx, e.readers)
}

// dial notices within seconds that the other side has gone without a word.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if strings.HasPrefix(network, "tcp") {
				_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000) })
			}
			return err
		},
	}
	return d.DialContext(ctx, network, address)
}

// await waits until the database answers. A server waits as long as it is let; a command only a little. What waiting does
// not mend is an error at once.
func (e *postgresEngine) await(ctx context.Context) error {
	where := fmt.Sprintf("%s:%d/%s", e.config.Host, e.config.Port, e.config.Database)
	end := time.Now().Add(outagePatience)
	for {
		err := e.db.PingContext(ctx)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("connect to the database at %s as %s: %w", where, e.config.User, err)
		if !passing(err) || !e.store.opt.Serve && time.Now().After(end) {
			return err
		}
		e.store.log.Warn("waiting for the database", "at", where, "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// passing reports whether waiting may help: nobody answers, or the database is starting.
func passing(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || troubles[e.Code] == unreachable
}

// migrateLock is held by whoever changes the schema.
const migrateLock = writeLock + 1

// prepare migrates, one start at a time.
func (e *postgresEngine) prepare(ctx context.Context) (err error) {
	if err := e.check(ctx); err != nil {
		return err
	}
	// A start that waits for its turn must not give up.
	patient := e.config.Copy()
	delete(patient.RuntimeParams, "lock_timeout")
	db := stdlib.OpenDB(*patient)
	defer func() { err = errors.Join(err, db.Close()) }()
	turn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer func() { err = errors.Join(err, turn.Close()) }() // which ends the lock, since the pool goes too
	if _, err := turn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("wait for another start to migrate: %w", err)
	}
	if err := migrate(ctx, db, forPostgres, e.store.log, e.served(ctx)); err != nil {
		return err
	}
	return e.makePieces(ctx, turn)
}

// makePieces makes the pieces that are missing, unless somebody reads the tables for long, such as a backup: whoever wants to
// write would wait behind us. There is room for two months, and retention tries again.
func (e *postgresEngine) makePieces(ctx context.Context, turn *sql.Conn) error {
	if _, err := turn.ExecContext(ctx, "SET lock_timeout = '2s'"); err != nil {
		return fmt.Errorf("set how long to wait: %w", err)
	}
	err := makePartitions(ctx, turn, e.store.Now())
	if busy, ok := errors.AsType[*pgconn.PgError](err); ok && troubles[busy.Code] == blocked {
		e.store.log.Warn("the next months have no pieces of their own yet: the tables are in use", "err", err)
		return nil
	}
	return err
}

// served reports whether a server runs on the database: a node that is alive.
func (e *postgresEngine) served(ctx context.Context) bool {
	var n int
	err := e.readers.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE "+nodeLocks).Scan(&n)
	return err == nil && n > 0
}

// check refuses a database that would not keep what it commits, or that we cannot use.
func (e *postgresEngine) check(ctx context.Context) error {
	for _, want := range []struct {
		query, why string
		good       func(value string) bool
	}{
		{"SELECT current_setting('server_version_num')", fmt.Sprintf("version %d or newer is needed", oldestPostgres), atLeast(oldestPostgres * 10000)},
		{"SELECT current_setting('fsync')", "a commit must be on disk: set fsync = on", is("on")},
		{"SELECT current_setting('full_page_writes')", "a power cut must not damage pages: set full_page_writes = on", is("on")},
		{"SELECT current_setting('synchronous_commit')", "a commit must be on disk: set synchronous_commit = on, remote_apply, remote_write or local", func(v string) bool { return v != "off" }},
		{"SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()", "texts are UTF-8: create the database with ENCODING 'UTF8'", is("UTF8")},
		{"SELECT CAST(pg_is_in_recovery() AS text)", "this is a standby: name the primary", is("false")},
	} {
		var got string
		if err := e.db.QueryRowContext(ctx, want.query).Scan(&got); err != nil {
			return fmt.Errorf("%s: %w", want.query, err)
		}
		if !want.good(got) {
			return fmt.Errorf("the database cannot be used: %s is %s: %s", strings.TrimPrefix(want.query, "SELECT "), got, want.why)
		}
	}
	e.warnOfStandbys(ctx)
	return nil
}

func is(want string) func(string) bool { return func(got string) bool { return got == want } }

func atLeast(least int) func(string) bool {
	return func(got string) bool {
		var n int
		_, err := fmt.Sscan(got, &n)
		return err == nil && n >= least
	}
}

// warnOfStandbys says what a failover to a standby that lags would lose.
func (e *postgresEngine) warnOfStandbys(ctx context.Context) {
	var n int
	err := e.db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async'").Scan(&n)
	if err == nil && n > 0 {
		e.store.log.Warn("some standbys are asynchronous: a failover to one of them may lose the last messages that were accepted", "standbys", n)
	}
}

func (e *postgresEngine) ask() Queryer    { return e.db }
func (e *postgresEngine) reader() Queryer { return cleaning{e.readers} }

func (e *postgresEngine) connect(context.Context) (connection, error) {
	c := &postgresConn{store: e.store, db: e.db}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

// leave has nothing to note: the others see that the node has gone.
func (e *postgresEngine) leave(context.Context) error { return nil }

func (e *postgresEngine) close() error {
	if e.store.node != nil {
		e.store.node.close()
	}
	return errors.Join(e.readers.Close(), e.db.Close())
}

// forPostgres says in PostgreSQL's words what the portable schema means: texts are ordered by their bytes, as in SQLite, and
// some tables are cut in pieces by the time in their key.
var forPostgres = words{
	dialect: goose.DialectPostgres,
	say: func(text string) string {
		text = textColumn.ReplaceAllString(text, `$1 COLLATE "C"`)
		text = partitionedBy.ReplaceAllString(text, "PARTITION BY RANGE ($1)")
		return strings.ReplaceAll(text, "-- on PostgreSQL: ", "")
	},
}

var (
	textColumn    = regexp.MustCompile(`(?m)^(\s+\w+\s+text)\b`)
	partitionedBy = regexp.MustCompile(`/\* partitioned by (\w+) \*/`)
)
