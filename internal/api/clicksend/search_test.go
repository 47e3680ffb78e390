package clicksend //nolint:testpackage // the parser is no one else's

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type person struct {
	ID   int
	Name string
}

var people = table[person]{
	{Name: "id", Value: func(p *person) string { return strconv.Itoa(p.ID) }, Whole: true, Number: true},
	{Name: "name", Value: func(p *person) string { return p.Name }},
}

func TestRowsAreSearchedAndSorted(t *testing.T) {
	t.Parallel()
	rows := []person{{2, "John Smith"}, {10, "johnny, the: first"}, {1, "Zoë"}}
	for query, want := range map[string][]int{
		"":                                   {1, 2, 10},
		"q=name":                             {1, 2, 10}, // no colon
		"q=name:":                            {1, 2, 10}, // any
		"q=NAME:JOHN":                        {2, 10},
		"q=name:ZOË":                         {1},
		"q=id:1":                             {1}, // whole
		"q=name:john,id:10":                  {10},
		"q=name:john,id:1":                   {},
		"q=name:john,id:1&operator=or":       {1, 2, 10},
		"q=name:johnny, the: first":          {10},
		"q=name:johnny, the: first,id:10":    {10},
		"q=name:a,city:b":                    {},
		"q=name:john,    id  :2":             {2},
		"order_by=name:desc":                 {1, 10, 2},
		"order_by=ID:DESC":                   {10, 2, 1},
		"order_by=name":                      {2, 10, 1},
		"order_by=1;drop":                    {1, 2, 10},
		"order_by=id:sideways":               {1, 2, 10},
		"q=name:john&order_by=id:desc":       {10, 2},
		"q=name:%27%3B drop table message--": {},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+strings.NewReplacer(" ", "+", ";", "%3B").Replace(query), nil)
		got, err := people.Choose(r, rows)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		ids := []int{}
		for _, p := range got {
			ids = append(ids, p.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", query, ids, want)
		}
	}
	for _, query := range []string{"q=city:x", "q=:x", "q=1;drop:x"} {
		if _, err := people.Choose(httptest.NewRequest(http.MethodGet, "/?"+strings.ReplaceAll(query, ";", "%3B"), nil), rows); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
}

// FuzzSearch: whatever is asked, only known fields come out, and what is written as the parser would have it is read back.
func FuzzSearch(f *testing.F) {
	f.Add("name:john,id:1", "name:desc")
	f.Add("name:a,b:c,ID:7", "1;drop")
	f.Add(":,,::", ":")
	f.Fuzz(func(t *testing.T, q, order string) {
		r := httptest.NewRequest(http.MethodGet, "/?"+url.Values{"q": {q}, "order_by": {order}}.Encode(), nil)
		want, err := parseSearch(r, people.names(), people.names())
		if err != nil {
			return
		}
		if !slices.Contains(people.names(), want.Order) {
			t.Errorf("sorted by %q", want.Order)
		}
		var again []string
		for _, w := range want.Terms {
			if !slices.Contains(people.names(), w.Field) || w.Value == "" {
				t.Errorf("looks for %+v", w)
			}
			again = append(again, w.Field+":"+w.Value)
		}
		if terms, err := parseTerms(strings.Join(again, ","), people.names()); err != nil || !slices.Equal(terms, want.Terms) {
			t.Errorf("%q: %+v, written again and read: %+v %v", q, want.Terms, terms, err)
		}
		if _, err := people.Choose(r, []person{{1, "a"}, {2, "b"}}); err != nil {
			t.Error(err)
		}
	})
}
