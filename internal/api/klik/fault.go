package klik

import (
	"net/http"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// Texts that the document has, or that its framework says.
const (
	notLoggedIn = "Session is not logged in."
	noSession   = "Session not found."
	unvalidated = "Request validation failed"
)

// statuses are where the surface differs: what a valid request cannot do now is told with 200.
var statuses = api.Statuses{
	Kinds: map[fault.Kind]int{fault.NoBalance: http.StatusOK},
	Codes: map[fault.Code]int{
		fault.NotLinked: http.StatusOK, fault.NoChannel: http.StatusOK, fault.RecipientOptedOut: http.StatusOK, fault.NoPrice: http.StatusOK,
	},
}

// fail writes a fault in the document's shape.
func fail(_ *api.Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	api.RetryAfter(w.Header(), f)
	var body any = shown(f)
	if f.Kind() == fault.TooMany {
		body = throttled{"Too Many Attempts."}
	}
	_ = api.Reply(w, statuses.Of(f), body) // it can be encoded
}

// shown is a fault in words. What is wrong with a request is also in the list.
func shown(f *fault.Fault) failure {
	switch f.Code {
	case fault.NotLinked, fault.NoChannel:
		return failed(notLoggedIn)
	case fault.RecipientOptedOut, fault.NoPrice:
		return failed(f.Text)
	case fault.ScopeMissing, fault.AddressNotAllowed, fault.OriginNotAllowed, fault.AccountInactive:
		return failed("This action is unauthorized.")
	case fault.NotHere:
		if f.Field == "session_uuid" {
			return failed(noSession)
		}
		return failed("Not found.")
	}
	switch f.Kind() {
	case fault.Unauthorized:
		return failed("Unauthenticated.")
	case fault.Internal:
		return failed("Server Error")
	case fault.Malformed, fault.Invalid, fault.TooLarge:
		text := sentence(f)
		return failed(text, text)
	}
	return failed(f.Text)
}

// sentence says what is wrong with a request as the document's framework does.
func sentence(f *fault.Fault) string {
	switch f.Code {
	case fault.MissingField, fault.EmptyText, fault.EmptyMedia:
		return "The " + field(f) + " field is required."
	case fault.InvalidRecipient:
		return "The mobile field format is invalid."
	case fault.InvalidField:
		if f.Field == "email" {
			return "The email field must be a valid email address."
		}
		return "The " + field(f) + " field is invalid: " + f.Text + "."
	}
	return f.Text
}

// field is the document's name of the field at fault.
func field(f *fault.Fault) string {
	switch f.Field {
	case "", "text":
		return "message"
	case "to":
		return "mobile"
	}
	return f.Field
}
