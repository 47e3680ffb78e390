package clicksend_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/telemetry"
)

const hush = `'; DROP TABLE message;--<script>alert(1)</script>`

// TestBadInput: what makes no sense is answered as documented, nothing of it is stored, and the log has nothing of it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := begin(t)
	w.Handler = api.New(api.Options{Log: telemetry.NewLogger(&log, "text", slog.LevelDebug)}, w.Core, clicksend.Surface)
	key := w.Key(w.Alice, account.Admin)
	alice := basic("alice", key)
	text := strings.Repeat("long ", 10_000)
	for _, c := range []struct{ name, who, method, path, body, want string }{
		{"broken base64", "%%%" + key, "POST", "/v3/sms/send", `{}`, `401 "reason":"INVALID_CREDENTIALS"`},
		{"no colon", "YWxpY2U=", "POST", "/v3/sms/send", `{}`, `401 "reason":"INVALID_CREDENTIALS"`},
		{"the name of another account", basic("bob", key), "POST", "/v3/sms/send", `{}`, `401 "reason":"INVALID_CREDENTIALS"`},
		{"no number", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"` + hush + `","body":"` + hush + `"}]}`, `200 "status":"INVALID_RECIPIENT"`},
		{"an empty body", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":" \n"}]}`, `200 "status":"EMPTY_MESSAGE"`},
		{"too long a text", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"` + text + `"}]}`, `200 "status":"SOMETHING_IS_WRONG"`},
		{"too much to keep", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"x","custom_string":"` + text + `"}]}`, `200 "status":"SOMETHING_IS_WRONG"`},
		{"a sender with script", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"x","from":"` + hush + `"}]}`, `200 "status":"INVALID_SENDER_ID"`},
		{"a list with SQL", alice, "POST", "/v3/sms/send", `{"messages":[{"list_id":"1 OR 1=1","body":"x"}]}`, `200 "status":"NOT_ENOUGH_PERMISSION_TO_LIST_ID"`},
		{"a time in milliseconds", alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"x","schedule":1795291880000}]}`, `200 "status":"INVALID_SCHEDULE"`},
		{"1,001 recipients", alice, "POST", "/v3/sms/send", thousand(1001), `400 "response_code":"TOO_MANY_RECIPIENTS"`},
		{"five million messages", alice, "POST", "/v3/sms/send", `{"messages":[` + strings.Repeat("{},", 5<<20) + `{}]}`, `400 "response_code":"TOO_MANY_RECIPIENTS"`},
		{"1,001 messages to lists", alice, "POST", "/v3/sms/send", `{"messages":[` + strings.Repeat(`{"list_id":1,"body":"\",]}"},`, 1000) + `{}]}`, `400 "response_code":"TOO_MANY_RECIPIENTS"`},
		{"five million senders", alice, "POST", "/v3/sms/send", `{"messages":[{}],"senders":[` + strings.Repeat("{},", 5<<20) + `{}]}`, `400 "response_code":"TOO_MANY_RECIPIENTS"`},
		{"a body that is none", alice, "POST", "/v3/sms/send", `[1]`, `400 "response_code":"BAD_REQUEST"`},
		{"messages that are none", alice, "POST", "/v3/sms/send", `{"messages":"` + hush + `"}`, `400 "response_code":"BAD_REQUEST"`},
		{"no messages", alice, "POST", "/v3/sms/send", `{"messages":null}`, `400 "response_code":"MISSING_REQUIRED_FIELDS"`},
		{"too large a body", alice, "POST", "/v3/sms/send", `{"x":"` + strings.Repeat("x", 17<<20) + `"}`, `413 "response_code":"REQUESTENTITYTOOLARGE"`},
		{"an unknown field in q", alice, "GET", "/v3/sms/history?q=" + "password:x", "", `400 "response_code":"BAD_REQUEST"`},
		{"order_by with SQL", alice, "GET", "/v3/sms/history?order_by=1%3Bdrop", "", `200 "total":0`},
		{"q with SQL", alice, "GET", "/v3/sms/history?q=status:x%27%3BDROP+TABLE+message%3B--,to:a,b:c", "", `200 "total":0`},
		{"page 0, limit 14", alice, "GET", "/v3/sms/history?page=0&limit=14", "", `200 "per_page":15`},
		{"page 10^9, limit 101", alice, "GET", "/v3/sms/history?page=1000000000&limit=101", "", `200 "per_page":100`},
		{"an id with a newline", alice, "PUT", "/v3/sms/x%0Alevel=ERROR/cancel", "", `404 "response_code":"NOT_FOUND"`},
		{"a path out of scope", alice, "GET", "/v3/fax/history", "", `404 "response_code":"NOT_FOUND"`},
		{"a method that is none", alice, "DELETE", "/v3/sms/send", "", `405 "response_code":"METHODNOTALLOWED"`},
	} {
		log.Reset()
		r := w.do(c.who, c.method, c.path, c.body)
		code, part, _ := strings.Cut(c.want, " ")
		if fmt.Sprint(r.Code) != code || !strings.Contains(r.Body.String(), part) || r.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %.300s, want %s", c.name, r.Code, r.Body, c.want)
		}
		for _, private := range []string{key, "DROP", "script", "254701234567", "long long", "level=ERROR", "password"} {
			if strings.Contains(log.String(), private) {
				t.Errorf("%s: %q is in the log:\n%s", c.name, private, &log)
			}
		}
	}
	if list, err := w.Gateway.List(t.Context(), w.Alice.ID, gateway.Filter{Limit: 10}); err != nil || len(list.Messages) > 0 {
		t.Errorf("%d messages were stored (%v)", len(list.Messages), err)
	}
	if b, err := w.Core.Wallet.Balance(t.Context(), w.Alice.ID); err != nil || b.Held != 0 {
		t.Errorf("%d is held (%v)", b.Held, err)
	}
}

