package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/simulator/whatsapp"
)

// TestControl links a client and writes with it by HTTP alone.
func TestControl(t *testing.T) {
	s := start(t, whatsapp.Config{})
	control := httptest.NewServer(s.Control())
	t.Cleanup(control.Close)
	call := func(path, body string, status int) map[string]string {
		t.Helper()
		resp, err := http.Post(control.URL+"/whatsapp/"+path, "application/json", strings.NewReader(body))
		must(t, err)
		defer resp.Body.Close()
		var raw map[string]any
		_ = json.NewDecoder(resp.Body).Decode(&raw)
		equal(t, path+" "+body, resp.StatusCode, status)
		answer := map[string]string{}
		for key, value := range raw {
			answer[key] = fmt.Sprint(value)
		}
		return answer
	}
	made := call("phones", `{"number":"+`+business+`","name":"Acme"}`, 201)
	equal(t, "JID", made["jid"], business+"@s.whatsapp.net")
	call("phones", `{"number":"12"}`, 400)
	call("phones", `{"nummer":"254700000009"}`, 400)

	c := newClient(t, s)
	qr, err := c.GetQRChannel(t.Context())
	must(t, err)
	must(t, c.Connect())
	item := <-qr
	call("phones/"+business+"/scan", `{"qr":"2@nobody,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,`+strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,", 2)+`1"}`, 404)
	call("phones/"+business+"/pair", `{"code":"ABCD-EFGH"}`, 404)
	scan, _ := json.Marshal(map[string]string{"qr": item.Code})
	linked := call("phones/"+business+"/scan", string(scan), 200)
	await[*events.Connected](c, nil)
	equal(t, "device", linked["device"], c.Store.ID.String())

	sent := call("phones/"+customer+"/send", `{"to":"`+business+`","text":"Hello"}`, 200)
	e := c.heard(sent["id"])
	equal(t, "text", e.Message.GetConversation(), "Hello")
	image := call("phones/"+customer+"/send", `{"to":"`+business+`","type":"image","data":"R0lGODlhAQABAAAAACw=","text":"Look"}`, 200)
	equal(t, "MIME type", c.heard(image["id"]).Message.GetImageMessage().GetMimetype(), "image/gif")
	call("phones/"+customer+"/send", `{"to":"`+business+`","type":"image","data":"?"}`, 400)
	call("phones/"+customer+"/send", `{"to":"254711009913","text":"x"}`, 400)

	id := c.text(types.NewJID(customer, types.DefaultUserServer), "How are you?")
	must(t, s.Phone(customer).Await(soon(t), func() bool { return len(s.Phone(customer).Received()) == 1 }))
	call("phones/"+customer+"/read", `{}`, 200)
	await(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeRead && e.MessageIDs[0] == id })
	answer := call("phones/"+customer+"/send", `{"reply_to":"`+id+`","text":"Fine"}`, 200)
	equal(t, "reply", c.heard(answer["id"]).Message.GetExtendedTextMessage().GetText(), "Fine")
	reaction := call("phones/"+customer+"/send", `{"reply_to":"`+id+`","reaction":"👍"}`, 200)
	equal(t, "reaction", c.heard(reaction["id"]).Message.GetReactionMessage().GetText(), "👍")
	group := call("phones/"+customer+"/group", `{"subject":"Us","members":["`+business+`"]}`, 200)
	equal(t, "group", await[*events.JoinedGroup](c, nil).JID.String(), group["jid"])
	hello := call("phones/"+customer+"/send", `{"to":"`+group["jid"]+`","text":"All"}`, 200)
	equal(t, "chat", c.heard(hello["id"]).Info.Chat.String(), group["jid"])
	call("phones/"+customer+"/call", `{"to":"`+business+`"}`, 200)
	await[*events.CallOffer](c, nil)
	call("phones/"+customer+"/typing", `{"to":"`+business+`"}`, 204)
	await[*events.ChatPresence](c, nil)
	call("phones/"+customer+"/unlink", ``, 400)
	call("phones/"+business+"/timelock", `{"for":"1h"}`, 204)
	await[*events.NotifyAccountReachoutTimelock](c, nil)

	resp, err := http.Get(control.URL + "/whatsapp/phones/" + customer + "/messages")
	must(t, err)
	defer resp.Body.Close()
	var messages []struct{ ID, Text string }
	must(t, json.NewDecoder(resp.Body).Decode(&messages))
	equal(t, "messages", len(messages), 1)
	equal(t, "text", messages[0].Text, "How are you?")

	var history strings.Builder
	must(t, s.WriteHistory(&history))
	for _, want := range []string{`"op":"link"`, `"op":"message"`, `"op":"inbound_ack"`, `"text":"How are you?"`} {
		if !strings.Contains(history.String(), want) {
			t.Errorf("the history has no %s", want)
		}
	}
	call("phones/"+business+"/unlink", ``, 204)
	await[*events.LoggedOut](c, nil)
	call("outdate", ``, 204)
	newest, err := whatsmeow.GetLatestVersion(t.Context(), s.Client())
	must(t, err)
	equal(t, "revision", newest[2], s.Revision())
}
