package store

import (
	"context"
	"fmt"
)

// countStart numbers a start of a server on the database. No two have the same number.
func countStart(ctx context.Context, db Queryer) (boot int64, err error) {
	const count = `INSERT INTO meta (name, value) VALUES ('boot', '1')
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS bigint) + 1 AS text) RETURNING CAST(value AS bigint)`
	if err := db.QueryRowContext(ctx, count).Scan(&boot); err != nil {
		return 0, fmt.Errorf("count the start: %w", err)
	}
	return boot, nil
}

func setMeta(ctx context.Context, db Queryer, name, value string) error {
	const set = `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	if _, err := db.ExecContext(ctx, set, name, value); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}
