package apitest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Contract is an OpenAPI document that replies are held against.
type Contract struct{ router routers.Router }

// NewContract reads a document of OpenAPI 3.0.
func NewContract(t testing.TB, document []byte) *Contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatalf("the document cannot be read: %v", err)
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation())
	if err != nil {
		t.Fatalf("the document is not valid: %v", err)
	}
	return &Contract{router}
}

// Check is CheckReply, and fails the test also when a request was taken which the document does not allow.
func (c *Contract) Check(t *testing.T, r *http.Request, body []byte, reply *http.Response) {
	t.Helper()
	c.check(t, r, body, reply, true)
}

// CheckReply fails the test when a reply is not what the document says of its operation. What the document does not know
// must be answered with 404 or 405.
func (c *Contract) CheckReply(t *testing.T, r *http.Request, body []byte, reply *http.Response) {
	t.Helper()
	c.check(t, r, body, reply, false)
}

func (c *Contract) check(t *testing.T, r *http.Request, body []byte, reply *http.Response, request bool) {
	t.Helper()
	found, params, err := c.router.FindRoute(r)
	if err != nil {
		if reply.StatusCode != http.StatusNotFound && reply.StatusCode != http.StatusMethodNotAllowed && r.Method != http.MethodOptions {
			t.Errorf("%s %s is not documented, and answers %d", r.Method, r.URL.Path, reply.StatusCode)
		}
		return
	}
	ctx := context.Background()
	open := openapi3filter.AuthenticationFunc(func(context.Context, *openapi3filter.AuthenticationInput) error { return nil })
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: found, Options: &openapi3filter.Options{AuthenticationFunc: open, IncludeResponseStatus: true},
	}
	if request && reply.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			t.Errorf("%s %s was taken, which the document forbids: %v", r.Method, r.URL.Path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: reply.StatusCode, Header: reply.Header, Body: io.NopCloser(bytes.NewReader(drain(&reply.Body))), Options: in.Options}
	if err := openapi3filter.ValidateResponse(ctx, out); err != nil {
		t.Errorf("%s %s answers what the document does not say: %v", r.Method, r.URL.Path, err)
	}
}
