package native

import (
	"fmt"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/store/storetest"
)

func readChannel(t *testing.T, w *apitest.World, secret, id string) (c ChannelReply) {
	t.Helper()
	r := w.Do(secret, "GET", base+"/channels/"+id, "")
	expect(t, r, 200, "", "")
	r.JSON(t, &c)
	return c
}

func TestAChannelIsTheAccountsOwn(t *testing.T) {
	w := begin(t)
	alice, bob, op := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	made := w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute","sender":"ACME","rate":30,"settings":{"secret":"hunter2","port":7}}`, "Idempotency-Key", "k")
	expect(t, made, 201, "", "")
	id := idOf(t, made)
	if again := w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute","sender":"ACME","rate":30,"settings":{"secret":"hunter2","port":7}}`, "Idempotency-Key", "k"); again.Body.String() != made.Body.String() {
		t.Errorf("repeated as %d %s", again.Code, again.Body)
	}
	if held := storetest.Holding(t, w.Core.Store, "hunter2"); len(held) > 0 {
		t.Errorf("%v hold the secret", held)
	}
	c := readChannel(t, w, alice, id)
	if string(c.Settings.RawMessage) != `{"port":7,"secret":"********"}` || c.Kind != "sms" || c.Rate != 30 || c.Shared || !c.Enabled {
		t.Errorf("made %+v with %s", c, c.Settings.RawMessage)
	}
	if c.State.Phase != "connecting" || c.State.Reason == "" || *c.State.Waiting != (depthReply{}) {
		t.Errorf("it is %+v", c.State)
	}
	expect(t, w.Do(bob, "GET", base+"/channels/"+id, ""), 404, "not_found", "")
	expect(t, w.Do(op, "GET", base+"/channels/"+id, ""), 200, "", "")

	shared := w.Channel.String()
	if c := readChannel(t, w, bob, shared); c.Settings != nil || c.State.Waiting != nil || !c.Shared {
		t.Errorf("of a shared channel Bob sees %+v", c)
	}
	if c := readChannel(t, w, op, shared); c.Settings == nil || c.State.Waiting == nil {
		t.Errorf("of a shared channel the operator sees %+v", c)
	}
	for path, method := range map[string]string{"": "PATCH", "/pause": "POST", "/drain": "POST", "/resume": "POST", "/test": "POST"} {
		expect(t, w.Do(bob, method, base+"/channels/"+shared+path, `{}`), 403, "scope_missing", "")
	}
	expect(t, w.Do(bob, "DELETE", base+"/channels/"+shared, ""), 403, "scope_missing", "")
	expect(t, w.Do(bob, "POST", base+"/channels", `{"name":"x","driver":"mute","shared":true}`), 403, "scope_missing", "shared")
	expect(t, w.Do(op, "POST", base+"/channels", `{"name":"x","driver":"mute","shared":true}`), 201, "", "")

	names := func(secret string) (all string) {
		for cursor := ""; ; {
			var p page[ChannelReply]
			w.Do(secret, "GET", base+"/channels?limit=1&cursor="+cursor, "").JSON(t, &p)
			for _, c := range p.Items {
				all += c.Name + " "
			}
			if cursor = p.NextCursor; cursor == "" {
				return all
			}
		}
	}
	if a, b := names(alice), names(bob); a != "x own trial mute " || b != "x trial mute " {
		t.Errorf("Alice sees %q, Bob %q", a, b)
	}
}

