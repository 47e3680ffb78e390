// Package store keeps everything on disk: it opens the database, migrates it, runs transactions, groups commits, tells
// the time and seals secrets. It knows no noun; above it nobody knows which engine runs.
package store

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/fault"
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
	engine   engine
	writer   *writer
	node     *node // nil where no other process can serve the same database
	lock     *lock
	disk     *disk
	sealer   *sealer
	versions versions
	ids      atomic.Pointer[id.Source]
	boot     atomic.Int64
	ahead    atomic.Int64 // of the engine's clock against this machine's, milliseconds
	offset   atomic.Int64 // moved by tests only
	wakes    wakes
	down     atomic.Int64 // since when the database cannot be reached, Unix milliseconds; 0: it can
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
		var watching sync.WaitGroup
		if s.node != nil {
			watching.Go(func() { s.node.keep(run) })
		}
		s.watch(run)
		watching.Wait()
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
	open := newSQLite
	if s.opt.Database != "" {
		open = newPostgres
	}
	if s.engine, err = open(ctx, s); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.writer, err = startWriter(ctx, s)
	return err
}

// begin makes the database ready and counts the start of a server.
func (s *Store) begin(ctx context.Context) error {
	if err := s.engine.prepare(ctx); err != nil {
		return err
	}
	if err := refuseHalfMoved(ctx, s.engine.ask()); err != nil {
		return err
	}
	if err := s.sealer.verify(ctx, s.engine.ask()); err != nil {
		return err
	}
	if err := s.sealer.loadMarker(ctx, s.engine.ask()); err != nil {
		return err
	}
	s.ids.Store(id.NewSource(commandNode))
	if s.opt.Serve {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	return s.loadVersions(ctx)
}

// join makes this process a server of the database: it gets the number of its start, and keys of its own.
func (s *Store) join(ctx context.Context) error {
	if s.node != nil {
		return s.node.join(ctx)
	}
	boot, err := countStart(ctx, s.engine.ask())
	if err != nil {
		return err
	}
	s.boot.Store(boot)
	s.ids.Store(id.NewSource(uint8(boot % commandNode)))
	return setMeta(ctx, s.engine.ask(), "clean", "0")
}

// Path is SQLite's file.
func (s *Store) Path() string { return filepath.Join(s.opt.Dir, "tidings.db") }

// Dir is the data folder.
func (s *Store) Dir() string { return s.opt.Dir }

// Now is the time that everything is scheduled and expires by, UTC, to the millisecond: the engine's, which all nodes
// share.
func (s *Store) Now() time.Time {
	return time.UnixMilli(time.Now().UnixMilli() + s.ahead.Load() + s.offset.Load()).UTC()
}

// atLeast takes over a time of the engine's clock, and returns it as Now does. Nobody here may think that it is still to come.
func (s *Store) atLeast(engine int64) time.Time {
	if behind := engine - time.Now().UnixMilli() - s.ahead.Load(); behind > 0 {
		s.ahead.Add(behind)
	}
	return time.UnixMilli(engine + s.offset.Load()).UTC()
}

// Shift moves the clock, and has all look who wait for a time. Tests use it to live through days.
func (s *Store) Shift(by time.Duration) {
	s.offset.Add(by.Milliseconds())
	s.wakes.call(nil)
}

// NewID returns a fresh key.
func (s *Store) NewID() int64 { return s.ids.Load().Next(s.Now()) }

// Boot is the number of this start of a server: what it claims bears it. It changes when the others had to take this node
// for dead.
func (s *Store) Boot() int64 { return s.boot.Load() }

// Reader is for queries outside transactions. They see what was committed before they began.
func (s *Store) Reader() Queryer { return s.engine.reader() }

// Healthy tells why the store cannot accept now: a *fault.Fault for a full disk or a database that cannot be reached, nil
// when it can.
func (s *Store) Healthy() error {
	if s.down.Load() != 0 {
		return errUnreachable()
	}
	return s.disk.accepting()
}

// errUnreachable is what callers hear while the database cannot be reached. What they asked for may have been done if it
// came between the two.
func errUnreachable() error {
	return fault.New(fault.NotReady, "the database cannot be reached at the moment").After(2 * time.Second)
}

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
		err = s.engine.leave(context.Background())
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	if s.engine != nil {
		errs = append(errs, s.engine.close())
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
	// Nobody may be writing any more, because we are not ready: a database that has gone is knocked at.
	var knocking atomic.Bool
	var knocks sync.WaitGroup
	defer knocks.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.disk.look()
			if err := s.loadVersions(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("cannot read versions", "err", err)
				if s.node != nil {
					s.unreached()
				}
			}
			if s.down.Load() != 0 && !knocking.Swap(true) {
				knocks.Go(func() {
					defer knocking.Store(false)
					_ = s.Write(func(*Tx) error { return nil })
				})
			}
		}
	}
}

// Broken reports whether the disk can no longer be trusted: nothing will be written any more.
func (s *Store) Broken() bool { return s.writer.broken.Load() != nil }

// Closing reports whether the store takes no more writes because it is being closed.
func (s *Store) Closing() bool { return s.writer.isClosing() }
