package native

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
)

// operation is one method of one path: what answers it, and how it is documented.
type operation struct {
	method, path string
	scope        account.Scope
	handler      api.Handler
	id, summary  string
	status       int
	batch        bool     // its body may be as large as a batch
	upload       bool     // its body is a file
	keyed        bool     // it takes an Idempotency-Key
	parameters   []string // of its query
	register     func(huma.API, huma.Operation)
}

// op is an operation whose parameters and body are documented by In, and whose reply by Out.
func op[In, Out any](pattern string, scope account.Scope, id, summary string, h api.Handler) operation {
	method, path, _ := strings.Cut(pattern, " ")
	return operation{
		method: method, path: path, scope: scope, handler: h, id: id, summary: summary, status: http.StatusOK, parameters: queryNames(reflect.TypeFor[In]()),
		register: func(a huma.API, o huma.Operation) {
			huma.Register(a, o, func(context.Context, *In) (*Out, error) { return nil, nil }) // documents; it never runs
		},
	}
}

func (o operation) answers(status int) operation { o.status = status; return o }

// once is for what creates, sends or moves something: the operation takes an Idempotency-Key. Its handler ends in
//
//	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
//		made, err := s.core.Things.Create(tx, c.By, wanted)
//		return showThing(&made), err
//	})
//
// which runs the change and keeps its reply in one transaction, and answers a repeat with the same bytes. A reply that shows a
// secret has a method Made() string, the id: it is not kept, and a repeat is 409 with existing_id.
func (o operation) once() operation { o.keyed = true; return o }

func (o operation) large() operation { o.batch = true; return o }

func (o operation) file() operation { o.upload = true; return o }

// queryNames are the parameters of the query that an input documents.
func queryNames(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, queryNames(f.Type)...)
		}
		if name, ok := f.Tag.Lookup("query"); ok {
			names = append(names, name)
		}
	}
	return names
}

// The inputs, as huma documents them; it sees only what is exported. The handlers read the same by hand (README.md).
type (
	noInput struct{}
	// IDInput is a path with an id.
	IDInput struct {
		ID string `path:"id" format:"uuid"`
	}
	input[T any] struct{ Body T }
	// PageInput asks for a page of a list.
	PageInput struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"Items of a page."`
		Cursor string `query:"cursor" doc:"The next_cursor of the page before."`
	}
	messagesInput struct {
		PageInput
		To        string `query:"to" doc:"Only messages to this address. At most one of to, channel, reference and status may be given, and direction with status only."`
		Channel   string `query:"channel" format:"uuid" doc:"Only messages over this channel."`
		Reference string `query:"reference" doc:"Only messages with this client_reference."`
		Status    string `query:"status" enum:"scheduled,held,queued,sending,unknown,sent,failed,delivered,read,cancelled,expired,blocked,received" doc:"Only messages with this status. Of scheduled, held, queued and sending a page looks at 5,000 waiting messages: it may have fewer items than there are, even none, and yet a next_cursor."`
		Direction string `query:"direction" enum:"outbound,inbound" doc:"Only messages in this direction; alone or with status."`
		Since     string `query:"since" format:"date-time" doc:"Only messages accepted at this time or later."`
		Until     string `query:"until" format:"date-time" doc:"Only messages accepted before this time."`
	}
	changeInput struct {
		IDInput
		Body changeRequest
	}
	deliveryInput struct {
		IDInput
		Delivery string `path:"delivery_id" format:"uuid"`
	}
)

// The outputs.
type (
	nothing       struct{}
	output[T any] struct{ Body T }
)

// document is the OpenAPI document in the making.
type document struct {
	api     huma.API
	problem *huma.Schema
}

func newDocument() *document {
	info := &huma.Info{
		Title: "Tidings", Version: "1",
		Description: "The native API of Tidings, a self-hosted messaging gateway. Bodies are JSON and read strictly; errors are RFC 9457 problems whose type opens a page with cause and cure.",
	}
	o := &huma.OpenAPI{
		OpenAPI: "3.1.0", Info: info, Servers: []*huma.Server{{URL: base}},
		Components: &huma.Components{
			Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "An API key, such as td_live_..."}},
		},
	}
	d := &document{api: huma.NewAPI(huma.Config{OpenAPI: o}, paper{})}
	d.problem = o.Components.Schemas.Schema(reflect.TypeFor[problem](), true, "")
	return d
}

// schemaName names a shape after its Go type: KeyReply is Key, and page[KeyReply] is KeyPage.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, of, generic := strings.Cut(t.Name(), "[")
	if name == "" {
		name = hint
	}
	if generic {
		of = strings.TrimSuffix(of[strings.LastIndexByte(of, '.')+1:], "]")
		return capital(of) + capital(name)
	}
	return capital(name)
}

func capital(name string) string {
	return strings.ToUpper(name[:1]) + strings.TrimSuffix(name[1:], "Reply")
}

// document adds the operation.
func (o operation) document(d *document) {
	h := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, DefaultStatus: o.status,
		Tags: []string{strings.Split(o.path, "/")[1]},
		Responses: map[string]*huma.Response{
			"default": {Description: "A problem", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: d.problem}}},
		},
	}
	if o.scope != open {
		h.Security = []map[string][]string{{"key": {}}}
		h.Description = "Needs a key with the scope `" + string(o.scope) + "`."
	}
	if o.keyed {
		most := 255
		h.Parameters = []*huma.Param{{
			Name: "Idempotency-Key", In: "header", Description: "Makes a repeat harmless for seven days.",
			Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most},
		}}
		h.Responses[strconv.Itoa(o.status)] = &huma.Response{Headers: map[string]*huma.Param{
			"Idempotent-Replayed": {Description: "true on the reply to a repeat.", Schema: &huma.Schema{Type: huma.TypeString}},
		}}
	}
	o.register(d.api, h)
}

// text is the document as it is served.
//
// Requests are closed: what is not named is refused. Replies are open, so that a client of today takes those of tomorrow.
func (d *document) text() []byte {
	for name, shape := range d.api.OpenAPI().Components.Schemas.Map() {
		if shape.Type == huma.TypeObject && closed(shape) && !strings.HasSuffix(name, "Request") {
			shape.AdditionalProperties = nil
		}
	}
	text, err := json.MarshalIndent(d.api.OpenAPI(), "", "  ")
	if err != nil {
		panic(err) // it has nothing that cannot be encoded
	}
	return append(text, '\n')
}

// closed tells whether a shape takes only what it names.
func closed(s *huma.Schema) bool {
	more, ok := s.AdditionalProperties.(bool)
	return ok && !more
}

// paper takes operations and serves none.
type paper struct{}

// Handle implements huma.Adapter.
func (paper) Handle(*huma.Operation, func(huma.Context)) {}

// ServeHTTP implements huma.Adapter.
func (paper) ServeHTTP(http.ResponseWriter, *http.Request) {}
