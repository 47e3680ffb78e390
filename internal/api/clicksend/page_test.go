package clicksend //nolint:testpackage // pages are no one else's

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidings.dev/internal/api"
)

func kitAt(publicURL string) *server {
	return &server{kit: &api.Kit{Front: api.New(api.Options{PublicURL: publicURL}, api.Core{})}}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := kitAt("https://tidings.example")
	rows := make([]int, 40)
	for i := range rows {
		rows[i] = i
	}
	for query, want := range map[string]string{
		"":                            `40 15 1 3 "https://tidings.example/v3/lists?page=2" null 1 15 15`,
		"?page=2&limit=20&q=a%3Ab":    `40 20 2 2 null "https://tidings.example/v3/lists?limit=20&page=1&q=a%3Ab" 21 40 20`,
		"?page=0&limit=14":            `40 15 1 3 "https://tidings.example/v3/lists?limit=14&page=2" null 1 15 15`,
		"?page=-3&limit=101":          `40 100 1 1 null null 1 40 40`,
		"?page=1000000000":            `40 15 1000000000 3 null "https://tidings.example/v3/lists?page=999999999" null null 0`,
		"?page=99999999999999999999":  `40 15 2147483647 3 null "https://tidings.example/v3/lists?page=2147483646" null null 0`,
		"?page=x&limit=y":             `40 15 1 3 "https://tidings.example/v3/lists?limit=y&page=2" null 1 15 15`,
		"?page=-99999999999999999999": `40 15 1 3 "https://tidings.example/v3/lists?page=2" null 1 15 15`,
	} {
		p := s.paging(httptest.NewRequest(http.MethodGet, "/v3/lists"+query, nil))
		got := newPage(p, len(rows), piece(p, rows))
		if text := show(t, got.Total, got.PerPage, got.Current, got.Last, got.Next, got.Previous, got.From, got.To, len(got.Data)); text != want {
			t.Errorf("%s: %s, want %s", query, text, want)
		}
	}
	p := s.paging(httptest.NewRequest(http.MethodGet, "/v3/lists", nil))
	if text := show(t, newPage[int](p, 0, nil)); text != `{"total":0,"per_page":15,"current_page":1,"last_page":0,"next_page_url":null,"prev_page_url":null,"from":null,"to":null,"data":[]}` {
		t.Error(text)
	}
	wide := newWidePage(s.paging(httptest.NewRequest(http.MethodGet, "/v3/lists?page=2", nil)), len(rows), rows[15:30])
	if wide.FirstURL != "https://tidings.example/v3/lists?page=1" || wide.LastURL != "https://tidings.example/v3/lists?page=3" || wide.Path != "https://tidings.example/v3/lists" ||
		len(wide.Links) != 5 || !wide.Links[2].Active || wide.Links[2].Label != "2" {
		t.Errorf("%+v", wide)
	}
}

// show is values as JSON has them, with spaces between.
func show(t *testing.T, values ...any) string {
	t.Helper()
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.ReplaceAll(string(text), `\u0026`, "&"))
	}
	return b.String()
}
