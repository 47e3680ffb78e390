package store_test

import (
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestNumbersAreCountedForEachNameAndNoneTwice(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, c := range []struct {
		counter string
		want    int
	}{{"one", 1}, {"one", 2}, {"two", 1}, {"one", 3}} {
		write(t, s, func(tx *store.Tx) error {
			if got, err := tx.NextNumber(c.counter); err != nil || got != c.want {
				t.Errorf("%s: %d, %v; want %d", c.counter, got, err, c.want)
			}
			return nil
		})
	}
}
