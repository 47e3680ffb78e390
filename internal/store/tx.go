package store

import (
	"context"
	"fmt"
	"time"
)

// Tx is a running transaction. It is used by one goroutine.
type Tx struct {
	ctx    context.Context
	store  *Store
	conn   connection
	now    time.Time
	after  []func()
	topics []string
	failed error // of a statement; the transaction is then not kept
}

// Queries is for generated queries inside the transaction.
func (tx *Tx) Queries() Queryer { return tx.conn.queries() }

// Context is the transaction's own: it does not end with any caller's.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Now is the time of the transaction: the same for all that it writes.
func (tx *Tx) Now() time.Time { return tx.now }

// NowMilli is Now in Unix milliseconds, as times are stored.
func (tx *Tx) NowMilli() int64 { return tx.now.UnixMilli() }

// NewID returns a fresh key.
func (tx *Tx) NewID() int64 { return tx.store.ids.Load().Next(tx.now) }

// Boot is the number of this start of the server.
func (tx *Tx) Boot() int64 { return tx.store.Boot() }

// After has f called once the transaction is on disk. f must be quick and must not write.
func (tx *Tx) After(f func()) { tx.after = append(tx.after, f) }

// Shrink gives some of the space of deleted rows back to the file system, and tells whether there is more: the same again gives
// that. A part stays for what comes next.
func (tx *Tx) Shrink() (more bool, err error) { return tx.conn.shrink(tx.ctx) }

// Touch tells every process, this one at once, that what is kept in memory under the topic has changed.
func (tx *Tx) Touch(topic string) error {
	const bump = `INSERT INTO version (topic, n) VALUES ($1, 1) ON CONFLICT (topic) DO UPDATE SET n = version.n + 1`
	if err := Run(tx, bump, []string{topic}); err != nil {
		return fmt.Errorf("touch %s: %w", topic, err)
	}
	tx.topics = append(tx.topics, topic)
	return nil
}

// Seal encrypts a secret for the named place, such as "webhook/17". It opens there only.
func (s *Store) Seal(place, secret string) (string, error) { return s.sealer.seal(place, secret) }

// Unseal opens what Seal made for the same place.
func (s *Store) Unseal(place, sealed string) (string, error) { return s.sealer.unseal(place, sealed) }
