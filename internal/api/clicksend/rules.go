package clicksend

import (
	"cmp"
	"net/http"
	"strconv"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// ruleOperations are the rules on what comes in.
func (s *server) ruleOperations() []api.Operation {
	inbound := inboundRule{ID: 7, OldID: 7, Number: "*", Name: "Orders", Search: 2, Term: "order", Action: "URL", Address: "https://example.com/orders", Enabled: 1, Webhook: "post"}
	receipt := receiptRule{ID: 8, Name: "Receipts", Action: "POLL", Enabled: 1}
	read := func(h api.Handler) api.Handler { return s.guarded(account.MessagesRead, h) }
	write := func(h api.Handler) api.Handler { return s.guarded(account.Admin, h) }
	lacks := missing("rule_name is missing")
	return []api.Operation{
		{
			Pattern: "GET /v3/automations/sms/inbound", ID: "readInboundRules", Summary: "List the rules on messages that come in", Query: searchQuery{}, Handler: read(s.readInboundRules),
			Replies: []api.Example{done("Your list of inbound rules.", widePage[inboundRule]{page: page[inboundRule]{Data: []inboundRule{inbound}}})},
		},
		{
			Pattern: "POST /v3/automations/sms/inbound", ID: "createInboundRule", Summary: "Make a rule on messages that come in", Sends: true, Body: inboundRuleRequest{}, Example: inbound,
			Handler: write(s.createRule(inboundRules)), Replies: []api.Example{done(inboundRules.made, inbound), lacks},
		},
		{
			Pattern: "GET /v3/automations/sms/inbound/{inbound_rule_id}", ID: "readInboundRule", Summary: "Read a rule on messages that come in", Handler: read(s.readRule(inboundRules)),
			Replies: []api.Example{done(inboundRules.read, inbound)},
		},
		{
			Pattern: "PUT /v3/automations/sms/inbound/{inbound_rule_id}", ID: "changeInboundRule", Summary: "Change a rule on messages that come in", Body: inboundRuleRequest{}, Example: inbound,
			Handler: write(s.changeRule(inboundRules)), Replies: []api.Example{done(inboundRules.changed, inbound)},
		},
		{
			Pattern: "DELETE /v3/automations/sms/inbound/{inbound_rule_id}", ID: "deleteInboundRule", Summary: "Delete a rule on messages that come in", Handler: write(s.deleteRule(inboundRules)),
			Replies: []api.Example{done(inboundRules.gone, []string{})},
		},
		{
			Pattern: "GET /v3/automations/sms/receipts", ID: "readReceiptRules", Summary: "List the rules on receipts", Query: searchQuery{}, Handler: read(s.readReceiptRules),
			Replies: []api.Example{done("Your list of rule incoming sms receipt.", page[receiptRule]{Data: []receiptRule{receipt}})},
		},
		{
			Pattern: "POST /v3/automations/sms/receipts", ID: "createReceiptRule", Summary: "Make a rule on receipts", Sends: true, Body: receiptRuleRequest{}, Example: receipt,
			Handler: write(s.createRule(receiptRules)), Replies: []api.Example{done(receiptRules.made, receipt), lacks},
		},
		{
			Pattern: "GET /v3/automations/sms/receipts/{receipt_rule_id}", ID: "readReceiptRule", Summary: "Read a rule on receipts", Handler: read(s.readRule(receiptRules)),
			Replies: []api.Example{done(receiptRules.read, receipt)},
		},
		{
			Pattern: "PUT /v3/automations/sms/receipts/{receipt_rule_id}", ID: "changeReceiptRule", Summary: "Change a rule on receipts", Body: receiptRuleRequest{}, Example: receipt,
			Handler: write(s.changeRule(receiptRules)), Replies: []api.Example{done(receiptRules.changed, receipt)},
		},
		{
			Pattern: "DELETE /v3/automations/sms/receipts/{receipt_rule_id}", ID: "deleteReceiptRule", Summary: "Delete a rule on receipts", Handler: write(s.deleteRule(receiptRules)),
			Replies: []api.Example{done(receiptRules.gone, []string{})},
		},
	}
}

// ruleSort is one of the two sorts of rule, with what is said of it.
type ruleSort struct {
	about                     automation.About
	key                       string // of the path
	made, read, changed, gone string
	needs                     []string
}

var (
	inboundRules = ruleSort{
		automation.Inbound, "inbound_rule_id", "Your record has been added.", "Your inbound rule.", "Your record has been updated.", "Your record has been deleted.",
		[]string{"dedicated_number", "rule_name", "message_search_type", "action", "enabled"},
	}
	receiptRules = ruleSort{
		automation.Receipts, "receipt_rule_id", "Your new SMS receipt has been added.", "Your rule incoming sms receipt.", "Your SMS receipt has been updated.",
		"Your SMS receipt has been deleted.",
		[]string{"rule_name", "match_type", "action", "enabled"},
	}
)

// The requests. They are documented apart, and read as one.
type (
	inboundRuleRequest struct {
		Number  api.Text `json:"dedicated_number" doc:"A number of yours; * for all."`
		Name    api.Text `json:"rule_name"`
		Search  api.Text `json:"message_search_type" doc:"0: any message, 1: starts with the term, 2: contains it, 3: does not contain it."`
		Term    api.Text `json:"message_search_term,omitempty"`
		Action  api.Text `json:"action" doc:"URL, POLL, AUTO_REPLY, SMS, EMAIL_USER, EMAIL_FIXED or NONE."`
		Address api.Text `json:"action_address,omitempty"`
		Enabled api.Text `json:"enabled"`
		Webhook api.Text `json:"webhook_type,omitempty" doc:"post (without it), get or json."`
	}
	receiptRuleRequest struct {
		Name    api.Text `json:"rule_name"`
		Match   api.Text `json:"match_type" doc:"0: all receipts."`
		Action  api.Text `json:"action" doc:"URL, POLL, SMS, EMAIL_USER, EMAIL_FIXED or NONE."`
		Address api.Text `json:"action_address,omitempty"`
		Enabled api.Text `json:"enabled"`
	}
	ruleRequest struct {
		Number  api.Text `json:"dedicated_number"`
		Name    api.Text `json:"rule_name"`
		Search  api.Text `json:"message_search_type"`
		Match   api.Text `json:"match_type"`
		Term    api.Text `json:"message_search_term"`
		Action  api.Text `json:"action"`
		Address api.Text `json:"action_address"`
		Enabled api.Text `json:"enabled"`
		Webhook api.Text `json:"webhook_type"`
	}
)

// inboundRule is a rule on messages that come in.
type inboundRule struct {
	ID      int    `json:"inbound_rule_id"`
	OldID   int    `json:"sms_inbound_rule_id"`
	Number  string `json:"dedicated_number"`
	Name    string `json:"rule_name"`
	Search  int    `json:"message_search_type"`
	Term    string `json:"message_search_term"`
	Action  string `json:"action"`
	Address string `json:"action_address"`
	Enabled int    `json:"enabled"`
	Webhook string `json:"webhook_type"`
}

// receiptRule is a rule on receipts.
type receiptRule struct {
	ID      int    `json:"receipt_rule_id"`
	Name    string `json:"rule_name"`
	Match   int    `json:"match_type"`
	Action  string `json:"action"`
	Address string `json:"action_address"`
	Enabled int    `json:"enabled"`
}

func inboundRuleOf(r *automation.Rule) inboundRule {
	return inboundRule{
		r.Number, r.Number, cmp.Or(r.Address.Display(), "*"), r.Name, int(r.Search), r.Term, string(r.Action), r.Target, enabled(r), cmp.Or(string(r.Webhook), string(automation.Form)),
	}
}

func receiptRuleOf(r *automation.Rule) receiptRule {
	return receiptRule{ID: r.Number, Name: r.Name, Action: string(r.Action), Address: r.Target, Enabled: enabled(r)}
}

func enabled(r *automation.Rule) int {
	if r.Enabled {
		return 1
	}
	return 0
}

// show is a rule as its sort is shown.
func (k ruleSort) show(w http.ResponseWriter, said string, r *automation.Rule) error {
	if k.about == automation.Inbound {
		return answer(w, said, inboundRuleOf(r))
	}
	return answer(w, said, receiptRuleOf(r))
}

// missing is the first field that a request lacks.
func (in *ruleRequest) missing(names []string) error {
	have := map[string]api.Text{
		"dedicated_number": in.Number, "rule_name": in.Name, "message_search_type": in.Search, "match_type": in.Match, "action": in.Action, "enabled": in.Enabled,
	}
	for _, name := range names {
		if have[name] == "" {
			return fault.New(fault.MissingField, "%s is missing", name).In(name)
		}
	}
	return nil
}

// edit is what a request changes of a rule; what it does not name stays.
func (k ruleSort) edit(in *ruleRequest, region string) (func(*automation.Rule), error) {
	var ours message.Address
	if in.Number != "" && in.Number != "*" {
		var err error
		if ours, err = message.ParseSender(string(in.Number), region); err != nil {
			return nil, fault.New(fault.InvalidField, "dedicated_number is no number of yours").In("dedicated_number")
		}
	}
	search, err := strconv.ParseInt(cmp.Or(string(in.Search), "0"), 10, 8)
	if err != nil {
		return nil, fault.New(fault.InvalidField, "message_search_type is 0, 1, 2 or 3").In("message_search_type")
	}
	if in.Webhook == api.Text(automation.Signed) { // it is the native API's
		return nil, fault.New(fault.InvalidField, "webhook_type is post, get or json").In("webhook_type")
	}
	if in.Match != "" && in.Match != "0" {
		return nil, fault.New(fault.InvalidField, "match_type is 0, which is all receipts").In("match_type")
	}
	return func(r *automation.Rule) {
		set(&r.Name, in.Name)
		set(&r.Term, in.Term)
		set((*string)(&r.Action), in.Action)
		set(&r.Target, in.Address)
		if in.Enabled != "" {
			r.Enabled = yes(string(in.Enabled))
		}
		if in.Number != "" && k.about == automation.Inbound {
			r.Address = ours
		}
		if in.Search != "" && k.about == automation.Inbound {
			r.Search = automation.Search(search)
		}
		if k.about == automation.Inbound {
			set((*string)(&r.Webhook), in.Webhook)
		}
		if r.Action == automation.URL && r.Webhook == "" {
			r.Webhook = automation.Form
		}
	}, nil
}

func set(field *string, value api.Text) {
	if value != "" {
		*field = string(value)
	}
}

// createRule makes a rule.
func (s *server) createRule(k ruleSort) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := api.DecodeLenient[ruleRequest](r)
		if err != nil {
			return err
		}
		if err := in.missing(k.needs); err != nil {
			return err
		}
		c := api.CallerOf(r)
		edit, err := k.edit(in, c.Account.Region)
		if err != nil {
			return err
		}
		wanted := automation.Rule{Account: c.Account.ID, About: k.about, Kind: message.SMS}
		edit(&wanted)
		if err := api.MayAutomate(c, &wanted); err != nil {
			return err
		}
		if err := s.core.Automation.Check(r.Context(), &wanted); err != nil {
			return err
		}
		return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
			made, _, err := s.core.Automation.Create(tx, c.By, wanted)
			if k.about == automation.Inbound {
				return success(k.made, inboundRuleOf(&made)), full(err)
			}
			return success(k.made, receiptRuleOf(&made)), full(err)
		})
	}
}

