// Package device answers the device-token WhatsApp gateway's API, exactly (README.md).
package device

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
)

// Surface is the API.
var Surface = api.Surface{
	Name: name, Prefixes: []string{"/api/", "/send"}, AnyOrigin: true, Limited: true, Routes: routes, Dialect: newDialect, Fail: fail,
	Headers: http.Header{"Access-Control-Allow-Origin": {"*"}},
}

const (
	name      = "device"
	keyHeader = "apikey"
	// driver is that of the devices that the surface makes.
	driver = "whatsapp"
)

// server answers the API.
type server struct {
	kit  *api.Kit
	core api.Core
}

func routes(k *api.Kit) {
	s := &server{k, k.Core()}
	k.Serve(api.Paper{
		Title:       "device",
		Description: "WhatsApp by device tokens. A token names a device of the key's account. The key is any API key of the account.",
		Key:         huma.SecurityScheme{Type: "apiKey", In: "header", Name: keyHeader},
		Operations:  s.operations(),
	})
}

// guarded lets in who has a key with the scope. What changes devices needs the account's access to settings.
func (s *server) guarded(scope account.Scope, h api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		secret := r.Header.Get(keyHeader)
		if secret == "" {
			secret, _ = api.Bearer(r)
		}
		if err := s.kit.Admit(r, secret, scope); err != nil {
			return err
		}
		if a := api.CallerOf(r).Account; scope == account.Admin {
			if err := a.Need(account.AccessSettings); err != nil {
				return err
			}
		}
		return h(w, r)
	}
}

// operation is one of the document's.
func (s *server) operation(scope account.Scope, pattern, id, summary string, h api.Handler, query, body any, replies ...api.Example) api.Operation {
	return api.Operation{
		Pattern: pattern, ID: id, Summary: summary, Query: query, Body: body, Handler: s.guarded(scope, h), Replies: append(replies, common...),
	}
}

// common are replies of all operations.
var common = []api.Example{
	{Status: 400, When: "the body cannot be read, or a field is missing", Body: failure{"token is required"}},
	{Status: 401, When: "no key, or a wrong one", Body: failure{"unauthorized"}},
	{Status: 403, When: "the key may not do this", Body: failure{"forbidden"}},
	{Status: 422, When: "an Idempotency-Key of another request", Body: failure{"this key was used for a request with another body"}},
	{Status: 429, When: "too many requests", Body: failure{"too many requests"}},
	{Status: 500, When: "the device cannot do it", Body: failure{"not logged in"}},
	{Status: 503, When: "the server cannot do it now", Body: failure{"the server takes no more now"}},
}

// operations is the whole surface.
func (s *server) operations() []api.Operation {
	unknown := api.Example{Status: 404, When: "unknown token", Body: failure{"token not found"}}
	all := []api.Operation{
		s.operation(account.Admin, "POST /api/start", "start", "Start Session", s.start, nil, startRequest{}, api.Example{Status: 200, When: "started", Body: started{"Session started", true}}),
		s.operation(account.Admin, "POST /api/qrcode", "qrcode", "Get QR Code", s.readQRCode, nil, tokenRequest{}, qrReplies, statusReply, unknown),
		s.operation(account.Admin, "GET /api/qrcode", "readQrcode", "Get QR Code", s.readQRCode, tokenRequest{}, nil, qrReplies, statusReply, unknown),
		s.operation(account.Admin, "POST /api/pair", "pair", "Pair with phone", s.pair, nil, pairRequest{}, api.Example{Status: 200, When: "a code to type", Body: codeReply{"ABCD-EFGH"}}, unknown),
		s.operation(account.AccountRead, "GET /api/status", "status", "Get Status", s.readStatus, tokenRequest{}, nil, statusReply),
		s.operation(account.AccountRead, "POST /api/status", "postStatus", "Get Status", s.readStatus, nil, tokenRequest{}, statusReply),
		s.operation(account.AccountRead, "GET /api/contacts", "contacts", "Get Contacts", s.listContacts, tokenRequest{}, nil,
			api.Example{Status: 200, When: "by JID", Body: map[string]contact{"628123456789@s.whatsapp.net": {Found: true, FullName: "User Name", PushName: "user"}}}, unknown),
		s.operation(account.AccountRead, "GET /api/groups", "groups", "Get Groups", s.listGroups, tokenRequest{}, nil,
			api.Example{Status: 200, When: "joined groups", Body: []group{{JID: "120363000000000001@g.us", Name: "Team", Participants: []participant{}}}}, unknown),
		s.operation(account.Admin, "POST /api/logout", "logout", "Logout", s.logOut, tokenRequest{}, nil, api.Example{Status: 200, When: "logged out", Body: done{"logged_out"}}, unknown),
		s.operation(account.Admin, "POST /api/reconnect", "reconnect", "Reconnect", s.reconnect, tokenRequest{}, nil, api.Example{Status: 200, When: "reconnected", Body: done{"reconnected"}}, unknown),
		s.operation(account.AccountRead, "GET /api/devices", "devices", "List Devices", s.listDevices, listRequest{}, nil,
			api.Example{Status: 200, When: "a page", Body: devices{Data: []row{{JID: "628123456789:1@s.whatsapp.net", Name: "User Name", Token: "my-token", Workspace: "Marketing"}}, Limit: 10, Page: 1, Total: 1}}),
		s.operation(account.Admin, "DELETE /api/device", "deleteDevice", "Delete Device", s.deleteDevice, tokenRequest{}, nil, api.Example{Status: 200, When: "deleted", Body: done{"deleted"}}, unknown,
			api.Example{Status: 409, When: "messages wait in it", Body: failure{"messages wait in the device"}}),
		s.operation(account.Admin, "POST /api/webhook", "webhook", "Update Webhook", s.setWebhook, nil, webhookRequest{},
			api.Example{Status: 200, When: "updated", Body: webhookReply{"updated", "https://your-webhook.com/endpoint"}}, unknown),
		s.operation(account.Admin, "POST /api/workspace", "workspace", "Update Workspace", s.setWorkspace, nil, workspaceRequest{},
			api.Example{Status: 200, When: "assigned", Body: workspaceReply{true, "my-token", "Marketing"}}, unknown),
		s.operation(account.AccountRead, "GET /api/workspaces", "workspaces", "Get Workspaces", s.listWorkspaces, nil, nil, api.Example{Status: 200, When: "all", Body: workspaces{[]string{"Marketing"}}}),
	}
	for i, pattern := range []string{"POST /api/send", "POST /send"} {
		send := s.operation(account.MessagesSend, pattern, []string{"send", "sendAlias"}[i], "Send Message", s.send, nil, sendRequest{}, append(sendReplies, unknown)...)
		send.Sends = true
		all = append(all, send)
	}
	return all
}
