package store

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// form is how a field is kept. Nothing else is stored: flags are integers, times too.
type form uint8

const (
	integer form = iota
	text
	blob
)

// field is where a value stands in its row.
type field struct {
	form   form
	width  uint8 // of an integer, in bytes
	offset uintptr
}

// plan tells how a struct's fields become parameters and columns.
type plan struct{ fields []field }

var plans sync.Map // by type, so it does not grow

func planOf[T any]() (*plan, error) {
	t := reflect.TypeFor[T]()
	if p, ok := plans.Load(t); ok {
		return p.(*plan), nil
	}
	p, err := makePlan(t)
	if err != nil {
		return nil, err
	}
	plans.Store(t, p)
	return p, nil
}

func makePlan(t reflect.Type) (*plan, error) {
	if t.Kind() != reflect.Struct {
		f, err := fieldOf(t, 0)
		return &plan{[]field{f}}, err
	}
	p := &plan{make([]field, t.NumField())}
	for i := range p.fields {
		f, err := fieldOf(t.Field(i).Type, t.Field(i).Offset)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", t.Field(i).Name, t, err)
		}
		p.fields[i] = f
	}
	return p, nil
}

func fieldOf(t reflect.Type, offset uintptr) (field, error) {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return field{integer, uint8(t.Size()), offset}, nil
	case reflect.String:
		return field{form: text, offset: offset}, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return field{form: blob, offset: offset}, nil
		}
	}
	return field{}, fmt.Errorf("%s is not stored: only signed integers, strings and bytes are", t)
}

// length is how many bytes of text the field holds.
func (f *field) length(row unsafe.Pointer) int {
	switch f.form {
	case text:
		return len(f.text(row))
	case blob:
		return len(*(*[]byte)(unsafe.Add(row, f.offset)))
	default:
		return 0
	}
}

// text is the field as it is stored.
func (f *field) text(row unsafe.Pointer) string { return clean(*(*string)(unsafe.Add(row, f.offset))) }

func (f *field) integer(row unsafe.Pointer) int64 {
	p := unsafe.Add(row, f.offset)
	switch f.width {
	case 8:
		return *(*int64)(p)
	case 4:
		return int64(*(*int32)(p))
	case 2:
		return int64(*(*int16)(p))
	default:
		return int64(*(*int8)(p))
	}
}

func (f *field) setInteger(row unsafe.Pointer, v int64) {
	p := unsafe.Add(row, f.offset)
	switch f.width {
	case 8:
		*(*int64)(p) = v
	case 4:
		*(*int32)(p) = int32(v)
	case 2:
		*(*int16)(p) = int16(v)
	default:
		*(*int8)(p) = int8(v)
	}
}

// addressOf is where a row stands; its plan knows where its fields do.
func addressOf[T any](row *T) unsafe.Pointer {
	return unsafe.Pointer(row) //nolint:gosec // plans are made from the row's own type
}
