package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Progress is how far a move is with one table.
type Progress struct {
	Table    string
	Checking bool // the rows are there and are being compared
	Done     int64
	All      int64
}

// Move brings a stopped server's database to the other engine, or to another server of PostgreSQL. Both are named sqlite:FILE
// or postgres:URL. The one it comes from is only read. The one it goes to must be new; until every row has arrived and was
// compared it refuses to be served. tell, which may be nil, hears how far the move is.
func Move(ctx context.Context, from, to string, tell func(Progress)) error {
	source, err := parsePlace(from)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	target, err := parsePlace(to)
	if err != nil {
		return fmt.Errorf("to: %w", err)
	}
	if source.config == nil && target.config == nil {
		return errors.New("from a SQLite file to another nothing needs to be moved: use backup and restore")
	}
	return move(ctx, source, target, tell)
}

func move(ctx context.Context, source, target place, tell func(Progress)) (err error) {
	if source.config == nil {
		if _, err := os.Stat(source.file); err != nil {
			return fmt.Errorf("there is no database: %w", err)
		}
	}
	from, err := openHeld(ctx, source, openSource)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if !from.postgres() {
		if err := checkIntegrity(ctx, from.db); err != nil {
			return err
		}
	}
	return copyHeld(ctx, from, target, tell, func() error { return from.refuseStarted(ctx) })
}

// copyHeld fills a database that nobody serves meanwhile.
func copyHeld(ctx context.Context, from *end, target place, tell func(Progress), last func() error) (err error) {
	if target.config == nil {
		if _, err := takeFolder(filepath.Dir(target.file), false); err != nil {
			return err
		}
	}
	to, err := openHeld(ctx, target, openTarget)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	m := &mover{from: from, to: to, tell: tell, last: last}
	err = m.run(ctx)
	switch {
	case err != nil && m.marked:
		return fmt.Errorf("%s is only half filled and cannot be served; remove it before you try again: %w", to, err)
	case err != nil || to.postgres():
		return err
	default:
		return syncFile(filepath.Dir(target.file))
	}
}

// refuseStarted refuses to end the move from a database that a server has started on since: what it did is not in the copy.
func (e *end) refuseStarted(ctx context.Context) error {
	if !e.postgres() {
		return nil // its folder is locked
	}
	then, err := starts(ctx, e.ask())
	if err != nil {
		return err
	}
	now, err := starts(ctx, e.db)
	if err == nil && now != then {
		err = fmt.Errorf("a server has started on %s since: what it did is not in the copy", e)
	}
	return err
}

// mover is one move.
type mover struct {
	from, to *end
	tell     func(Progress)
	last     func() error // asked before the new database is whole
	marked   bool         // the new one says that it is not
	tables   []table
	all      []int64 // rows in each
	read     []sum
}

// run fills one database from another as that one is at the start, and compares them.
func (m *mover) run(ctx context.Context) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	if err := m.compare(ctx); err != nil {
		return err
	}
	if m.last != nil {
		if err := m.last(); err != nil {
			return err
		}
	}
	return unmarkMoving(ctx, m.to.ask())
}

// start freezes the one database, and makes the other ready to be filled.
func (m *mover) start(ctx context.Context) error {
	if err := m.from.freeze(ctx); err != nil {
		return err
	}
	if err := m.from.refuseVersion(ctx); err != nil {
		return err
	}
	if err := refuseHalfMoved(ctx, m.from.ask()); err != nil {
		return fmt.Errorf("%s: %w", m.from, err)
	}
	months, err := m.from.months(ctx)
	if err != nil {
		return err
	}
	if err := m.to.prepare(ctx, months); err != nil {
		return err
	}
	m.marked = true
	return m.plan(ctx)
}

// plan lists what there is to move.
func (m *mover) plan(ctx context.Context) (err error) {
	if m.tables, err = m.to.tables(ctx); err != nil {
		return err
	}
	there, err := m.from.tables(ctx)
	if err != nil {
		return err
	}
	if err := refuseOther(there, m.tables); err != nil {
		return err
	}
	m.all, m.read = make([]int64, len(m.tables)), make([]sum, len(m.tables))
	for i, t := range m.tables {
		if err := m.from.ask().QueryRowContext(ctx, t.counting()).Scan(&m.all[i]); err != nil {
			return fmt.Errorf("count the rows of %s: %w", t.name, err)
		}
	}
	return nil
}

// fill copies every table. What is read is summed on the way.
func (m *mover) fill(ctx context.Context) error {
	for i, t := range m.tables {
		told := m.teller(Progress{Table: t.name, All: m.all[i]})
		r, err := m.from.read(ctx, t, told)
		if err != nil {
			return err
		}
		err = m.to.fill(ctx, r)
		r.close()
		if err != nil {
			return err
		}
		if m.read[i] = r.sum; r.sum.rows != m.all[i] {
			return fmt.Errorf("%d of the %d rows of %s were read", r.sum.rows, m.all[i], t.name)
		}
		told(r.sum.rows)
	}
	return nil
}

// compare reads every table again where it has come to.
func (m *mover) compare(ctx context.Context) error {
	var wrong []string
	for i, t := range m.tables {
		told := m.teller(Progress{Table: t.name, Checking: true, All: m.all[i]})
		there, err := m.to.total(ctx, t, told)
		if err != nil {
			return err
		}
		if !there.same(m.read[i]) {
			wrong = append(wrong, fmt.Sprintf("%s (%d rows, %d there)", t.name, m.read[i].rows, there.rows))
		}
		told(there.rows)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not the same on both sides: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// total sums a whole table.
func (e *end) total(ctx context.Context, t table, told func(rows int64)) (sum, error) {
	r, err := e.read(ctx, t, told)
	if err != nil {
		return sum{}, err
	}
	defer r.close()
	for r.Next() {
	}
	return r.sum, r.Err()
}

func (m *mover) teller(p Progress) func(rows int64) {
	return func(rows int64) {
		if m.tell != nil {
			p.Done = rows
			m.tell(p)
		}
	}
}
