package clicksend

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tidings.dev/internal/fault"
)

// column is a field by which rows may be searched and sorted.
type column[T any] struct {
	Name   string
	Value  func(*T) string
	Whole  bool // it is looked for as a whole, as ids and numbers are; else a part of the text is enough
	Number bool // it is sorted by what the digits stand for
}

// table is by what a list may be searched and sorted. Without a wish that it knows, it is sorted by the first column, upwards.
type table[T any] []column[T]

// term is one thing that is looked for.
type term struct {
	Field string
	Value string // in lower case
}

// wanted is what a request looks for in a list.
type wanted struct {
	Terms      []term
	Any        bool // one term is enough
	Order      string
	Descending bool
}

// names are the table's columns.
func (t table[T]) names() []string {
	list := make([]string, len(t))
	for i, c := range t {
		list[i] = c.Name
	}
	return list
}

// Choose is the rows of a list that a request looks for, in the order that it wants.
func (t table[T]) Choose(r *http.Request, rows []T) ([]T, error) {
	want, err := parseSearch(r, t.names(), t.names())
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row T) bool { return !t.matches(&row, want) })
	t.sort(rows, want)
	return rows, nil
}

func (t table[T]) column(name string) column[T] {
	i := slices.IndexFunc(t, func(c column[T]) bool { return c.Name == name })
	return t[i]
}

func (t table[T]) matches(row *T, want wanted) bool {
	if len(want.Terms) == 0 {
		return true
	}
	fits := func(w term) bool { return t.column(w.Field).fits(row, w.Value) }
	if want.Any {
		return slices.ContainsFunc(want.Terms, fits)
	}
	return !slices.ContainsFunc(want.Terms, func(w term) bool { return !fits(w) })
}

func (c column[T]) fits(row *T, value string) bool {
	have := strings.ToLower(c.Value(row))
	if c.Whole {
		return have == value
	}
	return strings.Contains(have, value)
}

// sort puts rows in order. Those that are alike stay as they are.
func (t table[T]) sort(rows []T, want wanted) {
	by := t.column(want.Order)
	slices.SortStableFunc(rows, func(a, b T) int {
		order := by.compare(&a, &b)
		if want.Descending {
			return -order
		}
		return order
	})
}

func (c column[T]) compare(a, b *T) int {
	x, y := c.Value(a), c.Value(b)
	if c.Number {
		n, _ := strconv.ParseInt(x, 10, 64)
		m, _ := strconv.ParseInt(y, 10, 64)
		return cmp.Compare(n, m)
	}
	return cmp.Compare(strings.ToLower(x), strings.ToLower(y))
}

// parseSearch reads q, operator and order_by. Nothing but the names given is ever taken from them into a query, and order's first is
// what is sorted by where nothing else is wished for.
func parseSearch(r *http.Request, fields, order []string) (wanted, error) {
	return readSearch(r.URL.Query(), fields, order)
}

func readSearch(q url.Values, fields, order []string) (wanted, error) {
	terms, err := parseTerms(q.Get("q"), fields)
	if err != nil {
		return wanted{}, err
	}
	w := wanted{Terms: terms, Any: strings.EqualFold(q.Get("operator"), "OR"), Order: order[0]}
	name, way, _ := strings.Cut(strings.ToLower(strings.TrimSpace(q.Get("order_by"))), ":")
	if slices.Contains(order, name) && (way == "" || way == "asc" || way == "desc") {
		w.Order, w.Descending = name, way == "desc"
	}
	return w, nil
}

// parseTerms reads field:value,field2:value. A comma ends a value only before a field that the list has, so that values may hold
// commas and colons; what has no colon looks for nothing, and nor does an empty value.
func parseTerms(text string, fields []string) (terms []term, err error) {
	for text != "" {
		name, rest, found := strings.Cut(text, ":")
		if !found {
			return nil, nil // only at the beginning: later terms begin with a field and a colon
		}
		field := strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(fields, field) {
			return nil, fault.New(fault.InvalidField, "q names a field that is not searched; these are: %s", strings.Join(fields, ", ")).In("q")
		}
		end := nextTerm(rest, fields)
		if value := strings.ToLower(strings.TrimSpace(rest[:end])); value != "" {
			terms = append(terms, term{field, value})
		}
		text = strings.TrimPrefix(rest[end:], ",")
	}
	return terms, nil
}

// longestName is how many letters of a term are looked at for its field: a text of commas would cost the square of its size.
const longestName = 64

// nextTerm is where in the text the comma before the next term is; the end when there is none.
func nextTerm(text string, fields []string) int {
	for i := range len(text) {
		if text[i] != ',' {
			continue
		}
		name, _, found := strings.Cut(text[i+1:min(i+1+longestName, len(text))], ":")
		if found && slices.Contains(fields, strings.ToLower(strings.TrimSpace(name))) {
			return i
		}
	}
	return len(text)
}
