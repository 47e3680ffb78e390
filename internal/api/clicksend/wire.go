package clicksend

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// The requests to send. Lists, contacts and times come as numbers or as texts.
type (
	sendRequest struct {
		Messages some[messageRequest] `json:"messages" nullable:"false"`
		Shorten  api.Text             `json:"shorten_urls,omitempty" doc:"Short links of this server stand in for the URLs of the texts."`
		Senders  some[senderRequest]  `json:"senders,omitempty" nullable:"false" doc:"Whose name messages to a country carry that name no sender."`
	}
	messageRequest struct {
		To           api.Text `json:"to,omitempty" doc:"A number, as +E.164 or in the national form of country."`
		ListID       api.Text `json:"list_id,omitempty" doc:"A contact list, in place of to."`
		Body         api.Text `json:"body"`
		From         api.Text `json:"from,omitempty"`
		Source       api.Text `json:"source,omitempty"`
		Schedule     api.Text `json:"schedule,omitempty" doc:"Unix time; absent, empty and 0 are now."`
		CustomString api.Text `json:"custom_string,omitempty" doc:"Given back with replies and receipts."`
		Country      api.Text `json:"country,omitempty" doc:"ISO 3166 country of national numbers."`
		FromEmail    api.Text `json:"from_email,omitempty"`
		ContactID    api.Text `json:"contact_id,omitempty"`
		Exclude      api.Text `json:"exclude_no_sender_id_recipients,omitempty" doc:"Leave recipients out to whom the sender may not write, and do not tell of them."`
	}
	senderRequest struct {
		Country  api.Text `json:"recipient_country_code"`
		SenderID api.Text `json:"sender_id,omitempty"`
		Type     api.Text `json:"sender_type,omitempty" doc:"shared_longcode: the channel's own sender."`
		Sender   api.Text `json:"sender_country_code,omitempty"`
	}
)

// some is an array that has no more than a batch may ever have: a body may have millions of empty objects, which take a hundred times
// its size.
type some[T any] []T

const mostItems = 1000

// UnmarshalJSON implements json.Unmarshaler.
func (s *some[T]) UnmarshalJSON(data []byte) error {
	if commas(data) >= mostItems {
		return fault.New(fault.TooManyItems, "there are more than %d recipients", mostItems)
	}
	return json.Unmarshal(data, (*[]T)(s))
}

// commas are how many stand between the items of a JSON array.
func commas(array []byte) (n int) {
	depth, quoted := 0, false
	for i := 0; i < len(array); i++ {
		switch c := array[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 1:
			n++
		}
	}
	return n
}

// sendReply is what became of a request to send, or would.
type sendReply struct {
	Price    float64     `json:"total_price"`
	Count    int         `json:"total_count"`
	Queued   int         `json:"queued_count"`
	Messages outMessages `json:"messages"`
	Currency currency    `json:"_currency"`
	Blocked  int         `json:"blocked_count"`
}

// outMessages are accepted and refused.
type outMessages []any

// Schema implements huma.SchemaProvider.
func (outMessages) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[accepted](), true, ""), r.Schema(reflect.TypeFor[refused](), true, ""),
	}}}
}

// accepted is a message that will be sent.
type accepted struct {
	Direction    string  `json:"direction"`
	Date         int64   `json:"date,omitempty"`
	To           string  `json:"to"`
	Body         string  `json:"body"`
	From         string  `json:"from"`
	Schedule     int64   `json:"schedule,omitempty"`
	MessageID    string  `json:"message_id"`
	Parts        int     `json:"message_parts"`
	Price        string  `json:"message_price"`
	FromEmail    *string `json:"from_email"`
	ListID       *string `json:"list_id"`
	CustomString string  `json:"custom_string"`
	ContactID    *string `json:"contact_id"`
	UserID       int     `json:"user_id,omitempty"`
	SubaccountID int     `json:"subaccount_id,omitempty"`
	Shared       bool    `json:"is_shared_system_number"`
	Country      string  `json:"country"`
	Carrier      string  `json:"carrier"`
	Status       string  `json:"status"`
}

// refused is a message that will not be sent. The original has an empty schedule there, which its own typed client cannot read.
type refused struct {
	To           string `json:"to"`
	Body         string `json:"body"`
	From         string `json:"from"`
	MessageID    string `json:"message_id"`
	CustomString string `json:"custom_string"`
	Shared       bool   `json:"is_shared_system_number"`
	Status       string `json:"status"`
	*blocked
}

// blocked is told besides of a message to a country that the account does not send to.
type blocked struct {
	Parts   int    `json:"message_parts"`
	Price   string `json:"message_price"`
	Country string `json:"country"`
	Carrier string `json:"carrier"`
}

// known is what only this surface knows of a message. It is kept with it as metadata.
type known struct {
	CustomString string `json:"custom_string,omitempty"`
	ListID       string `json:"list_id,omitempty"`
	ContactID    string `json:"contact_id,omitempty"`
	FromEmail    string `json:"from_email,omitempty"`
	Source       string `json:"source,omitempty"`
}

// knownOf reads what the surface keeps with a message; of one that came by another surface it is nothing.
func knownOf(metadata json.RawMessage) (k known) {
	if len(metadata) > 0 {
		_ = json.Unmarshal(metadata, &k)
	}
	return k
}

// orNull is a text, or null for an empty one.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
