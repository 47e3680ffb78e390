package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// writeLock is held by whoever writes, on whichever node (docs/decisions/0014-one-writer.md).
const writeLock = 0x7469_6469_6e67_7301

// postgresConn is PostgreSQL's writing connection. Statements go out in pipelines: those that answer nothing wait for the
// next that does, so that a transaction takes few round trips. A connection that was lost is opened anew by the next
// transaction.
type postgresConn struct {
	store    *Store
	db       *sql.DB
	sql      *sql.Conn // nil while there is no connection
	raw      *pgconn.PgConn
	prepared map[string]*prepared
	pipe     *pipeline
	mark     mark // of the transaction
}

// hangs is how long a transaction may take: a database that has not answered by then is taken for gone.
const hangs = time.Minute

// connectTimeout bounds one try to reach the database.
const connectTimeout = 3 * time.Second

func (c *postgresConn) open() error {
	if c.sql != nil && !c.raw.IsClosed() {
		return nil
	}
	c.drop()
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return &unreachableError{err}
	}
	err = conn.Raw(func(dc any) error {
		c.raw = dc.(*stdlib.Conn).Conn().PgConn()
		return nil
	})
	if err != nil {
		return errors.Join(&unreachableError{err}, conn.Close())
	}
	c.sql, c.prepared, c.pipe = conn, map[string]*prepared{}, &pipeline{raw: c.raw}
	return nil
}

// drop lets go of the connection, whatever state it is in.
func (c *postgresConn) drop() {
	if c.sql == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = c.raw.Close(ctx)
	_ = c.sql.Close() // the pool sees that it is dead
	c.sql = nil
}

// The first statements of every transaction. The lock is taken before the stamp, so that the stamp, and all that follows,
// sees what the last writer committed.
const (
	beginStmt = "BEGIN ISOLATION LEVEL READ COMMITTED"
	lockStmt  = "SELECT pg_advisory_xact_lock($1)"
	// The time of a transaction is later than that of any other node's before it, so that what they write is in order.
	stampStmt = "UPDATE node SET wrote = $2, seen_at = GREATEST(" + clockSQL + `,
			(SELECT COALESCE(max(o.seen_at), 0) + 1 FROM node AS o WHERE o.boot <> $1))
		WHERE boot = $1 AND dead = 0 RETURNING seen_at, (SELECT CAST(COALESCE(sum(n), 0) AS bigint) FROM version)`
	wroteStmt    = "SELECT wrote FROM node WHERE boot = $1"
	commitStmt   = "COMMIT"
	rollbackStmt = "ROLLBACK"
)

// clockSQL is the engine's clock in Unix milliseconds.
const clockSQL = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"

// mark is what a node writes with each of its transactions: should the answer to a commit be lost, its row tells.
type mark struct{ Boot, Wrote int64 }

var nothing = rows{plan: &plan{}, n: 1}

// stamp is what a transaction learns when it begins.
type stamp struct{ SeenAt, Versions int64 }

// begin leaves nothing open when it fails: the write lock would be held until the next transaction.
func (c *postgresConn) begin() (time.Time, error) {
	at, err := c.enter()
	if err != nil {
		return at, errors.Join(err, c.rollback())
	}
	return at, nil
}

func (c *postgresConn) enter() (at time.Time, err error) {
	if err := c.open(); err != nil {
		return at, err
	}
	if c.store.node.renew.Load() {
		if err := c.store.node.rejoin(); err != nil {
			return at, &unreachableError{err}
		}
	}
	_ = c.raw.Conn().SetDeadline(time.Now().Add(hangs)) // one that cannot be set shows with the first byte
	c.mark = mark{c.store.Boot(), c.mark.Wrote + 1}
	now, alive, err := c.begins()
	if err != nil || c.mark.Boot == 0 {
		return c.store.Now(), err // a command is no node
	}
	if !alive {
		c.store.node.renew.Store(true)
		return at, &unreachableError{errors.New("the other nodes take this one for dead")}
	}
	if err := c.store.freshen(now.Versions); err != nil {
		return at, &unreachableError{err}
	}
	return c.store.atLeast(now.SeenAt), nil
}

func (c *postgresConn) begins() (now stamp, alive bool, err error) {
	if err := c.each(beginStmt, nothing, nil); err != nil {
		return now, false, err
	}
	lock, err := rowsOf([]int64{writeLock})
	if err != nil {
		return now, false, err
	}
	if err := c.each(lockStmt, lock, nil); err != nil {
		return now, false, err
	}
	in, err := rowsOf([]mark{c.mark})
	if err != nil {
		return now, false, err
	}
	out, err := planOf[stamp]()
	if err != nil {
		return now, false, err
	}
	err = c.find(stampStmt, in, out, func(int) unsafe.Pointer {
		alive = true
		return addressOf(&now)
	})
	return now, alive, err
}

// prepared is a statement, and for a plain insert the one that takes many rows.
type prepared struct {
	*pgconn.StatementDescription
	many *pgconn.StatementDescription // nil for others
}

