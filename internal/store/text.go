package store

import (
	"strings"
	"unicode/utf8"
)

// clean is a text as both engines keep it. PostgreSQL takes neither bytes that are no UTF-8 nor a zero, both of which
// networks may send us; each becomes U+FFFD.
func clean(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Fold is a text without the difference of capitals, the same on both engines: what is found in any case is stored and compared so.
func Fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }
