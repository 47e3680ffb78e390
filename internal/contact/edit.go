package contact

import (
	"encoding/json"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Edit is what an account writes about a contact. What is nil stays.
type Edit struct {
	Phone      *message.Address // none: it has none
	LID        *message.Address
	BSUID      *message.Address
	UserName   *string
	Name       *string
	Email      *string
	Tags       *[]string
	Attributes map[string]json.RawMessage // each by itself: null takes one away
	Add        bool                       // tags are added to those that are there
}

// Limits of what an account writes about a contact.
const (
	maxTags       = 50
	maxTag        = 64       // characters
	maxEmail      = 254      // RFC 5321, 4.5.3.1.3
	maxAttributes = 16 << 10 // bytes of all together
)

// addresses are those that the edit gives the contact.
func (e *Edit) addresses() (list []message.Address) {
	for _, a := range []*message.Address{e.LID, e.BSUID, e.Phone} {
		if a != nil && a.Value != "" {
			list = append(list, *a)
		}
	}
	if e.UserName != nil && *e.UserName != "" {
		list = append(list, userName(*e.UserName))
	}
	return list
}

func userName(text string) message.Address {
	return message.Address{Kind: message.User, Value: strings.ToLower(strings.TrimPrefix(text, "@"))}
}

// Check tells what about an edit makes no sense.
func (e *Edit) Check() error {
	if e.Name != nil && (utf8.RuneCountInString(*e.Name) > maxName || strings.ContainsAny(*e.Name, "\r\n")) {
		return fault.New(fault.InvalidField, "a name is one line of at most %d characters", maxName).In("name")
	}
	if e.Email != nil && *e.Email != "" {
		a, err := mail.ParseAddress(*e.Email)
		if err != nil || a.Address != *e.Email || len(*e.Email) > maxEmail {
			return fault.New(fault.InvalidField, "this is no email address").In("email")
		}
	}
	if err := errors.Join(e.checkAddresses(), e.checkDetails()); err != nil {
		return fault.Of(err)
	}
	return e.checkTags()
}

func (e *Edit) checkAddresses() error {
	for _, a := range e.addresses() {
		if len(a.Value) > maxAddress || strings.ContainsAny(a.Value, " \t\r\n") || !utf8.ValidString(a.Value) {
			return fault.New(fault.InvalidField, "there can be no such address").In(map[message.AddressKind]string{message.User: "username"}[a.Kind] + fieldOf[a.Kind])
		}
	}
	return nil
}

func (e *Edit) checkTags() error {
	if e.Tags == nil {
		return nil
	}
	if len(*e.Tags) > maxTags {
		return fault.New(fault.InvalidField, "a contact has at most %d tags", maxTags).In("tags")
	}
	for _, t := range *e.Tags {
		if t == "" || t != strings.TrimSpace(t) || utf8.RuneCountInString(t) > maxTag || strings.ContainsAny(t, "\r\n") {
			return fault.New(fault.InvalidField, "a tag has 1 to %d characters and no space around it", maxTag).In("tags")
		}
	}
	return nil
}

// reaches refuses to make a contact of an edit by which nobody can be reached.
func (e *Edit) reaches() error {
	if len(e.addresses()) > 0 || e.Email != nil && *e.Email != "" || e.fax() != "" {
		return nil
	}
	return fault.New(fault.MissingField, "a contact has a phone, another address, an email or a fax number").In("phone")
}

// fieldOf are the fields in which an account writes addresses.
var fieldOf = map[message.AddressKind]string{message.Phone: "phone", message.LID: "lid", message.BSUID: "bsuid"}

// apply writes the edit into the person. The addresses must be nobody else's.
func (b *book) apply(p *person, e *Edit) error {
	addresses := slices.Clone(p.Addresses)
	replace := func(kind message.AddressKind, with message.Address) {
		addresses = slices.DeleteFunc(addresses, func(a message.Address) bool { return a.Kind == kind })
		if with.Value != "" {
			addresses = append(addresses, with)
		}
	}
	for _, a := range []struct {
		kind message.AddressKind
		is   *message.Address
	}{{message.Phone, e.Phone}, {message.LID, e.LID}, {message.BSUID, e.BSUID}} {
		if a.is != nil {
			replace(a.kind, *a.is)
		}
	}
	if e.UserName != nil {
		replace(message.User, message.Address{})
		if *e.UserName != "" {
			addresses = append(addresses, userName(*e.UserName))
		}
	}
	slices.SortFunc(addresses, byStrength)
	for _, a := range p.Addresses {
		if !slices.Contains(addresses, a) {
			delete(b.holders, holding{p.Account, a})
		}
	}
	for _, a := range addresses {
		b.give(p, a)
	}
	p.Addresses, p.changed = addresses, true
	return p.note(e)
}

// note writes all of an edit but the addresses, or nothing.
func (p *person) note(e *Edit) (err error) {
	c := p.Contact
	attributes, name, err := e.parts(&c)
	if err != nil {
		return err
	}
	if c.Name = name; e.Email != nil {
		c.Email = *e.Email
	}
	if e.Tags != nil {
		tags := slices.Clone(*e.Tags)
		if e.Add {
			tags = append(tags, c.Tags...)
		}
		if c.Tags = sorted(tags); len(c.Tags) > maxTags {
			return fault.New(fault.InvalidField, "a contact has at most %d tags", maxTags).In("tags")
		}
	}
	if c.Attributes, err = attributed(c.Attributes, attributes); err != nil {
		return err
	}
	p.Contact, p.changed = c, true
	return nil
}

// attributed are attributes of which some are set.
func attributed(own json.RawMessage, change map[string]json.RawMessage) (json.RawMessage, error) {
	if len(change) == 0 {
		return own, nil
	}
	all := map[string]json.RawMessage{}
	if len(own) > 0 {
		if err := json.Unmarshal(own, &all); err != nil {
			return nil, wrap("read attributes", err)
		}
	}
	for name, value := range change {
		if all[name] = value; isNull(value) {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	text := json.RawMessage(encode(all))
	if len(text) > maxAttributes {
		return nil, fault.New(fault.InvalidField, "attributes have at most %d bytes as JSON", maxAttributes).In("attributes")
	}
	return text, nil
}

// Create adds a contact, or fails with fault.AlreadyThere when one of its addresses is another one's.
func (k *Keeper) Create(tx *store.Tx, a account.ID, e Edit) (Contact, error) {
	if err := e.Check(); err != nil {
		return Contact{}, err
	}
	if err := e.reaches(); err != nil {
		return Contact{}, err
	}
	c := claim{account: a, source: FromAPI, addresses: e.addresses()}
	b, err := open(tx, []claim{c})
	if err != nil {
		return Contact{}, err
	}
	if err := b.free(0, a, c.addresses); err != nil {
		return Contact{}, err
	}
	return k.edit(b, b.oldest(nil, &c), &e)
}

// Change writes about a contact; fault.NotHere when the account has no such contact, fault.AlreadyThere when an address is another one's.
func (k *Keeper) Change(tx *store.Tx, a account.ID, which ID, e Edit) (Contact, error) {
	if err := e.Check(); err != nil {
		return Contact{}, err
	}
	b, err := open(tx, []claim{{account: a, addresses: e.addresses()}})
	if err != nil {
		return Contact{}, err
	}
	p, err := b.known(a, which)
	if err != nil {
		return Contact{}, err
	}
	if err := b.free(p.ID, a, e.addresses()); err != nil {
		return Contact{}, err
	}
	return k.edit(b, p, &e)
}

func (k *Keeper) edit(b *book, p *person, e *Edit) (Contact, error) {
	if err := b.apply(p, e); err != nil {
		return Contact{}, err
	}
	err := k.write(b)
	p.Updated = b.tx.Now()
	return p.Contact, err
}

// free refuses addresses that somebody else has.
func (b *book) free(who ID, a account.ID, addresses []message.Address) error {
	for _, own := range addresses {
		if has := b.stored[holding{a, own}]; has != 0 && has != who {
			f := fault.New(fault.AlreadyThere, "another contact has this address").In(fieldOf[own.Kind])
			f.Existing = has.String()
			return f
		}
	}
	return nil
}

// known is a contact of the account, in the book; also by the id of one that turned out to be it.
func (b *book) known(a account.ID, which ID) (*person, error) {
	if err := b.read([]ID{which}); err != nil {
		return nil, err
	}
	if b.people[which] == nil {
		into, err := store.First[ID](b.tx, mergedInto, []ID{which})
		if err != nil {
			return nil, wrap("read a merged contact", err)
		}
		if into[0] != nil {
			which = *into[0]
			if err := b.read([]ID{which}); err != nil {
				return nil, err
			}
		}
	}
	if p := b.people[which]; p != nil && p.Account == a {
		return p, nil
	}
	return nil, fault.New(fault.NotHere, "there is no contact %s", which)
}

// Merge makes one contact of two, the one known for longer. Who has another LID, phone or user name is somebody else.
func (k *Keeper) Merge(tx *store.Tx, by audit.Actor, a account.ID, one, other ID) (Contact, error) {
	b, err := open(tx, nil)
	if err != nil {
		return Contact{}, err
	}
	p, err := b.known(a, one)
	if err != nil {
		return Contact{}, err
	}
	q, err := b.known(a, other)
	if err != nil {
		return Contact{}, fault.Of(err).In("contact")
	}
	if p == q {
		return p.Contact, nil
	}
	if p.ID > q.ID {
		p, q = q, p
	}
	for _, kind := range strength {
		if own, others := p.Address(kind).Value, q.Address(kind).Value; single(kind) && own != "" && others != "" {
			return Contact{}, fault.New(fault.InvalidField, "the two have different addresses of the kind %s; take one away first", kind).In("contact")
		}
	}
	b.join(p, []*person{p, q}, nil)
	if err := k.write(b); err != nil {
		return Contact{}, err
	}
	return p.Contact, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "contact.merge", Subject: p.ID.String(), Detail: q.ID.String()})
}

// forget takes what is personal out of a contact's events, and of those who turned out to be it.
func (k *Keeper) forget(tx *store.Tx, p *person) error {
	merged, err := store.Find[mergedOfRow](tx, mergedOf, []ID{p.ID})
	if err != nil {
		return wrap("read merged contacts", err)
	}
	who := []ID{p.ID}
	for _, m := range merged {
		who = append(who, m.Row.ID)
	}
	for _, one := range who {
		facts := json.RawMessage(encode(event.Contact{ID: one.String(), Addresses: []string{}}))
		if err := k.log.Rewrite(tx, p.Account, int64(one), func(c *event.Change) { c.Facts = facts }); err != nil {
			return err
		}
	}
	return nil
}

// Drop deletes a contact with all that is kept about it, and tells which it was; fault.NotHere when the account has no such contact.
func (k *Keeper) Drop(tx *store.Tx, a account.ID, which ID) (Contact, error) {
	b, err := open(tx, nil)
	if err != nil {
		return Contact{}, err
	}
	p, err := b.known(a, which)
	if err != nil {
		return Contact{}, err
	}
	r := rows{dropped: []dropContactParams{{ID: p.ID}}}
	for _, own := range p.Addresses {
		r.freed = append(r.freed, dropIdentityParams{Address: own.String(), AccountID: a, ContactID: p.ID})
	}
	r.find(p.was, &Contact{ID: p.ID, Account: a})
	if err := k.forget(tx, p); err != nil {
		return Contact{}, err
	}
	for _, stmt := range []string{shrinkListsOf, dropMemberships, dropMergedOf} {
		if err := store.Run(tx, stmt, []ID{p.ID}); err != nil {
			return Contact{}, wrap("drop a contact", err)
		}
	}
	return p.Contact, wrap("drop a contact", r.write(tx))
}
