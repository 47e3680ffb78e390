package store

import "errors"

// Batch is one kind of change whose concurrent callers share transactions.
type Batch[T any] struct {
	store *Store
	batch *batch
}

// NewBatch returns a batch. Within a transaction batches run in ascending order.
//
// apply writes the rows of all members and puts each one's own outcome into it: a condition that does not hold is that
// member's fault and no error. An error fails the whole transaction; apply is then called again for each member alone, so it
// must not depend on what it left in a member before.
func NewBatch[T any](s *Store, name string, order int, apply func(tx *Tx, members []*T) error) *Batch[T] {
	b := &batch{name: name, order: order}
	b.apply = func(tx *Tx, values []any) error {
		members := make([]*T, len(values))
		for i, v := range values {
			members[i] = v.(*T)
		}
		return apply(tx, members)
	}
	return &Batch[T]{s, b}
}

// Do returns when the member's rows are on disk, or with the reason why nothing of it is. rows is about how many the
// member writes: it decides who shares a transaction with whom.
func (b *Batch[T]) Do(value *T, rows int) error {
	return b.store.writer.do(&member{batch: b.batch, value: value, rows: rows})
}

// Write runs f in a transaction of its own and returns when it is on disk. f must not call back into the store's
// writing functions: they would wait for f's own end.
func (s *Store) Write(f func(tx *Tx) error) error {
	if s.writer.inside() {
		return errors.New("a transaction within a transaction: it would wait for itself for ever")
	}
	once := &batch{name: "write", apply: func(tx *Tx, _ []any) error { return f(tx) }}
	return s.writer.do(&member{batch: once, rows: heavyRows + 1})
}
