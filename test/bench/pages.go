package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidings.dev/internal/message"
	"tidings.dev/test/product"
)

// patience is how long one filter may take in all. One that is far from its floor is asked less often.
const patience = 5 * time.Second

// asked is one use of the list of messages: a query with new values for each request.
type asked struct {
	name  string
	query func() url.Values
}

// pages asks the real server for pages of 50, by every documented filter, for accounts of very different sizes.
func (l *Large) pages(ctx context.Context, full *installed) (figures []*Figure, err error) {
	err = full.serve(ctx, func(*product.Process) error {
		for _, account := range []int{big, oneWay, len(shares) - 1} {
			of := &pager{Client: full.client(account), installed: full, random: rand.New(rand.NewPCG(l.Seed, 2))} // it must repeat
			if err := of.look(ctx); err != nil {
				return err
			}
			for _, a := range of.filters(account) {
				f := &Figure{Name: strconv.FormatFloat(shares[account]*100, 'g', 3, 64) + " %: " + a.name, Unit: "ms", Floor: 20, Aim: 5, Lower: true, Tail: true}
				figures = append(figures, f)
				if err := of.measure(ctx, f, a.query, l.Each); err != nil {
					return fmt.Errorf("%s: %w", a.name, err)
				}
			}
		}
		return nil
	})
	return figures, err
}

// pager reads the messages of one account.
type pager struct {
	*product.Client
	*installed
	random     *rand.Rand
	cursors    []string // deep in the list
	references []string
	recipients []string // of any message, so that the frequent ones are frequent here
}

// look takes samples from all over the list.
func (p *pager) look(ctx context.Context) error {
	for range 100 {
		var page struct {
			Items []struct {
				To        string `json:"to"`
				Direction string `json:"direction"`
				Reference string `json:"client_reference"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		query := url.Values{"until": {show(p.moment())}, "limit": {"20"}}
		if err := p.Get(ctx, "/tidings/v1/messages?"+query.Encode(), &page); err != nil {
			return err
		}
		if page.Next != "" {
			p.cursors = append(p.cursors, page.Next)
		}
		for _, item := range page.Items {
			if item.Direction == "outbound" {
				p.recipients = append(p.recipients, item.To)
			}
			if item.Reference != "" {
				p.references = append(p.references, item.Reference)
			}
		}
	}
	if len(p.cursors) == 0 || len(p.references) == 0 || len(p.recipients) == 0 {
		return fmt.Errorf("the account has %d pages, %d references, %d recipients: too few to measure", len(p.cursors), len(p.references), len(p.recipients))
	}
	return nil
}

// moment is any time of the history.
func (p *pager) moment() time.Time {
	return p.End.Add(-time.Duration(p.random.Int64N(int64(historyDays * 24 * time.Hour))))
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (p *pager) measure(ctx context.Context, f *Figure, query func() url.Values, requests int) error {
	for began := time.Now(); len(f.Samples) < requests && (len(f.Samples) < 2 || time.Since(began) < patience); {
		q := query()
		q.Set("limit", "50")
		asked := time.Now()
		status, text, err := p.Do(ctx, http.MethodGet, "/tidings/v1/messages?"+q.Encode(), nil)
		f.add(float64(time.Since(asked).Microseconds()) / 1000)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue // it took longer than anyone waits, which the samples show
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s: %d %s", q.Encode(), status, text)
		}
	}
	return nil
}

// filters are all that a list may be filtered by. The account that never hears anything has only those that this matters to.
func (p *pager) filters(account int) []asked {
	inbound := asked{"direction=inbound", p.by("direction", "inbound")}
	if account == oneWay {
		return []asked{inbound}
	}
	list := []asked{
		{"no filter", p.by("", "")},
		{"no filter, deep", p.deep(p.by("", ""))},
		{"since", p.between(true, false)},
		{"until", p.between(false, true)},
		{"since and until, a day", p.between(true, true)},
		{"to a frequent number", p.frequent},
		{"to a frequent number, deep", p.deep(p.frequent)},
		{"to some number", func() url.Values { return url.Values{"to": {p.one(p.recipients)}} }},
		{"to a rare number", p.rare},
		{"to nobody", p.by("to", "+254200000000")},
		{"channel, common", p.by("channel", p.channel(0))},
		{"channel, common, deep", p.deep(p.by("channel", p.channel(0)))},
		{"channel, rare", p.by("channel", p.channel(len(carried)-1))},
		{"channel, rare, deep", p.deep(p.by("channel", p.channel(len(carried)-1)))},
		{"reference", func() url.Values { return url.Values{"reference": {p.one(p.references)}} }},
		{"reference, unknown", p.by("reference", "nobody-has-this")},
		{"direction=outbound", p.by("direction", "outbound")},
		inbound,
		{"direction=outbound, deep", p.deep(p.by("direction", "outbound"))},
		{"direction=inbound, deep", p.deep(inbound.query)},
		{"direction=outbound, status=delivered", p.with(p.by("status", "delivered"), "direction", "outbound")},
		{"direction=inbound, status=delivered", p.with(p.by("status", "delivered"), "direction", "inbound")},
		{"direction=outbound, status=received", p.with(p.by("status", "received"), "direction", "outbound")},
	}
	for s := message.Scheduled; s <= message.Received; s++ {
		if s.String() != "" {
			list = append(list, asked{"status=" + s.String(), p.by("status", s.String())})
		}
	}
	return append(list, asked{"status=delivered, deep", p.deep(p.by("status", "delivered"))},
		asked{"status=failed, a day", p.with(p.between(true, true), "status", "failed")})
}

func (p *pager) one(values []string) string { return values[p.random.IntN(len(values))] }

func (p *pager) channel(n int) string { return message.ChannelID(p.Channels[n]).String() }

func (p *pager) by(name, value string) func() url.Values {
	return func() url.Values {
		if name == "" {
			return url.Values{}
		}
		return url.Values{name: {value}}
	}
}

// with adds to a query.
func (p *pager) with(query func() url.Values, name, value string) func() url.Values {
	return func() url.Values {
		q := query()
		q.Set(name, value)
		return q
	}
}

// deep begins a query anywhere in the list.
func (p *pager) deep(query func() url.Values) func() url.Values {
	return func() url.Values {
		q := query()
		q.Set("cursor", p.one(p.cursors))
		return q
	}
}

func (p *pager) between(since, until bool) func() url.Values {
	return func() url.Values {
		q, from := url.Values{}, p.moment()
		if since {
			q.Set("since", show(from))
		}
		if until {
			q.Set("until", show(from.Add(24*time.Hour)))
		}
		return q
	}
}

// frequent are the ten numbers that get the most.
func (p *pager) frequent() url.Values { return url.Values{"to": {phoneOf(p.random.Uint64N(10))}} }

// rare are numbers that get next to nothing.
func (p *pager) rare() url.Values {
	return url.Values{"to": {phoneOf(100_000 + p.random.Uint64N(1_000_000))}}
}
