package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// moveRows are the rows of a table as they are read: each a list of int64 and string. They are counted and summed on the way,
// by the same code for both engines. pgx copies from them.
type moveRows struct {
	rows  *sql.Rows
	table table
	row   []any
	into  []any
	sum   sum
	told  func(rows int64) // nil: nobody is
	err   error
}

// tellEach is after how many rows a move tells how far it is.
const tellEach = 20_000

func (e *end) read(ctx context.Context, t table, told func(rows int64)) (*moveRows, error) {
	rows, err := e.conn.QueryContext(ctx, t.selecting()) //nolint:rowserrcheck // moveRows.Err does
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	r := &moveRows{rows: rows, table: t, row: make([]any, len(t.columns)), into: make([]any, len(t.columns)), told: told}
	for i := range r.row {
		r.into[i] = &r.row[i]
	}
	return r, nil
}

// Next goes to the next row; false at the end and at an error.
func (r *moveRows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	if r.err = r.take(); r.err != nil {
		return false
	}
	if r.sum.add(r.row); r.told != nil && r.sum.rows%tellEach == 0 {
		r.told(r.sum.rows)
	}
	return true
}

// take reads the row, and its texts as both engines keep them: an old file may hold others.
func (r *moveRows) take() error {
	if err := r.rows.Scan(r.into...); err != nil {
		return err
	}
	for i, c := range r.table.columns {
		switch v := r.row[i].(type) {
		case int64:
			if c.form == integer {
				continue
			}
		case string:
			if c.form == text {
				r.row[i] = clean(v)
				continue
			}
		case []byte:
			if c.form == text {
				r.row[i] = clean(string(v))
				continue
			}
		}
		return fmt.Errorf("row %d: %s holds what does not belong there", r.sum.rows+1, c.name)
	}
	return nil
}

// Values is the row, until the next.
func (r *moveRows) Values() ([]any, error) { return r.row, nil }

// Err tells why the rows ended too early.
func (r *moveRows) Err() error {
	err := r.err
	if err == nil {
		err = r.rows.Err()
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", r.table.name, err)
	}
	return nil
}

func (r *moveRows) close() { _ = r.rows.Close() }

// sum is what two tables with the same rows have in common, in whatever order these come.
type sum struct {
	rows int64
	hash uint64 // of each row, added up
	room []byte
}

var sumSeed = maphash.MakeSeed()

// add counts a row in. It is written so that no two rows look the same: integers as eight bytes, texts after their length.
func (s *sum) add(row []any) {
	s.room = s.room[:0]
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			s.room = binary.BigEndian.AppendUint64(s.room, uint64(v))
		case string:
			s.room = binary.BigEndian.AppendUint64(s.room, uint64(len(v)))
			s.room = append(s.room, v...)
		}
	}
	s.rows++
	s.hash += maphash.Bytes(sumSeed, s.room)
}

func (s *sum) same(o sum) bool { return s.rows == o.rows && s.hash == o.hash }
