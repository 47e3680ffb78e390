package clicksend_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/simulator/customer"
	"tidings.dev/internal/store"
	"tidings.dev/internal/webhook"
)

var (
	jane = message.Address{Kind: message.Phone, Value: "+254701234567"}
	shop = message.Address{Kind: message.Phone, Value: "+254711000000"}
)

// shop gives Alice a number, and returns its channel.
func (w world) shop(t *testing.T) message.ChannelID {
	t.Helper()
	var ch connection.Channel
	w.Write(func(tx *store.Tx) (err error) {
		ch, err = w.Gateway.Connections.Create(tx, audit.System, connection.Channel{
			Account: w.Alice.ID, Name: "shop", Driver: "mute", Kind: message.SMS, Settings: []byte("{}"), Shards: 1, Enabled: true, Sender: message.Address{Kind: message.Name, Value: "SHOP"},
		})
		if err != nil {
			return err
		}
		_, err = w.Core.Numbers.Assign(tx, audit.System, number.Number{Account: w.Alice.ID, Channel: ch.ID, Address: shop})
		return err
	})
	return ch.ID
}

// ask sends a message of Alice's with a custom string.
func (w world) ask(t *testing.T, by message.ChannelID) message.ID {
	t.Helper()
	reply, err := w.Gateway.Submit(t.Context(), gateway.Caller{Account: w.Alice, Key: account.Key{Account: w.Alice.ID}, By: audit.System}, gateway.Request{
		Drafts: []message.Draft{{Channel: by, To: jane.Value, From: shop.Value, Content: message.Text("Do you come?"), Metadata: []byte(`{"custom_string":"a & b"}`)}},
	})
	if err != nil || reply.Results[0].Fault != nil {
		t.Fatal(err, reply.Results[0].Fault)
	}
	return reply.Results[0].Message.ID
}

