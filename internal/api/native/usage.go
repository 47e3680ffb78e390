package native

import (
	"net/http"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/message"
	"tidings.dev/internal/report"
)

func (s *server) usageOperations() []operation {
	return []operation{
		op[usageInput, output[usageReply]]("GET /usage", account.AccountRead, "readUsage", "Count what was sent and received, by day, channel, kind or account", s.readUsage),
	}
}

type usageInput struct {
	Since string `query:"since" format:"date" doc:"First day, in UTC; 30 days before the last without it."`
	Until string `query:"until" format:"date" doc:"Last day; today without it."`
	By    string `query:"by" enum:"day,channel,kind,account" default:"day" doc:"What the items are of; account: the caller's own and each of its subaccounts."`
	Kind  string `query:"kind" enum:"sms,whatsapp" doc:"Only what went over channels of this kind."`
}

// usageReply is what happened on some days.
type usageReply struct {
	Since string      `json:"since" format:"date"`
	Until string      `json:"until" format:"date"`
	By    string      `json:"by" enum:"day,channel,kind,account"`
	Items []countItem `json:"items" nullable:"false"`
}

// countItem counts what happened on a day, over a channel, as a kind, or in an account. Each number counts what happened then,
// whenever the message was accepted.
type countItem struct {
	Day       string `json:"day,omitempty" format:"date"`
	Channel   string `json:"channel,omitempty" format:"uuid"`
	Kind      string `json:"kind,omitempty"`
	Account   string `json:"account_id,omitempty" format:"uuid"`
	Accepted  int64  `json:"accepted"`
	Parts     int64  `json:"parts" doc:"Of what was accepted."`
	Sent      int64  `json:"sent" doc:"message.sent events; those below likewise."`
	Delivered int64  `json:"delivered" doc:"A message that was failed before counts in both."`
	Failed    int64  `json:"failed"`
	Unknown   int64  `json:"unknown"`
	Inbound   int64  `json:"inbound"`
	Charged   int64  `json:"charged_micros"`
	Currency  string `json:"currency"`
}

// grains are what usage is counted by: each names an item after what it is of.
var grains = map[string]func(u report.Usage) countItem{
	"day":     func(u report.Usage) countItem { return countItem{Day: u.Day.String()} },
	"channel": func(u report.Usage) countItem { return countItem{Channel: u.Channel.String()} },
	"kind":    func(u report.Usage) countItem { return countItem{Kind: string(u.Kind)} },
	"account": func(u report.Usage) countItem { return countItem{Account: u.Account.String()} },
}

const (
	usageDays = 30  // without a first day
	mostDays  = 731 // as long as they are kept
)

// readUsage counts what an account did. Days, channels and kinds on which nothing happened have no item.
func (s *server) readUsage(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	until := q.day("until", report.DayOf(s.core.Store.Now()))
	reply := usageReply{By: q.Get("by"), Items: []countItem{}}
	since := q.day("since", until-usageDays)
	if reply.By == "" {
		reply.By = "day"
	}
	grain, ok := grains[reply.By]
	switch {
	case !ok:
		q.wrong("by", "usage is counted by day, channel, kind or account")
	case since > until || until-since >= mostDays:
		q.wrong("since", "the days are from the first to the last, at most %d", mostDays)
	}
	if kind := message.Kind(q.Get("kind")); kind != "" && kind != message.SMS && kind != message.WhatsApp {
		q.wrong("kind", "a kind is sms or whatsapp")
	}
	if q.err != nil {
		return q.err
	}
	accounts := []account.Account{api.CallerOf(r).Account}
	if reply.By == "account" {
		all, err := s.core.Members.All(r.Context())
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.Parent == accounts[0].ID {
				accounts = append(accounts, a)
			}
		}
	}
	reply.Since, reply.Until = since.String(), until.String()
	for _, a := range accounts {
		list, err := report.Of(r.Context(), s.core.Store, a.ID, since, until)
		if err != nil {
			return err
		}
		if kind := message.Kind(q.Get("kind")); kind != "" {
			list = slices.DeleteFunc(list, func(u report.Usage) bool { return u.Kind != kind })
		}
		reply.Items = append(reply.Items, counted(list, grain, a.Currency)...)
	}
	return api.Reply(w, http.StatusOK, reply)
}

// counted is one item for each thing that the grain tells apart, in the order in which they come.
func counted(list []report.Usage, grain func(report.Usage) countItem, currency string) (items []countItem) {
	order, sums := report.Sum(list, func(u *report.Usage) countItem { return grain(*u) })
	for _, item := range order {
		c := sums[item]
		item.Accepted, item.Parts, item.Sent, item.Delivered = c.Accepted, c.Parts, c.Sent, c.Delivered
		item.Failed, item.Unknown, item.Inbound, item.Charged, item.Currency = c.Failed, c.Unknown, c.Inbound, c.Charged, currency
		items = append(items, item)
	}
	return items
}

// day reads a day such as 2027-01-31.
func (q *query) day(name string, without report.Day) report.Day {
	text := q.Get(name)
	if text == "" {
		return without
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		q.wrong(name, "give a day such as 2027-01-31")
	}
	return report.DayOf(t)
}
