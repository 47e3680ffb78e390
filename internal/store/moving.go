package store

import (
	"context"
	"errors"
	"fmt"
)

// moving is the name in meta of a database that is being filled from another one. It is there until every row is.
const moving = "moving"

// errHalfMoved is what a database says that a move, a backup or a restore left unfinished.
var errHalfMoved = errors.New("this database was being filled from another one, and that did not end: remove it, make it anew and fill it again; the one it came from is whole")

// refuseHalfMoved refuses a database that is not whole.
func refuseHalfMoved(ctx context.Context, db Queryer) error {
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM meta WHERE name = '"+moving+"'").Scan(&n); err != nil {
		return fmt.Errorf("look whether the database is whole: %w", err)
	}
	if n > 0 {
		return errHalfMoved
	}
	return nil
}

// markMoving says that the database is not whole, and forgets what opening it has noted: the other's notes come instead.
func markMoving(ctx context.Context, db Queryer) error {
	const mark = "INSERT INTO meta (name, value) VALUES ('" + moving + "', '1') ON CONFLICT (name) DO NOTHING"
	for _, stmt := range []string{mark, "DELETE FROM meta WHERE name <> '" + moving + "'"} {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return fmt.Errorf("note that the database is being filled: %w", err)
		}
	}
	return nil
}

func unmarkMoving(ctx context.Context, db Queryer) error {
	if _, err := db.ExecContext(ctx, "DELETE FROM meta WHERE name = '"+moving+"'"); err != nil {
		return fmt.Errorf("note that the database is whole: %w", err)
	}
	return nil
}
