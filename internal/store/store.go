// Package store keeps everything on disk: it opens the database, migrates it, runs transactions, groups commits, tells
// the time and seals secrets. It knows no noun; above it nobody knows which engine runs.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/id"
)

// Options say where the database is and how careful to be.
type Options struct {
	Dir       string       // data folder; made when missing
	Database  string       // postgres://...; empty: SQLite in Dir
	Serve     bool         // take the folder for this process alone: a second server is refused
	DiskFloor int64        // bytes that must stay free for accepting to go on; 0 for none
	MasterKey string       // the keyset itself; empty: the file master.key in Dir, made at the first start
	Log       *slog.Logger // nil: slog.Default()
	// Fatal is called once when the disk can no longer be trusted: the process must end, since a failed fsync may have
	// dropped what a later one reports as written. nil: panic.
	Fatal func(error)
}

// Store is an open database.
type Store struct {
	opt      Options
	log      *slog.Logger
	db       *sql.DB // the single writer
	readers  *sql.DB
	reading  *reading
	writer   *writer
	lock     *lock
	disk     *disk
	sealer   *sealer
	versions versions
	ids      *id.Source
	boot     int64
	offset   atomic.Int64 // moved by tests only
	stop     context.CancelFunc
	stopped  chan struct{}
	closing  sync.Once
	closed   error
}

// commandNode is the id node of commands that run beside a server.
const commandNode = 255

// Open opens the database in the data folder, checks that it is safe to use, and migrates it to this version.
func Open(ctx context.Context, opt Options) (*Store, error) {
	s := &Store{opt: opt, log: opt.Log, stopped: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	run, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.stopped)
		s.watch(run)
	}()
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.lock, err = takeFolder(s.opt.Dir, s.opt.Serve); err != nil {
		return err
	}
	if s.sealer, err = openSealer(s.opt.Dir, s.opt.MasterKey); err != nil {
		return err
	}
	s.disk = openDisk(s.opt.Dir, s.opt.DiskFloor, s.opt.Serve)
	path := s.Path()
	if s.db, s.readers, err = openSQLite(ctx, path); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.reading = newReading(s.readers)
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.writer, err = startWriter(ctx, s)
	return err
}

// begin checks and migrates the database and counts the start. A command beside a server leaves to it what is the
// server's: the check after an unclean stop, and the schema it runs on.
func (s *Store) begin(ctx context.Context) error {
	if s.opt.Serve {
		if err := checkIntegrity(ctx, s.db); err != nil {
			return err
		}
	}
	if err := migrate(ctx, s.db, s.log, !s.opt.Serve && served(s.opt.Dir)); err != nil {
		return err
	}
	if err := s.sealer.verify(ctx, s.db); err != nil {
		return err
	}
	node := uint8(commandNode)
	if s.opt.Serve {
		boot, err := countStart(ctx, s.db)
		if err != nil {
			return err
		}
		s.boot, node = boot, uint8(boot%commandNode)
	}
	s.ids = id.NewSource(node)
	return s.loadVersions(ctx)
}

// Path is the database's file.
func (s *Store) Path() string { return filepath.Join(s.opt.Dir, "tidings.db") }

// Dir is the data folder.
func (s *Store) Dir() string { return s.opt.Dir }

// Now is the time that everything is scheduled and expires by, UTC, to the millisecond.
func (s *Store) Now() time.Time {
	return time.UnixMilli(time.Now().UnixMilli() + s.offset.Load()).UTC()
}

// Shift moves the clock. Tests use it to live through days.
func (s *Store) Shift(by time.Duration) { s.offset.Add(by.Milliseconds()) }

// NewID returns a fresh key.
func (s *Store) NewID() int64 { return s.ids.Next(s.Now()) }

// Boot is the number of this start of the server. Work that an earlier start claimed is nobody's.
func (s *Store) Boot() int64 { return s.boot }

// Reader is for queries outside transactions. They see what was committed before they began.
func (s *Store) Reader() Queryer { return rewriting{s.reading} }

// Healthy tells why the store cannot accept now: a *fault.Fault for a full disk, nil when it can.
func (s *Store) Healthy() error { return s.disk.accepting() }

// Close waits for running transactions and closes the database. The next start will not check it page by page.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Store) close() (err error) {
	s.stop()
	<-s.stopped
	s.writer.close()
	switch {
	case s.Broken():
		err = errors.New("the writer failed")
	case s.opt.Serve: // a command knows nothing of the state that a server left
		err = markClean(s.db)
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	if s.reading != nil {
		errs = append(errs, s.reading.close())
	}
	for _, db := range []*sql.DB{s.readers, s.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// watch looks each second at what other processes and the disk have changed.
func (s *Store) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.disk.look()
			if err := s.loadVersions(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("cannot read versions", "err", err)
			}
		}
	}
}

// Broken reports whether the disk can no longer be trusted: nothing will be written any more.
func (s *Store) Broken() bool { return s.writer.broken.Load() != nil }

// Shrink gives some of the space of deleted rows back to the file system.
func (s *Store) Shrink() error {
	return s.Write(func(tx *Tx) error {
		_, err := tx.conn.db.ExecContext(tx.ctx, "PRAGMA incremental_vacuum(256)")
		return err
	})
}
