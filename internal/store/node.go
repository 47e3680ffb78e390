package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tidings.dev/internal/id"
)

const (
	nodeClass   = 1953064041             // of the advisory locks that say which nodes live
	wakeChannel = "tidings"              // of notifications
	nodeLook    = 500 * time.Millisecond // how often a node looks after itself and the others
	nodeBeat    = 3 * time.Second        // how often it writes that it is there, at least
	nodeSilence = 30 * time.Second       // one that has not for so long hangs, and counts as dead
	nodeGrace   = 5 * time.Second        // after a start of the database every node has so long to come back
	nodeNumbers = 255                    // of keys; the last is for commands
)

// nodeLocks finds the locks of living nodes.
var nodeLocks = "locktype = 'advisory' AND classid = " + strconv.Itoa(nodeClass) + " AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

// node is this process among those that serve one database. It holds a lock on a connection of its own for as long as it
// lives; when the lock is gone, or the node has been silent for long, the others bury it: from then on none of its
// transactions is accepted, what it had claimed is given back, and its leases are free.
type node struct {
	store  *Store
	config *pgx.ConnConfig
	conn   *pgx.Conn   // of the keeper alone
	past   []*pgx.Conn // those before it, which the keeper closes: it may still listen on one
	others atomic.Int64
	beat   time.Time

	heardOf atomic.Pointer[time.Time] // when the database last confirmed that this node lives
	renew   atomic.Bool               // what it has claimed is not known any more: it must start again

	mu     sync.Mutex
	bury   []func(ctx context.Context, boot int64) error
	busy   map[int64]bool // being buried
	graves sync.WaitGroup
}

func newNode(s *Store, config *pgx.ConnConfig) *node {
	n := &node{store: s, config: config, busy: map[int64]bool{}}
	n.alive(time.Now())
	return n
}

// Shared reports whether other processes may serve the same database.
func (s *Store) Shared() bool { return s.node != nil }

// Alone reports whether, so far as is known, no other process serves the same database now.
func (s *Store) Alone() bool { return s.node == nil || s.node.others.Load() == 0 }

// OnDeath has f called for each server that died, after those that were given before, until it returns nil. What the dead
// one had claimed must be free then. Its leases are free after that.
func (s *Store) OnDeath(f func(ctx context.Context, boot int64) error) {
	if s.node == nil {
		return
	}
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	s.node.bury = append(s.node.bury, f)
}

// Everyone is the name that is called when a node died: all have to look for what it leaves.
const Everyone = "*"

// OnWake has f called with the names that other processes called by Tx.Wake: none when some may have been missed, Everyone when a
// node died.
func (s *Store) OnWake(f func(names []string)) {
	s.wakes.Lock()
	defer s.wakes.Unlock()
	s.wakes.all = append(s.wakes.all, f)
}

// wakes are what OnWake was given.
type wakes struct {
	sync.Mutex

	all []func(names []string)
}

func (w *wakes) call(names []string) {
	w.Lock()
	all := slices.Clone(w.all)
	w.Unlock()
	for _, f := range all {
		f(names)
	}
}

// Living lists the starts of servers that nobody has buried; this one is among them.
func (s *Store) Living(ctx context.Context) ([]int64, error) {
	if s.node == nil {
		return []int64{s.Boot()}, nil
	}
	rows, err := s.Reader().QueryContext(ctx, "SELECT boot FROM node")
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return boots(rows)
}

func boots(rows *sql.Rows) (list []int64, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var boot int64
		if err := rows.Scan(&boot); err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		list = append(list, boot)
	}
	return list, rows.Err()
}

// alive notes that the database took this node for alive at a moment: before it was asked.
func (n *node) alive(at time.Time) { n.heardOf.Store(&at) }

// join enters this process as a node, under a new number.
func (n *node) join(ctx context.Context) error {
	db := n.store.engine.ask()
	boot, err := countStart(ctx, db)
	if err != nil {
		return err
	}
	if err := n.hold(ctx, boot); err != nil {
		return err
	}
	number, err := n.enter(ctx, db, boot)
	if err != nil {
		return err
	}
	if n.store.Boot() == 0 {
		if err := n.succeeds(ctx, db, boot); err != nil {
			return err
		}
	}
	n.store.ids.Store(id.NewSource(uint8(number)))
	n.store.boot.Store(boot)
	n.renew.Store(false)
	n.others.CompareAndSwap(0, 1) // until it has looked
	n.alive(time.Now())
	return nil
}

// enter writes the node's row with the smallest free number for its keys.
func (n *node) enter(ctx context.Context, db Queryer, boot int64) (number int64, err error) {
	const enter = `INSERT INTO node (boot, number, name, place, started_at, seen_at)
		SELECT $1, free.number, $2, $3, ` + clockSQL + ", " + clockSQL + ` FROM generate_series(0, $4) AS free (number)
		WHERE NOT EXISTS (SELECT 1 FROM node AS n WHERE n.number = free.number) ORDER BY free.number LIMIT 1
		ON CONFLICT DO NOTHING RETURNING number`
	host, _ := os.Hostname()
	for {
		err := db.QueryRowContext(ctx, enter, boot, fmt.Sprintf("%s:%d", host, os.Getpid()), n.store.lock.place(), nodeNumbers-1).Scan(&number)
		if err == nil || !NoRows(err) || ctx.Err() != nil {
			return number, err
		}
		time.Sleep(10 * time.Millisecond) // another took the number at the same moment
	}
}

