package clicksend

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
)

// findOperations look for lists and people together.
func (s *server) findOperations() []api.Operation {
	return []api.Operation{{
		Pattern: "GET /v3/search/contacts-lists", ID: "findContactsAndLists", Summary: "Look for lists and contacts", Query: findQuery{},
		Handler: s.guarded(account.MessagesRead, s.find),
		Replies: []api.Example{done("Here are your data.", page[listOrContact]{Data: []listOrContact{}})},
	}}
}

type findQuery struct {
	Page  string `json:"page" doc:"Which page, from 1." sample:"1"`
	Limit string `json:"limit" doc:"Rows of a page, from 15 to 100." sample:"15"`
	Query string `json:"q" doc:"Part of the name of a list; what a name, a word of it, the email or the phone of a contact begins with."`
}

// listOrContact is one of the two.
type listOrContact struct{ any }

// MarshalJSON implements json.Marshaler.
func (o listOrContact) MarshalJSON() ([]byte, error) { return json.Marshal(o.any) }

// Schema implements huma.SchemaProvider.
func (listOrContact) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[listView](), true, ""), r.Schema(reflect.TypeFor[contactView](), true, "")}}
}

const (
	findAtOnce = 500    // contacts that are read at a time
	mostFound  = 10_000 // of them that a search looks at: it costs the same however many there are
)

// find looks for what was asked: the lists come first, then the contacts, each in one of its lists.
func (s *server) find(w http.ResponseWriter, r *http.Request) error {
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	known, err := s.views(r)
	if err != nil {
		return err
	}
	p := s.paging(r)
	var rows []listOrContact
	total := 0
	take := func(show func() (any, error)) error {
		if total++; total <= p.Offset() || len(rows) == p.Size {
			return nil
		}
		row, err := show()
		rows = append(rows, listOrContact{row})
		return err
	}
	for _, l := range known {
		if strings.Contains(strings.ToLower(l.Name), strings.ToLower(q)) {
			if err := take(func() (any, error) { return l, nil }); err != nil {
				return err
			}
		}
	}
	a := api.CallerOf(r).Account.ID
	for after, more, looked := "", true, 0; more && looked < mostFound; looked += findAtOnce {
		page, next, err := s.core.Contacts.List(r.Context(), a, contact.Filter{Query: q}, after, findAtOnce)
		if err != nil {
			return err
		}
		for i := range page {
			if err := take(func() (any, error) { return s.somewhere(r, &page[i]) }); err != nil {
				return err
			}
		}
		after, more = next, next != ""
	}
	return answer(w, "Here are your data.", newPage(p, total, rows))
}

// somewhere is a contact in the oldest list that has it; in none it has no list_id.
func (s *server) somewhere(r *http.Request, c *contact.Contact) (contactView, error) {
	in, err := s.core.Contacts.ListsWith(r.Context(), c.ID)
	if err != nil {
		return contactView{}, err
	}
	return showContact(c, &append(in, contact.List{})[0]), nil
}