func TestEveryMistakeInSettingsIsTold(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	var p problem
	r := w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute","settings":{"port":"x","wrong":1,"secret":2}}`)
	expect(t, r, 422, "invalid_field", "settings.port")
	r.JSON(t, &p)
	fields := []string{}
	for _, e := range p.Errors {
		fields = append(fields, e.Field+" "+e.Code)
	}
	if got := strings.Join(fields, ", "); got != "settings.port invalid_field, settings.secret invalid_field, settings.wrong unknown_field" {
		t.Errorf("tells of %s", got)
	}
	for body, want := range map[string]string{
		`{"driver":"mute"}`:                                           "missing_field name",
		`{"name":" ","driver":"mute"}`:                                "missing_field name",
		`{"name":"own"}`:                                              "missing_field driver",
		`{"name":"own","driver":"pigeon"}`:                            "invalid_field driver",
		`{"name":"mute","driver":"mute","sender":"two words"}`:        "invalid_sender sender",
		`{"name":"own","driver":"mute","rate":-1}`:                    "invalid_field rate",
		`{"name":"own","driver":"mute","shards":65}`:                  "invalid_field shards",
		`{"name":"own","driver":"mute","senders":"mine"}`:             "invalid_field senders",
		`{"name":"own","driver":"mute","settings":[]}`:                "malformed_body settings",
		`{"name":"` + strings.Repeat("é", 101) + `","driver":"mute"}`: "invalid_field name",
	} {
		r := w.Do(alice, "POST", base+"/channels", body)
		r.JSON(t, &p)
		if got := p.Code + " " + p.Field; got != want || r.Code == 201 {
			t.Errorf("%s is %d %s, want %s", body, r.Code, got, want)
		}
	}
	id := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute","settings":{"secret":"hunter2","port":7}}`))
	change := func(body string) apitest.Reply { return w.Do(alice, "PATCH", base+"/channels/"+id, body) }
	kept := func() string {
		all, err := w.Core.Channels.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.ID.String() == id {
				return fmt.Sprintf("%s %s %d %v %s", c.Name, c.Settings, c.Rate, c.Enabled, c.Senders)
			}
		}
		return "gone"
	}
	for _, c := range []struct{ body, want string }{
		{`{"settings":{"port":8}}`, `own {"port":8,"secret":"hunter2"} 0 true any`},
		{`{"settings":{"secret":"********","answer":"ok"}}`, `own {"answer":"ok","port":8,"secret":"hunter2"} 0 true any`},
		{`{"settings":{"secret":"hunter3","port":null}}`, `own {"answer":"ok","secret":"hunter3"} 0 true any`},
		{`{"name":"new","rate":5,"enabled":false,"senders":"registered"}`, `new {"answer":"ok","secret":"hunter3"} 5 false registered`},
		{`{}`, `new {"answer":"ok","secret":"hunter3"} 5 false registered`},
	} {
		expect(t, change(c.body), 200, "", "")
		if got := kept(); got != c.want {
			t.Errorf("after %s: %s, want %s", c.body, got, c.want)
		}
	}
	before := kept()
	expect(t, change(`{"rate":9,"settings":{"port":"x"}}`), 422, "invalid_field", "settings.port")
	expect(t, change(`{"driver":"trial"}`), 400, "unknown_field", "driver")
	expect(t, change(`{"name":"mute","shards":0}`), 422, "invalid_field", "shards")
	if kept() != before {
		t.Errorf("a refused change left %s", kept())
	}
}

func TestAChannelWithMessagesIsNotDeleted(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	id := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute"}`))
	expect(t, w.Do(alice, "PUT", base+"/account/defaults", `{"sms":["`+id+`","`+w.Channel.String()+`"]}`), 200, "", "")
	m := idOf(t, w.Do(alice, "POST", base+"/messages", body("+254701234567", "x", `"channel":"`+id+`","priority":"otp"`)))
	if c := readChannel(t, w, alice, id); *c.State.Waiting != (depthReply{OTP: 1}) {
		t.Errorf("%+v wait", *c.State.Waiting)
	}
	r := w.Do(alice, "DELETE", base+"/channels/"+id, "")
	expect(t, r, 409, "channel_in_use", "")
	if !strings.Contains(r.Body.String(), "wait in the channel: 1") {
		t.Errorf("it does not tell how many: %s", r.Body)
	}
	expect(t, w.Do(alice, "PATCH", base+"/channels/"+id, `{"shards":2}`), 409, "channel_in_use", "shards")
	expect(t, w.Do(alice, "POST", base+"/messages/"+m+"/cancel", ""), 200, "", "")
	expect(t, w.Do(alice, "PATCH", base+"/channels/"+id, `{"shards":2}`), 200, "", "")
	expect(t, w.Do(alice, "DELETE", base+"/channels/"+id, ""), 204, "", "")
	expect(t, w.Do(alice, "GET", base+"/channels/"+id, ""), 404, "not_found", "")
	var d defaultsReply
	w.Do(alice, "GET", base+"/account/defaults", "").JSON(t, &d)
	if len(d.SMS) != 1 || d.SMS[0] != w.Channel.String() {
		t.Errorf("the defaults are %v", d.SMS)
	}
	expect(t, w.Do(alice, "POST", base+"/messages", body("+254701234567", "x", `"channel":"`+id+`"`)), 422, "no_channel", "channel")
}

