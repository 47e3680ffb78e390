package store

import (
	"context"
	"fmt"
	"sync"
)

// versions tells how often each topic has been touched.
type versions struct {
	mu    sync.RWMutex
	stamp map[string]int64
}

func (v *versions) of(topic string) int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.stamp[topic]
}

// bump counts what this process touched. The count is kept above the table's, so that a read which began before the
// commit is never taken for the news.
func (v *versions) bump(topics []string) {
	if len(topics) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range topics {
		v.stamp[t]++
	}
}

// loadVersions takes over what other processes touched.
func (s *Store) loadVersions(ctx context.Context) error {
	rows, err := s.readers.QueryContext(ctx, "SELECT topic, n FROM version")
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	s.versions.mu.Lock()
	defer s.versions.mu.Unlock()
	if s.versions.stamp == nil {
		s.versions.stamp = map[string]int64{}
	}
	for rows.Next() {
		var topic string
		var n int64
		if err := rows.Scan(&topic, &n); err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		s.versions.stamp[topic] = max(n, s.versions.stamp[topic])
	}
	return rows.Err()
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
