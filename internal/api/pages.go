package api

import (
	"cmp"
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"

	"tidings.dev/internal/fault"
)

//go:embed errors.html
var errorsHTML string

var errorPages = template.Must(template.New("").Parse(errorsHTML))

// errorPage is one code on a page.
type errorPage struct {
	Code   fault.Code
	Status int
	fault.Page
}

// pages registers what belongs to no surface: health, and what errors mean.
func pages(k *Kit) {
	index := make([]errorPage, 0, len(fault.Codes()))
	for code, page := range fault.Codes() {
		index = append(index, errorPage{code, Statuses{}.Of(&fault.Fault{Code: code}), page})
	}
	slices.SortFunc(index, func(a, b errorPage) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code)) })

	k.Handle("GET /docs/errors/{$}", func(w http.ResponseWriter, _ *http.Request) error { return showErrors(w, "index", index) })
	k.Handle("GET /docs/errors/{code}", func(w http.ResponseWriter, r *http.Request) error {
		code := fault.Code(r.PathValue("code"))
		i := slices.IndexFunc(index, func(p errorPage) bool { return p.Code == code })
		if i < 0 {
			return fault.New(fault.NotHere, "there is no such error")
		}
		return showErrors(w, "one", index[i])
	})
	if health := k.core.Health; health != nil {
		k.handler("GET /healthz", health.Healthz())
		k.handler("GET /readyz", health.Readyz())
	}
}

func (k *Kit) handler(pattern string, h http.Handler) {
	k.Handle(pattern, func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	})
}

// pageHeaders keep a page from doing anything but being read.
var pageHeaders = map[string]string{
	"Content-Type":            "text/html; charset=utf-8",
	"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	"Referrer-Policy":         "no-referrer",
	"Cache-Control":           "public, max-age=3600",
}

func showErrors(w http.ResponseWriter, page string, data any) error {
	for name, value := range maps.All(pageHeaders) {
		w.Header().Set(name, value)
	}
	return errorPages.ExecuteTemplate(w, page, data)
}
