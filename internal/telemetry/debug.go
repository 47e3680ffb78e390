package telemetry

import (
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"slices"
	"sync"
)

// Debug is the set of pages for the operator on the admin address: one index at /debug/ that links everything and shows live
// values. It must never be served to customers.
type Debug struct {
	health *Health
	mux    *http.ServeMux

	mu     sync.Mutex
	links  []debugLink
	values map[string]func() any
}

type debugLink struct{ Path, Title string }

// NewDebug returns pages with the profiler and the health checks, reasons included.
func NewDebug(health *Health) *Debug {
	d := &Debug{health: health, mux: http.NewServeMux(), values: map[string]func() any{}}
	d.mux.HandleFunc("GET /debug/{$}", d.index)
	d.mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	d.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	d.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	d.mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	d.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	d.Page("/debug/pprof/", "profiles: CPU, memory, goroutines", http.HandlerFunc(pprof.Index))
	return d
}

// Page serves a page below /debug/ and links it from the index. A path that ends in / takes all below it.
func (d *Debug) Page(path, title string, page http.Handler) {
	d.mux.Handle("GET "+path, page)
	d.Link(path, title)
}

// Link puts an address that is served elsewhere, such as /metrics, on the index.
func (d *Debug) Link(path, title string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = append(d.links, debugLink{path, title})
}

// Value shows what the function returns on the index, as JSON, each time someone looks.
func (d *Debug) Value(name string, value func() any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values[name] = value
}

// ServeHTTP serves everything below /debug/.
func (d *Debug) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

type debugIndex struct {
	Build  string
	Checks []debugRow
	Links  []debugLink
	Values []debugRow
}

type debugRow struct {
	Name, Text string
	Bad        bool
}

func (d *Debug) index(w http.ResponseWriter, r *http.Request) {
	results := d.health.look(r.Context(), false)
	d.mu.Lock()
	page := debugIndex{Build: build(), Links: slices.Clone(d.links)}
	values := maps.Clone(d.values)
	d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(results)) {
		row := debugRow{Name: name, Text: "ok"}
		if err := results[name]; err != nil {
			row.Text, row.Bad = err.Error(), true
		}
		page.Checks = append(page.Checks, row)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		page.Values = append(page.Values, debugRow{Name: name, Text: asJSON(values[name]())})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = indexPage.Execute(w, page) // a reader who has gone needs no page
}

func asJSON(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// build says which Go made this program from which commit.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text := info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
			text += " " + s.Key + "=" + s.Value
		}
	}
	return text
}

var indexPage = template.Must(template.New("index").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tidings: debug</title>
<style>body{font:15px system-ui;margin:2rem;max-width:70rem}pre{background:#f4f4f4;padding:.7rem;overflow:auto}.bad{color:#b00020}</style></head>
<body><h1>Tidings</h1><p>{{.Build}}</p>
<h2>Health</h2><ul>{{range .Checks}}<li{{if .Bad}} class="bad"{{end}}>{{.Name}}: {{.Text}}</li>{{else}}<li>no checks</li>{{end}}</ul>
<h2>Pages</h2><ul>{{range .Links}}<li><a href="{{.Path}}">{{.Path}}</a> {{.Title}}</li>{{end}}</ul>
{{range .Values}}<h2>{{.Name}}</h2><pre>{{.Text}}</pre>{{end}}
</body></html>
`))
