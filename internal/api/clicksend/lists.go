package clicksend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/store"
)

// listOperations are about contact lists as a whole.
func (s *server) listOperations() []api.Operation {
	example := listView{ID: 439, Name: "Friends", EmailID: "0198C8F0000000A1", Contacts: 2}
	read := func(h api.Handler) api.Handler {
		return s.guarded(account.MessagesRead, h)
	}
	write := func(h api.Handler) api.Handler {
		return s.guarded(account.MessagesSend, h)
	}
	return []api.Operation{
		{
			Pattern: "GET /v3/lists", ID: "readLists", Summary: "List the contact lists", Query: searchQuery{}, Handler: read(s.readLists),
			Replies: []api.Example{done("Here are your data.", widePage[listView]{page: page[listView]{Data: []listView{example}}})},
		},
		{
			Pattern: "POST /v3/lists", ID: "createList", Summary: "Make a contact list", Sends: true, Body: listRequest{}, Example: listRequest{Name: "Friends"},
			Handler: write(s.createList), Replies: []api.Example{done("New list has been created.", example)},
		},
		{
			Pattern: "GET /v3/lists/{list_id}", ID: "readList", Summary: "Read a contact list", Handler: read(s.readList),
			Replies: []api.Example{done("Here are your data.", example)},
		},
		{
			Pattern: "PUT /v3/lists/{list_id}", ID: "renameList", Summary: "Rename a contact list", Body: listRequest{}, Example: listRequest{Name: "Friends"},
			Handler: write(s.renameList), Replies: []api.Example{done("List #439 has been updated.", example)},
		},
		{
			Pattern: "DELETE /v3/lists/{list_id}", ID: "deleteList", Summary: "Delete a contact list; the people stay", Handler: write(s.deleteList),
			Replies: []api.Example{done("List #439 has been deleted.", []string{})},
		},
		{
			Pattern: "PUT /v3/lists/{list_id}/remove-duplicates", ID: "removeDuplicates", Summary: "Take those out of a list who are like another member in all of the fields",
			Body: duplicatesRequest{}, Example: duplicatesRequest{Fields: fieldNames{"first_name", "last_name"}},
			Handler: write(s.removeDuplicates), Replies: []api.Example{done("Your list duplicate contacts has been deleted.", deleted{6})},
		},
		{
			Pattern: "PUT /v3/lists/{list_id}/remove-opted-out-contacts/{opt_out_list_id}", ID: "removeOptedOut",
			Summary: "Take those out of a list who are in another one, and those who do not want messages",
			Handler: write(s.removeOptedOut), Replies: []api.Example{done("Optout contacts has been deleted.", deleted{6})},
		},
		{
			Pattern: "GET /v3/lists/{list_id}/import-fields", ID: "readImportFields", Summary: "List what the columns of an imported file may be", Handler: read(s.readImportFields),
			Replies: []api.Example{done("List of acceptable import fields.", importFields())},
		},
		{
			Pattern: "POST /v3/lists/{list_id}/import", ID: "importContacts", Summary: "Have a file of contacts fetched into a list", Sends: true, Body: importRequest{},
			Example: importRequest{URL: "https://example.com/people.csv", Order: fieldNames{"phone", "first_name", "last_name"}},
			Handler: write(s.importContacts), Replies: []api.Example{done("Your file is now queued.", queuedImport{"Messages put on queue.", []string{"112598"}, "112598"})},
		},
	}
}

type (
	listRequest struct {
		Name api.Text `json:"list_name"`
	}
	duplicatesRequest struct {
		Fields fieldNames `json:"fields" doc:"What is compared."`
	}
	importRequest struct {
		URL   api.Text   `json:"file_url" doc:"Of a CSV file in UTF-8."`
		Order fieldNames `json:"field_order" doc:"What its columns are."`
	}
	deleted struct {
		Deleted int `json:"deleted"`
	}
	queuedImport struct {
		Message string   `json:"msg"`
		IDs     []string `json:"ids" nullable:"false"`
		ID      string   `json:"id"`
	}
	importField struct {
		Field string `json:"field"`
		Label string `json:"label"`
	}
)

// fieldNames are names of fields: a list of them, the values of an object, or a text with commas between.
type fieldNames []string

