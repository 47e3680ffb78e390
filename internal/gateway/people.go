package gateway

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// personal tells whether messages of a kind make their people contacts. An SMS does not: whoever sends millions of codes keeps no
// address book of their recipients.
func personal(kind message.Kind) bool { return kind == message.WhatsApp }

// as is what an address alone tells of a person.
func as(a message.Address, p message.Person) message.Person {
	switch a.Kind {
	case message.Phone:
		p.Phone = a
	case message.LID:
		p.LID = a
	case message.BSUID:
		p.BSUID = a
	case message.User:
		p.UserName = a.Value
	}
	return p
}

// meetRecipients gives the accepted messages that are personal their contacts, and notes them in their conversations. Messages of test
// keys reach nobody.
func (g *Gateway) meetRecipients(tx *store.Tx, results []*Result) error {
	var facts []contact.Fact
	var of []*message.Message
	for _, r := range results {
		if m := &r.Message; personal(m.Kind) && !m.Test && m.To.Kind != message.Group {
			facts, of = append(facts, contact.Fact{Account: m.Account, Person: as(m.To, message.Person{}), Source: contact.FromMessage}), append(of, m)
		}
	}
	if len(facts) == 0 {
		return nil
	}
	who, err := g.Contacts.Meet(tx, facts)
	if err != nil {
		return err
	}
	news := make([]conversation.News, len(of))
	for i, m := range of {
		m.Contact = who[i]
		news[i] = conversation.News{Account: m.Account, Channel: m.Channel, Contact: who[i], At: tx.Now()}
	}
	return g.Conversations.Record(tx, news)
}

// meetSenders finds out whose the personal messages are that came in, and notes them in their conversations. Who writes in a group
// becomes a contact too, and what they say there is in no conversation with them.
func (g *Gateway) meetSenders(tx *store.Tx, whole []*arrival) error {
	var facts []contact.Fact
	var of []*arrival
	for _, a := range whole {
		if !personal(a.kind) {
			continue
		}
		f := contact.Fact{Account: a.owner, Person: as(a.in.From, a.in.Sender), Source: contact.FromInbound}
		if a.in.Past {
			f.Source = contact.FromNetwork
		}
		if a.in.Own {
			f.Person, f.Source = as(a.in.To, message.Person{}), contact.FromMessage
		}
		facts, of = append(facts, f), append(of, a)
	}
	if len(facts) == 0 {
		return nil
	}
	who, err := g.Contacts.Meet(tx, facts)
	if err != nil {
		return err
	}
	var news []conversation.News
	for i, a := range of {
		if who[i] == 0 || a.in.Chat.Value != "" {
			continue
		}
		a.contact = who[i]
		n := conversation.News{Account: a.owner, Channel: a.in.Channel, Contact: who[i], In: !a.in.Own, At: tx.Now(), Unread: !a.in.Past}
		if a.in.Past && !a.in.At.IsZero() {
			n.At = a.in.At
		}
		news = append(news, n)
	}
	return g.Conversations.Record(tx, news)
}

// unite acts when addresses turn out to be one person's: who opted out by one of them has opted out by all, and what was said with the
// contacts that are one now is one conversation.
func (g *Gateway) unite(tx *store.Tx, joins []contact.Join) error {
	var asks []consent.Ask
	var of []int
	for i, j := range joins {
		for _, merged := range j.Merged {
			if err := g.Conversations.Move(tx, merged, j.Contact); err != nil {
				return err
			}
		}
		for _, a := range j.Addresses {
			asks, of = append(asks, consent.Ask{Account: j.Account, Address: a}), append(of, i)
		}
	}
	out, err := g.Consent.OptedOut(tx, asks)
	if err != nil {
		return err
	}
	left := map[int]bool{}
	for n, o := range out {
		left[of[n]] = left[of[n]] || o
	}
	var choices []consent.Choice
	for n, a := range asks {
		if left[of[n]] && !out[n] {
			choices = append(choices, consent.Choice{Account: a.Account, Address: a.Address, Out: true, Source: byPerson})
		}
	}
	if len(choices) == 0 {
		return nil
	}
	_, err = g.Consent.Record(tx, choices)
	return err
}

// byPerson is the source of a choice that somebody made by another of their addresses.
const byPerson = "person"

// Choose records what people decided, for each by all addresses that are known of them, and tells which changed something.
func (g *Gateway) Choose(tx *store.Tx, choices []consent.Choice) ([]bool, error) {
	changed, err := g.Consent.Record(tx, choices)
	if err != nil || len(choices) == 0 {
		return changed, err
	}
	asks := make([]contact.Ask, len(choices))
	for i, c := range choices {
		asks[i] = contact.Ask{Account: c.Account, Address: c.Address}
	}
	known, err := g.Contacts.Others(tx, asks)
	if err != nil {
		return nil, err
	}
	var more []consent.Choice
	for i, addresses := range known {
		for _, a := range addresses {
			c := choices[i]
			c.Address, c.Source = a, byPerson
			more = append(more, c)
		}
	}
	if len(more) == 0 {
		return changed, nil
	}
	_, err = g.Consent.Record(tx, more)
	return changed, err
}

// names of a sender that a message may have gone to, and the accounts that know more of them.
type alias struct {
	of      *arrival
	address message.Address
	account account.ID // only messages of this account; zero: of any
}

