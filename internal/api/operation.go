package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Paper is what a compatible surface's own documents say of it: an OpenAPI document and a Postman collection, both made from its
// operations.
type Paper struct {
	Title       string
	Description string
	Key         huma.SecurityScheme // how callers carry their key
	Operations  []Operation
	OpenAPI     string // another path at which the OpenAPI document is; empty: none
}

// Operation is one request that a compatible surface answers. The zero values of Query and Body tell what is read from where, by
// their json tags; nil is nothing.
type Operation struct {
	Pattern string // such as "POST /api/send"
	ID      string
	Summary string
	Open    bool   // it needs no key
	Header  string // it needs this header instead of a key
	Sends   bool   // it takes an Idempotency-Key
	Batch   bool   // its body may be as large as a batch
	Apart   bool   // its pattern and another's fit some same path, which is the other's
	Query   any
	Body    any
	Example any // of a body; nil: Body itself
	Replies []Example
	Handler Handler
}

// Example is a reply that an operation may give.
type Example struct {
	Status int
	When   string
	Body   any
}

// Serve registers the operations, and their documents below /docs/ and the surface's name.
func (k *Kit) Serve(p Paper) {
	for _, o := range p.Operations {
		k.serve(o)
	}
	place := "/docs/" + k.Name + "/"
	openapi, postman := p.openAPI(), p.postman(k.PublicURL())
	page := paperPage{Paper: p, Files: []string{"openapi.json", "postman.json"}}
	k.Handle("GET "+place+"{$}", func(w http.ResponseWriter, _ *http.Request) error {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		return paperPages.Execute(w, page)
	})
	paths := []string{place + "openapi.json"}
	if p.OpenAPI != "" {
		paths = append(paths, p.OpenAPI)
	}
	for _, path := range paths {
		k.Handle("GET "+path, func(w http.ResponseWriter, _ *http.Request) error {
			return Write(w, "application/json", http.StatusOK, openapi)
		})
	}
	k.Handle("GET "+place+"postman.json", func(w http.ResponseWriter, _ *http.Request) error {
		return Write(w, "application/json", http.StatusOK, postman)
	})
}

// serve registers one operation.
func (k *Kit) serve(o Operation) {
	mux, body := k.mux, k.opt.Body
	if o.Apart {
		mux = k.apart
	}
	if o.Batch {
		body = k.opt.BatchBody
	}
	h := k.entryHandler(o.Pattern, body, o.Handler)
	mux.HandleFunc(o.Pattern, h)
	if k.Slashes {
		mux.HandleFunc(o.Pattern+"/{$}", h)
	}
}

//go:embed paper.html
var paperHTML string

var paperPages = template.Must(template.New("").Funcs(template.FuncMap{"json": pretty}).Parse(paperHTML))

// paperPage is what the page shows.
type paperPage struct {
	Paper
	Files []string
}

// Method is the operation's method.
func (o Operation) Method() string { method, _, _ := strings.Cut(o.Pattern, " "); return method }

// Path is the operation's path, with its parameters in braces.
func (o Operation) Path() string { _, path, _ := strings.Cut(o.Pattern, " "); return path }

// body is an example of what the operation is sent; nil: nothing.
func (o Operation) body() any {
	if o.Example != nil {
		return o.Example
	}
	return o.Body
}

func pretty(value any) (string, error) {
	text, err := json.MarshalIndent(value, "", "  ")
	return string(text), err
}

// Schema implements huma.SchemaProvider: callers may write a number instead.
func (Text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}
}

// Schema implements huma.SchemaProvider: one text is a list of one.
func (Texts) Schema(r huma.Registry) *huma.Schema {
	one := Text("").Schema(r)
	return &huma.Schema{AnyOf: append([]*huma.Schema{{Type: huma.TypeArray, Items: one}}, one.AnyOf...)}
}

// openAPI is the document in OpenAPI 3.0.
func (p Paper) openAPI() []byte {
	shapes := huma.NewMapRegistry("#/components/schemas/", schemaName)
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0", Info: &huma.Info{Title: p.Title, Version: "1", Description: p.Description}, Servers: []*huma.Server{{URL: "/"}},
		Components: &huma.Components{Schemas: shapes, SecuritySchemes: map[string]*huma.SecurityScheme{"key": &p.Key}},
	}
	for _, o := range p.Operations {
		doc.AddOperation(o.document(shapes))
	}
	for _, shape := range shapes.Map() {
		shape.AdditionalProperties = nil // what is not named is ignored, and may come
	}
	text, err := doc.Downgrade()
	if err != nil {
		panic(err) // it has nothing that cannot be encoded
	}
	return indented(text)
}

func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := cmp.Or(t.Name(), hint)
	if strings.Contains(name, "[") { // of a type with parameters
		name = huma.DefaultSchemaNamer(t, hint)
	}
	if name == "" { // of what is not an object, and needs none
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func indented(text []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		panic(err) // it was encoded just now
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// document is the operation in OpenAPI.
func (o Operation) document(shapes huma.Registry) *huma.Operation {
	d := &huma.Operation{
		OperationID: o.ID, Method: o.Method(), Path: o.Path(), Summary: o.Summary, Responses: map[string]*huma.Response{},
	}
	if !o.Open && o.Header == "" {
		d.Security = []map[string][]string{{"key": {}}}
	}
	text := &huma.Schema{Type: huma.TypeString}
	for _, name := range pathNames(o.Path()) {
		d.Parameters = append(d.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: text})
	}
	if o.Header != "" {
		d.Parameters = append(d.Parameters, &huma.Param{Name: o.Header, In: "header", Schema: text})
	}
	if o.Sends {
		d.Parameters = append(d.Parameters, &huma.Param{Name: idempotencyKey, In: "header", Description: "Makes a repeat harmless for seven days.", Schema: text})
	}
	if o.Query != nil {
		for f := range reflect.TypeOf(o.Query).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			d.Parameters = append(d.Parameters, &huma.Param{Name: name, In: "query", Description: f.Tag.Get("doc"), Schema: text})
		}
	}
	if o.Body != nil {
		shape := shapes.Schema(reflect.TypeOf(o.Body), true, "")
		d.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{
			"application/json":                  {Schema: shape, Example: o.body()},
			"application/x-www-form-urlencoded": {Schema: shape},
		}}
	}
	for _, e := range o.Replies {
		e.document(d, shapes)
	}
	return d
}

// document adds the reply to its operation. Replies with one status are told apart by their examples.
func (e Example) document(d *huma.Operation, shapes huma.Registry) {
	status := strconv.Itoa(e.Status)
	reply := d.Responses[status]
	if reply == nil {
		reply = &huma.Response{Description: e.When, Content: map[string]*huma.MediaType{"application/json": {
			Schema: &huma.Schema{}, Examples: map[string]*huma.Example{},
		}}}
		d.Responses[status] = reply
	}
	media := reply.Content["application/json"]
	media.Schema.AnyOf = append(media.Schema.AnyOf, shapes.Schema(reflect.TypeOf(e.Body), true, ""))
	media.Examples[e.When] = &huma.Example{Value: e.Body}
}

// pathNames are the parameters of a path.
func pathNames(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}
