package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/store"
	"tidings.dev/internal/template"
)

func (s *server) templateOperations() []operation {
	return []operation{
		op[input[templateRequest], output[TemplateReply]]("POST /templates", account.MessagesSend, "createTemplate", "Keep a text under a name", s.createTemplate).answers(201).once(),
		op[PageInput, output[page[TemplateReply]]]("GET /templates", account.MessagesRead, "listTemplates", "List the texts that are kept", s.listTemplates),
		op[IDInput, output[TemplateReply]]("GET /templates/{id}", account.MessagesRead, "readTemplate", "Read a text that is kept", s.readTemplate),
		op[templateChangeInput, output[TemplateReply]]("PATCH /templates/{id}", account.MessagesSend, "changeTemplate", "Change the name or the text", s.changeTemplate),
		op[IDInput, nothing]("DELETE /templates/{id}", account.MessagesSend, "deleteTemplate", "Delete a text that is kept", s.deleteTemplate).answers(204),
	}
}

// templateRequest is a text with its name.
type templateRequest struct {
	Name string `json:"name" maxLength:"255" doc:"No other template of the account has it, whatever its capitals." example:"Reminder"`
	Body string `json:"body" maxLength:"10000" doc:"The text, as it is: nothing in it is replaced." example:"We are waiting for you tomorrow."`
}

// templateChange is what an update changes; what is absent stays.
type templateChange struct {
	Name *string `json:"name,omitempty" maxLength:"255"`
	Body *string `json:"body,omitempty" maxLength:"10000"`
}

type templateChangeInput struct {
	IDInput
	Body templateChange
}

// TemplateReply is a text that is kept.
type TemplateReply struct {
	ID        string `json:"id" format:"uuid"`
	Number    int    `json:"number" doc:"Never given twice in the account."`
	Name      string `json:"name"`
	Body      string `json:"body"`
	CreatedAt string `json:"created_at" format:"date-time"`
	UpdatedAt string `json:"updated_at" format:"date-time"`
}

func showTemplate(t *template.Template) TemplateReply {
	return TemplateReply{t.ID.String(), t.Number, t.Name, t.Body, showTime(t.ID.Time()), showTime(t.Updated)}
}

// createTemplate keeps a text.
func (s *server) createTemplate(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[templateRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		t, err := s.core.Templates.Create(tx, c.By, template.Template{Account: c.Account.ID, Name: in.Name, Body: in.Body})
		return showTemplate(&t), err
	})
}

// listTemplates lists the account's templates, newest first.
func (s *server) listTemplates(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "templates", func(after int64, limit int) ([]template.Template, error) {
		return s.core.Templates.List(r.Context(), a, template.ID(after), limit)
	}, func(t *template.Template) (TemplateReply, int64) { return showTemplate(t), int64(t.ID) })
}

// readTemplate reads one template.
func (s *server) readTemplate(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[template.Template](r, "id")
	if err != nil {
		return err
	}
	t, err := s.core.Templates.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showTemplate(&t))
}

// changeTemplate changes what the request names.
func (s *server) changeTemplate(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[template.Template](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if _, err := s.core.Templates.Get(r.Context(), c.Account.ID, at); err != nil {
		return err
	}
	in, err := api.Decode[templateChange](r)
	if err != nil {
		return err
	}
	var now template.Template
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		now, err = s.core.Templates.Change(tx, c.By, c.Account.ID, at, template.Change(*in))
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showTemplate(&now))
}

// deleteTemplate deletes one template.
func (s *server) deleteTemplate(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[template.Template](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Templates.Drop(tx, c.By, c.Account.ID, at) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
