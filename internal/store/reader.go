package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reading is the pool of readers. It prepares each statement once per connection: to parse a query of a page costs more
// than to run it. Queries are constants, so the statements stay few.
type reading struct {
	db    *sql.DB
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

func newReading(db *sql.DB) *reading { return &reading{db: db, stmts: map[string]*sql.Stmt{}} }

// of returns the prepared statement of a query.
func (r *reading) of(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.RLock()
	s := r.stmts[query]
	r.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stmts[query]; s != nil {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // kept until the pool closes
	if err == nil {
		r.stmts[query] = s
	}
	return s, err
}

// ExecContext runs a statement; the readers refuse one that writes.
func (r *reading) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.db.ExecContext(ctx, query, args...)
}

// PrepareContext prepares a statement for the caller, who closes it.
func (r *reading) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return r.db.PrepareContext(ctx, query)
}

// QueryContext runs a query that answers rows.
func (r *reading) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := r.of(ctx, query) //nolint:sqlclosecheck // kept until the pool closes
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext runs a query that answers at most one row.
func (r *reading) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := r.of(ctx, query) //nolint:sqlclosecheck // kept until the pool closes
	if err != nil {
		return r.db.QueryRowContext(ctx, query, args...) // it says what is wrong
	}
	return s.QueryRowContext(ctx, args...)
}

func (r *reading) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
