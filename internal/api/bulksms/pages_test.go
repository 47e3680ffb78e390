package bulksms_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tidings.dev/internal/simulator/snippet"
)

func queryEscape(text string) string { return url.QueryEscape(text) }

// loaded is what a page loads.
var loaded = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

// TestThePageLoadsFromHereAlone follows what /api/v2 loads, under a policy that lets nothing else in.
func TestThePageLoadsFromHereAlone(t *testing.T) {
	t.Parallel()
	w := begin(t)
	page := w.Do("", "GET", "/api/v2", "", "Accept", "text/html")
	if page.Code != 200 || page.Header().Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Fatalf("%d %v", page.Code, page.Header())
	}
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %s", policy)
	}
	if regexp.MustCompile(`<script[^>]*>[^<]|style=|\son\w+=`).MatchString(page.Body.String()) {
		t.Errorf("the page has something inline: %s", page.Body)
	}
	links := loaded.FindAllStringSubmatch(page.Body.String(), -1)
	if len(links) != 3 {
		t.Errorf("it loads %v", links)
	}
	for _, link := range links {
		if !strings.HasPrefix(link[1], "/docs/asset/") {
			t.Errorf("it loads %s", link[1])
		}
		plain := w.Do("", "GET", link[1], "")
		packed := w.Do("", "GET", link[1], "", "Accept-Encoding", "gzip, deflate")
		kind := map[bool]string{true: "text/css; charset=UTF-8", false: "text/javascript; charset=UTF-8"}[strings.HasSuffix(link[1], ".css")]
		if plain.Code != 200 || plain.Header().Get("Content-Type") != kind || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", link[1], plain.Code, plain.Header())
		}
		if packed.Header().Get("Content-Encoding") != "gzip" {
			continue
		}
		unpacked, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(text, plain.Body.Bytes()) || packed.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s is another thing under gzip (%v)", link[1], err)
		}
	}
	starter := w.Do("", "GET", "/docs/asset/swagger-initializer.js", "").Body.String()
	if !strings.Contains(starter, `url: "/docs/api-docs.json"`) || !strings.Contains(starter, "validatorUrl: null") || strings.Contains(starter, "http") {
		t.Errorf("it starts by %s", starter)
	}
}

// TestSwaggerUIRuns runs the bundle in Node.js as far as it goes without a browser: it is whole, and defines what the page starts.
func TestSwaggerUIRuns(t *testing.T) {
	t.Parallel()
	snippet.Needs(t, "node")
	server := httptest.NewServer(begin(t))
	defer server.Close()
	said, err := snippet.Run(t, "testdata/bundle.mjs", "http://localhost", server.URL)
	if err != nil || !strings.Contains(string(said), "SwaggerUIBundle is a function") {
		t.Errorf("%s (%v)", said, err)
	}
}

func TestTheCallbackIsTheDocuments(t *testing.T) {
	t.Parallel()
	w := begin(t)
	r := w.Do("", "GET", "/api/oauth2-callback", "")
	const want = "<!doctype html>\n<html lang=\"en-US\">\n<body>\n<script src=\"oauth2-redirect.js\"></script>\n</body>\n</html>\n"
	h := r.Header()
	if r.Code != 200 || r.Body.String() != want || h.Get("Content-Type") != "text/html; charset=UTF-8" || h.Get("Cache-Control") != "no-cache, private" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v %q", r.Code, h, r.Body)
	}
	script := w.Do("", "GET", "/api/oauth2-redirect.js", "")
	if script.Code != 200 || !strings.Contains(script.Body.String(), "swaggerUIRedirectOauth2") {
		t.Errorf("%d %.80s", script.Code, script.Body)
	}
}

// The document's own snippets, copied to testdata/snippets as they stand. Only the base URL is changed. They carry no key: the document has the
// reply to that.

func TestTheDocumentsSnippets(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/snippets/*")
	if err != nil || len(files) != 14 {
		t.Fatalf("%d snippets, %v", len(files), err)
	}
	missing := `{"error":"API key is required","help":"Provide X-API-Key header or api_key parameter"}`
	want := map[string]struct {
		status int
		body   string
	}{
		"v2": {200, "<!doctype html>"}, "oauth2-callback": {200, `<script src="oauth2-redirect.js"></script>`},
		"v2-sms-send": {401, missing}, "v2-account-balance": {401, missing},
		"generate-key": {401, `{"error":"Unauthorized."}`}, "regenerate-key": {401, `{"error":"Unauthorized."}`}, "revoke-key": {401, `{"error":"Unauthorized."}`},
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			var status int
			var body string
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				w.ServeHTTP(rec, r)
				status, body = rec.Code, rec.Body.String()
				for name, values := range rec.Header() {
					rw.Header()[name] = values
				}
				rw.WriteHeader(rec.Code)
				_, _ = rw.Write(rec.Body.Bytes())
			}))
			defer server.Close()
			name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
			said, err := snippet.Run(t, file, "http://localhost", server.URL)
			if status != want[name].status || !strings.Contains(body, want[name].body) {
				t.Errorf("%d %.200s", status, body)
			}
			if err != nil && json.Valid([]byte(body)) { // fetch in the document reads pages as JSON, too
				t.Errorf("%s (%v)", said, err)
			}
		})
	}
}
