package native

import (
	"net/http"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
)

func (s *server) linkOperations() []operation {
	return []operation{
		op[linksInput, output[page[LinkReply]]]("GET /links", account.MessagesRead, "listLinks", "List the short links of the account's messages, or of one", s.listLinks),
		op[IDInput, output[LinkReply]]("GET /links/{id}", account.MessagesRead, "readLink", "Read a short link", s.readLink),
	}
}

type linksInput struct {
	PageInput
	Message string `query:"message" format:"uuid" doc:"Only the links of this message."`
}

// LinkReply is a short link.
type LinkReply struct {
	ID        string `json:"id" format:"uuid"`
	URL       string `json:"url" doc:"What stands in the text." example:"https://sms.example.com/l/Xy7pQr2k"`
	Target    string `json:"target" doc:"Where it leads."`
	Message   string `json:"message" format:"uuid"`
	Clicks    int64  `json:"clicks" doc:"How often it was followed, by people and by what looks at links for them."`
	First     string `json:"first_click_at,omitempty" format:"date-time" doc:"Absent: nobody has followed it."`
	Last      string `json:"last_click_at,omitempty" format:"date-time"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

func (s *server) showLink(l *link.Link) LinkReply {
	shown := LinkReply{ID: l.ID.String(), URL: s.core.Links.URL(l.Code), Target: l.Target, Message: l.Message.String(), Clicks: l.Clicks, CreatedAt: showTime(l.ID.Time())}
	for _, at := range []struct {
		time  time.Time
		shown *string
	}{{l.First, &shown.First}, {l.Last, &shown.Last}} {
		if !at.time.IsZero() {
			*at.shown = showTime(at.time)
		}
	}
	return shown
}

// listLinks lists the account's short links, newest first.
func (s *server) listLinks(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	q := queryOf(r)
	in, limit := queryID[message.Message](q, "message"), q.limit()
	if q.err != nil {
		return q.err
	}
	return list(s, w, r, "links", limit, func(after int64, limit int) ([]link.Link, error) {
		return s.core.Links.Of(r.Context(), a, in, link.ID(after), limit)
	}, func(l *link.Link) (LinkReply, int64) { return s.showLink(l), int64(l.ID) })
}

// readLink reads one short link.
func (s *server) readLink(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[link.Link](r, "id")
	if err != nil {
		return err
	}
	l, err := s.core.Links.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, s.showLink(&l))
}
