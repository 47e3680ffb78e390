package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/fault"
)

const (
	groupRows = 256 // a group closes at so many rows
	heavyRows = 64  // a member with more takes a group of its own
)

// writer runs every write of the process, one transaction after another. While one is being synced, callers gather,
// and the next takes them together: no timer, no waiting when there is no load.
type writer struct {
	store   *Store
	conn    connection
	mu      sync.Mutex
	wake    sync.Cond
	waiting []*member
	heavy   bool // whose turn it was
	closing bool
	done    chan struct{}
	broken  atomic.Pointer[error]
}

// member is one caller's part of a group.
type member struct {
	batch *batch
	value any
	rows  int
	err   chan error
}

// batch is a kind of change: it writes all its members' rows in a transaction.
type batch struct {
	name  string
	order int
	apply func(tx *Tx, values []any) error
}

func startWriter(ctx context.Context, s *Store) (*writer, error) {
	c, err := s.engine.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the writing connection: %w", err)
	}
	w := &writer{store: s, conn: c, done: make(chan struct{})}
	w.wake.L = &w.mu
	go w.run()
	return w, nil
}

// do has a member's rows written and returns when they are on disk, or nothing of them is.
//
// It does not end with its caller's context: once a member waits, only the disk decides.
func (w *writer) do(m *member) error {
	m.err = make(chan error, 1)
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return fault.New(fault.NotReady, "the server is stopping").After(time.Second)
	}
	w.waiting = append(w.waiting, m)
	w.wake.Signal()
	w.mu.Unlock()
	return <-m.err
}

// inside reports whether the caller runs on the writer's own goroutine, where waiting for the writer never ends.
func (w *writer) inside() bool {
	var pcs [64]uintptr
	n := runtime.Callers(0, pcs[:])
	for _, pc := range pcs[max(0, n-3):n] {
		if f := runtime.FuncForPC(pc); f != nil && strings.HasSuffix(f.Name(), "store.(*writer).run") {
			return true
		}
	}
	return false
}

func (w *writer) run() {
	defer close(w.done)
	defer func() { _ = w.conn.close() }()
	for {
		runtime.Gosched() // whoever is about to ask joins the group: the larger, the cheaper for each
		group := w.next()
		if group == nil {
			return
		}
		w.commit(group)
		w.tidy()
	}
}

// next waits for members and takes the next group: the light ones that wait, up to groupRows, or one heavy member. The two
// take turns, so that neither starves the other.
func (w *writer) next() []*member {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) == 0 {
		if w.closing {
			return nil
		}
		w.wake.Wait()
	}
	w.heavy = !w.heavy
	if i := slices.IndexFunc(w.waiting, isHeavy); i >= 0 && (w.heavy || !slices.ContainsFunc(w.waiting, isLight)) {
		m := w.waiting[i]
		w.waiting = slices.Delete(w.waiting, i, i+1)
		return []*member{m}
	}
	return w.takeLight()
}

func isHeavy(m *member) bool { return m.rows > heavyRows }
func isLight(m *member) bool { return m.rows <= heavyRows }

func (w *writer) takeLight() []*member {
	rows, taken := 0, make([]*member, 0, min(len(w.waiting), groupRows))
	w.waiting = slices.DeleteFunc(w.waiting, func(m *member) bool {
		if isHeavy(m) || rows+m.rows > groupRows {
			return false
		}
		taken, rows = append(taken, m), rows+m.rows
		return true
	})
	return taken
}

// commit writes a group. When one of its batches fails, each member is tried alone, so that one bad member cannot fail
// its neighbours. Trouble with the disk or with another process is everybody's.
func (w *writer) commit(group []*member) {
	err := w.transaction(group)
	if _, bad := errors.AsType[*batchError](err); bad && len(group) > 1 {
		w.store.log.Error("a group failed, trying its members alone", "members", len(group), "err", err)
		for _, m := range group {
			w.commit([]*member{m})
		}
		return
	}
	for _, m := range group {
		m.err <- err
	}
}

// batchError is what a batch did wrong with its members.
type batchError struct {
	name string
	err  error
}

func (e *batchError) Error() string { return e.name + ": " + e.err.Error() }
func (e *batchError) Unwrap() error { return e.err }

// failed is why nothing can be written any more.
func (w *writer) failed() error {
	if err := w.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *writer) transaction(group []*member) error {
	if err := w.failed(); err != nil {
		return err
	}
	if err := w.spoil(); err != nil {
		return err
	}
	for try := 0; ; try++ {
		tx := &Tx{ctx: context.Background(), store: w.store, conn: w.conn}
		err := w.attempt(tx, group)
		if err == nil {
			w.store.reached()
			w.store.touched(tx.topics)
			for _, f := range tx.after {
				w.afterwards(f)
			}
			return nil
		}
		if t := w.conn.trouble(err); !w.mends(t, try) {
			return w.judge(t, err)
		}
	}
}

