package clicksend_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/telemetry"
)

// Values that nothing wants: of paths and queries, and of bodies, as JSON.
var (
	rough = []string{"0", "-1", "99999999999999999999", "4294967295", "1 OR 1=1", "a\x00b", "\xff", "'%_", "\n", "-9223372036854775808"}
	nasty = []string{
		`true`, `-1`, `1e400`, `99999999999999999999`, `"a\u0000b"`, `"\ud800"`, `"'; DROP TABLE message;--"`, `"2000000000000000000"`, `[]`, `[null]`, `[5]`, `["\u0000"]`,
		`{}`, `{"1":"\u0000"}`, `{"x":[{}]}`, strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	}
)

// there is what the paths with a 1 lead to.
var there = map[string]string{
	"/v3/sms/templates":            `{"template_name":"a","body":"b"}`,
	"/v3/automations/sms/inbound":  `{"dedicated_number":"*","rule_name":"a","message_search_type":0,"action":"POLL","enabled":1}`,
	"/v3/automations/sms/receipts": `{"rule_name":"a","match_type":0,"action":"POLL","enabled":1}`,
	"/v3/sms/send":                 `{"messages":[{"to":"+254701234567","body":"x","contact_id":"99999999999999999999"}]}`,
}

// described is an operation as the document has it.
type described struct {
	Parameters  []struct{ Name, In string }
	RequestBody struct {
		Content map[string]struct{ Example map[string]json.RawMessage }
	}
}

// requests are all that the test asks an operation: each a path and a body.
func (o *described) requests(path string) (all [][2]string) {
	names := regexp.MustCompile(`\{[a-z_]+\}`)
	good := names.ReplaceAllString(path, "1")
	for _, v := range rough {
		if good != path {
			all = append(all, [2]string{names.ReplaceAllString(path, url.PathEscape(v)), "{}"})
		}
		for _, p := range o.Parameters {
			if p.In == "query" {
				all = append(all, [2]string{good + "?" + p.Name + "=" + url.QueryEscape(v), ""})
			}
		}
		for _, field := range []string{"to", "status", "message_id", "phone_number", "list_id", "body", "api_username"} {
			all = append(all, [2]string{good + "?operator=OR&order_by=" + field + ":desc&q=" + url.QueryEscape(field+":"+v), ""})
		}
	}
	body := o.RequestBody.Content["application/json"].Example
	var messages []map[string]json.RawMessage
	_ = json.Unmarshal(body["messages"], &messages)
	for _, v := range nasty {
		for name := range body {
			all = append(all, [2]string{good, with(body, name, v)})
		}
		for _, m := range messages {
			for name := range m {
				all = append(all, [2]string{good, with(body, "messages", "["+with(m, name, v)+"]")})
			}
		}
	}
	return append(all, [2]string{good, "{\"body\":\"\xff\"}"}, [2]string{good, "{\"body\":\"\x00\"}"}, [2]string{good, strings.Repeat(`{"messages":[`, 5000)})
}

// with is an object with another value of a field. It may be no JSON.
func with(object map[string]json.RawMessage, name, value string) string {
	var b strings.Builder
	for other, has := range maps.All(object) {
		if other != name && other != "schedule" { // what is sent at once is looked at further
			b.WriteString(`"` + other + `":` + string(has) + ",")
		}
	}
	return "{" + b.String() + `"` + name + `":` + value + "}"
}

// TestWhateverIsAskedIsAnswered: no value of a path, a query or a body is a mistake of ours, on either engine.
func TestWhateverIsAskedIsAnswered(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := begin(t)
	w.Limit(w.Alice, account.Limits{Burst: 1, Queue: 1_000_000})
	w.Handler = api.New(api.Options{Log: telemetry.NewLogger(&log, "text", slog.LevelError)}, w.Core, clicksend.Surface)
	w.list("friends", "+254701234567", "+254701234568")
	alice := w.alice()
	for path, body := range there {
		if r := w.do(alice, "POST", path, body); r.Code != http.StatusOK || strings.Contains(r.Body.String(), "INVALID") {
			t.Fatalf("%s: %d %s", path, r.Code, r.Body)
		}
	}
	var document struct {
		Paths map[string]map[string]described
	}
	w.Do("", "GET", "/docs/clicksend/openapi.json", "").JSON(t, &document)
	asked := 0
	for path, operations := range document.Paths {
		for method, o := range operations {
			for _, request := range o.requests(path) {
				log.Reset()
				asked++
				r := w.do(alice, strings.ToUpper(method), request[0], request[1])
				file := strings.HasPrefix(r.Header().Get("Content-Type"), "text/csv")
				if r.Code >= 500 || log.Len() > 0 || !file && !json.Valid(r.Body.Bytes()) {
					t.Errorf("%s %q %.200q: %d %.300s\n%s", method, request[0], request[1], r.Code, r.Body, &log)
				}
			}
		}
	}
	if asked < 4000 {
		t.Errorf("only %d requests were asked", asked)
	}
}
