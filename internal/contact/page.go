package contact

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const scan = 500 // members that are read at a time where all of a list are looked at

// Pick says which members of a list a page has, and in which order.
type Pick struct {
	Fits    func(*Contact) bool   // nil: everybody
	Since   time.Time             // changed then or later; zero: ever
	By      func(*Contact) string // what they are ordered by; nil: how long they have been known
	Down    bool
	Skipped int // of those who fit
	Page    int
}

// Members returns some of the members of a list, and how many fit in all. A page of everybody is read by itself; for anything else
// all members are looked at.
func (k *Keeper) Members(ctx context.Context, l List, p Pick) (page []Contact, total int, err error) {
	if p.Fits == nil && p.By == nil && p.Since.IsZero() {
		page, err = k.plainPage(ctx, l, p)
		return page, l.Members, err
	}
	type place struct {
		key string
		id  ID
	}
	var all []place
	err = k.each(ctx, l.ID, func(c *Contact) {
		if c.Updated.Before(p.Since) || p.Fits != nil && !p.Fits(c) {
			return
		}
		at := place{id: c.ID}
		if p.By != nil {
			at.key = p.By(c)
		}
		all = append(all, at)
	})
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })
	if p.Down {
		slices.Reverse(all)
	}
	for _, at := range all[min(p.Skipped, len(all)):min(p.Skipped+p.Page, len(all))] {
		r, err := on(k.store.Reader()).OneContact(ctx, oneContactParams{ID: at.id})
		if store.NoRows(err) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, 0, wrap("read a member", err)
		}
		page = append(page, contactOf(r))
	}
	return page, len(all), nil
}

// plainPage is a page of all members.
func (k *Keeper) plainPage(ctx context.Context, l List, p Pick) ([]Contact, error) {
	from, until := p.Skipped, min(p.Skipped+p.Page, l.Members)
	if p.Down {
		from, until = max(l.Members-p.Skipped-p.Page, 0), l.Members-p.Skipped
	}
	if from >= until {
		return nil, nil
	}
	rows, err := on(k.store.Reader()).MembersFrom(ctx, membersFromParams{ListID: int64(l.ID), Page: int64(until - from), Skipped: int64(from)})
	if err != nil {
		return nil, wrap("list members", err)
	}
	page := make([]Contact, len(rows))
	for i, r := range rows {
		page[i] = contactOf(r)
	}
	if p.Down {
		slices.Reverse(page)
	}
	return page, nil
}

// each hands over the members of a list, those known for longest first.
func (k *Keeper) each(ctx context.Context, which ListID, visit func(*Contact)) error {
	for after := ID(0); ; {
		rows, err := on(k.store.Reader()).MembersAfter(ctx, membersAfterParams{ListID: int64(which), After: after, Page: scan})
		if err != nil {
			return wrap("list members", err)
		}
		for _, r := range rows {
			c := contactOf(r)
			visit(&c)
			after = c.ID
		}
		if len(rows) < scan {
			return nil
		}
	}
}

// Alike are those members of a list who have the same as another member in all of the fields, but for the one known for longest: name,
// email, phone and the details can be compared. Who has none of it is like nobody.
func (k *Keeper) Alike(ctx context.Context, which ListID, fields []string) (who []ID, err error) {
	if len(fields) == 0 {
		return nil, fault.New(fault.MissingField, "something is compared").In("by")
	}
	for _, f := range fields {
		if !compares(f) {
			return nil, fault.New(fault.InvalidField, "members cannot be compared by this").In("by")
		}
	}
	fields = slices.Compact(slices.Sorted(slices.Values(fields))) // each costs its time with each member
	known := map[string]bool{}
	err = k.each(ctx, which, func(c *Contact) {
		parts := make([]string, len(fields))
		details := c.Details()
		for i, f := range fields {
			parts[i] = store.Fold(c.field(f, details))
		}
		key := strings.Join(parts, "\n")
		if known[key] {
			who = append(who, c.ID)
		}
		known[key] = strings.Trim(key, "\n") != ""
	})
	return who, err
}

// Numbered returns the contact of a number in the account, also by that of one who turned out to be it; false when there is none.
func (k *Keeper) Numbered(ctx context.Context, a account.ID, number int) (Contact, bool, error) {
	q := on(k.store.Reader())
	r, err := q.ContactNumbered(ctx, contactNumberedParams{AccountID: a, Number: int64(number)})
	if store.NoRows(err) {
		var into ID
		if into, err = q.MergedNumbered(ctx, mergedNumberedParams{AccountID: a, Number: int64(number)}); err == nil {
			r, err = q.OneContact(ctx, oneContactParams{ID: into})
		}
	}
	return found(r, err, a)
}

// ListNumbered returns the list of a number in the account.
func (k *Keeper) ListNumbered(ctx context.Context, a account.ID, number int) (List, error) {
	r, err := on(k.store.Reader()).ListNumbered(ctx, listNumberedParams{AccountID: a, Number: int64(number)})
	if store.NoRows(err) {
		return List{}, fault.New(fault.NotHere, "there is no list %d", number)
	}
	return listOf(r), wrap("read a list", err)
}

// Has tells whether a contact is in a list.
func (k *Keeper) Has(ctx context.Context, which ListID, who ID) (bool, error) {
	_, err := on(k.store.Reader()).IsMember(ctx, isMemberParams{ListID: int64(which), ContactID: who})
	if store.NoRows(err) {
		return false, nil
	}
	return err == nil, wrap("look for a member", err)
}

// AllLists returns all lists of an account, the oldest first.
func (k *Keeper) AllLists(ctx context.Context, a account.ID) ([]List, error) {
	list, err := k.Lists(ctx, a, 0, math.MaxInt32)
	slices.Reverse(list)
	return list, err
}
