package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestABackupMadeUnderLoadIsRestoredWhole(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { // each transaction writes to both tables: a consistent copy has as many rows in each
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				write(t, s, func(tx *store.Tx) error { return addPair(tx, i) })
			}
		}
	})
	file := filepath.Join(t.TempDir(), "backup.db")
	before := pairs(t, s)
	if err := store.Backup(t.Context(), at(opt), file); err != nil {
		t.Fatal(err)
	}
	close(stop)
	load.Wait()
	after := pairs(t, s)
	if err := store.Backup(t.Context(), at(opt), file); err == nil {
		t.Error("a backup was overwritten")
	}
	checkBackupFile(t, s, file)

	if err := store.Restore(t.Context(), at(opt), file); err == nil {
		t.Error("a backup was restored under a running server")
	}
	_ = s.Close()
	opt = elsewhere(t, opt)
	if err := store.Restore(t.Context(), at(opt), file); err != nil {
		t.Fatal(err)
	}
	restored := openIn(t, opt)
	if n := pairs(t, restored); n < before || n > after {
		t.Errorf("the backup has %d rows, between %d and %d were there", n, before, after)
	}
	if storetest.Postgres() {
		return
	}
	_ = restored.Close()
	if err := os.Rename(filepath.Join(s.Dir(), "tidings.db.old"), filepath.Join(s.Dir(), "tidings.db")); err != nil {
		t.Fatal(err)
	}
	if n := pairs(t, openIn(t, opt)); n != after {
		t.Errorf("the database that was put aside has %d rows, want %d", n, after)
	}
}

// addPair adds a row to each of two tables.
func addPair(tx *store.Tx, i int64) error {
	type mark struct {
		Channel int64
		Remote  string
	}
	if _, err := store.Each(tx, "INSERT INTO inbound_seen (channel_id, remote_id, expires_at) VALUES ($1, $2, 0)", []mark{{i, strings.Repeat("x", 500)}}); err != nil {
		return err
	}
	_, err := store.Each(tx, "INSERT INTO version (topic, n) VALUES ($2, $1)", []mark{{i, "topic " + strconv.FormatInt(i, 10)}})
	return err
}

// pairs counts the rows of one, and fails unless the other has as many.
func pairs(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	var other int
	const query = "SELECT (SELECT count(*) FROM inbound_seen), (SELECT count(*) FROM version WHERE topic LIKE 'topic %')"
	if err := s.Reader().QueryRowContext(t.Context(), query).Scan(&n, &other); err != nil || n != other {
		t.Errorf("%d and %d rows, %v", n, other, err)
	}
	return n
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
	onSQLite(t, "what is restored into PostgreSQL is read row by row")
	opt := storetest.Options(t)
	s := openProbe(t, opt)
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
	if err := store.Backup(t.Context(), at(opt), damaged); err != nil {
		t.Fatal(err)
	}
	spoil(t, damaged)
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for _, file := range []string{damaged, text, filepath.Join(dir, "missing.db")} {
		if err := store.Restore(t.Context(), at(opt), file); err == nil {
			t.Errorf("%s was restored", filepath.Base(file))
		}
	}
	again := openIn(t, store.Options{Dir: s.Dir(), Serve: true})
	if n := count(t, again); n != 1000 {
		t.Errorf("%d rows after restores that were refused", n)
	}
	if err := store.Backup(t.Context(), store.Place{Dir: t.TempDir()}, filepath.Join(dir, "none.db")); err == nil {
		t.Error("a backup of nothing was made")
	}
}

func TestARestoreAfterACrashKeepsTheOldLogFromTheNewDatabase(t *testing.T) {
	t.Parallel()
	onSQLite(t, "a log beside the file is SQLite's")
	opt := storetest.Options(t)
	s := openProbe(t, opt)
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), at(opt), file); err != nil {
		t.Fatal(err)
	}
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, "later"}})
		return err
	})
	cut := snapshot(t, s.Dir()) // with a log
	for range 2 {
		if err := store.Restore(t.Context(), store.Place{Dir: cut}, file); err != nil {
			t.Fatal(err)
		}
	}
	restored := openIn(t, store.Options{Dir: cut, Serve: true})
	if n := count(t, restored); n != 0 {
		t.Errorf("%d rows, want what the backup has", n)
	}
}
