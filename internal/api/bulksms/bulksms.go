// Package bulksms answers the bulk-SMS API, versions 1 and 2, exactly (README.md).
package bulksms

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// Surface is the API.
var Surface = api.Surface{
	Name: "bulksms", AnyOrigin: true, Limited: true, Routes: routes, Fail: fail,
	Prefixes: []string{"/v1/sms/", "/api/v1/sms/", "/api/v2", "/api/generate-key", "/api/regenerate-key", "/api/revoke-key", "/api/oauth2-"},
	Headers:  http.Header{"Cache-Control": {"no-cache, private"}, "Access-Control-Allow-Origin": {"*"}},
}

const keyHeader = "X-API-Key"

// server answers the API.
type server struct {
	kit  *api.Kit
	core api.Core
}

func routes(k *api.Kit) {
	s := &server{k, k.Core()}
	k.Serve(api.Paper{
		Title: "SMS API",
		Description: "Bulk SMS. Version 1 takes the user name and password of the account with every request, version 2 an API key: any of the account's, " +
			"or the one that generate-key makes.",
		Key:        huma.SecurityScheme{Type: "apiKey", In: "header", Name: keyHeader},
		Operations: s.operations(),
		OpenAPI:    specification,
	})
	pages(k)
}

// operations is the whole surface.
func (s *server) operations() []api.Operation {
	return slices.Concat(s.firstOperations(), s.secondOperations(), s.keyOperations())
}

// firstOperations are those of version 1.
func (s *server) firstOperations() (all []api.Operation) {
	for i, path := range []string{"/v1/sms/send", "/api/v1/sms/send"} {
		all = append(all, api.Operation{
			Pattern: "POST " + path, ID: []string{"send", "sendAlias"}[i], Summary: "Send SMS Message API", Open: true, Sends: true, Query: firstRequest{}, Body: firstRequest{},
			Example: map[string]string{"username": "user123", "password": "pass123", "numbers": "0701234567, 0712345678", "message_body": "Hello, this is a test message."},
			Handler: s.sendFirst, Replies: append(sendReplies, unauthorized),
		})
	}
	return all
}

// secondOperations are those of version 2.
func (s *server) secondOperations() []api.Operation {
	unknown := []api.Example{keyMissing, {Status: 401, When: "a wrong key", Body: failure{Error: "Invalid API key"}}, {Status: 401, When: "an old key", Body: failure{Error: "API key expired"}}}
	return []api.Operation{
		{
			Pattern: "GET /api/v2/sms/send", ID: "getV2Send", Summary: "Send SMS", Sends: true, Query: secondRequest{}, Handler: s.sendSecond,
			Replies: slices.Concat(sendReplies, unknown),
		},
		{
			Pattern: "POST /api/v2/sms/send", ID: "postV2Send", Summary: "Send SMS", Sends: true, Query: secondRequest{}, Body: secondRequest{},
			Example: map[string]string{"numbers": "0701234567, 0712345678", "message_body": "Hello, this is a test message."}, Handler: s.sendSecond,
			Replies: slices.Concat(sendReplies, unknown),
		},
		{
			Pattern: "GET /api/v2/account/balance", ID: "balance", Summary: "Balance", Query: balanceRequest{}, Handler: s.readBalance,
			Replies: slices.Concat([]api.Example{{Status: 200, When: "the balance", Body: balance{98_000_000, "KES", "user123"}}}, unknown, common),
		},
	}
}

