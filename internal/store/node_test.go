package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// beside are the options of another server on the same database.
func beside(t testing.TB, opt store.Options) store.Options {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	opt.Dir, opt.MasterKey = t.TempDir(), string(key)
	return opt
}

// two opens two servers on one fresh database with a table to write to.
func two(t testing.TB) (a, b *store.Store, database string) {
	t.Helper()
	onPostgres(t, "SQLite has one server")
	opt := storetest.Options(t)
	a = openProbe(t, opt)
	return a, openIn(t, beside(t, opt)), opt.Database
}

func TestOneWriterAtATimeLosesNoUpdate(t *testing.T) {
	t.Parallel()
	a, b, _ := two(t)
	execute(t, a, "CREATE TABLE tally (id bigint NOT NULL PRIMARY KEY, n bigint NOT NULL)")
	execute(t, a, "INSERT INTO tally VALUES (1, 0)")
	type change struct{ N, ID int64 }
	count := func(tx *store.Tx) error {
		n, err := store.First[int64](tx, "SELECT n FROM tally WHERE id = $1", []int64{1})
		if err != nil {
			return err
		}
		return store.Run(tx, "UPDATE tally SET n = $1 WHERE id = $2", []change{{*n[0] + 1, 1}})
	}
	var all sync.WaitGroup
	for _, s := range []*store.Store{a, b} {
		for range 4 {
			all.Go(func() {
				for range 50 {
					if err := s.Write(count); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	var n int
	if err := b.Reader().QueryRowContext(t.Context(), "SELECT n FROM tally").Scan(&n); err != nil || n != 400 {
		t.Errorf("counted to %d of 400, %v", n, err)
	}
}

func TestACacheIsFreshInsideTheOtherServersNextTransaction(t *testing.T) {
	t.Parallel()
	a, b, _ := two(t)
	there := store.NewCached(b, "probe", func(ctx context.Context, q store.Queryer) (n int, err error) {
		err = q.QueryRowContext(ctx, "SELECT count(*) FROM probe").Scan(&n)
		return n, err
	})
	for i := range 20 {
		write(t, a, func(tx *store.Tx) error {
			return errors.Join(store.Run(tx, addProbe, []row{{int64(i), "x"}}), tx.Touch("probe"))
		})
		write(t, b, func(tx *store.Tx) error {
			if got, err := there.Get(tx.Context()); err != nil || got != i+1 {
				t.Errorf("in its transaction the other server has %d of %d, %v", got, i+1, err)
			}
			return nil
		})
	}
	write(t, a, func(tx *store.Tx) error {
		return errors.Join(store.Run(tx, addProbe, []row{{100, "x"}}), tx.Touch("probe"))
	})
	if got := until(t, there, 21); got != 21 {
		t.Errorf("outside the other server has %d of 21", got)
	}
}

// calls are names that a server heard.
type calls struct {
	mu    sync.Mutex
	names []string
}

func (c *calls) hear(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, names...)
}

func (c *calls) heard(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.names, name)
}

func TestACallReachesTheOthersAndNotOneself(t *testing.T) {
	t.Parallel()
	a, b, _ := two(t)
	var here, there calls
	a.OnWake(here.hear)
	b.OnWake(there.hear)
	soon(t, "the other server hears", func() bool {
		write(t, a, func(tx *store.Tx) error { return tx.Wake([]string{"lane/1", "lane/1", "lane/2"}) })
		return there.heard("lane/1") && there.heard("lane/2")
	})
	soon(t, "this server hears", func() bool {
		write(t, b, func(tx *store.Tx) error { return tx.Wake([]string{"lane/3"}) })
		return here.heard("lane/3")
	})
	if here.heard("lane/1") || there.heard("lane/3") {
		t.Error("a server hears its own calls")
	}
	_ = a.Write(func(tx *store.Tx) error {
		if err := tx.Wake([]string{"never"}); err != nil {
			t.Error(err)
		}
		return errors.New("planted")
	})
	write(t, a, func(tx *store.Tx) error { return tx.Wake([]string{"last"}) })
	soon(t, "the last call arrives", func() bool { return there.heard("last") })
	if there.heard("never") {
		t.Error("a transaction that failed has called")
	}
}

func TestTooManyNamesBecomeACallToLookEverywhere(t *testing.T) {
	t.Parallel()
	a, b, _ := two(t)
	everywhere := make(chan struct{}, 100)
	b.OnWake(func(names []string) {
		if len(names) == 0 {
			everywhere <- struct{}{}
		}
	})
	names := make([]string, 2000)
	for i := range names {
		names[i] = "lane/" + time.Duration(i).String()
	}
	soon(t, "the other server looks everywhere", func() bool {
		write(t, a, func(tx *store.Tx) error { return tx.Wake(names) })
		return len(everywhere) > 0
	})
}

func TestServersMakeDifferentKeys(t *testing.T) {
	t.Parallel()
	a, b, database := two(t)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var all sync.WaitGroup
	for _, s := range []*store.Store{a, b} {
		all.Go(func() {
			for range 5000 {
				id := s.NewID()
				mu.Lock()
				if seen[id] {
					t.Errorf("two keys are %d", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if same := one[bool](t, database, "SELECT count(DISTINCT number) < count(*) FROM node"); same {
		t.Error("two servers have one number")
	}
}

// grave counts the deaths that a server hears of. A fresh database has a dead server too: the one that migrated it.
type grave struct {
	mu     sync.Mutex
	buried []int64
	of     int64 // whose burial is looked at
	fail   int   // so many times
	look   func()
}

func (g *grave) bury(_ context.Context, boot int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buried = append(g.buried, boot)
	if boot != g.of {
		return nil
	}
	g.look()
	if g.fail > 0 {
		g.fail--
		return errors.New("planted")
	}
	return nil
}

func (g *grave) times(boot int64) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.buried {
		if b == boot {
			n++
		}
	}
	return n
}

func nodeIsThere(t *testing.T, database string, boot int64) bool {
	t.Helper()
	return one[int](t, database, "SELECT count(*) FROM node WHERE boot = $1", boot) == 1
}

func TestAServerThatIsCutOffIsBuriedAndStartsAgain(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite has one server")
	opt := storetest.Options(t)
	link := storetest.NewLink(t, opt.Database)
	b := openIn(t, beside(t, opt))
	far := opt
	far.Database = link.URL()
	a := openProbe(t, far)
	boot := a.Boot()
	g := grave{of: boot, fail: 2, look: func() {
		var dead int
		if err := b.Reader().QueryRowContext(t.Context(), "SELECT dead FROM node WHERE boot = $1", boot).Scan(&dead); err != nil || dead != 1 {
			t.Errorf("when it is buried its mark is %d, %v", dead, err)
		}
	}}
	b.OnDeath(g.bury)
	link.Cut()
	// Just after its start the database's server gives everybody the time to come back.
	within(t, 15*time.Second, "it is buried, after two that failed", func() bool { return g.times(boot) == 3 && !nodeIsThere(t, opt.Database, boot) })
	link.Mend()
	var under int64
	write(t, a, func(tx *store.Tx) error {
		under = tx.Boot()
		return store.Run(tx, addProbe, []row{{1, "x"}})
	})
	if under == boot || under != a.Boot() || !nodeIsThere(t, opt.Database, under) {
		t.Errorf("after its burial start %d writes under %d", boot, under)
	}
	if n := one[int](t, opt.Database, "SELECT count(*) FROM probe"); n != 1 {
		t.Errorf("%d rows", n)
	}
	time.Sleep(time.Second) // two looks
	if n := g.times(boot); n != 3 || g.times(under) != 0 {
		t.Errorf("buried %v", g.buried)
	}
}

func TestAServerThatIsSilentIsBuried(t *testing.T) {
	t.Parallel()
	a, b, database := two(t)
	boot := a.Boot()
	var g grave
	b.OnDeath(g.bury)
	soon(t, "it is buried", func() bool { // it may speak at the same moment
		direct(t, database, "UPDATE node SET seen_at = seen_at - 31000 WHERE boot = (SELECT min(boot) FROM node)")
		return g.times(boot) > 0
	})
	soon(t, "it starts again though it writes nothing", func() bool { return a.Boot() != boot && !nodeIsThere(t, database, boot) })
	if err := add(a, row{1, "x"}); err != nil {
		t.Error(err)
	}
}

// endKeepers ends the connections on which the servers of a database say that they live.
const endKeepers = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// deafen ends the connection on which a server says that it lives, again and again.
func deafen(t *testing.T, database string, boot int64, stop <-chan struct{}) {
	t.Helper()
	conn := connect(t, database)
	for {
		select {
		case <-stop:
			return
		default:
		}
		_, err := conn.Exec(context.Background(), endKeepers+" AND objid = $1", boot)
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func TestNothingOfADeadServerIsCommittedAfterItsBurial(t *testing.T) {
	t.Parallel()
	a, b, database := two(t)
	execute(t, a, entries)
	boot, stop, j := a.Boot(), make(chan struct{}), newJournal()
	all := j.load(t, a, 8, stop)
	written := func(boot int64) (n int) {
		if err := b.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM entry WHERE boot = $1", boot).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	g := grave{of: boot, look: func() {
		before := written(boot)
		time.Sleep(300 * time.Millisecond)
		if after := written(boot); after != before {
			t.Errorf("after its burial a dead server wrote %d rows", after-before)
		}
	}}
	b.OnDeath(g.bury)
	deaf := make(chan struct{})
	all.Go(func() { deafen(t, database, boot, deaf) })
	soon(t, "it is buried", func() bool { return g.times(boot) > 0 })
	close(deaf)
	soon(t, "it writes under another start", func() bool { return written(a.Boot()) > 0 && a.Boot() != boot })
	close(stop)
	all.Wait()
	j.check(t, database)
	if len(j.unknown) > 0 {
		t.Errorf("%d callers heard of it", len(j.unknown))
	}
}

func TestABurialWaitsForTheTransactionThatRuns(t *testing.T) {
	t.Parallel()
	a, b, database := two(t)
	boot := a.Boot()
	var g grave
	b.OnDeath(g.bury)
	inside, gate := make(chan struct{}), make(chan struct{})
	var told error
	var all sync.WaitGroup
	all.Go(func() {
		told = a.Write(func(tx *store.Tx) error {
			_, err := store.Each(tx, addProbe, []row{{1, "x"}})
			if tx.Boot() == boot {
				close(inside)
			}
			<-gate
			return err
		})
	})
	<-inside
	deaf := make(chan struct{})
	all.Go(func() { deafen(t, database, boot, deaf) })
	time.Sleep(2 * time.Second) // several looks
	if g.times(boot) != 0 {
		t.Error("it was buried while its transaction could still commit")
	}
	close(gate)
	soon(t, "it is buried", func() bool { return g.times(boot) > 0 })
	close(deaf)
	all.Wait()
	if n := one[int](t, database, "SELECT count(*) FROM probe"); told != nil || n != 1 {
		t.Errorf("%d rows, told %v", n, told)
	}
}

func TestAKeeperWhoseConnectionEndsOpensAnother(t *testing.T) {
	t.Parallel()
	a, _, database := two(t)
	for range 5 {
		direct(t, database, endKeepers)
		time.Sleep(200 * time.Millisecond)
		if err := add(a, row{time.Now().UnixNano(), "x"}); err != nil {
			t.Error(err)
		}
	}
	soon(t, "it lives", func() bool { return nodeIsThere(t, database, a.Boot()) })
}

func TestALockThatIsHeldForLongIsAFaultAndNotForEver(t *testing.T) {
	t.Parallel()
	onPostgres(t, "SQLite has one server")
	long(t)
	opt := storetest.Options(t)
	s := openProbe(t, opt)
	conn := connect(t, opt.Database)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", store.WriteLock); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err = add(s, row{1, "x"})
	if told := fault.Of(err); !fault.Is(err, fault.NotReady) || told.RetryAfter <= 0 || time.Since(start) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := add(s, row{1, "x"}); err != nil {
		t.Error(err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAServerThatHangsInATransactionLosesItToTheOthers(t *testing.T) {
	t.Parallel()
	long(t)
	a, b, _ := two(t)
	inside, gate := make(chan struct{}), make(chan struct{})
	var runs atomic.Int32
	var told error
	var all sync.WaitGroup
	all.Go(func() {
		told = a.Write(func(tx *store.Tx) error {
			if runs.Add(1) == 1 {
				close(inside)
				<-gate
			}
			return store.Run(tx, addProbe, []row{{1, "a"}})
		})
	})
	<-inside
	start := time.Now()
	if err := add(b, row{2, "b"}); err != nil {
		t.Errorf("the other server after %s: %v", time.Since(start), err)
	}
	close(gate)
	all.Wait()
	if told != nil || runs.Load() != 2 {
		t.Errorf("the one that hung, after %d runs: %v", runs.Load(), told)
	}
	if n := count(t, b); n != 2 {
		t.Errorf("%d rows", n)
	}
}
