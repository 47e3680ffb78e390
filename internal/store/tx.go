package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"
)

// Tx is a running transaction. It is used by one goroutine.
type Tx struct {
	ctx    context.Context
	store  *Store
	conn   *conn
	now    time.Time
	after  []func()
	topics []string
}

// Queries is for generated queries inside the transaction.
func (tx *Tx) Queries() Queryer { return rewriting{tx.conn.db} }

// Context is the transaction's own: it does not end with any caller's.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Now is the time of the transaction: the same for all that it writes.
func (tx *Tx) Now() time.Time { return tx.now }

// NowMilli is Now in Unix milliseconds, as times are stored.
func (tx *Tx) NowMilli() int64 { return tx.now.UnixMilli() }

// NewID returns a fresh key.
func (tx *Tx) NewID() int64 { return tx.store.NewID() }

// Boot is the number of this start of the server.
func (tx *Tx) Boot() int64 { return tx.store.boot }

// After has f called once the transaction is on disk. f must be quick and must not write.
func (tx *Tx) After(f func()) { tx.after = append(tx.after, f) }

// Touch tells every process, this one at once, that what is kept in memory under the topic has changed.
func (tx *Tx) Touch(topic string) error {
	const bump = `INSERT INTO version (topic, n) VALUES (?, 1) ON CONFLICT (topic) DO UPDATE SET n = version.n + 1`
	if _, err := tx.conn.db.ExecContext(tx.ctx, bump, topic); err != nil {
		return fmt.Errorf("touch %s: %w", topic, err)
	}
	tx.topics = append(tx.topics, topic)
	return nil
}

// Seal encrypts a secret for the named place, such as "webhook/17". It opens there only.
func (s *Store) Seal(place, secret string) (string, error) { return s.sealer.seal(place, secret) }

// Unseal opens what Seal made for the same place.
func (s *Store) Unseal(place, sealed string) (string, error) { return s.sealer.unseal(place, sealed) }

// conn is the writing connection with its prepared statements. They are the driver's own: a statement through
// database/sql costs as much again as the statement.
type conn struct {
	db       *sql.Conn
	prepared map[string]*prepared
	values   []driver.NamedValue
}

type prepared struct {
	*positional
	stmt interface {
		driver.StmtExecContext
		driver.StmtQueryContext
		driver.Stmt
	}
}

func (c *conn) prepare(dc any, query string) (*prepared, error) {
	if p := c.prepared[query]; p != nil {
		return p, nil
	}
	places := rewrite(query)
	stmt, err := dc.(driver.ConnPrepareContext).PrepareContext(context.Background(), places.text)
	if err != nil {
		return nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	p := &prepared{positional: places}
	p.stmt = stmt.(interface {
		driver.StmtExecContext
		driver.StmtQueryContext
		driver.Stmt
	})
	c.prepared[query] = p
	return p, nil
}

// bind puts a row's values in the statement's places.
func (c *conn) bind(p *prepared, row []any) []driver.NamedValue {
	c.values = c.values[:0]
	for i, n := range p.args {
		c.values = append(c.values, driver.NamedValue{Ordinal: i + 1, Value: row[n]})
	}
	return c.values
}

func (c *conn) close() error {
	for _, p := range c.prepared {
		_ = p.stmt.Close()
	}
	return c.db.Close()
}
