package native

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

func TestADeviceIsMadeChangedAndDeleted(t *testing.T) {
	w := begin(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	made := w.Do(alice, "POST", base+"/devices", `{"name":"shop","workspace":"Sales","official":true,"pace":{"every":"5s","daily":200},"calls":{"policy":"reject","exceptions":["+491701234567"]}}`)
	expect(t, made, 201, "", "")
	id := idOf(t, made)
	other := idOf(t, w.Do(alice, "POST", base+"/devices", `{"name":"help","workspace":"Care","official":true}`))
	read := func(id string) (d DeviceReply) {
		t.Helper()
		r := w.Do(alice, "GET", base+"/devices/"+id, "")
		expect(t, r, 200, "", "")
		r.JSON(t, &d)
		return d
	}
	var defaults defaultsReply
	w.Do(alice, "GET", base+"/account/defaults", "").JSON(t, &defaults)
	if len(defaults.WhatsApp) != 1 || defaults.WhatsApp[0] != id {
		t.Errorf("the default is %v, not the first device", defaults.WhatsApp)
	}
	d := read(id)
	if d.Workspace != "Sales" || d.Official || d.Linked || d.Driver != "whatsapp" || !read(other).Official {
		t.Errorf("%+v", d)
	}
	if got, want := string(d.Settings.RawMessage), `{"call_exceptions":["+491701234567"],"calls":"reject","daily":200,"pace":"5s"}`; got != want {
		t.Errorf("settings %s, want %s", got, want)
	}
	expect(t, w.Do(alice, "PATCH", base+"/devices/"+id, `{"name":"store","workspace":"","pace":{"every":"1s"}}`), 200, "", "")
	if d := read(id); d.Name != "store" || d.Workspace != "" || !strings.Contains(string(d.Settings.RawMessage), `"pace":"1s"`) || !strings.Contains(string(d.Settings.RawMessage), `"daily":200`) {
		t.Errorf("%+v %s", d, d.Settings.RawMessage)
	}
	for query, want := range map[string]string{"": "help store ", "?workspace=Care": "help ", "?q=STO": "store ", "?q=nobody": "", "?limit=1": "help "} {
		var p page[DeviceReply]
		w.Do(alice, "GET", base+"/devices"+query, "").JSON(t, &p)
		names := ""
		for _, d := range p.Items {
			names += d.Name + " "
		}
		if names != want {
			t.Errorf("%s lists %q, want %q", query, names, want)
		}
	}
	var spaces workspacesReply
	w.Do(alice, "GET", base+"/workspaces", "").JSON(t, &spaces)
	if len(spaces.Items) != 1 || spaces.Items[0] != "Care" {
		t.Errorf("%v", spaces)
	}
	expect(t, w.Do(alice, "POST", base+"/devices", `{"name":"x","driver":"mute"}`), 422, "invalid_field", "driver")
	expect(t, w.Do(alice, "POST", base+"/devices", `{"name":"store"}`), 409, "already_exists", "name")
	expect(t, w.Do(bob, "GET", base+"/devices/"+id, ""), 404, "not_found", "")
	expect(t, w.Do(alice, "GET", base+"/devices/"+w.Channel.String(), ""), 403, "scope_missing", "")
	expect(t, w.Do(alice, "DELETE", base+"/devices/"+id, ""), 204, "", "")
	expect(t, w.Do(alice, "GET", base+"/devices/"+id, ""), 404, "not_found", "")
}

func TestAPlanSaysHowManyDevices(t *testing.T) {
	w := begin(t)
	w.Write(func(tx *store.Tx) error {
		err := w.Core.Members.CreatePlan(tx, audit.System, w.Operator.ID, member.Plan{Name: "small", Limits: account.Limits{Burst: 100, Queue: 100, Devices: 1}})
		if err != nil {
			return err
		}
		plan := "small"
		_, err = w.Core.Members.Change(tx, audit.System, w.Alice.ID, member.Change{Plan: &plan})
		return err
	})
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	expect(t, w.Do(alice, "POST", base+"/devices", `{"name":"a"}`), 201, "", "")
	expect(t, w.Do(alice, "POST", base+"/devices", `{"name":"b"}`), 403, "device_limit", "")
	expect(t, w.Do(bob, "POST", base+"/devices", `{"name":"a"}`), 201, "", "")
	expect(t, w.Do(bob, "POST", base+"/devices", `{"name":"b"}`), 201, "", "")
}

func TestADeviceIsPairedByWhatItShows(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	qr, typed := idOf(t, w.Do(alice, "POST", base+"/devices", `{"name":"qr"}`)), idOf(t, w.Do(alice, "POST", base+"/devices", `{"name":"typed"}`))
	expect(t, w.Do(alice, "GET", base+"/devices/"+qr+"/qr", ""), 404, "not_found", "")
	expect(t, w.Do(alice, "POST", base+"/devices/"+typed+"/pair", `{"phone":"12"}`), 422, "invalid_recipient", "phone")
	expect(t, w.Do(alice, "POST", base+"/messages", body("+254701234567", "x", `"kind":"whatsapp","channel":"`+qr+`"`)), 422, "not_linked", "channel")
	w.Run()
	var p pairingReply
	w.Do(alice, "POST", base+"/devices/"+typed+"/pair", `{"phone":"+491701234567"}`).JSON(t, &p)
	if p.State != "running" || p.Code != "ABCD-EFGH" || p.QR != "" || p.Until == nil {
		t.Errorf("%+v", p)
	}
	w.Do(alice, "POST", base+"/devices/"+qr+"/pair", "").JSON(t, &p)
	if p.QR != "2@code" {
		t.Errorf("%+v", p)
	}
	drawn := w.Do(alice, "GET", base+"/devices/"+qr+"/qr.png", "")
	if _, err := png.Decode(bytes.NewReader(drawn.Body.Bytes())); err != nil || drawn.Header().Get("Content-Type") != "image/png" {
		t.Errorf("%v, %s", err, drawn.Header().Get("Content-Type"))
	}
	for _, r := range []*http.Response{
		w.Do(alice, "GET", base+"/devices/"+qr+"/qr.svg", "").Result(), w.Do(alice, "GET", base+"/devices/"+qr+"/qr", "", "Accept", "image/svg+xml").Result(),
	} {
		text, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") != "image/svg+xml" || !bytes.HasPrefix(text, []byte("<svg ")) || !bytes.Contains(text, []byte("M4 4h1v1h-1z")) {
			t.Errorf("%s %.80s", r.Header.Get("Content-Type"), text)
		}
	}
	expect(t, w.Do(alice, "GET", base+"/devices/"+typed+"/qr.png", ""), 404, "not_found", "")
	events := follow(t, w, alice, base+"/devices/"+qr+"/pairing/events")
	if got := <-events; !strings.Contains(got, "event: code") || !strings.Contains(got, `"qr":"2@code"`) {
		t.Errorf("%q", got)
	}
	expect(t, w.Do(alice, "POST", base+"/devices/"+qr+"/logout", ""), 204, "", "") // gives it up
	if got := <-events; !strings.Contains(got, "event: failed") || !strings.Contains(got, `"error":"cancelled"`) {
		t.Errorf("%q", got)
	}
	if got, more := <-events; more {
		t.Errorf("after the end: %q", got)
	}
}

