package clicksend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// contactOperations are about the members of contact lists.
func (s *server) contactOperations() []api.Operation {
	example := contactView{ID: 5, List: 439, Phone: "+61411111111", FirstName: "John", LastName: "Doe", Added: 1783958400, Updated: 1783958400, ListName: "Friends"}
	read := func(h api.Handler) api.Handler {
		return s.guarded(account.MessagesRead, h)
	}
	write := func(h api.Handler) api.Handler {
		return s.guarded(account.MessagesSend, h)
	}
	wanted := contactRequest{Phone: "+61411111111", FirstName: "John", LastName: "Doe"}
	one := "/v3/lists/{list_id}/contacts/{contact_id}"
	transferred := []api.Example{done("Contact #5 has been transferred to List #440", example)}
	return []api.Operation{
		{
			Pattern: "GET /v3/lists/{list_id}/contacts", ID: "readContacts", Summary: "List the contacts of a list", Query: contactsQuery{}, Handler: read(s.readContacts),
			Replies: []api.Example{done("Here's your list of contacts.", page[contactView]{Data: []contactView{example}})},
		},
		{
			Pattern: "POST /v3/lists/{list_id}/contacts", ID: "createContact", Summary: "Put somebody into a list", Sends: true, Body: contactRequest{}, Example: wanted,
			Handler: write(s.createContact), Replies: []api.Example{done("Here's your list of contacts.", example)},
		},
		{Pattern: "GET " + one, ID: "readContact", Summary: "Read a contact of a list", Handler: read(s.readContact), Replies: []api.Example{done("Here are your data.", example)}},
		{
			Pattern: "PUT " + one, ID: "changeContact", Summary: "Change a contact", Body: contactRequest{}, Example: wanted,
			Handler: write(s.changeContact), Replies: []api.Example{done("Contact #5 has been updated successfully.", example)},
		},
		{
			Pattern: "DELETE " + one, ID: "deleteContact", Summary: "Take a contact out of a list; the person stays", Handler: write(s.deleteContact),
			Replies: []api.Example{done("Contact #5 has been deleted.", []string{})},
		},
		{
			Pattern: "PUT " + one + "/copy/{to_list_id}", ID: "copyContact", Summary: "Put a contact of a list into another one, too", Handler: write(s.copyContact),
			Replies: []api.Example{done("Contact #5 has been copied to List #440", example)},
		},
		{Pattern: "PUT " + one + "/transfer/{to_list_id}", ID: "transferContact", Summary: "Move a contact to another list", Handler: write(s.transferContact), Replies: transferred},
		{Pattern: "PUT " + one + "/{to_list_id}", ID: "moveContact", Summary: "Move a contact to another list, as older clients ask for it", Handler: write(s.transferContact), Replies: transferred},
	}
}

type contactsQuery struct {
	Page     string `json:"page" doc:"Which page, from 1." sample:"1"`
	Limit    string `json:"limit" doc:"Rows of a page, from 15 to 100." sample:"15"`
	Query    string `json:"q" doc:"What to look for, as field:value,field2:value."`
	Operator string `json:"operator" doc:"AND: what matches all fields. OR: what matches any." sample:"AND"`
	Order    string `json:"order_by" doc:"A field, with :asc or :desc."`
	After    string `json:"updated_after" doc:"Unix time: only who was changed after it."`
}

// contactRequest is what may be written about somebody. What is absent or empty stays as it is.
type contactRequest struct {
	Phone        api.Text `json:"phone_number,omitempty" doc:"This, fax_number or email is required."`
	FirstName    api.Text `json:"first_name,omitempty"`
	LastName     api.Text `json:"last_name,omitempty"`
	Custom1      api.Text `json:"custom_1,omitempty"`
	Custom2      api.Text `json:"custom_2,omitempty"`
	Custom3      api.Text `json:"custom_3,omitempty"`
	Custom4      api.Text `json:"custom_4,omitempty"`
	FaxNumber    api.Text `json:"fax_number,omitempty"`
	Organization api.Text `json:"organization_name,omitempty"`
	Email        api.Text `json:"email,omitempty"`
	AddressLine1 api.Text `json:"address_line_1,omitempty"`
	AddressLine2 api.Text `json:"address_line_2,omitempty"`
	City         api.Text `json:"address_city,omitempty"`
	State        api.Text `json:"address_state,omitempty"`
	PostalCode   api.Text `json:"address_postal_code,omitempty"`
	Country      api.Text `json:"address_country,omitempty"`
}

