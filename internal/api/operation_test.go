package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/getkin/kin-openapi/openapi3"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
)

type thing struct {
	Name api.Text `json:"name" doc:"How it is called." sample:"a thing"`
}

func TestASurfacesPapersAreServed(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) error { return api.Reply(w, http.StatusOK, true) }
	w := apitest.New(t, api.Options{}, plain("papers", "/papers", func(k *api.Kit) {
		k.Serve(api.Paper{Title: "Papers", Key: huma.SecurityScheme{Type: "apiKey", In: "header", Name: "apikey"}, Operations: []api.Operation{
			{
				Pattern: "POST /papers/{id}", ID: "makeThing", Summary: "Make a thing", Sends: true, Query: thing{}, Body: thing{}, Handler: handler,
				Replies: []api.Example{{200, "made", thing{"x"}}, {200, "not made", true}, {401, "no key", thing{}}},
			},
			{Pattern: "GET /papers", ID: "list", Summary: "List", Open: true, Handler: handler, Replies: []api.Example{{200, "a list", []thing{}}}},
			{Pattern: "PUT /papers", ID: "put", Summary: "Put", Header: "X-KEY", Body: thing{}, Example: map[string]string{"name": "x"}, Handler: handler, Replies: []api.Example{{200, "put", thing{}}}},
		}})
	}))
	doc, err := openapi3.NewLoader().LoadFromData(w.Do("", "GET", "/docs/papers/openapi.json", "").Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil || doc.OpenAPI != "3.0.3" || doc.Paths.Len() != 2 {
		t.Errorf("version %s, %d paths: %v", doc.OpenAPI, doc.Paths.Len(), err)
	}
	var postman struct {
		Item []struct {
			Request struct{ URL struct{ Raw string } }
		}
	}
	w.Do("", "GET", "/docs/papers/postman.json", "").JSON(t, &postman)
	if len(postman.Item) != 3 || postman.Item[0].Request.URL.Raw != "{{base}}/papers/:id?name=a thing" {
		t.Errorf("%+v", postman)
	}
	page := w.Do("", "GET", "/docs/papers/", "")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "POST /papers/{id}") || !strings.Contains(page.Body.String(), "openapi.json") {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	if r := w.Do("", "PUT", "/papers", ""); r.Code != http.StatusOK || !json.Valid(r.Body.Bytes()) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}