// aliases are under which addresses who wrote may have been written to. Only personal messages come by others than their own.
func (g *Gateway) aliases(tx *store.Tx, whole []*arrival) ([]alias, error) {
	var all []alias
	var asks []message.Address
	var of []*arrival
	for _, a := range whole {
		all = append(all, alias{a, a.peer(), a.owner})
		if !personal(a.kind) || a.in.Chat.Value != "" {
			continue
		}
		for _, known := range []message.Address{a.in.Sender.LID, a.in.Sender.BSUID, a.in.Sender.Phone} {
			if known.Value != "" && known != a.in.From && !a.in.Own {
				all = append(all, alias{a, known, a.owner})
			}
		}
		asks, of = append(asks, a.peer()), append(of, a)
	}
	reaches, err := g.Contacts.KnownAs(tx, asks)
	if err != nil {
		return nil, err
	}
	for i, list := range reaches {
		for _, r := range list {
			for _, known := range r.Addresses {
				if known != asks[i] && (of[i].owner == 0 || of[i].owner == r.Account) {
					all = append(all, alias{of[i], known, r.Account})
				}
			}
		}
	}
	return all, nil
}

// peer is who an inbound message was exchanged with: a group, whom the owner wrote to himself, or else its sender.
func (a *arrival) peer() message.Address {
	switch {
	case a.in.Chat.Value != "":
		return a.in.Chat
	case a.in.Own:
		return a.in.To
	}
	return a.in.From
}

// Said returns messages of a conversation before the given one (zero: from the newest), newest first, whichever of its contact's
// addresses they went to or came from.
func (g *Gateway) Said(ctx context.Context, c conversation.Conversation, before message.ID, page int) ([]message.Message, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	merged, err := g.Contacts.Merged(ctx, c.Contact)
	if err != nil {
		return nil, err
	}
	who := []message.ContactID{c.Contact}
	for _, m := range merged {
		who = append(who, m.ID)
	}
	var rows []messageRecord
	for _, one := range who {
		some, err := on(g.Store.Reader()).ListContact(ctx, listContactParams{ContactID: one, ChannelID: c.Channel, Before: before, Page: int64(page)})
		if err != nil {
			return nil, fmt.Errorf("list what was said: %w", err)
		}
		rows = append(rows, some...)
	}
	slices.SortFunc(rows, func(a, b messageRecord) int { return cmp.Compare(b.ID, a.ID) })
	list := make([]message.Message, min(page, len(rows)))
	for i := range list {
		list[i] = messageOf(rows[i])
		if err := g.live(ctx, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// DeleteContact deletes a contact with its conversations. The messages stay.
func (g *Gateway) DeleteContact(tx *store.Tx, by audit.Actor, a account.ID, which message.ContactID) error {
	c, err := g.Contacts.Drop(tx, a, which)
	if err != nil {
		return err
	}
	if err := g.Conversations.Drop(tx, c.ID); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "contact.delete", Subject: c.ID.String()})
}

// optOutPage is how many opt-outs are looked at together.
const optOutPage = 500

// RemoveOptedOut takes whoever does not want messages out of a list, and tells how many there were.
func (g *Gateway) RemoveOptedOut(tx *store.Tx, a account.ID, which contact.ListID) (removed int, err error) {
	for before := int64(0); ; {
		outs, err := g.Consent.List(tx.Context(), a, before, optOutPage)
		if err != nil {
			return 0, err
		}
		asks := make([]contact.Ask, len(outs))
		for i, o := range outs {
			asks[i], before = contact.Ask{Account: a, Address: o.Address}, o.ID
		}
		n, err := g.Contacts.Remove(tx, a, which, asks)
		if removed += n; err != nil || len(outs) < optOutPage {
			return removed, err
		}
	}
}

// OptedOut tells which contacts of an account do not want messages.
func (g *Gateway) OptedOut(ctx context.Context, a account.ID, list []contact.Contact) (map[message.ContactID]bool, error) {
	out := map[message.ContactID]bool{}
	for i := range list {
		for _, address := range list[i].Addresses {
			_, is, err := g.Consent.Of(ctx, a, address)
			if err != nil {
				return nil, err
			}
			out[list[i].ID] = out[list[i].ID] || is
		}
	}
	return out, nil
}

// Aliases are the person under all addresses that the account knows: each is erased.
func (g *Gateway) Aliases(ctx context.Context, p Person) ([]Person, error) {
	all := []Person{p}
	c, ok, err := g.Contacts.Having(ctx, p.Account, p.Address)
	if err != nil || !ok {
		return all, err
	}
	for _, a := range c.Addresses {
		if a != p.Address {
			all = append(all, Person{p.Account, a, g.Consent.Mark(p.Account, a), p.Before})
		}
	}
	return all, nil
}

// EraseContact deletes the contact of a person, unless it was made after the erasure was asked for, and tells of which subjects there were
// events.
func (g *Gateway) EraseContact(tx *store.Tx, p Person) (subjects []int64, err error) {
	has, err := g.Contacts.Holders(tx, []contact.Ask{{Account: p.Account, Address: p.Address}})
	if err != nil || has[0] == 0 || int64(has[0]) > int64(p.Before) {
		return nil, err
	}
	return []int64{int64(has[0])}, g.DeleteContact(tx, audit.System, p.Account, has[0])
}
