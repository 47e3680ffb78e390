package native

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) contactOperations() []operation {
	return []operation{
		op[input[contactRequest], output[ContactReply]]("POST /contacts", account.MessagesSend, "createContact", "Add a contact", s.createContact).answers(201).once(),
		op[contactsInput, output[page[ContactReply]]]("GET /contacts", account.MessagesRead, "listContacts", "List contacts, or search them", s.listContacts),
		op[input[importRequest], output[importReply]]("POST /contacts/import", account.MessagesSend, "importContacts", "Add or change up to 1,000 contacts, and put them into a list", s.importContacts).answers(201).large().once(),
		op[IDInput, output[wholeContact]]("GET /contacts/{id}", account.MessagesRead, "getContact", "Read a contact with its lists", s.getContact),
		op[changeContactInput, output[ContactReply]]("PATCH /contacts/{id}", account.MessagesSend, "changeContact", "Change a contact", s.changeContact),
		op[IDInput, nothing]("DELETE /contacts/{id}", account.Admin, "deleteContact", "Delete a contact and its conversations; messages stay", s.deleteContact).answers(204),
		op[mergeInput, output[ContactReply]]("POST /contacts/{id}/merge", account.Admin, "mergeContacts", "Make one contact of two", s.mergeContacts).once(),
	}
}

const (
	maxImport = 1000 // contacts in one request
)

// attributes is what an account notes about a contact.
type attributes struct{ json.RawMessage }

// Schema documents attributes.
func (attributes) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Any JSON object; 16 KB of all attributes together. In a change each stands by itself, and null takes one away. These mean the same on every surface and are one line of text: first_name and last_name (which together are the name), custom_1 to custom_4, fax_number, organization_name, address_line_1, address_line_2, address_city, address_state, address_postal_code, address_country.", Examples: []any{map[string]any{"city": "Nairobi"}}}
}

// all is each attribute by itself.
func (a attributes) all() (all map[string]json.RawMessage, err error) {
	if len(a.RawMessage) == 0 || string(a.RawMessage) == "null" {
		return nil, nil
	}
	if json.Unmarshal(a.RawMessage, &all) != nil {
		return nil, fault.New(fault.InvalidField, "attributes are a JSON object").In("attributes")
	}
	return all, nil
}

// contactRequest is what an account writes about a contact.
type contactRequest struct {
	Phone      *string    `json:"phone,omitempty" doc:"As +E.164, or in the national form of the account's region; empty: none." example:"+254701234567"`
	LID        *string    `json:"lid,omitempty" doc:"WhatsApp's linked id." example:"88012345678901"`
	BSUID      *string    `json:"bsuid,omitempty" doc:"WhatsApp's business-scoped id; those of other portfolios are lost by a change." example:"KE.1234567890"`
	UserName   *string    `json:"username,omitempty" example:"ann.wanjiru"`
	Name       *string    `json:"name,omitempty" doc:"At most 200 characters." example:"Ann Wanjiru"`
	Email      *string    `json:"email,omitempty" example:"ann@example.com"`
	Tags       *[]string  `json:"tags,omitempty" maxItems:"50" doc:"In place of all tags; an import adds them."`
	Attributes attributes `json:"attributes,omitempty"`
}

// edit reads the request.
func (in *contactRequest) edit(region string) (e contact.Edit, err error) {
	e = contact.Edit{UserName: in.UserName, Name: in.Name, Email: in.Email, Tags: in.Tags}
	if in.Phone != nil {
		e.Phone = &message.Address{}
		if *in.Phone != "" {
			if *e.Phone, err = message.ParsePhone(*in.Phone, region); err != nil {
				return e, fault.Of(err).In("phone")
			}
		}
	}
	e.LID, e.BSUID = inKind(in.LID, message.LID), inKind(in.BSUID, message.BSUID)
	if e.Attributes, err = in.Attributes.all(); err == nil {
		err = e.Check()
	}
	return e, err
}

func inKind(text *string, kind message.AddressKind) *message.Address {
	if text == nil {
		return nil
	}
	return &message.Address{Kind: kind, Value: *text}
}

type changeContactInput struct {
	IDInput
	Body contactRequest
}

// contactsInput documents the list of contacts.
type contactsInput struct {
	PageInput
	Q    string `query:"q" maxLength:"200" doc:"What a name, a word of it, the email, the phone or the user name begins with. At most one of q, tag and list."`
	Tag  string `query:"tag" doc:"Only contacts with this tag."`
	List string `query:"list" format:"uuid" doc:"Only contacts in this list."`
}

// mergeRequest names another contact.
type mergeRequest struct {
	Contact string `json:"contact" format:"uuid" doc:"The other contact. The one known for longer stays."`
}

type mergeInput struct {
	IDInput
	Body mergeRequest
}

