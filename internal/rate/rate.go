// Package rate keeps how much each of many may still do at this moment. Servers of one database share what there is: each leases
// a part of it in advance, so that most requests ask nobody.
package rate

import (
	"fmt"
	"math"
	"sync"
	"time"

	"tidings.dev/internal/store"
)

// Limit is how much may be done. A limit of 0 a minute is none.
type Limit struct {
	PerMinute int
	Burst     int // at once after a pause
}

// span is how long n take up.
func (l Limit) span(n int) time.Duration {
	return time.Duration(float64(n) * float64(time.Minute) / float64(l.PerMinute))
}

// Name is whose limit it is, and of what.
type Name struct {
	Of string // such as "messages"
	ID int64
}

// Share is what is left of a limit.
type Share struct {
	OK        bool
	Limit     int // the burst; 0: there is no limit
	Remaining int
	Full      time.Duration // until all of it is there again
	Wait      time.Duration // until as much as was asked for is there
}

// Meters are the limits of this process.
type Meters struct {
	store *store.Store
	mu    sync.Mutex
	of    map[Name]*meter
	swept time.Time
}

// New returns meters that have seen nothing yet.
func New(s *store.Store) *Meters { return &Meters{store: s, of: map[Name]*meter{}} }

// meter is one limit: full is when all of it will be there again. Where several servers share it, full is what their row said
// last, and leased is what this one may take without asking.
type meter struct {
	mu      sync.Mutex
	full    time.Time
	leased  int
	since   time.Time // of the lease
	refused int       // so much was not there
	until   time.Time // before this
}

const (
	sweepEvery = time.Minute
	keepLease  = time.Minute // what is not used by then is given up
	leaseShare = 8           // a lease is this part of the burst
)

// Take uses up n of a limit, or nothing when there is less.
func (m *Meters) Take(name Name, n int, l Limit) (Share, error) {
	if l.PerMinute == 0 {
		return Share{OK: true}, nil
	}
	now := m.store.Now()
	one := m.meter(name, now)
	one.mu.Lock()
	defer one.mu.Unlock()
	if m.store.Shared() {
		return m.takeShared(one, name, n, l, now)
	}
	ok := one.spend(n, l, now)
	return one.share(ok, n, l, now), nil
}

// spend takes up the time of n when the burst has room for it.
func (o *meter) spend(n int, l Limit, now time.Time) bool {
	full := o.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.span(n))
	if full.Sub(now) > l.span(l.Burst)+time.Microsecond { // the spans are rounded
		return false
	}
	o.full = full
	return true
}

// left is how much of the limit is there.
func (o *meter) left(l Limit, now time.Time) int {
	used := max(o.full.Sub(now), 0)
	return max(0, int(math.Floor(float64(l.Burst)-float64(used)*float64(l.PerMinute)/float64(time.Minute)+1e-6)))
}

func (o *meter) share(ok bool, n int, l Limit, now time.Time) Share {
	s := Share{OK: ok, Limit: l.Burst, Remaining: min(o.left(l, now)+o.leased, l.Burst), Full: max(o.full.Sub(now), 0)}
	if ok {
		return s
	}
	wait := func(n int) time.Duration { return max(s.Full+l.span(n)-l.span(l.Burst), 0) }
	if s.Wait = wait(n - o.leased); s.Wait > keepLease { // by then the lease is gone
		s.Wait = wait(n)
	}
	return s
}

// meter is the meter with the name. One of which all is there is as good as none.
func (m *Meters) meter(name Name, now time.Time) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.swept) > sweepEvery {
		m.sweep(now)
	}
	one, ok := m.of[name]
	if !ok {
		one = &meter{}
		m.of[name] = one
	}
	return one
}

func (m *Meters) sweep(now time.Time) {
	m.swept = now
	for name, one := range m.of {
		if !one.mu.TryLock() {
			continue // it is in use
		}
		if one.full.Before(now) && now.Sub(one.since) > keepLease {
			delete(m.of, name)
		}
		one.mu.Unlock()
	}
}

// takeShared takes from the lease, or leases more.
func (m *Meters) takeShared(one *meter, name Name, n int, l Limit, now time.Time) (Share, error) {
	if now.Sub(one.since) > keepLease {
		one.leased = 0
	}
	if one.leased < n && (n < one.refused || !now.Before(one.until)) {
		if err := m.lease(one, name, n, l); err != nil {
			return Share{}, err
		}
		now = one.since // the row tells by the clock of the database
	}
	ok := one.leased >= n
	if ok {
		one.leased -= n
		return one.share(true, n, l, now), nil
	}
	s := one.share(false, n, l, now)
	one.refused, one.until = n, now.Add(s.Wait)
	return s, nil
}

// lease takes a part of what all servers have together: at least what is missing to n, else nothing.
func (m *Meters) lease(one *meter, name Name, n int, l Limit) error {
	row := fmt.Sprintf("%s/%d", name.Of, name.ID)
	var all meter
	var got int
	var at time.Time
	err := m.store.Write(func(tx *store.Tx) error {
		rows, err := store.First[int64](tx, allowance, []allowanceParams{{Name: row}})
		if err != nil {
			return err
		}
		all, got, at = meter{}, 0, tx.Now()
		if rows[0] != nil {
			all.full = time.UnixMicro(*rows[0])
		}
		missing := n - one.leased
		got = max(missing, min(l.Burst/leaseShare, all.left(l, at)))
		if !all.spend(got, l, at) {
			got = 0
			return nil
		}
		return store.Run(tx, setAllowance, []setAllowanceParams{{Name: row, FullAt: all.full.UnixMicro()}})
	})
	if err != nil {
		return fmt.Errorf("lease a part of a limit: %w", err)
	}
	one.full, one.since = all.full, at
	one.leased += got
	return nil
}

// Drop forgets some of the limits of which all is there, and tells whether there may be more.
func Drop(tx *store.Tx) (more bool, err error) {
	n, err := store.Each(tx, dropFull, []dropFullParams{{Now: tx.Now().UnixMicro()}})
	if err != nil {
		return false, fmt.Errorf("drop limits: %w", err)
	}
	return n[0] > 0, nil
}
