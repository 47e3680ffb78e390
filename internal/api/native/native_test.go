package native

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
)

func begin(t testing.TB) *apitest.World { return apitest.New(t, api.Options{}, Surface) }

// contract is the document as tools for OpenAPI 3.0 read it.
func contract(t testing.TB) *apitest.Contract {
	t.Helper()
	d := newDocument()
	for _, o := range (&server{}).operations() {
		o.document(d)
	}
	old, err := d.api.OpenAPI().Downgrade()
	if err != nil {
		t.Fatal(err)
	}
	return apitest.NewContract(t, old)
}

func TestGolden(t *testing.T) {
	c := contract(t)
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		return w, map[string]string{
			"key": w.Key(w.Alice, account.Admin), "reader": w.Key(w.Alice, account.MessagesRead), "bob": w.Key(w.Bob, account.Admin),
			"channel": w.Channel.String(), "alice": w.Alice.ID.String(), "operator": w.Key(w.Operator, account.Operate),
		}
	}, func(t *testing.T, r *http.Request, body []byte, reply *http.Response) {
		if strings.HasSuffix(r.URL.Path, "/batch") { // items stand alone: a bad one does not refuse the request
			c.CheckReply(t, r, body, reply)
			return
		}
		c.Check(t, r, body, reply)
	})
}

func TestDocumentIsCommitted(t *testing.T) {
	w := begin(t)
	apitest.File(t, "../../../docs/api/openapi.json", w.Do("", "GET", base+"/openapi.json", "").Body.Bytes())
}

var discard = slog.New(slog.DiscardHandler)
