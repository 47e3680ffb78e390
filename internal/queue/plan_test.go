package queue

import (
	"strings"
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// A lane with a million jobs is looked at as fast as one with ten, because every look goes straight to its place in the index.
func TestLooksGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	const bucket = "SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id=? AND due_at>?"
	for query, want := range map[string]string{
		nextBucket: "SEARCH job USING INDEX job_ready (lane=? AND priority=? AND account_id>?)",
		readyJobs:  bucket, behindKey: bucket, nextDue: bucket,
		markedJobs:  "SEARCH job USING INDEX job_marked (lane=? AND id>?)",
		nextLane:    "SEARCH job USING COVERING INDEX job_ready (lane>? AND lane<?)",
		expiredJobs: "SEARCH job USING INDEX job_expiry (expires_at>? AND expires_at<?)",
		claimJob:    "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
		finishJob:   "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
		countLane:   "SEARCH job USING COVERING INDEX job_ready (lane=?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.HasPrefix(got, want) {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}

// The same on PostgreSQL, which otherwise lets what it knows of a table decide: nothing while it is new, nothing either
// after a night's jobs that nobody has counted yet, and all after that.
func TestLooksGoStraightToTheirPlaceOnPostgres(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("SQLite tells its plans in other words")
	}
	s := storetest.Open(t)
	checkPlans(t, s, "a fresh database")
	execute(t, s, `INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at)
		SELECT i, 'channel/' || i % 7, 'send', i, i % 50, '', i % 3, i, CASE WHEN i % 2 = 0 THEN 0 ELSE i END FROM generate_series(1, 20000) AS i`)
	checkPlans(t, s, "a filled database")
	execute(t, s, "ANALYZE job")
	checkPlans(t, s, "an analysed database")
}

func execute(t *testing.T, s *store.Store, stmt string) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkPlans(t *testing.T, s *store.Store, of string) {
	t.Helper()
	const (
		ready  = "Index Scan using job_ready on job\n"
		bucket = "Index Cond: ((lane = $1) AND (priority = $2) AND (account_id = $3) AND (ROW(due_at, id) > ROW($4, $5)) AND (due_at <= $6))"
		key    = "Index Scan using job_pkey on job\n"
	)
	for query, want := range map[string][]string{
		nextBucket:  {ready, "Index Cond: ((lane = $1) AND (priority = $2) AND (account_id > $3))"},
		readyJobs:   {ready, bucket},
		behindKey:   {ready, bucket},
		nextDue:     {ready, "Index Cond: ((lane = $1) AND (priority = $2) AND (account_id = $3) AND (due_at > $4))"},
		markedJobs:  {"Index Scan using job_marked on job\n", "Index Cond: ((lane = $1) AND (id > $2))"},
		nextLane:    {"Index Only Scan using job_ready on job\n", "Index Cond: ((lane > $1) AND (lane < $2))"},
		expiredJobs: {"Index Scan using job_expiry on job\n", "Index Cond: (expires_at <= $1)"},
		countLane:   {"Index Only Scan using job_ready on job\n", "Index Cond: (lane = $1)"},
		countLanes:  {"Index Only Scan using job_ready on job"},
		claimJob:    {key}, finishJob: {key}, againJob: {key}, advanceJob: {key}, removeJob: {key}, hurryJob: {key}, findJob: {key},
	} {
		got := storetest.Plan(t, s, query)
		for _, want := range want {
			if !strings.Contains(got, want) {
				t.Errorf("in %s %s\nis done by %s\nwant       %s", of, query, got, want)
			}
		}
		if strings.Contains(got, "Sort") || strings.Contains(got, "Seq Scan") {
			t.Errorf("in %s %s\nis done by %s", of, query, got)
		}
	}
}
