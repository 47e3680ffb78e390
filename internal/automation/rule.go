package automation

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Rule is what an account wants done with what comes in.
type Rule struct {
	ID      ID
	Account account.ID
	Number  int // what it is to programs that know things by numbers; never given twice in the account
	Name    string
	About   About
	Kind    message.Kind    // of the messages; empty: all
	Address message.Address // the address of ours that was written to, or from; none: all
	Search  Search
	Term    string // what Search looks for, whatever its capitals
	Action  Action
	Target  string // where the action goes, or what it answers
	Webhook Style  // of a rule that posts: how
	Enabled bool
	Updated time.Time

	Endpoint int64     // of a rule that posts: the endpoint that it feeds; 0: it does not post
	Fired    time.Time // when it last matched; zero: never
	Failed   time.Time // when it last could not do what it should; zero: never
	Error    string    // why
}

// ID is the key of a rule.
type ID = id.Of[Rule]

// About is what a rule hears of, and what a poll box holds.
type About int16

// What rules are about. The numbers are stored.
const (
	Inbound  About = 1 // messages that come in
	Receipts About = 2 // what becomes of messages that went out
)

// Names are the words for what rules are about.
var Names = map[About]string{Inbound: "inbound", Receipts: "receipt"}

// kinds are the kinds of event that rules of each sort hear of.
var kinds = map[About][]event.Kind{
	Inbound:  {event.Received},
	Receipts: {event.Delivered, event.Read, event.Failed, event.Expired, event.Blocked, event.Retrying, event.Unconfirmed},
}

// Search is how a rule looks for its term in a text.
type Search int16

// The ways. The numbers are stored.
const (
	Anything    Search = 0
	StartsWith  Search = 1
	Contains    Search = 2
	ContainsNot Search = 3
)

// Searches are the words for the ways to look for a term.
var Searches = map[Search]string{Anything: "any", StartsWith: "starts_with", Contains: "contains", ContainsNot: "not_contains"}

// Action is what a rule does.
type Action string

// The actions.
const (
	URL        Action = "URL"         // posts to the target
	Poll       Action = "POLL"        // puts it into the box from which the account fetches it
	AutoReply  Action = "AUTO_REPLY"  // answers the sender with the target
	SMS        Action = "SMS"         // forwards it to the number in the target
	EmailUser  Action = "EMAIL_USER"  // by mail to the account's own user
	EmailFixed Action = "EMAIL_FIXED" // by mail to the target
	None       Action = "NONE"
)

// Style is how a rule posts.
type Style string

// The styles.
const (
	Signed Style = "native" // as every webhook, signed
	Form   Style = "post"   // a form
	JSON   Style = "json"
	Query  Style = "get" // a GET with parameters
)

const (
	perAccount = 100  // rules
	maxName    = 200  // characters
	maxTerm    = 160  // characters
	maxTarget  = 2048 // characters, of an address that is posted to
	maxText    = 1530 // characters of an answer: ten parts
)

// Create stores a rule that Check found good. Of one that posts by webhooks of the native kind it returns the secret that its posts are
// signed with, this once.
func (a *Automation) Create(tx *store.Tx, by audit.Actor, r Rule) (made Rule, secret string, err error) {
	have, err := store.First[int64](tx, countRules, []countRulesParams{{AccountID: r.Account}})
	if err != nil {
		return r, "", fmt.Errorf("count rules: %w", err)
	}
	if *have[0] >= perAccount {
		return r, "", fault.New(fault.TooManyItems, "the account has %d rules, and may not have more", perAccount)
	}
	if r.Number, err = tx.NextNumber("rule/" + r.Account.String()); err != nil {
		return r, "", err
	}
	if r.Number > math.MaxInt32 {
		return r, "", fault.New(fault.TooManyItems, "the account has no numbers left for rules")
	}
	r.ID, r.Updated, r.Endpoint = ID(tx.NewID()), tx.Now(), 0
	if r.Action == URL {
		if r.Endpoint, secret, err = a.Poster.Open(tx, by, r.Account, int64(r.ID), r.Target, string(r.Webhook), kinds[r.About]); err != nil {
			return r, "", err
		}
	}
	row := addRuleParams{
		ID: int64(r.ID), AccountID: r.Account, Number: int64(r.Number), Name: r.Name, About: int16(r.About), Kind: string(r.Kind), Address: r.Address.String(),
		Search: int16(r.Search), Term: r.Term, Action: string(r.Action), Target: r.Target, Webhook: string(r.Webhook), WebhookID: r.Endpoint,
		Enabled: flag(r.Enabled), UpdatedAt: tx.NowMilli(),
	}
	if err := store.Run(tx, addRule, []addRuleParams{row}); err != nil {
		return r, "", fmt.Errorf("store rule: %w", err)
	}
	if r.Webhook != Signed {
		secret = ""
	}
	return r, secret, note(tx, by, r, "rule.create", "", r.brief())
}

