package native

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/webhook"
)

func (s *server) webhookOperations() []operation {
	return []operation{
		op[input[webhookRequest], output[madeWebhookReply]]("POST /webhooks", account.WebhooksWrite, "createWebhook", "Make a webhook", s.createWebhook).answers(201).once(),
		op[PageInput, output[page[WebhookReply]]]("GET /webhooks", account.WebhooksRead, "listWebhooks", "List webhooks", s.listWebhooks),
		op[IDInput, output[WebhookReply]]("GET /webhooks/{id}", account.WebhooksRead, "readWebhook", "Read a webhook", s.readWebhook),
		op[changeInput, output[WebhookReply]]("PATCH /webhooks/{id}", account.WebhooksWrite, "changeWebhook", "Change a webhook", s.changeWebhook),
		op[IDInput, nothing]("DELETE /webhooks/{id}", account.WebhooksWrite, "deleteWebhook", "Delete a webhook", s.deleteWebhook).answers(204),
		op[renewInput, output[renewedReply]]("POST /webhooks/{id}/rotate", account.WebhooksWrite, "rotateWebhook", "Give it a new secret", s.rotateWebhook).once(),
		op[IDInput, output[testReply]]("POST /webhooks/{id}/test", account.WebhooksWrite, "testWebhook", "Post a test now, and tell what came back", s.testWebhook),
		op[deliveriesInput, output[page[deliveryReply]]]("GET /webhooks/{id}/deliveries", account.WebhooksRead, "listDeliveries", "List what was posted, and what came back", s.listDeliveries),
		op[deliveryInput, output[replayReply]]("POST /webhooks/{id}/deliveries/{delivery_id}/replay", account.WebhooksWrite, "replayDelivery", "Post it again", s.replayDelivery).answers(202).once(),
		op[runInput, output[runReply]]("POST /webhooks/{id}/replay", account.WebhooksWrite, "replayWebhook", "Post again what happened in a time", s.replayWebhook).answers(202).once(),
		op[runIDInput, output[runReply]]("GET /webhooks/{id}/replays/{replay_id}", account.WebhooksRead, "readReplay", "Tell how far a replay is", s.readReplay),
	}
}

// The inputs, as huma documents them.
type (
	renewInput struct {
		IDInput
		Body renewRequest
	}
	deliveriesInput struct {
		IDInput
		PageInput
		Status string `query:"status" enum:"pending,delivered,failed" doc:"Only deliveries in this state. Of delivered a page looks at 5,000 deliveries: it may be short and yet have a next_cursor."`
	}
	runInput struct {
		IDInput
		Body runRequest
	}
	runIDInput struct {
		IDInput
		Replay string `path:"replay_id" format:"uuid"`
	}
)

// renewRequest says how long the old secret goes on.
type renewRequest struct {
	Grace string `json:"grace,omitempty" doc:"How long posts are signed with the old secret too, up to 168h; 24h without it. 0s ends all old secrets at once." example:"24h"`
}

// renewedReply is a new secret.
type renewedReply struct {
	ID     string `json:"id" format:"uuid"`
	Secret string `json:"secret" doc:"Shown this once." example:"whsec_..."`
}

// Made implements api.ShownOnce.
func (r renewedReply) Made() string { return r.ID }

// testReply is what came of a test.
type testReply struct {
	OK       bool   `json:"ok" doc:"Whether the endpoint took it."`
	Answer   int    `json:"response_status" doc:"HTTP status of the answer; 0 when there was none."`
	Response string `json:"response" doc:"How the answer began."`
	Error    string `json:"error" doc:"What was wrong."`
	TookMS   int64  `json:"took_ms"`
}

// runRequest is a time to post again.
type runRequest struct {
	Since string   `json:"since" doc:"At most 14 days ago." format:"date-time"`
	Until string   `json:"until,omitempty" doc:"Now without it." format:"date-time"`
	Kinds []string `json:"kinds,omitempty" doc:"Types of event or families such as message.*; all that the endpoint takes without it."`
	Only  string   `json:"only,omitempty" doc:"failed: what failed for good. all: every event that the endpoint takes, also what came while it was stopped. failed without it." enum:"failed,all"`
}

// runReply is a replay of a time.
type runReply struct {
	ID      string   `json:"id" format:"uuid"`
	Webhook string   `json:"webhook" format:"uuid"`
	Since   string   `json:"since" format:"date-time"`
	Until   string   `json:"until" format:"date-time"`
	Kinds   []string `json:"kinds" nullable:"false"`
	Only    string   `json:"only" enum:"failed,all"`
	Status  string   `json:"status" enum:"running,done,stopped" doc:"done: all is posted, or waits for its next try. stopped: the endpoint is not active any more."`
	Posted  int      `json:"posted" doc:"Posts begun so far."`
	Waiting int      `json:"waiting" doc:"Posts of this webhook's replays that were not taken yet, as far as 16."`
	EndedAt *string  `json:"ended_at" format:"date-time" nullable:"true"`
}

