package native

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// query reads the parameters of a request's query. The first that makes no sense is err.
type query struct {
	url.Values
	err error
}

func queryOf(r *http.Request) *query { return &query{Values: r.URL.Query()} }

// checkQuery refuses parameters that are unknown or come twice. A key in the URL is refused by name: it is in someone's log.
func checkQuery(r *http.Request, known []string) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.InvalidField, "the query cannot be read")
	}
	for name, all := range values {
		switch {
		case slices.Contains(keyNames, strings.ToLower(name)):
			return fault.New(fault.UnknownField, "an API key belongs into the Authorization header; this one was seen in a URL, so make a new one").In(strings.ToLower(name))
		case !slices.Contains(known, name):
			return fault.New(fault.UnknownField, "there is no such parameter").In(clip(name))
		case len(all) > 1:
			return fault.New(fault.InvalidField, "the parameter comes twice").In(name)
		}
	}
	return nil
}

// keyNames are parameters in which other services take keys.
var keyNames = []string{"api_key", "apikey", "key", "token", "access_token", "authorization"}

func clip(text string) string {
	if len(text) > 64 {
		return strings.ToValidUTF8(text[:64], "") + "..."
	}
	return text
}

func (q *query) wrong(name, format string, args ...any) {
	if q.err == nil {
		q.err = fault.New(fault.InvalidField, format, args...).In(name)
	}
}

// Limits of a page.
const (
	defaultLimit = 50
	maxLimit     = 100
)

func (q *query) limit() int {
	text := q.Get("limit")
	if text == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		q.wrong("limit", "a page has 1 to %d items", maxLimit)
	}
	return n
}

func (q *query) time(name string) time.Time {
	t, err := readTime(plus(q.Get(name)))
	if err != nil {
		q.wrong(name, notATime)
	}
	return t
}

// plus gives back the + that a query written without care has lost: it stands for a space there.
func plus(text string) string { return strings.ReplaceAll(text, " ", "+") }

func (q *query) status(name string) message.Status {
	text := q.Get(name)
	s, ok := message.ParseStatus(text)
	if text != "" && !ok {
		q.wrong(name, "there is no such status")
	}
	return s
}

func (q *query) direction(name string) message.Direction {
	text := q.Get(name)
	d, ok := directions[text]
	if text != "" && !ok {
		q.wrong(name, "a direction is outbound or inbound")
	}
	return d
}

// address reads a number, a short code or a name as a message shows it.
func (q *query) address(name, region string) message.Address {
	text := q.Get(name)
	if strings.Contains(text, ":") {
		return message.ParseAddress(text)
	}
	a, err := message.ParseSender(plus(text), region)
	if err != nil {
		q.wrong(name, "there can be no such address")
	}
	return a
}

// oneOf lets at most one of the parameters be there: every page has an index, and no two of these share one.
func (q *query) oneOf(names ...string) {
	given := slices.DeleteFunc(names, func(name string) bool { return q.Get(name) == "" })
	if len(given) > 1 {
		q.wrong(given[1], "a list is filtered by one of %s at a time", strings.Join(given, ", "))
	}
}

func queryID[T any](q *query, name string) id.Of[T] {
	text := q.Get(name)
	if text == "" {
		return 0
	}
	parsed, err := id.Parse[T](text)
	if err != nil {
		q.wrong(name, "this is no id")
	}
	return parsed
}

// pathID reads an id of the path. What is no id is not there.
func pathID[T any](r *http.Request, name string) (id.Of[T], error) {
	parsed, err := id.Parse[T](r.PathValue(name))
	if err != nil {
		return 0, fault.New(fault.NotHere, "there is nothing with this id")
	}
	return parsed, nil
}

// parseAccount reads the id of an account in a body. What is no id is not there.
func parseAccount(text string) (account.ID, error) {
	at, err := id.Parse[account.Account](text)
	if err != nil {
		return 0, fault.New(fault.NotHere, "there is no account with this id").In("parent_id")
	}
	return at, nil
}

// simple answers with one page of a list that has no filters.
func simple[T, S any](s *server, w http.ResponseWriter, r *http.Request, name string, read func(after int64, limit int) ([]T, error), show func(*T) (S, int64)) error {
	q := queryOf(r)
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	return list(s, w, r, name, limit, read, show)
}

// list answers with one page. It reads one item more than it shows, to know whether there is another page.
func list[T, S any](s *server, w http.ResponseWriter, r *http.Request, name string, limit int, read func(after int64, limit int) ([]T, error), show func(*T) (S, int64)) error {
	return turn(s, w, r, name, func(after int64) (shown []S, next int64, err error) {
		items, err := read(after, limit+1)
		if err != nil {
			return nil, 0, err
		}
		shown = make([]S, min(len(items), limit))
		last := int64(0)
		for i := range shown {
			shown[i], last = show(&items[i])
		}
		if len(items) > limit {
			next = last
		}
		return shown, next, nil
	})
}

// turn answers with the page that the caller's cursor opens. next is where the page after it begins; 0: there is none.
func turn[S any](s *server, w http.ResponseWriter, r *http.Request, name string, read func(after int64) (items []S, next int64, err error)) error {
	a := api.CallerOf(r).Account.ID
	after, err := api.OpenCursor(s.core.Store, name, a, r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	items, next, err := read(after)
	if err != nil {
		return err
	}
	reply := page[S]{Items: items}
	if next != 0 {
		if reply.NextCursor, err = api.Cursor(s.core.Store, name, a, next); err != nil {
			return err
		}
	}
	return api.Reply(w, http.StatusOK, reply)
}

// walk answers with one page of a list whose places are more than a number. next is where the page after it begins; empty: there is none.
func walk[T, S any](s *server, w http.ResponseWriter, r *http.Request, name string, read func(after string, limit int) (items []T, next string, err error), show func(*T) S) error {
	q := queryOf(r)
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	a := api.CallerOf(r).Account.ID
	after, err := api.OpenCursorAt(s.core.Store, name, a, q.Get("cursor"))
	if err != nil {
		return err
	}
	items, next, err := read(after, limit)
	if err != nil {
		return err
	}
	reply := page[S]{Items: make([]S, len(items))}
	for i := range items {
		reply.Items[i] = show(&items[i])
	}
	if next != "" {
		if reply.NextCursor, err = api.CursorAt(s.core.Store, name, a, next); err != nil {
			return err
		}
	}
	return api.Reply(w, http.StatusOK, reply)
}

// readIDs reads a list of ids that stands in a field.
func readIDs[T any](list []string, field string) ([]id.Of[T], error) {
	ids := make([]id.Of[T], len(list))
	for i, text := range list {
		var err error
		if ids[i], err = id.Parse[T](text); err != nil {
			return nil, fault.New(fault.InvalidField, "this is no id").In(fmt.Sprintf("%s[%d]", field, i))
		}
	}
	return ids, nil
}
