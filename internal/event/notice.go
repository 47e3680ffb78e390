package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// Notice is a fact about something that is no message: its account's wallet, a channel, an API key, a webhook, a contact.
type Notice struct {
	Account account.ID // who is told; for what the operator shares with all, the operator's account
	Subject int64      // the key of what it is about
	Kind    Kind
	Data    Facts
}

// Facts are what a notice tells, as webhooks show it. Nothing of it is a secret.
type Facts interface {
	tells() []Kind
}

// Wallet is what a wallet.low tells. Its subject is the account that owns the wallet.
type Wallet struct {
	Balance   int64  `json:"balance_micros"`
	Threshold int64  `json:"threshold_micros"`
	Currency  string `json:"currency"`
}

// Channel is what a channel.down or channel.up tells.
type Channel struct {
	ID     string `json:"channel"`
	Name   string `json:"name"`
	Shared bool   `json:"shared"` // the operator's, for all accounts
	Reason string `json:"reason"` // why it is down; empty once it is up
}

// Device is what a channel.linked, channel.unlinked or channel.limited tells.
type Device struct {
	ID       string  `json:"channel"`
	Name     string  `json:"name"`
	Shared   bool    `json:"shared"`
	Phone    string  `json:"phone"`
	LID      string  `json:"lid"`
	PushName string  `json:"push_name"`
	Code     string  `json:"code"`            // why it is linked no more or what is limited, for programs
	Reason   string  `json:"reason"`          // and for people
	Until    *Moment `json:"until,omitempty"` // when a limit ends, if anybody knows
}

// Call is what a channel.call tells.
type Call struct {
	ID       string `json:"channel"`
	Name     string `json:"name"`
	Shared   bool   `json:"shared"`
	RemoteID string `json:"remote_id"`
	From     string `json:"from"`
	FromName string `json:"from_name"`
	Video    bool   `json:"video"`
	Group    bool   `json:"group"`
	Rejected bool   `json:"rejected"` // by us
}

// Key is what a key.expiring tells.
type Key struct {
	ID      string `json:"key"`
	Name    string `json:"name"`
	Hint    string `json:"hint"` // how the secret begins and ends
	Expires Moment `json:"expires_at"`
	Days    int    `json:"days"` // until then
}

// Webhook is what a webhook.disabled tells.
type Webhook struct {
	ID     string `json:"webhook"`
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

// Contact is what a contact.* event tells. Its subject is the contact that stays.
type Contact struct {
	ID        string   `json:"contact"`
	Number    int32    `json:"number"`
	Addresses []string `json:"addresses"`        // from now on
	Merged    string   `json:"merged,omitempty"` // the contact that is this one now
}

func (Wallet) tells() []Kind  { return []Kind{WalletLow} }
func (Channel) tells() []Kind { return []Kind{ChannelDown, ChannelUp} }
func (Device) tells() []Kind  { return []Kind{ChannelLinked, ChannelUnlinked, ChannelLimited} }
func (Call) tells() []Kind    { return []Kind{ChannelCall} }
func (Key) tells() []Kind     { return []Kind{KeyExpiring} }
func (Webhook) tells() []Kind { return []Kind{WebhookDisabled} }
func (Contact) tells() []Kind { return []Kind{ContactCreated, ContactUpdated, ContactMerged} }

// Moment is a time as the API writes it.
type Moment time.Time

// MarshalText writes RFC 3339 in UTC with milliseconds.
func (m Moment) MarshalText() ([]byte, error) {
	return []byte(time.Time(m).UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *Moment) UnmarshalText(text []byte) error { return (*time.Time)(m).UnmarshalText(text) }

// Notice appends a notice for each of those given. Their numbers are counted here, in the same transaction, so that whoever
// keeps the subject needs no counter.
func (l *Log) Notice(tx *store.Tx, notices ...Notice) error {
	notices = slices.Clone(notices)
	slices.SortStableFunc(notices, func(a, b Notice) int { return cmp.Compare(a.Subject, b.Subject) })
	subjects := make([]countSubjectParams, len(notices))
	for i, n := range notices {
		if n.Data == nil || !slices.Contains(n.Data.tells(), n.Kind) {
			return fmt.Errorf("notice %s: %T is not what it tells", n.Kind, n.Data)
		}
		subjects[i] = countSubjectParams{ID: n.Subject}
	}
	seqs, err := store.First[int64](tx, countSubject, subjects)
	if err != nil {
		return fmt.Errorf("count notices: %w", err)
	}
	events := make([]Event, len(notices))
	for i, n := range notices {
		data, err := json.Marshal(n.Data)
		if err != nil {
			return fmt.Errorf("encode notice: %w", err)
		}
		events[i] = Event{Subject: n.Subject, Seq: int(*seqs[i]), Account: n.Account, Kind: n.Kind, Change: Change{Facts: data}, At: tx.Now()}
	}
	return l.Append(tx, events)
}

// Data is what webhooks show of an event that is complete in itself; nil for one about a message, whose row tells the rest.
func (e Event) Data() (json.RawMessage, error) {
	if e.Kind == OptedOut || e.Kind == OptedIn {
		return json.Marshal(map[string]string{"address": e.Change.Address, "word": e.Change.Word})
	}
	return e.Change.Facts, nil
}