// refusing is a core that refuses every message for one reason.
type refusing struct {
	api.Gateway
	code fault.Code
}

// Submit implements api.Gateway.
func (g refusing) Submit(_ context.Context, _ gateway.Caller, r gateway.Request) (gateway.Reply, error) {
	results := make([]gateway.Result, len(r.Drafts))
	for i := range results {
		results[i].Fault = fault.New(g.code, "refused")
	}
	return gateway.Reply{Results: results}, nil
}

// reasons are the faults of one message, and how each is told.
var reasons = map[fault.Code]string{
	fault.CountryNotAllowed: "COUNTRY_NOT_ENABLED", fault.EmptyText: "EMPTY_MESSAGE", fault.InsufficientBalance: "INSUFFICIENT_CREDIT", fault.InternalError: "INTERNAL_ERROR",
	fault.InvalidRecipient: "INVALID_RECIPIENT", fault.InvalidSchedule: "INVALID_SCHEDULE", fault.InvalidSender: "INVALID_SENDER_ID", fault.NoChannel: "SOMETHING_IS_WRONG",
	fault.NoPrice: "COUNTRY_NOT_ENABLED", fault.NoShortLink: "LINK_GENERATION_FAILED", fault.RecipientOptedOut: "INVALID_RECIPIENT", fault.RepeatedMessage: "THROTTLED",
	fault.SenderNotRegistered: "REGISTRATION_NEEDED", fault.SpendLimit: "INSUFFICIENT_CREDIT", fault.TextTooLong: "SOMETHING_IS_WRONG",
}

func TestEachReasonHasItsStatus(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.alice()
	for code, want := range reasons {
		core := w.Core
		core.Gateway = refusing{core.Gateway, code}
		w.Handler = api.New(api.Options{}, core, clicksend.Surface)
		r := w.do(alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"x"}]}`)
		if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"status":"`+want+`"`) {
			t.Errorf("%s: %d %s, want %s", code, r.Code, r.Body, want)
		}
	}
}