// succeeds declares dead who served from this data folder before: we have its lock. What they did outside the database has
// ended with them, so that nobody need wait.
func (n *node) succeeds(ctx context.Context, db Queryer, boot int64) error {
	const succeed = "UPDATE node SET dead = 1, seen_at = 0 WHERE place = $1 AND place <> '' AND boot <> $2"
	if _, err := db.ExecContext(ctx, succeed, n.store.lock.place(), boot); err != nil {
		return fmt.Errorf("succeed an earlier start: %w", err)
	}
	return nil
}

// rejoin enters the process anew after the others buried it, or it lost track of what it had claimed. What it has under way
// finds that its claims are gone.
func (n *node) rejoin() error {
	ctx, cancel := context.WithTimeout(context.Background(), outagePatience)
	defer cancel()
	n.store.log.Error("what this node had claimed is given back; it starts again", "boot", n.store.Boot())
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.join(ctx)
}

// hold opens the keeper's connection and takes the node's lock on it.
func (n *node) hold(ctx context.Context, boot int64) error {
	conn, err := pgx.ConnectConfig(ctx, n.config)
	if err != nil {
		return fmt.Errorf("connect as a node: %w", err)
	}
	var mine bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", nodeClass, int32(boot)).Scan(&mine)
	if err == nil && !mine {
		err = errors.New("the lock of this node is held by an earlier connection")
	}
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN "+wakeChannel)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("take the node's lock: %w", err), conn.Close(ctx))
	}
	if n.conn != nil {
		n.past = append(n.past, n.conn)
	}
	n.conn = conn
	return nil
}

// current is the keeper's connection. Those before it are closed.
func (n *node) current(ctx context.Context) *pgx.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.past {
		_ = c.Close(ctx)
	}
	n.past = nil
	return n.conn
}

// keep holds the lock, hears the others and looks after them until ctx ends.
func (n *node) keep(ctx context.Context) {
	defer n.graves.Wait()
	var using *pgx.Conn
	for ctx.Err() == nil {
		conn := n.current(ctx)
		if using != nil && conn != using {
			n.heard("0") // what was called between the two
		}
		using = conn
		if err := n.turn(ctx, conn); err != nil && ctx.Err() == nil {
			n.store.log.Warn("the connection that says that this node lives is lost; opening it again", "err", err)
			_ = conn.Close(ctx)
			n.again(ctx, conn)
		}
	}
}

// turn hears what comes within a look, then looks.
func (n *node) turn(ctx context.Context, conn *pgx.Conn) error {
	if conn == nil { // a command hears nobody
		n.idle(ctx)
		return nil
	}
	for end := time.Now().Add(nodeLook); ctx.Err() == nil && time.Now().Before(end); {
		until, cancel := context.WithDeadline(ctx, end)
		note, err := conn.WaitForNotification(until)
		cancel()
		if err != nil && (until.Err() == nil || conn.IsClosed()) {
			return err
		}
		if note != nil {
			n.heard(note.Payload)
		}
	}
	return n.look(ctx, conn)
}

func (n *node) idle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(nodeLook):
	}
	if err := n.setClock(ctx, n.store.engine.reader()); err != nil && ctx.Err() == nil {
		n.store.log.Warn("cannot read the database's clock", "err", err)
	}
}

// again opens the keeper's connection anew, under the same number, unless another has taken the place of the lost one.
func (n *node) again(ctx context.Context, lost *pgx.Conn) {
	for ctx.Err() == nil {
		n.mu.Lock()
		var err error
		if n.conn == lost {
			err = n.hold(ctx, n.store.Boot())
		}
		n.mu.Unlock()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(outagePause):
		}
	}
}

// look beats, measures the engine's clock, and looks who has died.
func (n *node) look(ctx context.Context, conn *pgx.Conn) error {
	limit, cancel := context.WithTimeout(ctx, trust/2)
	defer cancel()
	if err := n.setClock(limit, n.store.engine.reader()); err != nil {
		return err
	}
	if time.Since(n.beat) > nodeBeat {
		n.beat = time.Now()
		const beat = "UPDATE node SET seen_at = " + clockSQL + " WHERE boot = $1"
		if _, err := conn.Exec(limit, beat, n.store.Boot()); err != nil {
			return fmt.Errorf("beat: %w", err)
		}
	}
	asked := time.Now()
	c, err := n.census(limit)
	if err != nil {
		return err
	}
	n.others.Store(c.others)
	switch {
	case c.own:
		n.alive(asked)
	case !n.renew.Swap(true): // the others have buried this one
		n.graves.Go(func() { _ = n.store.Write(func(*Tx) error { return nil }) })
	}
	for _, boot := range c.dead {
		n.buries(ctx, boot)
	}
	return nil
}

