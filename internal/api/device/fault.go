package device

import (
	"net/http"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// statuses are where the surface differs: what was to be sent and cannot is 500, as in the original.
var statuses = api.Statuses{
	Kinds: map[fault.Kind]int{fault.Invalid: http.StatusInternalServerError, fault.Conflict: http.StatusInternalServerError},
	Codes: map[fault.Code]int{
		fault.MissingField: http.StatusBadRequest, fault.InvalidField: http.StatusBadRequest, fault.URLNotAllowed: http.StatusBadRequest,
		fault.ChannelInUse: http.StatusConflict, fault.KeyReused: http.StatusUnprocessableEntity,
	},
}

// fail writes a fault in the original's shape.
func fail(_ *api.Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	api.RetryAfter(w.Header(), f)
	_ = api.Reply(w, statuses.Of(f), failure{text(f)}) // it can be encoded
}

// text says what went wrong in the original's words, where it has some.
func text(f *fault.Fault) string {
	switch f.Kind() {
	case fault.Unauthorized:
		return "unauthorized"
	case fault.TooMany:
		return "too many requests"
	}
	if f.Code == fault.NotHere && f.Field != "token" {
		return "not found"
	}
	return f.Text
}

// refuse answers what was to be sent and was not. What is wrong with who asks is told as everywhere.
func refuse(w http.ResponseWriter, f *fault.Fault) error {
	switch f.Kind() {
	case fault.Invalid, fault.NoBalance:
	default:
		return f
	}
	switch f.Code {
	case fault.RecipientOptedOut:
		return api.Reply(w, http.StatusOK, unsent{Message: f.Text})
	case fault.NotLinked, fault.NoChannel:
		return api.Reply(w, http.StatusInternalServerError, unsent{Message: "client not logged in"})
	case fault.KeyReused:
		return f
	}
	return api.Reply(w, http.StatusInternalServerError, unsent{Message: f.Text})
}
