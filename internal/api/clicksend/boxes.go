package clicksend

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/webhook"
)

// boxOperations fetch what rules kept, and try where things are pushed to.
func (s *server) boxOperations() []api.Operation {
	read := func(h api.Handler) api.Handler { return s.guarded(account.MessagesRead, h) }
	mark := func(h api.Handler) api.Handler { return s.guarded(account.MessagesSend, h) }
	push := func(h api.Handler) api.Handler { return s.guarded(account.WebhooksWrite, h) }
	lacks := missing("url is missing")
	return []api.Operation{
		{
			Pattern: "GET /v3/sms/receipts", ID: "readReceipts", Summary: "List unread receipts that a POLL rule has kept", Query: pageQuery{}, Handler: read(s.readReceipts),
			Replies: []api.Example{done("Here are your delivery receipts.", page[receiptView]{Data: []receiptView{receiptExample}})},
		},
		{
			Pattern: "POST /v3/sms/receipts", ID: "pushReceipt", Summary: "Push a test receipt", Body: pushReceiptRequest{}, Example: map[string]string{"url": "poll"},
			Handler: push(s.pushReceipt), Replies: []api.Example{done("Receipt has been added", receiptExample), lacks},
		},
		{
			Pattern: "GET /v3/sms/receipts/{message_id}", ID: "readReceipt", Summary: "Read the newest receipt of a message", Handler: read(s.readReceipt),
			Replies: []api.Example{done("Your receipt.", receiptExample)},
		},
		{
			Pattern: "PUT /v3/sms/receipts-read", ID: "markReceipts", Summary: "Mark receipts as read", Body: markRequest{}, Example: map[string]int{"date_before": 1436874701},
			Handler: mark(s.markAll(automation.Receipts, "Receipts have been marked as read.")), Replies: []api.Example{done("Receipts have been marked as read.", nothing{})},
		},
		{
			Pattern: "GET /v3/sms/inbound", ID: "readInbound", Summary: "List unread messages that a POLL rule has kept", Query: searchQuery{}, Handler: read(s.readInbound),
			Replies: []api.Example{done("Here are your data.", page[inboundView]{Data: []inboundView{inboundExample}})},
		},
		{
			Pattern: "POST /v3/sms/inbound", ID: "pushInbound", Summary: "Push a test message", Body: pushRequest{}, Example: map[string]string{"url": "poll"},
			Handler: push(s.pushInbound), Replies: []api.Example{done("Test inbound message has been added.", inboundExample), lacks},
		},
		{
			Pattern: "GET /v3/sms/inbound/{original_message_id}", ID: "readAnswer", Summary: "Read the first answer to a message", Handler: read(s.readAnswer),
			Replies: []api.Example{done("Here are your result.", inboundExample)},
		},
		{
			Pattern: "PUT /v3/sms/inbound-read", ID: "markInbound", Summary: "Mark messages as read", Body: markRequest{}, Example: map[string]int{"date_before": 1436874701},
			Handler: mark(s.markAll(automation.Inbound, "Inbound messages have been marked as read.")),
			Replies: []api.Example{done("Inbound messages have been marked as read.", nothing{})},
		},
		{
			Pattern: "PUT /v3/sms/inbound-read/{message_id}", ID: "markOne", Summary: "Mark a message as read", Handler: mark(s.markOne),
			Replies: []api.Example{done("Receipt have been marked as read.", 1)},
		},
	}
}

type (
	markRequest struct {
		Before api.Text `json:"date_before,omitempty" doc:"Unix time; all without it."`
	}
	pushReceiptRequest struct {
		URL api.Text `json:"url" doc:"Where it is pushed to; poll puts it into the list."`
	}
	pushRequest struct {
		URL     api.Text `json:"url" doc:"Where it is pushed to; poll puts it into the list."`
		Webhook api.Text `json:"webhook_type,omitempty" doc:"post (without it), get or json."`
	}
)

// receiptView is a receipt.
type receiptView struct {
	Sent         int64   `json:"timestamp_send"`
	At           int64   `json:"timestamp"`
	MessageID    string  `json:"message_id"`
	Code         int     `json:"status_code"`
	Text         string  `json:"status_text"`
	ErrorCode    *int    `json:"error_code"`
	ErrorText    *string `json:"error_text"`
	CustomString string  `json:"custom_string"`
	SubaccountID int     `json:"subaccount_id"`
	Type         string  `json:"message_type"`
}

// inboundView is a message that came in.
type inboundView struct {
	At           int64  `json:"timestamp"`
	Sent         int64  `json:"timestamp_send"`
	From         string `json:"from"`
	Body         string `json:"body"`
	OriginalBody string `json:"original_body"`
	OriginalID   string `json:"original_message_id"`
	To           string `json:"to"`
	CustomString string `json:"custom_string"`
	MessageID    string `json:"message_id"`
	Keyword      string `json:"_keyword"`
}