const (
	conflictTries  = 10
	outagePatience = 5 * time.Second        // how long a group waits for a database that has gone
	outagePause    = 100 * time.Millisecond // between tries to reach it
)

// mends does what lets the same transaction be tried again, or reports false.
func (w *writer) mends(t trouble, try int) bool {
	switch t {
	case diskFull:
		if try > 0 || !w.store.disk.useReserve() {
			return false
		}
		w.store.log.Error("the disk is full; the reserve is in use")
		return true
	case conflict:
		time.Sleep(time.Duration(rand.IntN(1+5*try)) * time.Millisecond)
		return try < conflictTries
	case unreachable:
		if w.store.unreached() > outagePatience || w.isClosing() {
			return false
		}
		time.Sleep(outagePause)
		return true
	case noTrouble, untrusted, lost, blocked:
	}
	return false
}

// afterwards calls what a committed transaction left to do. It is on disk already: a panic there fails nobody.
func (w *writer) afterwards(f func()) {
	defer func() {
		if p := recover(); p != nil {
			w.store.log.Error("panic after a commit", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// judge makes of trouble with the database what callers are told.
func (w *writer) judge(t trouble, err error) error {
	switch t {
	case diskFull:
		w.store.disk.full()
		w.store.log.Error("the disk is full", "err", err)
		return fault.New(fault.DiskFull, "the disk is full").After(diskRetry)
	case blocked:
		w.store.log.Error("another process has been writing to the database for too long", "err", err)
		return fault.New(fault.NotReady, "another process is writing to the database").After(2 * time.Second)
	case lost:
		w.store.unreached()
		w.store.log.Error("nobody can tell whether a transaction was committed", "err", err)
		return errUnreachable()
	case unreachable:
		return errUnreachable()
	case untrusted:
		w.breaks(err)
	case noTrouble, conflict:
	}
	return err
}

// unreached notes that the database cannot be reached, and tells for how long.
func (s *Store) unreached() time.Duration {
	now := time.Now()
	if s.down.CompareAndSwap(0, now.UnixMilli()) {
		s.log.Error("the database cannot be reached; trying again")
	}
	return now.Sub(time.UnixMilli(s.down.Load()))
}

// reached notes that the database answers.
func (s *Store) reached() {
	if since := s.down.Swap(0); since != 0 {
		s.log.Info("the database is reached again", "after", time.Since(time.UnixMilli(since)).Round(time.Millisecond))
	}
}

// breaks ends all writing.
func (w *writer) breaks(err error) {
	if w.broken.CompareAndSwap(nil, &err) {
		w.store.fatal(fmt.Errorf("the disk cannot be trusted any more: %w", err))
	}
}

func (s *Store) fatal(err error) {
	s.log.Error("stopping at once", "err", err)
	if s.opt.Fatal == nil {
		panic(err)
	}
	go s.opt.Fatal(err)
}

func (w *writer) attempt(tx *Tx, group []*member) (err error) {
	if tx.now, err = w.conn.begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			w.rollback()
		}
	}()
	for _, s := range split(group) {
		err := s.run(tx)
		if err == nil {
			err = tx.failed // a batch that goes on after a failed statement would commit half of what it meant
		}
		if err != nil {
			return &batchError{s.batch.name, err}
		}
	}
	err = w.seal(group)
	if err != nil && w.conn.trouble(err) == noTrouble { // of a statement that the engine put off until now
		return &batchError{"commit", err}
	}
	return err
}

func (w *writer) rollback() {
	if err := w.conn.rollback(); err != nil {
		w.breaks(fmt.Errorf("roll back: %w", err))
	}
}

// tidy looks after the database between groups.
func (w *writer) tidy() {
	if w.failed() != nil {
		return
	}
	if err := w.conn.tidy(); err != nil {
		w.store.log.Error("cannot tidy the database", "err", err)
		if w.conn.trouble(err) == untrusted {
			w.breaks(err)
		}
	}
}

// share is what one batch has in a group.
type share struct {
	batch  *batch
	values []any
}

// split sorts a group by batch, in the order the batches were made.
func split(group []*member) []*share {
	var shares []*share
	for _, m := range group {
		i := slices.IndexFunc(shares, func(s *share) bool { return s.batch == m.batch })
		if i < 0 {
			i, shares = len(shares), append(shares, &share{batch: m.batch})
		}
		shares[i].values = append(shares[i].values, m.value)
	}
	slices.SortStableFunc(shares, func(a, b *share) int { return a.batch.order - b.batch.order })
	return shares
}

// run applies a batch; a panic fails the group, not the process.
func (s *share) run(tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.batch.apply(tx, s.values)
}

func (w *writer) isClosing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing
}

func (w *writer) close() {
	w.mu.Lock()
	w.closing = true
	w.wake.Signal()
	w.mu.Unlock()
	<-w.done
}
