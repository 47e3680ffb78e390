package native

import (
	"encoding/json"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) boxOperations() []operation {
	return []operation{
		op[boxInput, output[page[boxedInbound]]]("GET /poll/inbound", account.MessagesRead, "pollInbound", "List messages that rules have kept to be fetched, oldest first", s.pollInbound),
		op[boxInput, output[page[boxedReceipt]]]("GET /poll/receipts", account.MessagesRead, "pollReceipts", "List receipts that rules have kept to be fetched, oldest first", s.pollReceipts),
		op[input[markRequest], output[markedReply]]("POST /poll/inbound/read", account.MessagesSend, "readInbound", "Mark messages as read", s.marks(automation.Inbound)),
		op[input[markRequest], output[markedReply]]("POST /poll/receipts/read", account.MessagesSend, "readReceipts", "Mark receipts as read", s.marks(automation.Receipts)),
		op[noInput, output[boxedInbound]]("POST /poll/inbound/test", account.Admin, "tryInbound", "Put a test message into the box", s.tryInbound).answers(201).once(),
		op[noInput, output[boxedReceipt]]("POST /poll/receipts/test", account.Admin, "tryReceipts", "Put a test receipt into the box", s.tryReceipts).answers(201).once(),
	}
}

type boxInput struct {
	PageInput
	State string `query:"state" enum:"unread,all" doc:"unread without it."`
}

// markRequest names what was fetched.
type markRequest struct {
	Before  string `json:"before,omitempty" format:"date-time" doc:"What came into the box before; all of it without this and message."`
	Message string `json:"message,omitempty" format:"uuid" doc:"What the box has about this message."`
}

// markedReply tells how much was marked.
type markedReply struct {
	Marked int `json:"marked"`
}

// boxedInbound is a message that came in.
type boxedInbound struct {
	Message    string `json:"message" format:"uuid"`
	Kind       string `json:"kind"`
	From       string `json:"from"`
	To         string `json:"to"`
	Text       string `json:"text"`
	Answers    string `json:"answers,omitempty" format:"uuid" doc:"Our message that it most likely answers."`
	ReceivedAt string `json:"received_at" format:"date-time"`
	BoxedAt    string `json:"boxed_at" format:"date-time"`
	Read       bool   `json:"read"`
	Test       bool   `json:"test" doc:"There is no such message: somebody tries the box."`
	Gone       bool   `json:"gone,omitempty" doc:"The message is kept no more."`
}

// boxedReceipt is what became of a message.
type boxedReceipt struct {
	Message   string          `json:"message" format:"uuid"`
	Kind      string          `json:"kind"`
	To        string          `json:"to"`
	From      string          `json:"from"`
	Type      string          `json:"type" example:"message.delivered"`
	Status    string          `json:"status"`
	Reason    string          `json:"reason,omitempty"`
	Code      string          `json:"network_code,omitempty"`
	Reference string          `json:"client_reference"`
	Metadata  json.RawMessage `json:"metadata"`
	SentAt    string          `json:"accepted_at" format:"date-time"`
	BoxedAt   string          `json:"boxed_at" format:"date-time"`
	Read      bool            `json:"read"`
	Test      bool            `json:"test" doc:"There is no such message: somebody tries the box."`
	Gone      bool            `json:"gone,omitempty" doc:"The message is kept no more."`
}

func showBoxedInbound(e *automation.Entry) boxedInbound {
	m := &e.Message
	return boxedInbound{
		Message: m.ID.String(), Kind: string(m.Kind), From: m.From.Display(), To: m.To.Display(), Text: m.Content.Text, Answers: m.Answers.String(),
		ReceivedAt: showTime(m.ID.Time()), BoxedAt: showTime(e.ID.Time()), Read: !e.Unread, Test: e.Test, Gone: m.Direction == 0,
	}
}

func showBoxedReceipt(e *automation.Entry) boxedReceipt {
	m := &e.Message
	shown := boxedReceipt{
		Message: m.ID.String(), Kind: string(m.Kind), To: m.To.Display(), From: m.From.Display(), Type: string(e.Kind), Status: e.Status.String(),
		Reason: e.Reason, Code: e.Code, Reference: m.Reference, Metadata: m.Metadata, SentAt: showTime(m.ID.Time()), BoxedAt: showTime(e.ID.Time()),
		Read: !e.Unread, Test: e.Test, Gone: m.Direction == 0,
	}
	if shown.Metadata == nil {
		shown.Metadata = json.RawMessage("{}")
	}
	return shown
}

func (s *server) pollInbound(w http.ResponseWriter, r *http.Request) error {
	return poll(s, w, r, automation.Inbound, showBoxedInbound)
}

func (s *server) pollReceipts(w http.ResponseWriter, r *http.Request) error {
	return poll(s, w, r, automation.Receipts, showBoxedReceipt)
}

// poll answers with a page of a box.
func poll[S any](s *server, w http.ResponseWriter, r *http.Request, about automation.About, show func(*automation.Entry) S) error {
	q := queryOf(r)
	limit, state := q.limit(), q.Get("state")
	if state != "" && state != "unread" && state != "all" {
		q.wrong("state", "a list is of what is unread, or of all")
	}
	if q.err != nil {
		return q.err
	}
	a := api.CallerOf(r).Account.ID
	return list(s, w, r, "poll/"+automation.Names[about]+state, limit, func(after int64, limit int) ([]automation.Entry, error) {
		return s.core.Automation.Entries(r.Context(), a, about, state != "all", automation.EntryID(after), limit)
	}, func(e *automation.Entry) (S, int64) { return show(e), int64(e.ID) })
}

// marks marks what a box has as read.
func (s *server) marks(about automation.About) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := api.Decode[markRequest](r)
		if err != nil {
			return err
		}
		if in.Before != "" && in.Message != "" {
			return fault.New(fault.InvalidField, "what is marked is about a message, or came before a time").In("before")
		}
		n, err := s.mark(r, about, in)
		if err != nil {
			return err
		}
		return api.Reply(w, http.StatusOK, markedReply{n})
	}
}

func (s *server) mark(r *http.Request, about automation.About, in *markRequest) (int, error) {
	a := api.CallerOf(r).Account.ID
	if in.Message != "" {
		which, err := id.Parse[message.Message](in.Message)
		if err != nil {
			return 0, fault.New(fault.NotHere, "there is no such message").In("message")
		}
		return s.core.Automation.ReadOne(r.Context(), a, about, which)
	}
	before, err := readTime(in.Before)
	if err != nil {
		return 0, fault.New(fault.InvalidField, notATime).In("before")
	}
	return s.core.Automation.Read(r.Context(), a, about, before)
}

func (s *server) tryInbound(w http.ResponseWriter, r *http.Request) error {
	return try(s, w, r, automation.Inbound, showBoxedInbound)
}

func (s *server) tryReceipts(w http.ResponseWriter, r *http.Request) error {
	return try(s, w, r, automation.Receipts, showBoxedReceipt)
}

// try puts a test into a box.
func try[S any](s *server, w http.ResponseWriter, r *http.Request, about automation.About, show func(*automation.Entry) S) error {
	a := api.CallerOf(r).Account.ID
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		e, err := s.core.Automation.Try(tx, a, about)
		return show(&e), err
	})
}
