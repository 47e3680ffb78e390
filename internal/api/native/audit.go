package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/id"
)

func (s *server) auditOperations() []operation {
	return []operation{
		op[auditInput, output[page[DeedReply]]]("GET /audit", account.Admin, "listAudit", "List who changed what; for the operator, in all accounts", s.listAudit),
	}
}

type auditInput struct {
	PageInput
	Action  string `query:"action" doc:"Only deeds whose action begins so, such as key. or webhook.create. With action or actor a page looks at 5,000 deeds: it may have fewer items than there are, even none, and yet a next_cursor."`
	Actor   string `query:"actor" doc:"Only deeds of this actor, such as key:<id>."`
	Account string `query:"account" format:"uuid" doc:"Only deeds in this account; for the operator."`
	Since   string `query:"since" format:"date-time" doc:"Only deeds at this time or later."`
	Until   string `query:"until" format:"date-time" doc:"Only deeds before this time."`
}

// DeedReply is one row of the audit log.
type DeedReply struct {
	ID      string `json:"id" format:"uuid"`
	Account string `json:"account_id,omitempty" format:"uuid" doc:"Absent for what is of no one account."`
	At      string `json:"at" format:"date-time"`
	Actor   string `json:"actor" doc:"key:<id>, user:<id>, cli or system." example:"key:0198..."`
	Address string `json:"address" doc:"Where the actor was; empty for what came from no address."`
	Action  string `json:"action" example:"key.create"`
	Subject string `json:"subject" doc:"What it was done to."`
	Detail  string `json:"detail"`
	Was     string `json:"was" doc:"What was changed, before."`
	Became  string `json:"became" doc:"And after."`
}

// listAudit lists deeds, newest first.
func (s *server) listAudit(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	q := queryOf(r)
	f := audit.Filter{
		Account: queryID[account.Account](q, "account"), Action: q.Get("action"), Actor: q.Get("actor"), Since: q.time("since"), Until: q.time("until"), Limit: q.limit(),
	}
	if q.err != nil {
		return q.err
	}
	if !c.Operates() {
		if f.Account != 0 && f.Account != c.Account.ID {
			return operatorOnly("another account")
		}
		f.Account = c.Account.ID
	}
	return turn(s, w, r, "audit", func(after int64) ([]DeedReply, int64, error) {
		f.Before = id.Of[audit.Entry](after)
		entries, next, err := audit.List(r.Context(), s.core.Store, f)
		shown := make([]DeedReply, len(entries))
		for i, e := range entries {
			shown[i] = DeedReply{
				ID: e.ID.String(), Account: e.Account.String(), At: showTime(e.ID.Time()), Actor: e.Actor.Name, Address: e.Actor.Address,
				Action: e.Action, Subject: e.Subject, Detail: e.Detail, Was: e.Was, Became: e.Became,
			}
		}
		return shown, int64(next), err
	})
}