func (c *postgresConn) prepare(text string) (*prepared, error) {
	if s := c.prepared[text]; s != nil {
		return s, nil
	}
	if err := c.pipe.settle(); err != nil {
		return nil, err
	}
	name := "w" + strconv.Itoa(len(c.prepared))
	one, err := c.describe(name, text)
	if err != nil {
		return nil, err
	}
	s := &prepared{StatementDescription: one}
	if many := copyMany(text, len(one.ParamOIDs)); many != "" {
		if s.many, err = c.describe(name+"m", many); err != nil {
			return nil, err
		}
	}
	c.prepared[text] = s
	return s, nil
}

func (c *postgresConn) describe(name, text string) (*pgconn.StatementDescription, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*connectTimeout)
	defer cancel()
	s, err := c.raw.Prepare(ctx, name, text, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return s, nil
}

// later has a statement run whose answers nobody waits for: its rows go out with the next that does.
func (c *postgresConn) later(text string, in rows) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	if s.many != nil && in.n > 1 {
		if err := c.pipe.copy(s.many, s.ParamOIDs, in); err != nil {
			return err
		}
		return c.pipe.owe()
	}
	for i := range in.n {
		if err := c.pipe.execute(s.StatementDescription, in, i); err != nil {
			return err
		}
		if err := c.pipe.owe(); err != nil {
			return err
		}
	}
	return nil
}

func (c *postgresConn) each(text string, in rows, touched []int64) error {
	if touched == nil {
		return c.later(text, in)
	}
	return c.run(text, in, nil, nil, func(of int, tag pgconn.CommandTag) { touched[of] = tag.RowsAffected() })
}

func (c *postgresConn) find(text string, in rows, out *plan, place func(of int) unsafe.Pointer) error {
	return c.run(text, in, out, place, func(int, pgconn.CommandTag) {})
}

// run sends a statement for each row and reads the answers, a share at a time.
func (c *postgresConn) run(text string, in rows, out *plan, place func(of int) unsafe.Pointer, done func(of int, tag pgconn.CommandTag)) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	for from := 0; from < in.n; {
		to := from
		for ; to < in.n && (to == from || !c.pipe.full()); to++ {
			if err := c.pipe.execute(s.StatementDescription, in, to); err != nil {
				return err
			}
		}
		if err := c.pipe.sync(); err != nil {
			return err
		}
		for ; from < to; from++ {
			tag, err := c.pipe.answer(s.Fields, out, func() unsafe.Pointer { return place(from) })
			if err != nil {
				return err
			}
			done(from, tag)
		}
		if err := c.pipe.end(); err != nil {
			return err
		}
	}
	return nil
}

// queries is for generated queries. They run at once, so what has gathered goes before them; if that fails, so do they, and
// the commit.
func (c *postgresConn) queries() Queryer {
	_ = c.pipe.settle()
	return cleaning{c.sql}
}

func (c *postgresConn) commit() error {
	ended := ""
	err := c.run(commitStmt, nothing, nil, nil, func(_ int, tag pgconn.CommandTag) { ended = tag.String() })
	switch {
	case err != nil && c.raw.IsClosed():
		return c.resolve(err)
	case err == nil && ended != commitStmt: // something in it had failed: it was rolled back, which is no error to PostgreSQL
		return fmt.Errorf("the transaction ended with %s", ended)
	}
	return err
}

// resolve tells what became of a transaction whose commit got no answer. Whoever holds the write lock can read it: the
// transaction of before had it, so that it has ended.
func (c *postgresConn) resolve(cause error) error {
	was := c.mark
	for end := time.Now().Add(outagePatience); time.Now().Before(end) && !c.store.Closing(); time.Sleep(outagePause) {
		wrote, err := c.wrote(was.Boot)
		if NoRows(err) {
			break // a command leaves no mark, and that of a node that was buried has gone
		}
		switch {
		case err != nil:
			c.store.unreached()
		case wrote == was.Wrote:
			return nil
		default:
			return &unreachableError{fmt.Errorf("the connection was lost and the transaction with it: %w", cause)}
		}
	}
	c.store.node.renew.Store(true) // nobody knows which jobs it has
	return &lostError{cause}
}

// wrote is the mark of a node's last transaction.
func (c *postgresConn) wrote(boot int64) (wrote int64, err error) {
	if err := c.open(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), outagePatience)
	defer cancel()
	tx, err := c.sql.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, lockStmt, writeLock); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, wroteStmt, boot).Scan(&wrote)
	return wrote, err
}

// rollback ends the transaction. A connection on which not even that succeeds is dropped, and the transaction with it.
func (c *postgresConn) rollback() error {
	if c.sql == nil {
		return nil
	}
	c.pipe.clear() // what was wrong is known already
	if c.raw.IsClosed() || c.raw.TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	if _, err := c.raw.Exec(ctx, rollbackStmt).ReadAll(); err != nil {
		c.drop()
	}
	return nil
}

func (c *postgresConn) tidy() error                          { return nil }
func (c *postgresConn) shrink(context.Context) (bool, error) { return false, nil } // autovacuum does

func (c *postgresConn) close() error {
	if c.sql == nil {
		return nil
	}
	_ = c.rollback()
	return c.sql.Close()
}
