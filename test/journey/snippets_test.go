package journey

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/simulator/snippet"
	"tidings.dev/test/product"
)

// device makes a device of the account and has a phone of the number scan its code. It returns the device's id.
func (s *sandbox) device(t *testing.T, c *product.Client, token, phone string) string {
	t.Helper()
	s.tell(t, "phones", map[string]string{"number": phone, "name": "Acme"}, nil)
	if err := c.Post(t.Context(), "/api/start", map[string]string{"token": token}, nil); err != nil {
		t.Fatal(err)
	}
	var devices struct{ Items []struct{ ID string } }
	if err := c.Get(t.Context(), "/tidings/v1/devices?q="+token, &devices); err != nil || len(devices.Items) != 1 {
		t.Fatalf("%+v, %v", devices, err)
	}
	qr, err := c.PairingCode(t.Context(), devices.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	var shown struct{ QRCode string }
	if err := c.Post(t.Context(), "/api/qrcode", map[string]string{"token": token}, &shown); err != nil || !strings.HasPrefix(shown.QRCode, "data:image/png;base64,") {
		t.Fatalf("the code is %.40q, %v", shown.QRCode, err)
	}
	s.tell(t, "phones/"+phone+"/scan", map[string]string{"qr": qr}, nil)
	if err := c.AwaitDevice(t.Context(), devices.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	return devices.Items[0].ID
}

// heardBy is how the sandbox answered the last request of a program.
type heardBy struct {
	url string

	mu     sync.Mutex
	status int
	body   string
}

func (h *heardBy) set(status int, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.body = status, body
}

func (h *heardBy) last() (status int, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status, h.body
}

// listening stands before the sandbox and keeps what it answered last.
func listening(t *testing.T, s *sandbox) *heardBy {
	t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := new(heardBy)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		h.set(r.StatusCode, string(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// snippets are the klik document's, as they stand there.
const snippets = "../../internal/api/klik/testdata/snippets/"

// filled is what a reader of the document fills in.
type filled struct{ key, internal, mobile, image, session string }

func (h *heardBy) snippet(t *testing.T, file string, with filled) {
	t.Helper()
	h.set(0, "")
	said, err := snippet.Run(t, snippets+file,
		"https://klik.social", h.url, "[email\u00a0protected]", "jane@example.com", "{YOUR_AUTH_KEY}", with.key, "string required Internal API key.", with.internal,
		"919999999999", with.mobile, "iVBORw0KGgoAAA...", with.image, "ffd7f83e-06c3-47c8-a6a1-dd943da13b5f", with.session,
	)
	h.asked(t, said, err)
}

func (h *heardBy) run(t *testing.T, name string, args ...string) {
	t.Helper()
	h.set(0, "")
	said, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	h.asked(t, said, err)
}

// asked sees that the program which has just ended asked for anything.
func (h *heardBy) asked(t *testing.T, said []byte, err error) {
	t.Helper()
	if status, _ := h.last(); status == 0 {
		t.Fatalf("the program asked for nothing: %v: %.300s", err, said)
	}
}

func (h *heardBy) wants(t *testing.T, what string, status int, text string) {
	t.Helper()
	if got, body := h.last(); got != status || !strings.Contains(body, text) {
		t.Errorf("%s: %d %.300s, not %d %s", what, got, body, status, text)
	}
}

// TestTheDocumentsSnippetsInTheSandbox runs what the documents of the two WhatsApp APIs show, changed in nothing but the base URL and what a
// reader fills in, by a device that a phone has linked.
func TestTheDocumentsSnippetsInTheSandbox(t *testing.T) { //nolint:tparallel // both parts use one phone
	t.Parallel()
	snippet.Needs(t, "curl", "node", "php")
	s := own(t, t.TempDir(), fresh(t))
	c := s.client(0)
	shop := s.device(t, c, "my-token", "254700000001")
	if status, body, err := c.Do(t.Context(), "PATCH", "/tidings/v1/devices/"+shop, []byte(`{"official":true}`)); err != nil || status != 200 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	h := listening(t, s)
	t.Run("klik", func(t *testing.T) { klikSnippets(t, s, h, shop) })
	t.Run("device", func(t *testing.T) { deviceExamples(t, s, h) })
}

func klikSnippets(t *testing.T, s *sandbox, h *heardBy, shop string) {
	image := base64.StdEncoding.EncodeToString(picture)
	good := filled{s.Accounts[0].APIKey, s.InternalAPIKey, "254711000008", image, shop}
	files, err := filepath.Glob(snippets + "*")
	if err != nil || len(files) != 21 {
		t.Fatalf("%d snippets, %v", len(files), err)
	}
	for _, file := range files {
		h.snippet(t, filepath.Base(file), good)
		h.wants(t, file, 200, "true")
		if _, body := h.last(); strings.Contains(body, `"success":false`) {
			t.Errorf("%s: %s", file, body)
		}
	}
	until(t, time.Minute, "the phone got no text and no picture", func() bool {
		texts := s.received(t, good.mobile)
		return len(texts) >= 3 && strings.Contains(fmt.Sprint(texts), "Hello buddy")
	})
	other := s.Accounts[1].APIKey
	for _, c := range []struct {
		what, snippet string
		with          filled
		status        int
		text          string
	}{
		{"not logged in", "official-send-message", filled{other, "", good.mobile, image, shop}, 200, "Session is not logged in."},
		{"wrong token", "official-send-file", filled{"wrong", "", good.mobile, image, shop}, 401, "Unauthenticated."},
		{"bad number", "session-send-message", filled{good.key, "", "12", image, shop}, 422, "The mobile field format is invalid."},
		{"bad base64", "session-send-file", filled{good.key, "", good.mobile, "iVBORw0KGgoAAA...", shop}, 422, "base64"},
		{"unknown session", "session-send-message", filled{good.key, "", good.mobile, image, "ffd7f83e-06c3-47c8-a6a1-dd943da13b5f"}, 404, "Session not found."},
		{"another account's session", "session-send-file", filled{other, "", good.mobile, image, shop}, 404, "Session not found."},
	} {
		for _, ending := range snippet.Endings {
			h.snippet(t, c.snippet+ending, c.with)
			h.wants(t, c.what+ending, c.status, c.text)
		}
	}
	large := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("large"), 11<<17)) // 7.2 MB, more than a command line takes
	for _, ending := range []string{".mjs", ".php"} {
		h.snippet(t, "session-send-message"+ending, filled{good.key, "", good.mobile, large, shop})
		h.wants(t, "file too large"+ending, 413, "is larger than")
	}
	busy := s.client(1)
	for _, ending := range snippet.Endings {
		leave := keepBusy(t, busy, "/api/v1/official-device/status")
		h.snippet(t, "official-status"+ending, filled{key: other})
		leave()
		h.wants(t, "one request too many"+ending, 429, "Too Many Attempts.")
	}
}

// keepBusy uses up the rate of a caller, and what comes back of it while a program starts, however long that takes.
func keepBusy(t *testing.T, c *product.Client, path string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	used, asking := make(chan struct{}), sync.WaitGroup{}
	asking.Go(func() {
		for once := sync.OnceFunc(func() { close(used) }); ctx.Err() == nil; {
			status, text, err := c.Do(ctx, http.MethodGet, path, nil)
			if err != nil && ctx.Err() == nil {
				t.Errorf("%s: %s, %v", path, text, err)
			}
			if status == http.StatusTooManyRequests || err != nil {
				once()
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	<-used
	return func() { cancel(); asking.Wait() }
}

// deviceExamples are the requests of the device document's API Documentation, by curl.
func deviceExamples(t *testing.T, s *sandbox, h *heardBy) {
	ask := func(key, method, path, body string) {
		t.Helper()
		args := []string{"-s", "-X", method, h.url + path, "-H", "apikey: " + key}
		if body != "" {
			args = append(args, "-H", "Content-Type: application/json", "-d", body)
		}
		h.run(t, "curl", args...)
	}
	key, other := s.Accounts[0].APIKey, s.Accounts[1].APIKey
	for _, c := range []struct{ key, method, path, body, text string }{
		{key, "POST", "/api/qrcode", `{"token":"my-token"}`, `AUTHENTICATED`},
		{key, "GET", "/api/status?token=my-token", "", `AUTHENTICATED`},
		{key, "POST", "/api/send", `{"token":"my-token","phone":"254711000009","message":"Hello World"}`, `Terkirim`},
		{key, "POST", "/api/send", `{"token":"my-token","phone":"254711009913","message":"Hello World"}`, `Belum Terdaftar`},
		{key, "GET", "/api/contacts?token=my-token", "", `@s.whatsapp.net`},
		{key, "GET", "/api/groups?token=my-token", "", `[`},
		{key, "POST", "/api/webhook", `{"token":"my-token","url":"` + s.ControlURL + `/customer/endpoint"}`, `"status":"updated"`},
		{key, "POST", "/api/workspace", `{"token":"my-token","workspace":"Marketing"}`, `"workspace":"Marketing"`},
		{key, "GET", "/api/workspaces", "", `["Marketing"]`},
		{key, "GET", "/api/devices?page=1&limit=10&q=my&workspace=Marketing", "", `"token":"my-token"`},
		{key, "POST", "/api/reconnect?token=my-token", "", `"status":"reconnected"`},
		{other, "GET", "/api/status?token=my-token", "", `DISCONNECTED`},
		{key, "POST", "/api/start", `{"token":"my-token","reject_call":"Y","reject_message":"Busy"}`, `"status":true`}, // which opens it anew
	} {
		ask(c.key, c.method, c.path, c.body)
		h.wants(t, c.method+" "+c.path, 200, c.text)
	}
	until(t, time.Minute, "the phone did not get the text", func() bool { return fmt.Sprint(s.received(t, "254711000009")) == "[Hello World]" })
	for _, c := range []struct {
		key, path, body string
		status          int
		text            string
	}{
		{"wrong", "/api/send", `{"token":"my-token","phone":"254711000009","message":"Hello"}`, 401, `"unauthorized"`},
		{key, "/api/send", `{"token":"my-token","phone":"12","message":"Hello"}`, 500, `"status":false`},
		{key, "/api/send", `{"token":"no-such-token","phone":"254711000009","message":"Hello"}`, 404, `token not found`},
		{other, "/api/send", `{"token":"my-token","phone":"254711000009","message":"Hello"}`, 404, `token not found`},
	} {
		ask(c.key, "POST", c.path, c.body)
		h.wants(t, c.path+" "+c.body, c.status, c.text)
	}
	ask(key, "POST", "/api/logout?token=my-token", "")
	h.wants(t, "log out", 200, `"logged_out"`)
	ask(key, "POST", "/api/send", `{"token":"my-token","phone":"254711000009","message":"Hello"}`)
	h.wants(t, "not logged in", 500, "client not logged in")
	h.run(t, "curl", append([]string{"-s", "-H", "apikey: " + key}, slices.Repeat([]string{h.url + "/api/workspaces"}, 61)...)...)
	h.wants(t, "too many requests", 429, "")
	ask(other, "DELETE", "/api/device?token=my-token", "")
	h.wants(t, "another's device", 404, "token not found")
}
