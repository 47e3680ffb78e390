package clicksend

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// What the history is searched and sorted by.
var (
	historyFields = []string{"status", "to", "from", "subaccount_id", "message_id"}
	historyOrders = []string{"date", "username", "from", "to", "status", "body"}
)

const saidHistory = "Here are your history."

// historyOperations tell what was sent and what came in.
func (s *server) historyOperations() []api.Operation {
	return []api.Operation{
		{
			Pattern: "GET /v3/sms/history", ID: "listHistory", Summary: "What was sent, and what came in", Query: historyQuery{},
			Handler: s.guarded(account.MessagesRead, s.listHistory), Replies: []api.Example{done(saidHistory, historyExample)},
		},
		{
			Pattern: "GET /v3/sms/history/export", ID: "exportHistory", Summary: "The same as a file", Query: exportQuery{},
			Handler: s.guarded(account.MessagesRead, s.exportHistory), Replies: []api.Example{done(saidFile, exported{"https://tidings.example/v3/sms/history/export/..."})},
		},
		{
			Pattern: "GET /v3/sms/history/export/{link}", ID: "downloadHistory", Summary: "The file of a link", Open: true, Handler: s.downloadHistory,
		},
	}
}

type historyQuery struct {
	Page     string `json:"page" doc:"Which page, from 1." sample:"1"`
	Limit    string `json:"limit" doc:"Rows of a page, from 15 to 100." sample:"15"`
	Query    string `json:"q" doc:"What to look for, as field:value,field2:value; fields are status, to, from, subaccount_id, message_id."`
	Operator string `json:"operator" doc:"AND: what matches all fields. OR: what matches any." sample:"AND"`
	Order    string `json:"order_by" doc:"date, username, from, to, status or body, with :asc or :desc." sample:"date:asc"`
	From     string `json:"date_from" doc:"Unix time."`
	To       string `json:"date_to" doc:"Unix time."`
}

// historyRow is a message as the history shows it.
type historyRow struct {
	Direction    string  `json:"direction"`
	Date         int64   `json:"date"`
	To           string  `json:"to"`
	Body         string  `json:"body"`
	Status       string  `json:"status"`
	From         string  `json:"from"`
	Schedule     string  `json:"schedule"`
	StatusCode   *string `json:"status_code"`
	StatusText   string  `json:"status_text"`
	ErrorCode    *string `json:"error_code"`
	ErrorText    *string `json:"error_text"`
	MessageID    string  `json:"message_id"`
	Parts        int     `json:"message_parts"`
	Price        string  `json:"message_price"`
	FromEmail    *string `json:"from_email"`
	ListID       *string `json:"list_id"`
	CustomString string  `json:"custom_string"`
	ContactID    *string `json:"contact_id"`
	UserID       int     `json:"user_id"`
	SubaccountID int     `json:"subaccount_id"`
	Country      string  `json:"country"`
	Carrier      string  `json:"carrier"`
	FirstName    *string `json:"first_name"`
	LastName     *string `json:"last_name"`
	Username     string  `json:"_api_username"`
}

// listHistory tells of the caller's messages and those of its subaccounts.
func (s *server) listHistory(w http.ResponseWriter, r *http.Request) error {
	h, err := s.newHistory(r.Context(), api.CallerOf(r).Account, r.URL.Query())
	if err != nil {
		return err
	}
	p := s.paging(r)
	found, total, err := s.core.Gateway.Search(r.Context(), h.search(p))
	if err != nil {
		return err
	}
	rows := make([]historyRow, len(found))
	for i := range found {
		if rows[i], err = h.row(r.Context(), &found[i]); err != nil {
			return err
		}
	}
	return answer(w, saidHistory, newPage(p, total, rows))
}

// history is what a request wants to know of the messages of a family of accounts.
type history struct {
	*server
	family       []account.Account // the first is the caller's own
	by           map[account.ID]*account.Account
	want         wanted
	since, until time.Time
	people       map[string]contact.Contact // by the number or the key that a message names
}

