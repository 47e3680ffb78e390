package store_test

import (
	"log/slog"
	"testing"

	"tidings.dev/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

// open opens a server's store in a fresh folder, with a table to write to.
func open(t testing.TB) *store.Store {
	t.Helper()
	s := openIn(t, store.Options{Dir: t.TempDir(), Serve: true})
	write(t, s, func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "CREATE TABLE probe (id bigint NOT NULL PRIMARY KEY, note text NOT NULL)")
		return err
	})
	return s
}

func openIn(t testing.TB, opt store.Options) *store.Store {
	t.Helper()
	if opt.Log == nil {
		opt.Log = quiet
	}
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t testing.TB, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}

type row struct {
	ID   int64
	Note string
}

const addProbe = "INSERT INTO probe (id, note) VALUES ($1, $2)"

func count(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM probe").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
