package audit

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// Filter says which entries a list has. What is left empty takes all.
type Filter struct {
	Account      account.ID
	Action       string // how the action begins, such as "key."
	Actor        string // whole
	Since, Until time.Time
	Before       id.Of[Entry] // older than this one
	Limit        int
}

// Of a page with a filter so many entries are looked at, a share at a time.
const (
	lookAt = 5000
	share  = 500
)

// List returns entries, newest first, and where the next page begins; 0: there is none. A page with a filter may be short, or
// empty, and yet have a next one.
func List(ctx context.Context, s *store.Store, f Filter) (entries []Entry, next id.Of[Entry], err error) {
	before := int64(math.MaxInt64)
	if !f.Until.IsZero() {
		before = int64(id.At[Entry](f.Until))
	}
	if f.Before != 0 {
		before = min(before, int64(f.Before))
	}
	page := share
	if f.Action == "" && f.Actor == "" {
		page = f.Limit + 1
	}
	for range lookAt / share {
		rows, err := f.read(ctx, s, before, page)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range rows {
			if len(entries) == f.Limit {
				return entries, entries[f.Limit-1].ID, nil
			}
			before = r.ID
			if e := entryOf(r); f.takes(e) {
				entries = append(entries, e)
			}
		}
		if len(rows) < page {
			return entries, 0, nil
		}
	}
	return entries, id.Of[Entry](before), nil
}

func (f Filter) read(ctx context.Context, s *store.Store, before int64, page int) (rows []auditRecord, err error) {
	since := int64(0)
	if !f.Since.IsZero() {
		since = int64(id.At[Entry](f.Since))
	}
	if f.Account == 0 {
		rows, err = on(s.Reader()).EntriesOfAll(ctx, entriesOfAllParams{Before: before, Since: since, Page: int64(page)})
	} else {
		rows, err = on(s.Reader()).EntriesOf(ctx, entriesOfParams{AccountID: f.Account, Before: before, Since: since, Page: int64(page)})
	}
	if err != nil {
		return nil, fmt.Errorf("list the audit log: %w", err)
	}
	return rows, nil
}

func (f Filter) takes(e Entry) bool {
	return strings.HasPrefix(e.Action, f.Action) && (f.Actor == "" || f.Actor == e.Actor.Name)
}

func entryOf(r auditRecord) Entry {
	return Entry{
		ID: id.Of[Entry](r.ID), Account: r.AccountID, Actor: Actor{r.Actor, r.Address}, Action: r.Action, Subject: r.Subject, Detail: r.Detail,
		Was: r.Was, Became: r.Became,
	}
}
