// Package klik answers the session-based WhatsApp API of klik.social, exactly (README.md).
package klik

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
)

// Surface is the API.
var Surface = api.Surface{
	Name: "klik", Prefixes: []string{"/api/v1/", "/api/healthcheck"}, AnyOrigin: true, Limited: true, Routes: routes, Fail: fail,
	Headers: http.Header{
		"Cache-Control":               {"no-cache, private"},
		"Strict-Transport-Security":   {"max-age=31536000; includeSubdomains"},
		"Access-Control-Allow-Origin": {"*"},
	},
}

// server answers the API.
type server struct {
	kit  *api.Kit
	core api.Core
}

func routes(k *api.Kit) {
	s := &server{k, k.Core()}
	k.Serve(api.Paper{
		Title:       "klik",
		Description: "WhatsApp by sessions, as klik.social's API has it. The key is any API key of the account.",
		Key:         huma.SecurityScheme{Type: "http", Scheme: "bearer", Description: "An API key, or the token of auth-by-email."},
		Operations:  s.operations(),
	})
}

const (
	official = "/api/v1/official-device/"
	session  = "/api/v1/{session_uuid}/"
)

// operations is the whole surface.
func (s *server) operations() []api.Operation {
	return []api.Operation{
		{
			Pattern: "GET /api/healthcheck", ID: "healthcheck", Summary: "Healthcheck", Open: true, Handler: s.checkHealth,
			Replies: []api.Example{{Status: 200, When: "healthy", Body: health{Status: true}}, {Status: 400, When: "unhealthy", Body: health{Services: []string{"database"}}}, tooMany},
		},
		{
			Pattern: "POST /api/v1/auth-by-email", ID: "authByEmail", Summary: "Authenticate or provision a user by email (internal)", Header: keyHeader,
			Body:    authRequest{},
			Example: map[string]string{"email": "jane@example.com", "name": "Jane Doe", "created_from": "external-project"}, Handler: s.authByEmail,
			Replies: []api.Example{{Status: 200, When: "success", Body: signedIn{
				Success: true, Data: signedInUser{Token: "Your auth token", User: user{12, "Jane Doe", "jane@example.com", "external-project"}},
			}}, {Status: 403, When: "invalid or missing X-API-KEY", Body: failed(unvalidated, unvalidated)}, malformed, wrong("The email field is required."), tooMany},
		},
		s.messageOperation(official, "official", s.official),
		s.fileOperation(official, "official", s.official),
		{
			Pattern: "GET " + official + "status", ID: "officialStatus", Summary: "Get official device connection status", Handler: s.readStatus,
			Replies: []api.Example{{Status: 200, When: "success", Body: status{Success: true, Data: statusData{
				Connected: true, Session: &device{"ffd7f83e-06c3-47c8-a6a1-dd943da13b5f", "919999999999"}, User: person{12, "Jane Doe", "jane@example.com"},
			}}}, unauthenticated, forbidden, tooMany},
		},
		s.messageOperation(session, "session", s.session),
		s.fileOperation(session, "session", s.session),
	}
}

func (s *server) messageOperation(base, name string, find finder) api.Operation {
	return api.Operation{
		Pattern: "POST " + base + "send-message", ID: name + "SendMessage", Summary: "Send a message by the " + name + " device", Sends: true, Body: messageRequest{},
		Example: map[string]string{"mobile": "919999999999", "message": "Hello buddy", "image": tinyImage}, Handler: s.sendMessage(find),
		Replies: append(sendReplies("Message sent successfully."), wrong("The mobile field is required.")),
	}
}

func (s *server) fileOperation(base, name string, find finder) api.Operation {
	return api.Operation{
		Pattern: "POST " + base + "send-file", ID: name + "SendFile", Summary: "Send a file by the " + name + " device", Sends: true, Body: fileRequest{},
		Example: map[string]string{"mobile": "919999999999", "file": tinyImage}, Handler: s.sendFile(find),
		Replies: append(sendReplies("File sent successfully."), wrong("The file field is required.")),
	}
}

func sendReplies(done string) []api.Example {
	return []api.Example{
		{Status: 200, When: "success", Body: sent{Success: true, Message: done}},
		{Status: 200, When: "failed", Body: failed(notLoggedIn)},
		malformed,
		unauthenticated,
		forbidden,
		{Status: 404, When: "unknown session", Body: failed(noSession)},
		{Status: 413, When: "too large", Body: failed("The file is too large.", "The file is too large.")},
		tooMany,
		{Status: 503, When: "no room now", Body: failed("The server takes no more messages at the moment.")},
	}
}

// Replies that many operations give.
var (
	tooMany         = api.Example{Status: 429, When: "too many requests", Body: throttled{"Too Many Attempts."}}
	unauthenticated = api.Example{Status: 401, When: "no key, or a wrong one", Body: failed("Unauthenticated.")}
)

// What is wrong with a request that cannot be read, or may not be made.
var (
	malformed = api.Example{Status: 400, When: "the body cannot be read", Body: failed("the body is not a JSON object", "the body is not a JSON object")}
	forbidden = api.Example{Status: 403, When: "the key may not do this", Body: failed("This action is unauthorized.")}
)

func wrong(text string) api.Example {
	return api.Example{Status: 422, When: "a field is missing or wrong", Body: failed(text, text)}
}

// tinyImage is a PNG of one pixel, for examples.
const tinyImage = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
