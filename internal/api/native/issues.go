package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) issueOperations() []operation {
	return []operation{
		op[input[issueRequest], output[IssueReply]]("POST /issues", account.MessagesSend, "createIssue", "Tell the operator of a message that did not arrive", s.createIssue).answers(201).once(),
		op[PageInput, output[page[IssueReply]]]("GET /issues", account.MessagesRead, "listIssues", "List what the operator was told", s.listIssues),
		op[IDInput, output[IssueReply]]("GET /issues/{id}", account.MessagesRead, "readIssue", "Read what the operator was told, and says", s.readIssue),
		op[supportInput, output[page[IssueReply]]]("GET /support/issues", account.Operate, "listAllIssues", "List what all accounts have told", s.listAllIssues),
		op[answerInput, output[IssueReply]]("PATCH /support/issues/{id}", account.Operate, "handleIssue", "Comment on an issue, resolve it, or open it again", s.handleIssue),
	}
}

// issueRequest is what an account tells of a message that did not arrive.
type issueRequest struct {
	Message     string `json:"message,omitempty" format:"uuid" doc:"The message, if it is about one."`
	Type        string `json:"type" maxLength:"32" doc:"What the message travelled as." example:"SMS"`
	Description string `json:"description" maxLength:"5000" example:"Delivered, it says, but nothing came."`
	Comments    string `json:"comments,omitempty" maxLength:"5000"`
	Email       string `json:"email,omitempty" maxLength:"254" doc:"Where the operator may answer." example:"ops@example.com"`
}

// answerRequest is what the operator does about an issue; what is absent stays.
type answerRequest struct {
	Support *string `json:"support_comments,omitempty" maxLength:"5000" doc:"The account reads it."`
	Status  *string `json:"status,omitempty" enum:"open,resolved"`
}

type answerInput struct {
	IDInput
	Body answerRequest
}

type supportInput struct {
	PageInput
	Status string `query:"status" enum:"open" doc:"Only those that are not resolved."`
}

// IssueReply is what an account told of a message that did not arrive.
type IssueReply struct {
	ID          string `json:"id" format:"uuid"`
	Account     string `json:"account_id" format:"uuid"`
	Number      int    `json:"number" doc:"Never given twice in the account."`
	Message     string `json:"message,omitempty" format:"uuid"`
	Type        string `json:"type"`
	Description string `json:"description"`
	Comments    string `json:"comments"`
	Email       string `json:"email"`
	Support     string `json:"support_comments" doc:"What the operator says."`
	Status      string `json:"status" enum:"open,resolved"`
	ResolvedAt  string `json:"resolved_at,omitempty" format:"date-time"`
	CreatedAt   string `json:"created_at" format:"date-time"`
	UpdatedAt   string `json:"updated_at" format:"date-time"`
}

// resolved is the status of an issue that the operator is done with.
const resolved = "resolved"

func showIssue(i *issue.Issue) IssueReply {
	shown := IssueReply{
		ID: i.ID.String(), Account: i.Account.String(), Number: i.Number, Message: i.Message.String(), Type: i.Kind, Description: i.Description, Comments: i.Comments,
		Email: i.Email, Support: i.Support, Status: "open", CreatedAt: showTime(i.ID.Time()), UpdatedAt: showTime(i.Updated),
	}
	if !i.Resolved.IsZero() {
		shown.Status, shown.ResolvedAt = resolved, showTime(i.Resolved)
	}
	return shown
}

// createIssue tells the operator. The message is one of the account's, or none.
func (s *server) createIssue(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[issueRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	i := issue.Issue{Account: c.Account.ID, Kind: in.Type, Description: in.Description, Comments: in.Comments, Email: in.Email}
	if in.Message != "" {
		if i.Message, err = id.Parse[message.Message](in.Message); err == nil {
			_, err = s.core.Gateway.Message(r.Context(), c.Account.ID, i.Message)
		} else {
			err = fault.New(fault.NotHere, "there is no such message")
		}
		if f := fault.Of(err); f != nil {
			return f.In("message")
		}
		if err != nil {
			return err
		}
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Issues.Open(tx, c.By, i)
		return showIssue(&made), err
	})
}

// listIssues lists the account's issues, newest first.
func (s *server) listIssues(w http.ResponseWriter, r *http.Request) error {
	return s.pageOfIssues(w, r, "issues", issue.Filter{Account: api.CallerOf(r).Account.ID})
}

// listAllIssues lists the issues of all accounts, newest first.
func (s *server) listAllIssues(w http.ResponseWriter, r *http.Request) error {
	status := queryOf(r).Get("status")
	if status != "" && status != "open" {
		return fault.New(fault.InvalidField, "a status is open, or absent for all").In("status")
	}
	return s.pageOfIssues(w, r, "support"+status, issue.Filter{Open: status != ""})
}

func (s *server) pageOfIssues(w http.ResponseWriter, r *http.Request, name string, f issue.Filter) error {
	return simple(s, w, r, name, func(after int64, limit int) ([]issue.Issue, error) {
		return s.core.Issues.List(r.Context(), f, issue.ID(after), limit)
	}, func(i *issue.Issue) (IssueReply, int64) { return showIssue(i), int64(i.ID) })
}

// readIssue reads one issue of the account.
func (s *server) readIssue(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[issue.Issue](r, "id")
	if err != nil {
		return err
	}
	i, err := s.core.Issues.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showIssue(&i))
}

// handleIssue is the operator's answer to an issue of any account.
func (s *server) handleIssue(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[issue.Issue](r, "id")
	if err != nil {
		return err
	}
	in, err := api.Decode[answerRequest](r)
	if err != nil {
		return err
	}
	with := issue.Answer{Support: in.Support}
	if in.Status != nil {
		done := *in.Status == resolved
		if !done && *in.Status != "open" {
			return fault.New(fault.InvalidField, "a status is open or resolved").In("status")
		}
		with.Resolved = &done
	}
	c := api.CallerOf(r)
	var now issue.Issue
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		now, err = s.core.Issues.Handle(tx, c.By, at, with)
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showIssue(&now))
}
