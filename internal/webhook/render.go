package webhook

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/queue"
)

// request renders a job's event, from rows that do not change, so that every try says the same.
func (w *Webhooks) request(ctx context.Context, t *queue.Task, y *try) (*http.Request, error) {
	e, previous, err := w.find(ctx, t, y)
	if err != nil {
		return nil, err
	}
	data, err := w.renderer.EventData(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("render event: %w", err)
	}
	p := w.post(y.to, postID(y.to.ID, e), y.base+int(t.Step)+1)
	p.Event, p.Previous, p.Data = e, previous, data
	return p.request(ctx, y.to)
}

// post is a post to an endpoint without what it is about.
func (w *Webhooks) post(to *endpoint, id string, attempt int) Post {
	return Post{
		ID: id, Attempt: attempt, At: time.Now(), Account: to.Account, Kinds: to.kinds, Style: to.Style, signers: to.signers, now: w.store.Now(),
	}
}

// request is the post as HTTP.
func (p Post) request(ctx context.Context, to *endpoint) (*http.Request, error) {
	made, err := to.dialect.Request(p)
	if err != nil {
		return nil, fmt.Errorf("render event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(made.Method, http.MethodPost), to.URL, bytes.NewReader(made.Body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if len(made.Query) > 0 {
		req.URL.RawQuery = strings.TrimPrefix(req.URL.RawQuery+"&"+made.Query.Encode(), "&")
	}
	if made.Header != nil {
		req.Header = made.Header
	}
	req.Header.Set("User-Agent", "Tidings")
	return req, nil
}

// postID names an event for an endpoint, always alike.
func postID(to EndpointID, e event.Event) string {
	return "msg_" + strconv.FormatInt(e.Subject, 36) + "_" + strconv.Itoa(e.Seq) + "_" + strconv.FormatInt(int64(to), 36)
}

// find reads the event, and the number of the last one before it that the endpoint took.
func (w *Webhooks) find(ctx context.Context, t *queue.Task, y *try) (found event.Event, previous int, err error) {
	events := w.memory.recall(t.Account, t.Subject, y.seq)
	if events == nil {
		if events, err = w.events.UpTo(ctx, t.Account, t.Subject, y.seq); err != nil {
			return event.Event{}, 0, err
		}
	}
	since := y.to.ID.Time()
	for _, e := range events {
		if e.Seq == y.seq {
			return e, previous, nil
		}
		if y.to.takes(e.Kind) && !e.At.Before(since) {
			previous = e.Seq
		}
	}
	return event.Event{}, 0, fault.New(fault.NotHere, "the event is no longer kept")
}

const maxResponse = 4 << 10

// read takes the beginning of a response, and what little may follow, so that its connection can be used again.
func read(body io.Reader) []byte {
	text, err := io.ReadAll(io.LimitReader(body, maxResponse))
	if err == nil {
		_, _ = io.Copy(io.Discard, body) // it ends by the cap or the time-out of the guard
	}
	return text
}

var secrets = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}|\btd_(live|test)_\w+|\bwhsec_[a-z0-9+/=]+`)

// clean makes a response fit to be kept and shown: valid text without secrets that it repeats.
func clean(response []byte) string {
	if len(response) == 0 {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(response), "\uFFFD"))
	return secrets.ReplaceAllString(text, "•••")
}
