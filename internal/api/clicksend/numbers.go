package clicksend

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
)

// numberOperations are about whom messages can come from.
func (s *server) numberOperations() []api.Operation {
	read := func(h api.Handler) api.Handler { return s.guarded(account.AccountRead, h) }
	own := ownNumbers{[]ownNumber{{sender: sender{ID: "0198c8f0-0000-7000-8000-000000000001", Status: "VERIFIED"}, Phone: "+61411111111", Country: "AU"}}, metadata{}}
	tags := alphaTags{[]alphaTag{{sender: sender{ID: "0198c8f0-0000-7000-8000-000000000001", Status: "APPROVED"}, Tag: "ACME"}}, metadata{}}
	return []api.Operation{
		{
			Pattern: "GET /v3/numbers", ID: "readNumbers", Summary: "List the account's numbers", Query: searchQuery{}, Handler: read(s.readNumbers),
			Replies: []api.Example{done("Here are you dedicated numbers.", page[numberView]{Data: []numberView{{Number: "+61411111111", Country: "AU"}}})},
		},
		{
			Pattern: "GET /v3/own-numbers", ID: "readOwnNumbers", Summary: "List the phones that messages can be sent as", Handler: read(s.readOwnNumbers),
			Replies: []api.Example{{Status: http.StatusOK, When: "success", Body: own}},
		},
		{
			Pattern: "GET /v3/alpha-tags", ID: "readAlphaTags", Summary: "List the names that messages can be sent as, or that were asked for", Handler: read(s.readAlphaTags),
			Replies: []api.Example{{Status: http.StatusOK, When: "success", Body: tags}},
		},
	}
}

type (
	// numberView is a number of the account's. Numbers have no price here, and each takes what its channel does.
	numberView struct {
		Number  string  `json:"dedicated_number"`
		Country string  `json:"country"`
		Price   float64 `json:"price"`
		Type    string  `json:"type" doc:"The kind of its channel."`
		Keyword string  `json:"keyword" doc:"Only what begins with it is the account's; empty: all."`
	}
	// sender is what own numbers and alpha tags have in common.
	sender struct {
		ID          string `json:"id"`
		AccountID   string `json:"account_id"`
		WorkspaceID string `json:"workspace_id"`
		UserID      string `json:"user_id"`
		Status      string `json:"status"`
		Created     moment `json:"created_timestamp"`
		Updated     moment `json:"updated_timestamp"`
	}
	ownNumber struct {
		sender
		Phone    string `json:"phone_number"`
		Country  string `json:"country"`
		Label    string `json:"label"`
		Verified moment `json:"verified_timestamp"`
		Expires  bool   `json:"is_nearing_expiration"`
	}
	alphaTag struct {
		sender
		Tag       string   `json:"alpha_tag"`
		Reason    string   `json:"reason"`
		Countries []string `json:"countries" doc:"Where it was asked for; null: everywhere." nullable:"true"`
	}
	metadata struct {
		Pagination struct {
			Self string  `json:"self"`
			Next *string `json:"next"`
			Size int     `json:"page_size"`
		} `json:"pagination"`
	}
	ownNumbers struct {
		Numbers  []ownNumber `json:"own_numbers" nullable:"false"`
		Metadata metadata    `json:"_metadata"`
	}
	alphaTags struct {
		Tags     []alphaTag `json:"alpha_tags" nullable:"false"`
		Metadata metadata   `json:"_metadata"`
	}
)