// importRequest is contacts to add or to change.
type importRequest struct {
	Contacts []contactRequest `json:"contacts" minItems:"1" maxItems:"1000" nullable:"false"`
	List     string           `json:"list,omitempty" format:"uuid" doc:"Where to put them all."`
}

// importReply tells what became of each row, in order.
type importReply struct {
	Results []importResult `json:"results" nullable:"false"`
	Created int            `json:"created"`
	Changed int            `json:"changed"`
	Listed  int            `json:"listed" doc:"How many are new in the list."`
}

// importResult has an id or an error.
type importResult struct {
	Contact string   `json:"contact,omitempty" format:"uuid"`
	Created bool     `json:"created"`
	Error   *problem `json:"error,omitempty"`
}

// ContactReply is a contact.
type ContactReply struct {
	ID          string     `json:"id" format:"uuid"`
	Number      int32      `json:"number" doc:"Never given twice in the account."`
	Phone       string     `json:"phone"`
	LID         string     `json:"lid"`
	BSUIDs      []string   `json:"bsuids" nullable:"false" doc:"One for each business portfolio."`
	UserName    string     `json:"username"`
	Name        string     `json:"name" doc:"As the account calls them."`
	DisplayName string     `json:"display_name" doc:"The name; without one that of a device's address book, of the business, or as they call themselves."`
	PushName    string     `json:"push_name"`
	Email       string     `json:"email"`
	Tags        []string   `json:"tags" nullable:"false"`
	Attributes  attributes `json:"attributes"`
	OptedOut    bool       `json:"opted_out"`
	Source      string     `json:"source" enum:"message,inbound,network,api,import" doc:"How they came to be known."`
	CreatedAt   string     `json:"created_at" format:"date-time"`
	UpdatedAt   string     `json:"updated_at" format:"date-time"`
}

// wholeContact is a contact with where else it is.
type wholeContact struct {
	ContactReply
	Lists         []ListReply         `json:"lists" nullable:"false"`
	Conversations []ConversationReply `json:"conversations" nullable:"false"`
	Merged        []mergedReply       `json:"merged" nullable:"false" doc:"Contacts that turned out to be this one. Their ids still lead here."`
}

// mergedReply is a contact that is another one now.
type mergedReply struct {
	ID      string     `json:"id" format:"uuid"`
	Number  int32      `json:"number"`
	Remains attributes `json:"remains" doc:"What it said otherwise: name, email, addresses, attributes."`
	At      string     `json:"merged_at" format:"date-time"`
}

func showContact(c *contact.Contact, out bool) ContactReply {
	reply := ContactReply{
		ID: c.ID.String(), Number: c.Number, Phone: c.Address(message.Phone).Value, LID: c.Address(message.LID).Value, BSUIDs: []string{},
		UserName: c.Address(message.User).Value, Name: c.Name, DisplayName: c.Display(), PushName: c.PushName, Email: c.Email, Tags: c.Tags,
		Attributes: attributes{c.Attributes}, OptedOut: out, Source: string(c.Source), CreatedAt: showTime(c.ID.Time()), UpdatedAt: showTime(c.Updated),
	}
	for _, a := range c.Addresses {
		if a.Kind == message.BSUID {
			reply.BSUIDs = append(reply.BSUIDs, a.Value)
		}
	}
	if reply.Tags == nil {
		reply.Tags = []string{}
	}
	if len(c.Attributes) == 0 {
		reply.Attributes.RawMessage = emptyObject
	}
	return reply
}

// show is a contact with whether it opted out.
func (s *server) showContact(r *http.Request, c *contact.Contact) (ContactReply, error) {
	out, err := s.core.Gateway.OptedOut(r.Context(), c.Account, []contact.Contact{*c})
	return showContact(c, out[c.ID]), err
}

// contact is the contact of the path.
func (s *server) contact(r *http.Request) (contact.Contact, error) {
	at, err := pathID[message.Contact](r, "id")
	if err != nil {
		return contact.Contact{}, err
	}
	c, ok, err := s.core.Contacts.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no contact %s", at)
	}
	return c, err
}

// createContact adds a contact.
func (s *server) createContact(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[contactRequest](r)
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	e, err := in.edit(a.Region)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		c, err := s.core.Contacts.Create(tx, a.ID, e)
		if err != nil {
			return nil, err
		}
		return s.showContact(r, &c)
	})
}

