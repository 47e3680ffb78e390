package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// probes is a batch that adds rows, and counts its transactions. While gate is held, the writer waits in it.
type probes struct {
	*store.Batch[row]
	calls atomic.Int64
	gate  sync.Mutex
}

func newProbes(s *store.Store) *probes {
	p := &probes{}
	p.Batch = store.NewBatch(s, "probes", 1, func(tx *store.Tx, rows []*row) error {
		p.calls.Add(1)
		p.gate.Lock()
		defer p.gate.Unlock()
		values := make([]row, len(rows))
		for i, r := range rows {
			values[i] = *r
		}
		_, err := store.Each(tx, addProbe, values)
		return err
	})
	return p
}

func TestConcurrentCallersShareTransactions(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := newProbes(s)
	var all sync.WaitGroup
	for g := range 64 {
		all.Go(func() {
			for i := range 20 {
				if err := p.Do(&row{int64(g*1000 + i), "x"}, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := count(t, s); n != 1280 {
		t.Errorf("%d rows, want 1280", n)
	}
	if n := p.calls.Load(); n > 400 {
		t.Errorf("%d transactions for 1280 members of 64 goroutines", n)
	}
}

func TestOneBadMemberDoesNotFailItsNeighbours(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := newProbes(s)
	if err := p.Do(&row{7, "first"}, 1); err != nil {
		t.Fatal(err)
	}
	p.gate.Lock()
	var all sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		all.Go(func() { errs[i] = p.Do(&row{int64(i), "x"}, 1) })
	}
	time.Sleep(50 * time.Millisecond) // all wait behind the gate; fewer would only prove less
	p.gate.Unlock()
	all.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 7) {
			t.Errorf("member %d: %v", i, err)
		}
	}
	if n := count(t, s); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
}

func TestAPanicOrAFaultIsItsOwnMembersAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	gate := make(chan struct{})
	b := store.NewBatch(s, "mixed", 1, func(tx *store.Tx, rows []*row) error {
		<-gate
		for _, r := range rows {
			switch r.Note {
			case "panic":
				panic("planted")
			case "fault":
				return fault.New(fault.NotHere, "planted")
			case "misfit": // a parameter that is not stored
				_, err := store.Each(tx, addProbe, []struct {
					ID   uint64
					Note float64
				}{{1, 2}})
				return err
			case "short": // more places than parameters
				_, err := store.Each(tx, addProbe, []int64{1})
				return err
			}
			if _, err := store.Each(tx, addProbe, []row{*r}); err != nil {
				return err
			}
		}
		return nil
	})
	notes := []string{"good", "panic", "good", "fault", "good", "misfit", "good", "short", "good"}
	errs := make([]error, len(notes))
	var all sync.WaitGroup
	for i := range notes {
		all.Go(func() { errs[i] = b.Do(&row{int64(i), notes[i]}, 1) })
	}
	time.Sleep(20 * time.Millisecond)
	close(gate)
	all.Wait()
	for i, err := range errs {
		if (err != nil) != (notes[i] != "good") {
			t.Errorf("%s member %d: %v", notes[i], i, err)
		}
	}
	if n := count(t, s); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
}

func TestNothingIsKeptAfterAFailedStatement(t *testing.T) {
	t.Parallel()
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, "there"}})
		return err
	})
	err := s.Write(func(tx *store.Tx) error {
		_, _ = store.Each(tx, addProbe, []row{{2, "before"}, {1, "again"}}) // the caller does not look
		_, _ = store.Each(tx, addProbe, []row{{3, "after"}})
		return nil
	})
	if err == nil {
		t.Error("a transaction with a failed statement was committed")
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestHeavyAndLightMembersTakeTurns(t *testing.T) {
	t.Parallel()
	s := open(t)
	var mu sync.Mutex
	var order []string
	gate := make(chan struct{})
	b := store.NewBatch(s, "turns", 1, func(_ *store.Tx, rows []*row) error {
		<-gate
		mu.Lock()
		defer mu.Unlock()
		order = append(order, rows[0].Note)
		return nil
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { _ = b.Do(&row{Note: "heavy"}, 1000) })
		all.Go(func() { _ = b.Do(&row{Note: "light"}, 60) }) // four fill a group
	}
	time.Sleep(50 * time.Millisecond)
	close(gate)
	all.Wait()
	// Five groups of light ones among twenty heavy ones: while both wait, neither goes twice.
	last := 0
	for i, kind := range order {
		if kind == "light" {
			last = i
		}
	}
	if last > 12 {
		t.Errorf("light members waited behind heavy ones: %v", order)
	}
	for i := 3; i <= last; i++ {
		if order[i] == order[i-1] {
			t.Errorf("two %s groups in a row while others waited: %v", order[i], order)
			break
		}
	}
}

func TestALargeMemberIsNotPassedForEver(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := newProbes(s)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_ = p.Do(&row{int64(g*1_000_000 + i), "small"}, 60)
				}
			}
		})
	}
	for i := range 10 {
		if err := p.Do(&row{int64(-1 - i), "large"}, 64); err != nil {
			t.Error(err)
		}
		if err := s.Write(func(*store.Tx) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	all.Wait()
}

func TestATransactionWithinATransactionIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	var inner error
	write(t, s, func(tx *store.Tx) error {
		tx.After(func() { panic("planted; it must cost nobody anything") })
		inner = s.Write(func(*store.Tx) error { return nil })
		return nil
	})
	if inner == nil {
		t.Error("it was not refused")
	}
	write(t, s, func(*store.Tx) error { return nil })
}

