package device_test

import (
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/device"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// world is a server on which Alice's device my-token is linked and connected, new-token is not linked, and Bob has one of the same name.
type world struct {
	*apitest.World
	alice connection.Channel
}

func begin(t *testing.T) world {
	t.Helper()
	w := world{World: apitest.New(t, api.Options{}, device.Surface)}
	w.alice = w.Device(connection.Channel{Account: w.Alice.ID, Name: "my-token", Workspace: "Marketing"}, "+628123456789")
	w.Device(connection.Channel{Account: w.Alice.ID, Name: "new-token"}, "")
	w.Device(connection.Channel{Account: w.Bob.ID, Name: "bobs-token"}, "")
	w.Write(func(tx *store.Tx) error {
		return w.Core.Wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "", Amount: 1_000_000}})
	})
	w.Run()
	return w
}

func TestGolden(t *testing.T) {
	t.Parallel()
	contract := apitest.NewContract(t, begin(t).Do("", "GET", "/docs/device/openapi.json", "").Body.Bytes())
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		w.Limit(w.Bob, account.Limits{Burst: 1, Queue: 1, Devices: 1, Surface: 60})
		return w, map[string]string{
			"alice": w.Key(w.Alice, account.Admin), "bob": w.Key(w.Bob, account.Admin), "reader": w.Key(w.Alice, account.MessagesRead),
		}
	}, contract.CheckReply)
}

func TestPapersAreCommitted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	apitest.File(t, "../../../docs/api/device.openapi.json", w.Do("", "GET", "/docs/device/openapi.json", "").Body.Bytes())
	apitest.File(t, "../../../docs/api/device.postman.json", w.Do("", "GET", "/docs/device/postman.json", "").Body.Bytes())
}

func do(w world, secret, method, path, body string, headers ...string) apitest.Reply {
	return w.Do("", method, path, body, append(headers, "apikey", secret)...)
}

// TestMatrix has Bob try every operation on Alice's device: he is told the same as of one that is not there.
func TestMatrix(t *testing.T) {
	t.Parallel()
	w := begin(t)
	bob := w.Key(w.Bob, account.Admin)
	for _, o := range []struct{ method, path, body string }{
		{"POST", "/api/qrcode", `{"token":"TOKEN"}`},
		{"GET", "/api/qrcode?token=TOKEN", ""},
		{"POST", "/api/pair", `{"token":"TOKEN","phone":"628123456789"}`},
		{"GET", "/api/status?token=TOKEN", ""},
		{"POST", "/api/status", `{"token":"TOKEN"}`},
		{"POST", "/api/send", `{"token":"TOKEN","phone":"628123456789","message":"hi"}`},
		{"POST", "/send", `{"token":"TOKEN","phone":"628123456789","message":"hi"}`},
		{"GET", "/api/contacts?token=TOKEN", ""},
		{"GET", "/api/groups?token=TOKEN", ""},
		{"POST", "/api/logout?token=TOKEN", ""},
		{"POST", "/api/reconnect?token=TOKEN", ""},
		{"DELETE", "/api/device?token=TOKEN", ""},
		{"POST", "/api/webhook", `{"token":"TOKEN","url":"https://customer.example/hook"}`},
		{"POST", "/api/workspace", `{"token":"TOKEN","workspace":"x"}`},
	} {
		try := func(token string) apitest.Reply {
			return do(w, bob, o.method, strings.ReplaceAll(o.path, "TOKEN", token), strings.ReplaceAll(o.body, "TOKEN", token))
		}
		foreign, unknown := try("my-token"), try("no-token")
		want := http.StatusNotFound
		if strings.Contains(o.path, "status") {
			want = http.StatusOK
		}
		if foreign.Code != want || foreign.Code != unknown.Code || foreign.Body.String() != unknown.Body.String() {
			t.Errorf("%s %s: %d %s, unknown: %d %s", o.method, o.path, foreign.Code, foreign.Body, unknown.Code, unknown.Body)
		}
		if r := w.Do("", o.method, strings.ReplaceAll(o.path, "TOKEN", "my-token"), strings.ReplaceAll(o.body, "TOKEN", "my-token")); r.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a key: %d", o.method, o.path, r.Code)
		}
	}
	for _, path := range []string{"/api/devices", "/api/workspaces"} {
		if r := do(w, bob, "GET", path, ""); strings.Contains(r.Body.String(), "my-token") || strings.Contains(r.Body.String(), "Marketing") {
			t.Errorf("Bob sees Alice's devices: %s", r.Body)
		}
	}
}

// TestNumbersAreReadAsTheOriginalReadsThem looks at whom a message goes to.
func TestNumbersAreReadAsTheOriginalReadsThem(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	for phone, want := range map[string]string{
		`"628123456789"`: "+628123456789", `628123456789`: "+628123456789", `"+62 812-3456-789"`: "+628123456789", `"08123456789"`: "+628123456789",
		`"00628123456789"`: "+628123456789", `"0254701234567"`: "+254701234567", `"628123456789@s.whatsapp.net"`: "+628123456789",
	} {
		r := do(w, secret, "POST", "/api/send", `{"token":"my-token","phone":`+phone+`,"message":"hi"}`)
		var reply struct{ Data struct{ ID string } }
		if r.JSON(t, &reply); r.Code != http.StatusOK || !strings.HasPrefix(reply.Data.ID, "3EB0") {
			t.Errorf("%s: %d %s", phone, r.Code, r.Body)
			continue
		}
		if got := w.Newest(w.Alice); got.To.Value != want || w.Gateway.RemoteID(got) != reply.Data.ID {
			t.Errorf("%s goes to %s, want %s", phone, got.To, want)
		}
	}
}

func TestARepeatSendsOnce(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const body = `{"token":"my-token","phone":"628123456789","message":"hi"}`
	first := do(w, secret, "POST", "/api/send", body, "Idempotency-Key", "k")
	again := do(w, secret, "POST", "/api/send", body, "Idempotency-Key", "k")
	if first.Code != http.StatusOK || first.Body.String() != again.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s, again %s %v", first.Body, again.Body, again.Header())
	}
}

// TestRulesOfSendingAreTold has the account send to one country only.
func TestRulesOfSendingAreTold(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Policies.Change(tx, audit.System, &w.Alice, func(p *policy.Policy) error {
			p.Countries = []string{"DE"}
			return nil
		})
		return err
	})
	r := do(w, w.Key(w.Alice, account.Admin), "POST", "/api/send", `{"token":"my-token","phone":"628123456789","message":"hi"}`)
	if want := `{"message":"the account does not send to ID","status":false}`; r.Code != http.StatusInternalServerError || strings.TrimSpace(r.Body.String()) != want {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

// TestWhoHasNoNumberIsAnsweredByLID: the id that a webhook told is no phone number that somebody else has.
func TestWhoHasNoNumberIsAnsweredByLID(t *testing.T) {
	t.Parallel()
	w := begin(t)
	reply := do(w, w.Key(w.Alice, account.Admin), "POST", "/api/send", `{"token":"my-token","phone":"254701234567@lid","message":"hi"}`)
	if reply.Code != http.StatusOK {
		t.Fatalf("%d %s", reply.Code, reply.Body)
	}
	sent, err := w.Core.Gateway.List(t.Context(), w.Alice.ID, gateway.Filter{Limit: 2})
	if want := (message.Address{Kind: message.LID, Value: "254701234567"}); err != nil || len(sent.Messages) != 1 || sent.Messages[0].To != want {
		t.Errorf("%+v %v", sent.Messages, err)
	}
}
