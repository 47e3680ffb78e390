package contact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// book is the people whom a transaction is about. What becomes of them is decided in it, and then written at once.
type book struct {
	tx      *store.Tx
	people  map[ID]*person
	holders map[holding]*person // of the addresses of these people
	stored  map[holding]ID      // whose the addresses were that somebody claims
}

// holding is an address in an account.
type holding struct {
	account account.ID
	address message.Address
}

// person is a contact within a transaction.
type person struct {
	Contact          // as it becomes
	was     *Contact // as it is stored; nil for a new one
	changed bool
	into    *person   // who it turned out to be
	merged  []*person // who turned out to be it
	remains remains   // what is left of it once it is merged
}

// remains is what a merged contact said otherwise than the one it is now.
type remains struct {
	Name       string                     `json:"name,omitempty"`
	Email      string                     `json:"email,omitempty"`
	Addresses  []string                   `json:"addresses,omitempty"`
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
}

func (r *remains) empty() bool {
	return r.Name == "" && r.Email == "" && len(r.Addresses) == 0 && len(r.Attributes) == 0
}

// open reads the people whom claims may be about.
func open(tx *store.Tx, claims []claim) (*book, error) {
	b := &book{tx: tx, people: map[ID]*person{}, holders: map[holding]*person{}, stored: map[holding]ID{}}
	var asks []whoHasParams
	var of []holding
	for _, c := range claims {
		for _, a := range c.addresses {
			h := holding{c.account, a}
			if _, asked := b.stored[h]; !asked {
				b.stored[h] = 0
				asks, of = append(asks, whoHasParams{Address: a.String(), AccountID: h.account}), append(of, h)
			}
		}
	}
	found, err := store.First[ID](tx, whoHas, asks)
	if err != nil {
		return nil, wrap("look for contacts", err)
	}
	for i, f := range found {
		if f != nil {
			b.stored[of[i]] = *f
		}
	}
	var wanted []ID
	for _, c := range claims {
		if c.bare() {
			continue // only whose the address is
		}
		for _, a := range c.addresses {
			wanted = append(wanted, b.stored[holding{c.account, a}])
		}
	}
	err = b.read(wanted)
	return b, err
}

// read reads people whole.
func (b *book) read(wanted []ID) error {
	slices.Sort(wanted)
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(c ID) bool { return c == 0 || b.people[c] != nil })
	rows, err := store.First[contactRecord](b.tx, oneContact, wanted)
	if err != nil {
		return wrap("read contacts", err)
	}
	for _, r := range rows {
		if r != nil {
			b.add(contactOf(*r))
		}
	}
	return nil
}

// add takes a stored contact into the book.
func (b *book) add(c Contact) *person {
	p := &person{Contact: c, was: &c}
	p.Addresses, p.Tags = slices.Clone(c.Addresses), slices.Clone(c.Tags)
	b.people[c.ID] = p
	for _, a := range c.Addresses {
		b.holders[holding{c.Account, a}] = p
	}
	return p
}

// take works a claim in, and tells whom it is about.
func (b *book) take(c *claim) ID {
	if len(c.addresses) == 0 {
		return 0
	}
	if at := b.stored[holding{c.account, c.addresses[0]}]; c.bare() && at != 0 && b.people[at] == nil {
		return at
	}
	same := b.same(c)
	p := b.oldest(same, c)
	told := c.told(same)
	b.join(p, same, c.addresses)
	p.hear(told)
	p.set(&p.BookName, c.book)
	p.set(&p.PushName, c.push)
	p.set(&p.Business, c.business)
	return p.ID
}

// told are the addresses that are one person's by what networks said: those of a claim of theirs, and what was told of any of them before.
func (c *claim) told(same []*person) []message.Address {
	if c.source != FromNetwork && c.source != FromInbound || len(c.addresses) < 2 {
		return nil
	}
	all := slices.Clone(c.addresses)
	for _, p := range same {
		if slices.ContainsFunc(p.told, func(a message.Address) bool { return slices.Contains(c.addresses, a) }) {
			all = append(all, p.told...)
		}
	}
	return all
}

// hear notes what networks told of the person, if they told anything.
func (p *person) hear(told []message.Address) {
	if told = among(p.Addresses, told); told != nil && !slices.Equal(told, p.told) {
		p.told, p.changed = told, true
	}
}

// among are those addresses that are in another list as well; none if it is only one, which says nothing.
func among(list, other []message.Address) []message.Address {
	list = slices.DeleteFunc(slices.Clone(list), func(a message.Address) bool { return !slices.Contains(other, a) })
	if len(list) < 2 {
		return nil
	}
	return list
}

func (p *person) set(field *string, value string) {
	if value != "" && *field != value {
		*field, p.changed = value, true
	}
}

