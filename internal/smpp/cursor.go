package smpp

import (
	"bytes"
	"fmt"
	"strings"
)

// cursor reads a body field by field. The first field that does not fit is remembered in bad; later reads give zeros.
type cursor struct {
	rest []byte
	bad  string
}

func (c *cursor) octet(field string) byte {
	if c.bad != "" || len(c.rest) == 0 {
		c.fail(field)
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// text reads a C-Octet string. Its length is bounded by the PDU only: real peers exceed the field sizes of the
// specification in passwords and ids, and nothing is gained by refusing them.
func (c *cursor) text(field string) string {
	if c.bad != "" {
		return ""
	}
	end := bytes.IndexByte(c.rest, 0)
	if end < 0 {
		c.fail(field)
		return ""
	}
	s := string(c.rest[:end])
	c.rest = c.rest[end+1:]
	return s
}

func (c *cursor) octets(n int, field string) []byte {
	if c.bad != "" || n > len(c.rest) {
		c.fail(field)
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) fail(field string) {
	if c.bad == "" {
		c.bad = field
	}
	c.rest = nil
}

func appendText(dst []byte, s string) []byte {
	return append(append(dst, s...), 0)
}

// checkText refuses a string that would end early on the wire or does not fit its field.
func checkText(field, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%w: %s of %d octets, at most %d", ErrInvalid, field, len(s), limit)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: %s holds a NUL", ErrInvalid, field)
	}
	return nil
}
