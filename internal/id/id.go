// Package id makes the keys of everything Tidings stores: 63-bit numbers in order of time, shown outside as UUIDv7.
//
// A key is a small integer inside the database, where eight bytes instead of sixteen make every index a third of the
// size, and a standard UUIDv7 outside. Both carry the same 63 bits, so neither needs a table to become the other
// (docs/decisions/0002-keys.md).
package id

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
)

// epoch is 2020-01-01T00:00:00Z in Unix milliseconds, so that 41 bits of milliseconds reach the year 2089.
const epoch = 1_577_836_800_000

const (
	tailBits = 22 // node and sequence below the milliseconds
	seqBits  = 14 // sequence within one millisecond of one node
)

// Of is the key of a T. The type parameter keeps keys of different nouns apart, so that swapped arguments do not compile.
// Zero means none.
type Of[T any] int64

// ErrMalformed is returned by Parse for text that is no key of ours.
var ErrMalformed = errors.New("not an id")

// Parse reads a key from its UUIDv7 form. A UUID that no Tidings could have made is ErrMalformed.
func Parse[T any](text string) (Of[T], error) {
	u, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || u.Version() != 7 {
		return 0, ErrMalformed
	}
	ms := int64(binary.BigEndian.Uint64(u[0:8]) >> 16)
	tail := int64(binary.BigEndian.Uint16(u[6:8])&0xfff)<<10 | int64(binary.BigEndian.Uint16(u[8:10])&0x3fff)>>4
	key := (ms-epoch)<<tailBits | tail
	if ms < epoch || key < 0 || expand(key) != u {
		return 0, ErrMalformed
	}
	return Of[T](key), nil
}

// String shows the key as a UUIDv7 (RFC 9562, 5.7), or "" for none.
func (k Of[T]) String() string {
	if k == 0 {
		return ""
	}
	return expand(int64(k)).String()
}

// Time is the moment the key was made, to the millisecond, UTC.
func (k Of[T]) Time() time.Time { return time.UnixMilli(int64(k)>>tailBits + epoch).UTC() }

// MarshalText shows the key as String does.
func (k Of[T]) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Of[T]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = 0
		return nil
	}
	parsed, err := Parse[T](string(text))
	*k = parsed
	return err
}

// Value stores the key as its integer.
func (k Of[T]) Value() (driver.Value, error) { return int64(k), nil }

// Scan reads the integer that Value stored.
func (k *Of[T]) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan id: %T is not an integer", src)
	}
	*k = Of[T](n)
	return nil
}

// At is the smallest key of the given moment: a bound for searches by time. Before and after the years that keys reach, it is that of the
// first and of the last moment: callers ask for what came before the end of days.
func At[T any](t time.Time) Of[T] {
	const last = math.MaxInt64 >> tailBits
	return Of[T](min(max(t.UnixMilli()-epoch, 0), last) << tailBits)
}

// expand spreads the 63 bits over a UUIDv7: milliseconds, then the tail in the random fields, then bits mixed from the
// key. The mixed bits carry nothing; they make a mistyped id unknown instead of someone else's.
func expand(key int64) uuid.UUID {
	var u uuid.UUID
	tail := uint64(key) & (1<<tailBits - 1)
	binary.BigEndian.PutUint64(u[0:8], uint64(key>>tailBits+epoch)<<16|0x7000|tail>>10)
	binary.BigEndian.PutUint64(u[8:16], 0x8000_0000_0000_0000|(tail&0x3ff)<<52|mix(uint64(key))>>12)
	return u
}

// mix is a bijection whose every output bit depends on every input bit (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
