package clicksend

import (
	"cmp"
	"net/http"
	"strings"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// statuses are where the surface differs: the document has no other status for what makes no sense than 400.
var statuses = api.Statuses{
	Kinds: map[fault.Kind]int{fault.Invalid: http.StatusBadRequest, fault.Conflict: http.StatusBadRequest, fault.NoBalance: http.StatusBadRequest},
	Codes: map[fault.Code]int{fault.TooManyItems: http.StatusBadRequest, fault.MediaTooLarge: http.StatusBadRequest, fault.NotCancellable: http.StatusNotFound, fault.NoChannel: http.StatusForbidden},
}

// responses are the response codes of the HTTP statuses.
var responses = map[int]string{
	http.StatusBadRequest:            "BAD_REQUEST",
	http.StatusUnauthorized:          "UNAUTHORIZED",
	http.StatusForbidden:             "FORBIDDEN",
	http.StatusNotFound:              "NOT_FOUND",
	http.StatusMethodNotAllowed:      "METHODNOTALLOWED",
	http.StatusRequestEntityTooLarge: "REQUESTENTITYTOOLARGE",
	http.StatusTooManyRequests:       "HTTP_TOO_MANY_REQUESTS",
	http.StatusInternalServerError:   "INTERNALSERVERERROR",
	http.StatusServiceUnavailable:    "SERVICEUNAVAILABLE",
}

// applicationCodes are the document's application status codes: of a single message, and of a whole request that fails for the same reason.
var applicationCodes = map[fault.Code]string{
	fault.AccountInactive:     "ACCOUNT_NOT_ACTIVATED",
	fault.AlreadyThere:        "ALREADY_EXISTS",
	fault.CountryNotAllowed:   countryNotEnabled,
	fault.EmptyMedia:          "INVALID_MEDIA_FILE",
	fault.EmptyText:           "EMPTY_MESSAGE",
	fault.InsufficientBalance: "INSUFFICIENT_CREDIT",
	fault.InvalidRecipient:    "INVALID_RECIPIENT",
	fault.InvalidSchedule:     "INVALID_SCHEDULE",
	fault.InvalidSender:       "INVALID_SENDER_ID",
	fault.MediaTooLarge:       "INVALID_MEDIA_FILE",
	fault.MediaUnavailable:    "INVALID_MEDIA_FILE",
	fault.MissingField:        "MISSING_REQUIRED_FIELDS",
	fault.NoPrice:             countryNotEnabled,
	fault.NoShortLink:         "LINK_GENERATION_FAILED",
	fault.RecipientOptedOut:   "INVALID_RECIPIENT",
	fault.RepeatedMessage:     "THROTTLED",
	fault.SenderNotRegistered: "REGISTRATION_NEEDED",
	fault.SpendLimit:          "INSUFFICIENT_CREDIT",
	fault.TooManyItems:        "TOO_MANY_RECIPIENTS",
	fault.UnsupportedMedia:    "INVALID_MEDIA_FILE",
}

// countryNotEnabled is the code of a message to a country that the account does not send to, or that has no price.
const countryNotEnabled = "COUNTRY_NOT_ENABLED"

// listField marks faults about contact lists.
const listField = "list_id"

// applicationCode is the document's code for a fault; empty where it has none.
func applicationCode(f *fault.Fault) string {
	if f.Code == fault.NotHere && f.Field == listField {
		return "NOT_ENOUGH_PERMISSION_TO_LIST_ID"
	}
	return applicationCodes[f.Code]
}

// unknownList is the fault of a contact list that is not there, or not the caller's.
func unknownList() *fault.Fault {
	return fault.New(fault.NotHere, "you have no list with this list_id").In(listField)
}

// full is an error of something that has no room for more; fault.TooManyItems tells callers of recipients alone.
func full(err error) error {
	if fault.Is(err, fault.TooManyItems) {
		return fault.New(fault.InvalidField, "%s", fault.Of(err).Text)
	}
	return err
}

// fail writes a fault in an envelope.
func fail(_ *api.Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	api.RetryAfter(w.Header(), f)
	if f.Kind() == fault.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="tidings", charset="UTF-8"`)
	}
	status := statuses.Of(f)
	_ = api.Reply(w, status, failed(f, status)) // it can be encoded
}

func failed(f *fault.Fault, status int) failure {
	told := failure{Status: status, Code: cmp.Or(applicationCode(f), responses[status]), Message: sentence(f.Text)}
	switch f.Kind() {
	case fault.Unauthorized:
		reason := "INVALID_CREDENTIALS"
		if f.Code == fault.NoCredentials {
			reason = "MISSING_CREDENTIALS"
		}
		told.Message, told.Details = "Authorization failed.", []detail{{"Authorization", reason}}
	case fault.TooMany:
		told.Message = "Too many attempts."
	}
	return told
}

// sentence writes the text of a fault as one.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimRight(text[1:], ".") + "."
}

// refusals are what any such operation may answer besides.
func refusals(o api.Operation) []api.Example {
	example := func(when string, f *fault.Fault) api.Example {
		status := statuses.Of(f)
		return api.Example{Status: status, When: when, Body: failed(f, status)}
	}
	all := []api.Example{
		example("the request makes no sense", fault.New(fault.MalformedBody, "the body is not a JSON object")),
		example("too many requests", fault.New(fault.RateLimited, "too often")),
		example("a mistake of ours", fault.New(fault.InternalError, "something is broken")),
		example("no room now", fault.New(fault.NotReady, "the server is starting or stopping")),
	}
	if !o.Open {
		all = append(all, example("no credentials, or wrong ones", fault.New(fault.NoCredentials, "none")),
			example("the key may not do this", fault.New(fault.ScopeMissing, "the key lacks the scope messages:send")))
	}
	if strings.Contains(o.Pattern, "{") {
		all = append(all, example("there is none", fault.New(fault.NotHere, "there is no such thing")))
	}
	if o.Body != nil {
		all = append(all, example("too large", fault.New(fault.BodyTooLarge, "the body is larger than 1048576 bytes")))
	}
	return all
}
