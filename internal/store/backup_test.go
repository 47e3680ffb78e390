package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tidings.dev/internal/store"
)

func TestABackupMadeUnderLoadIsRestoredWhole(t *testing.T) {
	t.Parallel()
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "CREATE TABLE pair (id bigint NOT NULL PRIMARY KEY)")
		return err
	})
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { // each transaction writes to both tables: a consistent copy has as many rows in each
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			write(t, s, func(tx *store.Tx) error {
				if _, err := store.Each(tx, addProbe, []row{{i, strings.Repeat("x", 500)}}); err != nil {
					return err
				}
				_, err := store.Each(tx, "INSERT INTO pair (id) VALUES ($1)", []int64{i})
				return err
			})
		}
	})
	file := filepath.Join(t.TempDir(), "backup.db")
	before := count(t, s)
	if err := store.Backup(t.Context(), s.Dir(), file); err != nil {
		t.Fatal(err)
	}
	close(stop)
	load.Wait()
	after := count(t, s)
	if err := store.Backup(t.Context(), s.Dir(), file); err == nil {
		t.Error("a backup was overwritten")
	}
	checkBackupFile(t, s, file)

	if err := store.Restore(t.Context(), s.Dir(), file); err == nil {
		t.Error("a backup was restored under a running server")
	}
	_ = s.Close()
	if err := store.Restore(t.Context(), s.Dir(), file); err != nil {
		t.Fatal(err)
	}
	restored := openIn(t, store.Options{Dir: s.Dir(), Serve: true})
	n := count(t, restored)
	if n < before || n > after {
		t.Errorf("the backup has %d rows, between %d and %d were there", n, before, after)
	}
	var pairs int
	if err := restored.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM pair").Scan(&pairs); err != nil || pairs != n {
		t.Errorf("%d pairs for %d rows, %v", pairs, n, err)
	}
	_ = restored.Close()
	if err := os.Rename(filepath.Join(s.Dir(), "tidings.db.old"), filepath.Join(s.Dir(), "tidings.db")); err != nil {
		t.Fatal(err)
	}
	old := openIn(t, store.Options{Dir: s.Dir(), Serve: true})
	if n := count(t, old); n != after {
		t.Errorf("the database that was put aside has %d rows, want %d", n, after)
	}
}

func checkBackupFile(t *testing.T, s *store.Store, file string) {
	t.Helper()
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v, %v", st.Mode(), err)
	}
	key, err := os.ReadFile(filepath.Join(s.Dir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(copied, bytes.TrimSpace(key)) {
		t.Error("the backup holds the master key")
	}
	left, err := filepath.Glob(file + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left beside the backup: %v, %v", left, err)
	}
}

func TestWhatIsNoBackupIsNotRestored(t *testing.T) {
	t.Parallel()
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		rows := make([]row, 1000)
		for i := range rows {
			rows[i] = row{int64(i), strings.Repeat("x", 300)}
		}
		_, err := store.Each(tx, addProbe, rows)
		return err
	})
	dir := t.TempDir()
	damaged, text := filepath.Join(dir, "damaged.db"), filepath.Join(dir, "text.db")
	if err := store.Backup(t.Context(), s.Dir(), damaged); err != nil {
		t.Fatal(err)
	}
	spoil(t, damaged)
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for _, file := range []string{damaged, text, filepath.Join(dir, "missing.db")} {
		if err := store.Restore(t.Context(), s.Dir(), file); err == nil {
			t.Errorf("%s was restored", filepath.Base(file))
		}
	}
	again := openIn(t, store.Options{Dir: s.Dir(), Serve: true})
	if n := count(t, again); n != 1000 {
		t.Errorf("%d rows after restores that were refused", n)
	}
	if err := store.Backup(t.Context(), t.TempDir(), filepath.Join(dir, "none.db")); err == nil {
		t.Error("a backup of nothing was made")
	}
}

func TestARestoreAfterACrashKeepsTheOldLogFromTheNewDatabase(t *testing.T) {
	t.Parallel()
	s := open(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), s.Dir(), file); err != nil {
		t.Fatal(err)
	}
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, "later"}})
		return err
	})
	cut := snapshot(t, s.Dir()) // with a log
	for range 2 {
		if err := store.Restore(t.Context(), cut, file); err != nil {
			t.Fatal(err)
		}
	}
	restored := openIn(t, store.Options{Dir: cut, Serve: true})
	if n := count(t, restored); n != 0 {
		t.Errorf("%d rows, want what the backup has", n)
	}
}
