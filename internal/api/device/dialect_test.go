package device_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/device"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/webhook"
)

// posted is an event in the surface's words.
func posted(t *testing.T, w world, e event.Event, kinds map[event.Kind]bool) string {
	t.Helper()
	data, err := w.Gateway.EventData(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	d := api.Dialects(w.Core, device.Surface)["device"]
	made, err := d.Request(webhook.Post{Account: w.Alice.ID, Event: e, Data: data, Kinds: kinds})
	if errors.Is(err, webhook.ErrNothing) {
		return ""
	}
	if err != nil || made.Header.Get("Content-Type") != "application/json" || made.Method != "" || !d.Success(204, nil) || d.Success(500, nil) || d.Success(302, nil) {
		t.Fatalf("%v, %v", made.Header, err)
	}
	var fields map[string]any
	if err := json.Unmarshal(made.Body, &fields); err != nil {
		t.Fatal(err)
	}
	if text, ok := fields["payload"].(string); ok { // text in text
		var inner []map[string]any
		if err := json.Unmarshal([]byte(text), &inner); err != nil {
			t.Fatal(err)
		}
		fields["payload"] = inner
	}
	shown, _ := json.MarshalIndent(fields, "", "  ")
	return string(shown) + "\n"
}

func TestPostsAreTheOriginals(t *testing.T) {
	t.Parallel()
	w := begin(t)
	at := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	var takes map[event.Kind]bool
	in := func(m message.Inbound) string {
		t.Helper()
		shop := message.Address{Kind: message.Phone, Value: "+628123456789"}
		if m.Channel, m.To = w.alice.ID, shop; m.Own {
			m.From, m.To = shop, m.From
		} else {
			m.Sender = apitest.Jane
		}
		if err := w.Gateway.Inbound(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		all, err := w.Core.Events.Of(t.Context(), w.Alice.ID, int64(w.Newest(w.Alice).ID))
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		all[0].At = at
		return posted(t, w, all[0], takes)
	}
	apitest.File(t, "testdata/post_text.json", []byte(in(message.Inbound{RemoteID: "3EB0AAAA", From: apitest.Jane.Phone, Content: message.Text("Hi there")})))
	picture := message.Content{Version: 1, Type: message.TypeImage, Text: "Look", Media: &message.Media{MIME: "image/png"}}
	if got := in(message.Inbound{RemoteID: "3EB0BBBB", From: apitest.Jane.Phone, Content: picture, Fetch: []byte("key")}); got != "" {
		t.Errorf("before its file is here it is told: %s", got)
	}
	quote := message.Text("Yes")
	quote.Quote = &message.Ref{RemoteID: "3EB0AAAA"}
	group := message.Address{Kind: message.Group, Value: "120363000000000001"}
	apitest.File(t, "testdata/post_group.json", []byte(in(message.Inbound{RemoteID: "3EB0CCCC", From: apitest.Jane.Phone, Chat: group, Content: quote})))
	own := message.Inbound{RemoteID: "3EB0DDDD", From: apitest.Jane.Phone, Own: true, Content: message.Text("By hand")}
	if got := in(own); got != "" {
		t.Errorf("what the owner wrote is told to who did not ask: %s", got)
	}
	takes, own.RemoteID = map[event.Kind]bool{event.Sent: true}, "3EB0EEEE"
	apitest.File(t, "testdata/post_own.json", []byte(in(own)))

	secret := w.Key(w.Alice, account.Admin)
	if r := do(w, secret, "POST", "/api/send", `{"token":"my-token","phone":"628111111111","message":"hi"}`); r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	id := w.Newest(w.Alice).ID
	for {
		m, err := w.Gateway.Message(t.Context(), w.Alice.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		if m.Status == message.Sent {
			break
		}
		time.Sleep(time.Millisecond) // the fleet works in time of its own
	}
	for _, kind := range []event.Kind{event.Delivered, event.Read} {
		got := posted(t, w, event.Event{Subject: int64(id), Account: w.Alice.ID, Kind: kind, At: at}, nil)
		var post struct {
			IDs  []string
			Type string
		}
		if err := json.Unmarshal([]byte(got), &post); err != nil || len(post.IDs) != 1 || post.IDs[0] != w.Gateway.RemoteID(w.Newest(w.Alice)) || (post.Type == "read") != (kind == event.Read) {
			t.Errorf("%s is told as %s", kind, got)
		}
	}
}
