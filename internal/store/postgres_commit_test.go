package store_test

import (
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// entries is a table that would show a row that is there twice.
const entries = "CREATE TABLE entry (id bigint NOT NULL, boot bigint NOT NULL)"

type entry struct{ ID, Boot int64 }

const addEntry = "INSERT INTO entry (id, boot) VALUES ($1, $2)"

// tapped is a store whose connections go through a tap.
func tapped(t *testing.T) (s *store.Store, p *tap, direct string) {
	t.Helper()
	onPostgres(t, "there is no answer to lose without a network")
	opt := storetest.Options(t)
	direct = opt.Database
	p = newTap(t, direct)
	opt.Database = p.url
	s = openIn(t, opt)
	execute(t, s, entries)
	return s, p, direct
}

// once has the next commit meet its fate.
func (p *tap) once(f fate) {
	var asked atomic.Bool
	next := func() fate {
		if asked.Swap(true) {
			return passes
		}
		return f
	}
	p.commit.Store(&next)
}

func TestALostAnswerToACommitChangesNothing(t *testing.T) {
	t.Parallel()
	s, p, direct := tapped(t)
	boot := s.Boot()
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range int64(rounds) {
		for f, runs := range map[fate]int{answerLost: 1, commitLost: 2, commitLate: 1} {
			id := i*10 + int64(f)
			p.once(f)
			ran := 0
			err := s.Write(func(tx *store.Tx) error {
				ran++
				return store.Run(tx, addEntry, []entry{{id, tx.Boot()}})
			})
			if err != nil || ran != runs {
				t.Errorf("fate %d: %v after %d runs, want %d", f, err, ran, runs)
			}
			if n := one[int](t, direct, "SELECT count(*) FROM entry WHERE id = $1", id); n != 1 {
				t.Errorf("fate %d: %d rows", f, n)
			}
		}
	}
	if s.Boot() != boot {
		t.Error("the store lost track of what it has")
	}
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestACommitWhoseAnswerStaysAwayIsNotReportedAsDone(t *testing.T) {
	t.Parallel()
	for f, rows := range map[fate]int{answerLost: 1, commitLost: 0} {
		t.Run(map[fate]string{answerLost: "answer", commitLost: "commit"}[f], func(t *testing.T) {
			t.Parallel()
			s, p, direct := tapped(t)
			boot := s.Boot()
			p.stays.Store(true)
			p.once(f)
			start := time.Now()
			err := s.Write(func(tx *store.Tx) error { return store.Run(tx, addEntry, []entry{{1, tx.Boot()}}) })
			if told := fault.Of(err); !fault.Is(err, fault.NotReady) || told.RetryAfter <= 0 {
				t.Errorf("told %v", err)
			}
			if took := time.Since(start); took < store.OutagePatience/2 || took > 4*store.OutagePatience {
				t.Errorf("it took %s", took)
			}
			if !fault.Is(s.Healthy(), fault.NotReady) {
				t.Errorf("while the database is away the store is %v", s.Healthy())
			}
			p.stays.Store(false)
			p.down.Store(false)
			within(t, 20*time.Second, "the store recovers without anybody's asking", func() bool { return s.Healthy() == nil })
			if n := one[int](t, direct, "SELECT count(*) FROM entry"); n != rows {
				t.Errorf("%d rows, want %d", n, rows)
			}
			write(t, s, func(tx *store.Tx) error { return store.Run(tx, addEntry, []entry{{2, tx.Boot()}}) })
			if s.Boot() == boot {
				t.Error("what the lost transaction had claimed is not given back")
			}
		})
	}
}

// journal is what callers were told of their rows.
type journal struct {
	mu            sync.Mutex
	kept, unknown map[int64]bool
}

func (j *journal) note(t *testing.T, id int64, err error) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err == nil:
		j.kept[id] = true
	case fault.Is(err, fault.NotReady):
		j.unknown[id] = true
	default:
		t.Errorf("row %d: %v", id, err)
	}
}

// load writes rows from many callers until stop is closed.
func (j *journal) load(t *testing.T, s *store.Store, callers int, stop <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	return j.loadFrom(t, s, callers, 0, stop)
}

