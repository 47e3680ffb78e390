// Package notify tells people by mail what they must do something about: who has set an address for his account, and the
// operator.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Kinds lists the kinds of event that there is mail about.
var Kinds = []event.Kind{event.WalletLow, event.ChannelDown, event.ChannelUp, event.ChannelUnlinked, event.ChannelLimited, event.KeyExpiring, event.WebhookDisabled}

const (
	jobKind  = "mail" // of jobs
	lane     = "mail"
	workers  = 2
	priority = 3
	pause    = time.Hour // between mails of one kind about one thing
	tries    = 60        // of one mail: about nine hours
	most     = 10        // addresses of an account
)

// Sender sends mail: mail.Settings, or what a test puts in its place. A *mail.Refused is not tried again.
type Sender interface {
	Send(ctx context.Context, m mail.Message) error
}

// Config is what notify needs.
type Config struct {
	Store    *store.Store
	Queue    *queue.Queue
	Events   *event.Log
	Sender   Sender // nil: there is no mail
	Operator string // who hears of channels that all share; empty: nobody
	Log      *slog.Logger
}

// Notifier sends mail about events.
type Notifier struct{ Config }

// New returns a notifier and makes it known to the queue. It hears of events once it follows the log.
func New(c Config) *Notifier {
	n := &Notifier{c}
	nothing := func(*store.Tx, []*queue.Task) error { return nil }
	c.Queue.Handle(jobKind, queue.Kind{Begin: nothing, End: nothing, Hardy: true})
	return n
}

// Wishes are who of an account wants to hear of what.
type Wishes struct {
	Emails []string
	Kinds  []string // patterns as webhooks have them
}

// Get returns an account's wishes: at first nobody, of all.
func (n *Notifier) Get(ctx context.Context, a account.ID) (Wishes, error) {
	r, err := on(n.Store.Reader()).GetNotification(ctx, getNotificationParams{AccountID: a})
	if store.NoRows(err) {
		return Wishes{Kinds: []string{"*"}}, nil
	}
	if err != nil {
		return Wishes{}, fmt.Errorf("read notifications: %w", err)
	}
	return Wishes{strings.Fields(r.Emails), strings.Fields(r.Kinds)}, nil
}

// Set replaces an account's wishes.
func (n *Notifier) Set(tx *store.Tx, by audit.Actor, a account.ID, w Wishes) error {
	if err := w.check(); err != nil {
		return err
	}
	row := setNotificationParams{AccountID: a, Emails: strings.Join(w.Emails, " "), Kinds: strings.Join(w.Kinds, " ")}
	if err := store.Run(tx, setNotification, []setNotificationParams{row}); err != nil {
		return fmt.Errorf("store notifications: %w", err)
	}
	detail := fmt.Sprintf("%d addresses, %s", len(w.Emails), row.Kinds)
	return audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "notifications.update", Subject: a.String(), Detail: detail})
}

func (w Wishes) check() error {
	if len(w.Emails) > most {
		return fault.New(fault.TooManyItems, "an account has at most %d addresses", most).In("emails")
	}
	for i, address := range w.Emails {
		if !mail.Valid(address) || strings.ContainsAny(address, " \t\r\n") {
			return fault.New(fault.InvalidField, "this is no mail address").In(fmt.Sprintf("emails[%d]", i))
		}
	}
	for i, pattern := range w.Kinds {
		if !slices.ContainsFunc(Kinds, func(k event.Kind) bool { return k.Matches(pattern) }) {
			return fault.New(fault.InvalidField, "there is no mail about %.60q", pattern).In(fmt.Sprintf("kinds[%d]", i))
		}
	}
	return nil
}

// letter is what a job says besides its event's subject.
type letter struct {
	Seq  int    `json:"seq"`
	To   string `json:"to"`
	Late bool   `json:"late,omitempty"` // it waits for its time, and then tells of the newest event of the kind
}

