package contact

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Filter says which contacts a list has: one of these at most.
type Filter struct {
	Query string // what a name, a word of it, the email, the phone or the user name begins with
	Tag   string
	List  ListID
}

// List returns a page of an account's contacts after a place (empty: from the beginning), and the next place; empty: there are no more.
// The newest come first; what was searched comes in the order of what was found.
func (k *Keeper) List(ctx context.Context, a account.ID, f Filter, after string, page int) (list []Contact, next string, err error) {
	if q := query(f.Query); q != "" {
		return k.search(ctx, a, q, after, page)
	}
	before := ID(math.MaxInt64)
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil {
			return nil, "", badPlace()
		}
		before = ID(n)
	}
	rows, err := k.rows(ctx, a, f, before, int64(page)+1)
	if err != nil {
		return nil, "", wrap("list contacts", err)
	}
	for _, r := range rows[:min(page, len(rows))] {
		list = append(list, contactOf(r))
	}
	if len(rows) > page {
		next = strconv.FormatInt(int64(list[page-1].ID), 10)
	}
	return list, next, nil
}

func badPlace() error { return fault.New(fault.InvalidCursor, "there is no such place in the list") }

func (k *Keeper) rows(ctx context.Context, a account.ID, f Filter, before ID, page int64) ([]contactRecord, error) {
	q := on(k.store.Reader())
	switch {
	case f.Tag != "":
		return q.ContactsTagged(ctx, contactsTaggedParams{AccountID: a, Tag: f.Tag, Before: before, Page: page})
	case f.List != 0:
		return q.ContactsListed(ctx, contactsListedParams{ListID: int64(f.List), Before: before, Page: page})
	}
	return q.ContactsOf(ctx, contactsOfParams{AccountID: a, Before: before, Page: page})
}

// query is what terms begin with that fit what was asked: a phone is found by its digits.
func query(text string) string {
	text = strings.Join(strings.Fields(store.Fold(text)), " ")
	if digits, ok := strings.CutPrefix(text, "+"); ok {
		return strings.ReplaceAll(digits, " ", "")
	}
	return text
}

// search finds contacts by what their terms begin with. Of several terms of one contact the first counts.
func (k *Keeper) search(ctx context.Context, a account.ID, q, after string, page int) (list []Contact, next string, err error) {
	const last = "\U0010FFFF" // nothing comes after it
	ask := contactsFoundParams{AccountID: a, AfterTerm: q, UntilTerm: q + last, AfterID: 0, Page: int64(page) + 1}
	if after != "" {
		if ask.AfterID, ask.AfterTerm, err = readPlace(after, q); err != nil {
			return nil, "", err
		}
	}
	for {
		rows, err := on(k.store.Reader()).ContactsFound(ctx, ask)
		if err != nil {
			return nil, "", wrap("search contacts", err)
		}
		for _, r := range rows {
			if len(list) == page {
				return list, strconv.FormatInt(int64(ask.AfterID), 10) + " " + ask.AfterTerm, nil
			}
			ask.AfterTerm, ask.AfterID = r.Term, r.ID
			c := contactOf(contactRecord{
				r.ID, r.AccountID, r.Number, r.Addresses, r.Name, r.BookName, r.PushName, r.Business, r.Email, r.Tags, r.Attributes, r.Source, r.UpdatedAt,
				r.Told,
			})
			all := terms(&c)
			if first := slices.IndexFunc(all, func(t string) bool { return strings.HasPrefix(t, q) }); first >= 0 && all[first] == r.Term {
				list = append(list, c)
			}
		}
		if int64(len(rows)) < ask.Page {
			return list, "", nil
		}
	}
}

func readPlace(text, q string) (who ID, term string, err error) {
	number, term, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !strings.HasPrefix(term, q) {
		return 0, "", badPlace()
	}
	return ID(n), term, nil
}

// Get returns one contact of the account, also by the id of one that turned out to be it; false when there is none.
func (k *Keeper) Get(ctx context.Context, a account.ID, which ID) (Contact, bool, error) {
	q := on(k.store.Reader())
	r, err := q.OneContact(ctx, oneContactParams{ID: which})
	if store.NoRows(err) {
		var into ID
		if into, err = q.MergedInto(ctx, mergedIntoParams{ID: which}); err == nil {
			r, err = q.OneContact(ctx, oneContactParams{ID: into})
		}
	}
	return found(r, err, a)
}

func found(r contactRecord, err error, a account.ID) (Contact, bool, error) {
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return Contact{}, false, nil
	}
	if err != nil {
		return Contact{}, false, wrap("read a contact", err)
	}
	return contactOf(r), true, nil
}

// Merged is a contact that turned out to be another one.
type Merged struct {
	ID      ID
	Number  int32
	Remains json.RawMessage // what it said otherwise than the other one, as an object
	At      time.Time
}

// Merged are the contacts that turned out to be this one.
func (k *Keeper) Merged(ctx context.Context, who ID) ([]Merged, error) {
	rows, err := on(k.store.Reader()).MergedOf(ctx, mergedOfParams{ContactID: who})
	if err != nil {
		return nil, wrap("read merged contacts", err)
	}
	list := make([]Merged, len(rows))
	for i, r := range rows {
		list[i] = Merged{r.ID, int32(r.Number), json.RawMessage(cmp.Or(r.Remains, "{}")), time.UnixMilli(r.MergedAt).UTC()}
	}
	return list, nil
}

// Having returns the contact who has an address; false when there is none.
func (k *Keeper) Having(ctx context.Context, a account.ID, address message.Address) (Contact, bool, error) {
	who, err := on(k.store.Reader()).WhoHas(ctx, whoHasParams{Address: address.String(), AccountID: a})
	if store.NoRows(err) {
		return Contact{}, false, nil
	}
	if err != nil {
		return Contact{}, false, wrap("look for a contact", err)
	}
	return k.Get(ctx, a, who)
}
