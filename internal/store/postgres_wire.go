package store

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// asBinary asks for every column in its binary form.
var asBinary = []int16{pgtype.BinaryFormatCode}

// encoder puts the fields of rows into PostgreSQL's binary form. What it returned is overwritten by the next row.
type encoder struct {
	room   []byte
	values [][]byte
}

func (e *encoder) encode(types []uint32, p *plan, row unsafe.Pointer) ([][]byte, error) {
	if len(types) != len(p.fields) {
		return nil, fmt.Errorf("%d parameters for %d fields", len(types), len(p.fields))
	}
	e.room, e.values = e.room[:0], e.values[:0]
	size := 0
	for i := range p.fields {
		size += 8 + p.fields[i].length(row)
	}
	if cap(e.room) < size {
		e.room = make([]byte, 0, 2*size)
	}
	for i := range p.fields {
		start := len(e.room)
		var err error
		if e.room, err = appendField(e.room, types[i], &p.fields[i], row); err != nil {
			return nil, fmt.Errorf("parameter $%d: %w", i+1, err)
		}
		e.values = append(e.values, e.room[start:len(e.room):len(e.room)])
	}
	return e.values, nil
}

func appendField(to []byte, kind uint32, f *field, row unsafe.Pointer) ([]byte, error) {
	switch f.form {
	case text:
		if kind != pgtype.TextOID {
			return to, fmt.Errorf("a text does not go into PostgreSQL's type %d", kind)
		}
		return append(to, f.text(row)...), nil
	case blob:
		return append(to, *(*[]byte)(unsafe.Add(row, f.offset))...), nil
	}
	n := f.integer(row)
	switch kind {
	case pgtype.Int8OID:
		return binary.BigEndian.AppendUint64(to, uint64(n)), nil
	case pgtype.Int4OID:
		if int64(int32(n)) == n {
			return binary.BigEndian.AppendUint32(to, uint32(n)), nil
		}
	case pgtype.Int2OID:
		if int64(int16(n)) == n {
			return binary.BigEndian.AppendUint16(to, uint16(n)), nil
		}
	}
	return to, fmt.Errorf("%d does not go into PostgreSQL's type %d", n, kind)
}

// decode sets the fields of a row from the columns of an answer.
func decode(columns []pgconn.FieldDescription, values [][]byte, p *plan, row unsafe.Pointer) error {
	if len(values) != len(p.fields) {
		return fmt.Errorf("%d columns for %d fields", len(values), len(p.fields))
	}
	for i := range p.fields {
		if values[i] == nil {
			return fmt.Errorf("column %d: nothing does not go into the field", i+1)
		}
		if err := setField(&p.fields[i], row, columns[i].DataTypeOID, values[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func setField(f *field, row unsafe.Pointer, kind uint32, v []byte) error {
	switch {
	case f.form == text && kind == pgtype.TextOID:
		*(*string)(unsafe.Add(row, f.offset)) = string(v)
	case f.form == blob && kind == pgtype.ByteaOID:
		*(*[]byte)(unsafe.Add(row, f.offset)) = append([]byte{}, v...)
	case f.form == integer && kind == pgtype.Int8OID && len(v) == 8:
		f.setInteger(row, int64(binary.BigEndian.Uint64(v)))
	case f.form == integer && kind == pgtype.Int4OID && len(v) == 4:
		f.setInteger(row, int64(int32(binary.BigEndian.Uint32(v))))
	case f.form == integer && kind == pgtype.Int2OID && len(v) == 2:
		f.setInteger(row, int64(int16(binary.BigEndian.Uint16(v))))
	default:
		return fmt.Errorf("PostgreSQL's type %d does not go into the field", kind)
	}
	return nil
}
