package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// SearchWindow is how many messages a search looks at: the newest ones that it may find.
const SearchWindow = 10_000

// Search says which messages are looked for, over several accounts, by what no index has; and which of those that fit a page has.
type Search struct {
	Accounts     []account.ID
	Kind         message.Kind
	Since, Until time.Time
	To           message.Address       // they went to, or came in for; zero: anybody. It has an index
	Texts        bool                  // Found has the texts
	Fits         func(*Found) bool     // nil: all
	By           func(a, b *Found) int // their order; nil, and between those that are alike: the oldest first
	Skipped      int
	Page         int
}

// Found is a message as a search looks at it.
type Found struct {
	ID        message.ID
	Account   account.ID
	Direction message.Direction
	Status    message.Status // Queued also while it is being sent
	To, From  message.Address
	Text      string
}

// Search returns a page of the messages that fit, with their parts where they failed, and how many fit in all. It looks at the newest
// SearchWindow messages of those accounts and times, whatever their kind, and so costs the same however many there are: whoever wants
// older ones says until when.
func (g *Gateway) Search(ctx context.Context, s Search) (page []message.Message, total int, err error) {
	all, err := g.window(ctx, s)
	if err != nil {
		return nil, 0, fmt.Errorf("search messages: %w", err)
	}
	if s.Fits != nil {
		all = slices.DeleteFunc(all, func(f Found) bool { return !s.Fits(&f) })
	}
	slices.SortFunc(all, func(a, b Found) int {
		if s.By != nil {
			return cmp.Or(s.By(&a, &b), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Compare(a.ID, b.ID)
	})
	from := min(max(s.Skipped, 0), len(all))
	page, err = g.whole(ctx, all[from:min(from+s.Page, len(all))])
	return page, len(all), err
}

// window reads what a search looks at. Once it is full, an account adds only what is newer than the oldest in it.
func (g *Gateway) window(ctx context.Context, s Search) (all []Found, err error) {
	from, before := Filter{Since: s.Since, Until: s.Until}.span()
	now := g.Store.Now()
	for _, a := range s.Accounts {
		rows, err := g.searched(ctx, a, s, from, before)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			m := message.Message{Status: message.Status(r.Status), Scheduled: moment(r.ScheduledAt)}
			f := Found{
				ID: r.ID, Account: a, Direction: message.Direction(r.Direction), Status: liveStatus(&m, 0, now),
				To: message.ParseAddress(r.Recipient), From: message.ParseAddress(r.Sender),
			}
			if r.Content != "" {
				_ = json.Unmarshal([]byte(r.Content), &m.Content) // rowOf wrote it
				f.Text = m.Content.Text
			}
			all = append(all, f)
		}
		if len(all) < SearchWindow {
			continue
		}
		slices.SortFunc(all, func(a, b Found) int { return cmp.Compare(b.ID, a.ID) })
		all = all[:SearchWindow]
		from = max(from, all[SearchWindow-1].ID)
	}
	return all, nil
}

// searched reads an account's share of the window.
func (g *Gateway) searched(ctx context.Context, a account.ID, s Search, from, before message.ID) ([]searchAllRow, error) {
	rows := on(g.Store.Reader())
	if s.To.Value == "" {
		return rows.SearchAll(ctx, searchAllParams{
			Texts: int64(flag(s.Texts)), AccountID: a, Before: before, Since: from, Page: SearchWindow, Kind: string(s.Kind),
		})
	}
	list, err := rows.SearchTo(ctx, searchToParams{
		Texts: int64(flag(s.Texts)), Since: int64(from), Recipient: s.To.String(), AccountID: a, Before: before, Page: SearchWindow, Kind: string(s.Kind),
	})
	all := make([]searchAllRow, len(list))
	for i, r := range list {
		all[i] = searchAllRow(r)
	}
	return all, err
}

// whole reads the messages that were found. One that retention has ended meanwhile is left out.
func (g *Gateway) whole(ctx context.Context, found []Found) ([]message.Message, error) {
	rows := on(g.Store.Reader())
	list := make([]message.Message, 0, len(found))
	for _, f := range found {
		r, err := rows.MessageByID(ctx, messageByIDParams{ID: f.ID})
		if store.NoRows(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		m := messageOf(r)
		m.Status = f.Status
		if m.Status == message.Failed {
			parts, err := rows.PartsOf(ctx, partsOfParams{MessageID: m.ID})
			if err != nil {
				return nil, fmt.Errorf("read parts: %w", err)
			}
			for _, p := range parts {
				m.Parts = append(m.Parts, partOf(p))
			}
		}
		list = append(list, m)
	}
	return list, nil
}
