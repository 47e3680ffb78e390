package privacy

import (
	"context"
	"strconv"

	"tidings.dev/internal/contact"
)

// contacts are the people whom the account knows, or the one whom the export is about.
func (p *Privacy) contacts(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	var list []contact.Contact
	if e.Address.Value != "" {
		one, ok, err := p.Contacts.Having(ctx, e.Account, e.Address)
		if !ok || err != nil {
			return nil, 0, err
		}
		list = append(list, one)
	} else if list, next, err = p.morePeople(ctx, e, after); err != nil {
		return nil, 0, err
	}
	for i := range list {
		line, err := p.lineOfContact(ctx, &list[i])
		if err != nil {
			return nil, 0, err
		}
		lines = append(lines, line)
	}
	return lines, next, nil
}

func (p *Privacy) morePeople(ctx context.Context, e Export, after int64) (list []contact.Contact, next int64, err error) {
	place := ""
	if after != 0 {
		place = strconv.FormatInt(after, 10)
	}
	list, place, err = p.Contacts.List(ctx, e.Account, contact.Filter{}, place, page)
	if place != "" {
		next = int64(list[len(list)-1].ID)
	}
	return list, next, err
}

func (p *Privacy) lineOfContact(ctx context.Context, c *contact.Contact) (contactLine, error) {
	l := contactLine{
		Type: "contact", ID: c.ID.String(), Number: c.Number, Name: c.Name, BookName: c.BookName, PushName: c.PushName, Business: c.Business, Email: c.Email,
		Tags: c.Tags, Attributes: c.Attributes, Source: c.Source, CreatedAt: stamp(c.ID.Time()), UpdatedAt: stamp(c.Updated),
	}
	for _, a := range c.Addresses {
		l.Addresses = append(l.Addresses, a.Display())
	}
	lists, err := p.Contacts.ListsWith(ctx, c.ID)
	if err != nil {
		return l, err
	}
	for _, one := range lists {
		l.Lists = append(l.Lists, one.Name)
	}
	merged, err := p.Contacts.Merged(ctx, c.ID)
	if err != nil {
		return l, err
	}
	for _, m := range merged {
		l.Merged = append(l.Merged, m.Remains)
	}
	talks, err := p.Conversations.With(ctx, c.ID)
	if err != nil {
		return l, err
	}
	for _, t := range talks {
		l.Conversations = append(l.Conversations, conversationLine{t.ID.String(), t.Channel.String(), stamp(t.In), stamp(t.Out), t.Unread})
	}
	return l, nil
}

// lists are the account's lists of contacts.
func (p *Privacy) lists(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	all, err := p.Contacts.Lists(ctx, e.Account, contact.ListID(after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, l := range all {
		lines = append(lines, listLine{"list", l.ID.String(), l.Number, l.Name, l.Members, stamp(l.ID.Time())})
	}
	if len(all) == page {
		next = int64(all[page-1].ID)
	}
	return lines, next, nil
}
