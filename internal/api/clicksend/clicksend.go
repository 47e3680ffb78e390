// Package clicksend answers ClickSend's REST API v3, exactly (README.md).
package clicksend

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
)

// surfaceName is the surface's name, and its dialect's.
const surfaceName = "clicksend"

// Surface is the API.
var Surface = api.Surface{Name: surfaceName, Prefixes: []string{"/v3/"}, Slashes: true, Routes: routes, Dialect: newDialect, Fail: fail}

// server answers the API.
type server struct {
	kit  *api.Kit
	core api.Core
}

func routes(k *api.Kit) {
	s := &server{k, k.Core()}
	k.Serve(api.Paper{
		Title:       "clicksend",
		Description: "SMS as ClickSend's REST API v3 has it. The username is the account's, the password any API key of it.",
		Key:         huma.SecurityScheme{Type: "http", Scheme: "basic", Description: "The username of an account or subaccount, with an API key or the password."},
		Operations:  s.operations(),
	})
}

// operations is the whole surface. Each may be refused as every one may.
func (s *server) operations() []api.Operation {
	all := slices.Concat(
		s.sendOperations(),
		s.kindOperations(),
		s.historyOperations(),
		s.cancelOperations(),
		s.templateOperations(),
		s.issueOperations(),
		s.listOperations(),
		s.contactOperations(),
		s.ruleOperations(),
		s.boxOperations(),
		s.findOperations(),
		s.accountOperations(),
		s.subaccountOperations(),
		s.usageOperations(),
		s.placeOperations(),
		s.numberOperations(),
	)
	for i := range all {
		all[i].Replies = append(all[i].Replies, refusals(all[i])...)
	}
	return all
}

// guarded is a handler for who has a name and a secret in the Authorization header (RFC 7617) and may do what the scope names.
func (s *server) guarded(scope account.Scope, h api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		username, secret, err := api.Basic(r)
		if err != nil {
			return err
		}
		if err := s.kit.AdmitBasic(r, username, secret, scope); err != nil {
			return err
		}
		a := api.CallerOf(r).Account
		if err := needs(&a, r.URL.Path); err != nil {
			return err
		}
		return h(w, r)
	}
}

// counted is a handler that an address may ask so often only, whoever asks.
func (s *server) counted(h api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.kit.AdmitSource(r); err != nil {
			return err
		}
		return h(w, r)
	}
}
