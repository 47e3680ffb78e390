package native

import (
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
)

// TestAMessageIsFetchedFromTheBox walks the way of a program that asks for messages: a rule keeps them, it fetches and marks them.
func TestAMessageIsFetchedFromTheBox(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	w.Do(alice, "POST", base+"/rules", `{"name":"a","on":"inbound","action":"POLL"}`)
	rule := idOf(t, w.Do(alice, "POST", base+"/rules", `{"name":"b","on":"inbound","action":"URL","target":"https://example.com/"}`))
	ch := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"mine","driver":"mute"}`))
	w.Do(alice, "POST", base+"/numbers", `{"address":"+254711000000","channel":"`+ch+`"}`)
	var channel message.ChannelID
	if err := channel.UnmarshalText([]byte(ch)); err != nil {
		t.Fatal(err)
	}
	from, to := message.Address{Kind: message.Phone, Value: "+254701234567"}, message.Address{Kind: message.Phone, Value: "+254711000000"}
	for _, text := range []string{"one", "two"} {
		if err := w.Gateway.Inbound(t.Context(), message.Inbound{Channel: channel, RemoteID: text, From: from, To: to, Content: message.Text(text)}); err != nil {
			t.Fatal(err)
		}
	}
	var got page[boxedInbound]
	w.Do(alice, "GET", base+"/poll/inbound?limit=1", "").JSON(t, &got)
	if len(got.Items) != 1 || got.Items[0].Text != "one" || got.Items[0].From != from.Value || got.Items[0].Read || got.NextCursor == "" {
		t.Fatalf("%+v", got)
	}
	if r := w.Do(alice, "POST", base+"/poll/inbound/read", `{"message":"`+got.Items[0].Message+`"}`); r.Body.String() != `{"marked":1}`+"\n" {
		t.Error(r.Body)
	}
	w.Do(alice, "GET", base+"/poll/inbound", "").JSON(t, &got)
	if len(got.Items) != 1 || got.Items[0].Text != "two" {
		t.Errorf("%+v", got)
	}
	var shown RuleReply
	w.Do(alice, "GET", base+"/rules/"+rule, "").JSON(t, &shown)
	if shown.FiredAt == nil || shown.WebhookID == "" {
		t.Fatalf("%+v", shown)
	}
	if r := w.Do(alice, "GET", base+"/webhooks/"+shown.WebhookID, ""); r.Code != 200 || !strings.Contains(r.Body.String(), `"rule":"`+rule) {
		t.Errorf("its webhook: %d %s", r.Code, r.Body)
	}
	if r := w.Do(alice, "PATCH", base+"/webhooks/"+shown.WebhookID, `{"url":"https://example.com/b"}`); r.Code != 409 || !strings.Contains(r.Body.String(), "still_used") {
		t.Errorf("its webhook is changed: %d %s", r.Code, r.Body)
	}
	if r := w.Do(alice, "DELETE", base+"/webhooks/"+shown.WebhookID, ""); r.Code != 409 {
		t.Errorf("its webhook is deleted: %d %s", r.Code, r.Body)
	}
	if r := w.Do(alice, "DELETE", base+"/rules/"+rule, ""); r.Code != 204 || w.Do(alice, "GET", base+"/webhooks/"+shown.WebhookID, "").Code != 404 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestARulesSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	ask := func() (int, string) {
		r := w.Do(alice, "POST", base+"/rules", `{"name":"a","on":"inbound","action":"URL","target":"https://example.com/"}`, "Idempotency-Key", "k")
		return r.Code, r.Body.String()
	}
	if status, body := ask(); status != 201 || !strings.Contains(body, `"secret":"whsec_`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(); status != 409 || strings.Contains(body, "whsec_") || !strings.Contains(body, "existing_id") {
		t.Errorf("%d %s", status, body)
	}
}

// TestAKeyWithBoundsMakesNoRuleThatSends: such a rule would send for real, as any sender and without the key's limit.
func TestAKeyWithBoundsMakesNoRuleThatSends(t *testing.T) {
	t.Parallel()
	w := begin(t)
	bound := func(k key.Key) string {
		k.Account, k.Scopes = w.Alice.ID, account.Scopes{account.Admin}
		return w.KeyLike(k).Secret
	}
	for what, secret := range map[string]string{
		"test": bound(key.Key{Test: true}), "limited": bound(key.Key{SpendLimit: 1}), "of a sender": bound(key.Key{Senders: []message.Address{{Kind: message.Name, Value: "ACME"}}}),
		"of a channel": bound(key.Key{Channels: []message.ChannelID{w.Channel}}),
	} {
		for _, action := range []string{`"AUTO_REPLY","target":"thanks"`, `"SMS","target":"+254701234567"`} {
			if r := w.Do(secret, "POST", base+"/rules", `{"name":"a","on":"inbound","action":`+action+`}`); r.Code != 403 {
				t.Errorf("%s, %s: %d %s", what, action, r.Code, r.Body)
			}
		}
		var made RuleReply
		r := w.Do(secret, "POST", base+"/rules", `{"name":"`+what+`","on":"inbound","action":"POLL"}`)
		r.JSON(t, &made)
		if r.Code != 201 {
			t.Fatalf("%s: %d %s", what, r.Code, r.Body)
		}
		if r := w.Do(secret, "PATCH", base+"/rules/"+made.ID, `{"action":"AUTO_REPLY","target":"thanks"}`); r.Code != 403 {
			t.Errorf("%s, changed: %d %s", what, r.Code, r.Body)
		}
		if r := w.Do(w.Key(w.Alice, account.Admin), "PATCH", base+"/rules/"+made.ID, `{"action":"AUTO_REPLY","target":"thanks"}`); r.Code != 200 {
			t.Errorf("changed by one without bounds: %d %s", r.Code, r.Body)
		}
	}
}