func TestAfterIsCalledOnceTheTransactionIsOnDisk(t *testing.T) {
	t.Parallel()
	s := open(t)
	seen, called := -1, false
	write(t, s, func(tx *store.Tx) error {
		tx.After(func() { seen = count(t, s) })
		_, err := store.Each(tx, addProbe, []row{{1, "x"}})
		return err
	})
	if seen != 1 {
		t.Errorf("After saw %d rows, want 1", seen)
	}
	_ = s.Write(func(tx *store.Tx) error {
		tx.After(func() { called = true })
		return errors.New("no")
	})
	if called {
		t.Error("After was called for a transaction that failed")
	}
}

func TestClosingAnswersEverybody(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := openProbe(t, opt)
	p := newProbes(s)
	var kept, refused atomic.Int64
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 200 {
				err := p.Do(&row{int64(g*1000 + i), "x"}, 1)
				if err == nil {
					kept.Add(1)
					continue
				}
				if !fault.Is(err, fault.NotReady) {
					t.Error(err)
				}
				refused.Add(1)
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	all.Wait()
	again := openIn(t, opt)
	if n := count(t, again); n != int(kept.Load()) {
		t.Errorf("%d rows for %d members told that theirs is on disk", n, kept.Load())
	}
	if refused.Load() == 0 {
		t.Log("everybody was done before the end; this run proved less")
	}
}

func TestEachAndFindReadBackWhatWasStored(t *testing.T) {
	t.Parallel()
	type kind string
	type small int16
	type wide struct {
		ID    int64
		Small small
		Byte  int8
		Whole int
		Name  kind
		Raw   []byte
		Mid   int32
	}
	s := open(t)
	raw := "blob"
	if storetest.Postgres() {
		raw = "bytea"
	}
	execute(t, s, "CREATE TABLE wide (id bigint, small smallint, byte smallint, whole bigint, name text, raw "+raw+", mid integer)")
	var next int64
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) wide {
			next++
			return wide{
				next, small(rapid.Int16().Draw(rt, "small")), rapid.Int8().Draw(rt, "byte"), rapid.Int().Draw(rt, "whole"),
				kind(strings.ReplaceAll(rapid.String().Draw(rt, "name"), "\x00", "")), rapid.SliceOf(rapid.Byte()).Draw(rt, "raw"), rapid.Int32().Draw(rt, "mid"),
			}
		}), 1, 20).Draw(rt, "rows")
		err := s.Write(func(tx *store.Tx) error {
			n, err := store.Each(tx, "INSERT INTO wide VALUES ($1, $2, $3, $4, $5, $6, $7)", rows)
			if err != nil {
				return err
			}
			ids := make([]int64, len(rows)+1)
			ids[len(rows)] = -1
			for i, r := range rows {
				if ids[i] = r.ID; n[i] != 1 {
					return fmt.Errorf("row %d touched %d", i, n[i])
				}
			}
			found, err := store.Find[wide](tx, "SELECT * FROM wide WHERE id = $1", ids)
			if err != nil || len(found) != len(rows) {
				return fmt.Errorf("%d rows found of %d, %w", len(found), len(rows), err)
			}
			for i, f := range found {
				if f.Of != i || fmt.Sprintf("%+v", f.Row) != fmt.Sprintf("%+v", rows[i]) {
					return fmt.Errorf("row %d is %+v, want %+v", i, f, rows[i])
				}
			}
			firsts, err := store.First[kind](tx, "SELECT name FROM wide WHERE id = $1", ids)
			if err != nil || firsts[len(rows)] != nil || *firsts[0] != rows[0].Name {
				return fmt.Errorf("firsts: %v, %w", firsts, err)
			}
			n, err = store.Each(tx, "UPDATE wide SET mid = mid WHERE id = $1", []int64{rows[0].ID, -1})
			if err != nil || n[0] != 1 || n[1] != 0 {
				return fmt.Errorf("an update touched %v, %w", n, err)
			}
			back, err := store.First[int64](tx, "DELETE FROM wide WHERE id = $1 RETURNING id", ids[:1])
			if err != nil || *back[0] != ids[0] {
				return fmt.Errorf("a deletion returned %v, %w", back, err)
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func TestPlacesMayBeOutOfOrderAndRepeated(t *testing.T) {
	t.Parallel()
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		if _, err := store.Each(tx, "INSERT INTO probe (note, id) VALUES (CAST($2 AS text) || $2 || '/' || CAST($1 AS bigint), $1)", []row{{5, "ab"}}); err != nil {
			return err
		}
		got, err := store.First[row](tx, "SELECT id, note FROM probe WHERE id = $2 AND id + 0 = $2 AND $1 = 'k'", []struct {
			K  string
			ID int64
		}{{"k", 5}})
		if err != nil || got[0] == nil || got[0].Note != "abab/5" {
			return fmt.Errorf("got %+v, %w", got, err)
		}
		return nil
	})
	var note string
	err := s.Reader().QueryRowContext(t.Context(), "SELECT note FROM probe WHERE $2 = 'k' AND id = $1 AND id = $1", 5, "k").Scan(&note)
	if err != nil || note != "abab/5" {
		t.Errorf("the reader got %q, %v", note, err)
	}
	stmt, err := s.Reader().PrepareContext(t.Context(), "SELECT note FROM probe WHERE $2 = 'k' AND id = $1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stmt.Close() }()
	if err := stmt.QueryRow(5, "k").Scan(&note); err != nil || note != "abab/5" {
		t.Errorf("the prepared query got %q, %v", note, err)
	}
}

func TestRowsThatDoNotFitAreAnErrorNotAPanic(t *testing.T) {
	t.Parallel()
	s := open(t)
	write(t, s, func(tx *store.Tx) error {
		_, err := store.Each(tx, addProbe, []row{{1, "x"}})
		return err
	})
	for name, f := range map[string]func(*store.Tx) error{
		"text into an integer": func(tx *store.Tx) error {
			_, err := store.Find[int64](tx, "SELECT note FROM probe WHERE id = $1", []int64{1})
			return err
		},
		"null": func(tx *store.Tx) error {
			_, err := store.Find[int64](tx, "SELECT NULL WHERE $1 = 1", []int64{1})
			return err
		},
		"too many columns": func(tx *store.Tx) error {
			_, err := store.Find[int64](tx, "SELECT id, note FROM probe WHERE id = $1", []int64{1})
			return err
		},
		"no statement": func(tx *store.Tx) error {
			_, err := store.Each(tx, "SELEKT $1", []int64{1})
			return err
		},
	} {
		if err := s.Write(f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestRowsThatGoOutTogetherFailTheirOwnMemberAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := add(s, row{7, "first"}); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	b := store.NewBatch(s, "put off", 1, func(tx *store.Tx, rows []*row) error {
		<-gate
		values := make([]row, len(rows))
		for i, r := range rows {
			values[i] = *r
		}
		return store.Run(tx, addProbe, values) // which PostgreSQL may hear of with the commit
	})
	errs := make([]error, 10)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = b.Do(&row{int64(i), "x"}, 1) })
	}
	time.Sleep(20 * time.Millisecond)
	close(gate)
	all.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 7) {
			t.Errorf("member %d: %v", i, err)
		}
	}
	if n := count(t, s); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
}

