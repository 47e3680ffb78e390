// Package audit is the append-only log of who did what. Nothing changes or removes a row of it but the end of its
// retention.
package audit

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// Actor is who did something, and from where.
type Actor struct {
	Name    string // "key:<id>", "user:<id>", "cli", "system"
	Address string // the remote address, if any
}

// CLI is the operator at the command line.
var CLI = Actor{Name: "cli"}

// System is Tidings itself.
var System = Actor{Name: "system"}

// Entry is one deed. It holds no secret.
type Entry struct {
	ID      id.Of[Entry]
	Account account.ID
	Actor   Actor
	Action  string // such as "key.create"
	Subject string // the id of what it was done to
	Detail  string
}

// Append stores entries with the transaction of what they are about.
func Append(tx *store.Tx, entries ...Entry) error {
	rows := make([]addEntryParams, len(entries))
	for i, e := range entries {
		rows[i] = addEntryParams{ID: tx.NewID(), AccountID: e.Account, Actor: e.Actor.Name, Action: e.Action, Subject: e.Subject, Detail: e.Detail, Address: e.Actor.Address}
	}
	if err := store.Run(tx, addEntry, rows); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return nil
}

// List returns an account's entries before the given one (zero: from the newest), newest first.
func List(ctx context.Context, s *store.Store, a account.ID, before id.Of[Entry], page int) ([]Entry, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := on(s.Reader()).EntriesOf(ctx, entriesOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list the audit log: %w", err)
	}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = Entry{id.Of[Entry](r.ID), r.AccountID, Actor{r.Actor, r.Address}, r.Action, r.Subject, r.Detail}
	}
	return entries, nil
}

// Drop deletes some of the entries made before the given time, and tells whether there may be more.
func Drop(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropEntries, []dropEntriesParams{{Before: int64(id.At[Entry](before))}})
	if err != nil {
		return false, fmt.Errorf("drop audit entries: %w", err)
	}
	return n[0] > 0, nil
}