// newHistory reads the parameters of a request.
func (s *server) newHistory(ctx context.Context, a account.Account, q url.Values) (*history, error) {
	h := &history{server: s, by: map[account.ID]*account.Account{}, people: map[string]contact.Contact{}}
	var err error
	if h.want, err = readSearch(q, historyFields, historyOrders); err != nil {
		return nil, err
	}
	if h.since, err = unixTime(q, "date_from"); err != nil {
		return nil, err
	}
	if h.until, err = unixTime(q, "date_to"); err != nil {
		return nil, err
	}
	if !h.until.IsZero() {
		h.until = h.until.Add(time.Second) // the second itself is asked for, too
	}
	if h.family, err = s.familyOf(ctx, a); err != nil {
		return nil, err
	}
	for i := range h.family {
		h.by[h.family[i].ID] = &h.family[i]
	}
	return h, nil
}

// familyOf is an account with its subaccounts.
func (s *server) familyOf(ctx context.Context, a account.Account) ([]account.Account, error) {
	all, err := s.core.Members.All(ctx)
	if err != nil {
		return nil, err
	}
	family := []account.Account{a}
	for _, other := range all {
		if other.Parent == a.ID {
			family = append(family, other)
		}
	}
	return family, nil
}

// unixTime is a parameter that holds a time; zero when it is absent.
func unixTime(q url.Values, name string) (time.Time, error) {
	text := q.Get(name)
	if text == "" || text == "0" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fault.New(fault.InvalidField, "%s is no Unix time", name).In(name)
	}
	return time.Unix(seconds, 0), nil
}

// search is what the gateway looks for.
func (h *history) search(p paging) gateway.Search {
	s := gateway.Search{
		Accounts: h.accounts(), Kind: message.SMS, Since: h.since, Until: h.until, Texts: h.want.Order == "body", Fits: h.fits(), By: h.order(), Skipped: p.Offset(), Page: p.Size,
	}
	for _, t := range h.want.Terms {
		if to := h.numbers(t.Value); t.Field == "to" && !h.want.Any && len(to) == 1 {
			s.To = to[0]
		}
	}
	return s
}

// accounts are those that may have what is looked for.
func (h *history) accounts() (list []account.ID) {
	for i := range h.family {
		a := &h.family[i]
		other := func(t term) bool { return t.Field == "subaccount_id" && t.Value != strconv.Itoa(a.Number) }
		if h.want.Any || !slices.ContainsFunc(h.want.Terms, other) {
			list = append(list, a.ID)
		}
	}
	return list
}

// fits tells which messages are looked for.
func (h *history) fits() func(*gateway.Found) bool {
	terms := make([]func(*gateway.Found) bool, len(h.want.Terms))
	for i, t := range h.want.Terms {
		terms[i] = h.fit(t)
	}
	return func(f *gateway.Found) bool {
		for _, fits := range terms {
			if fits(f) == h.want.Any {
				return h.want.Any
			}
		}
		return !h.want.Any || len(terms) == 0
	}
}

// fit tells which messages a term looks for: ids, statuses and numbers as a whole, and the names of senders by a part.
func (h *history) fit(t term) func(*gateway.Found) bool {
	switch t.Field {
	case "status":
		return func(f *gateway.Found) bool { return strings.EqualFold(historyStatus(f.Status), t.Value) }
	case "message_id":
		return func(f *gateway.Found) bool { return f.ID.String() == t.Value }
	case "subaccount_id":
		return func(f *gateway.Found) bool { return strconv.Itoa(h.by[f.Account].Number) == t.Value }
	}
	numbers := h.numbers(t.Value)
	is := func(a message.Address) bool {
		return slices.Contains(numbers, a) || a.Kind != message.Phone && strings.Contains(strings.ToLower(a.Value), t.Value)
	}
	if t.Field == "to" {
		return func(f *gateway.Found) bool { return is(f.To) }
	}
	return func(f *gateway.Found) bool { return is(f.From) }
}

