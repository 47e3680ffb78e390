package webhook

import (
	"context"
	"fmt"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
)

// book is all endpoints, in memory. It is replaced as a whole when one changes.
type book struct {
	of     map[account.ID][]*endpoint
	lanes  map[string]*endpoint
	active int
}

// endpoint is an Endpoint ready for work.
type endpoint struct {
	Endpoint
	lane      string
	signers   []signer
	dialect   Dialect
	kinds     map[event.Kind]bool
	failingAt int64
	updatedAt int64
}

func (e *endpoint) takes(k event.Kind) bool { return e.kinds[k] }

func (w *Webhooks) loadEndpoints(ctx context.Context, db store.Queryer) (*book, error) {
	rows, err := on(db).AllWebhooks(ctx)
	if err != nil {
		return nil, err
	}
	b := &book{of: map[account.ID][]*endpoint{}, lanes: make(map[string]*endpoint, len(rows))}
	for _, r := range rows {
		e, err := w.ready(r)
		if err != nil {
			// One endpoint that cannot be used must not keep the others from being told.
			w.log.Error("cannot use a webhook", "webhook", EndpointID(r.ID), "err", err)
			e.Active, e.Reason = false, "its secret or dialect cannot be used"
		}
		b.of[e.Account] = append(b.of[e.Account], e)
		b.lanes[e.lane] = e
		if e.Active {
			b.active++
		}
	}
	w.gates.keep(func(id EndpointID) bool { return b.lanes[laneOf(id)] != nil })
	return b, nil
}

func (w *Webhooks) ready(r webhookRecord) (*endpoint, error) {
	e := &endpoint{Endpoint: endpointOf(r), kinds: map[event.Kind]bool{}, failingAt: r.FailingAt, updatedAt: r.UpdatedAt}
	e.lane = laneOf(e.ID)
	for _, k := range event.Kinds {
		for _, pattern := range e.Events {
			if k.Matches(pattern) {
				e.kinds[k] = true
			}
		}
	}
	var known bool
	if e.dialect, known = w.dialects[e.Dialect]; !known {
		return e, fmt.Errorf("there is no dialect %q", e.Dialect)
	}
	var err error
	e.signers, err = w.signersOf(r)
	return e, err
}

func laneOf(of EndpointID) string { return fmt.Sprintf("%s%016x", lanePrefix, int64(of)) }
