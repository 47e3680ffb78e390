package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// sqliteConn is SQLite's writing connection with its prepared statements.
type sqliteConn struct {
	store    *Store
	db       *sql.Conn
	handle   *handle
	prepared map[string]*statement
	logged   int // pages in the log
}

func openSQLiteConn(ctx context.Context, s *Store, db *sql.DB) (*sqliteConn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	h, err := handleOf(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &sqliteConn{store: s, db: c, handle: h, prepared: map[string]*statement{}}, nil
}

func (c *sqliteConn) prepare(query string) (*statement, error) {
	if s := c.prepared[query]; s != nil {
		return s, nil
	}
	s, err := c.handle.prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c.prepared[query] = s
	return s, nil
}

func (c *sqliteConn) each(stmt string, in rows, touched []int64) error {
	s, err := c.prepare(stmt)
	if err != nil {
		return err
	}
	for i := range in.n {
		if err := s.bind(in.plan, in.at(i)); err != nil {
			return err
		}
		n, err := s.run()
		if err != nil {
			return err
		}
		if touched != nil {
			touched[i] = n
		}
	}
	return nil
}

func (c *sqliteConn) find(query string, in rows, out *plan, place func(of int) unsafe.Pointer) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	for i := range in.n {
		if err := s.bind(in.plan, in.at(i)); err != nil {
			return err
		}
		if err := s.collect(out, func() unsafe.Pointer { return place(i) }); err != nil {
			return err
		}
	}
	return nil
}

// collect reads every row of the answer into a place of its own.
func (s *statement) collect(out *plan, place func() unsafe.Pointer) error {
	defer s.reset()
	for {
		more, err := s.step()
		if err != nil || !more {
			return err
		}
		if err := s.read(out, place()); err != nil {
			return err
		}
	}
}

// exec runs a statement without parameters.
func (c *sqliteConn) exec(query string) error {
	s, err := c.prepare(query)
	if err == nil {
		_, err = s.run()
	}
	return err
}

func (c *sqliteConn) begin() (time.Time, error) { return c.store.Now(), c.exec("BEGIN IMMEDIATE") }
func (c *sqliteConn) commit() error             { return c.exec("COMMIT") }

// rollback ends the transaction, unless SQLite has ended it by itself, as it does after some errors.
func (c *sqliteConn) rollback() error {
	if c.handle.idle() {
		return nil
	}
	return c.exec("ROLLBACK")
}

func (c *sqliteConn) queries() Queryer { return cleaning{rewriting{c.db}} }

// A file keeps a tenth of its pages free for what comes next; more than that is given back, so many pages at a time.
const (
	keptFree   = 10
	shrinkStep = 256
)

func (c *sqliteConn) shrink(ctx context.Context) (more bool, err error) {
	free, err := c.freeAbove(ctx)
	if err != nil || free <= 0 {
		return false, err
	}
	step := fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(free, shrinkStep))
	if _, err := c.db.ExecContext(ctx, step); err != nil {
		return false, fmt.Errorf("give pages back: %w", err)
	}
	return free > shrinkStep, nil
}

// freeAbove is how many pages are free above what the file keeps.
func (c *sqliteConn) freeAbove(ctx context.Context) (int, error) {
	var free, all int
	if err := c.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
		return 0, fmt.Errorf("count free pages: %w", err)
	}
	if err := c.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&all); err != nil {
		return 0, fmt.Errorf("count pages: %w", err)
	}
	used := all - free
	return free - used/(keptFree-1), nil
}

func (c *sqliteConn) close() error {
	for _, s := range c.prepared {
		s.close()
	}
	c.handle.close()
	return c.db.Close()
}