// Follow adds a job for each mail about events.
func (n *Notifier) Follow(tx *store.Tx, events []event.Event) error {
	if n.Sender == nil {
		return nil
	}
	var jobs []queue.Job
	for _, e := range events {
		if !slices.Contains(Kinds, e.Kind) {
			continue
		}
		to, err := n.readers(tx, e)
		if err != nil {
			return err
		}
		if len(to) == 0 {
			continue
		}
		due, ok, err := n.when(tx, e)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		for _, address := range to {
			data, err := json.Marshal(letter{e.Seq, address, due.After(tx.Now())})
			if err != nil {
				return fmt.Errorf("encode mail: %w", err)
			}
			jobs = append(jobs, queue.Job{
				ID: tx.NewID(), Lane: lane, Kind: jobKind, Subject: e.Subject, Account: e.Account, Priority: priority, Due: due, Data: string(data),
			})
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return n.Queue.Add(tx, jobs)
}

// readers are the addresses that hear of an event.
func (n *Notifier) readers(tx *store.Tx, e event.Event) (to []string, err error) {
	rows, err := store.First[getNotificationRow](tx, getNotification, []account.ID{e.Account})
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	if r := rows[0]; r != nil && slices.ContainsFunc(strings.Fields(r.Kinds), e.Kind.Matches) {
		to = strings.Fields(r.Emails)
	}
	if n.Operator != "" && shared(e) && !slices.Contains(to, n.Operator) {
		to = append(to, n.Operator)
	}
	return to, nil
}

// shared reports whether an event is about a channel of the operator's for all.
func shared(e event.Event) bool {
	var c struct{ Shared bool }
	return e.Kind.Matches("channel.*") && json.Unmarshal(e.Change.Facts, &c) == nil && c.Shared
}

// when is when mail about an event may leave: at once, or when the last of its kind about the same thing is long enough ago.
// false: one waits for that already, and will tell of this event.
func (n *Notifier) when(tx *store.Tx, e event.Event) (time.Time, bool, error) {
	at, err := store.First[int64](tx, noteMail, []noteMailParams{{
		AccountID: e.Account, Kind: string(e.Kind), Subject: e.Subject, Now: tx.NowMilli(), Pause: pause.Milliseconds(),
	}})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("note a mail: %w", err)
	}
	if at[0] == nil {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(*at[0]), true, nil
}

// Drop deletes some of the notes of mails that are long gone, and tells whether there may be more.
func (n *Notifier) Drop(tx *store.Tx) (more bool, err error) {
	done, err := store.Each(tx, dropMailed, []dropMailedParams{{Before: tx.Now().Add(-pause).UnixMilli()}})
	if err != nil {
		return false, fmt.Errorf("drop notes of mails: %w", err)
	}
	return done[0] > 0, nil
}

// Run sends until ctx ends, then finishes what is under way; hard ends that too.
func (n *Notifier) Run(ctx, hard context.Context) {
	if n.Sender == nil {
		<-ctx.Done()
		return
	}
	n.Queue.Work(ctx, hard, lane, workers, nil, n.send)
}

// send sends one mail, and decides what comes next.
func (n *Notifier) send(ctx context.Context, t *queue.Task) {
	t.Next = queue.Done()
	var l letter
	if err := json.Unmarshal([]byte(t.Data), &l); err != nil {
		n.Log.Error("dropped a mail that cannot be read", "job", t.ID, "err", err)
		return
	}
	e, err := n.event(ctx, t, l)
	if store.NoRows(err) {
		return // it is not kept any more
	}
	if err == nil {
		m := compose(e)
		m.ID, m.To = fmt.Sprintf("%s.%d.%s", id.Of[any](e.Subject), e.Seq, id.Of[any](t.ID)), l.To
		err = n.Sender.Send(ctx, m)
	}
	_, refused := errors.AsType[*mail.Refused](err)
	switch {
	case err == nil:
	case refused || int(t.Step)+1 >= tries:
		n.Log.Warn("a mail was given up", "account", t.Account, "kind", e.Kind, "tries", t.Step+1)
	default:
		if ctx.Err() == nil {
			n.Log.Warn("cannot send a mail", "account", t.Account, "kind", e.Kind, "err", err)
		}
		t.Next = queue.Again(n.Store.Now().Add(queue.Backoff(int(t.Step))), t.Step+1, t.Data)
	}
}

// event is what a mail tells of.
func (n *Notifier) event(ctx context.Context, t *queue.Task, l letter) (event.Event, error) {
	e, err := n.Events.One(ctx, t.Account, t.Subject, l.Seq)
	if err != nil || !l.Late {
		return e, err
	}
	return n.Events.Last(ctx, t.Account, t.Subject, e.Kind)
}
