package webhook

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Endpoint is an address of a customer's that takes events.
type Endpoint struct {
	ID          EndpointID
	Account     account.ID
	URL         string
	Events      []string // kinds, families such as "message.*", or "*"
	Description string
	Ordered     bool // a subject's next event waits for the one before
	Active      bool
	Reason      string            // why it is not active, when we stopped it
	Dialect     string            // how events are posted; empty: Native
	Style       string            // how its dialect posts, where that has several ways
	Channel     message.ChannelID // it hears of this channel's messages and of nothing else; zero: of all. A channel has one at most
	Rule        int64             // the rule that alone feeds it; zero: it hears what happens. A rule has one at most
	Updated     time.Time
}

// EndpointID is the key of an endpoint.
type EndpointID = id.Of[Endpoint]

// Change is what an update changes; nil leaves as it is.
type Change struct {
	URL         *string
	Events      *[]string
	Description *string
	Ordered     *bool
	Active      *bool
}

const (
	perAccount     = 50
	maxDescription = 500
)

// Create stores a new, active endpoint that Check found good, and returns the secret that its posts are signed with. The secret
// is shown this once.
func (w *Webhooks) Create(tx *store.Tx, by audit.Actor, e Endpoint) (Endpoint, string, error) {
	have, err := store.First[int64](tx, countWebhooks, []countWebhooksParams{{AccountID: e.Account}})
	if err != nil {
		return e, "", fmt.Errorf("count webhooks: %w", err)
	}
	if *have[0] >= perAccount && e.Rule == 0 {
		return e, "", fault.New(fault.InvalidField, "the account has %d webhooks, and may not have more", perAccount)
	}
	e.ID, e.Active, e.Reason, e.Updated, e.Dialect = EndpointID(tx.NewID()), true, "", tx.Now(), cmp.Or(e.Dialect, Native)
	secret, sealed, err := w.newSecret(e.ID)
	if err != nil {
		return e, "", err
	}
	row := addWebhookParams{
		ID: int64(e.ID), AccountID: e.Account, URL: e.URL, Events: strings.Join(e.Events, " "), Description: e.Description,
		Dialect: e.Dialect, Secret: sealed, Ordered: flag(e.Ordered), Active: flag(e.Active), UpdatedAt: tx.NowMilli(), ChannelID: e.Channel,
		RuleID: e.Rule, Style: e.Style,
	}
	if err := store.Run(tx, addWebhook, []addWebhookParams{row}); err != nil {
		return e, "", fmt.Errorf("store webhook: %w", err)
	}
	return e, secret, note(tx, by, e.Account, e.ID, "webhook.create", e.URL)
}

// note writes down who changed an endpoint and has every process read it again.
func note(tx *store.Tx, by audit.Actor, a account.ID, of EndpointID, action, detail string) error {
	err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: action, Subject: of.String(), Detail: detail})
	if err != nil {
		return err
	}
	return tx.Touch(topic)
}

// Get returns an endpoint of the account.
func (w *Webhooks) Get(ctx context.Context, a account.ID, of EndpointID) (Endpoint, error) {
	r, err := on(w.store.Reader()).OneWebhook(ctx, oneWebhookParams{ID: int64(of), AccountID: a})
	if store.NoRows(err) {
		return Endpoint{}, unknown(of)
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("read webhook: %w", err)
	}
	return endpointOf(r), nil
}

// OfChannel is the endpoint that hears of a channel alone; false when it has none.
func (w *Webhooks) OfChannel(ctx context.Context, channel message.ChannelID) (Endpoint, bool, error) {
	r, err := on(w.store.Reader()).WebhookOfChannel(ctx, webhookOfChannelParams{ChannelID: channel})
	if store.NoRows(err) {
		return Endpoint{}, false, nil
	}
	if err != nil {
		return Endpoint{}, false, fmt.Errorf("read webhook of channel %s: %w", channel, err)
	}
	return endpointOf(r), true, nil
}

