package store

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// Each statement that PostgreSQL runs on a table in pieces opens the table, its piece and all indexes anew, which costs more
// than the row. So many rows of a plain insert go in one statement, as a list for each column.

// insertOne is a plain insert: what is added is known, whatever is there.
var insertOne = regexp.MustCompile(`^(?:--[^\n]*\n)*(INSERT INTO \w+ \([^()]*\))\s+VALUES \(([^()]*)\)\s*$`)

// arrays are the types of lists, by the type of what is in them.
var arrays = map[uint32]string{
	pgtype.Int8OID: "bigint[]", pgtype.Int4OID: "int[]", pgtype.Int2OID: "smallint[]", pgtype.TextOID: "text[]", pgtype.ByteaOID: "bytea[]",
}

// insertMany is the statement that inserts a list of rows, made of one that inserts one; empty when there is none.
func insertMany(one string, types []uint32) string {
	found := insertOne.FindStringSubmatch(one)
	if found == nil {
		return ""
	}
	places := strings.Split(found[2], ",")
	if len(places) != len(types) {
		return ""
	}
	lists := make([]string, len(types))
	for i, kind := range types {
		place := fmt.Sprintf("$%d", i+1)
		if strings.TrimSpace(places[i]) != place || arrays[kind] == "" {
			return ""
		}
		lists[i] = place + "::" + arrays[kind]
	}
	return found[1] + " SELECT * FROM unnest(" + strings.Join(lists, ", ") + ")"
}

// encodeLists puts rows into one list for each field, in PostgreSQL's binary form (src/backend/utils/adt/arrayfuncs.c,
// array_recv).
func (e *encoder) encodeLists(types []uint32, in rows) ([][]byte, error) {
	if len(types) != len(in.plan.fields) {
		return nil, fmt.Errorf("%d parameters for %d fields", len(types), len(in.plan.fields))
	}
	e.room, e.values = e.room[:0], e.values[:0]
	ends := make([]int, len(types))
	for i := range types {
		var err error
		if e.room, err = appendList(e.room, types[i], &in.plan.fields[i], in); err != nil {
			return nil, fmt.Errorf("parameter $%d: %w", i+1, err)
		}
		ends[i] = len(e.room)
	}
	start := 0
	for _, end := range ends {
		e.values = append(e.values, e.room[start:end:end])
		start = end
	}
	return e.values, nil
}

func appendList(to []byte, kind uint32, f *field, in rows) ([]byte, error) {
	for _, head := range []uint32{1, 0, kind, uint32(in.n), 1} { // dimensions, nulls, type, length, first index
		to = binary.BigEndian.AppendUint32(to, head)
	}
	for i := range in.n {
		at := len(to)
		to = append(to, 0, 0, 0, 0)
		var err error
		if to, err = appendField(to, kind, f, in.at(i)); err != nil {
			return to, err
		}
		binary.BigEndian.PutUint32(to[at:], uint32(len(to)-at-4))
	}
	return to, nil
}
