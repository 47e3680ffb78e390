package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Rules are the endpoints of rules, in the terms of whoever keeps rules: an endpoint is its key, and a style is how a rule posts.
type Rules struct {
	Webhooks *Webhooks
	Dialect  string // of every style but Native, which is a dialect itself
}

// Check tells with a fault why an address may not be posted to.
func (r Rules) Check(ctx context.Context, url string) error {
	return r.Webhooks.guard.CheckURL(ctx, url)
}

// Open makes the endpoint of a rule, which is told of the kinds of event when it is fed.
func (r Rules) Open(tx *store.Tx, by audit.Actor, a account.ID, rule int64, url, style string, kinds []event.Kind) (endpoint int64, secret string, err error) {
	e := Endpoint{Account: a, URL: url, Rule: rule, Ordered: true, Style: style, Dialect: r.dialect(style)}
	for _, k := range kinds {
		e.Events = append(e.Events, string(k))
	}
	if _, known := r.Webhooks.dialects[e.Dialect]; !known {
		return 0, "", fault.New(fault.NotSupported, "this server cannot post by %q", style).In("webhook")
	}
	made, secret, err := r.Webhooks.Create(tx, by, e)
	return int64(made.ID), secret, err
}

func (r Rules) dialect(style string) string {
	if style == Native {
		return Native
	}
	return r.Dialect
}

// Point has the endpoint of a rule lead elsewhere, and makes it active again.
func (r Rules) Point(tx *store.Tx, by audit.Actor, a account.ID, endpoint int64, url, style string) error {
	return r.Webhooks.point(tx, by, Endpoint{ID: EndpointID(endpoint), Account: a, URL: url, Style: style, Dialect: r.dialect(style)})
}

// Close removes the endpoint of a rule.
func (r Rules) Close(tx *store.Tx, by audit.Actor, a account.ID, endpoint int64) error {
	return r.Webhooks.remove(tx, by, a, EndpointID(endpoint))
}

// Feed has the endpoint of a rule told of events, in the transaction. It reports whether the endpoint takes any: one that was disabled
// does not.
func (r Rules) Feed(tx *store.Tx, endpoint int64, events []event.Event) (bool, error) {
	return r.Webhooks.feed(tx, EndpointID(endpoint), events)
}

func (w *Webhooks) feed(tx *store.Tx, of EndpointID, events []event.Event) (bool, error) {
	book, err := w.endpoints.Get(tx.Context())
	if err != nil {
		return false, err
	}
	to := book.lanes[laneOf(of)]
	if to == nil || !to.Active {
		return false, nil
	}
	jobs := make([]queue.Job, len(events))
	for i, e := range events {
		jobs[i] = to.job(tx, e)
	}
	return true, w.queue.Add(tx, jobs)
}

func (w *Webhooks) point(tx *store.Tx, by audit.Actor, e Endpoint) error {
	rows, err := store.First[webhookRecord](tx, oneWebhook, []oneWebhookParams{{ID: int64(e.ID), AccountID: e.Account}})
	if err != nil {
		return fmt.Errorf("read webhook: %w", err)
	}
	if rows[0] == nil {
		return unknown(e.ID)
	}
	n, err := store.Each(tx, pointWebhook, []pointWebhookParams{{
		URL: e.URL, Dialect: cmp.Or(e.Dialect, Native), Style: e.Style, UpdatedAt: max(tx.NowMilli(), rows[0].UpdatedAt+1), ID: int64(e.ID), AccountID: e.Account,
	}})
	if err != nil {
		return fmt.Errorf("change webhook: %w", err)
	}
	if n[0] == 0 {
		return unknown(e.ID)
	}
	return note(tx, by, e.Account, e.ID, "webhook.update", e.URL)
}

// Push posts an event to an address that is no endpoint's, now, as an endpoint of the dialect and style would be told of it, and tells
// what came back. Nothing is kept of it.
func (w *Webhooks) Push(ctx context.Context, to Endpoint, e event.Event, data json.RawMessage) (Trial, error) {
	if err := w.guard.CheckURL(ctx, to.URL); err != nil {
		return Trial{}, err
	}
	d, known := w.dialects[cmp.Or(to.Dialect, Native)]
	if !known {
		return Trial{}, fault.New(fault.InvalidField, "there is no dialect %q", to.Dialect).In("dialect")
	}
	at := &endpoint{Endpoint: to, dialect: d}
	p := w.post(at, "test_"+strconv.FormatInt(w.store.NewID(), 36), 1)
	p.Event, p.Data = e, data
	return w.try(ctx, p, at)
}
