package apitest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Update says that golden files are to be rewritten with what is answered now.
var Update = flag.Bool("update", false, "rewrite golden files")

// Golden runs each file that the pattern matches as a test. A file is one case: requests as they are on the wire, each
// followed by a line --- and the reply, with lines of === between. {{name}} stands for the value of the name; in replies,
// what is different on each run has a name of its own: {{id}}, {{time}}, {{secret}}, {{cursor}}.
//
// begin makes what a case runs against. check, if any, sees every exchange.
func Golden(t *testing.T, pattern string, begin func(t *testing.T) (http.Handler, map[string]string), check func(t *testing.T, r *http.Request, body []byte, reply *http.Response)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			handler, values := begin(t)
			c := goldenCase{t: t, handler: handler, values: values, check: check}
			c.run(file)
		})
	}
}

type goldenCase struct {
	t       *testing.T
	handler http.Handler
	values  map[string]string
	check   func(*testing.T, *http.Request, []byte, *http.Response)
}

const (
	between = "\n===\n"
	after   = "\n---\n"
)

func (c *goldenCase) run(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	var now []string
	for exchange := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), between) {
		request, _, _ := strings.Cut(exchange, after)
		request = strings.TrimRight(request, "\n-")
		now = append(now, request+after+c.exchange(request))
	}
	got := strings.Join(now, between) + "\n"
	if *Update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	if got != string(text) {
		c.t.Errorf("%s is answered otherwise now (-update takes it over):\n%s", file, cmp.Diff(string(text), got))
	}
}

// exchange sends a request and shows the reply.
func (c *goldenCase) exchange(text string) string {
	for name, value := range c.values {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	if left := regexp.MustCompile(`\{\{\w+\}\}`).FindString(text); left != "" {
		c.t.Fatalf("nothing is known of %s", left)
	}
	r, body := c.parse(text)
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	reply := rec.Result()
	c.learn(rec.Body.Bytes())
	if c.check != nil {
		c.check(c.t, r, body, reply)
	}
	return c.show(reply, rec.Body.Bytes())
}

func (c *goldenCase) parse(text string) (*http.Request, []byte) {
	head, body, _ := strings.Cut(text, "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	method, target, ok := strings.Cut(line, " ")
	if !ok {
		c.t.Fatalf("this is no request: %s", line)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	lines := bufio.NewScanner(strings.NewReader(headers))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r, []byte(body)
}

// learn remembers what later requests of the case may name: the id and the next_cursor of a reply, as last_id and cursor.
func (c *goldenCase) learn(body []byte) {
	var reply struct {
		ID     string `json:"id"`
		Cursor string `json:"next_cursor"`
	}
	_ = json.Unmarshal(body, &reply)
	if reply.ID != "" {
		c.values["last_id"] = reply.ID
	}
	if reply.Cursor != "" {
		c.values["cursor"] = reply.Cursor
	}
}

// shown are the headers that belong to a golden reply.
var shown = []string{
	"Content-Type", "Allow", "WWW-Authenticate", "Retry-After", "Idempotent-Replayed", "Location", "Connection", "Vary",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "X-Ratelimit-Limit",
}

func (c *goldenCase) show(reply *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", reply.StatusCode)
	for _, name := range shown {
		for _, value := range reply.Header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	if body = bytes.TrimSpace(body); len(body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", body)
	}
	return strings.TrimRight(c.hide(b.String()), "\n")
}

var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`"request_id": "\w+"`), `"request_id": "{{request}}"`},
	{regexp.MustCompile(`"next_cursor": "[\w-]+"`), `"next_cursor": "{{cursor}}"`},
	{regexp.MustCompile(`"hint": "td_(live|test)_\w+"`), `"hint": "td_${1}_{{hint}}"`},
	{regexp.MustCompile(`td_(live|test)_\w{20,}`), `td_${1}_{{secret}}`},
	{regexp.MustCompile(`"id": "3EB0[0-9a-fA-F]+"`), `"id": "{{remote}}"`},
	{regexp.MustCompile(`whsec_[\w+/=]+`), `whsec_{{secret}}`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), `{{id}}`},
	{regexp.MustCompile(`[0-9A-F]{8}-[0-9A-F]{4}-7[0-9A-F]{3}-[0-9A-F]{4}-[0-9A-F]{12}`), `{{ID}}`},
	{regexp.MustCompile(`"(date|schedule|timestamp\w*|date_\w+)": ("?)1[789]\d{8}`), `"${1}": ${2}{{unix}}`},
	{regexp.MustCompile(`"list_email_id": "[0-9A-F]{16}"`), `"list_email_id": "{{key}}"`},
	{regexp.MustCompile(`"\d{16,19}"`), `"{{key}}"`},
	{regexp.MustCompile(`/export/[\w-]{60,}`), `/export/{{link}}`},
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ`), `{{time}}`},
}

// hide gives names to what is different on each run: those that the case knows, then the general ones.
func (c *goldenCase) hide(text string) string {
	names := make([]string, 0, len(c.values))
	for name := range c.values {
		if name != "last_id" && name != "cursor" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		text = strings.ReplaceAll(text, c.values[name], "{{"+name+"}}")
	}
	for _, change := range changing {
		text = change.what.ReplaceAllString(text, change.name)
	}
	return text
}

// File compares a text with a golden file of its own.
func File(t *testing.T, path string, got []byte) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s is not what it would be now (run with -update and read the difference)", path)
	}
}

// drain reads a body to its end and puts it back.
func drain(body *io.ReadCloser) []byte {
	data, _ := io.ReadAll(*body)
	*body = io.NopCloser(bytes.NewReader(data))
	return data
}
