package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A lease is what one process of those that serve a database has at a time. It lasts as long as the process lives: all that
// a process writes is refused once it is dead, so that nobody writes by a lease that has gone. Whoever does something outside
// the database by it must stop when Current says so. Where one process serves alone it has every lease.

// Grace is how long the lease of a dead process stays taken if it was taken for something outside the database that must
// never be there twice: a dead process may only seem dead. It counts from when the process was last heard of.
const Grace = 30 * time.Second

// trust is how long a process may take itself for alive without an answer from the database: less than Grace.
const trust = 20 * time.Second

const (
	takeLease = `INSERT INTO lease (name, node, epoch, grace) VALUES ($1, $2, 1, $3)
		ON CONFLICT (name) DO UPDATE SET node = excluded.node, epoch = lease.epoch + 1, grace = excluded.grace, expires_at = 0
		WHERE lease.node = excluded.node OR lease.node = 0 AND lease.expires_at <= $4 RETURNING epoch`
	giveLease  = `UPDATE lease SET node = 0, expires_at = 0 WHERE name = $1 AND node = $2 AND epoch = $3`
	freeLeases = `UPDATE lease SET node = 0, expires_at = CASE WHEN grace = 0 THEN 0
			ELSE grace + (SELECT n.seen_at FROM node AS n WHERE n.boot = lease.node) END
		WHERE node = $1`
	lookAtLease = `SELECT count(*) FROM lease AS l WHERE l.name = $1 AND l.node <> $2 AND (l.node <> 0 OR l.expires_at > $3)`
	holdsLease  = `SELECT epoch FROM lease WHERE name = $1 AND node = $2 AND epoch = $3`
	heldLeases  = `SELECT name, node FROM lease WHERE name >= $1 AND name < $2 AND node <> 0`
)

type takeLeaseParams struct {
	Name             string
	Node, Grace, Now int64
}

// Lease is a name that this process has.
type Lease struct {
	Name  string
	Boot  int64 // the start of the server that took it
	Epoch int64 // how often it was taken
}

// Take takes the lease of a name, or returns nil when another process has it. grace is 0 or Grace.
func (s *Store) Take(ctx context.Context, name string, grace time.Duration) (lease *Lease, err error) {
	if s.node == nil {
		return &Lease{Name: name, Boot: s.Boot()}, nil
	}
	var taken int
	if err := s.Reader().QueryRowContext(ctx, lookAtLease, name, s.Boot(), s.Now().UnixMilli()).Scan(&taken); err != nil || taken > 0 {
		return nil, err // most asks are in vain, and those write nothing
	}
	err = s.Write(func(tx *Tx) error {
		boot := tx.Boot()
		epochs, err := First[int64](tx, takeLease, []takeLeaseParams{{name, boot, grace.Milliseconds(), tx.NowMilli()}})
		if lease = nil; err == nil && epochs[0] != nil {
			lease = &Lease{name, boot, *epochs[0]}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take the lease of %s: %w", name, err)
	}
	return lease, nil
}

// Give gives a lease back, and tells the other processes. It tries until it can, or ctx ends.
func (s *Store) Give(ctx context.Context, l *Lease) error {
	if s.node == nil {
		return nil
	}
	for {
		err := s.Write(func(tx *Tx) error {
			return errors.Join(Run(tx, giveLease, []Lease{*l}), tx.Wake([]string{l.Name}))
		})
		if err == nil || s.Closing() || s.Broken() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("give the lease of %s back: %w", l.Name, err)
		case <-time.After(outagePause):
		}
	}
}

// Holds reports whether the lease is still this process's. What the transaction writes is then on disk before anybody else takes it.
func (tx *Tx) Holds(l *Lease) (bool, error) {
	if tx.store.node == nil {
		return true, nil
	}
	epochs, err := First[int64](tx, holdsLease, []Lease{*l})
	if err != nil {
		return false, fmt.Errorf("look at the lease of %s: %w", l.Name, err)
	}
	return epochs[0] != nil && l.Boot == tx.Boot(), nil
}

// Held tells who has the leases of the names from one to before another.
func (s *Store) Held(ctx context.Context, from, before string) (map[string]int64, error) {
	if s.node == nil {
		return nil, nil
	}
	rows, err := s.Reader().QueryContext(ctx, heldLeases, from, before)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	defer func() { _ = rows.Close() }()
	held := map[string]int64{}
	for rows.Next() {
		var name string
		var boot int64
		if err := rows.Scan(&name, &boot); err != nil {
			return nil, fmt.Errorf("list leases: %w", err)
		}
		held[name] = boot
	}
	return held, rows.Err()
}

// Current reports whether what is done by the lease may go on: nobody can have taken it yet.
func (s *Store) Current(l *Lease) bool {
	return s.node == nil || l.Boot == s.Boot() && time.Since(*s.node.heardOf.Load()) < trust
}