var (
	receiptExample = receiptView{
		Sent: 1436874701, At: 1436874711, MessageID: "BF7AD270-0DE2-418B-B606-71D527D9C1AE", Code: codeDelivered, Text: "Message delivered to the handset",
		CustomString: "this is a test", SubaccountID: 1, Type: "sms",
	}
	inboundExample = inboundView{
		At: 1436874701, Sent: 1436874701, From: "+61411111111", Body: "Yes", OriginalBody: "Do you come?", OriginalID: "BF7AD270-0DE2-418B-B606-71D527D9C1AE",
		To: "+61422222222", CustomString: "this is a test", MessageID: "AC1E9A9E-5D4A-4C5C-8B2C-2C3A4F5B6D7E", Keyword: "yes",
	}
)

func receiptOf(e *automation.Entry, who asker) receiptView {
	o := outcomeOfEvent(e.Kind, e.Status, e.Reason, e.Code)
	v := receiptView{
		Sent: e.Message.ID.Time().Unix(), At: e.ID.Time().Unix(), MessageID: idText(e.Message.ID), Code: o.Code, Text: o.Text, ErrorText: orNull(o.ErrorText),
		CustomString: knownOf(e.Message.Metadata).CustomString, SubaccountID: who.subaccount, Type: "sms",
	}
	if o.ErrorCode != 0 {
		v.ErrorCode = &o.ErrorCode
	}
	return v
}

// inboundOf shows a message with the one that it answers.
func (s *server) inboundOf(ctx context.Context, e *automation.Entry) (inboundView, error) {
	m := &e.Message
	first, err := s.original(ctx, e.Account, m.Answers)
	v := inboundView{
		At: m.ID.Time().Unix(), Sent: m.ID.Time().Unix(), From: m.From.Display(), Body: m.Content.Text, OriginalBody: first.body, OriginalID: first.id,
		To: m.To.Display(), CustomString: first.custom, MessageID: idText(m.ID),
	}
	if words := strings.Fields(m.Content.Text); len(words) > 0 {
		v.Keyword = strings.ToLower(words[0])
	}
	return v, err
}

