package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestCommitsAreSyncedInFull(t *testing.T) {
	t.Parallel()
	onSQLite(t, "they are its pragmas")
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "auto_vacuum": "2", "foreign_keys": "1", "mmap_size": "0", "temp_store": "2",
		} {
			var got string
			err := tx.Queries().QueryRowContext(tx.Context(), "PRAGMA "+pragma).Scan(&got)
			if store.NoRows(err) && want == "0" {
				continue
			}
			if err != nil || got != want {
				t.Errorf("%s is %q, want %q (%v)", pragma, got, want, err)
			}
		}
		return nil
	})
}

func TestReadersDoNotWrite(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.Reader().ExecContext(t.Context(), "DELETE FROM meta"); err == nil {
		t.Error("a reader wrote")
	}
}

func TestAFolderWithOddNameWorks(t *testing.T) {
	t.Parallel()
	onSQLite(t, "the folder's name becomes part of its URL")
	dir := filepath.Join(t.TempDir(), "a b?c#d%41&e=f")
	s := openIn(t, store.Options{Dir: dir, Serve: true})
	if _, err := os.Stat(filepath.Join(dir, "tidings.db")); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestASecondServerOnOneFolderIsRefused(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	_, err := store.Open(t.Context(), opt)
	if err == nil || !strings.Contains(err.Error(), "another tidings") {
		t.Errorf("a second server: %v", err)
	}
	if err := openIn(t, command(opt)).Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	openIn(t, opt)
}

func TestAWrongMasterKeyStopsTheStart(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	sealed, err := s.Seal("webhook/17", "secret")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	other, err := store.NewMasterKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"another": other, "no base64": "%%%", "no key": "aGVsbG8="} {
		wrong := opt
		wrong.MasterKey = key
		if _, err := store.Open(t.Context(), wrong); err == nil {
			t.Errorf("%s key: the store opened", name)
		}
	}
	file, aside := filepath.Join(opt.Dir, "master.key"), filepath.Join(opt.Dir, "aside.key")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), opt); err == nil {
		t.Error("the store opened under a fresh key")
	}
	if err := store.RotateMasterKeyFile(aside); err != nil {
		t.Fatal(err)
	}
	rotated, err := os.ReadFile(aside)
	if err != nil {
		t.Fatal(err)
	}
	opt.MasterKey = string(rotated)
	again := openIn(t, opt)
	if got, err := again.Unseal("webhook/17", sealed); err != nil || got != "secret" {
		t.Errorf("after a rotation the secret is %q, %v", got, err)
	}
}

