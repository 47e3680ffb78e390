package clicksend

import (
	"net/http"
	"strconv"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/store"
	"tidings.dev/internal/template"
)

// templateOperations are about the texts that an account keeps.
func (s *server) templateOperations() []api.Operation {
	example := templateView{ID: 632, Name: "Reminder", Body: "We are waiting for you tomorrow."}
	body := templateRequest{Name: "Reminder", Body: "We are waiting for you tomorrow."}
	read := func(h api.Handler) api.Handler { return s.guarded(account.MessagesRead, h) }
	write := func(h api.Handler) api.Handler { return s.guarded(account.MessagesSend, h) }
	return []api.Operation{
		{
			Pattern: "GET /v3/sms/templates", ID: "readTemplates", Summary: "List the templates", Query: searchQuery{}, Handler: read(s.readTemplates),
			Replies: []api.Example{done("Here are your templates.", page[templateView]{Total: 1, PerPage: fewestRows, Current: 1, Last: 1, Data: []templateView{example}})},
		},
		{
			Pattern: "POST /v3/sms/templates", ID: "createTemplate", Summary: "Keep a text under a name", Sends: true, Body: templateRequest{}, Example: body,
			Handler: write(s.createTemplate), Replies: []api.Example{done("New template has been saved.", example)},
		},
		{
			Pattern: "GET /v3/sms/templates/{template_id}", ID: "readTemplate", Summary: "Read a template", Handler: read(s.readTemplate),
			Replies: []api.Example{done("Here is your template.", example)},
		},
		{
			Pattern: "PUT /v3/sms/templates/{template_id}", ID: "changeTemplate", Summary: "Change a template", Body: templateRequest{}, Example: body,
			Handler: write(s.changeTemplate), Replies: []api.Example{done("Your template has been updated.", example)},
		},
		{
			Pattern: "DELETE /v3/sms/templates/{template_id}", ID: "deleteTemplate", Summary: "Delete a template", Handler: write(s.deleteTemplate),
			Replies: []api.Example{done("Your template has been deleted.", nothing{})},
		},
	}
}

type (
	templateRequest struct {
		Name api.Text `json:"template_name"`
		Body api.Text `json:"body"`
	}
	templateView struct {
		ID   int    `json:"template_id"`
		Name string `json:"template_name"`
		Body string `json:"body"`
	}
)

func showTemplate(t *template.Template) templateView { return templateView{t.Number, t.Name, t.Body} }

// templates is by what templates are searched and sorted.
var templates = table[templateView]{
	{Name: "template_id", Value: func(t *templateView) string { return strconv.Itoa(t.ID) }, Whole: true, Number: true},
	{Name: "template_name", Value: func(t *templateView) string { return t.Name }},
	{Name: "body", Value: func(t *templateView) string { return t.Body }},
}

// template is the caller's template whose number is in the path.
func (s *server) template(r *http.Request) (template.Template, error) {
	return s.core.Templates.Numbered(r.Context(), api.CallerOf(r).Account.ID, pathNumber(r, "template_id"))
}

func (s *server) readTemplates(w http.ResponseWriter, r *http.Request) error {
	all, err := s.core.Templates.List(r.Context(), api.CallerOf(r).Account.ID, 0, template.Most)
	if err != nil {
		return err
	}
	rows := make([]templateView, len(all))
	for i := range all {
		rows[i] = showTemplate(&all[i])
	}
	if rows, err = templates.Choose(r, rows); err != nil {
		return err
	}
	p := s.paging(r)
	return answer(w, "Here are your templates.", newPage(p, len(rows), piece(p, rows)))
}

// template is the request in the words of the core; what is empty is missing.
func (in *templateRequest) template() (name, body string, err error) {
	name, body = strings.TrimSpace(string(in.Name)), string(in.Body)
	switch {
	case name == "":
		return "", "", required("template_name")
	case body == "":
		return "", "", required("body")
	}
	return name, body, nil
}

func (s *server) createTemplate(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[templateRequest](r)
	if err != nil {
		return err
	}
	name, body, err := in.template()
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		t, err := s.core.Templates.Create(tx, c.By, template.Template{Account: c.Account.ID, Name: name, Body: body})
		return success("New template has been saved.", showTemplate(&t)), full(err)
	})
}

func (s *server) readTemplate(w http.ResponseWriter, r *http.Request) error {
	t, err := s.template(r)
	if err != nil {
		return err
	}
	return answer(w, "Here is your template.", showTemplate(&t))
}

func (s *server) changeTemplate(w http.ResponseWriter, r *http.Request) error {
	t, err := s.template(r)
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[templateRequest](r)
	if err != nil {
		return err
	}
	name, body, err := in.template()
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		t, err = s.core.Templates.Change(tx, api.CallerOf(r).By, t.Account, t.ID, template.Change{Name: &name, Body: &body})
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, "Your template has been updated.", showTemplate(&t))
}

func (s *server) deleteTemplate(w http.ResponseWriter, r *http.Request) error {
	t, err := s.template(r)
	if err != nil {
		return err
	}
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Templates.Drop(tx, api.CallerOf(r).By, t.Account, t.ID) }); err != nil {
		return err
	}
	return answer(w, "Your template has been deleted.", nothing{})
}
