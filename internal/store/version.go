package store

import (
	"context"
	"fmt"
	"sync"
)

// versions tells how often each topic has been touched: as the table said when it was last read, and here besides. The two
// counts are kept apart, since a reading may or may not hold what was committed here meanwhile; a touch that is counted twice
// costs one more load, one that is missed would never be made good.
type versions struct {
	mu    sync.RWMutex
	table map[string]int64
	sum   int64 // of the table
	here  map[string]int64
}

func (v *versions) of(topic string) int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.table[topic] + v.here[topic]
}

// bump counts what this process touched.
func (v *versions) bump(topics []string) {
	if len(topics) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.here == nil {
		v.here = map[string]int64{}
	}
	for _, t := range topics {
		v.here[t]++
	}
}

// loadVersions takes over what other processes touched.
func (s *Store) loadVersions(ctx context.Context) error {
	rows, err := s.Reader().QueryContext(ctx, "SELECT topic, n FROM version")
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	table := map[string]int64{}
	for rows.Next() {
		var topic string
		var n int64
		if err := rows.Scan(&topic, &n); err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		table[topic] = n
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	s.versions.load(table)
	return nil
}

// load takes over what the table says.
func (v *versions) load(table map[string]int64) {
	sum := int64(0)
	for _, n := range table {
		sum += n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.table, v.sum = table, sum
}

// touched is called with what a transaction of this process touched. Where others write too, every transaction begins with
// a look at the table's sum, which must be as it was read last, or all is read again.
func (s *Store) touched(topics []string) {
	if len(topics) == 0 || s.Shared() && s.loadVersions(context.Background()) == nil {
		return
	}
	s.versions.bump(topics)
}

// freshen reads the table again if its sum says that another process touched something since.
func (s *Store) freshen(sum int64) error {
	s.versions.mu.RLock()
	same := s.versions.sum == sum
	s.versions.mu.RUnlock()
	if same {
		return nil
	}
	return s.loadVersions(context.Background())
}

// Cached is something kept in memory and read again when its topic was touched, by whichever process.
type Cached[T any] struct {
	store *Store
	topic string
	load  func(context.Context, Queryer) (T, error)
	mu    sync.Mutex
	have  bool
	stamp int64
	value T
}

// NewCached returns a cache that load fills.
func NewCached[T any](s *Store, topic string, load func(context.Context, Queryer) (T, error)) *Cached[T] {
	return &Cached[T]{store: s, topic: topic, load: load}
}

// Get returns the value as of the last touch. The caller must not change what it holds.
func (c *Cached[T]) Get(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp := c.store.versions.of(c.topic)
	if c.have && c.stamp == stamp {
		return c.value, nil
	}
	value, err := c.load(ctx, c.store.Reader())
	if err != nil {
		return value, fmt.Errorf("load %s: %w", c.topic, err)
	}
	c.have, c.stamp, c.value = true, stamp, value
	return value, nil
}
