package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Feed has an endpoint that a rule feeds told of events, in the transaction. It reports whether the endpoint takes them: one that
// was disabled does not.
func (w *Webhooks) Feed(tx *store.Tx, of EndpointID, events []event.Event) (bool, error) {
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

// Point has the endpoint that a rule feeds lead where the endpoint given does, in its dialect and style. It is active again.
func (w *Webhooks) Point(tx *store.Tx, by audit.Actor, e Endpoint) error {
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