// edit reads the request. National numbers are those of the region.
func (in *contactRequest) edit(region string) (e contact.Edit, err error) {
	if in.Phone != "" {
		phone, err := message.ParseLenient(string(in.Phone), region)
		if err != nil {
			return e, fault.Of(err).In("phone_number")
		}
		e.Phone = &phone
	}
	if in.Email != "" {
		email := string(in.Email)
		e.Email = &email
	}
	e.Attributes = map[string]json.RawMessage{}
	for name, text := range map[string]api.Text{
		contact.FirstName: in.FirstName, contact.LastName: in.LastName, contact.Custom1: in.Custom1, contact.Custom2: in.Custom2, contact.Custom3: in.Custom3,
		contact.Custom4: in.Custom4, contact.FaxNumber: in.FaxNumber, contact.Organization: in.Organization, contact.AddressLine1: in.AddressLine1,
		contact.AddressLine2: in.AddressLine2, contact.City: in.City, contact.State: in.State, contact.PostalCode: in.PostalCode, contact.Country: in.Country,
	} {
		if text == "" {
			continue
		}
		if e.Attributes[name], err = json.Marshal(string(text)); err != nil {
			return e, fmt.Errorf("encode %s: %w", name, err)
		}
	}
	err = e.Check()
	return e, err
}

// contactView is a contact in a list, as the surface shows it.
type contactView struct {
	ID           int32   `json:"contact_id"`
	List         int32   `json:"list_id"`
	Phone        string  `json:"phone_number"`
	FirstName    string  `json:"first_name"`
	LastName     string  `json:"last_name"`
	Custom1      string  `json:"custom_1"`
	Custom2      string  `json:"custom_2"`
	Custom3      string  `json:"custom_3"`
	Custom4      string  `json:"custom_4"`
	Added        int64   `json:"date_added"`
	Updated      int64   `json:"date_updated"`
	FaxNumber    *string `json:"fax_number"`
	Organization *string `json:"organization_name"`
	Email        *string `json:"email"`
	AddressLine1 *string `json:"address_line_1"`
	AddressLine2 *string `json:"address_line_2"`
	City         *string `json:"address_city"`
	State        *string `json:"address_state"`
	PostalCode   *string `json:"address_postal_code"`
	Country      *string `json:"address_country"`
	ListName     string  `json:"_list_name"`
}

func showContact(c *contact.Contact, l *contact.List) contactView {
	d := c.Details()
	return contactView{
		ID: c.Number, List: l.Number, Phone: c.Address(message.Phone).Value, FirstName: d[contact.FirstName], LastName: d[contact.LastName],
		Custom1: d[contact.Custom1], Custom2: d[contact.Custom2], Custom3: d[contact.Custom3], Custom4: d[contact.Custom4],
		Added: c.ID.Time().Unix(), Updated: c.Updated.Unix(), FaxNumber: orNull(d[contact.FaxNumber]), Organization: orNull(d[contact.Organization]),
		Email: orNull(c.Email), AddressLine1: orNull(d[contact.AddressLine1]), AddressLine2: orNull(d[contact.AddressLine2]), City: orNull(d[contact.City]),
		State: orNull(d[contact.State]), PostalCode: orNull(d[contact.PostalCode]), Country: orNull(d[contact.Country]), ListName: l.Name,
	}
}

// columns is by what contacts are searched and sorted.
var columns = table[contactView]{
	{Name: "contact_id", Value: func(c *contactView) string { return strconv.Itoa(int(c.ID)) }, Whole: true, Number: true},
	{Name: "phone_number", Value: func(c *contactView) string { return c.Phone }, Whole: true},
	{Name: "first_name", Value: func(c *contactView) string { return c.FirstName }},
	{Name: "last_name", Value: func(c *contactView) string { return c.LastName }},
	{Name: "custom_1", Value: func(c *contactView) string { return c.Custom1 }},
	{Name: "custom_2", Value: func(c *contactView) string { return c.Custom2 }},
	{Name: "custom_3", Value: func(c *contactView) string { return c.Custom3 }},
	{Name: "custom_4", Value: func(c *contactView) string { return c.Custom4 }},
	{Name: "fax_number", Value: func(c *contactView) string { return orEmpty(c.FaxNumber) }, Whole: true},
	{Name: "organization_name", Value: func(c *contactView) string { return orEmpty(c.Organization) }},
	{Name: "email", Value: func(c *contactView) string { return orEmpty(c.Email) }},
	{Name: "address_line_1", Value: func(c *contactView) string { return orEmpty(c.AddressLine1) }},
	{Name: "address_line_2", Value: func(c *contactView) string { return orEmpty(c.AddressLine2) }},
	{Name: "address_city", Value: func(c *contactView) string { return orEmpty(c.City) }},
	{Name: "address_state", Value: func(c *contactView) string { return orEmpty(c.State) }},
	{Name: "address_postal_code", Value: func(c *contactView) string { return orEmpty(c.PostalCode) }},
	{Name: "address_country", Value: func(c *contactView) string { return orEmpty(c.Country) }},
	{Name: "date_added", Value: func(c *contactView) string { return strconv.FormatInt(c.Added, 10) }, Whole: true, Number: true},
	{Name: "date_updated", Value: func(c *contactView) string { return strconv.FormatInt(c.Updated, 10) }, Whole: true, Number: true},
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// pick is what a request looks for among the members of a list.
func (s *server) pick(r *http.Request, l *contact.List) (contact.Pick, error) {
	want, err := parseSearch(r, columns.names(), columns.names())
	if err != nil {
		return contact.Pick{}, err
	}
	p := s.paging(r)
	pick := contact.Pick{Down: want.Descending, Skipped: p.Offset(), Page: p.Size}
	if after := strings.TrimSpace(r.URL.Query().Get("updated_after")); after != "" {
		n, err := strconv.ParseInt(after, 10, 40)
		if err != nil {
			return pick, fault.New(fault.InvalidField, "updated_after is a Unix time").In("updated_after")
		}
		pick.Since = time.Unix(n, int64(time.Millisecond))
	}
	if len(want.Terms) > 0 {
		pick.Fits = func(c *contact.Contact) bool {
			view := showContact(c, l)
			return columns.matches(&view, want)
		}
	}
	if by := columns.column(want.Order); want.Order != "contact_id" {
		pick.By = func(c *contact.Contact) string {
			view := showContact(c, l)
			if by.Number {
				return fmt.Sprintf("%020s", by.Value(&view))
			}
			return strings.ToLower(by.Value(&view))
		}
	}
	return pick, nil
}

func (s *server) readContacts(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	pick, err := s.pick(r, &l)
	if err != nil {
		return err
	}
	found, total, err := s.core.Contacts.Members(r.Context(), l, pick)
	if err != nil {
		return err
	}
	rows := make([]contactView, len(found))
	for i := range found {
		rows[i] = showContact(&found[i], &l)
	}
	return answer(w, "Here's your list of contacts.", newPage(s.paging(r), total, rows))
}

// createContact puts somebody into a list. Who is known by the number, or without one by the email, is the same person.
func (s *server) createContact(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[contactRequest](r)
	if err != nil {
		return err
	}
	e, err := in.edit(api.CallerOf(r).Account.Region)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		saved, err := s.core.Contacts.Save(tx, l.Account, contact.FromAPI, []contact.Edit{e})
		switch {
		case err != nil:
			return nil, err
		case saved[0].Fault != nil:
			return nil, saved[0].Fault
		}
		_, err = s.core.Contacts.Put(tx, l.Account, l.ID, []contact.ID{saved[0].ID})
		return success("Here's your list of contacts.", showContact(&saved[0].Contact, &l)), err
	})
}