// UnmarshalJSON implements json.Unmarshaler.
func (f *fieldNames) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*f = nil
		for name := range strings.SplitSeq(strings.Trim(one, "[] "), ",") {
			if name = strings.Trim(name, "\" "); name != "" || one != "" {
				*f = append(*f, name)
			}
		}
		return nil
	}
	if json.Unmarshal(data, (*[]string)(f)) == nil {
		return nil
	}
	// The typed clients' object: its values in the order of their keys, or its keys where they are no places.
	var object map[string]any
	if json.Unmarshal(data, &object) != nil {
		return fault.New(fault.InvalidField, "a list of names of fields belongs here")
	}
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		n, _ := strconv.Atoi(a)
		m, _ := strconv.Atoi(b)
		return cmp.Or(cmp.Compare(n, m), strings.Compare(a, b))
	})
	*f = nil
	for _, key := range keys {
		name, text := object[key].(string)
		if _, err := strconv.Atoi(key); err != nil || !text {
			name = key
		}
		*f = append(*f, name)
	}
	return nil
}

// Schema implements huma.SchemaProvider.
func (fieldNames) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeArray, Items: text}, {Type: huma.TypeObject, AdditionalProperties: true}, text}}
}

// listView is a contact list as the surface shows it.
type listView struct {
	ID       int32  `json:"list_id"`
	Name     string `json:"list_name"`
	EmailID  string `json:"list_email_id" doc:"Names the list; no mail is taken for it."`
	Contacts int    `json:"_contacts_count"`
	Import   int    `json:"_import_in_progress"`
	OptOut   int    `json:"_optout_in_progress"`
}

func showList(l *contact.List, busy bool) listView {
	return listView{ID: l.Number, Name: l.Name, EmailID: fmt.Sprintf("%016X", int64(l.ID)), Contacts: l.Members, Import: flag(busy)}
}

// flag is yes or no as the surface writes it.
func flag(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// lists is by what lists are searched and sorted.
var lists = table[listView]{
	{Name: "list_id", Value: func(l *listView) string { return strconv.Itoa(int(l.ID)) }, Whole: true, Number: true},
	{Name: "list_name", Value: func(l *listView) string { return l.Name }},
	{Name: "_contacts_count", Value: func(l *listView) string { return strconv.Itoa(l.Contacts) }, Whole: true, Number: true},
}

// pathNumber is a small number in the path; 0 for what is none.
func pathNumber(r *http.Request, name string) int {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}

// list is the caller's list whose number is in the path.
func (s *server) list(r *http.Request, name string) (contact.List, error) {
	l, err := s.core.Contacts.ListNumbered(r.Context(), api.CallerOf(r).Account.ID, pathNumber(r, name))
	if fault.Is(err, fault.NotHere) {
		return l, unknownList()
	}
	return l, err
}

// views are all lists of the caller.
func (s *server) views(r *http.Request) ([]listView, error) {
	a := api.CallerOf(r).Account.ID
	all, err := s.core.Contacts.AllLists(r.Context(), a)
	if err != nil {
		return nil, err
	}
	busy, err := s.core.Intake.Busy(r.Context(), a)
	if err != nil {
		return nil, err
	}
	rows := make([]listView, len(all))
	for i := range all {
		rows[i] = showList(&all[i], busy[all[i].ID])
	}
	return rows, nil
}

func (s *server) readLists(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.views(r)
	if err != nil {
		return err
	}
	if rows, err = lists.Choose(r, rows); err != nil {
		return err
	}
	p := s.paging(r)
	return answer(w, "Here are your data.", newWidePage(p, len(rows), piece(p, rows)))
}

func (s *server) createList(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[listRequest](r)
	if err != nil {
		return err
	}
	if in.Name == "" {
		return required("list_name")
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		l, err := s.core.Contacts.CreateList(tx, c.By, c.Account.ID, strings.TrimSpace(string(in.Name)))
		return success("New list has been created.", showList(&l, false)), err
	})
}

// required is the fault of a field that must be there.
func required(field string) error {
	return fault.New(fault.MissingField, "the field %s is required", field).In(field)
}

