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
		WHERE lease.node = excluded.node OR lease.node = 0 AND lease.expires_at <= $4`
	giveLease  = `UPDATE lease SET node = 0, expires_at = 0 WHERE name = $1 AND node = $2`
	freeLeases = `UPDATE lease SET node = 0, expires_at = CASE WHEN grace = 0 THEN 0
			ELSE grace + (SELECT n.seen_at FROM node AS n WHERE n.boot = lease.node) END
		WHERE node = $1`
	heldLeases = `SELECT name, node FROM lease WHERE name >= $1 AND name < $2 AND node <> 0`
)

type takeLeaseParams struct {
	Name             string
	Node, Grace, Now int64
}

type giveLeaseParams struct {
	Name string
	Node int64
}

// Take takes the lease of a name and reports whether this process has it now. grace is 0 or Grace.
func (s *Store) Take(name string, grace time.Duration) (mine bool, err error) {
	if s.node == nil {
		return true, nil
	}
	err = s.Write(func(tx *Tx) error {
		n, err := Each(tx, takeLease, []takeLeaseParams{{name, tx.Boot(), grace.Milliseconds(), tx.NowMilli()}})
		mine = err == nil && n[0] == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take the lease of %s: %w", name, err)
	}
	return mine, nil
}

// Give gives the lease of a name back, and tells the other processes. It tries until it can, or ctx ends.
func (s *Store) Give(ctx context.Context, name string) error {
	if s.node == nil {
		return nil
	}
	for {
		err := s.Write(func(tx *Tx) error {
			return errors.Join(Run(tx, giveLease, []giveLeaseParams{{name, tx.Boot()}}), tx.Wake([]string{name}))
		})
		if err == nil || s.Closing() || s.Broken() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("give the lease of %s back: %w", name, err)
		case <-time.After(outagePause):
		}
	}
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

// Current reports whether what was done by the leases of the given start may go on: nobody can have taken them yet.
func (s *Store) Current(boot int64) bool {
	return s.node == nil || boot == s.Boot() && time.Since(*s.node.heardOf.Load()) < trust
}
