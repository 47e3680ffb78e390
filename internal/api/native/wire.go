package native

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// The JSON of this surface. The tags are the source of the OpenAPI document.

// object is any JSON object, as the caller wrote it.
type object struct{ json.RawMessage }

// Schema documents an object.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Any JSON object of at most 1 KB; it comes back with every event.", Examples: []any{map[string]any{"order": 7}}}
}

// compact is the object without spaces; nil when there is none.
func (o object) compact() (json.RawMessage, error) {
	if len(o.RawMessage) == 0 || string(o.RawMessage) == "null" {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, o.RawMessage); err != nil || b.Bytes()[0] != '{' {
		return nil, fault.New(fault.InvalidField, "metadata is a JSON object").In("metadata")
	}
	return b.Bytes(), nil
}

// sendRequest is one message to send.
type sendRequest struct {
	To              string          `json:"to" doc:"The recipient as +E.164, or in the national form of the account's region. On WhatsApp also a group, such as group:120363041234567890, or a person without a number, such as lid:123456789." example:"+254701234567"`
	Text            string          `json:"text,omitempty" doc:"What to say; at most 255 parts. Either text or content is there." example:"Your code is 482913"`
	Content         *contentRequest `json:"content,omitempty" doc:"What to say where it is no plain text."`
	From            string          `json:"from,omitempty" doc:"The sender: a number, a short code or a name of 1 to 11 characters. Without it, the channel's own." example:"ACME"`
	Kind            string          `json:"kind,omitempty" doc:"What the message travels as; sms without it." enum:"sms,whatsapp"`
	Channel         string          `json:"channel,omitempty" doc:"The id of a channel. Without it, the account's default of the kind." format:"uuid"`
	ClientReference string          `json:"client_reference,omitempty" doc:"Your own id of the message, unique for 30 days." maxLength:"255" example:"order-7"`
	Priority        string          `json:"priority,omitempty" doc:"transactional without it." enum:"otp,transactional,bulk"`
	ScheduledAt     string          `json:"scheduled_at,omitempty" doc:"Not before this time, up to one year ahead." format:"date-time"`
	ValidUntil      string          `json:"valid_until,omitempty" doc:"Not after this time; from a minute to seven days after it may first be sent." format:"date-time"`
	Metadata        object          `json:"metadata,omitempty"`
	Shorten         bool            `json:"shorten_urls,omitempty" doc:"Short links of this server stand in for the http and https URLs of the text; length and price are those of the text with them. See GET /links."`
	OnUnknown       string          `json:"on_unknown,omitempty" doc:"What to do when nobody can tell whether the network took it. Without it, resend, and hold for bulk." enum:"resend,hold,fail"`
}

// batchRequest is up to 1,000 messages to send.
type batchRequest struct {
	Messages []sendRequest `json:"messages" minItems:"1" maxItems:"1000" nullable:"false"`
}

// MessageReply is a message.
type MessageReply struct {
	ID              string               `json:"id" format:"uuid"`
	Direction       string               `json:"direction" enum:"outbound,inbound"`
	Kind            string               `json:"kind" enum:"sms,whatsapp,mms,voice"`
	Channel         string               `json:"channel" format:"uuid"`
	To              string               `json:"to"`
	From            string               `json:"from"`
	Text            string               `json:"text" doc:"Empty once its retention has ended."`
	Content         *gateway.ContentData `json:"content,omitempty" doc:"What a message says that is no plain text."`
	Chat            string               `json:"chat,omitempty" doc:"The group that an inbound message was written in." example:"group:120363041234567890"`
	WrittenAt       *string              `json:"written_at,omitempty" format:"date-time" doc:"When an inbound message was written, as the network says."`
	Own             bool                 `json:"own,omitempty" doc:"The owner of the address wrote it himself, on another device."`
	Status          string               `json:"status" enum:"scheduled,held,queued,sending,unknown,sent,failed,delivered,read,cancelled,expired,blocked,received"`
	Reason          string               `json:"reason,omitempty" doc:"What ended it badly." example:"undelivered"`
	Parts           int                  `json:"parts" doc:"Parts on the wire; the price counts each."`
	Encoding        string               `json:"encoding" example:"gsm7"`
	PriceMicros     int64                `json:"price_micros" doc:"Price of the whole message in millionths of the currency."`
	Currency        string               `json:"currency" example:"KES"`
	Priority        string               `json:"priority" enum:"otp,transactional,bulk,"`
	OnUnknown       string               `json:"on_unknown" enum:"resend,hold,fail,"`
	ClientReference string               `json:"client_reference"`
	Metadata        object               `json:"metadata"`
	Test            bool                 `json:"test" doc:"Sent with a test key: no network had it."`
	Duplicate       bool                 `json:"possible_duplicate" doc:"It was sent again after an attempt with unknown outcome: the recipient may have it twice."`
	Contact         string               `json:"contact,omitempty" format:"uuid" doc:"Of WhatsApp: whom it goes to or comes from; absent in groups."`
	Answers         string               `json:"answers,omitempty" format:"uuid" doc:"For an inbound message, the outbound one it most likely answers."`
	ScheduledAt     *string              `json:"scheduled_at" format:"date-time" nullable:"true"`
	ValidUntil      *string              `json:"valid_until" format:"date-time" nullable:"true"`
	CreatedAt       string               `json:"created_at" format:"date-time"`
	UpdatedAt       string               `json:"updated_at" format:"date-time"`
}