func TestPauseAndDrainAreKept(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	id := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute"}`))
	for _, c := range []struct {
		word, phase string
		mode        connection.Mode
	}{
		{"pause", "paused", connection.Paused},
		{"pause", "paused", connection.Paused},
		{"drain", "draining", connection.Draining},
		{"resume", "connecting", connection.Working},
	} {
		var shown ChannelReply
		r := w.Do(alice, "POST", base+"/channels/"+id+"/"+c.word, "")
		expect(t, r, 200, "", "")
		r.JSON(t, &shown)
		all, err := connection.New(w.Core.Store).All(t.Context()) // as after a restart
		if err != nil {
			t.Fatal(err)
		}
		if shown.State.Phase != c.phase || shown.State.Reason == "" || all[len(all)-1].Mode != c.mode {
			t.Errorf("after %s it is %+v, kept as %q", c.word, shown.State, all[len(all)-1].Mode)
		}
	}
}

func TestATrialSaysWhatHappened(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	try := func(settings, body string) (reply trialReply) {
		t.Helper()
		id := idOf(t, w.Do(alice, "POST", base+"/channels", fmt.Sprintf(`{"name":%q,"driver":"mute","settings":%s}`, settings+body, settings)))
		r := w.Do(alice, "POST", base+"/channels/"+id+"/test", body)
		expect(t, r, 200, "", "")
		r.JSON(t, &reply)
		return reply
	}
	if r := try(`{"answer":"ok"}`, ""); !r.OK || r.Live || r.Window != 1 || r.Reason != "" {
		t.Errorf("%+v", r)
	}
	if r := try(`{"answer":"bad_credentials"}`, "{}"); r.OK || r.Code != "bad_credentials" || r.Reason != "The network refused the user name or the password (0x0E)." {
		t.Errorf("%+v", r)
	}
	if r := try(`{}`, `{"to":"0701234567"}`); !r.OK || r.Message == nil || r.Message.To != "+254701234567" || r.Message.Text != trialText {
		t.Errorf("%+v", r)
	}
}

func TestDefaultsAreOrderedAndOnesOwn(t *testing.T) {
	w := begin(t)
	alice, bob, op := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	own := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute"}`))
	shared := w.Channel.String()
	read := func(secret, path string) (d defaultsReply) {
		t.Helper()
		w.Do(secret, "GET", base+path, "").JSON(t, &d)
		return d
	}
	if d := read(alice, "/account/defaults"); len(d.SMS) != 1 || d.SMS[0] != shared || d.WhatsApp == nil {
		t.Errorf("%+v", d)
	}
	expect(t, w.Do(alice, "PUT", base+"/account/defaults", `{"sms":["`+own+`","`+shared+`"],"whatsapp":[]}`), 200, "", "")
	for body, field := range map[string]string{
		`{"sms":["x"]}`: "sms[0]",
		`{"sms":["` + shared + `","` + own + `"]}`: "sms[1]", // Alice's own is nothing to Bob
		`{"whatsapp":["` + shared + `"]}`:          "whatsapp[0]",
		`{"sms":[],"whatsapp":["` + shared + `"]}`: "whatsapp[0]",
	} {
		expect(t, w.Do(bob, "PUT", base+"/account/defaults", body), 422, "invalid_field", field)
	}
	expect(t, w.Do(bob, "PUT", base+"/account/defaults", `{"sms":["`+shared+`","`+shared+`"]}`), 422, "invalid_field", "")
	if d := read(alice, "/account/defaults"); len(d.SMS) != 2 || d.SMS[0] != own || d.SMS[1] != shared {
		t.Errorf("%+v", d)
	}
	if d := read(bob, "/account/defaults"); len(d.SMS) != 1 {
		t.Errorf("Bob has %+v", d)
	}
	expect(t, w.Do(bob, "GET", base+"/defaults", ""), 403, "scope_missing", "")
	expect(t, w.Do(op, "PUT", base+"/defaults", `{"sms":["`+own+`"]}`), 422, "invalid_field", "sms[0]")
	expect(t, w.Do(op, "PUT", base+"/defaults", `{"sms":[]}`), 200, "", "")
	if d := read(bob, "/account/defaults"); len(d.SMS) != 0 {
		t.Errorf("Bob has %+v", d)
	}
}