func TestAnEmptyMasterKeyFileIsNotTakenForAKey(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	if err := os.WriteFile(filepath.Join(opt.Dir, "master.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), opt); err == nil {
		t.Error("the store opened without a master key")
	}
	left, err := filepath.Glob(filepath.Join(opt.Dir, "master.key.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestASecretOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	s := open(t)
	sealed, err := s.Seal("webhook/17", "secret")
	if err != nil || strings.Contains(sealed, "secret") {
		t.Fatalf("sealed as %q, %v", sealed, err)
	}
	if _, err := s.Unseal("webhook/18", sealed); err == nil {
		t.Error("it opened in another place")
	}
	if _, err := s.Unseal("webhook/17", sealed[:len(sealed)-8]+"AAAAAAA="); err == nil {
		t.Error("it opened after a change")
	}
	if got, err := s.Unseal("webhook/17", sealed); err != nil || got != "secret" {
		t.Errorf("it opened as %q, %v", got, err)
	}
}

// tamper changes a closed database from outside.
func tamper(t *testing.T, dir, stmt string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "tidings.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), stmt); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	execute(t, s, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	_ = s.Close()
	for _, opt := range []store.Options{opt, command(opt)} {
		_, err := store.Open(t.Context(), opt)
		if err == nil || !strings.Contains(err.Error(), "newer program") {
			t.Errorf("a newer schema: %v", err)
		}
	}
}

func TestACommandDoesNotMigrateUnderAServer(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	execute(t, s, "DELETE FROM goose_db_version WHERE version_id > 0")
	_, err := store.Open(t.Context(), command(opt))
	if err == nil || !strings.Contains(err.Error(), "stop the server") {
		t.Errorf("a command with another schema: %v", err)
	}
}

// snapshot copies the data folder as a power cut would leave it.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func clean(t *testing.T, s *store.Store) (flag string) {
	t.Helper()
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT value FROM meta WHERE name = 'clean'").Scan(&flag); err != nil {
		t.Fatal(err)
	}
	return flag
}

func TestADamagedDatabaseIsRefusedAfterAnUncleanStop(t *testing.T) {
	t.Parallel()
	onSQLite(t, "PostgreSQL's server looks after its own files")
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		rows := make([]row, 2000)
		for i := range rows {
			rows[i] = row{int64(i), strings.Repeat("x", 200)}
		}
		_, err := store.Each(tx, addProbe, rows)
		return err
	})
	if flag := clean(t, s); flag != "0" {
		t.Errorf("while it runs the database is marked clean: %q", flag)
	}
	command := openIn(t, store.Options{Dir: s.Dir()})
	_ = command.Close()
	if flag := clean(t, s); flag != "0" {
		t.Error("a command marked the running server's database as clean")
	}
	cut := snapshot(t, s.Dir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	healthy := openIn(t, store.Options{Dir: s.Dir(), Serve: true})
	if n := count(t, healthy); n != 2000 {
		t.Errorf("%d rows", n)
	}
	_ = healthy.Close()
	survivor := openIn(t, store.Options{Dir: cut, Serve: true})
	if n := count(t, survivor); n != 2000 {
		t.Errorf("%d rows after a power cut", n)
	}
	_ = survivor.Close()
	tamper(t, cut, "UPDATE meta SET value = '0' WHERE name = 'clean'")
	spoil(t, filepath.Join(cut, "tidings.db"))
	if _, err := store.Open(t.Context(), store.Options{Dir: cut, Serve: true, Log: quiet}); err == nil {
		t.Error("a damaged database was opened")
	}
}

