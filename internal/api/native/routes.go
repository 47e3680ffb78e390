// Package native is Tidings' own API: all that the product can do, in JSON under /tidings/v1 (docs/api/native.md).
package native

import (
	"net/http"
	"slices"

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
		pattern, h := o.method+" "+base+o.path, s.guarded(o)
		switch {
		case o.upload:
			k.HandleFile(pattern, s.core.Media.Limits.Most(), h)
		case o.batch:
			k.HandleBatch(pattern, h)
		default:
			k.Handle(pattern, h)
		}
	}
	text := d.text()
	k.Handle("GET "+base+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) error {
		return api.Write(w, "application/vnd.oai.openapi+json;version=3.1", http.StatusOK, text)
	})
}

// operations is the whole surface: each file of this package adds its own. What they take and give is in wire.go.
func (s *server) operations() []operation {
	return slices.Concat(
		s.messageOperations(),
		s.outcomeOperations(),
		s.replyOperations(),
		s.contactOperations(),
		s.listOperations(),
		s.importOperations(),
		s.conversationOperations(),
		s.linkOperations(),
		s.templateOperations(),
		s.issueOperations(),
		s.accountOperations(),
		s.accountsOperations(),
		s.planOperations(),
		s.auditOperations(),
		s.usageOperations(),
		s.keyOperations(),
		s.webhookOperations(),
		s.automationOperations(),
		s.boxOperations(),
		s.eventOperations(),
		s.notificationOperations(),
		s.channelOperations(),
		s.deviceOperations(),
		s.pairingOperations(),
		s.abilityOperations(),
		s.walletOperations(),
		s.priceOperations(),
		s.previewOperations(),
		s.mediaOperations(),
		s.numberOperations(),
		s.policyOperations(),
		s.registrationOperations(),
		s.optOutOperations(),
		s.privacyOperations(),
		s.healthOperations(),
	)
}

func (s *server) healthOperations() []operation {
	return []operation{
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
			a := api.CallerOf(r).Account
			if err := a.Need(o.right()); err != nil {
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
