package gateway

import (
	"context"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// maxTarget is how many bytes a URL may have that is shortened: more does not pass every browser and proxy.
const maxTarget = 2048

// shorten puts samples of links into a text, which are as long as the real ones: length, parts and price are those of the text that
// goes out. The codes are made once the message is written.
func (g *Gateway) shorten(c *message.Content, wanted bool) (*link.Text, error) {
	if !wanted {
		return nil, nil
	}
	if !c.Plain() {
		return nil, fault.New(fault.InvalidField, "links are shortened in a plain text alone").In("shorten_urls")
	}
	text := link.Read(c.Text)
	if len(text.Targets) == 0 {
		return nil, nil
	}
	if len(text.Targets) > link.Most {
		return nil, fault.New(fault.InvalidField, "a text has at most %d links that are shortened, this one %d", link.Most, len(text.Targets)).In("text")
	}
	links := make([]string, len(text.Targets))
	for i, target := range text.Targets {
		if len(target) > maxTarget {
			return nil, fault.New(fault.InvalidField, "a link that is shortened has at most %d bytes", maxTarget).In("text")
		}
		links[i] = g.ShortLinks.URL(link.Sample)
	}
	c.Text = text.With(links)
	return &text, nil
}

// settleLinks makes the links of the texts and puts them in. Of what is refused later, dropLinks takes them back.
func (g *Gateway) settleLinks(tx *store.Tx, fresh []*acceptance) error {
	type place struct {
		of    *Result
		links *link.Text
	}
	var places []place
	var wishes []link.Wish
	for _, a := range fresh {
		for i := range a.items {
			r, links := &a.reply.Results[i], a.items[i].links
			if links == nil || r.Fault != nil {
				continue
			}
			places = append(places, place{r, links})
			for _, target := range links.Targets {
				wishes = append(wishes, link.Wish{Account: r.Message.Account, Message: r.Message.ID, Target: target, Since: startOf(&r.Message)})
			}
		}
	}
	if len(places) == 0 {
		return nil
	}
	codes, err := g.ShortLinks.Make(tx, wishes)
	if err != nil {
		return err
	}
	for _, p := range places {
		urls := make([]string, len(p.links.Targets))
		for i, code := range codes[:len(urls)] {
			if code == "" {
				p.of.Fault = fault.New(fault.NoShortLink, "no code is free for a link of the text").In("text")
			}
			urls[i] = g.ShortLinks.URL(code)
		}
		p.of.Message.Content.Text, codes = p.links.With(urls), codes[len(urls):]
	}
	return nil
}

// startOf is when a message may first be sent.
func startOf(m *message.Message) time.Time {
	if m.Scheduled.IsZero() {
		return m.ID.Time()
	}
	return m.Scheduled
}

// dropLinks takes the links back that were made for what is refused after all.
func (g *Gateway) dropLinks(tx *store.Tx, fresh []*acceptance) error {
	var refused []message.ID
	for _, a := range fresh {
		for i := range a.items {
			if r := &a.reply.Results[i]; a.items[i].links != nil && r.Fault != nil {
				refused = append(refused, r.Message.ID)
			}
		}
	}
	return g.ShortLinks.DropIn(tx, refused)
}

// clickEvery is how often clicks are counted: a crash forgets those of so long.
const clickEvery = time.Second

// CountClicks counts, now and then, how often links were followed, until ctx ends; what came until then is counted, too.
func (g *Gateway) CountClicks(ctx context.Context) {
	tick := time.NewTicker(clickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if err := g.countClicks(); err != nil {
			g.Log.Warn("cannot count clicks on links", "err", err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// countClicks writes the clicks since it was last called. What cannot be written is kept for the next time.
func (g *Gateway) countClicks() error {
	clicks := g.ShortLinks.Take()
	if len(clicks) == 0 {
		return nil
	}
	err := g.Store.Write(func(tx *store.Tx) error {
		first, err := g.ShortLinks.Count(tx, clicks)
		if err != nil {
			return err
		}
		return g.tellClicks(tx, first)
	})
	if err != nil {
		g.ShortLinks.Return(clicks)
	}
	return err
}

// tellClicks makes first clicks events of their messages. One whose message is no more is nobody's news.
func (g *Gateway) tellClicks(tx *store.Tx, first []link.First) error {
	ids := make([]message.ID, len(first))
	for i, f := range first {
		ids[i] = f.Message
	}
	states, err := g.load(tx, ids)
	if err != nil {
		return err
	}
	changed := make([]*state, 0, len(states))
	for _, f := range first {
		s := states[f.Message]
		if s == nil {
			continue
		}
		if !s.touched {
			changed = append(changed, s)
		}
		s.happen(event.Clicked, f.At, event.Change{Attempt: int(s.row.Attempt), Link: &event.Link{ID: f.Link.String(), URL: g.ShortLinks.URL(f.Code)}})
	}
	return g.write(tx, changed)
}
