// Package conversation keeps what accounts and people have with each other over channels: when either wrote last, until when the account
// may answer as it likes, and how much nobody has read yet.
package conversation

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// ID is the key of a conversation.
type ID = id.Of[Conversation]

// Conversation is an account's exchange with one contact over one channel.
type Conversation struct {
	ID      ID
	Account account.ID
	Channel message.ChannelID
	Contact message.ContactID
	In      time.Time // when they wrote last; zero: never
	Out     time.Time // when the account wrote last; zero: never
	At      time.Time // the later of both
	Unread  int       // messages from them since somebody read them
}

// window is for how long after somebody wrote WhatsApp lets a business answer with anything but templates.
const window = 24 * time.Hour

// WindowEnds is until when the account may write anything; zero: they never wrote.
func (c *Conversation) WindowEnds() time.Time {
	if c.In.IsZero() {
		return time.Time{}
	}
	return c.In.Add(window)
}

// Keeper keeps conversations.
type Keeper struct{ store *store.Store }

// New returns the keeper of the store's conversations.
func New(s *store.Store) *Keeper { return &Keeper{s} }

// News is a message of a conversation.
type News struct {
	Account account.ID
	Channel message.ChannelID
	Contact message.ContactID
	In      bool // they wrote it
	At      time.Time
	Unread  bool // nobody has read it yet
}

// Record notes messages in their order. Who writes has read what came before.
func (k *Keeper) Record(tx *store.Tx, news []News) error {
	rows := make([]recordParams, len(news))
	for i, n := range news {
		at := n.At.UnixMilli()
		rows[i] = recordParams{ID: tx.NewID(), AccountID: n.Account, ChannelID: n.Channel, ContactID: n.Contact, At: at}
		switch {
		case !n.In:
			rows[i].OutAt, rows[i].Reads = at, 1
		case n.Unread:
			rows[i].InAt, rows[i].Unread = at, 1
		default:
			rows[i].InAt = at
		}
	}
	return wrap("note conversations", store.Run(tx, record, rows))
}

// Move makes what one contact has part of what another one has, who turned out to be the same person. Of two conversations over one
// channel the older stays.
func (k *Keeper) Move(tx *store.Tx, from, into message.ContactID) error {
	rows, err := store.Find[conversationRecord](tx, conversationsOf, []message.ContactID{from, into})
	if err != nil {
		return wrap("read conversations", err)
	}
	byChannel := map[message.ChannelID][]conversationRecord{}
	for _, r := range rows {
		byChannel[r.Row.ChannelID] = append(byChannel[r.Row.ChannelID], r.Row)
	}
	var drop []int64
	var set []setConversationParams
	for _, both := range byChannel {
		slices.SortFunc(both, func(a, b conversationRecord) int { return cmp.Compare(a.ID, b.ID) })
		one := setConversationParams{ContactID: into, ID: both[0].ID}
		for _, r := range both {
			one.InAt, one.OutAt, one.At, one.Unread = max(one.InAt, r.InAt), max(one.OutAt, r.OutAt), max(one.At, r.At), one.Unread+r.Unread
		}
		for _, r := range both[1:] {
			drop = append(drop, r.ID)
		}
		set = append(set, one)
	}
	if err := store.Run(tx, dropConversation, drop); err != nil {
		return wrap("merge conversations", err)
	}
	return wrap("merge conversations", store.Run(tx, setConversation, set))
}

// Drop deletes what an account has with somebody.
func (k *Keeper) Drop(tx *store.Tx, with message.ContactID) error {
	return wrap("drop conversations", store.Run(tx, dropConversationsOf, []message.ContactID{with}))
}

// Read notes that somebody has read all of a conversation of the account.
func (k *Keeper) Read(tx *store.Tx, a account.ID, which ID) error {
	return wrap("read a conversation", store.Run(tx, readConversation, []readConversationParams{{ID: int64(which), AccountID: a}}))
}

// List returns a page of an account's conversations after a place (empty: from the beginning), and the next place; empty: there are no
// more. What was said last comes first.
func (k *Keeper) List(ctx context.Context, a account.ID, after string, page int) (list []Conversation, next string, err error) {
	ask := conversationsParams{AccountID: a, BeforeAt: math.MaxInt64, BeforeID: math.MaxInt64, Page: int64(page) + 1}
	if after != "" {
		at, last, _ := strings.Cut(after, " ")
		var atErr, idErr error
		ask.BeforeAt, atErr = strconv.ParseInt(at, 10, 64)
		ask.BeforeID, idErr = strconv.ParseInt(last, 10, 64)
		if atErr != nil || idErr != nil {
			return nil, "", fault.New(fault.InvalidCursor, "there is no such place in the list")
		}
	}
	rows, err := on(k.store.Reader()).Conversations(ctx, ask)
	if err != nil {
		return nil, "", wrap("list conversations", err)
	}
	for _, r := range rows[:min(page, len(rows))] {
		list = append(list, conversationOf(r))
	}
	if len(rows) > page {
		next = fmt.Sprint(rows[page-1].At, " ", rows[page-1].ID)
	}
	return list, next, nil
}

// Get returns a conversation of the account; false when there is none.
func (k *Keeper) Get(ctx context.Context, a account.ID, which ID) (Conversation, bool, error) {
	r, err := on(k.store.Reader()).OneConversation(ctx, oneConversationParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return Conversation{}, false, nil
	}
	return conversationOf(r), err == nil, wrap("read a conversation", err)
}

// With returns what an account has with a contact, over each channel.
func (k *Keeper) With(ctx context.Context, who message.ContactID) ([]Conversation, error) {
	rows, err := on(k.store.Reader()).ConversationsOf(ctx, conversationsOfParams{ContactID: who})
	if err != nil {
		return nil, wrap("read conversations", err)
	}
	list := make([]Conversation, len(rows))
	for i, r := range rows {
		list[i] = conversationOf(r)
	}
	return list, nil
}

func conversationOf(r conversationRecord) Conversation {
	return Conversation{
		ID: ID(r.ID), Account: r.AccountID, Channel: r.ChannelID, Contact: r.ContactID, In: moment(r.InAt), Out: moment(r.OutAt), At: moment(r.At),
		Unread: int(r.Unread),
	}
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func wrap(tried string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", tried, err)
	}
	return nil
}