// TestEveryApplicationCodeIsReached looks for the document's codes in the golden files and in the tests here.
func TestEveryApplicationCodeIsReached(t *testing.T) {
	t.Parallel()
	var reached strings.Builder
	files, err := filepath.Glob("testdata/*.http")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "bad_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reached.Write(text)
	}
	document, err := os.ReadFile("testdata/codes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for code := range strings.FieldsSeq(string(document)) {
		if !strings.Contains(reached.String(), `"`+code+`"`) {
			t.Errorf("nothing answers with %s", code)
		}
	}
}

// TestARepeatSendsOnce: a repeat by the same key is answered as before, whoever is in the list meanwhile.
func TestARepeatSendsOnce(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.list("friends", "+254701234567", "+254701234568")
	alice := w.alice()
	send := func() string {
		t.Helper()
		r := w.do(alice, "POST", "/v3/sms/send", `{"messages":[{"list_id":1,"body":"x","custom_string":"a"}]}`, "Idempotency-Key", "k")
		if r.Code != http.StatusOK || strings.Count(r.Body.String(), `"status":"SUCCESS"`) != 2 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return r.Body.String()
	}
	first := send()
	if again := send(); again != first {
		t.Errorf("%s\nwas\n%s", again, first)
	}
	if waiting, err := w.Gateway.WaitingIn(t.Context(), w.Channel); err != nil || waiting[message.Transactional] != 2 {
		t.Errorf("%v wait (%v)", waiting, err)
	}
}

func TestAThousandRecipientsAreOneBatch(t *testing.T) {
	t.Parallel()
	w := begin(t)
	r := w.do(w.alice(), "POST", "/v3/sms/send", thousand(1000))
	if r.Code != http.StatusOK || strings.Count(r.Body.String(), `"status":"SUCCESS"`) != 125 || strings.Count(r.Body.String(), `"status":"INSUFFICIENT_CREDIT"`) != 875 {
		t.Errorf("%d %.300s", r.Code, r.Body)
	}
}

// TestOddNumbersOfOneListStandAlone: what is no number, looks like a landline's or is of a country without a price keeps nobody else from
// the message, and only what is taken is stored and paid for.
func TestOddNumbersOfOneListStandAlone(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.list("friends", "+254701234567", "+254202345678", "+8613912345678")
	r := w.do(w.alice(), "POST", "/v3/sms/send", `{"messages":[{"list_id":1,"body":"x"},{"to":"12","body":"x"},{"to":"+99912345678","body":"x"},{"to":"0722345678","body":"x"}]}`)
	var reply struct {
		Data struct {
			Queued   int     `json:"queued_count"`
			Count    int     `json:"total_count"`
			Blocked  int     `json:"blocked_count"`
			Price    float64 `json:"total_price"`
			Messages []struct{ To, Status string }
		}
	}
	r.JSON(t, &reply)
	const want = "[{+254701234567 SUCCESS} {+254202345678 SUCCESS} {+8613912345678 COUNTRY_NOT_ENABLED} {12 INVALID_RECIPIENT} {+99912345678 INVALID_RECIPIENT} {+254722345678 SUCCESS}]"
	if got := fmt.Sprint(reply.Data.Messages); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if d := reply.Data; d.Queued != 3 || d.Count != 6 || d.Blocked != 1 || math.Abs(d.Price-2.4) > 1e-9 {
		t.Errorf("%+v", d)
	}
	if list, err := w.Gateway.List(t.Context(), w.Alice.ID, gateway.Filter{Limit: 10}); err != nil || len(list.Messages) != 3 {
		t.Errorf("%d messages were stored (%v)", len(list.Messages), err)
	}
	if b, err := w.Core.Wallet.Balance(t.Context(), w.Alice.ID); err != nil || b.Held != 2_400_000 {
		t.Errorf("%d is held (%v)", b.Held, err)
	}
}
