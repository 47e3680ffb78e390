package bulksms_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/bulksms"
	"tidings.dev/internal/telemetry"
)

// TestWhateverIsAskedIsAnswered: no value of a parameter, in the URL, a form or JSON, is a mistake of ours, on either engine.
func TestWhateverIsAskedIsAnswered(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := begin(t)
	w.Limit(w.Alice, account.Limits{Burst: 1, Queue: 1_000_000})
	w.Handler = api.New(api.Options{Log: telemetry.NewLogger(&log, "text", slog.LevelError)}, w.Core, bulksms.Surface)
	good := map[string]string{"username": "alice", "password": w.Key(w.Alice, account.Admin), "numbers": "0701234567", "message_body": "x", "expiry_days": "3"}
	ask := func(method, path, body, contentType string) {
		t.Helper()
		log.Reset()
		r := w.Do("", method, path, body, "Content-Type", contentType)
		if r.Code >= 500 || log.Len() > 0 || !json.Valid(r.Body.Bytes()) {
			t.Errorf("%s %s %.200q: %d %.300s\n%s", method, path, body, r.Code, r.Body, &log)
		}
	}
	for _, request := range []string{"POST /v1/sms/send", "GET /api/v2/sms/send", "POST /api/v2/sms/send", "GET /api/v2/account/balance", "POST /api/generate-key", "POST /api/regenerate-key", "POST /api/revoke-key"} {
		method, path, _ := strings.Cut(request, " ")
		for _, name := range []string{"username", "password", "numbers", "message_body", "expiry_days", "api_key", "numbers[]"} {
			values := url.Values{}
			for other, value := range good {
				values.Set(other, value)
			}
			if strings.Contains(path, "v2") {
				values.Set("api_key", good["password"])
			}
			for _, rough := range []string{"", "\x00", "0701234567\x00", "\xff", "-1", "99999999999999999999", ",,,", "'; DROP TABLE message;--", "+", "1e400", "\n", strings.Repeat("(", 5000)} {
				values.Set(name, rough)
				ask(method, path+"?"+values.Encode(), "", "application/json")
				if method == http.MethodPost {
					ask(method, path, values.Encode(), "application/x-www-form-urlencoded")
				}
			}
			for _, nasty := range []string{`true`, `-1`, `1e400`, `"\u0000"`, `"\ud800"`, `[]`, `[null]`, `[[]]`, `{}`, `[5,"\u0000"]`, strings.Repeat("[", 20_000)} {
				if method == http.MethodPost {
					values.Del(name)
					ask(method, path+"?"+values.Encode(), `{"`+name+`":`+nasty+`}`, "application/json")
				}
			}
		}
	}
}
