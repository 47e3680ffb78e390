package device_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/simulator/snippet"
)

// example is a request of the document's API Documentation, copied to testdata/document.txt as it stands.
type example struct{ method, path, body string }

var (
	requestLine = regexp.MustCompile(`^(GET|POST|DELETE) (/api/\S+)$`)
	remark      = regexp.MustCompile(`\s+// .*`)
)

func examples(t *testing.T) (list []example) {
	t.Helper()
	text, err := os.ReadFile("testdata/document.txt")
	if err != nil {
		t.Fatal(err)
	}
	inside, answer := false, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		m := requestLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			list, answer = append(list, example{method: m[1], path: m[2]}), false
		case strings.HasPrefix(line, "// Response"):
			answer = true
		case len(list) == 0 || answer:
		case strings.HasPrefix(line, "?"):
			one := &list[len(list)-1]
			one.path += map[bool]string{true: "&", false: "?"}[strings.Contains(one.path, "?")] + line[1:]
		case line == "{" || inside:
			inside = line != "}"
			list[len(list)-1].body += remark.ReplaceAllString(line, "")
		}
	}
	return list
}

func TestTheDocumentsExamples(t *testing.T) {
	t.Parallel()
	list := examples(t)
	if len(list) != 13 {
		t.Fatalf("the document has %d requests: %v", len(list), list)
	}
	snippet.Needs(t, "curl")
	for _, e := range list {
		t.Run(e.method+" "+e.path, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			server := httptest.NewServer(w)
			defer server.Close()
			arguments := []string{"-sS", "-w", "\n%{http_code}", "-X", e.method, "-H", "apikey: " + w.Key(w.Alice, account.Admin), server.URL + e.path}
			if e.body != "" {
				arguments = append(arguments, "-d", e.body)
			}
			said, err := exec.CommandContext(t.Context(), "curl", arguments...).CombinedOutput()
			body, code, _ := strings.Cut(string(said), "\n\n")
			if err != nil || code != "200" || !json.Valid([]byte(body)) || strings.Contains(body, `"error"`) {
				t.Errorf("%s %s %s: %s (%v)", e.method, e.path, e.body, said, err)
			}
		})
	}
}

func TestWhoAsksTooOftenIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Limit(w.Alice, account.Limits{Burst: 1, Queue: 1, Surface: 1})
	secret := w.Key(w.Alice, account.Admin)
	do(w, secret, "GET", "/api/devices", "")
	r := do(w, secret, "GET", "/api/devices", "")
	if r.Code != http.StatusTooManyRequests || strings.TrimSpace(r.Body.String()) != `{"error":"too many requests"}` || r.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s %v", r.Code, r.Body, r.Header())
	}
}