// moment is a time as the surface writes it where it writes no Unix time: always with milliseconds, which time.Time leaves out where they
// end in zeros.
type moment struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) {
	return []byte(m.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// Schema implements huma.SchemaProvider.
func (moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// numbers is by what numbers are searched and sorted.
var numbers = table[numberView]{
	{Name: "dedicated_number", Value: func(n *numberView) string { return n.Number }, Whole: true},
	{Name: "country", Value: func(n *numberView) string { return n.Country }, Whole: true},
	{Name: "type", Value: func(n *numberView) string { return n.Type }, Whole: true},
	{Name: "keyword", Value: func(n *numberView) string { return n.Keyword }},
}

func (s *server) readNumbers(w http.ResponseWriter, r *http.Request) error {
	all, err := s.core.Numbers.All(r.Context())
	if err != nil {
		return err
	}
	var rows []numberView
	for _, n := range all {
		if n.Account != api.CallerOf(r).Account.ID {
			continue
		}
		ch, _, err := s.core.Channels.Get(r.Context(), n.Channel)
		if err != nil {
			return err
		}
		country := cmp.Or(message.Country(n.Address), api.CallerOf(r).Account.Region) // short codes are of the country that they are used in
		rows = append(rows, numberView{Number: n.Address.Value, Country: country, Type: string(ch.Kind), Keyword: n.Keyword})
	}
	if rows, err = numbers.Choose(r, rows); err != nil {
		return err
	}
	p := s.paging(r)
	return answer(w, "Here are you dedicated numbers.", newPage(p, len(rows), piece(p, rows)))
}

// whole is what is told of a list that is on one page.
func (s *server) whole(r *http.Request, rows int) (m metadata) {
	m.Pagination.Self, m.Pagination.Size = s.kit.PublicURL()+r.URL.EscapedPath(), rows
	return m
}

// leaves are the senders of one kind of address that the account has leave for, each once.
func (s *server) leaves(r *http.Request, kind message.AddressKind) (list []number.Sender, err error) {
	all, err := s.core.Numbers.Senders(r.Context())
	if err != nil {
		return nil, err
	}
	seen := map[message.Address]bool{}
	for _, l := range all {
		if l.Account == api.CallerOf(r).Account.ID && l.Address.Kind == kind && !seen[l.Address] {
			seen[l.Address] = true
			list = append(list, l)
		}
	}
	return list, nil
}

// senderOf is what all senders tell.
func senderOf(r *http.Request, id, status string, at time.Time) sender {
	a := api.CallerOf(r).Account
	n := strconv.Itoa(a.Number)
	return sender{ID: id, AccountID: n, WorkspaceID: n, UserID: n, Status: status, Created: moment{at}, Updated: moment{at}}
}

// readOwnNumbers lists the phones that the account was given leave for.
func (s *server) readOwnNumbers(w http.ResponseWriter, r *http.Request) error {
	leaves, err := s.leaves(r, message.Phone)
	if err != nil {
		return err
	}
	rows := []ownNumber{}
	for _, l := range leaves {
		at := l.ID.Time().UTC()
		rows = append(rows, ownNumber{
			sender: senderOf(r, l.ID.String(), "VERIFIED", at), Phone: l.Address.Value, Country: message.Country(l.Address), Verified: moment{at},
		})
	}
	return api.Reply(w, http.StatusOK, ownNumbers{rows, s.whole(r, len(rows))})
}

// readAlphaTags lists the names that the account was given leave for, and those that it has registered for a country or asked to.
func (s *server) readAlphaTags(w http.ResponseWriter, r *http.Request) error {
	leaves, err := s.leaves(r, message.Name)
	if err != nil {
		return err
	}
	rows := []alphaTag{}
	for _, l := range leaves {
		rows = append(rows, alphaTag{sender: senderOf(r, l.ID.String(), "APPROVED", l.ID.Time().UTC()), Tag: l.Address.Value})
	}
	const most = 1000
	registered, err := s.core.Policies.Registrations(r.Context(), policy.Ask{Account: api.CallerOf(r).Account.ID, Page: most})
	if err != nil {
		return err
	}
	for _, g := range registered {
		if g.Sender.Kind != message.Name {
			continue
		}
		row := alphaTag{sender: senderOf(r, g.ID.String(), registrationStates[g.State], g.ID.Time().UTC()), Tag: g.Sender.Value, Reason: g.Reason, Countries: []string{g.Country}}
		if !g.Decided.IsZero() {
			row.Updated = moment{g.Decided}
		}
		rows = append(rows, row)
	}
	return api.Reply(w, http.StatusOK, alphaTags{rows, s.whole(r, len(rows))})
}

// registrationStates are the states of a registration in the words of the original.
var registrationStates = map[policy.State]string{policy.Requested: "PENDING", policy.Approved: "APPROVED", policy.Refused: "REJECTED"}