func showRun(r *webhook.Run) runReply {
	only := "all"
	if r.Failed {
		only = "failed"
	}
	return runReply{
		ID: r.ID.String(), Webhook: r.Endpoint.String(), Since: showTime(r.Since), Until: showTime(r.Until), Kinds: texts(r.Kinds), Only: only,
		Status: string(r.State), Posted: r.Posted, Waiting: r.Waiting, EndedAt: showMaybe(r.Ended),
	}
}

// rotateWebhook gives an endpoint a new secret and shows it this once.
func (s *server) rotateWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	in, err := api.Decode[renewRequest](r)
	if err != nil {
		return err
	}
	grace, err := time.ParseDuration(cmp.Or(in.Grace, "24h"))
	if err != nil {
		return fault.New(fault.InvalidField, "a grace is a time such as 24h").In("grace")
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		secret, err := s.core.Webhooks.Rotate(tx, c.By, c.Account.ID, at, grace)
		return renewedReply{at.String(), secret}, err
	})
}

// testWebhook posts a test and answers with what came back.
func (s *server) testWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	got, err := s.core.Webhooks.Test(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, testReply{got.OK, got.Status, got.Response, got.Error, got.Took.Milliseconds()})
}

// replayWebhook posts again what happened in a time, in the background.
func (s *server) replayWebhook(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	in, err := api.Decode[runRequest](r)
	if err != nil {
		return err
	}
	run, err := in.run(at)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusAccepted, func(tx *store.Tx) (any, error) {
		begun, err := s.core.Webhooks.StartRun(tx, c.By, c.Account.ID, run)
		return showRun(&begun), err
	})
}

// run says the request in the words of the core.
func (in *runRequest) run(of webhook.EndpointID) (run webhook.Run, err error) {
	run = webhook.Run{Endpoint: of, Kinds: in.Kinds, Failed: in.Only != "all"}
	if in.Only != "" && in.Only != "all" && in.Only != "failed" {
		return run, fault.New(fault.InvalidField, "only is failed or all").In("only")
	}
	if run.Since, err = readTime(in.Since); err != nil {
		return run, fault.New(fault.InvalidField, notATime).In("since")
	}
	if run.Until, err = readTime(in.Until); err != nil {
		return run, fault.New(fault.InvalidField, notATime).In("until")
	}
	return run, nil
}

// readReplay tells how far a replay is.
func (s *server) readReplay(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[webhook.Endpoint](r, "id")
	if err != nil {
		return err
	}
	which, err := pathID[webhook.Run](r, "replay_id")
	if err != nil {
		return err
	}
	run, err := s.core.Webhooks.ReadRun(r.Context(), api.CallerOf(r).Account.ID, at, which)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showRun(&run))
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
	Rule        string   `json:"rule,omitempty" format:"uuid" doc:"The rule that alone feeds it, and says where it leads."`
	CreatedAt   string   `json:"created_at" format:"date-time"`
	UpdatedAt   string   `json:"updated_at" format:"date-time"`
}

// madeWebhookReply is a new endpoint with its secret.
type madeWebhookReply struct {
	WebhookReply
	Secret string `json:"secret" doc:"Signs the posts (Standard Webhooks). Shown this once." example:"whsec_..."`
}

// Made implements api.ShownOnce.
func (m madeWebhookReply) Made() string { return m.ID }

func showWebhook(e *webhook.Endpoint) WebhookReply {
	return WebhookReply{
		ID: e.ID.String(), URL: e.URL, Events: texts(e.Events), Description: e.Description, Ordered: e.Ordered, Active: e.Active, Reason: e.Reason,
		Rule:      automation.ID(e.Rule).String(),
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
	wanted := webhook.Endpoint{
		Account: c.Account.ID, URL: in.URL, Events: in.Events, Description: in.Description, Ordered: in.Ordered == nil || *in.Ordered,
	}
	if err := s.core.Webhooks.Check(r.Context(), wanted); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		e, secret, err := s.core.Webhooks.Create(tx, c.By, wanted)
		return madeWebhookReply{showWebhook(&e), secret}, err
	})
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
	q := queryOf(r)
	limit, state := q.limit(), webhook.Status(q.Get("status"))
	if state != "" && !slices.Contains(webhook.States, state) {
		q.wrong("status", "a delivery is pending, delivered or failed")
	}
	if q.err != nil {
		return q.err
	}
	a := api.CallerOf(r).Account.ID
	return turn(s, w, r, "deliveries/"+at.String()+string(state), func(after int64) (shown []deliveryReply, next int64, err error) {
		found, looked, err := s.core.Webhooks.Deliveries(r.Context(), a, at, state, webhook.DeliveryID(after), limit+1)
		if err != nil {
			return nil, 0, err
		}
		shown, next = make([]deliveryReply, min(len(found), limit)), int64(looked)
		for i := range shown {
			shown[i] = showDelivery(&found[i])
		}
		if len(found) > limit {
			next = int64(found[limit-1].ID)
		}
		return shown, next, nil
	})
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
	return api.Commit(w, r, http.StatusAccepted, func(tx *store.Tx) (any, error) {
		err := s.core.Webhooks.Replay(tx, c.By, c.Account.ID, at, which)
		return replayReply{which.String(), string(webhook.Pending)}, err
	})
}
