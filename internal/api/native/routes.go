// Package native is Tidings' own API: all that the product can do, in JSON under /tidings/v1 (docs/api/native.md).
package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
)

// Surface is the native API.
var Surface = api.Surface{Name: "native", Prefixes: []string{"/tidings/"}, Routes: routes, Fail: fail}

const base = "/tidings/v1"

// server answers the native API.
type server struct {
	kit  *api.Kit
	core api.Core
}

func routes(k *api.Kit) {
	s := &server{k, k.Core()}
	d := newDocument()
	for _, o := range s.operations() {
		o.document(d)
		handle := k.Handle
		if o.batch {
			handle = k.HandleBatch
		}
		handle(o.method+" "+base+o.path, s.guarded(o))
	}
	text := d.text()
	k.Handle("GET "+base+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) error {
		return api.Write(w, "application/vnd.oai.openapi+json;version=3.1", http.StatusOK, text)
	})
}

// operations is the whole surface: what it takes and gives is in wire.go.
func (s *server) operations() []operation {
	return []operation{
		op[sendInput, accepted[MessageReply]]("POST /messages", account.MessagesSend, "createMessage", "Accept one message", s.createMessage).answers(202),
		op[batchInput, accepted[batchReply]]("POST /messages/batch", account.MessagesSend, "createBatch", "Accept up to 1,000 messages", s.createBatch).answers(202).large(),
		op[messagesInput, output[page[MessageReply]]]("GET /messages", account.MessagesRead, "listMessages", "List messages", s.listMessages),
		op[IDInput, output[wholeMessage]]("GET /messages/{id}", account.MessagesRead, "readMessage", "Read one message with its journey", s.readMessage),
		op[IDInput, output[MessageReply]]("POST /messages/{id}/cancel", account.MessagesSend, "cancelMessage", "Take a waiting message back", s.cancelMessage),

		op[noInput, output[accountReply]]("GET /account", account.AccountRead, "readAccount", "Read the account, its wallet and defaults", s.readAccount),

		op[input[keyRequest], output[madeKeyReply]]("POST /keys", account.KeysWrite, "createKey", "Make an API key", s.createKey).answers(201),
		op[PageInput, output[page[KeyReply]]]("GET /keys", account.KeysWrite, "listKeys", "List API keys", s.listKeys),
		op[IDInput, nothing]("DELETE /keys/{id}", account.KeysWrite, "revokeKey", "Take an API key back", s.revokeKey).answers(204),

		op[input[webhookRequest], output[madeWebhookReply]]("POST /webhooks", account.WebhooksWrite, "createWebhook", "Make a webhook", s.createWebhook).answers(201),
		op[PageInput, output[page[WebhookReply]]]("GET /webhooks", account.WebhooksRead, "listWebhooks", "List webhooks", s.listWebhooks),
		op[IDInput, output[WebhookReply]]("GET /webhooks/{id}", account.WebhooksRead, "readWebhook", "Read a webhook", s.readWebhook),
		op[changeInput, output[WebhookReply]]("PATCH /webhooks/{id}", account.WebhooksWrite, "changeWebhook", "Change a webhook", s.changeWebhook),
		op[IDInput, nothing]("DELETE /webhooks/{id}", account.WebhooksWrite, "deleteWebhook", "Delete a webhook", s.deleteWebhook).answers(204),
		op[pageOfInput, output[page[deliveryReply]]]("GET /webhooks/{id}/deliveries", account.WebhooksRead, "listDeliveries", "List what was posted, and what came back", s.listDeliveries),
		op[deliveryInput, output[replayReply]]("POST /webhooks/{id}/deliveries/{delivery_id}/replay", account.WebhooksWrite, "replayDelivery", "Post it again", s.replayDelivery).answers(202),

		op[noInput, output[healthReply]]("GET /health", open, "readHealth", "Tell whether the server is well", s.readHealth),
	}
}

// open is the scope of what needs no key.
const open account.Scope = ""

// guarded lets in who has the operation's scope, and checks what every request must keep to.
func (s *server) guarded(o operation) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := checkQuery(r, o.parameters); err != nil {
			return err
		}
		if o.scope != open {
			secret, err := api.Bearer(r)
			if err != nil {
				return err
			}
			if err := s.kit.Admit(r, secret, o.scope); err != nil {
				return err
			}
		}
		return o.handler(w, r)
	}
}

// readHealth tells whether the server is well; which check fails, but not why, since anyone may ask.
func (s *server) readHealth(w http.ResponseWriter, r *http.Request) error {
	s.core.Health.Readyz().ServeHTTP(w, r)
	return nil
}
