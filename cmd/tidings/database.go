package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tidings.dev/internal/app"
	"tidings.dev/internal/store"
)

type migrateCommand struct {
	From string `help:"Move all from this database of a stopped server: sqlite:FILE or postgres:URL." placeholder:"DATABASE"`
	To   string `help:"Move all to this new database: sqlite:FILE or postgres:URL." placeholder:"DATABASE"`
}

// Run moves the database, or opens it, which migrates it.
func (m migrateCommand) Run(s *session) error {
	if m.From != "" || m.To != "" {
		return m.move(s)
	}
	return s.core(func(*app.Core) error {
		where := s.database().String()
		return s.print(map[string]string{"database": where}, "%s is at this version.\n", where)
	})
}

func (m migrateCommand) move(s *session) error {
	if m.From == "" || m.To == "" {
		return errors.New("to move a database give both --from and --to")
	}
	began := time.Now()
	if err := store.Move(s.ctx, m.From, m.To, s.progress()); err != nil {
		return fmt.Errorf("move the database: %w", err)
	}
	took := time.Since(began).Round(time.Millisecond)
	return s.print(map[string]string{"took": took.String()},
		"All rows are there and the same (%s). Set database for the next start, keep the master key, and never serve the old database again: it would send again.\n", took)
}

// progress says how far a move is; nothing where a program reads the output.
func (s *session) progress() func(store.Progress) {
	if s.all.JSON {
		return nil
	}
	return func(p store.Progress) {
		doing := "copied"
		if p.Checking {
			doing = "compared"
		}
		say(s.out, "%-16s %d of %d rows %s\n", p.Table, p.Done, p.All, doing)
	}
}

type backupCommand struct {
	File string `arg:"" help:"Where to write; must not exist." type:"path"`
}

// Run copies the database.
func (b backupCommand) Run(s *session) error {
	began := time.Now()
	if err := store.Backup(s.ctx, s.database(), b.File); err != nil {
		return err
	}
	return s.print(map[string]string{"file": b.File}, "%s holds the database as of now (%s). The master key is not in it: keep %s apart.\n",
		b.File, time.Since(began).Round(time.Millisecond), filepath.Join(s.cfg.DataDir, "master.key"))
}

type restoreCommand struct {
	File string `arg:"" help:"A backup." type:"existingfile"`
}

// Run puts the backup in place.
func (r restoreCommand) Run(s *session) error {
	at := s.database()
	if err := store.Restore(s.ctx, at, r.File); err != nil {
		return err
	}
	made := map[string]string{"data_dir": at.Dir, "database": at.String()}
	if at.Database != "" {
		return s.print(made, "Restored into %s.\n", at)
	}
	before := filepath.Join(at.Dir, "tidings.db.old")
	if _, err := os.Stat(before); err != nil {
		return s.print(made, "Restored into %s.\n", at.Dir)
	}
	made["before"] = before
	return s.print(made, "Restored. The database of before is %[1]s, with all that was erased since the backup: once all is well, rm %[1]s*\n", before)
}