func (j *journal) loadFrom(t *testing.T, s *store.Store, callers, first int, stop <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	group := store.NewBatch(s, "entries", 1, func(tx *store.Tx, members []*entry) error {
		rows := make([]entry, len(members))
		for i, m := range members {
			rows[i] = entry{m.ID, tx.Boot()}
		}
		if m := members[0].ID % 3; m == 0 {
			_, err := store.Each(tx, addEntry, rows)
			return err
		}
		return store.Run(tx, addEntry, rows)
	})
	var all sync.WaitGroup
	for g := range callers {
		all.Go(func() {
			for id := int64(first+g) << 32; ; id++ {
				select {
				case <-stop:
					return
				default:
					j.note(t, id, group.Do(&entry{ID: id}, 1))
				}
			}
		})
	}
	return &all
}

// join takes over what another journal says.
func (j *journal) join(other *journal) {
	maps.Copy(j.kept, other.kept)
	maps.Copy(j.unknown, other.unknown)
}

// check holds what callers were told against what is there.
func (j *journal) check(t *testing.T, database string) {
	t.Helper()
	there := map[int64]int{}
	rows, err := connect(t, database).Query(t.Context(), "SELECT id FROM entry")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		there[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for id := range j.kept {
		if there[id] != 1 {
			t.Errorf("row %d was told to be on disk; it is there %d times", id, there[id])
		}
	}
	for id, n := range there {
		if n != 1 || !j.kept[id] && !j.unknown[id] {
			t.Errorf("row %d is there %d times; kept %v, unknown %v", id, n, j.kept[id], j.unknown[id])
		}
	}
	t.Logf("%d rows kept, %d unknown, %d there", len(j.kept), len(j.unknown), len(there))
}

func newJournal() *journal { return &journal{kept: map[int64]bool{}, unknown: map[int64]bool{}} }

func TestCutsAnywhereLoseNothingThatWasConfirmed(t *testing.T) {
	t.Parallel()
	s, p, direct := tapped(t)
	stop := make(chan struct{})
	j := newJournal()
	all := j.load(t, s, 8, stop)
	rounds := 120
	if testing.Short() {
		rounds = 15
	}
	for range rounds {
		p.left.Store(rand.Int64N(1 << (4 + rand.IntN(13)))) // often within the first messages of a connection
		for p.left.Load() >= 0 {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	all.Wait()
	j.check(t, direct)
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestTwoServersOfWhichOneIsCutOffAgainAndAgain(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite has one server")
	opt := storetest.Options(t)
	p := newTap(t, opt.Database)
	near := openIn(t, beside(t, opt))
	direct := opt.Database
	opt.Database = p.url
	far := openIn(t, opt)
	execute(t, near, entries)
	var g grave
	near.OnDeath(g.bury)
	far.OnDeath(g.bury)
	stop, here, there := make(chan struct{}), newJournal(), newJournal()
	mine, theirs := here.load(t, near, 4, stop), there.loadFrom(t, far, 4, 100, stop)
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for i := range rounds {
		p.down.Store(true)
		p.cut()
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond) // the other may take it for dead by then, or not
		p.down.Store(false)
		if i%2 == 0 {
			p.once(fate(1 + rand.IntN(3)))
		}
		time.Sleep(300 * time.Millisecond)
	}
	close(stop)
	mine.Wait()
	theirs.Wait()
	if len(here.unknown) > 0 {
		t.Errorf("%d callers of the other server heard of it", len(here.unknown))
	}
	here.join(there)
	here.check(t, direct)
	t.Logf("buried %v", g.buried)
}

func TestAKilledServerLosesNothingThatWasConfirmed(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	if err := c.Create(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, store.Options{Dir: t.TempDir(), Database: c.URL("kept"), Serve: true})
	execute(t, s, entries)
	boot, stop, j := s.Boot(), make(chan struct{}), newJournal()
	all := j.load(t, s, 64, stop)
	kills := 4
	if testing.Short() {
		kills = 2
	}
	for range kills {
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond) // the kill comes anywhere in the load
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
		soon(t, "the store is not ready", func() bool { return fault.Is(s.Healthy(), fault.NotReady) })
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		soon(t, "the store is ready again", func() bool { return s.Healthy() == nil })
	}
	close(stop)
	all.Wait()
	j.check(t, c.URL("kept"))
	if s.Boot() != boot {
		t.Errorf("start %d became %d", boot, s.Boot())
	}
}