// rule is the rule of the path.
func (s *server) rule(r *http.Request, k ruleSort) (automation.Rule, error) {
	n, err := strconv.ParseInt(r.PathValue(k.key), 10, 32)
	if err != nil {
		return automation.Rule{}, fault.New(fault.NotHere, "there is no such rule")
	}
	return s.core.Automation.Numbered(r.Context(), api.CallerOf(r).Account.ID, k.about, int(n))
}

// readRule shows a rule.
func (s *server) readRule(k ruleSort) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := s.rule(r, k)
		if err != nil {
			return err
		}
		return k.show(w, k.read, &found)
	}
}

// changeRule changes a rule.
func (s *server) changeRule(k ruleSort) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := s.rule(r, k)
		if err != nil {
			return err
		}
		in, err := api.DecodeLenient[ruleRequest](r)
		if err != nil {
			return err
		}
		c := api.CallerOf(r)
		edit, err := k.edit(in, c.Account.Region)
		if err != nil {
			return err
		}
		changed, err := s.core.Automation.Change(r.Context(), c.By, c.Account.ID, found.ID, func(one *automation.Rule) error {
			edit(one)
			return api.MayAutomate(c, one)
		})
		if err != nil {
			return err
		}
		return k.show(w, k.changed, &changed)
	}
}