// told is the newest event of Alice's newest message, as it is posted in a style to the receiver.
func (w world) told(t *testing.T, style string, e event.Event, to string) (webhook.Request, int) {
	t.Helper()
	data, err := w.Gateway.EventData(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	d := api.Dialects(w.Core, clicksend.Surface)["clicksend"]
	made, err := d.Request(webhook.Post{Account: w.Alice.ID, Event: e, Data: data, Style: style})
	if err != nil {
		t.Fatal(err)
	}
	if made.Method == http.MethodGet {
		to += "?" + made.Query.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), cmpOr(made.Method, http.MethodPost), to, strings.NewReader(string(made.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if made.Header != nil {
		req.Header = made.Header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return made, resp.StatusCode
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestPostsHaveEachFieldUnderAllItsNames(t *testing.T) {
	t.Parallel()
	w := begin(t)
	by := w.shop(t)
	receiver := customer.New(customer.Config{})
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	asked := w.ask(t, by)
	if err := w.Gateway.Inbound(t.Context(), message.Inbound{Channel: by, RemoteID: "1", From: jane, To: shop, Content: message.Text("Yes & no")}); err != nil {
		t.Fatal(err)
	}
	in := w.Newest(w.Alice)
	at := in.ID.Time()
	received := event.Event{Subject: int64(in.ID), Seq: 1, Account: w.Alice.ID, Kind: event.Received, At: at, Change: event.Change{Status: "received"}}

	made, status := w.told(t, "post", received, server.URL+"/customer/post")
	form, err := url.ParseQuery(string(made.Body))
	if err != nil || status != 200 || made.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(made.Header) != 1 {
		t.Fatalf("%d, %v, %v", status, made.Header, err)
	}
	id, original, unix := strings.ToUpper(in.ID.String()), strings.ToUpper(asked.String()), jsonOf(t, at.Unix())
	want := map[string]string{
		"body": "Yes & no", "message": "Yes & no", "from": jane.Value, "sms": jane.Value, "to": shop.Value, "message_id": id,
		"original_body": "Do you come?", "originalmessage": "Do you come?", "original_message_id": original, "originalmessageid": original,
		"originalsenderid": shop.Value, "custom_string": "a & b", "customstring": "a & b", "subaccount_id": "1", "user_id": "1", "timestamp": unix,
	}
	match(t, form, want)
	if got := receiver.Requests("post"); len(got) != 1 || got[0].Method != http.MethodPost || got[0].Header["webhook-signature"] != "" {
		t.Errorf("%+v", got)
	}

	made, _ = w.told(t, "get", received, server.URL+"/customer/get")
	match(t, made.Query, want)
	if got := receiver.Requests("get"); len(got) != 1 || got[0].Method != http.MethodGet {
		t.Errorf("%+v", got)
	}

	_, status = w.told(t, "json", received, server.URL+"/customer/json")
	var flat map[string]any
	if got := receiver.Requests("json"); status != 200 || json.Unmarshal(got[0].Body, &flat) != nil || flat["user_id"] != 1.0 || flat["subaccount_id"] != 1.0 ||
		flat["timestamp"] != float64(at.Unix()) || flat["body"] != "Yes & no" || len(flat) != len(want) {
		t.Errorf("%+v", flat)
	}

	out := event.Event{Subject: int64(asked), Seq: 1, Account: w.Alice.ID, Kind: event.Failed, At: at, Change: event.Change{Status: "failed", Reason: "undelivered", Code: "001"}}
	for _, style := range []string{"post", "json", "get"} { // receipts are always a form
		made, _ = w.told(t, style, out, server.URL+"/customer/receipt")
		if form, err = url.ParseQuery(string(made.Body)); err != nil {
			t.Fatal(err)
		}
		match(t, form, map[string]string{
			"message_id": original, "messageid": original, "status": "Undelivered", "status_code": "301", "status_text": "Message delivery failed", "error_code": "8",
			"error_text": "Unknown subscriber", "custom_string": "a & b", "customstring": "a & b", "message_type": "sms", "subaccount_id": "1", "user_id": "1",
			"timestamp": unix, "timestamp_send": jsonOf(t, asked.Time().Unix()),
		})
	}
	out.Kind, out.Change = event.Delivered, event.Change{Status: "delivered"}
	made, _ = w.told(t, "post", out, server.URL+"/customer/receipt")
	if form, _ = url.ParseQuery(string(made.Body)); form.Get("status") != "Delivered" || form.Get("status_code") != "201" || !form.Has("error_code") || form.Get("error_code") != "" {
		t.Errorf("%v", form)
	}
	d := api.Dialects(w.Core, clicksend.Surface)["clicksend"]
	if !d.Success(200, nil) || d.Success(201, nil) || d.Success(204, nil) || d.Success(302, nil) || d.Success(500, nil) {
		t.Error("something other than 200 is a success, or 200 is none")
	}
	if _, err := d.Request(webhook.Post{Account: w.Alice.ID, Event: event.Event{Kind: "webhook.test"}, Data: []byte(`{"webhook":"x"}`)}); !errors.Is(err, webhook.ErrNothing) {
		t.Errorf("what is no message's: %v", err)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func match(t *testing.T, got url.Values, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got.Get(name) != value || len(got[name]) != 1 {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d fields, want %d: %v", len(got), len(want), got)
	}
}

// boxed puts two answers to a message, and its receipt, into Alice's lists to poll, and tells which message that is.
func boxed(t *testing.T, w world) message.ID {
	t.Helper()
	by, alice := w.shop(t), w.alice()
	w.do(alice, "POST", "/v3/automations/sms/inbound", `{"dedicated_number":"*","rule_name":"a","message_search_type":0,"action":"POLL","enabled":1}`)
	w.do(alice, "POST", "/v3/automations/sms/receipts", `{"rule_name":"a","match_type":0,"action":"POLL","enabled":1}`)
	asked := w.ask(t, by)
	for _, text := range []string{"Yes, I do", "No"} {
		if err := w.Gateway.Inbound(t.Context(), message.Inbound{Channel: by, RemoteID: text, From: jane, To: shop, Content: message.Text(text)}); err != nil {
			t.Fatal(err)
		}
	}
	w.Write(func(tx *store.Tx) error {
		return w.Core.Events.Append(tx, []event.Event{{Subject: int64(asked), Seq: 9, Account: w.Alice.ID, Kind: event.Delivered, At: tx.Now(), Change: event.Change{Status: "delivered"}}})
	})
	return asked
}

// What a POLL rule keeps is fetched by the surface: a reply with the message that it answers, and the receipt of a message.
func TestRepliesAndReceiptsAreFetched(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.alice()
	asked := boxed(t, w)
	original := strings.ToUpper(asked.String())
	var first struct {
		Data map[string]any `json:"data"`
	}
	w.do(alice, "GET", "/v3/sms/inbound/"+original, "").JSON(t, &first)
	if d := first.Data; d["body"] != "Yes, I do" || d["original_body"] != "Do you come?" || d["original_message_id"] != original || d["custom_string"] != "a & b" || d["_keyword"] != "yes," {
		t.Errorf("%v", d)
	}
	id, _ := first.Data["message_id"].(string)
	if r := w.do(alice, "PUT", "/v3/sms/inbound-read/"+id, ""); r.Code != 200 || !strings.Contains(r.Body.String(), `"response_msg":"Receipt have been marked as read.","data":1`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if r := w.do(w.bob(), "PUT", "/v3/sms/inbound-read/"+id, ""); r.Code != 404 {
		t.Errorf("Bob marks it: %d %s", r.Code, r.Body)
	}
	if r := w.do(alice, "GET", "/v3/sms/inbound?q=body:,original_message_id:"+strings.ToLower(original)+"&order_by=from:desc", ""); !strings.Contains(r.Body.String(), `"total":1,`) || !strings.Contains(r.Body.String(), `"body":"No"`) {
		t.Errorf("unread: %d %s", r.Code, r.Body)
	}
	w.do(alice, "PUT", "/v3/sms/receipts-read", "null")
	w.do(alice, "GET", "/v3/sms/receipts/"+original, "").JSON(t, &first)
	if d := first.Data; d["status_code"] != 201.0 || d["error_code"] != nil || d["custom_string"] != "a & b" || d["message_type"] != "sms" || d["subaccount_id"] != 1.0 {
		t.Errorf("%v", d)
	}
	if r := w.do(w.bob(), "GET", "/v3/sms/receipts/"+original, ""); r.Code != 404 || !strings.Contains(r.Body.String(), "Receipt record not found.") {
		t.Errorf("Bob reads it: %d %s", r.Code, r.Body)
	}
}

// A test is really pushed, as a rule would push it, and an address that does not take it is told.
func TestTestsArePushed(t *testing.T) {
	t.Parallel()
	w := begin(t)
	heard := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.URL.Path == "/busy" {
			rw.WriteHeader(http.StatusAccepted)
			return
		}
		heard <- r.Method + " " + r.Header.Get("Content-Type") + " " + r.Form.Get("body") + r.Form.Get("status")
	}))
	t.Cleanup(server.Close)
	core := w.Core
	client := guard.New(guard.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPrivatePort: true, Timeout: 3 * time.Second})
	t.Cleanup(client.Close)
	core.Webhooks = webhook.New(webhook.Config{
		Store: core.Store, Queue: queue.New(core.Store, nil), Events: core.Events, Renderer: w.Gateway, Guard: client, Dialects: api.Dialects(core, clicksend.Surface),
	})
	w.Handler = api.New(api.Options{}, core, clicksend.Surface)
	alice := w.alice()
	for _, c := range []struct{ path, body, want string }{
		{"/v3/sms/inbound", `{"url":"` + server.URL + `"}`, "POST application/x-www-form-urlencoded This is a test message."},
		{"/v3/sms/inbound", `{"url":"` + server.URL + `","webhook_type":"json"}`, "POST application/json "},
		{"/v3/sms/inbound", `{"url":"` + server.URL + `","webhook_type":"get"}`, "GET  This is a test message."},
		{"/v3/sms/receipts", `{"url":"` + server.URL + `"}`, "POST application/x-www-form-urlencoded Delivered"},
	} {
		r := w.do(alice, "POST", c.path, c.body)
		if r.Code != 200 {
			t.Fatalf("%s %s: %d %s", c.path, c.body, r.Code, r.Body)
		}
		if got := <-heard; got != c.want {
			t.Errorf("%s %s: %q, want %q", c.path, c.body, got, c.want)
		}
	}
	r := w.do(alice, "POST", "/v3/sms/receipts", `{"url":"`+server.URL+`/busy"}`)
	if r.Code != 400 || !strings.Contains(r.Body.String(), "202") {
		t.Errorf("not taken: %d %s", r.Code, r.Body)
	}
	if list, err := core.Webhooks.List(context.Background(), w.Alice.ID, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// A key with bounds makes no rule that sends, and turns none into one.
func TestAKeyWithBoundsMakesNoRuleThatSends(t *testing.T) {
	t.Parallel()
	w := begin(t)
	tester := basic("alice", w.KeyLike(key.Key{Account: w.Alice.ID, Test: true, Scopes: account.Scopes{account.Admin}}).Secret)
	rule := func(action string) string {
		return `{"dedicated_number":"*","rule_name":"a","message_search_type":0,"action":"` + action + `","action_address":"thanks","enabled":1}`
	}
	if r := w.do(tester, "POST", "/v3/automations/sms/inbound", rule("AUTO_REPLY")); r.Code != 403 {
		t.Errorf("made: %d %s", r.Code, r.Body)
	}
	if r := w.do(tester, "POST", "/v3/automations/sms/inbound", rule("POLL")); r.Code != 200 {
		t.Errorf("one that does not send: %d %s", r.Code, r.Body)
	}
	if r := w.do(tester, "PUT", "/v3/automations/sms/inbound/1", rule("AUTO_REPLY")); r.Code != 403 {
		t.Errorf("changed: %d %s", r.Code, r.Body)
	}
	if r := w.do(w.alice(), "PUT", "/v3/automations/sms/inbound/1", rule("AUTO_REPLY")); r.Code != 200 {
		t.Errorf("changed by one without bounds: %d %s", r.Code, r.Body)
	}
}