// member is the list and the contact in it that the path names.
func (s *server) member(r *http.Request) (l contact.List, c contact.Contact, err error) {
	if l, err = s.list(r, "list_id"); err != nil {
		return l, c, err
	}
	c, ok, err := s.core.Contacts.Numbered(r.Context(), l.Account, pathNumber(r, "contact_id"))
	if err == nil && ok {
		ok, err = s.core.Contacts.Has(r.Context(), l.ID, c.ID)
	}
	if err == nil && !ok {
		err = unknownContact()
	}
	return l, c, err
}

func unknownContact() error { return fault.New(fault.NotHere, "the list has no such contact") }

func (s *server) readContact(w http.ResponseWriter, r *http.Request) error {
	l, c, err := s.member(r)
	if err != nil {
		return err
	}
	return answer(w, "Here are your data.", showContact(&c, &l))
}

func (s *server) changeContact(w http.ResponseWriter, r *http.Request) error {
	l, c, err := s.member(r)
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[contactRequest](r)
	if err != nil {
		return err
	}
	e, err := in.edit(api.CallerOf(r).Account.Region)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		c, err = s.core.Contacts.Change(tx, l.Account, c.ID, e)
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("Contact #%d has been updated successfully.", c.Number), showContact(&c, &l))
}

func (s *server) deleteContact(w http.ResponseWriter, r *http.Request) error {
	l, c, err := s.member(r)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) error {
		n, err := s.core.Contacts.Take(tx, l.Account, l.ID, []contact.ID{c.ID})
		if err == nil && n == 0 {
			err = unknownContact()
		}
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("Contact #%d has been deleted.", c.Number), []string{})
}

func (s *server) copyContact(w http.ResponseWriter, r *http.Request) error {
	return s.give(w, r, "copied", func(tx *store.Tx, _, to contact.List, c contact.Contact) error {
		_, err := s.core.Contacts.Put(tx, to.Account, to.ID, []contact.ID{c.ID})
		return err
	})
}

func (s *server) transferContact(w http.ResponseWriter, r *http.Request) error {
	return s.give(w, r, "transferred", func(tx *store.Tx, from, to contact.List, c contact.Contact) error {
		_, err := s.core.Contacts.Transfer(tx, to.Account, from.ID, to.ID, []contact.ID{c.ID})
		return err
	})
}

// give gives a contact to another list, and shows it there.
func (s *server) give(w http.ResponseWriter, r *http.Request, how string, change func(tx *store.Tx, from, to contact.List, c contact.Contact) error) error {
	from, c, err := s.member(r)
	if err != nil {
		return err
	}
	to, err := s.list(r, "to_list_id")
	if err != nil {
		return err
	}
	if err := s.core.Store.Write(func(tx *store.Tx) error { return change(tx, from, to, c) }); err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("Contact #%d has been %s to List #%d", c.Number, how, to.Number), showContact(&c, &to))
}
