package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/webhook"
)

func (s *server) automationOperations() []operation {
	return []operation{
		op[input[ruleRequest], output[madeRuleReply]]("POST /rules", account.Admin, "createRule", "Say what is done with messages that come in, or with receipts", s.createRule).answers(201).once(),
		op[PageInput, output[page[RuleReply]]]("GET /rules", account.MessagesRead, "listRules", "List the rules, in the order in which they fire", s.listRules),
		op[IDInput, output[RuleReply]]("GET /rules/{id}", account.MessagesRead, "getRule", "Read a rule", s.getRule),
		op[ruleChangeInput, output[RuleReply]]("PATCH /rules/{id}", account.Admin, "changeRule", "Change a rule", s.changeRule),
		op[IDInput, nothing]("DELETE /rules/{id}", account.Admin, "deleteRule", "Delete a rule", s.deleteRule).answers(204),
	}
}

// ruleRequest is a rule to make.
type ruleRequest struct {
	Name    string `json:"name" maxLength:"200" example:"Orders"`
	On      string `json:"on" enum:"inbound,receipt" doc:"What it is about: messages that come in, or what becomes of messages that went out. It stays so."`
	Kind    string `json:"kind,omitempty" enum:"sms,whatsapp" doc:"Of the messages; all without it."`
	Address string `json:"address,omitempty" doc:"The address of ours that was written to, or from; all without it." example:"+254711000000"`
	Search  string `json:"search,omitempty" enum:"any,starts_with,contains,not_contains" doc:"Which texts; any without it."`
	Term    string `json:"term,omitempty" maxLength:"160" doc:"What the texts are searched for, whatever the capitals."`
	Action  string `json:"action" enum:"URL,POLL,AUTO_REPLY,SMS,EMAIL_USER,EMAIL_FIXED,NONE"`
	Target  string `json:"target,omitempty" maxLength:"2048" doc:"The address to post to, the text of the answer, the number or the mail address."`
	Webhook string `json:"webhook,omitempty" enum:"native,post,get,json" doc:"How a rule with URL posts: as every webhook, signed (native, without it), or as a form, by GET or as flat JSON, unsigned."`
	Enabled *bool  `json:"enabled,omitempty" doc:"true without it."`
}

// ruleChange is what to change of a rule; what is absent stays.
type ruleChange struct {
	Name    *string `json:"name,omitempty" maxLength:"200"`
	Kind    *string `json:"kind,omitempty" enum:",sms,whatsapp" doc:"Empty: all."`
	Address *string `json:"address,omitempty" doc:"Empty: all."`
	Search  *string `json:"search,omitempty" enum:"any,starts_with,contains,not_contains"`
	Term    *string `json:"term,omitempty" maxLength:"160"`
	Action  *string `json:"action,omitempty" enum:"URL,POLL,AUTO_REPLY,SMS,EMAIL_USER,EMAIL_FIXED,NONE"`
	Target  *string `json:"target,omitempty" maxLength:"2048"`
	Webhook *string `json:"webhook,omitempty" enum:"native,post,get,json"`
	Enabled *bool   `json:"enabled,omitempty"`
}

type ruleChangeInput struct {
	IDInput
	Body ruleChange
}

// RuleReply is a rule.
type RuleReply struct {
	ID        string  `json:"id" format:"uuid"`
	Number    int     `json:"number" doc:"Never given twice in the account."`
	Name      string  `json:"name"`
	On        string  `json:"on" enum:"inbound,receipt"`
	Kind      string  `json:"kind,omitempty" doc:"Absent: all."`
	Address   string  `json:"address,omitempty" doc:"Absent: all."`
	Search    string  `json:"search" enum:"any,starts_with,contains,not_contains"`
	Term      string  `json:"term,omitempty"`
	Action    string  `json:"action" enum:"URL,POLL,AUTO_REPLY,SMS,EMAIL_USER,EMAIL_FIXED,NONE"`
	Target    string  `json:"target,omitempty"`
	Webhook   string  `json:"webhook,omitempty" enum:"native,post,get,json"`
	WebhookID string  `json:"webhook_id,omitempty" format:"uuid" doc:"Of a rule with URL: the webhook that it feeds, whose deliveries can be listed and posted again."`
	Enabled   bool    `json:"enabled"`
	FiredAt   *string `json:"last_fired_at" format:"date-time" nullable:"true"`
	FailedAt  *string `json:"last_error_at" format:"date-time" nullable:"true"`
	Error     string  `json:"last_error,omitempty" doc:"Why it could not do what it should, when that was last so."`
	CreatedAt string  `json:"created_at" format:"date-time"`
	UpdatedAt string  `json:"updated_at" format:"date-time"`
}