// numbers are the phone numbers that a text may stand for: with its plus or without, which a query loses, and in the national form.
func (h *history) numbers(text string) (list []message.Address) {
	for _, way := range []string{"+" + strings.TrimPrefix(text, "+"), text} {
		if a, err := message.ParsePhone(way, h.family[0].Region); err == nil && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// historyStatus is the status of a row in a word.
func historyStatus(s message.Status) string { return outcomeOf(s, "", "").History }

// order is how rows are sorted; nil is by their time.
func (h *history) order() func(a, b *gateway.Found) int {
	of := map[string]func(f *gateway.Found) string{
		"username": func(f *gateway.Found) string { return h.by[f.Account].Username },
		"from":     func(f *gateway.Found) string { return f.From.Value },
		"to":       func(f *gateway.Found) string { return f.To.Value },
		"status":   func(f *gateway.Found) string { return historyStatus(f.Status) },
		"body":     func(f *gateway.Found) string { return strings.ToLower(f.Text) },
	}[h.want.Order]
	compare := func(a, b *gateway.Found) int {
		if of == nil {
			return cmp.Compare(a.ID, b.ID)
		}
		return strings.Compare(of(a), of(b))
	}
	if h.want.Descending {
		return func(a, b *gateway.Found) int { return compare(b, a) }
	}
	return compare
}

// row shows a message.
func (h *history) row(ctx context.Context, m *message.Message) (historyRow, error) {
	k, a := knownOf(m.Metadata), h.by[m.Account]
	who, err := h.asker(ctx, a)
	if err != nil {
		return historyRow{}, err
	}
	person, err := h.person(ctx, m, k.ContactID)
	if err != nil {
		return historyRow{}, err
	}
	details := person.Details()
	o := outcomeOf(m.Status, m.Reason, networkCode(m))
	at := m.ID.Time()
	if !m.Scheduled.IsZero() {
		at = m.Scheduled
	}
	row := historyRow{
		Direction: gateway.DirectionName(m.Direction), Date: m.ID.Time().Unix(), To: m.To.Value, Body: m.Content.Text, Status: o.History, From: m.From.Value,
		Schedule: strconv.FormatInt(at.Unix(), 10), StatusText: o.Text, ErrorText: orNull(o.ErrorText), MessageID: idText(m.ID), Parts: m.Total, Price: priceText(m.Price),
		FromEmail: orNull(k.FromEmail), ListID: orNull(k.ListID), CustomString: k.CustomString, ContactID: orNull(k.ContactID), UserID: who.user, SubaccountID: who.subaccount,
		Country: message.Country(m.To), FirstName: orNull(details[contact.FirstName]), LastName: orNull(details[contact.LastName]), Username: a.Username,
	}
	if m.Direction == message.In {
		row.Direction, row.Country = "in", message.Country(m.From)
		return row, nil
	}
	row.Direction, row.StatusCode = "out", orNull(strconv.Itoa(o.Code))
	if o.ErrorCode != 0 {
		row.ErrorCode = orNull(strconv.Itoa(o.ErrorCode))
	}
	return row, nil
}

// person is whom a message is to or from, as far as the account knows them.
func (h *history) person(ctx context.Context, m *message.Message, number string) (who contact.Contact, err error) {
	n, _ := strconv.Atoi(number)
	if n == 0 && m.Contact == 0 {
		return who, nil
	}
	name := m.Account.String() + " " + number + " " + m.Contact.String()
	who, seen := h.people[name]
	switch {
	case seen:
		return who, nil
	case n != 0:
		who, _, err = h.core.Contacts.Numbered(ctx, m.Account, n)
	default:
		who, _, err = h.core.Contacts.Get(ctx, m.Account, m.Contact)
	}
	h.people[name] = who
	return who, err
}

// networkCode is the network's own code of what failed, newest first; empty where it gave none.
func networkCode(m *message.Message) string {
	for _, p := range slices.Backward(m.Parts) {
		if p.Status == message.Failed && p.Code != "" {
			return p.Code
		}
	}
	return ""
}

// span is the keys of the messages between two times.
func (h *history) span() (after, before message.ID) {
	before = message.ID(1<<63 - 1)
	if !h.until.IsZero() {
		before = id.At[message.Message](h.until)
	}
	if !h.since.IsZero() {
		after = id.At[message.Message](h.since) - 1
	}
	return after, before
}

var historyExample = page[historyRow]{Total: 1, PerPage: 15, Current: 1, Last: 1, From: new(1), To: new(1), Data: []historyRow{{
	Direction: "out", Date: 1436871253, To: "+61411111111", Body: "Hello", Status: "Completed", From: "+61422222222", Schedule: "1436874701", StatusCode: new("201"),
	StatusText: "Message delivered to the handset", MessageID: "BF7AD270-0DE2-418B-B606-71D527D9C1AE", Parts: 1, Price: "0.0770", CustomString: "this is a test", UserID: 1, SubaccountID: 1,
	Country: "AU", Username: "jane",
}}}
