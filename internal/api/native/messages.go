package native

import (
	"net/http"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

func (s *server) messageOperations() []operation {
	return []operation{
		op[input[sendRequest], output[MessageReply]]("POST /messages", account.MessagesSend, "createMessage", "Accept one message", s.createMessage).answers(202).once(),
		op[input[batchRequest], output[batchReply]]("POST /messages/batch", account.MessagesSend, "createBatch", "Accept up to 1,000 messages", s.createBatch).answers(202).large().once(),
		op[messagesInput, output[page[MessageReply]]]("GET /messages", account.MessagesRead, "listMessages", "List messages", s.listMessages),
		op[IDInput, output[wholeMessage]]("GET /messages/{id}", account.MessagesRead, "readMessage", "Read one message with its journey", s.readMessage),
		op[IDInput, output[MessageReply]]("POST /messages/{id}/cancel", account.MessagesSend, "cancelMessage", "Take a waiting message back", s.cancelMessage),
	}
}

// createMessage accepts one message.
func (s *server) createMessage(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[sendRequest](r)
	if err != nil {
		return err
	}
	draft, err := in.draft()
	if err != nil {
		return err
	}
	reply, err := s.submit(w, r, draft)
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	return api.Reply(w, http.StatusAccepted, showMessage(&reply.Results[0].Message))
}

// createBatch accepts many messages, each of which stands alone.
func (s *server) createBatch(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[batchRequest](r)
	if err != nil {
		return err
	}
	if err := s.checkBatch(in); err != nil {
		return err
	}
	drafts, wrong := in.drafts()
	var results []gateway.Result
	if len(drafts) > 0 {
		reply, err := s.submit(w, r, drafts...)
		if err != nil {
			return err
		}
		results = reply.Results
	}
	return api.Reply(w, http.StatusAccepted, s.showResults(results, wrong))
}

func (s *server) checkBatch(in *batchRequest) error {
	switch {
	case in.Messages == nil:
		return fault.New(fault.MissingField, "a batch has messages").In("messages")
	case len(in.Messages) == 0:
		return fault.New(fault.InvalidField, "a batch has at least one message").In("messages")
	case len(in.Messages) > s.kit.MaxBatch():
		return fault.New(fault.TooManyItems, "%d messages; at most %d in one request", len(in.Messages), s.kit.MaxBatch()).In("messages")
	}
	return nil
}

// submit hands drafts to the gateway and says in the reply's head whether it is a repeat.
func (s *server) submit(w http.ResponseWriter, r *http.Request, drafts ...message.Draft) (gateway.Reply, error) {
	request, err := api.Submission(r, drafts...)
	if err != nil {
		return gateway.Reply{}, err
	}
	reply, err := s.core.Gateway.Submit(r.Context(), api.CallerOf(r), request)
	if reply.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	return reply, err
}

// drafts are the items that could be read; wrong has a place for every item, with what is wrong with it.
func (b *batchRequest) drafts() (drafts []message.Draft, wrong []*fault.Fault) {
	drafts, wrong = make([]message.Draft, 0, len(b.Messages)), make([]*fault.Fault, len(b.Messages))
	for i := range b.Messages {
		d, err := b.Messages[i].draft()
		if err != nil {
			wrong[i] = fault.Of(err)
			continue
		}
		drafts = append(drafts, d)
	}
	return drafts, wrong
}

// showResults puts what the gateway said of the drafts into the places that are not wrong.
func (s *server) showResults(results []gateway.Result, wrong []*fault.Fault) batchReply {
	reply := batchReply{Results: make([]resultReply, len(wrong))}
	shown := make([]MessageReply, 0, len(results))
	for i, f := range wrong {
		if f == nil {
			result := &results[0]
			results = results[1:]
			if f = result.Fault; f == nil {
				shown = append(shown, showMessage(&result.Message))
				reply.Results[i].Message = &shown[len(shown)-1]
				continue
			}
		}
		p := newProblem(s.kit, f)
		reply.Results[i].Error = &p
	}
	return reply
}

// draft says the request in the words of the core.
func (m *sendRequest) draft() (d message.Draft, err error) {
	d = message.Draft{
		Kind: message.Kind(m.Kind), To: m.To, From: m.From, Content: message.Text(m.Text), Reference: m.ClientReference,
		OnUnknown: message.OnUnknown(m.OnUnknown), Priority: message.Priorities[m.Priority], Shorten: m.Shorten,
	}
	if m.Content != nil {
		if m.Text != "" {
			return d, fault.New(fault.InvalidField, "a message has text or content, not both").In("content")
		}
		if d.Content, err = m.Content.content(); err != nil {
			return d, err
		}
	}
	switch {
	case m.To == "":
		return d, fault.New(fault.MissingField, "a message has a recipient").In("to")
	case d.Kind != "" && d.Kind != message.SMS && d.Kind != message.WhatsApp:
		return d, fault.New(fault.InvalidField, "kind is sms or whatsapp").In("kind")
	case m.Priority != "" && d.Priority == 0:
		return d, fault.New(fault.InvalidField, "priority is otp, transactional or bulk").In("priority")
	case d.OnUnknown != "" && d.OnUnknown != message.Resend && d.OnUnknown != message.Hold && d.OnUnknown != message.Fail:
		return d, fault.New(fault.InvalidField, "on_unknown is resend, hold or fail").In("on_unknown")
	}
	if m.Channel != "" {
		if d.Channel, err = id.Parse[message.Channel](m.Channel); err != nil {
			return d, fault.New(fault.NoChannel, "there is no such channel").In("channel")
		}
	}
	if d.Metadata, err = m.Metadata.compact(); err != nil {
		return d, err
	}
	if d.ScheduledAt, err = readTime(m.ScheduledAt); err != nil {
		return d, fault.New(fault.InvalidSchedule, notATime).In("scheduled_at")
	}
	if d.ValidUntil, err = readTime(m.ValidUntil); err != nil {
		return d, fault.New(fault.InvalidValidity, notATime).In("valid_until")
	}
	return d, nil
}

const notATime = "give a time with its zone, such as 2027-01-31T09:00:00Z"

func readTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

// listMessages lists the account's messages, newest first.
func (s *server) listMessages(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	q := queryOf(r)
	f := gateway.Filter{
		To: q.address("to", a.Region), Channel: queryID[message.Channel](q, "channel"), Reference: q.Get("reference"), Status: q.status("status"),
		Direction: q.direction("direction"), Since: q.time("since"), Until: q.time("until"), Limit: q.limit(),
	}
	q.oneOf("to", "channel", "reference", "status")
	q.oneOf("to", "channel", "reference", "direction")
	if q.err != nil {
		return q.err
	}
	return turn(s, w, r, "messages", func(after int64) ([]MessageReply, int64, error) {
		f.Before = message.ID(after)
		p, err := s.core.Gateway.List(r.Context(), a.ID, f)
		shown := make([]MessageReply, len(p.Messages))
		for i := range p.Messages {
			shown[i] = showMessage(&p.Messages[i])
		}
		return shown, int64(p.Next), err
	})
}

// readMessage tells all of one message.
func (s *server) readMessage(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Message](r, "id")
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account.ID
	m, err := s.core.Gateway.Message(r.Context(), a, at)
	if err != nil {
		return err
	}
	journey, err := s.core.Gateway.Journey(r.Context(), a, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showWhole(&m, journey))
}

// cancelMessage takes a waiting message back.
func (s *server) cancelMessage(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Message](r, "id")
	if err != nil {
		return err
	}
	m, err := s.core.Gateway.Cancel(r.Context(), api.CallerOf(r), at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showMessage(&m))
}
