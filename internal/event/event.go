// Package event is the one door for facts: whoever changes something appends its event here, in the same transaction,
// and whoever must act on events follows.
package event

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Kind names what happened, such as "message.delivered".
type Kind string

// The kinds of event.
const (
	Retrying  Kind = "message.retrying"
	Sent      Kind = "message.sent"
	Delivered Kind = "message.delivered"
	Read      Kind = "message.read"
	Failed    Kind = "message.failed"
	Unknown   Kind = "message.unknown"
	Cancelled Kind = "message.cancelled"
	Expired   Kind = "message.expired"
	Blocked   Kind = "message.blocked"
	Received  Kind = "message.received"
	Played    Kind = "message.played" // a voice note was listened to
	Media     Kind = "message.media"  // the file of a message that came in is here, or gone for ever
	OptedOut  Kind = "recipient.opted_out"
	OptedIn   Kind = "recipient.opted_in"

	// Unconfirmed says that a network took a message and never told what became of it.
	Unconfirmed Kind = "message.unconfirmed"

	// Clicked says that somebody followed a short link of a message for the first time.
	Clicked Kind = "link.clicked"

	WalletLow       Kind = "wallet.low"
	ChannelDown     Kind = "channel.down"
	ChannelUp       Kind = "channel.up"
	ChannelLinked   Kind = "channel.linked"
	ChannelUnlinked Kind = "channel.unlinked"
	ChannelLimited  Kind = "channel.limited"
	ChannelCall     Kind = "channel.call"
	KeyExpiring     Kind = "key.expiring"
	WebhookDisabled Kind = "webhook.disabled"

	ContactCreated Kind = "contact.created" // somebody who was not known wrote
	ContactUpdated Kind = "contact.updated" // a contact has other addresses now
	ContactMerged  Kind = "contact.merged"  // two contacts turned out to be one
)

// Kinds lists every kind, in the order they are documented.
var Kinds = []Kind{
	Retrying, Sent, Delivered, Read, Failed, Unknown, Unconfirmed, Cancelled, Expired, Blocked, Received, Played, Media, Clicked, OptedOut, OptedIn,
	WalletLow, ChannelDown, ChannelUp, ChannelLinked, ChannelUnlinked, ChannelLimited, ChannelCall, KeyExpiring, WebhookDisabled,
	ContactCreated, ContactUpdated, ContactMerged,
}

// Event is one fact about one subject. Seq counts the subject's events from 1 without a gap.
type Event struct {
	Subject int64
	Seq     int
	Account account.ID
	Kind    Kind
	Change  Change
	At      time.Time
	Place   Place // zero until it is appended
	// Channel is by which the message goes that it is about. Followers see it; it is not kept.
	Channel message.ChannelID
	Chat    uint64 // the events with the same one are told in the order in which they are appended, as those of one subject are; 0: these alone. It is not kept
}

