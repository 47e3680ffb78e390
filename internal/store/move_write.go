package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// insertEach is how many rows SQLite takes in one transaction: few syncs, and a small journal.
const insertEach = 50_000

// fill writes rows into their table.
func (e *end) fill(ctx context.Context, r *moveRows) error {
	write := e.insert
	if e.postgres() {
		write = e.copy
	}
	if err := write(ctx, r); err != nil {
		return fmt.Errorf("write %s: %w", r.table.name, err)
	}
	return r.Err()
}

// copy streams all rows in one statement.
func (e *end) copy(ctx context.Context, r *moveRows) error {
	return e.raw(func(conn *pgx.Conn) error {
		_, err := conn.CopyFrom(ctx, pgx.Identifier{r.table.name}, r.table.names(), r)
		return err
	})
}

func (e *end) insert(ctx context.Context, r *moveRows) error {
	for more := true; more; {
		tx, err := e.conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if more, err = insertSome(ctx, tx, r); err != nil {
			_ = tx.Rollback() // what went wrong is known
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// insertSome writes as many rows as go into one transaction, and tells whether there may be more.
func insertSome(ctx context.Context, tx *sql.Tx, r *moveRows) (more bool, err error) {
	stmt, err := tx.PrepareContext(ctx, r.table.inserting())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	for range insertEach {
		if !r.Next() {
			return false, nil
		}
		if _, err := stmt.ExecContext(ctx, r.row...); err != nil {
			return false, err
		}
	}
	return true, nil
}
