package bulksms

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
)

// credentials say who asks. They may be in the URL: no log has them.
type credentials struct {
	Username api.Text `json:"username,omitempty" doc:"Your username for authentication."`
	Password api.Text `json:"password,omitempty" doc:"Your password for authentication; an API key of the account is as good."`
}

// firstRequest is what version 1 sends.
type firstRequest struct {
	Username api.Text  `json:"username,omitempty" doc:"Your username for authentication."`
	Password api.Text  `json:"password,omitempty" doc:"Your password for authentication; an API key of the account is as good."`
	Numbers  api.Texts `json:"numbers,omitempty" doc:"The phone numbers to send the message to. Comma separated."`
	Body     api.Text  `json:"message_body,omitempty" doc:"The content of the message to be sent."`
}

// secondRequest is what version 2 sends.
type secondRequest struct {
	Key     api.Text  `json:"api_key,omitempty" doc:"The API key, for who does not send the header X-API-Key."`
	Numbers api.Texts `json:"numbers,omitempty" doc:"The phone numbers to send the message to. Comma separated."`
	Body    api.Text  `json:"message_body,omitempty" doc:"The content of the message to be sent."`
}

// balanceRequest is what version 2 asks for the balance with.
type balanceRequest struct {
	Key api.Text `json:"api_key,omitempty" doc:"The API key, for who does not send the header X-API-Key."`
}

// keyRequest is a key to make.
type keyRequest struct {
	Username api.Text `json:"username,omitempty" doc:"Your username for authentication."`
	Password api.Text `json:"password,omitempty" doc:"Your password for authentication; an API key of the account is as good."`
	Key      api.Text `json:"api_key,omitempty" doc:"The current API key, for who does not send it as X-API-Key."`
	Days     api.Text `json:"expiry_days,omitempty" doc:"Must be at least 1. Must not be greater than 365."`
}

// sent says what became of a request to send.
type sent struct {
	Success bool     `json:"success"`
	Message string   `json:"message"`
	Data    sentData `json:"data"`
}

type sentData struct {
	Batch    *string       `json:"batch_id" nullable:"true"`
	Accepted int           `json:"accepted"`
	Rejected int           `json:"rejected"`
	Used     money         `json:"credits_used"`
	Balance  money         `json:"balance"`
	Messages []sentMessage `json:"messages" nullable:"false"`
}

// sentMessage is one number of the request. What was rejected has no id.
type sentMessage struct {
	ID     *string `json:"id" nullable:"true"`
	Number string  `json:"number"`
	Status string  `json:"status" enum:"queued,rejected"`
	Parts  int     `json:"parts"`
}

func sentExample() sent {
	one, two := "0198c8f0-0000-7000-8000-000000000001", "0198c8f0-0000-7000-8000-000000000002"
	return sent{true, queued, sentData{&one, 2, 0, 2_000_000, 98_000_000, []sentMessage{{&one, "0701234567", "queued", 1}, {&two, "0712345678", "queued", 1}}}}
}

// balance is the money of an account.
type balance struct {
	Balance  money  `json:"balance"`
	Currency string `json:"currency"`
	Username string `json:"username"`
}

// madeKey is a key that is shown this once.
type madeKey struct {
	Message string `json:"message"`
	Key     string `json:"api_key"`
	Expires string `json:"expires_at" format:"date-time"`
	id      string
}

// Made implements api.ShownOnce.
func (m madeKey) Made() string { return m.id }

// done says that something was done.
type done struct {
	Message string `json:"message"`
}

// failure says why something was not done.
type failure struct {
	Error string `json:"error"`
	Help  string `json:"help,omitempty"`
}

// serverError is how the original says that it is broken.
type serverError struct {
	Message string `json:"message"`
}

// invalid says which field is wrong, as the original's framework does.
type invalid struct {
	Message string              `json:"message"`
	Errors  map[string][]string `json:"errors"`
}

func invalidField(name, text string) invalid { return invalid{text, map[string][]string{name: {text}}} }

// money is an amount in millionths, shown as a number of the currency's own unit.
type money int64

// MarshalJSON implements json.Marshaler: a decimal number, exact and as short as it can be.
func (m money) MarshalJSON() ([]byte, error) {
	sign, amount := "", m
	if m < 0 {
		sign, amount = "-", -m
	}
	fraction := strconv.FormatInt(1_000_000+int64(amount%1_000_000), 10)[1:]
	return []byte(strings.TrimSuffix(sign+strconv.FormatInt(int64(amount/1_000_000), 10)+"."+strings.TrimRight(fraction, "0"), ".")), nil
}

// Schema implements huma.SchemaProvider.
func (money) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[float64]())
}
