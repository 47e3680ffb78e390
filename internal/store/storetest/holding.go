package storetest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tidings.dev/internal/store"
)

// Holding lists the files, or the tables, in which a text can be read. What is secret is in none.
func Holding(t testing.TB, s *store.Store, text string) []string {
	t.Helper()
	if Postgres() {
		return holdingTables(t, s, text)
	}
	return holdingFiles(t, s.Dir(), text)
}

func holdingFiles(t testing.TB, dir, text string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "tidings.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal("look for the database:", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(text)) {
			found = append(found, filepath.Base(f))
		}
	}
	return found
}

func holdingTables(t testing.TB, s *store.Store, text string) (found []string) {
	t.Helper()
	for _, table := range tables(t, s) {
		var n int
		err := s.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM `+quote(table)+` AS r, (SELECT CAST($1 AS text) AS it) AS w
			WHERE position(it IN CAST(r AS text)) > 0 OR position(encode(convert_to(it, 'UTF8'), 'hex') IN CAST(r AS text)) > 0`, text).Scan(&n)
		if err != nil {
			t.Fatal("look into "+table+":", err)
		}
		if n > 0 {
			found = append(found, table)
		}
	}
	return found
}

func tables(t testing.TB, s *store.Store) (names []string) {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
	if err != nil {
		t.Fatal("list the tables:", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal("list the tables:", err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal("list the tables:", err)
	}
	return names
}
