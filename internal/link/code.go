package link

import (
	"crypto/rand"
	"strings"
)

// alphabet has no two characters that people take for each other: there is neither 0 nor O, 1 nor I nor l.
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// codeSize makes some 10^14 codes: who tries a million a day finds one of a million links in three hundred years.
const codeSize = 8

// Sample stands for a code where none is made.
var Sample = strings.Repeat("x", codeSize)

// draw returns a random code, each as likely as any other.
func draw() string {
	out := make([]byte, 0, codeSize)
	for len(out) < codeSize {
		var raw [2 * codeSize]byte
		_, _ = rand.Read(raw[:]) // never fails
		for _, b := range raw {
			if b &= 63; int(b) < len(alphabet) && len(out) < codeSize {
				out = append(out, alphabet[b])
			}
		}
	}
	return string(out)
}

// wellFormed reports whether a text can be a code: what cannot costs no query.
func wellFormed(code string) bool {
	return len(code) == codeSize && strings.Trim(code, alphabet) == ""
}
