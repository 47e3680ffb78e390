package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
)

// Each runs one statement for every row of parameters and tells how many rows of the table each touched. Parameters are
// structs whose fields stand in the order of $1, $2, ..., as generated, or single values. A condition that did not hold is a
// zero, not an error.
func Each[P any](tx *Tx, stmt string, params []P) ([]int64, error) {
	touched := make([]int64, len(params))
	if len(params) == 0 {
		return touched, nil
	}
	fields := planOf(reflect.TypeFor[P]())
	var row []any
	err := tx.conn.db.Raw(func(dc any) error {
		p, err := tx.conn.prepare(dc, stmt)
		if err != nil {
			return err
		}
		for i := range params {
			row = fields.read(reflect.ValueOf(&params[i]).Elem(), row[:0])
			r, err := p.stmt.ExecContext(tx.ctx, tx.conn.bind(p, row))
			if err != nil {
				return fmt.Errorf("run %.60q: %w", stmt, err)
			}
			if touched[i], err = r.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	return touched, err
}

// Found is a row that Find read, and which of the parameters it answers.
type Found[R any] struct {
	Of  int
	Row R
}

// Find runs one query for every row of parameters and returns the rows of all, in order. R is a struct whose fields
// stand in the order of the query's columns, as generated, or a single value.
func Find[R, P any](tx *Tx, query string, params []P) ([]Found[R], error) {
	if len(params) == 0 {
		return nil, nil
	}
	var found []Found[R]
	in, out := planOf(reflect.TypeFor[P]()), planOf(reflect.TypeFor[R]())
	var row []any
	err := tx.conn.db.Raw(func(dc any) error {
		p, err := tx.conn.prepare(dc, query)
		if err != nil {
			return err
		}
		for i := range params {
			row = in.read(reflect.ValueOf(&params[i]).Elem(), row[:0])
			rows, err := p.stmt.QueryContext(tx.ctx, tx.conn.bind(p, row))
			if err != nil {
				return fmt.Errorf("run %.60q: %w", query, err)
			}
			if found, err = collect(found, rows, i, out); err != nil {
				return fmt.Errorf("read %.60q: %w", query, err)
			}
		}
		return nil
	})
	return found, err
}

// First is Find for queries that answer at most one row: the i-th result answers the i-th parameters, nil for none.
func First[R, P any](tx *Tx, query string, params []P) ([]*R, error) {
	found, err := Find[R](tx, query, params)
	if err != nil {
		return nil, err
	}
	rows := make([]*R, len(params))
	for i := range found {
		rows[found[i].Of] = &found[i].Row
	}
	return rows, nil
}

func collect[R any](found []Found[R], rows driver.Rows, of int, out plan) ([]Found[R], error) {
	defer func() { _ = rows.Close() }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		f := Found[R]{Of: of}
		if err := out.write(reflect.ValueOf(&f.Row).Elem(), values); err != nil {
			return nil, err
		}
		found = append(found, f)
	}
}

// plan tells how a struct's fields become parameters and columns.
type plan struct {
	single bool
	fields int
}

var plans sync.Map

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	p := plan{single: t.Kind() != reflect.Struct, fields: 1}
	if !p.single {
		p.fields = t.NumField()
	}
	plans.Store(t, p)
	return p
}

// read appends the values of the fields. Only integers, strings and bytes are stored.
func (p plan) read(v reflect.Value, row []any) []any {
	if p.single {
		return append(row, stored(v))
	}
	for i := range p.fields {
		row = append(row, stored(v.Field(i)))
	}
	return row
}

func stored(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Slice:
		return v.Bytes()
	default:
		return v.Int()
	}
}

// write sets the fields from the columns.
func (p plan) write(v reflect.Value, columns []driver.Value) error {
	if len(columns) != p.fields {
		return fmt.Errorf("%d columns for %d fields of %s", len(columns), p.fields, v.Type())
	}
	if p.single {
		return restore(v, columns[0])
	}
	for i, c := range columns {
		if err := restore(v.Field(i), c); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func restore(v reflect.Value, c driver.Value) error {
	switch c := c.(type) {
	case int64:
		if !v.CanInt() {
			return fmt.Errorf("an integer for a %s", v.Type())
		}
		v.SetInt(c)
	case string:
		v.SetString(c)
	case []byte:
		v.SetBytes(append([]byte(nil), c...))
	default:
		return fmt.Errorf("%T is no stored value", c)
	}
	return nil
}
