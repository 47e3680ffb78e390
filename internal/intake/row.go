package intake

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// row is a row of a file: a person, or why it is none.
type row struct {
	line  int // where it begins
	edit  contact.Edit
	fault *fault.Fault
}

// reader reads the rows of a CSV file (RFC 4180), as UTF-8.
type reader struct {
	csv    *csv.Reader
	fields []string
	region string
	begun  bool
}

func newReader(file []byte, fields []string, region string) *reader {
	r := &reader{csv: csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")))), fields: fields, region: region}
	r.csv.FieldsPerRecord, r.csv.ReuseRecord = -1, true
	return r
}

// next is the next row; io.EOF behind the last one. A first row that has the names of the fields is none.
func (r *reader) next() (row, error) {
	cells, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return row{}, io.EOF
	}
	if broken, ok := errors.AsType[*csv.ParseError](err); ok {
		r.begun = true
		return row{line: broken.StartLine, fault: fault.New(fault.MalformedBody, "this is no row of CSV")}, nil
	}
	if err != nil {
		return row{}, err
	}
	if !r.begun {
		r.begun = true
		if r.heading(cells) {
			return r.next()
		}
	}
	line, _ := r.csv.FieldPos(0)
	found := row{line: line}
	found.edit, err = r.person(cells)
	found.fault = fault.Of(err)
	return found, nil
}

// heading tells whether the cells are the names of the fields.
func (r *reader) heading(cells []string) bool {
	named := false
	for i, f := range r.fields {
		if f == Skip || i >= len(cells) {
			continue
		}
		name := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(cells[i], "-", " ")), "_"))
		if name != f && name != strings.ReplaceAll(f, "_", "") && name != f+"_number" && !strings.HasSuffix(f, "_"+name) {
			return false
		}
		named = true
	}
	return named
}

// person is what a row says about somebody.
func (r *reader) person(cells []string) (e contact.Edit, err error) {
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		switch {
		case cell == "":
			continue
		case i >= len(r.fields):
			return e, fault.New(fault.TooManyItems, "the row has more cells than there are fields")
		case !utf8.ValidString(cell) || strings.ContainsRune(cell, 0):
			return e, fault.New(fault.MalformedBody, "the cell is no UTF-8").In(r.fields[i])
		}
		if err := r.set(&e, r.fields[i], cell); err != nil {
			return e, fault.Of(err).In(r.fields[i])
		}
	}
	err = e.Check()
	return e, err
}

// set takes a cell over into the edit.
func (r *reader) set(e *contact.Edit, field, cell string) error {
	cell = strings.Clone(cell)
	switch field {
	case Skip:
	case "phone":
		phone, err := message.ParseLenient(cell, r.region)
		if err != nil {
			return err
		}
		e.Phone = &phone
	case "email":
		e.Email = &cell
	case "name":
		e.Name = &cell
	default:
		value, err := json.Marshal(cell)
		if err != nil {
			return fault.New(fault.MalformedBody, "the cell is no text")
		}
		if e.Attributes == nil {
			e.Attributes = map[string]json.RawMessage{}
		}
		e.Attributes[field] = value
	}
	return nil
}