// same are those who have one of the claim's addresses and are the person it is about, by the surest address first. Who has another
// address of a surer kind is somebody else, from whom the address has gone to this person.
func (b *book) same(c *claim) (found []*person) {
	known := map[message.AddressKind]string{}
	for _, a := range c.addresses {
		known[a.Kind] = a.Value
	}
	for _, a := range c.addresses {
		p := b.holders[holding{c.account, a}]
		if p == nil || slices.Contains(found, p) || p.contradicts(known, a.Kind) {
			continue
		}
		found = append(found, p)
		for _, own := range p.Addresses {
			if known[own.Kind] == "" {
				known[own.Kind] = own.Value
			}
		}
	}
	return found
}

// contradicts reports whether the person has another address than the known one, of a kind that is surer than the given.
func (p *person) contradicts(known map[message.AddressKind]string, than message.AddressKind) bool {
	for _, kind := range strength[:slices.Index(strength, than)] {
		own := p.Address(kind).Value
		if single(kind) && own != "" && known[kind] != "" && own != known[kind] {
			return true
		}
	}
	return false
}

// oldest is the one who has been known for longest; somebody new if there is nobody.
func (b *book) oldest(same []*person, c *claim) *person {
	if len(same) > 0 {
		return slices.MinFunc(same, func(p, q *person) int { return cmp.Compare(p.ID, q.ID) })
	}
	p := &person{Contact: Contact{ID: ID(b.tx.NewID()), Account: c.account, Source: c.source}, changed: true}
	b.people[p.ID] = p
	return p
}

// join makes p of all who are the same, and gives it the addresses. Of a kind of which somebody has one at a time it keeps that which was
// claimed, else that of whom the surest address led to.
func (b *book) join(p *person, same []*person, claimed []message.Address) {
	addresses := slices.Clone(claimed)
	for _, q := range same {
		for _, a := range q.Addresses {
			switch taken := slices.ContainsFunc(addresses, func(have message.Address) bool { return have.Kind == a.Kind }); {
			case slices.Contains(addresses, a):
			case single(a.Kind) && taken:
				delete(b.holders, holding{p.Account, a})
				q.remains.Addresses = append(q.remains.Addresses, a.String())
			default:
				addresses = append(addresses, a)
			}
		}
	}
	slices.SortFunc(addresses, byStrength)
	for _, a := range addresses {
		b.give(p, a)
	}
	if !slices.Equal(p.Addresses, addresses) {
		p.Addresses, p.changed = addresses, true
	}
	for _, q := range same {
		if q != p {
			b.merge(p, q)
		}
	}
}

// give moves an address to somebody from whoever has it.
func (b *book) give(p *person, a message.Address) {
	h := holding{p.Account, a}
	if q := b.holders[h]; q != nil && q != p {
		q.Addresses = slices.DeleteFunc(slices.Clone(q.Addresses), func(own message.Address) bool { return own == a })
		q.changed = true
	}
	b.holders[h] = p
}

// merge makes one contact of two: nothing that the account wrote about either is lost.
func (b *book) merge(p, q *person) {
	p.changed, q.into = true, p
	p.merged = append(append(p.merged, q), q.merged...)
	fill(&p.Name, q.Name, &q.remains.Name)
	fill(&p.Email, q.Email, &q.remains.Email)
	for _, f := range []struct {
		own   *string
		other string
	}{{&p.BookName, q.BookName}, {&p.PushName, q.PushName}, {&p.Business, q.Business}} {
		*f.own = cmp.Or(*f.own, f.other)
	}
	p.Tags = sorted(append(slices.Clone(p.Tags), q.Tags...))
	p.Attributes, q.remains.Attributes = mergeAttributes(p.Attributes, q.Attributes)
}

// fill sets what is empty, and keeps what was not needed.
func fill(own *string, other string, left *string) {
	switch {
	case *own == "":
		*own = other
	case other != *own:
		*left = other
	}
}

// mergeAttributes are both together. left are those of which the first says otherwise.
func mergeAttributes(own, other json.RawMessage) (both json.RawMessage, left map[string]json.RawMessage) {
	if len(own) == 0 || len(other) == 0 {
		if len(own) == 0 {
			own = other
		}
		return own, nil
	}
	var a, b map[string]json.RawMessage
	if json.Unmarshal(own, &a) != nil || json.Unmarshal(other, &b) != nil {
		return own, map[string]json.RawMessage{"": other} // never: both were written as objects
	}
	for key, value := range b {
		switch have, there := a[key]; {
		case !there:
			a[key] = value
		case string(have) != string(value):
			if left == nil {
				left = map[string]json.RawMessage{}
			}
			left[key] = value
		}
	}
	return json.RawMessage(encode(a)), left
}

// sorted is a list in order, each once.
func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// now is which contact a contact is by now.
func (b *book) now(c ID) ID {
	for p := b.people[c]; p != nil; p = p.into {
		c = p.ID
	}
	return c
}

// inOrder are the people of the book, the oldest first.
func (b *book) inOrder() []*person {
	return slices.SortedFunc(maps.Values(b.people), func(p, q *person) int { return cmp.Compare(p.ID, q.ID) })
}

// encode is the JSON of something of our own. That it fails is a mistake in this program.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(text)
}

func wrap(tried string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", tried, err)
	}
	return nil
}
