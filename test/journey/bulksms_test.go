package journey

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"tidings.dev/internal/simulator/snippet"
)

// bulksms runs one of the bulk-SMS document's examples, as the surface's tests have them: with another base URL, and with what a
// reader adds to the address.
func (h *heardBy) bulksms(t *testing.T, file, query string) {
	t.Helper()
	h.set(0, "")
	said, err := snippet.Run(t, "../../internal/api/bulksms/testdata/snippets/"+file,
		`"http://localhost`, `"`+h.url, "\"\n);", query+"\"\n);", "\" \\\n    --header \"Content-Type", query+"\" \\\n    --header \"Content-Type")
	h.asked(t, said, err)
}

// TestTheBulkSMSDocumentsExamples runs the examples as they stand, without credentials, and then with those that a reader adds.
func TestTheBulkSMSDocumentsExamples(t *testing.T) {
	t.Parallel()
	snippet.Needs(t, "curl", "node")
	s := own(t, t.TempDir(), fresh(t))
	h := listening(t, s)
	user := "?" + url.Values{"username": {s.Accounts[0].Username}, "password": {s.Accounts[0].Password}}.Encode()
	for _, ending := range []string{".sh", ".mjs"} {
		const needsKey, needsPassword = `"error":"API key is required"`, `"error":"Unauthorized."`
		for _, c := range []struct {
			example string
			status  int
			text    string
		}{
			{"v2", 200, "<html"},
			{"oauth2-callback", 200, `<script src="oauth2-redirect.js"></script>`},
			{"v2-sms-send", 401, needsKey},
			{"v2-account-balance", 401, needsKey},
			{"generate-key", 401, needsPassword},
			{"revoke-key", 401, needsPassword},
			{"regenerate-key", 401, needsPassword},
		} {
			h.bulksms(t, c.example+ending, "")
			h.wants(t, c.example+ending, c.status, c.text)
		}
		// keyed runs an example with credentials and returns the key that it answers, if it does.
		keyed := func(example, query string, status int, text string) (key string) {
			t.Helper()
			h.bulksms(t, example+ending, query)
			h.wants(t, example+ending, status, text)
			var reply struct {
				Key string `json:"api_key"`
			}
			_, body := h.last()
			_ = json.Unmarshal([]byte(body), &reply)
			return reply.Key
		}
		sends := func(key string) string {
			return "?" + url.Values{"api_key": {key}, "numbers": {"0701234567, 0712345678"}, "message_body": {"Hello, this is a test message."}}.Encode()
		}
		first := keyed("generate-key", user, 201, `"api_key"`)
		keyed("v2-sms-send", sends(first), 200, `"accepted":2`)
		keyed("v2-account-balance", "?api_key="+first, 200, `"currency":"KES"`)
		second := keyed("regenerate-key", user, 200, `"api_key"`)
		keyed("v2-sms-send", sends(first), 401, `"Invalid API key"`)
		keyed("v2-sms-send", sends(second), 200, `"success":true`)
		keyed("revoke-key", user, 200, "API key revoked successfully.")
		keyed("v2-account-balance", "?api_key="+second, 401, `"Invalid API key"`)
		for _, key := range []string{first, second} {
			if key == "" || strings.Contains(s.said(), key) {
				t.Errorf("the key %q is in the log", key)
			}
		}
	}
}