// Change is what an event changed. What the subject is otherwise, its own rows tell.
type Change struct {
	Status     string `json:"status,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Code       string `json:"code,omitempty"`
	Attempt    int    `json:"attempt,omitempty"`
	Duplicate  bool   `json:"duplicate,omitempty"`
	Correction bool   `json:"correction,omitempty"`
	Address    string `json:"address,omitempty"` // of a recipient.* event
	Word       string `json:"word,omitempty"`    // of a recipient.* event: what they wrote, or how else it came

	Link *Link `json:"link,omitempty"` // of a link.clicked event

	Facts json.RawMessage `json:"facts,omitempty"` // of a notice: all that it tells
}

// Link is the short link that was followed.
type Link struct {
	ID  string `json:"id"`
	URL string `json:"url"` // the link itself, not where it leads
}

// Follower acts on events in the transaction that appends them.
type Follower interface {
	Follow(tx *store.Tx, events []Event) error
}

// Log appends events and tells its followers.
type Log struct {
	store     *store.Store
	followers []Follower
	places    places
	waiters   waiters
}

// New returns a log without followers.
func New(s *store.Store) *Log { return &Log{store: s, waiters: newWaiters()} }

// FollowedBy adds a follower. It must be called before anything is appended.
func (l *Log) FollowedBy(f Follower) { l.followers = append(l.followers, f) }

// Append stores events with the transaction, gives them their places, and tells the followers in it. Their numbers come from
// their subjects' counters, kept by whoever owns the subject.
func (l *Log) Append(tx *store.Tx, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	first, err := l.places.take(tx, len(events))
	if err != nil {
		return err
	}
	rows := make([]addEventParams, len(events))
	for i, e := range events {
		data, err := json.Marshal(e.Change)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		rows[i] = addEventParams{
			Subject: e.Subject, Seq: int64(e.Seq), AccountID: e.Account, Kind: string(e.Kind), Data: string(data), At: e.At.UnixMilli(),
			Place: first + int64(i),
		}
		events[i].Place = Place(first) + Place(i)
	}
	if err := store.Run(tx, addEvent, rows); err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	if l.waiters.awaited() {
		tx.After(func() { l.waiters.tell(events) })
	}
	return l.tell(tx, events)
}

// Of lists the events of a subject in their order.
func (l *Log) Of(ctx context.Context, a account.ID, subject int64) ([]Event, error) {
	rows, err := on(l.store.Reader()).EventsOf(ctx, eventsOfParams{Subject: subject, AccountID: a})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = eventOf(r)
	}
	return events, nil
}

// storyPage is how many events UpTo tells: more than any message has, and enough to find what came before in a story without end.
const storyPage = 100

// UpTo lists the events of a subject that led to the given one, which is the last, in their order: the last hundred of them.
func (l *Log) UpTo(ctx context.Context, a account.ID, subject int64, seq int) ([]Event, error) {
	rows, err := on(l.store.Reader()).EventsUpTo(ctx, eventsUpToParams{Subject: subject, AccountID: a, Seq: int64(seq), Page: storyPage})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[len(rows)-1-i] = eventOf(r)
	}
	return events, nil
}

// One returns one event, or store.NoRows.
func (l *Log) One(ctx context.Context, a account.ID, subject int64, seq int) (Event, error) {
	r, err := on(l.store.Reader()).OneEvent(ctx, oneEventParams{Subject: subject, Seq: int64(seq), AccountID: a})
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	return eventOf(r), nil
}

// Last returns the newest event of a kind about a subject, or store.NoRows.
func (l *Log) Last(ctx context.Context, a account.ID, subject int64, kind Kind) (Event, error) {
	r, err := on(l.store.Reader()).LastOfKind(ctx, lastOfKindParams{Subject: subject, AccountID: a, Kind: string(kind)})
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	return eventOf(r), nil
}

// Rewrite changes what the events of a subject say, where it may not be kept. Whoever was told already is not told again.
func (l *Log) Rewrite(tx *store.Tx, a account.ID, subject int64, change func(*Change)) error {
	rows, err := store.Find[eventRecord](tx, eventsOf, []eventsOfParams{{Subject: subject, AccountID: a}})
	if err != nil {
		return fmt.Errorf("list events: %w", err)
	}
	updates := make([]rewriteEventParams, len(rows))
	for i, r := range rows {
		e := eventOf(r.Row)
		change(&e.Change)
		data, err := json.Marshal(e.Change)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		updates[i] = rewriteEventParams{Data: string(data), Subject: subject, Seq: r.Row.Seq}
	}
	if err := store.Run(tx, rewriteEvent, updates); err != nil {
		return fmt.Errorf("rewrite events: %w", err)
	}
	return nil
}

// Span is subjects from the first to the last.
type Span struct{ First, Last int64 }

// Drop deletes the events of messages.
func (l *Log) Drop(tx *store.Tx, messages []Span) error {
	rows := make([]dropEventsParams, len(messages))
	for i, s := range messages {
		rows[i] = dropEventsParams(s)
	}
	if err := store.Run(tx, dropEvents, rows); err != nil {
		return fmt.Errorf("drop events: %w", err)
	}
	return nil
}

// DropOld deletes some of the events that happened before the given time, and tells whether there may be more.
func (l *Log) DropOld(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropOldEvents, []dropOldEventsParams{{Before: int64(id.At[Event](before)), At: before.UnixMilli()}})
	if err != nil {
		return false, fmt.Errorf("drop old events: %w", err)
	}
	return n[0] > 0, nil
}

// Others reports whether any subject from one to before another is no message and has events since the given time.
func (l *Log) Others(ctx context.Context, from, before int64, since time.Time) (bool, error) {
	_, err := on(l.store.Reader()).OtherEvent(ctx, otherEventParams{FromSubject: from, Before: before, Since: since.UnixMilli()})
	if store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for events of no message: %w", err)
	}
	return true, nil
}

func eventOf(r eventRecord) Event {
	e := Event{Subject: r.Subject, Seq: int(r.Seq), Account: r.AccountID, Kind: Kind(r.Kind), At: time.UnixMilli(r.At).UTC(), Place: Place(r.Place)}
	_ = json.Unmarshal([]byte(r.Data), &e.Change) // Append wrote it
	return e
}
