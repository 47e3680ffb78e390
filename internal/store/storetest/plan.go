package storetest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tidings.dev/internal/store"
)

// Plan tells how the engine goes about a statement when the writer runs it, whatever its parameters are. Of a table in
// pieces it names the table's indexes, not those of the pieces.
func Plan(t testing.TB, s *store.Store, statement string) (plan string) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) (err error) {
		if Postgres() {
			plan, err = postgresPlan(tx, statement)
			return err
		}
		plan, err = sqlitePlan(tx, statement)
		return err
	})
	if err != nil {
		t.Fatalf("plan %s: %v", statement, err)
	}
	return plan
}

func sqlitePlan(tx *store.Tx, statement string) (string, error) {
	args := make([]any, places(statement))
	for i := range args {
		args[i] = 1
	}
	lines, err := column(tx, 3, "EXPLAIN QUERY PLAN "+statement, args...)
	return strings.Join(lines, "; "), err
}

func postgresPlan(tx *store.Tx, statement string) (string, error) {
	// What the parameters are decides which pieces are looked into, and here they are nothing.
	for _, stmt := range []string{"SET LOCAL enable_partition_pruning = off", "PREPARE planned AS " + statement} {
		if _, err := tx.Queries().ExecContext(tx.Context(), stmt); err != nil {
			return "", fmt.Errorf("prepare: %w", err)
		}
	}
	execute := "EXPLAIN (COSTS OFF) EXECUTE planned"
	if n := places(statement); n > 0 {
		execute += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
	}
	lines, err := column(tx, 0, execute)
	if err != nil {
		return "", err
	}
	if _, err := tx.Queries().ExecContext(tx.Context(), "DEALLOCATE planned"); err != nil {
		return "", fmt.Errorf("deallocate: %w", err)
	}
	whole, err := column(tx, 0, `SELECT c.relname || ' ' || p.relname FROM pg_inherits AS i
		JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'i' JOIN pg_class AS p ON p.oid = i.inhparent`)
	if err != nil {
		return "", err
	}
	text := strings.Join(lines, "\n")
	for _, names := range whole {
		piece, table, _ := strings.Cut(names, " ")
		text = regexp.MustCompile(`\b`+piece+`\b`).ReplaceAllString(text, table)
	}
	return text, nil
}

var place = regexp.MustCompile(`\$(\d+)`)

// places counts the parameters of a statement.
func places(statement string) (n int) {
	for _, m := range place.FindAllStringSubmatch(statement, -1) {
		of, _ := strconv.Atoi(m[1])
		n = max(n, of)
	}
	return n
}

// column is one column of an answer.
func column(tx *store.Tx, of int, query string, args ...any) (lines []string, err error) {
	rows, err := tx.Queries().QueryContext(tx.Context(), query, args...)
	if err != nil {
		return nil, fmt.Errorf("%.40q: %w", query, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(any)
	}
	values[of] = new(string)
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		lines = append(lines, *values[of].(*string))
	}
	return lines, rows.Err()
}
