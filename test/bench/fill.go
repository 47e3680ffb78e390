package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"
)

// sink takes rows into a database as fast as its engine can. Nobody else may use it meanwhile.
type sink interface {
	// begin takes the indexes away.
	begin(ctx context.Context) error
	write(ctx context.Context, t *table) error
	exec(ctx context.Context, query string, args ...any) error
	// end puts the indexes back, and says how far it is.
	end(ctx context.Context, say func(string)) error
	close() error
}

// shareSize is how many messages are written at a time.
const shareSize = 10_000

// fill writes the whole history.
func fill(ctx context.Context, to sink, h *history, out io.Writer) error {
	began := time.Now()
	say := func(text string) { fmt.Fprintf(out, "%6s  %s\n", time.Since(began).Round(time.Second), text) }
	if err := to.begin(ctx); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	told := time.Now()
	for s := newShare(); h.fill(s, shareSize); {
		for _, t := range s.tables() {
			if err := to.write(ctx, t); err != nil {
				return fmt.Errorf("write to %s: %w", t.name, err)
			}
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			left := time.Duration(float64(time.Since(began)) * float64(h.rows-h.n) / float64(h.n))
			say(fmt.Sprintf("%d of %d messages, %s left before the indexes", h.n, h.rows, left.Round(time.Second)))
		}
	}
	say(fmt.Sprintf("%d messages are there", h.n))
	if err := settle(ctx, to, h); err != nil {
		return err
	}
	return to.end(ctx, say)
}

// settle makes the wallets what their transfers say.
func settle(ctx context.Context, to sink, h *history) error {
	opening, wallets := h.opening()
	if err := to.write(ctx, &opening); err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	for _, w := range wallets {
		if err := to.exec(ctx, "UPDATE wallet SET available = $1, held = 0, charged = $2, funded = $3 WHERE account_id = $4", w...); err != nil {
			return fmt.Errorf("settle a wallet: %w", err)
		}
	}
	return nil
}

// sqliteSink is a database file that the product has made. Nothing is safe until close.
type sqliteSink struct {
	db      *sql.DB
	conn    *sql.Conn
	inserts map[string]*sql.Stmt
	indexes []string
}

func openSQLiteSink(ctx context.Context, path string) (*sqliteSink, error) {
	pragmas := url.Values{"_pragma": {"synchronous(OFF)", "journal_mode(OFF)", "locking_mode(EXCLUSIVE)", "cache_size(-500000)", "temp_store(1)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+pragmas.Encode())
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	return &sqliteSink{db: db, conn: conn, inserts: map[string]*sql.Stmt{}}, err
}

// begin drops all but the tables' own keys: an index written in order, once, costs a fifth of one that grows with its table.
func (s *sqliteSink) begin(ctx context.Context) error {
	rows, err := s.conn.QueryContext(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
		AND tbl_name IN ('message', 'part', 'event', 'reference', 'transfer', 'delivery')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		names, s.indexes = append(names, name), append(s.indexes, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.exec(ctx, "DROP INDEX "+name); err != nil {
			return err
		}
	}
	return nil
}

// rowsAtOnce are in one INSERT.
const rowsAtOnce = 50

func (s *sqliteSink) write(ctx context.Context, t *table) error {
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	size := len(t.columns)
	for at := 0; at < t.len(); {
		n := rowsAtOnce
		if at+n > t.len() {
			n = 1
		}
		insert, err := s.insert(ctx, t, n) //nolint:sqlclosecheck // kept for the next rows
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, t.values[at*size:(at+n)*size]...); err != nil {
			return err
		}
		at += n
	}
	return s.exec(ctx, "COMMIT")
}

// insert is the statement for so many rows of the table.
func (s *sqliteSink) insert(ctx context.Context, t *table, rows int) (*sql.Stmt, error) {
	row := "(?" + strings.Repeat(", ?", len(t.columns)-1) + ")"
	query := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + row + strings.Repeat(", "+row, rows-1)
	if have := s.inserts[query]; have != nil {
		return have, nil
	}
	made, err := s.conn.PrepareContext(ctx, query)
	s.inserts[query] = made
	return made, err
}

func (s *sqliteSink) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, query, args...)
	return err
}

// end makes the indexes and leaves the file as a server that stopped in good order would.
func (s *sqliteSink) end(ctx context.Context, say func(string)) error {
	for _, index := range s.indexes {
		if err := s.exec(ctx, index); err != nil {
			return err
		}
		say(strings.Join(strings.Fields(index), " "))
	}
	for _, query := range []string{
		"INSERT INTO meta (name, value) VALUES ('clean', '1') ON CONFLICT (name) DO UPDATE SET value = '1'",
		"PRAGMA locking_mode = NORMAL", "PRAGMA synchronous = FULL", "PRAGMA journal_mode = WAL",
	} {
		if err := s.exec(ctx, query); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}

func (s *sqliteSink) close() error { return errors.Join(s.conn.Close(), s.db.Close()) }

// postgresSink is a database that the product has made.
type postgresSink struct {
	conn    *pgx.Conn
	pieces  []string // statements that make what the history needs of the tables
	indexes []string
}

func openPostgresSink(ctx context.Context, url string, pieces []string) (*postgresSink, error) {
	conn, err := pgx.Connect(ctx, url)
	return &postgresSink{conn: conn, pieces: pieces}, err
}

// indexesOf are those that are no key, with the statements that make them. A partitioned table's stand for those of its
// partitions.
const indexesOf = `SELECT c.relname, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ') FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
	JOIN pg_class AS t ON t.oid = i.indrelid
	WHERE t.relname IN ('message', 'part', 'event', 'reference', 'transfer', 'delivery') AND NOT i.indisunique AND c.relnamespace = current_schema()::regnamespace`

func (s *postgresSink) begin(ctx context.Context) error {
	for _, piece := range append(s.pieces, "SET synchronous_commit = off") {
		if err := s.exec(ctx, piece); err != nil {
			return fmt.Errorf("%s: %w", piece, err)
		}
	}
	rows, err := s.conn.Query(ctx, indexesOf)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Text string }])
	if err != nil {
		return err
	}
	for _, f := range found {
		s.indexes = append(s.indexes, f.Text)
		if err := s.exec(ctx, "DROP INDEX "+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func (s *postgresSink) write(ctx context.Context, t *table) error {
	size := len(t.columns)
	_, err := s.conn.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromSlice(t.len(), func(n int) ([]any, error) {
		return t.values[n*size : (n+1)*size], nil
	}))
	return err
}

func (s *postgresSink) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.conn.Exec(ctx, query, args...)
	return err
}

// end makes the indexes, and does what autovacuum would have done in all that time.
func (s *postgresSink) end(ctx context.Context, say func(string)) error {
	if err := s.exec(ctx, "SET maintenance_work_mem = '1GB'"); err != nil {
		return err
	}
	for _, query := range append(s.indexes, "VACUUM ANALYZE", "CHECKPOINT") {
		if err := s.exec(ctx, query); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		say(query)
	}
	return nil
}

func (s *postgresSink) close() error { return s.conn.Close(context.Background()) }
