package store

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
)

// Each statement that PostgreSQL runs on a table in pieces opens the table, its piece and all indexes anew, which costs more
// than the row. So many rows of a plain insert go by one COPY.

// insertOne is a plain insert: what is added is known, whatever is there.
var insertOne = regexp.MustCompile(`^(?:--[^\n]*\n)*INSERT INTO (\w+) (\([^()]*\))\s+VALUES \(([^()]*)\)\s*$`)

// copyMany is the statement that takes many rows, made of one that inserts one; empty when there is none.
func copyMany(one string, columns int) string {
	found := insertOne.FindStringSubmatch(one)
	if found == nil {
		return ""
	}
	places := strings.Split(found[3], ",")
	for i, place := range places {
		if strings.TrimSpace(place) != fmt.Sprintf("$%d", i+1) {
			return ""
		}
	}
	if len(places) != columns {
		return ""
	}
	return "COPY " + found[1] + " " + found[2] + " FROM STDIN (FORMAT binary)"
}

// copyHead begins the data of a COPY in its binary form: its mark, no flags, no extension (PostgreSQL documentation, COPY,
// Binary Format).
var copyHead = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// encodeCopy puts rows into the binary form of COPY. What it returned is overwritten by what is encoded next.
func (e *encoder) encodeCopy(types []uint32, in rows) (data []byte, err error) {
	fields := in.plan.fields
	if len(types) != len(fields) {
		return nil, fmt.Errorf("%d parameters for %d fields", len(types), len(fields))
	}
	data = append(e.room[:0], copyHead...)
	for n := range in.n {
		data = binary.BigEndian.AppendUint16(data, uint16(len(fields)))
		for i := range fields {
			at := len(data)
			data = append(data, 0, 0, 0, 0)
			if data, err = appendField(data, types[i], &fields[i], in.at(n)); err != nil {
				return nil, fmt.Errorf("parameter $%d: %w", i+1, err)
			}
			binary.BigEndian.PutUint32(data[at:], uint32(len(data)-at-4))
		}
	}
	e.room = binary.BigEndian.AppendUint16(data, 0xffff) // no more rows
	return e.room, nil
}