// showOne answers with a list.
func (s *server) showOne(w http.ResponseWriter, r *http.Request, said string, l *contact.List) error {
	busy, err := s.core.Intake.Busy(r.Context(), l.Account)
	if err != nil {
		return err
	}
	return answer(w, said, showList(l, busy[l.ID]))
}

func (s *server) readList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	return s.showOne(w, r, "Here are your data.", &l)
}

func (s *server) renameList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[listRequest](r)
	if err != nil {
		return err
	}
	if in.Name == "" {
		return required("list_name")
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		l, err = s.core.Contacts.RenameList(tx, api.CallerOf(r).By, l.Account, l.ID, strings.TrimSpace(string(in.Name)))
		return err
	})
	if err != nil {
		return err
	}
	return s.showOne(w, r, fmt.Sprintf("List #%d has been updated.", l.Number), &l)
}

func (s *server) deleteList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Contacts.DropList(tx, api.CallerOf(r).By, l.Account, l.ID) })
	if err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("List #%d has been deleted.", l.Number), []string{})
}

// fieldOf is a field as the core calls it; it goes by other names in requests, and by others again in files.
func fieldOf(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if digit, ok := strings.CutPrefix(name, "custom"); ok && len(digit) == 1 {
		return "custom_" + digit
	}
	if name == "phone_number" {
		return "phone"
	}
	return name
}

func (f fieldNames) known() []string {
	fields := make([]string, len(f))
	for i, name := range f {
		fields[i] = fieldOf(name)
	}
	return fields
}

func (s *server) removeDuplicates(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[duplicatesRequest](r)
	if err != nil {
		return err
	}
	who, err := s.core.Contacts.Alike(r.Context(), l.ID, in.Fields.known())
	if err != nil {
		return err
	}
	var n int
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		n, err = s.core.Contacts.Take(tx, l.Account, l.ID, who)
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, "Your list duplicate contacts has been deleted.", deleted{n})
}

func (s *server) removeOptedOut(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	other, err := s.list(r, "opt_out_list_id")
	if err != nil {
		return err
	}
	var listed, out int
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		if listed, err = s.core.Contacts.Subtract(tx, l.Account, l.ID, other.ID); err == nil {
			out, err = s.core.Gateway.RemoveOptedOut(tx, l.Account, l.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, "Optout contacts has been deleted.", deleted{listed + out})
}

// importFields are what the columns of a file may be, by the names that they have there.
func importFields() (list []importField) {
	for _, f := range []string{
		"phone", "first_name", "last_name", "custom1", "custom2", "custom3", "custom4", contact.FaxNumber, contact.Organization, "email",
		contact.AddressLine1, contact.AddressLine2, contact.City, contact.State, contact.PostalCode, contact.Country,
	} {
		list = append(list, importField{f, labels[f]})
	}
	return list
}

var labels = map[string]string{
	"phone": "Phone", "first_name": "First Name", "last_name": "Last Name", "custom1": "Custom String 1", "custom2": "Custom String 2",
	"custom3": "Custom String 3", "custom4": "Custom String 4", contact.FaxNumber: "Fax Number", contact.Organization: "Organization Name", "email": "Email",
	contact.AddressLine1: "Address Line 1", contact.AddressLine2: "Address Line 2", contact.City: "City", contact.State: "State",
	contact.PostalCode: "Postal Code", contact.Country: "Country",
}

func (s *server) readImportFields(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.list(r, "list_id"); err != nil {
		return err
	}
	return answer(w, "List of acceptable import fields.", importFields())
}

// importContacts has a file fetched. A column without a name is left alone.
func (s *server) importContacts(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r, "list_id")
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[importRequest](r)
	if err != nil {
		return err
	}
	fields := in.Order.known()
	for i, f := range fields {
		if f == "" {
			fields[i] = intake.Skip
		}
	}
	if err := s.core.Intake.Check(r.Context(), string(in.URL), fields); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		f, err := s.core.Intake.Start(tx, api.CallerOf(r).By, l.Account, l, string(in.URL), fields)
		id := strconv.FormatInt(int64(f.ID), 10)
		return success("Your file is now queued.", queuedImport{"Messages put on queue.", []string{id}, id}), err
	})
}
