package webhook

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
)

// tellingTime is how long after its subject began an event may still be told, for Told.
const tellingTime = 14 * 24 * time.Hour

// Told returns what an account's endpoints were told of one subject. It walks the endpoints' deliveries of the fortnight
// after the subject began: it is for a person who asks about one message.
func (w *Webhooks) Told(ctx context.Context, a account.ID, subject int64) ([]Delivery, error) {
	endpoints, err := w.List(ctx, a, 0, 4*perAccount) // those that rules feed, too
	if err != nil {
		return nil, err
	}
	var told []Delivery
	before := id.At[Delivery](id.Of[Delivery](subject).Time().Add(tellingTime))
	for _, e := range endpoints {
		rows, err := on(w.store.Reader()).ToldOf(ctx, toldOfParams{
			WebhookID: int64(e.ID), AccountID: a, Subject: subject, FromID: subject, BeforeID: int64(before),
		})
		if err != nil {
			return nil, fmt.Errorf("list what was told: %w", err)
		}
		for _, r := range rows {
			told = append(told, deliveryOf(r))
		}
	}
	return told, nil
}

// Outcome is what came of a delivery, in words.
func (d Delivery) Outcome() string {
	text := fmt.Sprintf("%s after %d tries", d.Status, d.Tries)
	if d.Tries == 1 {
		text = fmt.Sprintf("%s at once", d.Status)
	}
	if d.Code != 0 {
		text += fmt.Sprintf(", answered %d in %s", d.Code, d.Took.Round(100*time.Microsecond))
	}
	if d.Error != "" {
		text += ", " + d.Error
	}
	return text
}
