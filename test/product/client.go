package product

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Client speaks the native API with one key.
type Client struct {
	URL  string
	Key  string
	http *http.Client
}

// NewClient returns a client for the API under the URL.
func NewClient(base, key string) *Client {
	transport := &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	return &Client{URL: base, Key: key, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// With is a client of the same server with another key.
func (c *Client) With(key string) *Client { return &Client{URL: c.URL, Key: key, http: c.http} }

// Answers are what the product answers by itself to who writes STOP or START.
var Answers = []string{
	"You will get no more messages from us. Reply START to get them again.", "You will get messages from us again. Reply STOP to end them.",
}

// Message is a message as the API shows it.
type Message struct {
	ID        string         `json:"id"`
	Direction string         `json:"direction"`
	To        string         `json:"to"`
	From      string         `json:"from"`
	Text      string         `json:"text"`
	Status    string         `json:"status"`
	Reason    string         `json:"reason"`
	Parts     int            `json:"parts"`
	Encoding  string         `json:"encoding"`
	Price     int64          `json:"price_micros"`
	OnUnknown string         `json:"on_unknown"`
	Duplicate bool           `json:"possible_duplicate"`
	Test      bool           `json:"test"`
	Created   time.Time      `json:"created_at"`
	Journey   []Step         `json:"journey"`
	Attempts  []Attempt      `json:"attempts"`
	Metadata  map[string]any `json:"metadata"`
}

// Step is one step of a message's journey.
type Step struct {
	At     time.Time `json:"at"`
	Step   string    `json:"step"`
	Seq    int       `json:"seq"`
	Detail string    `json:"detail"`
}

// Attempt is one part of one attempt.
type Attempt struct {
	Attempt int    `json:"attempt"`
	Part    int    `json:"part"`
	Remote  string `json:"remote_id"`
	Status  string `json:"status"`
	Code    string `json:"code"`
}

// Problem is an error as the API shows it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field"`
}

// Item is what a batch says of one message.
type Item struct {
	Message *Message `json:"message"`
	Error   *Problem `json:"error"`
}

// Batch is the reply to a batch.
type Batch struct {
	Results []Item `json:"results"`
}

// Do makes one request; headers come as name, value, name, value. An error means that nobody knows what came of it.
func (c *Client) Do(ctx context.Context, method, path string, body []byte, headers ...string) (int, []byte, error) {
	status, _, text, err := c.Exchange(ctx, method, path, body, headers...)
	return status, text, err
}

// Exchange is Do that also returns the headers of the reply.
func (c *Client) Exchange(ctx context.Context, method, path string, body []byte, headers ...string) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.GetBody = nil // the transport must never repeat a request on its own
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text, err
}

// Get reads a resource into a place, and is an error for every status but 200.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	text, err := c.text(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (c *Client) text(ctx context.Context, path string) ([]byte, error) {
	status, text, err := c.Do(ctx, "GET", path, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, status, text)
	}
	return text, err
}

// Post sends a resource and reads the reply, and is an error for every status that is no success.
func (c *Client) Post(ctx context.Context, path string, in, into any, headers ...string) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	status, text, err := c.Do(ctx, "POST", path, body, headers...)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("POST %s: %d %s", path, status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// CreateWebhook adds an endpoint and returns its id and signing secret.
func (c *Client) CreateWebhook(ctx context.Context, url string, events ...string) (id, secret string, err error) {
	var out made
	err = c.Post(ctx, "/tidings/v1/webhooks", map[string]any{"url": url, "events": events}, &out)
	return out.ID, out.Secret, err
}

// Messages calls visit with every message that the query selects, newest first, until visit returns false.
func (c *Client) Messages(ctx context.Context, query url.Values, visit func(Message) bool) error {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "100")
	for {
		var page struct {
			Items []Message `json:"items"`
			Next  string    `json:"next_cursor"`
		}
		if err := c.Get(ctx, "/tidings/v1/messages?"+query.Encode(), &page); err != nil {
			return err
		}
		for _, m := range page.Items {
			if !visit(m) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("cursor", page.Next)
	}
}