// List returns the account's endpoints before the given one (zero: from the newest), newest first.
func (w *Webhooks) List(ctx context.Context, a account.ID, before EndpointID, page int) ([]Endpoint, error) {
	if before == 0 {
		before = newest
	}
	rows, err := on(w.store.Reader()).WebhooksOf(ctx, webhooksOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	list := make([]Endpoint, len(rows))
	for i, r := range rows {
		list[i] = endpointOf(r)
	}
	return list, nil
}

// Update changes an endpoint. One that is made active again starts with a clean record.
func (w *Webhooks) Update(ctx context.Context, by audit.Actor, a account.ID, of EndpointID, c Change) (e Endpoint, err error) {
	was, err := w.Get(ctx, a, of)
	if err != nil {
		return Endpoint{}, err
	}
	if was.Rule != 0 && (c.URL != nil || c.Events != nil || c.Ordered != nil) {
		return Endpoint{}, fault.New(fault.StillUsed, "a rule feeds this webhook and says where it leads; change the rule")
	}
	if err := w.Check(ctx, c.apply(was)); err != nil {
		return Endpoint{}, err
	}
	err = w.store.Write(func(tx *store.Tx) error {
		rows, err := store.First[webhookRecord](tx, oneWebhook, []oneWebhookParams{{ID: int64(of), AccountID: a}})
		if err != nil {
			return fmt.Errorf("read webhook: %w", err)
		}
		if rows[0] == nil {
			return unknown(of)
		}
		e = c.apply(endpointOf(*rows[0]))
		e.Updated = tx.Now()
		return change(tx, by, e, rows[0])
	})
	return e, err
}

func (c Change) apply(e Endpoint) Endpoint {
	set(&e.URL, c.URL)
	set(&e.Events, c.Events)
	set(&e.Description, c.Description)
	set(&e.Ordered, c.Ordered)
	set(&e.Active, c.Active)
	return e
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func change(tx *store.Tx, by audit.Actor, e Endpoint, was *webhookRecord) error {
	row := changeWebhookParams{
		URL: e.URL, Events: strings.Join(e.Events, " "), Description: e.Description, Ordered: flag(e.Ordered), Active: flag(e.Active),
		Reason: e.Reason, FailingAt: was.FailingAt, UpdatedAt: max(tx.NowMilli(), was.UpdatedAt+1), ID: int64(e.ID), AccountID: e.Account,
	}
	if e.Active && was.Active == 0 {
		row.Reason, row.FailingAt = "", 0
	}
	if err := store.Run(tx, changeWebhook, []changeWebhookParams{row}); err != nil {
		return fmt.Errorf("change webhook: %w", err)
	}
	return note(tx, by, e.Account, e.ID, "webhook.update", e.URL)
}

// Delete removes an endpoint. What is still on its way to it is not posted any more. One that a rule feeds goes with the rule.
func (w *Webhooks) Delete(ctx context.Context, by audit.Actor, a account.ID, of EndpointID) error {
	was, err := w.Get(ctx, a, of)
	if err != nil {
		return err
	}
	if was.Rule != 0 {
		return fault.New(fault.StillUsed, "a rule feeds this webhook; delete the rule")
	}
	return w.store.Write(func(tx *store.Tx) error { return w.remove(tx, by, a, of) })
}

func (w *Webhooks) remove(tx *store.Tx, by audit.Actor, a account.ID, of EndpointID) error {
	n, err := store.Each(tx, dropWebhook, []dropWebhookParams{{ID: int64(of), AccountID: a}})
	if err != nil {
		return fmt.Errorf("delete webhook: %w", err)
	}
	if n[0] == 0 {
		return unknown(of)
	}
	return note(tx, by, a, of, "webhook.delete", "")
}

// Check tells with a fault what is wrong with an endpoint. It may ask for the address of its host.
func (w *Webhooks) Check(ctx context.Context, e Endpoint) error {
	if _, known := w.dialects[cmp.Or(e.Dialect, Native)]; !known {
		return fault.New(fault.InvalidField, "there is no dialect %q", e.Dialect).In("dialect")
	}
	if utf8.RuneCountInString(e.Description) > maxDescription {
		return fault.New(fault.InvalidField, "a description may have %d characters", maxDescription).In("description")
	}
	if len(e.Events) == 0 {
		return fault.New(fault.MissingField, `name the events, or "*" for all`).In("events")
	}
	for i, pattern := range e.Events {
		if !event.Known(pattern) {
			return fault.New(fault.InvalidField, "there is no event %.60q", pattern).In(fmt.Sprintf("events[%d]", i))
		}
	}
	return w.guard.CheckURL(ctx, e.URL)
}

func sealPlace(of EndpointID) string { return fmt.Sprintf("webhook/%d", int64(of)) }

func unknown(of EndpointID) error { return fault.New(fault.NotHere, "there is no webhook %s", of) }

const newest = 1<<63 - 1

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

func endpointOf(r webhookRecord) Endpoint {
	return Endpoint{
		ID: EndpointID(r.ID), Account: r.AccountID, URL: r.URL, Events: strings.Fields(r.Events), Description: r.Description,
		Ordered: r.Ordered == 1, Active: r.Active == 1, Reason: r.Reason, Dialect: r.Dialect, Updated: time.UnixMilli(r.UpdatedAt).UTC(),
		Channel: r.ChannelID, Rule: r.RuleID, Style: r.Style,
	}
}

// line is an endpoint in an export of its account.
type line struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Events      []string `json:"events"`
	Description string   `json:"description,omitempty"`
	Active      bool     `json:"active"`
}

// Lines is List as an export shows it; next is where the next page begins, 0 when there is none.
func (w *Webhooks) Lines(ctx context.Context, a account.ID, before int64, page int) (lines []any, next int64, err error) {
	list, err := w.List(ctx, a, EndpointID(before), page)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range list {
		lines = append(lines, line{"webhook", e.ID.String(), e.URL, e.Events, e.Description, e.Active})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

// Forget empties what endpoints answered to posts about the subjects: an answer may repeat what was posted.
func (w *Webhooks) Forget(tx *store.Tx, subjects []int64) error {
	if err := store.Run(tx, forgetAnswers, subjects); err != nil {
		return fmt.Errorf("forget answers: %w", err)
	}
	return nil
}
