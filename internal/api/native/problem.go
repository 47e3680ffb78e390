package native

import (
	"net/http"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/telemetry"
)

// problem is what went wrong (RFC 9457).
type problem struct {
	Type       string `json:"type" format:"uri" doc:"A page with cause and cure."`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       string `json:"code" doc:"For programs: it never changes its meaning." example:"invalid_recipient"`
	Field      string `json:"field,omitempty" doc:"The part of the request at fault." example:"to"`
	ExistingID string `json:"existing_id,omitempty" doc:"The thing that is there already."`
	RequestID  string `json:"request_id,omitempty" doc:"Names the request to the operator."`
	// Errors are all mistakes of a request of which all were looked for.
	Errors []mistakeReply `json:"errors,omitempty" doc:"Every mistake, where more than one was looked for; the first is the problem's own."`
}

// mistakeReply is one mistake of several.
type mistakeReply struct {
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
}

var statuses = api.Statuses{}

func newProblem(k *api.Kit, f *fault.Fault) problem {
	page, _ := f.Code.Page()
	p := problem{
		Type: k.PublicURL() + "/docs/errors/" + string(f.Code), Title: page.Title, Status: statuses.Of(f), Detail: f.Text,
		Code: string(f.Code), Field: f.Field, ExistingID: f.Existing,
	}
	if len(f.More) > 0 {
		for _, m := range append([]*fault.Fault{f}, f.More...) {
			p.Errors = append(p.Errors, mistakeReply{m.Text, string(m.Code), m.Field})
		}
	}
	return p
}

// fail answers with a fault.
func fail(k *api.Kit, w http.ResponseWriter, r *http.Request, f *fault.Fault) {
	p := newProblem(k, f)
	p.RequestID = telemetry.RequestID(r.Context())
	if f.Kind() == fault.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidings"`)
	}
	api.RetryAfter(w.Header(), f)
	_ = api.ReplyAs(w, "application/problem+json", p.Status, p) // it has nothing that cannot be encoded
}
