package rate_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"tidings.dev/internal/rate"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var who = rate.Name{Of: "messages", ID: 7}

func take(t testing.TB, m *rate.Meters, n int, l rate.Limit) rate.Share {
	t.Helper()
	s, err := m.Take(who, n, l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestABurstIsThereAgainWithTime(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	m := rate.New(s)
	l := rate.Limit{PerMinute: 6, Burst: 3}
	for left := 2; left >= 0; left-- {
		if got := take(t, m, 1, l); !got.OK || got.Limit != 3 || got.Remaining != left || got.Full > time.Duration(3-left)*10*time.Second {
			t.Errorf("with %d left: %+v", left, got)
		}
	}
	got := take(t, m, 1, l)
	if got.OK || got.Wait <= 9*time.Second || got.Wait > 10*time.Second {
		t.Errorf("over it: %+v", got)
	}
	s.Shift(got.Wait)
	if got := take(t, m, 2, l); got.OK {
		t.Errorf("two for one: %+v", got)
	}
	if storetest.Postgres() {
		s.Shift(10*time.Second + 100*time.Millisecond) // a server that was refused two looks again when there are two
		if got := take(t, m, 2, l); !got.OK {
			t.Errorf("two after a wait: %+v", got)
		}
	} else if got := take(t, m, 1, l); !got.OK {
		t.Errorf("one after a wait: %+v", got)
	}
	s.Shift(time.Hour)
	if got := take(t, m, 3, l); !got.OK || got.Remaining != 0 {
		t.Errorf("the burst after an hour: %+v", got)
	}
	if got := take(t, m, 4, l); got.OK {
		t.Errorf("more than the burst: %+v", got)
	}
	if got := take(t, m, 1000, rate.Limit{}); !got.OK || got.Limit != 0 {
		t.Errorf("without a limit: %+v", got)
	}
	other, err := m.Take(rate.Name{Of: "messages", ID: 8}, 3, l)
	if err != nil || !other.OK {
		t.Errorf("another's: %+v (%v)", other, err)
	}
}

// TestNeverMoreThanTheLimit lets any pattern of asks run against the definition: in no span of time is more granted than the
// burst and what that time brings.
func TestNeverMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	var names atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		m, name := rate.New(s), rate.Name{Of: "x", ID: names.Add(1)}
		l := rate.Limit{PerMinute: rapid.SampledFrom([]int{1, 7, 60, 1000, 100_000}).Draw(t, "rate"), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		type grant struct {
			at time.Time
			n  int
		}
		var all []grant
		for range rapid.IntRange(1, 40).Draw(t, "asks") {
			n := rapid.IntRange(1, 20).Draw(t, "n")
			got, err := m.Take(name, n, l)
			if err != nil {
				t.Fatal(err)
			}
			if got.OK {
				all = append(all, grant{s.Now(), n})
			} else if n <= l.Burst && rapid.Bool().Draw(t, "wait") {
				s.Shift(got.Wait + 100*time.Millisecond) // the clocks of a server and its database differ
				if got, err := m.Take(name, n, l); err != nil || !got.OK {
					t.Fatalf("%d were refused after the wait: %+v, %v", n, got, err)
				}
				all = append(all, grant{s.Now(), n})
			}
			s.Shift(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "pause")) * time.Millisecond)
		}
		for i := range all {
			sum := 0
			for _, g := range all[i:] {
				sum += g.n
				most := float64(l.Burst) + (g.at.Sub(all[i].at)+5*time.Millisecond).Minutes()*float64(l.PerMinute)
				if !storetest.Postgres() && float64(sum) > most+1e-3 {
					t.Fatalf("%d in %s with %+v", sum, g.at.Sub(all[i].at), l)
				}
			}
		}
	})
}

func TestManyAtOnceHaveTheBurstTogether(t *testing.T) {
	t.Parallel()
	m := rate.New(storetest.Open(t))
	if n := storm(t, rate.Limit{PerMinute: 1, Burst: 100}, m); n != 100 {
		t.Errorf("%d were granted of 100", n)
	}
}

// storm asks from many sides at once and returns how many were granted.
func storm(t *testing.T, l rate.Limit, meters ...*rate.Meters) int {
	t.Helper()
	var all sync.WaitGroup
	var granted atomic.Int64
	for i := range 50 {
		all.Go(func() {
			for range 20 {
				if got, err := meters[i%len(meters)].Take(who, 1, l); err != nil {
					t.Error(err)
				} else if got.OK {
					granted.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(granted.Load())
}

// TestServersShareALimit has three servers on one database, and asks them far more often than they ask it.
func TestServersShareALimit(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("SQLite has one server")
	}
	opt := storetest.Options(t)
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	var meters []*rate.Meters
	var one *store.Store
	for range 3 {
		own := opt
		own.Dir, own.MasterKey = t.TempDir(), string(key)
		s, err := store.Open(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		meters, one = append(meters, rate.New(s)), s
	}
	l := rate.Limit{PerMinute: 1, Burst: 400}
	if n := storm(t, l, meters...); n < 300 || n > 401 {
		t.Errorf("three servers granted %d of 400", n)
	}
	var rows int
	if err := one.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM allowance").Scan(&rows); rows != 1 || err != nil {
		t.Errorf("%d rows (%v)", rows, err)
	}
	one.Shift(24 * time.Hour)
	for more := true; more; {
		if err := one.Write(func(tx *store.Tx) (err error) {
			more, err = rate.Drop(tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM allowance").Scan(&rows); rows != 0 || err != nil {
		t.Errorf("%d rows are left (%v)", rows, err)
	}
}
