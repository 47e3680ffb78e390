package webhook

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Delivery is one event to one endpoint, with what came of its last try.
type Delivery struct {
	ID       DeliveryID
	Endpoint EndpointID
	Subject  int64
	Seq      int
	Kind     event.Kind
	Status   Status
	Tries    int
	Code     int    // the HTTP status of the last answer; 0: there was none
	Error    string // what was wrong with the last try
	Response string // how the last answer began
	Took     time.Duration
	Tried    time.Time // or held back
	Due      time.Time // when an open one is tried next
}

// DeliveryID is the key of a delivery.
type DeliveryID = id.Of[Delivery]

// Status is the state of a delivery.
type Status string

// The states of a delivery.
const (
	Pending   Status = "pending" // tried or held back, and to be tried again
	Delivered Status = "delivered"
	Failed    Status = "failed" // for good
)

// States lists every state of a delivery.
var States = []Status{Pending, Delivered, Failed}

// deliveriesWindow is how many deliveries are looked at for a page of those that were taken.
const deliveriesWindow = 5000

// Deliveries returns an endpoint's deliveries of a state (empty: of all) before the given one (zero: from the newest), newest
// first, and the last one it looked at: of those that were taken a page may be short, and yet more before it. One that nobody has
// tried yet is not among them; Waiting counts those too.
func (w *Webhooks) Deliveries(ctx context.Context, a account.ID, of EndpointID, state Status, before DeliveryID, page int) (list []Delivery, looked DeliveryID, err error) {
	if _, err := w.Get(ctx, a, of); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = newest
	}
	for seen := 0; seen < deliveriesWindow && len(list) < page; seen += page {
		rows, err := w.deliveries(ctx, a, of, state, before, page)
		if err != nil {
			return nil, 0, fmt.Errorf("list deliveries: %w", err)
		}
		for _, r := range rows {
			before = DeliveryID(r.ID)
			if d := deliveryOf(r); state == "" || d.Status == state {
				if list = append(list, d); len(list) == page {
					break
				}
			}
		}
		if len(rows) < page {
			return list, 0, nil
		}
	}
	return list, before, nil
}

func (w *Webhooks) deliveries(ctx context.Context, a account.ID, of EndpointID, state Status, before DeliveryID, page int) ([]deliveryRecord, error) {
	rows := on(w.store.Reader())
	for done, name := range statusOf {
		if name == state && done != delivered {
			return rows.DeliveriesInState(ctx, deliveriesInStateParams{WebhookID: int64(of), AccountID: a, Done: done, Before: int64(before), Page: int64(page)})
		}
	}
	return rows.DeliveriesOf(ctx, deliveriesOfParams{WebhookID: int64(of), AccountID: a, Before: int64(before), Page: int64(page)})
}

// Waiting counts what is on its way to an endpoint: never tried, or to be tried again.
func (w *Webhooks) Waiting(ctx context.Context, a account.ID, of EndpointID) (int, error) {
	if _, err := w.Get(ctx, a, of); err != nil {
		return 0, err
	}
	return w.queue.Waiting(ctx, laneOf(of))
}

// Replay posts a delivery again, under the same webhook-id. One that is still open is tried at once, with all that waits
// for it.
func (w *Webhooks) Replay(tx *store.Tx, by audit.Actor, a account.ID, of EndpointID, which DeliveryID) error {
	rows, err := store.First[deliveryRecord](tx, oneDelivery, []oneDeliveryParams{{ID: int64(which), AccountID: a}})
	if err != nil {
		return fmt.Errorf("read delivery: %w", err)
	}
	d := rows[0]
	if d == nil || EndpointID(d.WebhookID) != of {
		return fault.New(fault.NotHere, "there is no delivery %s", which)
	}
	err = audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "webhook.replay", Subject: of.String(), Detail: which.String()})
	if err != nil {
		return err
	}
	if d.Done == open {
		return w.hurry(tx, d)
	}
	return w.repeat(tx, d)
}

// repeat adds a job for a delivery that is done. It stands outside the order of its subject.
func (w *Webhooks) repeat(tx *store.Tx, d *deliveryRecord) error {
	j := w.jobOf(tx, d)
	j.ID = tx.NewID()
	j.Data = ticket{seq: int(d.Seq), kind: event.Kind(d.Kind), replay: d.ID, base: int(d.Tries)}.String()
	n, err := store.Each(tx, startReplay, []startReplayParams{{Replay: j.ID, ID: d.ID}})
	if err != nil {
		return fmt.Errorf("replay delivery: %w", err)
	}
	if n[0] == 0 {
		return fault.New(fault.AlreadyThere, "the delivery is being replayed")
	}
	return w.queue.Add(tx, []queue.Job{j})
}

// hurry makes what is open of the delivery's subject due now.
func (w *Webhooks) hurry(tx *store.Tx, d *deliveryRecord) error {
	found, err := store.Find[openOfRow](tx, openOf, []openOfParams{{WebhookID: d.WebhookID, Subject: d.Subject}})
	if err != nil {
		return fmt.Errorf("find open deliveries: %w", err)
	}
	jobs, rows := make([]queue.Job, len(found)), make([]hurryDeliveryParams, len(found))
	for i, f := range found {
		jobs[i] = w.jobOf(tx, d)
		jobs[i].ID = cmp.Or(f.Row.Replay, f.Row.ID)
		rows[i] = hurryDeliveryParams{DueAt: tx.NowMilli(), ID: f.Row.ID}
	}
	if err := store.Run(tx, hurryDelivery, rows); err != nil {
		return fmt.Errorf("hurry deliveries: %w", err)
	}
	return w.queue.Hurry(tx, jobs)
}

// jobOf is the job of a delivery, due now.
func (w *Webhooks) jobOf(tx *store.Tx, d *deliveryRecord) queue.Job {
	return queue.Job{
		ID: d.ID, Lane: laneOf(EndpointID(d.WebhookID)), Kind: kind, Subject: d.Subject, Account: d.AccountID, Priority: 2, Due: tx.Now(),
	}
}

// Owes reports whether anything is still to be told of a subject from one to before another.
func (w *Webhooks) Owes(ctx context.Context, from, before int64) (bool, error) {
	_, err := on(w.store.Reader()).OpenAbout(ctx, openAboutParams{FromSubject: from, Before: before})
	if store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for open deliveries: %w", err)
	}
	return true, nil
}

// DropDeliveries deletes some of the deliveries that began before the given time and are done, and tells how many: none
// when all are gone.
func (w *Webhooks) DropDeliveries(tx *store.Tx, before time.Time) (int, error) {
	n, err := store.Each(tx, dropDeliveries, []dropDeliveriesParams{{Before: int64(id.At[Delivery](before))}})
	if err != nil {
		return 0, fmt.Errorf("drop deliveries: %w", err)
	}
	return int(n[0]), nil
}

var statusOf = map[int16]Status{open: Pending, delivered: Delivered, failed: Failed}

func deliveryOf(r deliveryRecord) Delivery {
	d := Delivery{
		ID: DeliveryID(r.ID), Endpoint: EndpointID(r.WebhookID), Subject: r.Subject, Seq: int(r.Seq), Kind: event.Kind(r.Kind),
		Status: statusOf[r.Done], Tries: int(r.Tries), Code: int(r.Status), Error: r.Error, Response: r.Response,
		Took: time.Duration(r.Took) * time.Millisecond, Tried: time.UnixMilli(r.At).UTC(),
	}
	if r.Done == open {
		d.Due = time.UnixMilli(r.DueAt).UTC()
	}
	return d
}
