package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) listOperations() []operation {
	return []operation{
		op[input[listRequest], output[ListReply]]("POST /lists", account.MessagesSend, "createList", "Make a list of contacts", s.createList).answers(201).once(),
		op[PageInput, output[page[ListReply]]]("GET /lists", account.MessagesRead, "listLists", "List the lists of contacts", s.listLists),
		op[IDInput, output[ListReply]]("GET /lists/{id}", account.MessagesRead, "getList", "Read a list", s.getList),
		op[listChangeInput, output[ListReply]]("PATCH /lists/{id}", account.MessagesSend, "renameList", "Rename a list", s.renameList),
		op[IDInput, nothing]("DELETE /lists/{id}", account.Admin, "deleteList", "Delete a list; its contacts stay", s.deleteList).answers(204),
		op[membersInput, output[addedReply]]("POST /lists/{id}/contacts", account.MessagesSend, "addToList", "Put up to 1,000 contacts into a list", s.addToList).large().once(),
		op[memberInput, nothing]("DELETE /lists/{id}/contacts/{contact_id}", account.MessagesSend, "removeFromList", "Take a contact out of a list", s.removeFromList).answers(204),
		op[transferInput, output[movedReply]]("POST /lists/{id}/transfer", account.MessagesSend, "transferToList", "Move contacts from a list to another", s.transferToList).large().once(),
		op[dedupeInput, output[removedReply]]("POST /lists/{id}/deduplicate", account.MessagesSend, "deduplicateList", "Take those out of a list who are like another member", s.deduplicateList).once(),
		op[subtractInput, output[removedReply]]("POST /lists/{id}/subtract", account.MessagesSend, "subtractList", "Take those out of a list who are in another one", s.subtractList).once(),
		op[IDInput, output[removedReply]]("POST /lists/{id}/remove-opted-out", account.MessagesSend, "removeOptedOut", "Take those out of a list who do not want messages", s.removeOptedOut).once(),
	}
}

// listRequest names a list.
type listRequest struct {
	Name string `json:"name" maxLength:"200" doc:"No other list of the account has it, whatever its capitals." example:"Newsletter"`
}

type listChangeInput struct {
	IDInput
	Body listRequest
}

// membersRequest names contacts.
type membersRequest struct {
	Contacts []string `json:"contacts" minItems:"1" maxItems:"1000" nullable:"false" doc:"Ids of contacts."`
}

type membersInput struct {
	IDInput
	Body membersRequest
}

type memberInput struct {
	IDInput
	Contact string `path:"contact_id" format:"uuid"`
}

// transferRequest names contacts and where they go.
type transferRequest struct {
	To       string   `json:"to" format:"uuid" doc:"The other list."`
	Contacts []string `json:"contacts" minItems:"1" maxItems:"1000" nullable:"false" doc:"Ids of contacts of this list; who is not in it stays where they are."`
}

type transferInput struct {
	IDInput
	Body transferRequest
}

// dedupeRequest says what is compared. A phone tells two contacts apart by itself.
type dedupeRequest struct {
	By []string `json:"by" minItems:"1" nullable:"false" enum:"name,email,phone,first_name,last_name,custom_1,custom_2,custom_3,custom_4,fax_number,organization_name,address_line_1,address_line_2,address_city,address_state,address_postal_code,address_country" doc:"Who has all of these as another member has them is taken out; the contact known for longest stays."`
}

type dedupeInput struct {
	IDInput
	Body dedupeRequest
}

// subtractRequest names the other list.
type subtractRequest struct {
	List string `json:"list" format:"uuid" doc:"The other list, which stays as it is."`
}

type subtractInput struct {
	IDInput
	Body subtractRequest
}

// ListReply is a list of contacts.
type ListReply struct {
	ID        string `json:"id" format:"uuid"`
	Number    int32  `json:"number" doc:"Never given twice in the account."`
	Name      string `json:"name"`
	Contacts  int    `json:"contacts" doc:"How many it has."`
	CreatedAt string `json:"created_at" format:"date-time"`
	UpdatedAt string `json:"updated_at" format:"date-time"`
}

type (
	addedReply struct {
		Added int `json:"added"`
	}
	movedReply struct {
		Moved int `json:"moved"`
	}
	removedReply struct {
		Removed int `json:"removed"`
	}
)