// madeRuleReply is a new rule.
type madeRuleReply struct {
	RuleReply
	Secret string `json:"secret,omitempty" doc:"Of a rule that posts as every webhook: signs the posts (Standard Webhooks). Shown this once." example:"whsec_..."`
}

// signedRuleReply is a new rule with a secret.
type signedRuleReply struct{ madeRuleReply }

// Made implements api.ShownOnce.
func (m signedRuleReply) Made() string { return m.ID }

func showRule(r *automation.Rule) RuleReply {
	return RuleReply{
		ID: r.ID.String(), Number: r.Number, Name: r.Name, On: automation.Names[r.About], Kind: string(r.Kind), Address: r.Address.Display(),
		Search: automation.Searches[r.Search], Term: r.Term, Action: string(r.Action), Target: r.Target, Webhook: string(r.Webhook),
		WebhookID: webhook.EndpointID(r.Endpoint).String(), Enabled: r.Enabled, FiredAt: showMaybe(r.Fired), FailedAt: showMaybe(r.Failed), Error: r.Error,
		CreatedAt: showTime(r.ID.Time()), UpdatedAt: showTime(r.Updated),
	}
}

// wordIn finds what a word of the API stands for; -1 is nothing of ours, which the core refuses.
func wordIn[T automation.About | automation.Search](names map[T]string, word string) T {
	for value, name := range names {
		if name == word {
			return value
		}
	}
	return -1
}

// ourAddress reads an address of ours that a rule is for; empty is all.
func ourAddress(text, region string) (message.Address, error) {
	a, err := message.ParseSender(text, region)
	if err != nil {
		return a, fault.New(fault.InvalidField, "there can be no such address of ours").In("address")
	}
	return a, nil
}

// createRule makes a rule.
func (s *server) createRule(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[ruleRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wanted := automation.Rule{
		Account: c.Account.ID, Name: in.Name, About: wordIn(automation.Names, in.On), Kind: message.Kind(in.Kind), Term: in.Term,
		Action: automation.Action(in.Action), Target: in.Target, Webhook: automation.Style(in.Webhook), Enabled: in.Enabled == nil || *in.Enabled,
	}
	if in.Search != "" {
		wanted.Search = wordIn(automation.Searches, in.Search)
	}
	if wanted.Address, err = ourAddress(in.Address, c.Account.Region); err != nil {
		return err
	}
	if err := api.MayAutomate(c, &wanted); err != nil {
		return err
	}
	if err := s.core.Automation.Check(r.Context(), &wanted); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, secret, err := s.core.Automation.Create(tx, c.By, wanted)
		if reply := (madeRuleReply{showRule(&made), secret}); secret == "" {
			return reply, err
		}
		return signedRuleReply{madeRuleReply{showRule(&made), secret}}, err
	})
}

// listRules lists the account's rules, oldest first.
func (s *server) listRules(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "rules", func(after int64, limit int) ([]automation.Rule, error) {
		return s.core.Automation.List(r.Context(), a, automation.ID(after), limit)
	}, func(one *automation.Rule) (RuleReply, int64) { return showRule(one), int64(one.ID) })
}

// getRule shows one rule.
func (s *server) getRule(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[automation.Rule](r, "id")
	if err != nil {
		return err
	}
	found, err := s.core.Automation.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showRule(&found))
}

// changeRule changes what the request names.
func (s *server) changeRule(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[automation.Rule](r, "id")
	if err != nil {
		return err
	}
	in, err := api.Decode[ruleChange](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	var address message.Address
	if in.Address != nil {
		if address, err = ourAddress(*in.Address, c.Account.Region); err != nil {
			return err
		}
	}
	changed, err := s.core.Automation.Change(r.Context(), c.By, c.Account.ID, at, func(one *automation.Rule) error {
		in.apply(one)
		if in.Address != nil {
			one.Address = address
		}
		return api.MayAutomate(c, one)
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showRule(&changed))
}

// apply changes all but the address.
func (in *ruleChange) apply(r *automation.Rule) {
	put(&r.Name, in.Name)
	put((*string)(&r.Kind), in.Kind)
	put(&r.Term, in.Term)
	put((*string)(&r.Action), in.Action)
	put(&r.Target, in.Target)
	put((*string)(&r.Webhook), in.Webhook)
	put(&r.Enabled, in.Enabled)
	if in.Search != nil {
		r.Search = wordIn(automation.Searches, *in.Search)
	}
}

func put[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// deleteRule ends a rule.
func (s *server) deleteRule(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[automation.Rule](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Automation.Delete(tx, c.By, c.Account.ID, at) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