// deleteRule ends a rule.
func (s *server) deleteRule(k ruleSort) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := s.rule(r, k)
		if err != nil {
			return err
		}
		c := api.CallerOf(r)
		err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Automation.Delete(tx, c.By, c.Account.ID, found.ID) })
		if err != nil {
			return err
		}
		return answer(w, k.gone, []string{})
	}
}

// By what rules are searched.
var (
	inboundRuleTable = table[inboundRule]{
		{Name: "inbound_rule_id", Value: func(r *inboundRule) string { return strconv.Itoa(r.ID) }, Whole: true, Number: true},
		{Name: "rule_name", Value: func(r *inboundRule) string { return r.Name }},
		{Name: "dedicated_number", Value: func(r *inboundRule) string { return r.Number }},
		{Name: "message_search_term", Value: func(r *inboundRule) string { return r.Term }},
		{Name: "action", Value: func(r *inboundRule) string { return r.Action }, Whole: true},
		{Name: "action_address", Value: func(r *inboundRule) string { return r.Address }},
		{Name: "enabled", Value: func(r *inboundRule) string { return strconv.Itoa(r.Enabled) }, Whole: true, Number: true},
	}
	receiptRuleTable = table[receiptRule]{
		{Name: "receipt_rule_id", Value: func(r *receiptRule) string { return strconv.Itoa(r.ID) }, Whole: true, Number: true},
		{Name: "rule_name", Value: func(r *receiptRule) string { return r.Name }},
		{Name: "action", Value: func(r *receiptRule) string { return r.Action }, Whole: true},
		{Name: "action_address", Value: func(r *receiptRule) string { return r.Address }},
		{Name: "enabled", Value: func(r *receiptRule) string { return strconv.Itoa(r.Enabled) }, Whole: true, Number: true},
	}
)

