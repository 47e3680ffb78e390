package clicksend_test

import (
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

// TestWhatAParentDeniesIsRefused asks for each area without its right, and for what needs none without any.
func TestWhatAParentDeniesIsRefused(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.alice()
	deny := func(rights ...account.Right) {
		var denied account.Denied
		for _, r := range rights {
			denied = denied.With(r, true)
		}
		w.Write(func(tx *store.Tx) error {
			_, err := w.Core.Members.Change(tx, audit.System, w.Alice.ID, member.Change{Denied: &denied})
			return err
		})
	}
	for right, paths := range map[account.Right][]string{
		account.AccessContacts:  {"GET /v3/lists", "POST /v3/lists", "GET /v3/lists/1/contacts", "GET /v3/search/contacts-lists?q=x"},
		account.AccessReporting: {"GET /v3/account/usage/2026/11/subaccount", "GET /v3/statistics/sms", "GET /v3/sms/history/export"},
		account.AccessUsers:     {"GET /v3/subaccounts", "POST /v3/subaccounts", "DELETE /v3/subaccounts/1", "PUT /v3/subaccounts/1/regen-api-key"},
		account.AccessSettings:  {"GET /v3/automations/sms/inbound", "POST /v3/automations/sms/receipts", "POST /v3/sms/templates"},
	} {
		deny(right)
		for _, what := range paths {
			method, path, _ := strings.Cut(what, " ")
			if r := w.do(alice, method, path, "{}"); r.Code != http.StatusForbidden || !strings.Contains(r.Body.String(), `"FORBIDDEN"`) {
				t.Errorf("without %s, %s: %d %s", right, what, r.Code, r.Body)
			}
		}
	}
	deny(account.AllRights...)
	for _, path := range []string{"/v3/account", "/v3/sms/history", "/v3/sms/receipts", "/v3/numbers"} {
		if r := w.do(alice, "GET", path, ""); r.Code != http.StatusOK {
			t.Errorf("without any, %s: %d %s", path, r.Code, r.Body)
		}
	}
}