// wholeMessage is a message with all that happened to it.
type wholeMessage struct {
	MessageReply
	Journey  []stepReply    `json:"journey" nullable:"false"`
	Attempts []attemptReply `json:"attempts" nullable:"false"`
}

// stepReply is one step of a message's way.
type stepReply struct {
	At      string `json:"at" format:"date-time"`
	Step    string `json:"step" example:"delivered"`
	Seq     int    `json:"seq,omitempty" doc:"Number of the event that told of it."`
	Attempt int    `json:"attempt,omitempty"`
	Part    int    `json:"part,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// attemptReply is one part of one attempt whose outcome is known, or known to be unknown.
type attemptReply struct {
	Attempt  int     `json:"attempt"`
	Part     int     `json:"part"`
	Channel  string  `json:"channel" format:"uuid"`
	RemoteID string  `json:"remote_id" doc:"The network's id."`
	Status   string  `json:"status"`
	Code     string  `json:"code" doc:"The network's error."`
	SentAt   *string `json:"sent_at" format:"date-time" nullable:"true"`
	DoneAt   *string `json:"done_at" format:"date-time" nullable:"true"`
}

// batchReply tells what became of each message of a batch, in order.
type batchReply struct {
	Results []resultReply `json:"results" nullable:"false"`
}

// resultReply has one of the two.
type resultReply struct {
	Message *MessageReply `json:"message,omitempty"`
	Error   *problem      `json:"error,omitempty"`
}

// page is one page of a list.
type page[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor to have the next page. Absent at the end."`
}

var directions = map[string]message.Direction{"outbound": message.Out, "inbound": message.In}

func showDirection(d message.Direction) string {
	if d == message.In {
		return "inbound"
	}
	return "outbound"
}

func showMessage(m *message.Message) MessageReply {
	metadata := m.Metadata
	if len(metadata) == 0 {
		metadata = emptyObject
	}
	return MessageReply{
		ID: m.ID.String(), Direction: showDirection(m.Direction), Kind: string(m.Kind), Channel: m.Channel.String(),
		To: m.To.Display(), From: m.From.Display(), Text: m.Content.Text, Content: gateway.DataOf(&m.Content), Chat: m.Chat.Display(),
		WrittenAt: showMaybe(m.Written), Own: m.Own(), Status: m.Status.String(), Reason: m.Reason,
		Parts: m.Total, Encoding: m.Encoding, PriceMicros: m.Price, Currency: m.Currency,
		Priority: m.Priority.String(), OnUnknown: string(m.OnUnknown), ClientReference: m.Reference, Metadata: object{metadata},
		Test: m.Test, Duplicate: m.Duplicate, Contact: m.Contact.String(), Answers: m.Answers.String(),
		ScheduledAt: showMaybe(m.Scheduled), ValidUntil: showMaybe(m.ValidUntil), CreatedAt: showTime(m.ID.Time()), UpdatedAt: showTime(m.Updated),
	}
}

var emptyObject = json.RawMessage("{}")

func showWhole(m *message.Message, steps []gateway.Step) wholeMessage {
	whole := wholeMessage{MessageReply: showMessage(m), Journey: make([]stepReply, len(steps)), Attempts: make([]attemptReply, len(m.Parts))}
	for i, s := range steps {
		whole.Journey[i] = stepReply{At: showTime(s.At), Step: s.Name, Seq: s.Seq, Attempt: s.Attempt, Part: s.Part, Detail: s.Detail}
	}
	for i, p := range m.Parts {
		whole.Attempts[i] = attemptReply{
			Attempt: p.Attempt, Part: p.Number, Channel: p.Channel.String(), RemoteID: p.RemoteID, Status: p.Status.String(), Code: p.Code,
			SentAt: showMaybe(p.SentAt), DoneAt: showMaybe(p.DoneAt),
		}
	}
	return whole
}

// showTime is RFC 3339 UTC with milliseconds. time.Format would take a tenth of the time of a whole request.
func showTime(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	var b [24]byte
	put := func(at, width, n int, mark byte) {
		for i := at + width - 1; i >= at; i-- {
			b[i] = byte('0' + n%10)
			n /= 10
		}
		b[at+width] = mark
	}
	put(0, 4, year, '-')
	put(5, 2, int(month), '-')
	put(8, 2, day, 'T')
	put(11, 2, hour, ':')
	put(14, 2, minute, ':')
	put(17, 2, second, '.')
	put(20, 3, t.Nanosecond()/int(time.Millisecond), 'Z')
	return string(b[:])
}

func showMaybe(t time.Time) *string {
	if t.IsZero() || t.UnixMilli() == 0 {
		return nil
	}
	text := showTime(t)
	return &text
}
