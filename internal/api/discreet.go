package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

const (
	hidden   = "•••"
	shortest = 4 // bytes of what is hidden: shorter texts say nothing, and stand in every other word
)

// discreet is a text about a request without what the request may hold in confidence: programs put passwords and keys into queries,
// paths and headers. Whatever is written of a request that failed goes through here.
func discreet(r *http.Request, text string) string {
	secrets := []string{r.RequestURI, r.URL.RawQuery, r.URL.Path, r.URL.RawPath, r.URL.Fragment}
	for pair := range strings.FieldsFuncSeq(r.URL.RawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		_, value, _ := strings.Cut(pair, "=")
		secrets = append(secrets, pair, value)
	}
	for _, values := range r.URL.Query() {
		secrets = append(secrets, values...)
	}
	secrets = append(secrets, strings.Split(r.URL.Path, "/")...)
	for _, name := range []string{"Authorization", "X-Api-Key", "Apikey", "Cookie"} {
		for _, value := range r.Header[name] {
			secrets = append(append(secrets, value), strings.Fields(value)...)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a whole before its parts
	for _, secret := range secrets {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}