// note writes down who changed a rule and has every server read the rules again.
func note(tx *store.Tx, by audit.Actor, r Rule, action, was, became string) error {
	err := audit.Append(tx, audit.Entry{Account: r.Account, Actor: by, Action: action, Subject: r.ID.String(), Detail: r.Name, Was: was, Became: became})
	if err != nil {
		return err
	}
	return tx.Touch(topic)
}

// brief is a rule as the audit log shows it.
func (r *Rule) brief() string {
	return audit.Values(map[string]any{
		"name": r.Name, "on": Names[r.About], "kind": r.Kind, "address": r.Address.Display(), "search": Searches[r.Search], "term": r.Term,
		"action": r.Action, "target": r.Target, "webhook": r.Webhook, "enabled": r.Enabled,
	})
}

// Get returns a rule of the account.
func (a *Automation) Get(ctx context.Context, of account.ID, which ID) (Rule, error) {
	row, err := on(a.Store.Reader()).OneRule(ctx, oneRuleParams{ID: int64(which), AccountID: of})
	if store.NoRows(err) {
		return Rule{}, fault.New(fault.NotHere, "there is no rule %s", which)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("read rule: %w", err)
	}
	return ruleOf(row), nil
}

// Numbered returns the account's rule with a number, about one of the two.
func (a *Automation) Numbered(ctx context.Context, of account.ID, about About, number int) (Rule, error) {
	row, err := on(a.Store.Reader()).NumberedRule(ctx, numberedRuleParams{AccountID: of, Number: int64(number)})
	if store.NoRows(err) || err == nil && About(row.About) != about {
		return Rule{}, fault.New(fault.NotHere, "there is no rule %d", number)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("read rule: %w", err)
	}
	return ruleOf(row), nil
}

