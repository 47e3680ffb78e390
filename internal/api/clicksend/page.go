package clicksend

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
)

// The rows of a page: when nothing is said, and between which numbers.
const (
	fewestRows = 15
	mostRows   = 100
)

// page is a piece of a list.
type page[T any] struct {
	Total    int     `json:"total"`
	PerPage  int     `json:"per_page"`
	Current  int     `json:"current_page"`
	Last     int     `json:"last_page"`
	Next     *string `json:"next_page_url"`
	Previous *string `json:"prev_page_url"`
	From     *int    `json:"from"`
	To       *int    `json:"to"`
	Data     []T     `json:"data" nullable:"false"`
}

// widePage is a page with what some lists tell besides, as Laravel does.
type widePage[T any] struct {
	page[T]
	FirstURL string     `json:"first_page_url"`
	LastURL  string     `json:"last_page_url"`
	Path     string     `json:"path"`
	Links    []pageLink `json:"links" nullable:"false"`
}

// pageLink leads to a page, or to none.
type pageLink struct {
	URL    *string `json:"url"`
	Label  string  `json:"label"`
	Active bool    `json:"active"`
}

// paging is which piece of a list was asked for.
type paging struct {
	Number int
	Size   int
	base   string // of the list, without its parameters
	query  url.Values
}

// paging reads which page a request asks for. What is out of range is brought into it.
func (s *server) paging(r *http.Request) paging {
	q := r.URL.Query()
	return paging{
		Number: between(q.Get("page"), 1, math.MaxInt32), Size: between(q.Get("limit"), fewestRows, mostRows),
		base: s.kit.PublicURL() + r.URL.EscapedPath(), query: q,
	}
}

// between reads a number and brings it into its bounds; what is none is the lower one.
func between(text string, low, high int) int {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && n != math.MaxInt64 { // a number that is too large is read as the largest
		return low
	}
	return int(min(max(n, int64(low)), int64(high)))
}

// Offset is how many rows come before the page.
func (p paging) Offset() int { return (p.Number - 1) * p.Size }

// url is where another page of the list is.
func (p paging) url(number int) *string {
	q := url.Values{}
	for name, values := range p.query {
		q[name] = values
	}
	q.Set("page", strconv.Itoa(number))
	at := p.base + "?" + q.Encode()
	return &at
}

// newPage is the page with the rows, of a list with so many in all.
func newPage[T any](p paging, total int, rows []T) page[T] {
	out := page[T]{Total: total, PerPage: p.Size, Current: p.Number, Last: (total + p.Size - 1) / p.Size, Data: rows}
	if rows == nil {
		out.Data = []T{}
	}
	if len(rows) > 0 {
		from, to := p.Offset()+1, p.Offset()+len(rows)
		out.From, out.To = &from, &to
	}
	if p.Number < out.Last {
		out.Next = p.url(p.Number + 1)
	}
	if p.Number > 1 {
		out.Previous = p.url(p.Number - 1)
	}
	return out
}

// newWidePage is newPage with the rest.
func newWidePage[T any](p paging, total int, rows []T) widePage[T] {
	w := widePage[T]{page: newPage(p, total, rows), FirstURL: *p.url(1), Path: p.base}
	w.LastURL = *p.url(max(w.Last, 1))
	w.Links = []pageLink{{w.Previous, "&laquo; Previous", false}}
	for _, n := range near(p.Number, max(w.Last, 1)) {
		w.Links = append(w.Links, pageLink{p.url(n), strconv.Itoa(n), n == p.Number})
	}
	w.Links = append(w.Links, pageLink{w.Next, "Next &raquo;", false})
	return w
}

// nearPages is how far the links of a page reach to each side.
const nearPages = 3

// near are the pages that a page links to.
func near(number, last int) (list []int) {
	number = min(number, last)
	for n := max(number-nearPages, 1); n <= min(number+nearPages, last); n++ {
		list = append(list, n)
	}
	return list
}

// piece is the page of a list that is held as a whole.
func piece[T any](p paging, all []T) []T {
	from := min(p.Offset(), len(all))
	return all[from:min(from+p.Size, len(all))]
}

// pageQuery are the parameters of every list.
type pageQuery struct {
	Page  string `json:"page" doc:"Which page, from 1." sample:"1"`
	Limit string `json:"limit" doc:"Rows of a page, from 15 to 100." sample:"15"`
}

// searchQuery are the parameters of lists that can be searched.
type searchQuery struct {
	Page     string `json:"page" doc:"Which page, from 1." sample:"1"`
	Limit    string `json:"limit" doc:"Rows of a page, from 15 to 100." sample:"15"`
	Query    string `json:"q" doc:"What to look for, as field:value,field2:value."`
	Operator string `json:"operator" doc:"AND: what matches all fields. OR: what matches any." sample:"AND"`
	Order    string `json:"order_by" doc:"A field, with :asc or :desc."`
}
