package store_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"

	"tidings.dev/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

// template is a folder with a migrated database and a table to write to: to migrate one for each test takes longer than
// most tests.
var template string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "store")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := makeTemplate(dir); err != nil {
			panic(err)
		}
		template = dir
		return m.Run()
	}())
}

func makeTemplate(dir string) error {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Serve: true, Log: quiet})
	if err != nil {
		return err
	}
	err = s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "CREATE TABLE probe (id bigint NOT NULL PRIMARY KEY, note text NOT NULL)")
		return err
	})
	return errors.Join(err, s.Close())
}

// open opens a server's store in a fresh folder.
func open(t testing.TB) *store.Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	return openIn(t, store.Options{Dir: dir, Serve: true})
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