// listContacts lists the account's contacts.
func (s *server) listContacts(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	q := queryOf(r)
	q.oneOf("q", "tag", "list")
	f := contact.Filter{Query: q.Get("q"), Tag: q.Get("tag"), List: queryID[contact.List](q, "list")}
	if len([]rune(f.Query)) > maxNote {
		q.wrong("q", "at most %d characters are searched for", maxNote)
	}
	if q.err != nil {
		return q.err
	}
	if f.List != 0 {
		if _, err := s.core.Contacts.GetList(r.Context(), a, f.List); err != nil {
			return err
		}
	}
	var out map[message.ContactID]bool
	name := fmt.Sprint("contacts ", f.Query, "\n", f.Tag, "\n", f.List)
	return walk(s, w, r, name, func(after string, limit int) (list []contact.Contact, next string, err error) {
		if list, next, err = s.core.Contacts.List(r.Context(), a, f, after, limit); err == nil {
			out, err = s.core.Gateway.OptedOut(r.Context(), a, list)
		}
		return list, next, err
	}, func(c *contact.Contact) ContactReply { return showContact(c, out[c.ID]) })
}

// getContact reads one contact with all that leads on from it.
func (s *server) getContact(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contact(r)
	if err != nil {
		return err
	}
	whole := wholeContact{Lists: []ListReply{}, Conversations: []ConversationReply{}, Merged: []mergedReply{}}
	if whole.ContactReply, err = s.showContact(r, &c); err != nil {
		return err
	}
	lists, err := s.core.Contacts.ListsWith(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for i := range lists {
		whole.Lists = append(whole.Lists, showList(&lists[i]))
	}
	talks, err := s.core.Conversations.With(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for i := range talks {
		whole.Conversations = append(whole.Conversations, showConversation(&talks[i]))
	}
	merged, err := s.core.Contacts.Merged(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for _, m := range merged {
		whole.Merged = append(whole.Merged, mergedReply{m.ID.String(), m.Number, attributes{m.Remains}, showTime(m.At)})
	}
	return api.Reply(w, http.StatusOK, whole)
}

// changeContact changes what the request names.
func (s *server) changeContact(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contact(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[contactRequest](r)
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	e, err := in.edit(a.Region)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		c, err = s.core.Contacts.Change(tx, a.ID, c.ID, e)
		return err
	})
	if err != nil {
		return err
	}
	reply, err := s.showContact(r, &c)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, reply)
}

// deleteContact deletes a contact.
func (s *server) deleteContact(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contact(r)
	if err != nil {
		return err
	}
	by := api.CallerOf(r).By
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Gateway.DeleteContact(tx, by, c.Account, c.ID) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// mergeContacts makes one contact of two.
func (s *server) mergeContacts(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contact(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[mergeRequest](r)
	if err != nil {
		return err
	}
	if in.Contact == "" {
		return fault.New(fault.MissingField, "two contacts are merged").In("contact")
	}
	other, err := id.Parse[message.Contact](in.Contact)
	if err != nil {
		return fault.New(fault.NotHere, "there is no such contact").In("contact")
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		one, err := s.core.Contacts.Merge(tx, api.CallerOf(r).By, c.Account, c.ID, other)
		if err != nil {
			return nil, err
		}
		return s.showContact(r, &one)
	})
}

// importContacts adds or changes contacts. Each row stands alone.
func (s *server) importContacts(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[importRequest](r)
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	switch {
	case len(in.Contacts) == 0:
		return fault.New(fault.MissingField, "there are no contacts").In("contacts")
	case len(in.Contacts) > maxImport:
		return fault.New(fault.TooManyItems, "%d contacts; at most %d in one request", len(in.Contacts), maxImport).In("contacts")
	}
	var into contact.ListID
	if in.List != "" {
		if into, err = id.Parse[contact.List](in.List); err != nil {
			return fault.New(fault.NotHere, "there is no such list").In("list")
		}
	}
	reply := importReply{Results: make([]importResult, len(in.Contacts))}
	wrong := func(i int, f *fault.Fault) {
		at := *f
		p := newProblem(s.kit, at.In(fmt.Sprintf("contacts[%d].%s", i, at.Field)))
		reply.Results[i] = importResult{Error: &p}
	}
	var edits []contact.Edit
	var of []int
	for i := range in.Contacts {
		e, err := in.Contacts[i].edit(a.Region)
		if f := fault.Of(err); f != nil {
			wrong(i, f)
			continue
		}
		edits, of = append(edits, e), append(of, i)
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		done, err := s.core.Contacts.Import(tx, api.CallerOf(r).By, a.ID, edits)
		if err != nil {
			return nil, err
		}
		reply.Created, reply.Changed = 0, 0
		var who []message.ContactID
		for n, i := range of {
			if done[n].Fault != nil {
				wrong(i, done[n].Fault)
				continue
			}
			who = append(who, done[n].ID)
			reply.Results[i] = importResult{Contact: done[n].ID.String(), Created: done[n].New}
			if done[n].New {
				reply.Created++
			} else {
				reply.Changed++
			}
		}
		if into != 0 {
			reply.Listed, err = s.core.Contacts.Put(tx, a.ID, into, who)
		}
		return reply, err
	})
}
