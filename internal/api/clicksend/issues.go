package clicksend

import (
	"net/http"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// issueOperations are about messages that did not arrive.
func (s *server) issueOperations() []api.Operation {
	example := issueView{
		ID: 1, User: 3820, Message: orNull("0198C8F0-0000-7000-8000-000000000001"), Type: "SMS", Description: "Delivered, it says, but nothing came.", Status: orNull("open"),
		Added: 1_797_857_104, Email: "ops@example.com",
	}
	return []api.Operation{
		{
			Pattern: "GET /v3/delivery-issues", ID: "readIssues", Summary: "List the delivery issues", Query: pageQuery{}, Handler: s.guarded(account.MessagesRead, s.readIssues),
			Replies: []api.Example{done("Here is your result.", []issueView{example})},
		},
		{
			Pattern: "POST /v3/delivery-issues", ID: "createIssue", Summary: "Tell of a message that did not arrive", Sends: true, Body: issueRequest{},
			Example: issueRequest{Message: "0198C8F0-0000-7000-8000-000000000001", Type: "SMS", Description: "Delivered, it says, but nothing came.", Email: "ops@example.com"},
			Handler: s.guarded(account.MessagesSend, s.createIssue), Replies: []api.Example{
				done("New delivery issue has been created.", example), {Status: http.StatusNotFound, When: "there is no such message", Body: failed(noMessage(), http.StatusNotFound)},
			},
		},
	}
}

type (
	issueRequest struct {
		Message     api.Text `json:"message_id,omitempty"`
		Type        api.Text `json:"type"`
		Description api.Text `json:"description"`
		Comments    api.Text `json:"client_comments,omitempty"`
		Email       api.Text `json:"email_address"`
	}
	issueView struct {
		ID          int     `json:"issue_id"`
		User        int     `json:"user_id"`
		Message     *string `json:"message_id"`
		Type        string  `json:"type"`
		Description string  `json:"description"`
		Comments    *string `json:"client_comments"`
		Support     *string `json:"support_comments"`
		Status      *string `json:"status"`
		Added       int64   `json:"date_added"`
		Resolved    int     `json:"resolved"`
		Email       string  `json:"email_address"`
	}
)

func showIssue(i *issue.Issue, user int) issueView {
	v := issueView{
		ID: i.Number, User: user, Message: orNull(idText(i.Message)), Type: i.Kind, Description: i.Description, Comments: orNull(i.Comments), Support: orNull(i.Support),
		Status: orNull("open"), Added: i.ID.Time().Unix(), Email: i.Email,
	}
	if !i.Resolved.IsZero() {
		v.Status, v.Resolved = orNull("resolved"), 1
	}
	return v
}

// readIssues shows a page of issues, the oldest first: the rows alone, as the original does.
func (s *server) readIssues(w http.ResponseWriter, r *http.Request) error {
	c, p := api.CallerOf(r), s.paging(r)
	who, err := s.asker(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	list, err := s.core.Issues.From(r.Context(), c.Account.ID, p.Offset(), p.Size)
	if err != nil {
		return err
	}
	rows := make([]issueView, len(list))
	for i := range list {
		rows[i] = showIssue(&list[i], who.user)
	}
	return answer(w, "Here is your result.", rows)
}

// issue is the request in the words of the core.
func (in *issueRequest) issue(a account.ID) (i issue.Issue, err error) {
	for _, must := range []struct {
		name  string
		value api.Text
	}{{"type", in.Type}, {"description", in.Description}, {"email_address", in.Email}} {
		if strings.TrimSpace(string(must.value)) == "" {
			return i, required(must.name)
		}
	}
	i = issue.Issue{Account: a, Kind: string(in.Type), Description: string(in.Description), Comments: string(in.Comments), Email: strings.TrimSpace(string(in.Email))}
	if in.Message != "" {
		if i.Message, err = id.Parse[message.Message](strings.ToLower(string(in.Message))); err != nil {
			return i, noMessage()
		}
	}
	return i, nil
}

func noMessage() *fault.Fault {
	return fault.New(fault.NotHere, "there is no message with this message_id")
}

// createIssue tells the operator of a message of the caller's.
func (s *server) createIssue(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[issueRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	i, err := in.issue(c.Account.ID)
	if err != nil {
		return err
	}
	if i.Message != 0 {
		_, err := s.core.Gateway.Message(r.Context(), c.Account.ID, i.Message)
		if fault.Is(err, fault.NotHere) {
			return noMessage()
		}
		if err != nil {
			return err
		}
	}
	who, err := s.asker(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		made, err := s.core.Issues.Open(tx, c.By, i)
		return success("New delivery issue has been created.", showIssue(&made, who.user)), err
	})
}
