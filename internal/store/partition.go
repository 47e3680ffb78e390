package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tidings.dev/internal/id"
)

// partitioned are the tables that PostgreSQL keeps in pieces of a month by the time in their key. Whatever has no piece of its
// own goes into the default one, so that no clock can make a message fail.
var partitioned = []string{"message", "part", "event"}

// monthsAhead is for how many months after the present one there are pieces.
const monthsAhead = 2

// pieceName is what follows the table's name in that of its piece.
const pieceName = "_2006_01"

// makePartitions makes the pieces of a moment's month and the next ones that are missing.
func makePartitions(ctx context.Context, db Queryer, now time.Time) error {
	return makePartitionsOf(ctx, db, now, now.AddDate(0, monthsAhead, 0))
}

// makePartitionsOf makes the missing pieces of all months from one moment to another.
func makePartitionsOf(ctx context.Context, db Queryer, from, to time.Time) error {
	for _, table := range partitioned {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s_rest PARTITION OF %s DEFAULT", table, table)); err != nil {
			return fmt.Errorf("make a partition: %w", err)
		}
		for m := monthOf(from); !m.After(to); m = m.AddDate(0, 1, 0) {
			if err := makePartition(ctx, db, table, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// keyOf is the smallest key of a moment.
func keyOf(t time.Time) int64 { return int64(id.At[struct{}](t)) }

// makePartition makes one piece, unless rows that belong into it are in the default one: those stay there.
func makePartition(ctx context.Context, db Queryer, table string, month time.Time) error {
	var taken int
	name := table + month.Format(pieceName)
	const ask = `SELECT (SELECT count(*) FROM pg_class WHERE oid = to_regclass($1))`
	if err := db.QueryRowContext(ctx, ask, name).Scan(&taken); err != nil {
		return fmt.Errorf("look for partition %s: %w", name, err)
	}
	if taken > 0 {
		return nil
	}
	from, to := keyOf(month), keyOf(month.AddDate(0, 1, 0))
	stray := fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s_rest WHERE %s >= $1 AND %s < $2 LIMIT 1) AS stray", table, partitionKey[table], partitionKey[table])
	if err := db.QueryRowContext(ctx, stray, from, to).Scan(&taken); err != nil {
		return fmt.Errorf("look into the default partition of %s: %w", table, err)
	}
	if taken > 0 {
		return nil
	}
	piece := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", name, table, from, to)
	if _, err := db.ExecContext(ctx, piece); err != nil {
		return fmt.Errorf("make partition %s: %w", name, err)
	}
	return nil
}

// partitionKey is the column that a table is cut by.
var partitionKey = map[string]string{"message": "id", "part": "message_id", "event": "subject"}

// Piece is a month of the tables that only grow, as PostgreSQL keeps them: the rows with the keys from the first to before the
// last.
type Piece struct{ From, To int64 }

// month is what the piece's tables are named after.
func (p Piece) month() time.Time { return id.Of[struct{}](p.From).Time().UTC() }

// tables are the piece's own.
func (p Piece) tables() string {
	names := make([]string, len(partitioned))
	for i, table := range partitioned {
		names[i] = table + p.month().Format(pieceName)
	}
	return strings.Join(names, ", ")
}

// Pieces lists the pieces that are over before a key, the oldest first. SQLite has none.
func (s *Store) Pieces(ctx context.Context, before int64) ([]Piece, error) {
	all, err := s.engine.pieces(ctx)
	if err != nil {
		return nil, fmt.Errorf("list pieces: %w", err)
	}
	var over []Piece
	for _, p := range all {
		if p.To <= before {
			over = append(over, p)
		}
	}
	return over, nil
}

// MakePieces makes the pieces of this month and the next ones, so that a server may run for long. It reports false when there
// was someone to wait for: the same again may succeed.
func (tx *Tx) MakePieces() (bool, error) { return tx.conn.makePieces(tx.ctx, tx.now) }

// DropPiece deletes all rows of a piece at once. It reports false when there was someone to wait for: the same again may succeed.
func (tx *Tx) DropPiece(p Piece) (bool, error) { return tx.conn.dropPiece(tx.ctx, p) }

// listPieces finds the months of which every table has its piece.
const listPieces = `SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
	WHERE i.inhparent = to_regclass('message') AND c.relname <> 'message_rest'
		AND to_regclass(replace(c.relname, 'message', 'part')) IS NOT NULL AND to_regclass(replace(c.relname, 'message', 'event')) IS NOT NULL
	ORDER BY c.relname`

func (e *postgresEngine) pieces(ctx context.Context) ([]Piece, error) {
	return piecesOf(ctx, e.readers)
}

func piecesOf(ctx context.Context, db Queryer) (all []Piece, err error) {
	rows, err := db.QueryContext(ctx, listPieces)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if month, err := time.Parse("message"+pieceName, name); err == nil { // else it is the operator's
			all = append(all, Piece{keyOf(month), keyOf(month.AddDate(0, 1, 0))})
		}
	}
	return all, rows.Err()
}

// alone runs f while nobody reads or writes the tables in pieces. It does not wait for that, so that nobody waits behind it.
func (c *postgresConn) alone(ctx context.Context, f func(db Queryer) error) (bool, error) {
	db := c.queries()
	if _, err := db.ExecContext(ctx, "SAVEPOINT alone"); err != nil {
		return false, err
	}
	if _, err := db.ExecContext(ctx, "LOCK TABLE "+strings.Join(partitioned, ", ")+" IN ACCESS EXCLUSIVE MODE NOWAIT"); c.trouble(err) == blocked {
		_, err := db.ExecContext(ctx, "ROLLBACK TO SAVEPOINT alone")
		return false, err
	} else if err != nil {
		return false, err
	}
	return true, f(db)
}

// makePieces does not ask to be alone when there is nothing to make.
func (c *postgresConn) makePieces(ctx context.Context, now time.Time) (bool, error) {
	have, err := piecesOf(ctx, c.queries())
	if err != nil {
		return false, err
	}
	last := keyOf(monthOf(now).AddDate(0, monthsAhead, 0))
	for _, p := range have {
		if p.From == last {
			return true, nil
		}
	}
	return c.alone(ctx, func(db Queryer) error { return makePartitions(ctx, db, now) })
}

func (c *postgresConn) dropPiece(ctx context.Context, p Piece) (bool, error) {
	return c.alone(ctx, func(db Queryer) error {
		_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+p.tables())
		return err
	})
}

func (e *sqliteEngine) pieces(context.Context) ([]Piece, error)           { return nil, nil }
func (c *sqliteConn) makePieces(context.Context, time.Time) (bool, error) { return true, nil }
func (c *sqliteConn) dropPiece(context.Context, Piece) (bool, error)      { return true, nil }
