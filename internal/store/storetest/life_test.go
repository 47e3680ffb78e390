package storetest

import (
	"testing"

	"tidings.dev/internal/store"
)

func setNote(s *store.Store, note string) error {
	return s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "INSERT INTO meta (name, value) VALUES ('note', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", note)
		return err
	})
}

func noteOf(t *testing.T, s *store.Store) (note string) {
	t.Helper()
	err := s.Reader().QueryRowContext(t.Context(), "SELECT COALESCE((SELECT value FROM meta WHERE name = 'note'), '')").Scan(&note)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := Open(t), Open(t)
	if err := setNote(a, "a"); err != nil {
		t.Fatal(err)
	}
	if noteOf(t, a) != "a" || noteOf(t, b) != "" {
		t.Errorf("%q and %q", noteOf(t, a), noteOf(t, b))
	}
}

func TestAKilledServerLeavesWhatItCommitted(t *testing.T) {
	t.Parallel()
	life := NewLife(t)
	first, err := store.Open(t.Context(), life.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })
	if err := setNote(first, "alive"); err != nil {
		t.Fatal(err)
	}
	life.Kill(first)
	second, err := store.Open(t.Context(), life.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	_ = setNote(first, "a ghost")
	if note := noteOf(t, second); note != "alive" {
		t.Errorf("after the kill the note is %q", note)
	}
}
