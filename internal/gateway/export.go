package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
)

// After returns messages of the account with their parts, as they are now, of those accepted after one and before another, oldest
// first: to or from the person with the address, if one is given.
func (g *Gateway) After(ctx context.Context, a account.ID, of message.Address, after, before message.ID, page int) ([]message.Message, error) {
	rows, err := g.after(ctx, a, of, after, before, page)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	list := make([]message.Message, 0, len(rows))
	for _, r := range rows {
		m := messageOf(r)
		parts, err := on(g.Store.Reader()).PartsOf(ctx, partsOfParams{MessageID: m.ID})
		if err != nil {
			return nil, fmt.Errorf("read parts: %w", err)
		}
		for _, p := range parts {
			m.Parts = append(m.Parts, partOf(p))
		}
		if err := g.live(ctx, &m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (g *Gateway) after(ctx context.Context, a account.ID, of message.Address, after, before message.ID, page int) ([]messageRecord, error) {
	q := on(g.Store.Reader())
	if of.Value == "" {
		return q.NextAll(ctx, nextAllParams{AccountID: a, After: after, Before: before, Page: int64(page)})
	}
	rows, err := q.NextTo(ctx, nextToParams{Recipient: of.String(), AccountID: a, After: int64(after), Before: before, Page: int64(page)})
	if err != nil {
		return nil, err
	}
	from, err := q.NextFrom(ctx, nextFromParams{Sender: of.String(), AccountID: a, After: after, Before: before, Page: int64(page)})
	return inOrder(append(rows, from...), page), err
}

// inOrder is so many of the oldest rows, each once.
func inOrder(rows []messageRecord, page int) []messageRecord {
	slices.SortFunc(rows, func(a, b messageRecord) int { return cmp.Compare(a.ID, b.ID) })
	rows = slices.CompactFunc(rows, func(a, b messageRecord) bool { return a.ID == b.ID })
	return rows[:min(page, len(rows))]
}
