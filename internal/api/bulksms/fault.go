package bulksms

import (
	"net/http"
	"strings"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// Texts that the document has.
const (
	badNumber = "Invalid phone number format."
	keyHelp   = "Provide X-API-Key header or api_key parameter"
)

// statuses are where the surface differs: what is wrong with a request is 400, and what no channel carries is not to be had now.
var statuses = api.Statuses{
	Kinds: map[fault.Kind]int{fault.Invalid: http.StatusBadRequest},
	Codes: map[fault.Code]int{
		fault.TooManyItems: http.StatusBadRequest, fault.KeyReused: http.StatusUnprocessableEntity,
		fault.NoChannel: http.StatusServiceUnavailable, fault.NotLinked: http.StatusServiceUnavailable,
	},
}

// fail writes a fault in the document's shape.
func fail(_ *api.Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	api.RetryAfter(w.Header(), f)
	status, body := statuses.Of(f), shown(f)
	if f.Field == "expiry_days" {
		status, body = http.StatusUnprocessableEntity, invalidField(f.Field, f.Text)
	}
	_ = api.Reply(w, status, body) // it can be encoded
}

// shown is a fault in the document's words, where it has some.
func shown(f *fault.Fault) any {
	switch f.Kind() {
	case fault.Unauthorized:
		return unknown(f)
	case fault.NoBalance:
		return failure{Error: "Insufficient balance."}
	case fault.TooMany:
		return failure{Error: "Too Many Attempts."}
	case fault.Internal:
		return serverError{"Server Error"}
	}
	switch f.Code {
	case fault.MissingField, fault.EmptyText:
		return failure{Error: "The " + name(f) + " field is required."}
	case fault.InvalidRecipient:
		return failure{Error: badNumber}
	case fault.InvalidField:
		if f.Field != "" {
			return failure{Error: "The " + name(f) + " field is invalid: " + f.Text + "."}
		}
	}
	return failure{Error: f.Text}
}

// unknown is said to who did not show who they are. Version 2 says what is wrong with a key.
func unknown(f *fault.Fault) failure {
	switch {
	case f.Field != keyHeader:
		return failure{Error: "Unauthorized."}
	case f.Code == fault.NoCredentials:
		return failure{Error: "API key is required", Help: keyHelp}
	case f.Code == fault.KeyExpired:
		return failure{Error: "API key expired"}
	}
	return failure{Error: "Invalid API key"}
}

// name is the document's name of the field at fault, as its framework writes names.
func name(f *fault.Fault) string {
	switch f.Field {
	case "", "text", "content.text":
		return "message body"
	case "to":
		return "numbers"
	}
	return strings.ReplaceAll(f.Field, "_", " ")
}
