package id_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tidings.dev/internal/id"
)

type thing struct{}

func TestTextAndKeyCarryTheSameBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := id.Of[thing](rapid.Int64Min(1).Draw(t, "key"))
		back, err := id.Parse[thing](key.String())
		if err != nil || back != key {
			t.Fatalf("%d became %s became %d, %v", key, key, back, err)
		}
		if u := uuid.MustParse(key.String()); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%s is no UUIDv7", u)
		}
	})
}

func TestTextSortsLikeKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := id.Of[thing](rapid.Int64Min(1).Draw(t, "a"))
		b := id.Of[thing](rapid.Int64Min(1).Draw(t, "b"))
		if (a < b) != (a.String() < b.String()) {
			t.Fatalf("%d %d sort unlike %s %s", a, b, a, b)
		}
	})
}

func TestKeysOfOneSourceOnlyGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, last := id.NewSource(3), int64(0)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 200 {
			now = now.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "step")) * time.Millisecond)
			key := src.Next(now)
			if key <= last {
				t.Fatalf("%d after %d", key, last)
			}
			last = key
		}
	})
}

func TestAFullMillisecondBorrowsTheNext(t *testing.T) {
	src, now := id.NewSource(255), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := map[int64]bool{}
	for range 40_000 {
		seen[src.Next(now)] = true
	}
	if len(seen) != 40_000 {
		t.Fatalf("%d different keys of 40000", len(seen))
	}
	for key := range seen {
		if node := key >> 14 & 0xff; node != 255 {
			t.Fatalf("key %d carries node %d", key, node)
		}
	}
}

func TestForeignTextIsNoID(t *testing.T) {
	for _, text := range []string{"", "x", "01234567-89ab-cdef-0123-456789abcdef", uuid.NewString(), uuid.Must(uuid.NewV7()).String(), "' OR 1=1 --"} {
		if key, err := id.Parse[thing](text); err == nil {
			t.Errorf("%q was read as %d", text, key)
		}
	}
}

// TestBoundsNeverTurnAround: who asks for what came before the end of days is not told of nothing.
func TestBoundsNeverTurnAround(t *testing.T) {
	var last id.Of[thing]
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(1_600_000_000, 0), time.Unix(3_800_000_000, 0), time.Unix(1<<32-1, 0), time.Unix(1<<40, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if bound := id.At[thing](at); bound < last {
			t.Errorf("the bound of %s is %d, and that of something earlier %d", at, bound, last)
		} else {
			last = bound
		}
	}
}
