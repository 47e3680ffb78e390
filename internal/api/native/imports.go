package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/store"
)

func (s *server) importOperations() []operation {
	return []operation{
		op[fileImportInput, output[FileImportReply]]("POST /lists/{id}/import", account.MessagesSend, "importFile", "Have a file of contacts fetched into a list", s.importFile).answers(202).once(),
		op[PageInput, output[page[FileImportReply]]]("GET /imports", account.MessagesRead, "listImports", "List the files of contacts that are fetched, or were", s.listImports),
		op[IDInput, output[FileImportReply]]("GET /imports/{id}", account.MessagesRead, "getImport", "Tell how far a file is", s.getImport),
		op[refusedInput, output[page[refusedReply]]]("GET /imports/{id}/refused", account.MessagesRead, "listRefused", "List the rows of a file that are no contact", s.listRefused),
	}
}

// fileImportRequest says where a file is, and what is in it.
type fileImportRequest struct {
	URL    string   `json:"url" format:"uri" doc:"Of a CSV file in UTF-8, which anybody can read who has the address." example:"https://example.com/people.csv"`
	Fields []string `json:"fields" minItems:"1" nullable:"false" enum:"-,phone,email,name,first_name,last_name,custom_1,custom_2,custom_3,custom_4,fax_number,organization_name,address_line_1,address_line_2,address_city,address_state,address_postal_code,address_country" doc:"What its columns are, in order; - is left alone. A first row that says the same is no contact." example:"[\"phone\",\"first_name\"]"`
}

type fileImportInput struct {
	IDInput
	Body fileImportRequest
}

type refusedInput struct {
	IDInput
	PageInput
}

// FileImportReply is how far a file is.
type FileImportReply struct {
	ID        string   `json:"id" format:"uuid"`
	List      string   `json:"list" format:"uuid"`
	Status    string   `json:"status" enum:"running,done,failed"`
	Rows      int      `json:"rows" doc:"How many were looked at: those that were created, changed and refused together."`
	Created   int      `json:"created"`
	Changed   int      `json:"changed"`
	Refused   int      `json:"refused"`
	Listed    int      `json:"listed" doc:"How many are new in the list."`
	Error     *problem `json:"error,omitempty" doc:"Why it failed. What was done until then stays."`
	CreatedAt string   `json:"created_at" format:"date-time"`
	EndedAt   string   `json:"ended_at,omitempty" format:"date-time"`
	ExpiresAt string   `json:"expires_at" format:"date-time" doc:"When this is deleted. The contacts stay."`
}

// refusedReply is a row that is no contact.
type refusedReply struct {
	Line  int     `json:"line" doc:"Where the row begins in the file, from 1."`
	Error problem `json:"error"`
}

func (s *server) showImport(f *intake.File) FileImportReply {
	reply := FileImportReply{
		ID: f.ID.String(), List: f.List.String(), Status: string(f.State), Rows: f.Rows, Created: f.Created, Changed: f.Changed, Refused: f.Refused,
		Listed: f.Listed, CreatedAt: showTime(f.ID.Time()), ExpiresAt: showTime(f.Expires),
	}
	if !f.Ended.IsZero() {
		reply.EndedAt = showTime(f.Ended)
	}
	if f.Problem != "" {
		p := newProblem(s.kit, fault.New(f.Problem, "%s", f.Detail))
		reply.Error = &p
	}
	return reply
}

// importFile has a file fetched.
func (s *server) importFile(w http.ResponseWriter, r *http.Request) error {
	l, err := s.list(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[fileImportRequest](r)
	if err != nil {
		return err
	}
	if err := s.core.Intake.Check(r.Context(), in.URL, in.Fields); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusAccepted, func(tx *store.Tx) (any, error) {
		f, err := s.core.Intake.Start(tx, api.CallerOf(r).By, l.Account, l, in.URL, in.Fields)
		return s.showImport(&f), err
	})
}

// listImports lists the account's files, newest first.
func (s *server) listImports(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "imports", func(after int64, limit int) ([]intake.File, error) {
		return s.core.Intake.List(r.Context(), a, intake.FileID(after), limit)
	}, func(f *intake.File) (FileImportReply, int64) { return s.showImport(f), int64(f.ID) })
}

// fileImport is the file of the path.
func (s *server) fileImport(r *http.Request) (intake.File, error) {
	at, err := pathID[intake.File](r, "id")
	if err != nil {
		return intake.File{}, err
	}
	return s.core.Intake.Read(r.Context(), api.CallerOf(r).Account.ID, at)
}

// getImport tells how far a file is.
func (s *server) getImport(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fileImport(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, s.showImport(&f))
}

// listRefused lists rows that are no contact, as they stand in the file.
func (s *server) listRefused(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fileImport(r)
	if err != nil {
		return err
	}
	return simple(s, w, r, "refused "+f.ID.String(), func(after int64, limit int) ([]intake.Refused, error) {
		return s.core.Intake.Refused(r.Context(), f.ID, int(after), limit)
	}, func(one *intake.Refused) (refusedReply, int64) {
		page, _ := one.Code.Page()
		return refusedReply{one.Line, newProblem(s.kit, fault.New(one.Code, "%s", page.Title).In(one.Field))}, int64(one.Line)
	})
}
