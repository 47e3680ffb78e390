package store_test

import (
	"errors"
	"testing"

	"tidings.dev/internal/store"
)

// What networks send us as text may be none.
func TestTextsThatAreNoneAreKeptAndFound(t *testing.T) {
	t.Parallel()
	s := open(t)
	type label string
	for i, text := range []string{"a\x00b", "\x00", "bad \xff\xfe end", "half \xe2\x82", "\xed\xa0\x80 surrogate", "good ✓"} {
		id := int64(i)
		want := []string{"a\uFFFDb", "�", "bad � end", "half �", "� surrogate", "good ✓"}[i]
		write(t, s, func(tx *store.Tx) error {
			n, err := store.Each(tx, addProbe, []row{{id, text}})
			if err != nil || n[0] != 1 {
				return errors.Join(err, errors.New("not added"))
			}
			got, err := store.First[string](tx, "SELECT note FROM probe WHERE id = $1", []int64{id})
			if err != nil || *got[0] != want {
				t.Errorf("%q came back as %q, want %q", text, *got[0], want)
			}
			found, err := store.Find[int64](tx, "SELECT id FROM probe WHERE note = $1", []label{label(text)})
			if err != nil || len(found) != 1 || found[0].Row != id {
				t.Errorf("%q is not found by itself: %v, %v", text, found, err)
			}
			var by int64
			if err := tx.Queries().QueryRowContext(tx.Context(), "SELECT id FROM probe WHERE note = $1", text).Scan(&by); err != nil || by != id {
				t.Errorf("a query of the transaction does not find %q: %v", text, err)
			}
			return nil
		})
		var by int64
		if err := s.Reader().QueryRowContext(t.Context(), "SELECT id FROM probe WHERE note = $1", text).Scan(&by); err != nil || by != id {
			t.Errorf("a reader does not find %q: %v", text, err)
		}
	}
}