// rulesOf are the rules of a sort that a request looks for.
func rulesOf[T any](s *server, r *http.Request, about automation.About, show func(*automation.Rule) T, by table[T]) ([]T, error) {
	all, err := s.core.Automation.All(r.Context(), api.CallerOf(r).Account.ID, about)
	if err != nil {
		return nil, err
	}
	shown := make([]T, len(all))
	for i := range all {
		shown[i] = show(&all[i])
	}
	return by.Choose(r, shown)
}

// readInboundRules lists rules on messages that come in.
func (s *server) readInboundRules(w http.ResponseWriter, r *http.Request) error {
	rows, err := rulesOf(s, r, automation.Inbound, inboundRuleOf, inboundRuleTable)
	if err != nil {
		return err
	}
	p := s.paging(r)
	return answer(w, "Your list of inbound rules.", newWidePage(p, len(rows), piece(p, rows)))
}

// readReceiptRules lists rules on receipts.
func (s *server) readReceiptRules(w http.ResponseWriter, r *http.Request) error {
	rows, err := rulesOf(s, r, automation.Receipts, receiptRuleOf, receiptRuleTable)
	if err != nil {
		return err
	}
	p := s.paging(r)
	return answer(w, "Your list of rule incoming sms receipt.", newPage(p, len(rows), piece(p, rows)))
}