// readReceipts lists unread receipts, oldest first.
func (s *server) readReceipts(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	who, err := s.asker(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	p := s.paging(r)
	list, total, err := s.core.Automation.Page(r.Context(), c.Account.ID, automation.Receipts, p.Offset(), p.Size)
	if err != nil {
		return err
	}
	rows := make([]receiptView, len(list))
	for i := range list {
		rows[i] = receiptOf(&list[i], who)
	}
	return answer(w, "Here are your delivery receipts.", newPage(p, total, rows))
}

// readReceipt shows the newest receipt of a message, read or not.
func (s *server) readReceipt(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	at, err := id.Parse[message.Message](r.PathValue("message_id"))
	if err != nil {
		return noReceipt()
	}
	e, err := s.core.Automation.Last(r.Context(), c.Account.ID, automation.Receipts, at)
	if fault.Is(err, fault.NotHere) {
		return noReceipt()
	}
	if err != nil {
		return err
	}
	who, err := s.asker(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	return answer(w, "Your receipt.", receiptOf(&e, who))
}

func noReceipt() error { return fault.New(fault.NotHere, "receipt record not found") }

// searched is how many unread messages are looked at where they are searched or sorted.
const searched = 5000

var inboundTable = table[inboundView]{
	{Name: "timestamp", Value: func(v *inboundView) string { return strconv.FormatInt(v.At, 10) }, Whole: true, Number: true},
	{Name: "from", Value: func(v *inboundView) string { return v.From }},
	{Name: "to", Value: func(v *inboundView) string { return v.To }},
	{Name: "body", Value: func(v *inboundView) string { return v.Body }},
	{Name: "original_body", Value: func(v *inboundView) string { return v.OriginalBody }},
	{Name: "custom_string", Value: func(v *inboundView) string { return v.CustomString }},
	{Name: "message_id", Value: func(v *inboundView) string { return v.MessageID }, Whole: true},
	{Name: "original_message_id", Value: func(v *inboundView) string { return v.OriginalID }, Whole: true},
}

// readInbound lists unread messages, oldest first. Of those that are searched or sorted, it looks at the oldest 5,000.
func (s *server) readInbound(w http.ResponseWriter, r *http.Request) error {
	a, p, q := api.CallerOf(r).Account.ID, s.paging(r), r.URL.Query()
	if !strings.Contains(q.Get("q"), ":") && q.Get("order_by") == "" {
		list, total, err := s.core.Automation.Page(r.Context(), a, automation.Inbound, p.Offset(), p.Size)
		if err != nil {
			return err
		}
		rows, err := s.inboundsOf(r.Context(), list)
		if err != nil {
			return err
		}
		return answer(w, "Here are your data.", newPage(p, total, rows))
	}
	list, err := s.core.Automation.Entries(r.Context(), a, automation.Inbound, true, 0, searched)
	if err != nil {
		return err
	}
	rows, err := s.inboundsOf(r.Context(), list)
	if err != nil {
		return err
	}
	if rows, err = inboundTable.Choose(r, rows); err != nil {
		return err
	}
	return answer(w, "Here are your data.", newPage(p, len(rows), piece(p, rows)))
}

func (s *server) inboundsOf(ctx context.Context, list []automation.Entry) (rows []inboundView, err error) {
	rows = make([]inboundView, len(list))
	for i := range list {
		if rows[i], err = s.inboundOf(ctx, &list[i]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// readAnswer shows the first answer to a message, read or not.
func (s *server) readAnswer(w http.ResponseWriter, r *http.Request) error {
	at, err := id.Parse[message.Message](r.PathValue("original_message_id"))
	if err != nil {
		return fault.New(fault.NotHere, "there is no answer to such a message")
	}
	e, err := s.core.Automation.FirstAnswer(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	shown, err := s.inboundOf(r.Context(), &e)
	if err != nil {
		return err
	}
	return answer(w, "Here are your result.", shown)
}

// markAll marks what came before a time as read.
func (s *server) markAll(about automation.About, said string) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := api.DecodeLenient[markRequest](r)
		if err != nil {
			return err
		}
		var before time.Time
		if in.Before != "" {
			seconds, err := strconv.ParseInt(string(in.Before), 10, 64)
			if err != nil || seconds < 0 || seconds > 1<<32 {
				return fault.New(fault.InvalidField, "date_before is a Unix time").In("date_before")
			}
			before = time.Unix(seconds, 0)
		}
		if _, err := s.core.Automation.Read(r.Context(), api.CallerOf(r).Account.ID, about, before); err != nil {
			return err
		}
		return answer(w, said, nothing{})
	}
}

// markOne marks one message as read.
func (s *server) markOne(w http.ResponseWriter, r *http.Request) error {
	at, err := id.Parse[message.Message](r.PathValue("message_id"))
	if err != nil {
		return fault.New(fault.NotHere, "there is no such message")
	}
	n, err := s.core.Automation.ReadOne(r.Context(), api.CallerOf(r).Account.ID, automation.Inbound, at)
	if err != nil {
		return err
	}
	return answer(w, "Receipt have been marked as read.", n)
}

// toBox is the address of the box.
const toBox = "poll"

// pushReceipt pushes a test receipt.
func (s *server) pushReceipt(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[pushReceiptRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	e, err := s.push(r.Context(), c.Account.ID, automation.Receipts, string(in.URL), automation.Form)
	if err != nil {
		return err
	}
	who, err := s.asker(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	return answer(w, "Receipt has been added", receiptOf(&e, who))
}

// pushInbound pushes a test message.
func (s *server) pushInbound(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[pushRequest](r)
	if err != nil {
		return err
	}
	style := automation.Form
	switch automation.Style(in.Webhook) {
	case "", automation.Form:
	case automation.JSON, automation.Query:
		style = automation.Style(in.Webhook)
	default:
		return fault.New(fault.InvalidField, "webhook_type is post, get or json").In("webhook_type")
	}
	e, err := s.push(r.Context(), api.CallerOf(r).Account.ID, automation.Inbound, string(in.URL), style)
	if err != nil {
		return err
	}
	shown, err := s.inboundOf(r.Context(), &e)
	if err != nil {
		return err
	}
	return answer(w, "Test inbound message has been added.", shown)
}

// push sends a test to an address, as a rule would, or puts it into the box. An address that does not take it is a fault.
func (s *server) push(ctx context.Context, a account.ID, about automation.About, to string, style automation.Style) (e automation.Entry, err error) {
	if to == "" {
		return e, fault.New(fault.MissingField, "url is missing").In("url")
	}
	if strings.EqualFold(to, toBox) {
		err = s.core.Store.Write(func(tx *store.Tx) error {
			e, err = s.core.Automation.Try(tx, a, about)
			return err
		})
		return e, err
	}
	e = automation.Sample(a, about, automation.EntryID(s.core.Store.NewID()), message.ID(s.core.Store.NewID()))
	data, err := json.Marshal(eventData{
		ID: e.Message.ID.String(), Status: e.Status.String(), To: e.Message.To.Display(), From: e.Message.From.Display(), Text: e.Message.Content.Text,
	})
	if err != nil {
		return e, err
	}
	got, err := s.core.Webhooks.Push(ctx, webhook.Endpoint{Account: a, URL: to, Dialect: surfaceName, Style: string(style)}, event.Event{
		Subject: int64(e.Message.ID), Seq: 1, Account: a, Kind: e.Kind, At: e.ID.Time(),
	}, data)
	if err == nil && !got.OK {
		err = fault.New(fault.InvalidField, "the test was not taken: %s", got.Error).In("url")
	}
	return e, err
}