// spoil overwrites pages in the middle of a database.
func spoil(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := st.Size() / 2 / 4096 * 4096; at < st.Size()*3/4; at += 4096 {
		if _, err := f.WriteAt([]byte("this is no page of SQLite's at all, is it"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEachStartHasItsNumber(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openIn(t, opt)
	first := s.Boot()
	beside := openIn(t, command(opt))
	if beside.Boot() != 0 {
		t.Errorf("a command is start %d", beside.Boot())
	}
	_ = beside.Close()
	_ = s.Close()
	again := openIn(t, opt)
	if again.Boot() != first+1 {
		t.Errorf("start %d after start %d", again.Boot(), first)
	}
	if a, b := again.NewID(), again.NewID(); a >= b {
		t.Errorf("ids %d, %d", a, b)
	}
}

func TestShrinkGivesSpaceBack(t *testing.T) {
	t.Parallel()
	onSQLite(t, "it counts its pages")
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		rows := make([]row, 5000)
		for i := range rows {
			rows[i] = row{int64(i), strings.Repeat("x", 1000)}
		}
		_, err := store.Each(tx, addProbe, rows)
		return err
	})
	write(t, s, func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "DELETE FROM probe")
		return err
	})
	free := func() (n int) {
		if err := s.Reader().QueryRowContext(t.Context(), "PRAGMA freelist_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, more := free(), true
	shrink := func(tx *store.Tx) (err error) {
		more, err = tx.Shrink()
		return err
	}
	write(t, s, shrink)
	if given := before - free(); given != 256 || !more {
		t.Errorf("one call gave %d of %d free pages back, more: %v; want 256, and more", given, before, more)
	}
	for more {
		write(t, s, shrink)
	}
	var pages int
	if err := s.Reader().QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if left := free(); left != pages/10 {
		t.Errorf("%d of %d pages are free in the end, want a tenth", left, pages)
	}
}

func TestTheLogStaysSmall(t *testing.T) {
	t.Parallel()
	onSQLite(t, "it has a log of its own")
	s := open(t)
	const megabytes = 80
	for i := range int64(megabytes) {
		write(t, s, func(tx *store.Tx) error {
			_, err := store.Each(tx, addProbe, []row{{i, strings.Repeat("x", 1<<20)}})
			return err
		})
	}
	log, err := os.Stat(s.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	database, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if log.Size() > 20<<20 || database.Size() < (megabytes-20)<<20 {
		t.Errorf("the log has %d bytes, the database %d", log.Size(), database.Size())
	}
}

// A log that a reader holds is written back and started over as soon as nobody reads it, not a whole log later.
func TestTheLogStaysSmallWhileItIsRead(t *testing.T) {
	t.Parallel()
	onSQLite(t, "it has a log of its own")
	s := open(t)
	for i := range int64(80) {
		if i%5 == 0 {
			logOneMegabyte(t, s, i)
			continue
		}
		whileReading(t, s, func() { logOneMegabyte(t, s, i) })
	}
	if size := sizeOf(t, s.Path()+"-wal"); size > 26<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

func whileReading(t *testing.T, s *store.Store, f func()) {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), "SELECT id FROM probe UNION ALL SELECT 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	f()
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// logOneMegabyte writes so much, and returns when the writer has tidied up after that.
func logOneMegabyte(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{id, strings.Repeat("x", 1<<20)}})
		return err
	})
	write(t, s, func(*store.Tx) error { return nil })
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestNowFollowsShift(t *testing.T) {
	t.Parallel()
	s := open(t)
	before := s.Now()
	s.Shift(72 * time.Hour)
	if d := s.Now().Sub(before); d < 72*time.Hour || d > 73*time.Hour {
		t.Errorf("moved by %s", d)
	}
	if before.Location() != time.UTC || before.Nanosecond()%1_000_000 != 0 {
		t.Errorf("%s is not in UTC and milliseconds", before)
	}
}

func TestCachesFollowTheirTopicsAcrossProcesses(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openProbe(t, opt)
	other := openIn(t, command(opt))
	load := func(ctx context.Context, q store.Queryer) (n int, err error) {
		err = q.QueryRowContext(ctx, "SELECT count(*) FROM probe").Scan(&n)
		return n, err
	}
	here, there := store.NewCached(s, "probe", load), store.NewCached(other, "probe", load)
	want := func(c *store.Cached[int], want int) {
		t.Helper()
		if got, err := c.Get(t.Context()); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	add := func(s *store.Store, id int64) {
		t.Helper()
		write(t, s, func(tx *store.Tx) error {
			if _, err := store.Each(tx, addProbe, []row{{id, "x"}}); err != nil {
				return err
			}
			return tx.Touch("probe")
		})
	}
	want(here, 0)
	want(there, 0)
	add(s, 1)
	want(here, 1) // at once
	add(other, 2)
	want(there, 2)
	if got := until(t, here, 2); got != 2 { // within the second look
		t.Errorf("this process still has %d", got)
	}
	if got := until(t, there, 2); got != 2 {
		t.Errorf("the other process still has %d", got)
	}
	add(s, 3)
	add(other, 4)
	add(s, 5)
	if got := until(t, there, 5); got != 5 {
		t.Errorf("the other process still has %d", got)
	}
	want(here, 5)
}

func until(t *testing.T, c *store.Cached[int], want int) (got int) {
	t.Helper()
	for range 100 {
		var err error
		if got, err = c.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got == want {
			return got
		}
		time.Sleep(50 * time.Millisecond) // the other process's change shows with a tick of a second
	}
	return got
}

func TestAFailedLoadIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	fail := true
	c := store.NewCached(s, "x", func(context.Context, store.Queryer) (int, error) {
		if fail {
			return 0, os.ErrDeadlineExceeded
		}
		return 7, nil
	})
	if _, err := c.Get(t.Context()); err == nil {
		t.Error("no error")
	}
	fail = false
	if got, err := c.Get(t.Context()); err != nil || got != 7 {
		t.Errorf("%d, %v", got, err)
	}
}
