package key

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

// The prefixes of keys: what a secret is shows at its beginning, for people and for scanners of leaked secrets.
const (
	live = "td_live_"
	test = "td_test_"
)

const (
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomSize = 32 // 190 bits
	sumSize    = 6  // 62^6 is above 2^32
	hintSize   = 8  // of the random characters, shown in lists
)

// newSecret returns a fresh secret and its hint.
func newSecret(prefix string) (secret, hint string) {
	body := prefix + random(randomSize)
	return body + checksum(body), body[:len(prefix)+hintSize]
}

// random returns n characters of base 62, each as likely as any other.
func random(n int) string {
	out := make([]byte, 0, n)
	for len(out) < n {
		var raw [64]byte
		_, _ = rand.Read(raw[:]) // never fails
		for _, b := range raw {
			if b &= 63; int(b) < len(base62) && len(out) < n {
				out = append(out, base62[b])
			}
		}
	}
	return string(out)
}

// checksum is the CRC-32 (IEEE) of the body in six digits of base 62, the most significant first.
func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var out [sumSize]byte
	for i := range out {
		out[sumSize-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// wellFormed reports whether a text can be one of our secrets: it has the shape, and its checksum is right.
func wellFormed(secret string) bool {
	if !strings.HasPrefix(secret, live) && !strings.HasPrefix(secret, test) {
		return false
	}
	body := len(live) + randomSize
	return len(secret) == body+sumSize && checksum(secret[:body]) == secret[body:] && strings.Trim(secret[len(live):], base62) == ""
}

// hashOf is how a secret is stored. It is random, so that a fast hash is enough.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