// List returns the account's rules after the given one (zero: from the first), in the order in which they were made.
func (a *Automation) List(ctx context.Context, of account.ID, after ID, page int) ([]Rule, error) {
	rows, err := on(a.Store.Reader()).RulesOf(ctx, rulesOfParams{AccountID: of, After: int64(after), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	list := make([]Rule, len(rows))
	for i, r := range rows {
		list[i] = ruleOf(r)
	}
	return list, nil
}

// All returns the account's rules about one of the two, in the order in which they were made.
func (a *Automation) All(ctx context.Context, of account.ID, about About) (list []Rule, err error) {
	all, err := a.List(ctx, of, 0, perAccount)
	for _, r := range all {
		if r.About == about {
			list = append(list, r)
		}
	}
	return list, err
}

// Sends reports whether the rule sends messages.
func (r *Rule) Sends() bool { return r.Enabled && (r.Action == AutoReply || r.Action == SMS) }

// Change changes what edit changes of a rule. What was about messages that come in stays so. A rule that posts posts again, should its
// endpoint have been disabled.
func (a *Automation) Change(ctx context.Context, by audit.Actor, of account.ID, which ID, edit func(*Rule) error) (Rule, error) {
	wanted, err := a.Get(ctx, of, which)
	if err != nil {
		return Rule{}, err
	}
	if err := edit(&wanted); err != nil {
		return Rule{}, err
	}
	if err := a.Check(ctx, &wanted); err != nil {
		return Rule{}, err
	}
	err = a.Store.Write(func(tx *store.Tx) error {
		was, err := locked(tx, of, which)
		if err != nil {
			return err
		}
		wanted.Endpoint, wanted.Updated = was.Endpoint, tx.Now()
		wanted.Fired, wanted.Failed, wanted.Error = was.Fired, was.Failed, was.Error
		return a.change(tx, by, was, &wanted)
	})
	return wanted, err
}

func (a *Automation) change(tx *store.Tx, by audit.Actor, was Rule, r *Rule) (err error) {
	switch {
	case r.Action == URL && was.Endpoint == 0:
		r.Endpoint, _, err = a.Poster.Open(tx, by, r.Account, int64(r.ID), r.Target, string(r.Webhook), kinds[r.About])
	case r.Action == URL:
		err = a.Poster.Point(tx, by, r.Account, was.Endpoint, r.Target, string(r.Webhook))
	case was.Endpoint != 0:
		r.Endpoint = 0
		err = a.Poster.Close(tx, by, r.Account, was.Endpoint)
	}
	if err != nil {
		return err
	}
	row := changeRuleParams{
		Name: r.Name, Kind: string(r.Kind), Address: r.Address.String(), Search: int16(r.Search), Term: r.Term, Action: string(r.Action), Target: r.Target,
		Webhook: string(r.Webhook), WebhookID: r.Endpoint, Enabled: flag(r.Enabled), UpdatedAt: tx.NowMilli(), ID: int64(r.ID), AccountID: r.Account,
	}
	if err := store.Run(tx, changeRule, []changeRuleParams{row}); err != nil {
		return fmt.Errorf("change rule: %w", err)
	}
	return note(tx, by, *r, "rule.update", was.brief(), r.brief())
}

// Delete removes a rule. What it has still to send is not sent any more, and what is on its way to its endpoint is not posted.
func (a *Automation) Delete(tx *store.Tx, by audit.Actor, of account.ID, which ID) error {
	was, err := locked(tx, of, which)
	if err != nil {
		return err
	}
	if was.Endpoint != 0 {
		if err := a.Poster.Close(tx, by, of, was.Endpoint); err != nil {
			return err
		}
	}
	if err := store.Run(tx, dropRule, []dropRuleParams{{ID: int64(which), AccountID: of}}); err != nil {
		return fmt.Errorf("delete rule: %w", err)
	}
	return note(tx, by, was, "rule.delete", was.brief(), "")
}

// locked is a rule as it is in the transaction.
func locked(tx *store.Tx, of account.ID, which ID) (Rule, error) {
	rows, err := store.First[ruleRecord](tx, oneRule, []oneRuleParams{{ID: int64(which), AccountID: of}})
	if err != nil {
		return Rule{}, fmt.Errorf("read rule: %w", err)
	}
	if rows[0] == nil {
		return Rule{}, fault.New(fault.NotHere, "there is no rule %s", which)
	}
	return ruleOf(*rows[0]), nil
}

// Check tells with a fault what is wrong with a rule, and writes it as it is kept. It may ask for the address of a host.
func (a *Automation) Check(ctx context.Context, r *Rule) error {
	switch {
	case r.Name == "" || utf8.RuneCountInString(r.Name) > maxName || strings.ContainsAny(r.Name, "\r\n"):
		return fault.New(fault.InvalidField, "a name is one line of 1 to %d characters", maxName).In("name")
	case kinds[r.About] == nil:
		return fault.New(fault.InvalidField, "a rule is about messages that come in, or about receipts").In("on")
	case r.Kind != "" && r.Kind != message.SMS && r.Kind != message.WhatsApp:
		return fault.New(fault.InvalidField, "there is no such kind of message").In("kind")
	}
	if err := r.checkSearch(); err != nil {
		return err
	}
	return a.checkAction(ctx, r)
}

func (r *Rule) checkSearch() error {
	if _, known := Searches[r.Search]; !known {
		return fault.New(fault.InvalidField, "a text is searched for anything, or for what it starts with, contains or does not contain").In("search")
	}
	switch {
	case r.Search == Anything:
		r.Term = ""
	case r.About == Receipts:
		return fault.New(fault.InvalidField, "a receipt has no text to be searched").In("search")
	case strings.TrimSpace(r.Term) == "" || utf8.RuneCountInString(r.Term) > maxTerm:
		return fault.New(fault.InvalidField, "a term has 1 to %d characters", maxTerm).In("term")
	}
	return nil
}

func (a *Automation) checkAction(ctx context.Context, r *Rule) error {
	if r.Action != URL {
		r.Webhook = ""
	}
	if utf8.RuneCountInString(r.Target) > maxTarget {
		return fault.New(fault.InvalidField, "a target has at most %d characters", maxTarget).In("target")
	}
	switch r.Action {
	case URL:
		return a.checkPost(ctx, r)
	case AutoReply:
		return r.checkAnswer()
	case SMS:
		return a.checkForward(ctx, r)
	case EmailUser, EmailFixed:
		return a.checkMail(ctx, r)
	case Poll, None:
		return nil
	case "":
		return fault.New(fault.MissingField, "a rule does something").In("action")
	default:
		return fault.New(fault.InvalidField, "there is no action %.40q here", r.Action).In("action")
	}
}

func (a *Automation) checkPost(ctx context.Context, r *Rule) error {
	switch r.Webhook {
	case Signed, Form, JSON, Query:
	case "":
		r.Webhook = Signed
	default:
		return fault.New(fault.InvalidField, "a rule posts by %q, %q, %q or %q", Signed, Form, JSON, Query).In("webhook")
	}
	if r.Target == "" {
		return fault.New(fault.MissingField, "a rule that posts has an address to post to").In("target")
	}
	if err := a.Poster.Check(ctx, r.Target); err != nil {
		if f := fault.Of(err); f != nil {
			return f.In("target")
		}
		return err
	}
	return nil
}

func (r *Rule) checkAnswer() error {
	switch {
	case r.About == Receipts:
		return fault.New(fault.InvalidField, "a receipt has nobody to answer").In("action")
	case strings.TrimSpace(r.Target) == "":
		return fault.New(fault.MissingField, "an answer has a text").In("target")
	case utf8.RuneCountInString(r.Target) > maxText:
		return fault.New(fault.InvalidField, "an answer has at most %d characters", maxText).In("target")
	}
	return nil
}

// checkForward reads the number that texts are forwarded to.
func (a *Automation) checkForward(ctx context.Context, r *Rule) error {
	if r.Target == "" {
		return fault.New(fault.MissingField, "texts are forwarded to a number").In("target")
	}
	owner, _, err := a.Gateway.Members.Get(ctx, r.Account)
	if err != nil {
		return err
	}
	to, err := message.ParsePhone(r.Target, owner.Region)
	if err != nil {
		return fault.New(fault.InvalidField, "texts are forwarded to a phone number, and this is none").In("target")
	}
	r.Target = to.String()
	return nil
}

func (a *Automation) checkMail(ctx context.Context, r *Rule) error {
	if a.Sender == nil {
		return fault.New(fault.NotSupported, "this server sends no mail: its operator has set no SMTP server").In("action")
	}
	if r.Action == EmailFixed && !mail.Valid(r.Target) {
		return fault.New(fault.InvalidField, "this is no mail address").In("target")
	}
	if r.Action == EmailFixed {
		return nil
	}
	to, err := a.reader(ctx, r)
	if err == nil && to == "" {
		err = fault.New(fault.InvalidField, "the account has no user with a mail address; name the address").In("target")
	}
	return err
}

// reader is to whom a rule sends mail; empty: to nobody.
func (a *Automation) reader(ctx context.Context, r *Rule) (string, error) {
	if r.Action == EmailFixed || mail.Valid(r.Target) {
		return r.Target, nil
	}
	user, err := a.Gateway.Members.FirstUser(ctx, account.Account{ID: r.Account})
	return user.Email, err
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

func ruleOf(r ruleRecord) Rule {
	return Rule{
		ID: ID(r.ID), Account: r.AccountID, Number: int(r.Number), Name: r.Name, About: About(r.About), Kind: message.Kind(r.Kind),
		Address: message.ParseAddress(r.Address), Search: Search(r.Search), Term: r.Term, Action: Action(r.Action), Target: r.Target, Webhook: Style(r.Webhook),
		Enabled: r.Enabled == 1, Updated: moment(r.UpdatedAt), Endpoint: r.WebhookID, Fired: moment(r.FiredAt), Failed: moment(r.FailedAt), Error: r.Error,
	}
}

func moment(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli).UTC()
}

// line is a rule in an export of its account.
type line struct {
	Type    string       `json:"type"`
	ID      string       `json:"id"`
	Number  int          `json:"number"`
	Name    string       `json:"name"`
	On      string       `json:"on"`
	Kind    message.Kind `json:"kind,omitempty"`
	Address string       `json:"address,omitempty"`
	Search  string       `json:"search"`
	Term    string       `json:"term,omitempty"`
	Action  Action       `json:"action"`
	Target  string       `json:"target,omitempty"`
	Webhook Style        `json:"webhook,omitempty"`
	Enabled bool         `json:"enabled"`
	At      string       `json:"created_at"`
}

// Lines is List as an export shows it; next is where the next page begins, 0 when there is none.
func (a *Automation) Lines(ctx context.Context, of account.ID, after int64, page int) (lines []any, next int64, err error) {
	list, err := a.List(ctx, of, ID(after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range list {
		lines = append(lines, line{
			"rule", r.ID.String(), r.Number, r.Name, Names[r.About], r.Kind, r.Address.Display(), Searches[r.Search], r.Term, r.Action, r.Target, r.Webhook,
			r.Enabled, r.ID.Time().Format(time.RFC3339Nano),
		})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}