// keyOperations make, remake and revoke the account's key of this API.
func (s *server) keyOperations() []api.Operation {
	made := madeKey{Message: "API key generated successfully.", Key: "td_live_...", Expires: "2027-01-31T12:00:00.000Z"}
	wrong := api.Example{Status: 422, When: "expiry_days is wrong", Body: invalidField("expiry_days", "The expiry days field must be at least 1.")}
	none := api.Example{Status: 404, When: "no key in use", Body: failure{Error: noKey}}
	operation := func(path, id, summary string, body any, h func(asked) error, replies ...api.Example) api.Operation {
		o := api.Operation{Pattern: "POST /api/" + path, ID: id, Summary: summary, Open: true, Query: body, Body: body, Handler: s.keyed(h), Replies: append(append(replies, unauthorized), common...)}
		if body == (keyRequest{}) {
			o.Example = map[string]any{"expiry_days": 3}
		}
		return o
	}
	remade := made
	remade.Message = "API key regenerated successfully."
	return []api.Operation{
		operation("generate-key", "generateKey", "Make the API key", keyRequest{}, s.generateKey, api.Example{Status: 201, When: "made", Body: made},
			api.Example{Status: 409, When: "there is one in use", Body: failure{Error: keyThere}}, wrong),
		operation("regenerate-key", "regenerateKey", "Make another API key in place of the one in use", keyRequest{}, s.regenerateKey, api.Example{Status: 200, When: "made", Body: remade}, none, wrong),
		operation("revoke-key", "revokeKey", "Revoke the API key", credentials{}, s.revokeKey, api.Example{Status: 200, When: "revoked", Body: done{"API key revoked successfully."}}, none),
	}
}

// Replies that many operations give.
var (
	unauthorized = api.Example{Status: 401, When: "no credentials, or wrong ones", Body: failure{Error: "Unauthorized."}}
	keyMissing   = api.Example{Status: 401, When: "no key", Body: failure{Error: "API key is required", Help: keyHelp}}

	common = []api.Example{
		{Status: 400, When: "the body cannot be read", Body: failure{Error: "the body is not a JSON object"}},
		{Status: 403, When: "the key or the account may not do this", Body: failure{Error: "the key lacks the scope messages:send"}},
		{Status: 413, When: "too large", Body: failure{Error: "the body is larger than 1048576 bytes"}},
		{Status: 429, When: "too many requests", Body: failure{Error: "Too Many Attempts."}},
		{Status: 500, When: "our fault", Body: serverError{"Server Error"}},
		{Status: 503, When: "not now", Body: failure{Error: "the server takes no more now"}},
	}
	sendReplies = append([]api.Example{
		{Status: 200, When: "queued", Body: sentExample()},
		{Status: 400, When: "a number is none", Body: failure{Error: badNumber}},
		{Status: 402, When: "no balance", Body: failure{Error: "Insufficient balance."}},
		{Status: 409, When: "an Idempotency-Key that is in use", Body: failure{Error: "the first request with this key is still running"}},
		{Status: 422, When: "an Idempotency-Key of another request", Body: failure{Error: "this key was used for a request with another body"}},
	}, common...)
)

// admitFirst lets in who has the user name and the password of an account, or a key of it in the password's place.
func (s *server) admitFirst(r *http.Request, c credentials, scope account.Scope, right account.Right) error {
	username, secret := string(c.Username), string(c.Password)
	if username == "" && secret == "" {
		if name, password, err := api.Basic(r); err == nil {
			username, secret = name, password
		}
	}
	return s.admitted(r, s.kit.AdmitBasic(r, username, secret, scope), right)
}

// admitSecond lets in who has a key.
func (s *server) admitSecond(r *http.Request, key api.Text, scope account.Scope, right account.Right) error {
	secret := r.Header.Get(keyHeader)
	if secret == "" {
		secret = string(key)
	}
	if secret == "" {
		return s.admitted(r, fault.New(fault.NoCredentials, "there is no key").In(keyHeader), right)
	}
	err := s.kit.Admit(r, secret, scope)
	if f := fault.Of(err); f != nil && f.Kind() == fault.Unauthorized {
		err = f.In(keyHeader)
	}
	return s.admitted(r, err, right)
}

// admitted counts those that were not let in by their address, and asks for what the account must have access to of the others.
func (s *server) admitted(r *http.Request, err error, right account.Right) error {
	if f := fault.Of(err); f != nil && f.Kind() == fault.Unauthorized {
		if over := s.kit.AdmitAnyone(r); over != nil {
			return over
		}
	}
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	return a.Need(right)
}