// census is which nodes live.
type census struct {
	own    bool // this one
	others int64
	dead   []int64
}

// census asks which nodes live. One is dead that has not been heard of for long, or whose lock is gone; but when the
// database has just started, nobody has had the time to take it again.
func (n *node) census(ctx context.Context) (c census, err error) {
	ask := `SELECT n.boot, CASE WHEN n.dead = 1 OR n.seen_at < ` + clockSQL + ` - $1 OR
			NOT EXISTS (SELECT 1 FROM pg_locks WHERE ` + nodeLocks + ` AND objid::bigint = n.boot)
			AND clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $2) THEN 1 ELSE 0 END AS gone
		FROM node AS n`
	rows, err := n.store.engine.reader().QueryContext(ctx, ask, nodeSilence.Milliseconds(), nodeGrace.Seconds())
	if err != nil {
		return c, fmt.Errorf("look for the other nodes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var boot, gone int64
		if err := rows.Scan(&boot, &gone); err != nil {
			return c, fmt.Errorf("look for the other nodes: %w", err)
		}
		switch {
		case boot == n.store.Boot():
			c.own = gone == 0
		case gone == 1:
			c.dead = append(c.dead, boot)
		default:
			c.others++
		}
	}
	return c, rows.Err()
}

// Bury gives back what servers had that have died, so far as that can be told now.
func (s *Store) Bury(ctx context.Context) error {
	if s.node == nil {
		return nil
	}
	c, err := s.node.census(ctx)
	if err != nil {
		return err
	}
	for _, boot := range c.dead {
		s.node.buries(ctx, boot)
	}
	for s.node.burying() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

func (n *node) burying() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.busy) > 0
}

// buries has a dead node buried beside the keeper's own work, once at a time.
func (n *node) buries(ctx context.Context, boot int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.bury) == 0 || n.busy[boot] {
		return
	}
	n.busy[boot] = true
	bury := slices.Clone(n.bury)
	n.graves.Go(func() {
		err := n.funeral(ctx, boot, bury)
		if err != nil && ctx.Err() == nil {
			n.store.log.Error("cannot bury a dead node; trying again", "boot", boot, "err", err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.busy, boot)
	})
}

// funeral first keeps the dead node from writing, should it only seem dead.
func (n *node) funeral(ctx context.Context, boot int64, bury []func(context.Context, int64) error) error {
	began := time.Now()
	err := n.store.Write(func(tx *Tx) error { return Run(tx, "UPDATE node SET dead = 1 WHERE boot = $1", []int64{boot}) })
	if err != nil {
		return err
	}
	for _, f := range bury {
		if err := f(ctx, boot); err != nil {
			return err
		}
	}
	var gone []int64
	err = n.store.Write(func(tx *Tx) (err error) {
		if err := Run(tx, freeLeases, []int64{boot}); err != nil {
			return err
		}
		gone, err = Each(tx, "DELETE FROM node WHERE boot = $1", []int64{boot})
		return errors.Join(err, tx.Wake([]string{Everyone}))
	})
	n.heard("0 *")
	if err == nil && gone[0] == 1 {
		n.store.log.Info("a server has gone; what it had is free", "boot", boot, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// setClock measures how far the engine's clock is ahead of ours.
func (n *node) setClock(ctx context.Context, db Queryer) error {
	var theirs int64
	before := time.Now()
	if err := db.QueryRowContext(ctx, "SELECT "+clockSQL).Scan(&theirs); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	took := time.Since(before)
	ahead := theirs - before.Add(took/2).UnixMilli()
	if took < 100*time.Millisecond || n.store.ahead.Load() == 0 { // one that took long says little
		n.store.ahead.Store(ahead)
	}
	return nil
}

// Wake tells the other processes of names once the transaction is on disk. It may be lost, and never says more than that it
// is worth looking.
func (tx *Tx) Wake(names []string) error {
	n := tx.store.node
	if n == nil || n.others.Load() == 0 || len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	from := strconv.FormatInt(tx.Boot(), 10)
	payload := from + " " + strings.Join(names, " ")
	if len(payload) > wakeBytes {
		payload = from // look everywhere
	}
	if err := Run(tx, "SELECT pg_notify($1, $2)", []wakeParams{{wakeChannel, payload}}); err != nil {
		return fmt.Errorf("wake other nodes: %w", err)
	}
	return nil
}

// wakeBytes is how much a notification holds (documentation of NOTIFY: less than 8000).
const wakeBytes = 7900

type wakeParams struct{ Channel, Payload string }

// heard passes on what another process called. What this one called comes back too.
func (n *node) heard(payload string) {
	from, names, _ := strings.Cut(payload, " ")
	if from == strconv.FormatInt(n.store.Boot(), 10) {
		return
	}
	n.others.CompareAndSwap(0, 1) // one that has just come
	n.store.wakes.call(strings.Fields(names))
}

func (n *node) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
		defer cancel()
		for _, c := range append(n.past, n.conn) {
			_ = c.Close(ctx)
		}
	}
}
