package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/webhook"
)

func (s *server) webhookOperations() []operation {
	return []operation{
		op[input[webhookRequest], output[madeWebhookReply]]("POST /webhooks", account.WebhooksWrite, "createWebhook", "Make a webhook", s.createWebhook).answers(201),
		op[PageInput, output[page[WebhookReply]]]("GET /webhooks", account.WebhooksRead, "listWebhooks", "List webhooks", s.listWebhooks),
		op[IDInput, output[WebhookReply]]("GET /webhooks/{id}", account.WebhooksRead, "readWebhook", "Read a webhook", s.readWebhook),
		op[changeInput, output[WebhookReply]]("PATCH /webhooks/{id}", account.WebhooksWrite, "changeWebhook", "Change a webhook", s.changeWebhook),
		op[IDInput, nothing]("DELETE /webhooks/{id}", account.WebhooksWrite, "deleteWebhook", "Delete a webhook", s.deleteWebhook).answers(204),
		op[pageOfInput, output[page[deliveryReply]]]("GET /webhooks/{id}/deliveries", account.WebhooksRead, "listDeliveries", "List what was posted, and what came back", s.listDeliveries),
		op[deliveryInput, output[replayReply]]("POST /webhooks/{id}/deliveries/{delivery_id}/replay", account.WebhooksWrite, "replayDelivery", "Post it again", s.replayDelivery).answers(202),
	}
}

// webhookRequest is an endpoint to make.
type webhookRequest struct {
	URL         string   `json:"url" doc:"A public http or https address." example:"https://example.com/tidings"`
	Events      []string `json:"events" doc:"Types of event, families such as message.*, or *." nullable:"false" minItems:"1" example:"[\"message.*\"]"`
	Description string   `json:"description,omitempty" maxLength:"500"`
	Ordered     *bool    `json:"ordered,omitempty" doc:"Whether a message's next event waits for the one before; true without it."`
}

// changeRequest is what to change of an endpoint; what is absent stays.
type changeRequest struct {
	URL         *string   `json:"url,omitempty"`
	Events      *[]string `json:"events,omitempty" minItems:"1"`
	Description *string   `json:"description,omitempty" maxLength:"500"`
	Ordered     *bool     `json:"ordered,omitempty"`
	Active      *bool     `json:"active,omitempty" doc:"true starts one again that was disabled."`
}

// WebhookReply is an endpoint without its secret.
type WebhookReply struct {
	ID          string   `json:"id" format:"uuid"`
	URL         string   `json:"url"`
	Events      []string `json:"events" nullable:"false"`
	Description string   `json:"description"`
	Ordered     bool     `json:"ordered"`
	Active      bool     `json:"active"`
	Reason      string   `json:"reason,omitempty" doc:"Why we disabled it."`
	CreatedAt   string   `json:"created_at" format:"date-time"`
	UpdatedAt   string   `json:"updated_at" format:"date-time"`
}

// madeWebhookReply is a new endpoint with its secret.
type madeWebhookReply struct {
	WebhookReply
	Secret string `json:"secret" doc:"Signs the posts (Standard Webhooks). Shown this once." example:"whsec_..."`
}

func showWebhook(e *webhook.Endpoint) WebhookReply {
	return WebhookReply{
		ID: e.ID.String(), URL: e.URL, Events: texts(e.Events), Description: e.Description, Ordered: e.Ordered, Active: e.Active, Reason: e.Reason,
		CreatedAt: showTime(e.ID.Time()), UpdatedAt: showTime(e.Updated),
	}
}

// createWebhook makes an endpoint and shows its secret this once.
func (s *server) createWebhook(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[webhookRequest](r)
	if err != nil {
		return err
	}
	if in.URL == "" {
		return fault.New(fault.MissingField, "a webhook has an address").In("url")
	}
	c := api.CallerOf(r)
	e, secret, err := s.core.Webhooks.Create(r.Context(), c.By, webhook.Endpoint{
		Account: c.Account.ID, URL: in.URL, Events: in.Events, Description: in.Description, Ordered: in.Ordered == nil || *in.Ordered,
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusCreated, madeWebhookReply{showWebhook(&e), secret})
}

// listWebhooks lists the account's endpoints, newest first.
func (s *server) listWebhooks(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "webhooks", func(after int64, limit int) ([]webhook.Endpoint, error) {
		return s.core.Webhooks.List(r.Context(), a, webhook.EndpointID(after), limit)
	}, func(e *webhook.Endpoint) (WebhookReply, int64) { return showWebhook(e), int64(e.ID) })
}

// readWebhook shows one endpoint.
func (s *server) readWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	e, err := s.core.Webhooks.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showWebhook(&e))
}

// changeWebhook changes what the request names.
func (s *server) changeWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	in, err := api.Decode[changeRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	e, err := s.core.Webhooks.Update(r.Context(), c.By, c.Account.ID, at, webhook.Change(*in))
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showWebhook(&e))
}

// deleteWebhook ends an endpoint and what is still on its way to it.
func (s *server) deleteWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if err := s.core.Webhooks.Delete(r.Context(), c.By, c.Account.ID, at); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deliveryReply is one event to one endpoint, with what came of its last try.
type deliveryReply struct {
	ID        string  `json:"id" format:"uuid"`
	Subject   string  `json:"subject" format:"uuid" doc:"The message, mostly."`
	Seq       int     `json:"seq"`
	Type      string  `json:"type" example:"message.delivered"`
	Status    string  `json:"status" enum:"pending,delivered,failed"`
	Tries     int     `json:"tries"`
	Answer    int     `json:"response_status" doc:"HTTP status of the last answer; 0 when there was none."`
	Response  string  `json:"response" doc:"How the last answer began."`
	Error     string  `json:"error" doc:"What was wrong with the last try."`
	TookMS    int64   `json:"took_ms"`
	CreatedAt string  `json:"created_at" format:"date-time"`
	TriedAt   *string `json:"tried_at" format:"date-time" nullable:"true"`
	NextAt    *string `json:"next_at" format:"date-time" nullable:"true" doc:"When it is tried next."`
}

// replayReply is a delivery that is posted again.
type replayReply struct {
	ID     string `json:"id" format:"uuid"`
	Status string `json:"status" enum:"pending"`
}

func showDelivery(d *webhook.Delivery) deliveryReply {
	return deliveryReply{
		ID: d.ID.String(), Subject: message.ID(d.Subject).String(), Seq: d.Seq, Type: string(d.Kind), Status: string(d.Status), Tries: d.Tries,
		Answer: d.Code, Response: d.Response, Error: d.Error, TookMS: d.Took.Milliseconds(),
		CreatedAt: showTime(d.ID.Time()), TriedAt: showMaybe(d.Tried), NextAt: showMaybe(d.Due),
	}
}

// listDeliveries lists what was posted to an endpoint and what came back, newest first.
func (s *server) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "deliveries/"+at.String(), func(after int64, limit int) ([]webhook.Delivery, error) {
		return s.core.Webhooks.Deliveries(r.Context(), a, at, webhook.DeliveryID(after), limit)
	}, func(d *webhook.Delivery) (deliveryReply, int64) { return showDelivery(d), int64(d.ID) })
}

// replayDelivery posts a delivery again under the same webhook-id.
func (s *server) replayDelivery(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	which, err := pathID[webhook.Delivery](r, "delivery_id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if err := s.core.Webhooks.Replay(r.Context(), c.By, c.Account.ID, at, which); err != nil {
		return err
	}
	return api.Reply(w, http.StatusAccepted, replayReply{which.String(), string(webhook.Pending)})
}