// follow reads server-sent events until their end.
func follow(t *testing.T, h http.Handler, secret, path string) <-chan string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	got, err := http.DefaultClient.Do(r) //nolint:bodyclose // whoever reads it closes it
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", got.StatusCode, got.Header)
	}
	events := make(chan string)
	go func() {
		defer close(events)
		defer func() { _ = got.Body.Close() }()
		var text strings.Builder
		for buffer := make([]byte, 1024); ; {
			n, err := got.Body.Read(buffer)
			text.Write(buffer[:n])
			for {
				event, rest, whole := strings.Cut(text.String(), "\n\n")
				if !whole {
					break
				}
				text.Reset()
				text.WriteString(rest)
				if !strings.HasPrefix(event, ":") {
					events <- event
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return events
}

func TestADeviceIsAskedForPeopleGroupsAndNumbers(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	c := w.Device(connection.Channel{Account: w.Alice.ID, Name: "shop"}, "+491701234567")
	at := base + "/devices/" + c.ID.String()
	expect(t, w.Do(alice, "GET", at+"/groups", ""), 409, "not_connected", "")
	w.Run()
	for path, want := range map[string]string{
		"/groups":                          `"name":"Team"`,
		"/groups/120363000000000001":       `"ephemeral_seconds":86400`,
		"/groups/group:120363000000000001": `"address":"group:120363000000000001"`,
		"/contacts":                        `"push_name":"jane"`,
	} {
		r := w.Do(alice, "GET", at+path, "")
		expect(t, r, 200, "", "")
		if !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %s, want %s", path, r.Body, want)
		}
	}
	expect(t, w.Do(alice, "GET", at+"/groups/+491", ""), 422, "invalid_field", "group")
	var known checkReply
	w.Do(alice, "POST", at+"/check", `{"phones":["+254701234567","+254701239913"]}`).JSON(t, &known)
	if len(known.Results) != 2 || !known.Results[0].There || known.Results[1].There || known.Results[1].Phone != "+254701239913" {
		t.Errorf("%+v", known)
	}
	for _, bad := range []struct{ path, body, code, field string }{
		{"/check", `{"phones":[]}`, "invalid_field", "phones"},
		{"/check", `{"phones":["+254701234567","x"]}`, "invalid_recipient", "phones[1]"},
		{"/typing", `{"to":"+254701234567","state":"dance"}`, "invalid_field", "state"},
		{"/typing", `{"to":"","state":"text"}`, "invalid_recipient", "to"},
		{"/typing", `{"to":"+254701234567","state":"text"}`, "not_supported", ""},
		{"/read", `{"from":"+254701234567","remote_ids":[]}`, "invalid_field", "remote_ids"},
		{"/read", `{"from":"lid:99","group":"group:1","remote_ids":["a"]}`, "not_supported", ""},
	} {
		expect(t, w.Do(alice, "POST", at+bad.path, bad.body), 422, bad.code, bad.field)
	}
	expect(t, w.Do(alice, "POST", at+"/reconnect", ""), 204, "", "")
	expect(t, w.Do(alice, "POST", at+"/logout", ""), 204, "", "")
	var d DeviceReply
	w.Do(alice, "GET", at, "").JSON(t, &d)
	if d.Linked || d.Unlinked == nil || d.Unlinked.Code != "logged_out" || d.Phone != "+491701234567" || d.RemoteID != "" {
		t.Errorf("%+v", d)
	}
	expect(t, w.Do(alice, "POST", at+"/logout", ""), 422, "not_linked", "")
}