func showList(l *contact.List) ListReply {
	return ListReply{l.ID.String(), l.Number, l.Name, l.Members, showTime(l.ID.Time()), showTime(l.Updated)}
}

// list is the list of the path.
func (s *server) list(r *http.Request) (contact.List, error) {
	at, err := pathID[contact.List](r, "id")
	if err != nil {
		return contact.List{}, err
	}
	return s.core.Contacts.GetList(r.Context(), api.CallerOf(r).Account.ID, at)
}

// createList makes a list.
func (s *server) createList(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[listRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		l, err := s.core.Contacts.CreateList(tx, c.By, c.Account.ID, in.Name)
		return showList(&l), err
	})
}

// listLists lists the account's lists, newest first.
func (s *server) listLists(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "lists", func(after int64, limit int) ([]contact.List, error) {
		return s.core.Contacts.Lists(r.Context(), a, contact.ListID(after), limit)
	}, func(l *contact.List) (ListReply, int64) { return showList(l), int64(l.ID) })
}

// getList reads one list.
func (s *server) getList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showList(&l))
}

// renameList gives a list another name.
func (s *server) renameList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[listRequest](r)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		l, err = s.core.Contacts.RenameList(tx, api.CallerOf(r).By, l.Account, l.ID, in.Name)
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showList(&l))
}

// deleteList deletes a list.
func (s *server) deleteList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Contacts.DropList(tx, api.CallerOf(r).By, l.Account, l.ID) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readMembers reads ids of contacts.
func readMembers(ids []string) ([]message.ContactID, error) {
	switch {
	case len(ids) == 0:
		return nil, fault.New(fault.MissingField, "there are no contacts").In("contacts")
	case len(ids) > maxImport:
		return nil, fault.New(fault.TooManyItems, "%d contacts; at most %d in one request", len(ids), maxImport).In("contacts")
	}
	return readIDs[message.Contact](ids, "contacts")
}

// addToList puts contacts into a list.
func (s *server) addToList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[membersRequest](r)
	if err != nil {
		return err
	}
	who, err := readMembers(in.Contacts)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		n, err := s.core.Contacts.Put(tx, l.Account, l.ID, who)
		return addedReply{n}, err
	})
}

// removeFromList takes a contact out of a list.
func (s *server) removeFromList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	who, err := pathID[message.Contact](r, "contact_id")
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) error {
		n, err := s.core.Contacts.Take(tx, l.Account, l.ID, []message.ContactID{who})
		if err == nil && n == 0 {
			err = fault.New(fault.NotHere, "the list has no contact %s", who)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// transferToList moves contacts.
func (s *server) transferToList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[transferRequest](r)
	if err != nil {
		return err
	}
	who, err := readMembers(in.Contacts)
	if err != nil {
		return err
	}
	to, err := id.Parse[contact.List](in.To)
	if err != nil {
		return fault.New(fault.NotHere, "there is no such list").In("to")
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		n, err := s.core.Contacts.Transfer(tx, l.Account, l.ID, to, who)
		return movedReply{n}, err
	})
}

// deduplicateList takes duplicates out of a list.
func (s *server) deduplicateList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[dedupeRequest](r)
	if err != nil {
		return err
	}
	who, err := s.core.Contacts.Alike(r.Context(), l.ID, in.By)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		n, err := s.core.Contacts.Take(tx, l.Account, l.ID, who)
		return removedReply{n}, err
	})
}

// subtractList takes those out of a list who are in another one.
func (s *server) subtractList(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[subtractRequest](r)
	if err != nil {
		return err
	}
	if in.List == "" {
		return fault.New(fault.MissingField, "another list is named").In("list")
	}
	other, err := id.Parse[contact.List](in.List)
	if err != nil {
		return fault.New(fault.NotHere, "there is no such list").In("list")
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		n, err := s.core.Contacts.Subtract(tx, l.Account, l.ID, other)
		return removedReply{n}, err
	})
}

// removeOptedOut takes those out of a list who do not want messages.
func (s *server) removeOptedOut(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		n, err := s.core.Gateway.RemoveOptedOut(tx, l.Account, l.ID)
		return removedReply{n}, err
	})
}
