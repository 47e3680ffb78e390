package storetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidings.dev/internal/store"
)

// Life is a database whose server can be killed: Options are for its next start.
type Life struct {
	store.Options
	t        testing.TB
	database string // by no link
	link     *Link  // nil on SQLite
}

// NewLife makes a fresh database whose server can be killed.
func NewLife(t testing.TB) *Life {
	t.Helper()
	l := &Life{Options: Options(t), t: t}
	l.database = l.Database
	l.connect()
	return l
}

// connect makes the server's way to its database.
func (l *Life) connect() {
	l.t.Helper()
	if l.database == "" {
		return
	}
	l.link = NewLink(l.t, l.database)
	l.Database = l.link.URL()
}

// Kill is the server's death: what it does from now on is not there for its next start. The killed one is closed by who
// opened it, before or after that.
func (l *Life) Kill(s *store.Store) {
	l.t.Helper()
	after := l.t.TempDir()
	if err := l.leave(s, after); err != nil {
		l.t.Fatal("copy the data folder:", err)
	}
	l.Dir = after
}

// leave puts what the killed server leaves into the folder.
func (l *Life) leave(s *store.Store, after string) error {
	if l.link == nil {
		return s.Write(func(*store.Tx) error { return copyFolder(after, l.Dir) }) // while nobody writes
	}
	l.link.Cut()
	l.connect()
	return copyFolder(after, l.Dir)
}

// copyFolder copies what a crash leaves of a data folder: the index of SQLite's log is memory that looks like a file, and
// the reserve holds nothing.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "reserve" || strings.HasSuffix(d.Name(), "-shm") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, d.Name()), data, 0o600)
	})
}
