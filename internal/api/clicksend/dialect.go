package clicksend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/webhook"
)

// dialect posts as the original does: without a signature, with every field under each of its names, and only a 200 ends it.
type dialect struct{ *server }

func newDialect(core api.Core) webhook.Dialect { return dialect{&server{core: core}} }

// lookTime is how long what a post needs besides its event may be looked for.
const lookTime = 5 * time.Second

// eventData is what the core tells of a message, as far as the original tells of it.
type eventData struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"`
	To       string          `json:"to"`
	From     string          `json:"from"`
	Text     string          `json:"text"`
	Metadata json.RawMessage `json:"metadata"`
	Reason   string          `json:"reason"`
	Code     string          `json:"network_code"`
	Answers  string          `json:"answers"`
}

// field is one of a post, in the order in which they are written.
type field struct {
	name  string
	value any // a string or an int64
}

// Request implements webhook.Dialect.
func (d dialect) Request(p webhook.Post) (webhook.Request, error) {
	ctx, end := context.WithTimeout(context.Background(), lookTime)
	defer end()
	var data eventData
	if err := json.Unmarshal(p.Data, &data); err != nil {
		return webhook.Request{}, fmt.Errorf("read an event: %w", err)
	}
	at, err := id.Parse[message.Message](data.ID)
	if err != nil {
		return webhook.Request{}, webhook.ErrNothing // it is no message's
	}
	fields, err := d.owner(ctx, p)
	if err != nil {
		return webhook.Request{}, err
	}
	if p.Event.Kind != event.Received {
		return form(append(fields, data.receipt(at, p.Event)...)), nil
	}
	more, err := d.inbound(ctx, p, at, &data)
	if err != nil {
		return webhook.Request{}, err
	}
	fields = append(fields, more...)
	switch automation.Style(p.Style) {
	case automation.JSON:
		return flat(fields)
	case automation.Query:
		return webhook.Request{Method: http.MethodGet, Query: values(fields)}, nil
	default:
		return form(fields), nil
	}
}

// Success implements webhook.Dialect.
func (dialect) Success(status int, _ []byte) bool { return status == http.StatusOK }

// owner are the fields that say whose event it is.
func (d dialect) owner(ctx context.Context, p webhook.Post) ([]field, error) {
	a, _, err := d.core.Members.Get(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	who, err := d.asker(ctx, &a)
	return []field{{"user_id", int64(who.user)}, {"subaccount_id", int64(who.subaccount)}}, err
}

// inbound are the fields of a message that came in, with the one that it answers.
func (d dialect) inbound(ctx context.Context, p webhook.Post, at message.ID, data *eventData) ([]field, error) {
	var first original
	if answered, err := id.Parse[message.Message](data.Answers); err == nil {
		if first, err = d.original(ctx, p.Account, answered); err != nil {
			return nil, err
		}
	}
	return []field{
		{"message_id", idText(at)},
		{"from", data.From},
		{"sms", data.From},
		{"to", data.To},
		{"body", data.Text},
		{"message", data.Text},
		{"original_body", first.body},
		{"originalmessage", first.body},
		{"original_message_id", first.id},
		{"originalmessageid", first.id},
		{"originalsenderid", first.sender},
		{"custom_string", first.custom},
		{"customstring", first.custom},
		{"timestamp", at.Time().Unix()},
	}, nil
}

// original is what an inbound message answers; empty where nobody knows, or it is kept no more.
type original struct{ id, body, sender, custom string }

// original reads what was answered.
func (s *server) original(ctx context.Context, a account.ID, answered message.ID) (original, error) {
	if answered == 0 {
		return original{}, nil
	}
	m, err := s.core.Gateway.Message(ctx, a, answered)
	if fault.Is(err, fault.NotHere) {
		return original{}, nil
	}
	return original{idText(m.ID), m.Content.Text, m.From.Display(), knownOf(m.Metadata).CustomString}, err
}

// receipt are the fields of a receipt. What there is none of is empty.
func (e *eventData) receipt(at message.ID, of event.Event) []field {
	status, _ := message.ParseStatus(e.Status)
	o := outcomeOfEvent(of.Kind, status, e.Reason, e.Code)
	code := ""
	if o.ErrorCode != 0 {
		code = strconv.Itoa(o.ErrorCode)
	}
	custom := knownOf(e.Metadata).CustomString
	return []field{
		{"message_id", idText(at)},
		{"messageid", idText(at)},
		{"status", receiptWords[o.Code]},
		{"status_code", int64(o.Code)},
		{"status_text", o.Text},
		{"error_code", code},
		{"error_text", o.ErrorText},
		{"custom_string", custom},
		{"customstring", custom},
		{"message_type", "sms"},
		{"timestamp", of.At.Unix()},
		{"timestamp_send", at.Time().Unix()},
	}
}

// receiptWords are the statuses of receipts that are posted.
var receiptWords = map[int]string{codeAccepted: "Sent", codeDelivered: "Delivered", codeTemporary: "Pending", codeFailed: "Undelivered"}

func values(fields []field) url.Values {
	v := url.Values{}
	for _, f := range fields {
		v.Set(f.name, fmt.Sprint(f.value))
	}
	return v
}

func form(fields []field) webhook.Request {
	return webhook.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(values(fields).Encode())}
}

func flat(fields []field) (webhook.Request, error) {
	object := make(map[string]any, len(fields))
	for _, f := range fields {
		object[f.name] = f.value
	}
	body, err := json.Marshal(object)
	return webhook.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, err
}
