package clicksend_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/clicksend"
)

// world is a server whose accounts sign in with their names.
type world struct{ *apitest.World }

func begin(t *testing.T) world {
	t.Helper()
	return world{apitest.New(t, api.Options{PerSource: 20}, clicksend.Surface)}
}

// basic is a name and a secret as the Authorization header has them.
func basic(username, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))
}

// do sends a request as somebody: basic says who.
func (w world) do(who, method, path, body string, headers ...string) apitest.Reply {
	return w.Do("", method, path, body, append(headers, "Authorization", "Basic "+who)...)
}

func (w world) alice() string { return basic("alice", w.Key(w.Alice, account.Admin)) }

func (w world) bob() string { return basic("bob", w.Key(w.Bob, account.Admin)) }

// TestGolden runs the cases of testdata: in requests {{alice}}, {{bob}} and {{reader}} are what follows Basic in the Authorization
// header; the reader is Alice with a key that may only read messages.
func TestGolden(t *testing.T) {
	t.Parallel()
	contract := apitest.NewContract(t, begin(t).Do("", "GET", "/docs/clicksend/openapi.json", "").Body.Bytes())
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		fill(t, w, t.Name())
		return w, map[string]string{
			"alice": w.alice(), "bob": w.bob(), "reader": basic("alice", w.Key(w.Alice, account.MessagesRead)),
			"wrong": basic("alice", "no-such-key"), "public": apitest.PublicURL,
		}
	}, func(t *testing.T, r *http.Request, body []byte, reply *http.Response) {
		t.Helper()
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/") // the document has each path once
		contract.CheckReply(t, r, body, reply)
	})
}

// fill puts into a case's world what its name asks for.
func fill(t *testing.T, w world, name string) {
	t.Helper()
	for part, add := range filled {
		if strings.Contains(name, "/"+part) {
			add(t, w)
		}
	}
}

// filled is, by how the name of a case begins, what its world has.
var filled = map[string]func(t *testing.T, w world){}

func TestPapersAreCommitted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	apitest.File(t, "../../../docs/api/clicksend.openapi.json", w.Do("", "GET", "/docs/clicksend/openapi.json", "").Body.Bytes())
	apitest.File(t, "../../../docs/api/clicksend.postman.json", w.Do("", "GET", "/docs/clicksend/postman.json", "").Body.Bytes())
}