func TestQueriesAfterRowsThatFailedAreNotKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := add(s, row{1, "there"}); err != nil {
		t.Fatal(err)
	}
	err := s.Write(func(tx *store.Tx) error {
		_ = store.Run(tx, addProbe, []row{{1, "again"}})
		_, _ = tx.Queries().ExecContext(tx.Context(), "INSERT INTO probe (id, note) VALUES (2, 'after')") // nobody looks
		return nil
	})
	if err == nil {
		t.Error("a transaction with a failed statement was committed")
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if err := add(s, row{3, "next"}); err != nil {
		t.Error(err)
	}
}

func TestRunStoresWhatEachStores(t *testing.T) {
	t.Parallel()
	type wide struct {
		ID    int64
		Small int16
		Name  string
		Raw   []byte
		Mid   int32
	}
	s := open(t)
	raw := "blob"
	if storetest.Postgres() {
		raw = "bytea"
	}
	execute(t, s, "CREATE TABLE wide (id bigint NOT NULL PRIMARY KEY, small smallint, name text, raw "+raw+", mid integer)")
	const (
		plain  = "INSERT INTO wide (id, small, name, raw, mid) VALUES ($1, $2, $3, $4, $5)"
		mixed  = "INSERT INTO wide (mid, name, id, raw, small) VALUES ($5, $3, $1, $4, $2)"
		once   = plain + " ON CONFLICT (id) DO NOTHING"
		latest = plain + " ON CONFLICT (id) DO UPDATE SET name = excluded.name, raw = excluded.raw"
		all    = "SELECT id, small, name, raw, mid FROM wide WHERE id >= $1 ORDER BY id"
	)
	rapid.Check(t, func(rt *rapid.T) {
		stmt := rapid.SampledFrom([]string{plain, mixed, once, latest}).Draw(rt, "statement")
		keys := rapid.Int64Range(1, 30)
		rows := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) wide {
			return wide{keys.Draw(rt, "id"), rapid.Int16().Draw(rt, "small"), rapid.String().Draw(rt, "name"), rapid.SliceOf(rapid.Byte()).Draw(rt, "raw"), rapid.Int32().Draw(rt, "mid")}
		}), 0, 40).Draw(rt, "rows")
		var got [2][]store.Found[wide]
		var errs [2]error
		for i, run := range []func(*store.Tx) error{
			func(tx *store.Tx) error { _, err := store.Each(tx, stmt, rows); return err },
			func(tx *store.Tx) error { return store.Run(tx, stmt, rows) },
		} {
			errs[i] = s.Write(func(tx *store.Tx) (err error) {
				if err := store.Run(tx, "DELETE FROM wide WHERE id >= $1", []int64{0}); err != nil {
					return err
				}
				if err := run(tx); err != nil {
					return err
				}
				got[i], err = store.Find[wide](tx, all, []int64{0})
				return err
			})
		}
		if (errs[0] == nil) != (errs[1] == nil) || errs[0] == nil && fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", got[1]) {
			rt.Fatalf("each: %v, %+v\nrun:  %v, %+v", errs[0], got[0], errs[1], got[1])
		}
	})
}
