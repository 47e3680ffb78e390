package clicksend

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/report"
)

// usageOperations tell how much was sent and received.
func (s *server) usageOperations() []api.Operation {
	read := func(h api.Handler) api.Handler {
		return s.guarded(account.AccountRead, h)
	}
	return []api.Operation{
		{
			Pattern: "GET /v3/account/usage/{year}/{month}/subaccount", ID: "readUsage", Summary: "Count a month's messages by subaccount", Handler: read(s.readUsage),
			Replies: []api.Example{done("Here is your usage for this month.", newUsage(currencyOf("AUD")))},
		},
		{
			Pattern: "GET /v3/statistics/sms", ID: "readStatistics", Summary: "Count the messages of the last 30 days", Handler: read(s.readStatistics),
			Replies: []api.Example{done("Here are your data.", statistics{Stats: []dayView{}, Currency: currencyOf("AUD")})},
		},
	}
}

// usageView is what an account and its subaccounts did in a month, by kind.
type usageView struct {
	SMS           []useView `json:"sms" nullable:"false"`
	MMS           []useView `json:"mms" nullable:"false"`
	Voice         []useView `json:"voice" nullable:"false"`
	Fax           []useView `json:"fax" nullable:"false"`
	Post          []useView `json:"post" nullable:"false"`
	Email         []useView `json:"email" nullable:"false"`
	WhatsApp      []useView `json:"whatsapp" nullable:"false" doc:"The original has no such kind."`
	SMSTotal      cost      `json:"sms_total"`
	MMSTotal      cost      `json:"mms_total"`
	VoiceTotal    cost      `json:"voice_total"`
	FaxTotal      cost      `json:"fax_total"`
	PostTotal     cost      `json:"post_total"`
	EmailTotal    cost      `json:"email_total"`
	WhatsAppTotal cost      `json:"whatsapp_total"`
	Currency      currency  `json:"_currency"`
}

type (
	useView struct {
		ID       int     `json:"subaccount_id"`
		Username string  `json:"username"`
		Count    string  `json:"total_count"`
		Price    float64 `json:"total_price"`
	}
	cost struct {
		Count int64   `json:"count"`
		Price float64 `json:"price"`
	}
	tally struct {
		Count int64 `json:"count"`
	}
	statistics struct {
		Total    sumView   `json:"total"`
		Stats    []dayView `json:"stats" nullable:"false"`
		Currency currency  `json:"_currency"`
	}
	sumView struct {
		Outbound cost  `json:"outbound"`
		Inbound  tally `json:"inbound"`
		Bounced  tally `json:"bounced"`
	}
	dayView struct {
		Date int64 `json:"date"`
		sumView
	}
)

func newUsage(c currency) usageView {
	none := []useView{}
	return usageView{SMS: none, MMS: none, Voice: none, Fax: none, Post: none, Email: none, WhatsApp: none, Currency: c}
}

// readUsage counts a month of UTC: the caller's account first, then its subaccounts. Who did nothing is not in it.
func (s *server) readUsage(w http.ResponseWriter, r *http.Request) error {
	first, err := time.Parse("2006-1", r.PathValue("year")+"-"+r.PathValue("month"))
	if err != nil {
		return fault.New(fault.InvalidField, "give a year and a month such as 2027/1").In("month")
	}
	own := api.CallerOf(r).Account
	accounts, err := s.family(r.Context(), own)
	if err != nil {
		return err
	}
	view := newUsage(currencyOf(own.Currency))
	for _, a := range accounts {
		list, err := report.Of(r.Context(), s.core.Store, a.ID, report.DayOf(first), report.DayOf(first.AddDate(0, 1, -1)))
		if err != nil {
			return err
		}
		_, sums := report.Sum(list, func(u *report.Usage) message.Kind { return u.Kind })
		view.SMS = view.SMSTotal.add(view.SMS, &a, sums[message.SMS])
		view.WhatsApp = view.WhatsAppTotal.add(view.WhatsApp, &a, sums[message.WhatsApp])
	}
	return answer(w, "Here is your usage for this month.", view)
}

// family is an account with its subaccounts.
func (s *server) family(ctx context.Context, own account.Account) ([]account.Account, error) {
	all, err := s.core.Members.All(ctx)
	if err != nil {
		return nil, err
	}
	list := []account.Account{own}
	for _, a := range all {
		if a.Parent == own.ID {
			list = append(list, a)
		}
	}
	return list, nil
}

// add adds what an account did to the rows, and to their sum.
func (p *cost) add(rows []useView, a *account.Account, c report.Counts) []useView {
	if c.Accepted == 0 && c.Charged == 0 {
		return rows
	}
	p.Count, p.Price = p.Count+c.Accepted, money(int64(math.Round(p.Price*microsOfOne))+c.Charged)
	return append(rows, useView{a.Number, a.Username, fmt.Sprintf("%d.00", c.Accepted), money(c.Charged)})
}

const microsOfOne = 1_000_000

// money is an amount in the units of its currency.
func money(micros int64) float64 { return float64(micros) / microsOfOne }

// readStatistics counts the last 30 days of UTC, each of them.
func (s *server) readStatistics(w http.ResponseWriter, r *http.Request) error {
	const days = 30
	a := api.CallerOf(r).Account
	last := report.DayOf(s.core.Store.Now())
	list, err := report.Of(r.Context(), s.core.Store, a.ID, last-days+1, last)
	if err != nil {
		return err
	}
	_, sums := report.Sum(list, func(u *report.Usage) report.Day {
		if u.Kind != message.SMS {
			return 0
		}
		return u.Day
	})
	var total report.Counts
	view := statistics{Stats: make([]dayView, 0, days), Currency: currencyOf(a.Currency)}
	for day := last - days + 1; day <= last; day++ {
		total = total.Plus(sums[day])
		view.Stats = append(view.Stats, dayView{day.Begin().Unix(), summed(sums[day])})
	}
	view.Total = summed(total)
	return answer(w, "Here are your data.", view)
}

// summed is what was sent and received as the surface shows it: what failed has bounced.
func summed(c report.Counts) sumView {
	return sumView{cost{c.Accepted, money(c.Charged)}, tally{c.Inbound}, tally{c.Failed}}
}
