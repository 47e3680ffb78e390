package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// smallDisk is a file system of so many bytes in memory, or skips the test where one cannot be had.
func smallDisk(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func fill(t *testing.T, dir string, leave int64) string {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBelowTheFloorNothingNewIsAccepted(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	dir := smallDisk(t, 128<<20)
	opt.Dir, opt.MasterKey, opt.DiskFloor = dir, string(key), 16<<20
	s := openIn(t, opt)
	if err := s.Healthy(); err != nil {
		t.Fatal(err)
	}
	filler := fill(t, dir, 8<<20)
	soon(t, "accepting stops", func() bool { return fault.Is(s.Healthy(), fault.DiskFull) })
	if f := fault.Of(s.Healthy()); f == nil || f.RetryAfter <= 0 {
		t.Errorf("no time to come back is told: %v", f)
	}
	write(t, s, func(tx *store.Tx) error { return tx.Touch("still") })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	soon(t, "accepting goes on", func() bool { return s.Healthy() == nil })
}

func TestTheReserveIsUsedWhenTheDiskIsFull(t *testing.T) {
	t.Parallel()
	onSQLite(t, "its database is in the folder")
	dir := smallDisk(t, 160<<20)
	s := openIn(t, store.Options{Dir: dir, Serve: true, DiskFloor: 1 << 20})
	execute(t, s, "CREATE TABLE probe (id bigint NOT NULL PRIMARY KEY, note text NOT NULL)")
	reserve := filepath.Join(dir, "reserve")
	if _, err := os.Stat(reserve); err != nil {
		t.Fatal(err)
	}
	filler := fill(t, dir, 256<<10)
	next := int64(0)
	add := func() error {
		next++
		return s.Write(func(tx *store.Tx) error {
			_, err := store.Each(tx, addProbe, []row{{next, strings.Repeat("x", 100<<10)}})
			return err
		})
	}
	for range 10 { // far more than is left without the reserve
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(reserve); err == nil {
		t.Error("the reserve is still there")
	}
	if !fault.Is(s.Healthy(), fault.DiskFull) {
		t.Errorf("healthy on a full disk: %v", s.Healthy())
	}
	kept := next
	for range 2000 { // until the reserve is used up too
		if err := add(); err != nil {
			if !fault.Is(err, fault.DiskFull) {
				t.Fatal(err)
			}
			break
		}
		kept = next
	}
	if kept == next {
		t.Error("the disk never filled up")
	}
	if err := add(); !fault.Is(err, fault.DiskFull) {
		t.Errorf("on a full disk: %v", err)
	}
	if s.Broken() {
		t.Error("a full disk is taken for a broken one")
	}
	if n := count(t, s); n != int(kept) {
		t.Errorf("%d rows, %d were told to be on disk", n, kept)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := add(); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
	soon(t, "accepting goes on", func() bool { return s.Healthy() == nil })
	soon(t, "the reserve is back", func() bool { _, err := os.Stat(reserve); return err == nil })
}

func TestAFullDatabaseIsAFaultForAllWhoShareItAndPasses(t *testing.T) {
	t.Parallel()
	onSQLite(t, "a pragma plays the full disk")
	s := open(t)
	limit := func(pages int) {
		t.Helper()
		execute(t, s, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	}
	limit(1) // SQLite takes what it has
	err := s.Write(func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, strings.Repeat("x", 1<<20)}})
		return err
	})
	if !fault.Is(err, fault.DiskFull) {
		t.Fatalf("a full database: %v", err)
	}
	limit(1 << 30)
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, strings.Repeat("x", 1<<20)}})
		return err
	})
	soon(t, "accepting goes on without a floor", func() bool { return s.Healthy() == nil })
}

// A tablespace is as full as a disk.
func TestAFullServerIsAFaultAndPasses(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	dir := smallDisk(t, 4<<20)
	if err := c.Create(t.Context(), "full"); err != nil {
		t.Fatal(err)
	}
	owner, err := os.Stat(filepath.Join(dirOf(t, c), "data"))
	if err != nil {
		t.Fatal(err)
	}
	id := owner.Sys().(*syscall.Stat_t)
	if err := errors.Join(os.Chown(dir, int(id.Uid), int(id.Gid)), os.Chmod(filepath.Dir(dir), 0o755)); err != nil { // another user passes it
		t.Fatal(err)
	}
	s := openProbe(t, store.Options{Dir: t.TempDir(), Database: c.URL("full"), Serve: true})
	direct(t, c.URL("full"), "CREATE TABLESPACE small LOCATION '"+dir+"'", "ALTER TABLE probe ALTER note SET STORAGE EXTERNAL",
		"ALTER TABLE probe SET TABLESPACE small")
	kept := 0
	for err == nil && kept < 100 {
		if err = add(s, row{int64(kept), strings.Repeat("x", 200<<10)}); err == nil {
			kept++
		}
	}
	if told := fault.Of(err); !fault.Is(err, fault.DiskFull) || told.RetryAfter <= 0 {
		t.Errorf("on a full server, after %d rows: %v", kept, err)
	}
	if s.Broken() || count(t, s) != kept {
		t.Errorf("%d rows of %d, broken %v", count(t, s), kept, s.Broken())
	}
	direct(t, c.URL("full"), "ALTER TABLE probe SET TABLESPACE pg_default")
	if err := add(s, row{1000, strings.Repeat("x", 200<<10)}); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
	soon(t, "accepting goes on", func() bool { return s.Healthy() == nil })
}
