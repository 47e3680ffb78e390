package webhook

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/id"
)

// Native is the name of the dialect that docs/api/native.md describes.
const Native = "native"

// Dialect is how the customers of one API surface want to be told.
type Dialect interface {
	// Request makes one post, or says with ErrNothing that there is none.
	Request(p Post) (Request, error)
	// Success reports whether the answer means that the event was taken.
	Success(status int, response []byte) bool
}

// Request is a post as HTTP.
type Request struct {
	Method string     // empty: POST
	Query  url.Values // besides what the endpoint's address has
	Header http.Header
	Body   []byte
}

// ErrNothing says that the endpoint is not told of an event: its dialect has no words for it.
var ErrNothing = errors.New("nothing to tell")

// Post is one event on its way to one endpoint.
type Post struct {
	ID       string // the same for every try and replay
	Attempt  int    // from 1
	At       time.Time
	Account  account.ID
	Event    event.Event
	Previous int                 // the number of the last event of the subject that the endpoint was sent; 0: none
	Data     json.RawMessage     // what the event is about, in native words
	Kinds    map[event.Kind]bool // that the endpoint takes
	Style    string              // of the endpoint
	signers  []signer
	now      time.Time
}

// Sign signs a body by the Standard Webhooks scheme, with each secret that is good now.
func (p Post) Sign(body []byte) (string, error) { return sign(p.signers, p.now, p.ID, p.At, body) }

// native posts by Standard Webhooks.
type native struct{}

// envelope is the body of a native post.
type envelope struct {
	Type      event.Kind      `json:"type"`
	Timestamp string          `json:"timestamp"`
	Account   account.ID      `json:"account_id"`
	Subject   id.Of[any]      `json:"subject"`
	Seq       int             `json:"seq"`
	Previous  int             `json:"previous_seq"`
	Data      json.RawMessage `json:"data"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// Request wraps the data in the envelope and signs it.
func (native) Request(p Post) (Request, error) {
	body, err := wrap(p)
	if err != nil {
		return Request{}, err
	}
	signature, err := p.Sign(body)
	if err != nil {
		return Request{}, err
	}
	return Request{Header: headers(p, signature), Body: body}, nil
}

func wrap(p Post) ([]byte, error) {
	return json.Marshal(envelope{
		Type: p.Event.Kind, Timestamp: p.Event.At.UTC().Format(timeFormat), Account: p.Account, Subject: id.Of[any](p.Event.Subject),
		Seq: p.Event.Seq, Previous: p.Previous, Data: p.Data,
	})
}

func headers(p Post, signature string) http.Header {
	return http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {p.ID},
		"Webhook-Timestamp": {strconv.FormatInt(p.At.Unix(), 10)},
		"Webhook-Signature": {signature},
		"Webhook-Attempt":   {strconv.Itoa(p.Attempt)},
	}
}

// Success is any 2xx.
func (native) Success(status int, _ []byte) bool { return status >= 200 && status <= 299 }
