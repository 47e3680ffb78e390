package queue

import (
	"regexp"
	"strings"
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// A lane with a million jobs is looked at as fast as one with ten, because every look goes straight to its place in the index.
func TestLooksGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	s, explain, plans := storetest.Open(t), "EXPLAIN QUERY PLAN ", onSQLite
	if storetest.Postgres() {
		explain, plans = "EXPLAIN (COSTS OFF) ", onPostgres
		manyJobs(t, s)
	}
	for query, want := range plans {
		got := planOf(t, s, explain+query)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s\nis done by %s\nwant       %s", query, got, part)
			}
		}
	}
}

const ofBucket = "SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id=? AND due_at>?"

// onSQLite is what each plan says.
var onSQLite = map[string][]string{
	nextBucket: {"SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id>?)"},
	readyJobs:  {ofBucket}, behindKey: {ofBucket}, nextDue: {ofBucket},
	nextLane:    {"SEARCH job USING COVERING INDEX job_ready (lane>? AND lane<?)"},
	expiredJobs: {"SEARCH job USING INDEX job_expiry (expires_at>? AND expires_at<?)"},
	claimJob:    {"SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"},
	finishJob:   {"SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"},
	countLane:   {"SEARCH job USING COVERING INDEX job_ready (lane=?)"},
}

// onPostgres is what each plan says, besides much else.
var onPostgres = map[string][]string{
	nextBucket:  {"using job_ready", "Index Cond: ((lane = '1'::text) AND (priority = '1'::smallint) AND (account_id > '1'::bigint)"},
	readyJobs:   {"using job_ready", "(account_id = '1'::bigint) AND (ROW(due_at, id) >"},
	behindKey:   {"using job_ready", "(account_id = '1'::bigint) AND (ROW(due_at, id) >"},
	nextDue:     {"using job_ready", "(account_id = '1'::bigint) AND (due_at"},
	nextLane:    {"using job_ready", "Index Cond: ((lane > '1'::text) AND (lane < '1'::text))"},
	expiredJobs: {"using job_expiry"},
	claimJob:    {"using job_pkey", "Index Cond: (id = '1'::bigint)"},
	finishJob:   {"using job_pkey", "Index Cond: (id = '1'::bigint)"},
	countLane:   {"job_ready", "Index Cond: (lane = '1'::text)"},
}

// manyJobs fills the table so far that PostgreSQL cannot do better by reading all of it.
func manyJobs(t *testing.T, s *store.Store) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), `INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at)
			SELECT n, CAST(n % 10 AS text), 'job', n, n % 100, '', n % 4, n, n FROM generate_series(1, 20000) AS n`)
		if err != nil {
			return err
		}
		_, err = tx.Queries().ExecContext(tx.Context(), "ANALYZE job")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var parameter = regexp.MustCompile(`\$\d+|\?\d+`)

// planOf is how the engine would do the query: PostgreSQL plans for values, so each is a 1 of whatever type.
func planOf(t *testing.T, s *store.Store, explain string) string {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), parameter.ReplaceAllString(explain, "'1'"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	for rows.Next() {
		line := make([]any, len(columns))
		for i := range line {
			line[i] = new(any)
		}
		var step string
		line[len(line)-1] = &step
		if err := rows.Scan(line...); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}
