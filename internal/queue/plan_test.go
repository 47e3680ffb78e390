package queue

import (
	"context"
	"strings"
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// A lane with a million jobs is looked at as fast as one with ten, because every look goes straight to its place in the index.
func TestLooksGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	const bucket = "SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id=? AND due_at>?"
	for query, want := range map[string]string{
		nextBucket: "SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id>?)",
		readyJobs:  bucket, behindKey: bucket, nextDue: bucket,
		nextLane:    "SEARCH job USING COVERING INDEX job_ready (lane>? AND lane<?)",
		expiredJobs: "SEARCH job USING INDEX job_expiry (expires_at>? AND expires_at<?)",
		claimJob:    "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
		finishJob:   "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
		countLane:   "SEARCH job USING COVERING INDEX job_ready (lane=?)",
	} {
		if got := planOf(t, s, query); !strings.HasPrefix(got, want) {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}

func planOf(t *testing.T, s *store.Store, query string) string {
	t.Helper()
	args := []any{1, 1, 1, 1, 1, 1, 1}
	rows, err := s.Reader().QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan []string
	for rows.Next() {
		var a, b, c int
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}
