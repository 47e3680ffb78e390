package native

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

func (s *server) eventOperations() []operation {
	return []operation{
		op[eventsInput, output[feedReply]]("GET /events", account.MessagesRead, "listEvents", "List what happened, oldest first, and wait for more", s.listEvents),
	}
}

type eventsInput struct {
	Cursor  string `query:"cursor" doc:"The next_cursor of the page before. Without it and since, the list begins now."`
	Since   string `query:"since" format:"date-time" doc:"Where a list without cursor begins."`
	Kinds   string `query:"kinds" doc:"Types of event, families such as message.*, separated by commas; all without it. A page of some types looks at 5,000 events: it may have fewer items than there are, even none." example:"message.delivered,wallet.*"`
	Subject string `query:"subject" format:"uuid" doc:"Only events of this message, or whatever else they are about."`
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"Items of a page."`
	Wait    string `query:"wait" doc:"How long to wait for an event when there is none, up to 30s." example:"30s"`
}

// longestPoll is how long a request may wait for an event.
const longestPoll = 30 * time.Second

// feedReply is one page of events.
type feedReply struct {
	Items      []eventReply `json:"items" nullable:"false"`
	NextCursor string       `json:"next_cursor" doc:"Where to go on, now or later: nothing is missed."`
}

// eventReply is an event as webhooks post it.
type eventReply struct {
	Type      string `json:"type" example:"message.delivered"`
	Timestamp string `json:"timestamp" format:"date-time"`
	Account   string `json:"account_id" format:"uuid"`
	Subject   string `json:"subject" format:"uuid" doc:"The message, mostly."`
	Seq       int    `json:"seq" doc:"Counts the subject's events from 1 without a gap."`
	Data      facts  `json:"data"`
}

// listEvents lists events in the order in which they came to be on disk.
func (s *server) listEvents(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	ask, wait, err := s.askOf(r, a)
	if err != nil {
		return err
	}
	events, looked, err := s.core.Events.Feed(r.Context(), ask)
	if err == nil && len(events) == 0 && wait > 0 {
		ask.After = looked
		events, looked, err = s.core.Events.Await(r.Context(), ask, wait)
	}
	if err != nil {
		return err
	}
	reply := feedReply{Items: make([]eventReply, len(events))}
	for i, e := range events {
		if reply.Items[i], err = s.showEvent(r, e); err != nil {
			return err
		}
	}
	if reply.NextCursor, err = api.Cursor(s.core.Store, "events", a, int64(looked)); err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, reply)
}

// askOf reads which events are asked for, and how long to wait for one.
func (s *server) askOf(r *http.Request, a account.ID) (ask event.Ask, wait time.Duration, err error) {
	q := queryOf(r)
	ask = event.Ask{Account: a, Subject: int64(queryID[any](q, "subject")), Page: q.limit()}
	since := q.time("since")
	if text := q.Get("kinds"); text != "" {
		ask.Kinds = strings.Split(text, ",")
	}
	for _, pattern := range ask.Kinds {
		if !event.Known(pattern) {
			q.wrong("kinds", "there is no event %.60q", pattern)
		}
	}
	if text := q.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 || wait > longestPoll {
			q.wrong("wait", "a request may wait from 0s to %s", longestPoll)
		}
	}
	if q.err != nil {
		return ask, 0, q.err
	}
	cursor := q.Get("cursor")
	switch {
	case cursor != "" && !since.IsZero():
		return ask, 0, fault.New(fault.InvalidField, "a list begins at its cursor or at a time, not at both").In("since")
	case cursor != "":
		after, err := api.OpenCursor(s.core.Store, "events", a, cursor)
		ask.After = event.Place(after)
		return ask, wait, err
	case !since.IsZero():
		ask.After = event.PlaceAt(since)
		return ask, wait, nil
	default:
		ask.After, err = s.core.Events.Now(r.Context())
		return ask, wait, err
	}
}

// showEvent shows an event. Of a message that is not kept any more the rest is unknown.
func (s *server) showEvent(r *http.Request, e event.Event) (eventReply, error) {
	data, err := s.core.Gateway.EventData(r.Context(), e)
	if fault.Is(err, fault.NotHere) || store.NoRows(err) {
		data, err = emptyObject, nil
	}
	return eventReply{
		Type: string(e.Kind), Timestamp: showTime(e.At), Account: e.Account.String(), Subject: id.Of[any](e.Subject).String(), Seq: e.Seq, Data: facts{data},
	}, err
}

// facts is what an event tells; docs/api/native.md has a table of them.
type facts struct{ json.RawMessage }

// Schema documents facts.
func (facts) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "What webhooks post as data; empty when the message is not kept any more."}
}
