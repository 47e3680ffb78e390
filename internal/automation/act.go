package automation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// deed is what came of a job: from its work to its result.
type deed struct {
	rule    Rule
	skipped bool   // there was nothing to do
	problem string // why it could not be done; empty: it was
}

// act does what a rule sends because of one message or receipt, once: it sends under a key of its own, so that a job that is done again
// sends nothing new.
func (a *Automation) act(ctx context.Context, t *queue.Task) {
	t.Next = queue.Done()
	at, err := readTicket(t.Data)
	if err != nil {
		a.Log.Error("dropped a job that cannot be read", "job", t.ID, "err", err)
		return
	}
	d := &deed{}
	d.rule, d.skipped, err = a.do(ctx, t, at)
	f := fault.Of(err)
	_, refused := errors.AsType[*mail.Refused](err)
	switch {
	case err == nil:
		t.Payload = d
	case ctx.Err() != nil:
		t.Next = queue.Back(t.Step, t.Data)
	case refused:
		d.problem, t.Payload = "the mail server refuses the mail", d
	case f != nil && f.Kind() != fault.Unavailable && f.Kind() != fault.TooMany:
		d.problem, t.Payload = f.Text, d
	default:
		if f == nil && t.Step == 0 {
			a.Log.Warn("a rule must try again", "account", t.Account, "rule", at.rule, "message", message.ID(t.Subject), "err", err)
		}
		t.Next = queue.Again(a.Store.Now().Add(queue.Backoff(int(t.Step))), t.Step+1, t.Data)
	}
}

// do does one action. It is skipped when its rule, or what it is about, is there no more, or when nothing is to be answered.
func (a *Automation) do(ctx context.Context, t *queue.Task, at ticket) (r Rule, skipped bool, err error) {
	r, err = a.Get(ctx, t.Account, at.rule)
	if fault.Is(err, fault.NotHere) || err == nil && !r.Enabled {
		return r, true, nil
	}
	if err != nil {
		return r, false, err
	}
	if t.Expires.Before(a.Store.Now()) { // a worker may be faster than who ends such jobs
		return r, false, tooLate()
	}
	m, ok, err := a.Gateway.Brief(ctx, t.Account, message.ID(t.Subject))
	if err != nil || !ok {
		return r, !ok, err
	}
	switch r.Action {
	case AutoReply:
		skipped, err = a.answer(ctx, &r, at, &m)
	case SMS:
		skipped, err = a.forward(ctx, &r, at, &m)
	case EmailUser, EmailFixed:
		skipped, err = a.mail(ctx, &r, t.ID, at, &m)
	default: // the rule was changed meanwhile
		skipped = true
	}
	return r, skipped, err
}

func tooLate() *fault.Fault { return fault.New(fault.InvalidValidity, "it could not be done in time") }

// answer answers whoever wrote, from the number that was written to. A word that the server itself answers is not answered twice, and
// nor is a machine that says the same again to what a rule said.
func (a *Automation) answer(ctx context.Context, r *Rule, at ticket, m *message.Message) (skipped bool, err error) {
	replies, err := a.Gateway.Consent.Replies(ctx, r.Account)
	if err != nil {
		return false, err
	}
	if replies.To(m.Content.Text) != "" {
		return true, nil
	}
	if repeated, err := a.repeats(ctx, m); err != nil || repeated {
		return repeated, err
	}
	return false, a.submit(ctx, r, at, m, message.Draft{
		Channel: m.Channel, Kind: m.Kind, To: m.From.String(), From: m.To.Display(), Content: message.Text(r.Target), OnUnknown: message.Fail,
	})
}

// repeats tells whether a message is an automatic answer to what a rule sent: it has the same words as the one that the rule answered.
func (a *Automation) repeats(ctx context.Context, m *message.Message) (bool, error) {
	if m.Answers == 0 {
		return false, nil
	}
	sent, ok, err := a.Gateway.Brief(ctx, m.Account, m.Answers)
	if err != nil || !ok {
		return false, err
	}
	cause, automatic := causeOf(&sent)
	if !automatic {
		return false, nil
	}
	first, ok, err := a.Gateway.Brief(ctx, m.Account, cause)
	return ok && first.From == m.From && store.Fold(first.Content.Text) == store.Fold(m.Content.Text), err
}

// causeOf is the message because of which a rule sent this one; false when no rule did.
func causeOf(m *message.Message) (message.ID, bool) {
	words := strings.Split(m.Reference, "/")
	if m.Direction != message.Out || len(words) != 4 || words[0] != "rule" {
		return 0, false
	}
	cause, err := id.Parse[message.Message](words[2])
	return cause, err == nil
}

