package store

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// handle is the writing connection below its driver. A message's life is a dozen statements, and what the driver does
// around each (names of parameters and columns, an allocation per text, results behind interfaces) costs as much as
// SQLite itself; so the hot path binds, steps and reads by itself. One goroutine uses it, the same that uses the
// connection through database/sql.
type handle struct {
	tls  *libc.TLS
	db   uintptr
	room uintptr // where the texts of a row stand while its statement runs
	size int
}

// handleOf finds SQLite's connection in the driver's. The driver has no door for it, so this looks at two of its fields,
// and refuses a driver that has changed them.
func handleOf(c *sql.Conn) (h *handle, err error) {
	err = c.Raw(func(dc any) error {
		v := reflect.Indirect(reflect.ValueOf(dc))
		if v.Kind() != reflect.Struct {
			return fmt.Errorf("the SQLite driver has changed: %T", dc)
		}
		db, tls := v.FieldByName("db"), v.FieldByName("tls")
		if !db.IsValid() || db.Kind() != reflect.Uintptr || !tls.IsValid() || tls.Type() != reflect.TypeFor[*libc.TLS]() {
			return fmt.Errorf("the SQLite driver has changed: %T", dc)
		}
		h = &handle{tls: (*libc.TLS)(tls.UnsafePointer()), db: uintptr(db.Uint())}
		return nil
	})
	return h, err
}

// sqliteError is an error of SQLite with its extended result code (sqlite.org/rescode.html).
type sqliteError struct {
	code int
	text string
}

// Error is SQLite's text and code.
func (e *sqliteError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

func (h *handle) err(rc int32) error {
	e := &sqliteError{code: int(sqlite3.Xsqlite3_extended_errcode(h.tls, h.db)), text: libc.GoString(sqlite3.Xsqlite3_errmsg(h.tls, h.db))}
	if e.code&0xff != int(rc)&0xff {
		e.code, e.text = int(rc), libc.GoString(sqlite3.Xsqlite3_errstr(h.tls, rc))
	}
	return e
}

// idle reports whether no transaction is open.
func (h *handle) idle() bool { return sqlite3.Xsqlite3_get_autocommit(h.tls, h.db) != 0 }

// reserve makes room for so many bytes of text.
func (h *handle) reserve(n int) error {
	if n < h.size {
		return nil
	}
	size := max(2*n, 4096)
	room := libc.Xrealloc(h.tls, h.room, libc.Tsize_t(size))
	if room == 0 {
		return errors.New("out of memory")
	}
	h.room, h.size = room, size
	return nil
}

func (h *handle) close() {
	if h.room != 0 {
		libc.Xfree(h.tls, h.room)
	}
}

// statement is a prepared one.
type statement struct {
	h       *handle
	stmt    uintptr
	args    []int // which parameter stands in each place
	columns int
}

func (h *handle) prepare(query string) (*statement, error) {
	places := rewrite(query)
	text, err := libc.CString(places.text)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer libc.Xfree(h.tls, text)
	out, err := libc.CString("pointer.")
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer libc.Xfree(h.tls, out)
	if rc := sqlite3.Xsqlite3_prepare_v3(h.tls, h.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, out, 0); rc != sqlite3.SQLITE_OK {
		return nil, h.err(rc)
	}
	s := &statement{h: h, stmt: *at[uintptr](out), args: places.args}
	s.columns = int(sqlite3.Xsqlite3_column_count(h.tls, s.stmt))
	return s, nil
}

// at is what stands at an address of SQLite's memory, which Go's collector does not know.
func at[T any](address uintptr) *T {
	return (*T)(*(*unsafe.Pointer)(unsafe.Pointer(&address)))
}

// bytesAt are n bytes of SQLite's memory.
func bytesAt(address uintptr, n int) []byte {
	return unsafe.Slice(at[byte](address), n)
}

// bind puts a row's values in the statement's places. They stay there until the next row.
func (s *statement) bind(p *plan, row unsafe.Pointer) error {
	n := 0
	for i := range p.fields {
		n += p.fields[i].length(row)
	}
	if err := s.h.reserve(n); err != nil {
		return err
	}
	used := 0
	for i, of := range s.args {
		if of >= len(p.fields) {
			return fmt.Errorf("no parameter $%d among %d", of+1, len(p.fields))
		}
		f := &p.fields[of]
		var rc int32
		switch place := int32(i + 1); f.form {
		case text:
			room := s.h.room + uintptr(used)
			v := f.text(row)
			used += copy(bytesAt(room, len(v)), v)
			rc = sqlite3.Xsqlite3_bind_text(s.h.tls, s.stmt, place, room, int32(len(v)), 0)
		case blob:
			room := s.h.room + uintptr(used)
			v := *(*[]byte)(unsafe.Add(row, f.offset))
			used += copy(bytesAt(room, len(v)), v)
			rc = sqlite3.Xsqlite3_bind_blob(s.h.tls, s.stmt, place, room, int32(len(v)), 0)
		default:
			rc = sqlite3.Xsqlite3_bind_int64(s.h.tls, s.stmt, place, f.integer(row))
		}
		if rc != sqlite3.SQLITE_OK {
			return s.h.err(rc)
		}
	}
	return nil
}

// step goes to the next row of the answer; false at its end.
func (s *statement) step() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(s.h.tls, s.stmt); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.h.err(rc)
	}
}

// reset makes the statement ready to run again. It repeats the error of the last step, which is known already.
func (s *statement) reset() { sqlite3.Xsqlite3_reset(s.h.tls, s.stmt) }

// run steps to the end and tells how many rows of the table were touched.
func (s *statement) run() (int64, error) {
	defer s.reset()
	for {
		more, err := s.step()
		if err != nil {
			return 0, err
		}
		if !more {
			return sqlite3.Xsqlite3_changes64(s.h.tls, s.h.db), nil
		}
	}
}

// read sets the fields from the columns of the row that the statement stands at.
func (s *statement) read(p *plan, row unsafe.Pointer) error {
	if s.columns != len(p.fields) {
		return fmt.Errorf("%d columns for %d fields", s.columns, len(p.fields))
	}
	for i := range p.fields {
		f, column := &p.fields[i], int32(i)
		kind := sqlite3.Xsqlite3_column_type(s.h.tls, s.stmt, column)
		switch {
		case kind == sqlite3.SQLITE_INTEGER && f.form == integer:
			f.setInteger(row, sqlite3.Xsqlite3_column_int64(s.h.tls, s.stmt, column))
		case kind == sqlite3.SQLITE_TEXT && f.form == text:
			*(*string)(unsafe.Add(row, f.offset)) = string(s.bytes(sqlite3.Xsqlite3_column_text(s.h.tls, s.stmt, column), column))
		case kind == sqlite3.SQLITE_BLOB && f.form == blob:
			*(*[]byte)(unsafe.Add(row, f.offset)) = append([]byte{}, s.bytes(sqlite3.Xsqlite3_column_blob(s.h.tls, s.stmt, column), column)...)
		default:
			return fmt.Errorf("column %d: SQLite's type %d does not go into the field", i+1, kind)
		}
	}
	return nil
}

// bytes is what SQLite has of a column; it is gone after the next step.
func (s *statement) bytes(p uintptr, column int32) []byte {
	if p == 0 {
		return nil
	}
	return bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(s.h.tls, s.stmt, column)))
}

func (s *statement) close() { sqlite3.Xsqlite3_finalize(s.h.tls, s.stmt) }
