package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tidings.dev/internal/id"
)

// partitioned are the tables that PostgreSQL keeps in pieces of a month by the time in their key. Whatever has no piece of its
// own goes into the default one, so that no clock can make a message fail.
var partitioned = []string{"message", "part", "event"}

// monthsAhead is for how many months after the present one there are pieces.
const monthsAhead = 2

// makePartitions makes the pieces of the months around a moment that are missing.
func makePartitions(ctx context.Context, db *sql.DB, now time.Time) error {
	return makePartitionsOf(ctx, db, now, now.AddDate(0, monthsAhead, 0))
}

// makePartitionsOf makes the missing pieces of all months from one moment to another.
func makePartitionsOf(ctx context.Context, db *sql.DB, from, to time.Time) error {
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
func makePartition(ctx context.Context, db *sql.DB, table string, month time.Time) error {
	var taken int
	name := table + month.Format("_2006_01")
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
	make := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", name, table, from, to)
	if _, err := db.ExecContext(ctx, make); err != nil {
		return fmt.Errorf("make partition %s: %w", name, err)
	}
	return nil
}

// partitionKey is the column that a table is cut by.
var partitionKey = map[string]string{"message": "id", "part": "message_id", "event": "subject"}
