// Package link keeps short links: which code leads on to which URL of which message, and how often somebody followed it. Who that was,
// nobody keeps.
package link

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// ID is the key of a link.
type ID = id.Of[Link]

// Link is a code in place of a URL.
type Link struct {
	ID      ID
	Account account.ID
	Message message.ID
	Code    string
	Target  string    // where it leads
	Since   time.Time // from when the retention of its message counts
	Clicks  int64     // how often it was followed
	First   time.Time // when that was; zero: never
	Last    time.Time
}

func linkOf(r linkRecord) Link {
	return Link{ID(r.ID), r.AccountID, r.MessageID, r.Code, r.Target, moment(r.Since), r.Clicks, moment(r.FirstAt), moment(r.LastAt)}
}

// moment is a stored time; zero for none.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Settings say how links look and how long they live.
type Settings struct {
	Keep time.Duration // after their message could be sent; 0: for ever
	Code func() string // a code that may be taken; nil: a random one
}

// Keeper keeps links.
type Keeper struct {
	Settings
	store   *store.Store
	base    string
	pending pending
}

// New returns the keeper of the store's links.
func New(s *store.Store, set Settings) *Keeper {
	if set.Code == nil {
		set.Code = draw
	}
	return &Keeper{Settings: set, store: s, pending: newPending()}
}

// Path is what stands between the address of the server and the code.
const Path = "/l/"

// Serves says by which address links reach this server. It must be called before the first one is made.
func (k *Keeper) Serves(base string) { k.base = base + Path }

// URL is what stands in a text in place of the target.
func (k *Keeper) URL(code string) string { return k.base + code }

// Of returns the links of an account before the given one (zero: from the newest), newest first; with a message, the links of that.
func (k *Keeper) Of(ctx context.Context, a account.ID, in message.ID, before ID, page int) ([]Link, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var rows []linkRecord
	var err error
	if in == 0 {
		rows, err = on(k.store.Reader()).LinksOf(ctx, linksOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	} else {
		rows, err = on(k.store.Reader()).LinksIn(ctx, linksInParams{MessageID: in, Before: int64(before), Page: int64(page)})
	}
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	list := make([]Link, 0, len(rows))
	for _, r := range rows {
		if r.AccountID == a {
			list = append(list, linkOf(r))
		}
	}
	return list, nil
}

// Get returns a link of the account. fault.NotHere for any other.
func (k *Keeper) Get(ctx context.Context, a account.ID, which ID) (Link, error) {
	r, err := on(k.store.Reader()).OneLink(ctx, oneLinkParams{ID: int64(which), AccountID: a})
	if store.NoRows(err) {
		return Link{}, fault.New(fault.NotHere, "there is no link %s", which)
	}
	if err != nil {
		return Link{}, fmt.Errorf("read a link: %w", err)
	}
	return linkOf(r), nil
}

// Follow returns the link with a code. fault.NotHere when there is none, or its time is over.
func (k *Keeper) Follow(ctx context.Context, code string) (Link, error) {
	if !wellFormed(code) {
		return Link{}, noCode()
	}
	r, err := on(k.store.Reader()).LinkByCode(ctx, linkByCodeParams{Code: code})
	if err != nil && !store.NoRows(err) {
		return Link{}, fmt.Errorf("follow a link: %w", err)
	}
	if err != nil || k.Keep > 0 && r.Since < k.store.Now().Add(-k.Keep).UnixMilli() {
		return Link{}, noCode()
	}
	return linkOf(r), nil
}

func noCode() error { return fault.New(fault.NotHere, "there is no such link, or its time is over") }

// DropIn deletes the links of messages.
func (k *Keeper) DropIn(tx *store.Tx, messages []message.ID) error {
	if err := store.Run(tx, dropLinksIn, messages); err != nil {
		return fmt.Errorf("drop links: %w", err)
	}
	return nil
}

// DropOld deletes some of the links whose message could be sent before the given time, and tells whether there may be more.
func (k *Keeper) DropOld(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropOldLinks, []int64{before.UnixMilli()})
	if err != nil {
		return false, fmt.Errorf("drop old links: %w", err)
	}
	return n[0] > 0, nil
}
