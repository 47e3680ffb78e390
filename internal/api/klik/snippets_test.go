package klik_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/simulator/snippet"
)

// The document's own snippets, copied to testdata/snippets as they stand. Of each only the base URL is changed, and what it has for readers to fill
// in: the key, the session, the image.

// filled is what a reader fills in.
type filled struct{ key, internal, mobile, image, session string }

// documented is what the document has in their places.
var documented = filled{"{YOUR_AUTH_KEY}", "string required Internal API key.", "919999999999", "iVBORw0KGgoAAA...", "ffd7f83e-06c3-47c8-a6a1-dd943da13b5f"}

// exchange is how the server answered a snippet.
type exchange struct {
	status int
	body   string
	failed error // of the program
}

// run fills a snippet in and runs it against the world.
func run(t *testing.T, w world, file string, with filled) (got exchange) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		got.status, got.body = rec.Code, strings.TrimSpace(rec.Body.String())
		for name, values := range rec.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	}))
	defer server.Close()
	said, err := snippet.Run(t, file,
		"https://klik.social", server.URL, "[email\u00a0protected]", "jane@example.com", documented.key, with.key, documented.internal, with.internal,
		documented.mobile, with.mobile, documented.image, with.image, documented.session, with.session,
	)
	if got.failed = err; got.status == 0 {
		t.Fatalf("%s: it asked for nothing: %v: %s", file, err, said)
	}
	return got
}

func TestTheDocumentsSnippets(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/snippets/*")
	if err != nil || len(files) != 21 {
		t.Fatalf("%d snippets, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			fill := filled{w.Key(w.Alice, account.Admin), w.Key(w.Operator, account.Internal), documented.mobile, png, w.alice.ID.String()}
			got := run(t, w, file, fill)
			var reply struct{ Success, Status bool }
			if err := json.Unmarshal([]byte(got.body), &reply); err != nil || got.status != http.StatusOK || got.failed != nil || !reply.Success && !reply.Status {
				t.Errorf("%d %s, %v", got.status, got.body, got.failed)
			}
		})
	}
}

func TestTheDocumentsSnippetsAreRefused(t *testing.T) {
	t.Parallel()
	w := begin(t)
	good := filled{w.Key(w.Alice, account.Admin), w.Key(w.Operator, account.Internal), documented.mobile, png, w.alice.ID.String()}
	but := func(change func(*filled)) filled {
		f := good
		change(&f)
		return f
	}
	bob := w.Key(w.Bob, account.Admin)
	large := base64.StdEncoding.EncodeToString(make([]byte, 70<<10)) // more than an image may have here, and little enough for a command line
	for _, c := range []struct {
		what, snippet string
		with          filled
		status        int
		text          string
	}{
		{"not logged in", "official-send-message", but(func(f *filled) { f.key = bob }), 200, `"Session is not logged in."`},
		{"not logged in", "session-send-file", but(func(f *filled) { f.key, f.session = bob, w.bob.ID.String() }), 200, `"Session is not logged in."`},
		{"wrong token", "official-send-file", but(func(f *filled) { f.key = "wrong" }), 401, `"Unauthenticated."`},
		{"wrong token", "official-status", but(func(f *filled) { f.key = "wrong" }), 401, `"Unauthenticated."`},
		{"wrong internal key", "auth-by-email", but(func(f *filled) { f.internal = "wrong" }), 403, `"Request validation failed"`},
		{"bad number", "official-send-message", but(func(f *filled) { f.mobile = "12" }), 422, `"The mobile field format is invalid."`},
		{"bad base64, as the document has it", "official-send-message", but(func(f *filled) { f.image = documented.image }), 422, `not in base64`},
		{"bad base64, as the document has it", "session-send-file", but(func(f *filled) { f.image = documented.image }), 422, `not in base64`},
		{"file too large", "session-send-message", but(func(f *filled) { f.image = large }), 413, `larger than it may be`},
		{"unknown session, as the document has it", "session-send-message", but(func(f *filled) { f.session = documented.session }), 404, `"Session not found."`},
		{"another account's session", "session-send-file", but(func(f *filled) { f.key = bob }), 404, `"Session not found."`},
	} {
		for _, ending := range snippet.Endings {
			got := run(t, w, "testdata/snippets/"+c.snippet+ending, c.with)
			if got.status != c.status || !strings.Contains(got.body, c.text) {
				t.Errorf("%s, %s%s: %d %s", c.what, c.snippet, ending, got.status, got.body)
			}
		}
	}
}

func TestTheDocumentsSnippetsAreTooMany(t *testing.T) {
	t.Parallel()
	for _, ending := range snippet.Endings {
		w := begin(t)
		bob := w.Key(w.Bob, account.Admin)
		w.Limit(w.Bob, account.Limits{Burst: 1, Queue: 1, Surface: 1})
		w.Do(bob, "GET", base+"official-device/status", "")
		got := run(t, w, "testdata/snippets/official-send-message"+ending, filled{bob, "", documented.mobile, png, w.bob.ID.String()})
		if got.status != http.StatusTooManyRequests || got.body != `{"message":"Too Many Attempts."}` {
			t.Errorf("%s: %d %s", ending, got.status, got.body)
		}
	}
}
