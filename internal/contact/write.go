package contact

import (
	"math"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// rows are what a book changes, by table.
type rows struct {
	freed     []dropIdentityParams
	held      []setIdentityParams
	added     []addContactParams
	changed   []changeContactParams
	dropped   []dropContactParams
	lessTerms []dropTermParams
	terms     []addTermParams
	lessTags  []dropTagParams
	tags      []addTagParams
	shared    []shrinkSharedParams
	copied    []copyMembershipsParams
	left      []dropMembershipsParams
	moved     []moveMergedParams
	merged    []addMergedParams
}

// write stores what became of the people, tells of it, and has others follow.
func (k *Keeper) write(b *book) error {
	if err := b.number(); err != nil {
		return err
	}
	var r rows
	var notices []event.Notice
	var joins []Join
	for _, p := range b.inOrder() {
		if !p.changed && p.into == nil {
			continue
		}
		b.person(&r, p)
		notices = append(notices, p.tell()...)
		if j, ok := p.joined(); ok {
			joins = append(joins, j)
		}
	}
	if err := r.write(b.tx); err != nil {
		return wrap("write contacts", err)
	}
	if len(notices) > 0 {
		if err := k.log.Notice(b.tx, notices...); err != nil {
			return err
		}
	}
	if len(joins) == 0 {
		return nil
	}
	return k.follow(b.tx, joins)
}

// number gives the new contacts their numbers.
func (b *book) number() error {
	fresh := map[account.ID][]*person{}
	var accounts []account.ID
	for _, p := range b.inOrder() {
		if p.was != nil || p.into != nil {
			continue
		}
		if fresh[p.Account] == nil {
			accounts = append(accounts, p.Account)
		}
		fresh[p.Account] = append(fresh[p.Account], p)
	}
	asks := make([]takeContactNumbersParams, len(accounts))
	for i, a := range accounts {
		asks[i] = takeContactNumbersParams{AccountID: a, Many: int64(len(fresh[a]))}
	}
	last, err := store.First[int64](b.tx, takeContactNumbers, asks)
	if err != nil {
		return wrap("number contacts", err)
	}
	for i, a := range accounts {
		if *last[i] > math.MaxInt32 {
			return fault.New(fault.TooManyItems, "the account has no numbers left for contacts")
		}
		first := *last[i] - int64(len(fresh[a]))
		for n, p := range fresh[a] {
			p.Number = int32(first + int64(n) + 1)
		}
	}
	return nil
}

// person adds the rows of one person.
func (b *book) person(r *rows, p *person) {
	was := Contact{ID: p.ID, Account: p.Account}
	if p.was != nil {
		was = *p.was
	}
	for _, a := range was.Addresses {
		if b.holders[holding{p.Account, a}] == nil {
			r.freed = append(r.freed, dropIdentityParams{Address: a.String(), AccountID: p.Account, ContactID: p.ID})
		}
	}
	if p.into != nil {
		r.gone(p, b.now(p.ID), b.tx.NowMilli())
		return
	}
	for _, a := range p.Addresses {
		if !slices.Contains(was.Addresses, a) {
			r.held = append(r.held, setIdentityParams{Address: a.String(), AccountID: p.Account, ContactID: p.ID})
		}
	}
	r.find(&was, &p.Contact)
	row := rowOf(&p.Contact, b.tx.NowMilli())
	if p.was == nil {
		r.added = append(r.added, row)
		return
	}
	r.changed = append(r.changed, changeContactParams{
		Addresses: row.Addresses, Name: row.Name, BookName: row.BookName, PushName: row.PushName, Business: row.Business, Email: row.Email,
		Tags: row.Tags, Attributes: row.Attributes, Told: row.Told, UpdatedAt: row.UpdatedAt, ID: row.ID,
	})
}

// gone adds the rows of a contact that turned out to be another one. One that was never stored leaves none.
func (r *rows) gone(p *person, into ID, now int64) {
	if p.was == nil {
		return
	}
	left := ""
	if !p.remains.empty() {
		left = encode(p.remains)
	}
	r.find(p.was, &Contact{ID: p.ID, Account: p.Account})
	r.shared = append(r.shared, shrinkSharedParams{ContactID: into, MergedID: p.ID})
	r.copied = append(r.copied, copyMembershipsParams{ContactID: int64(into), MergedID: p.ID})
	r.left = append(r.left, dropMembershipsParams{ContactID: p.ID})
	r.moved = append(r.moved, moveMergedParams{ContactID: into, MergedID: p.ID})
	r.merged = append(r.merged, addMergedParams{
		ID: p.ID, AccountID: p.Account, Number: int64(p.Number), ContactID: into, Remains: left, MergedAt: now,
	})
	r.dropped = append(r.dropped, dropContactParams{ID: p.ID})
}

// find adds what a contact is found by from now on, and takes away what it was found by.
func (r *rows) find(was, is *Contact) {
	old, now := terms(was), terms(is)
	for _, t := range without(old, now) {
		r.lessTerms = append(r.lessTerms, dropTermParams{AccountID: is.Account, Term: t, ContactID: is.ID})
	}
	for _, t := range without(now, old) {
		r.terms = append(r.terms, addTermParams{AccountID: is.Account, Term: t, ContactID: is.ID})
	}
	for _, t := range without(was.Tags, is.Tags) {
		r.lessTags = append(r.lessTags, dropTagParams{AccountID: is.Account, Tag: t, ContactID: is.ID})
	}
	for _, t := range without(is.Tags, was.Tags) {
		r.tags = append(r.tags, addTagParams{AccountID: is.Account, Tag: t, ContactID: is.ID})
	}
}

// without is the list without what is in another one.
func without(list, other []string) (rest []string) {
	for _, one := range list {
		if !slices.Contains(other, one) {
			rest = append(rest, one)
		}
	}
	return rest
}

// write runs the statements: what goes before what comes.
func (r *rows) write(tx *store.Tx) error {
	for _, run := range []func() error{
		func() error { return store.Run(tx, dropIdentity, r.freed) },
		func() error { return store.Run(tx, setIdentity, r.held) },
		func() error { return store.Run(tx, dropTerm, r.lessTerms) },
		func() error { return store.Run(tx, dropTag, r.lessTags) },
		func() error { return r.mergeMemberships(tx) },
		func() error { return store.Run(tx, dropContact, r.dropped) },
		func() error { return store.Run(tx, moveMerged, r.moved) },
		func() error { return store.Run(tx, addMerged, r.merged) },
		func() error { return store.Run(tx, addContact, r.added) },
		func() error { return store.Run(tx, changeContact, r.changed) },
		func() error { return store.Run(tx, addTerm, r.terms) },
		func() error { return store.Run(tx, addTag, r.tags) },
	} {
		if err := run(); err != nil {
			return err
		}
	}
	return nil
}

// mergeMemberships moves memberships one contact at a time: three may become one.
func (r *rows) mergeMemberships(tx *store.Tx) error {
	for i := range r.shared {
		if err := store.Run(tx, shrinkShared, r.shared[i:i+1]); err != nil {
			return err
		}
		if err := store.Run(tx, copyMemberships, r.copied[i:i+1]); err != nil {
			return err
		}
		if err := store.Run(tx, dropMemberships, r.left[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// tell is what others hear of the person: that somebody new wrote, by which addresses they are reached from now on, and that two are one.
func (p *person) tell() (notices []event.Notice) {
	notice := func(kind event.Kind, merged string) {
		notices = append(notices, event.Notice{Account: p.Account, Subject: int64(p.ID), Kind: kind, Data: event.Contact{
			ID: p.ID.String(), Number: p.Number, Addresses: lines(showAddresses(p.Addresses)), Merged: merged,
		}})
	}
	if p.into != nil {
		return nil
	}
	for _, q := range p.merged {
		if q.was != nil {
			notice(event.ContactMerged, q.ID.String())
		}
	}
	switch {
	case len(notices) > 0:
	case p.was == nil && p.Source == FromInbound:
		notice(event.ContactCreated, "")
	case p.was != nil && !slices.Equal(p.was.Addresses, p.Addresses):
		notice(event.ContactUpdated, "")
	}
	return notices
}

// joined tells when addresses turned out to be one person's.
func (p *person) joined() (Join, bool) {
	j := Join{Account: p.Account, Contact: p.ID, Addresses: slices.Clone(p.Addresses)}
	for _, q := range p.merged {
		if q.was != nil {
			j.Merged = append(j.Merged, q.ID)
		}
	}
	grown := slices.ContainsFunc(p.Addresses, func(a message.Address) bool { return p.was == nil || !slices.Contains(p.was.Addresses, a) })
	return j, p.into == nil && (len(j.Merged) > 0 || grown && len(p.Addresses) > 1)
}

// terms are what a contact is found by: its names from each word on, its email, the digits of its phone, its user name.
func terms(c *Contact) (list []string) {
	for _, name := range []string{c.Name, c.BookName, c.PushName, c.Business} {
		words := strings.Fields(store.Fold(name))
		for i := range words {
			list = append(list, strings.Join(words[i:], " "))
		}
	}
	if c.Email != "" {
		list = append(list, store.Fold(c.Email))
	}
	for _, a := range c.Addresses {
		switch a.Kind {
		case message.Phone:
			list = append(list, strings.TrimPrefix(a.Value, "+"))
		case message.User:
			list = append(list, store.Fold(a.Value))
		}
	}
	return sorted(list)
}