// forward sends what came in, or what became of a message, to a number. A text goes as it is, by the way that it came.
func (a *Automation) forward(ctx context.Context, r *Rule, at ticket, m *message.Message) (skipped bool, err error) {
	d := message.Draft{Kind: message.SMS, To: r.Target, Content: message.Text(m.Content.Text)}
	if m.Kind == message.SMS && r.About == Inbound {
		d.Channel, d.From = m.Channel, m.To.Display()
	}
	if r.About == Receipts {
		e, err := a.Events.One(ctx, m.Account, int64(m.ID), at.seq)
		if store.NoRows(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		d.Content = message.Text(tell(e, m))
	}
	return false, a.submit(ctx, r, at, m, d)
}

// tell is a receipt in one sentence.
func tell(e event.Event, m *message.Message) string {
	what := strings.TrimPrefix(string(e.Kind), "message.")
	if e.Change.Reason != "" {
		what += " (" + e.Change.Reason + ")"
	}
	return fmt.Sprintf("Message to %s: %s", m.To.Display(), what)
}

// submit sends as the rule's account does, under a key of the rule and what fired it.
func (a *Automation) submit(ctx context.Context, r *Rule, at ticket, m *message.Message, d message.Draft) error {
	owner, err := a.Gateway.Members.Working(ctx, r.Account)
	if err != nil {
		return err
	}
	d.Priority, d.Reference = message.Transactional, reference(r, m.ID, at.seq)
	reply, err := a.Gateway.Submit(ctx, gateway.Caller{Account: owner, Key: account.Key{Account: r.Account}, By: audit.System}, gateway.Request{
		Key: d.Reference, Scope: jobKind, Drafts: []message.Draft{d},
	})
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	return nil
}

// mail tells of what came in, or of what became of a message.
func (a *Automation) mail(ctx context.Context, r *Rule, job int64, at ticket, m *message.Message) (skipped bool, err error) {
	if a.Sender == nil {
		return false, fault.New(fault.NotSupported, "this server sends no mail any more")
	}
	to, err := a.reader(ctx, r)
	if err != nil {
		return false, err
	}
	if to == "" {
		return false, fault.New(fault.InvalidField, "the account has no user with a mail address")
	}
	e, err := a.Events.One(ctx, m.Account, int64(m.ID), at.seq)
	if store.NoRows(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	letter := mail.Message{ID: fmt.Sprintf("%s.%s", r.ID, id.Of[any](job)), To: to, At: e.At}
	if r.About == Inbound {
		letter.Subject = "Message from " + m.From.Display()
		letter.Text = fmt.Sprintf("From: %s\nTo: %s\nAt: %s\n\n%s\n", m.From.Display(), m.To.Display(), m.ID.Time().Format(time.RFC3339), m.Content.Text)
	} else {
		letter.Subject = tell(e, m)
		letter.Text = fmt.Sprintf("%s\nMessage: %s\nAt: %s\n", tell(e, m), m.ID, e.At.Format(time.RFC3339))
	}
	return false, a.Sender.Send(ctx, letter)
}

// end notes on the rules what could not be done.
func (a *Automation) end(tx *store.Tx, tasks []*queue.Task) error {
	var rows []ruleFailedParams
	for _, t := range tasks {
		d, ok := t.Payload.(*deed)
		if !ok || t.Fenced || d.skipped {
			continue
		}
		outcome := done
		if d.problem != "" {
			outcome = failed
			rows = append(rows, ruleFailedParams{At: tx.NowMilli(), Error: d.problem, ID: int64(d.rule.ID)})
		}
		tx.After(func() { a.told(t, d, outcome) })
	}
	if err := store.Run(tx, ruleFailed, rows); err != nil {
		return fmt.Errorf("note that rules failed: %w", err)
	}
	return nil
}

// told counts what came of a job, and logs what could not be done.
func (a *Automation) told(t *queue.Task, d *deed, outcome string) {
	a.actions.WithLabelValues(string(d.rule.Action), outcome).Inc()
	if d.problem != "" {
		a.Log.Warn("a rule could not do what it should", "account", t.Account, "rule", d.rule.ID, "message", message.ID(t.Subject), "err", d.problem)
	}
}

// expired notes what could not be done in time.
func (a *Automation) expired(tx *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		at, err := readTicket(t.Data)
		if err != nil {
			continue // it is told of when it is read to be done
		}
		rows, err := store.First[ruleRecord](tx, oneRule, []oneRuleParams{{ID: int64(at.rule), AccountID: t.Account}})
		if err != nil {
			return fmt.Errorf("read rule: %w", err)
		}
		if rows[0] != nil {
			t.Payload = &deed{rule: ruleOf(*rows[0]), problem: tooLate().Text}
		}
	}
	return a.end(tx, tasks)
}
