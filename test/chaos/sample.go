package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"tidings.dev/internal/id"
)

// Sample is what a server and its database were at a moment of a soak.
type Sample struct {
	At    int64   `json:"at"`            // Unix microseconds
	Age   float64 `json:"age,omitempty"` // seconds since the process was started; 0: none runs
	Quiet bool    `json:"quiet,omitempty"`

	Resident   float64 `json:"resident,omitempty"` // bytes
	Heap       float64 `json:"heap,omitempty"`     // bytes
	Goroutines float64 `json:"goroutines,omitempty"`
	Files      float64 `json:"files,omitempty"` // open descriptors

	Database int64 `json:"database"` // bytes
	Log      int64 `json:"log"`      // bytes of what is written ahead
	Rows

	Finished int `json:"finished"` // messages that the network has, or that were taken back
	Backlog  int `json:"backlog"`  // accepted and not finished
}

// Rows count what a soak watches in the database.
type Rows struct {
	Jobs       int   `json:"jobs"`  // about messages and webhooks
	House      int   `json:"house"` // jobs that are nobody's, such as retention's, and the end of each doubt
	Deliveries int   `json:"deliveries"`
	Open       int   `json:"open"`   // deliveries that are not done
	Oldest     int64 `json:"oldest"` // the smallest key of a message, and of what belongs to one
}

const countRows = `SELECT (SELECT count(*) FROM job WHERE lane <> 'house'), (SELECT count(*) FROM job WHERE lane = 'house'),
	(SELECT count(*) FROM delivery), (SELECT count(*) FROM delivery WHERE done = 0),
	(SELECT COALESCE(min(oldest), 0) FROM (SELECT min(id) AS oldest FROM message UNION ALL SELECT min(message_id) FROM part UNION ALL
		SELECT min(subject) FROM event UNION ALL SELECT min(id) FROM delivery UNION ALL SELECT min(subject) FROM transfer WHERE subject > 0) AS all_of_it)`

func countOf(ctx context.Context, db *sql.DB) (n Rows, err error) {
	err = db.QueryRowContext(ctx, countRows).Scan(&n.Jobs, &n.House, &n.Deliveries, &n.Open, &n.Oldest)
	return n, err
}

// sizes are the bytes of the database and of what is written ahead of it.
func (b *Base) sizes(ctx context.Context, db *sql.DB) (database, log int64, err error) {
	if b.cluster != nil {
		const ask = `SELECT pg_database_size(current_database()), (SELECT CAST(sum(size) AS bigint) FROM pg_ls_waldir())`
		err = db.QueryRowContext(ctx, ask).Scan(&database, &log)
		return database, log, err
	}
	file, err := os.Stat(b.file)
	if err != nil {
		return 0, 0, err
	}
	if ahead, err := os.Stat(b.file + "-wal"); err == nil { // else there is none
		log = ahead.Size()
	}
	return file.Size(), log, nil
}

// look takes a sample and writes it down.
func (r *Run) look(ctx context.Context, quiet bool) (s Sample, err error) {
	s = Sample{At: now(), Quiet: quiet, Finished: r.load.watch.finished(), Backlog: r.load.watch.backlog()}
	if n := r.nodes[0]; n.process != nil {
		numbers, err := n.install.Metrics(ctx)
		if err != nil {
			return s, fmt.Errorf("read the metrics: %w", err)
		}
		s.Age = time.Since(n.process.Started).Seconds()
		s.Resident, s.Heap = numbers["process_resident_memory_bytes"], numbers["go_memstats_heap_alloc_bytes"]
		s.Goroutines, s.Files = numbers["go_goroutines"], numbers["process_open_fds"]
	}
	if s.Database, s.Log, err = r.base.sizes(ctx, r.db); err != nil {
		return s, fmt.Errorf("measure the database: %w", err)
	}
	if s.Rows, err = countOf(ctx, r.db); err != nil {
		return s, fmt.Errorf("count rows: %w", err)
	}
	r.samples.add(s)
	return s, nil
}

// mb is a million bytes.
const mb = 1e6

const tableHead = "    time  finished  backlog    MB  heap  goroutines  files  database MB  log MB   jobs  deliveries  open  oldest"

// line is a sample in a table under tableHead.
func (s Sample) line() string {
	return fmt.Sprintf("%s %9d %8d %5.0f %5.0f %11.0f %6.0f %12.0f %7.1f %6d %11d %5d  %s", time.UnixMicro(s.At).UTC().Format(time.TimeOnly),
		s.Finished, s.Backlog, s.Resident/mb, s.Heap/mb, s.Goroutines, s.Files, float64(s.Database)/mb, float64(s.Log)/mb, s.Jobs, s.Deliveries, s.Open,
		ageOf(s.Oldest, s.At))
}

func ageOf(key, at int64) string {
	if key == 0 {
		return "none"
	}
	return time.UnixMicro(at).Sub(id.Of[struct{}](key).Time()).Round(time.Second).String()
}
