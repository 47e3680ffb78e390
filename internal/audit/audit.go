// Package audit is the append-only log of who did what. Nothing changes or removes a row of it but the end of its
// retention, and each row holds the hash of the one before, so that Verify finds what was changed all the same.
package audit

import (
	"encoding/json"
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
	Was     string // what was changed, as it was before, where that is useful
	Became  string // and after
}

// Values is what was changed, as Was and Became show it: JSON. That it fails is a mistake in this program.
func Values(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("tell the audit log of %T: %v", v, err))
	}
	return string(text)
}

// Append stores entries with the transaction of what they are about, each at the end of the chain.
func Append(tx *store.Tx, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	end, err := headOf(tx)
	if err != nil {
		return err
	}
	rows := make([]addEntryParams, len(entries))
	for i, e := range entries {
		end.Seq++
		rows[i] = addEntryParams{
			ID: tx.NewID(), AccountID: e.Account, Actor: e.Actor.Name, Action: e.Action, Subject: e.Subject, Detail: e.Detail,
			Address: e.Actor.Address, Seq: end.Seq, Previous: end.Hash, Was: e.Was, Became: e.Became,
		}
		end.Hash = hashOf(auditRecord(rows[i]))
	}
	if err := store.Run(tx, addEntry, rows); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return setHeadTo(tx, end)
}

// Drop deletes some of the entries made before the given time, and tells whether there may be more. The chain goes on from
// the oldest that stays.
func Drop(tx *store.Tx, before time.Time) (more bool, err error) {
	bound := int64(id.At[Entry](before))
	unchained, err := store.Each(tx, dropUnchained, []dropUnchainedParams{{Before: bound}})
	if err != nil {
		return false, fmt.Errorf("drop audit entries: %w", err)
	}
	end, err := headOf(tx)
	if err != nil {
		return false, err
	}
	oldest, err := store.Find[oldestEntriesRow](tx, oldestEntries, []oldestEntriesParams{{After: end.Oldest - 1}})
	if err != nil {
		return false, fmt.Errorf("find old audit entries: %w", err)
	}
	last := int64(0)
	for _, e := range oldest { // keys of several servers are not quite in the order of the chain
		if e.Row.ID >= bound {
			break
		}
		last = e.Row.Seq
	}
	if last == 0 {
		return unchained[0] > 0, nil
	}
	if err := store.Run(tx, dropEntries, []dropEntriesParams{{Last: last}}); err != nil {
		return false, fmt.Errorf("drop audit entries: %w", err)
	}
	end.Oldest = last + 1
	return true, setHeadTo(tx, end)
}
