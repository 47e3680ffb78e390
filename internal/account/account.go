// Package account is who uses Tidings: tenants, and what their keys may do.
package account

import (
	"time"

	"tidings.dev/internal/id"
)

// ID is the key of an account. The operator's own account is the first one made.
type ID = id.Of[Account]

// Account is a tenant. It owns keys, channels, numbers, messages, webhooks and a wallet.
type Account struct {
	ID       ID
	Number   int    // what it is to programs that know their users by numbers
	Parent   ID     // zero for an account of its own, else the account it is a subaccount of
	Username string // by which it signs in, in small letters; its id when it has chosen none
	Name     string
	Region   string // ISO 3166 country whose national numbers the account may write, such as "KE"
	Currency string // ISO 4217 code of its wallet, such as "KES"
	Operator bool   // the account of whoever runs the server
	Active   bool   // not suspended, nor closed

	Denied Denied // what its parent keeps it from

	ParentPays bool   // what it sends is paid from its parent's wallet
	Closed     bool   // for good
	Plan       string // how much it may do, with its subaccounts; empty for the server's own limits
	Limits     Limits // those of the plan; a subaccount shares its parent's
}

// Root is the account whose limits this one shares: its parent, or itself.
func (a *Account) Root() ID {
	if a.Parent != 0 {
		return a.Parent
	}
	return a.ID
}

// Payer is the account whose wallet pays for what this one sends.
func (a *Account) Payer() ID {
	if a.ParentPays && a.Parent != 0 {
		return a.Parent
	}
	return a.ID
}

// Limits are how much an account may do. Zero is no limit.
type Limits struct {
	Requests int // a minute in the long run, of one key; all keys together have AllKeys times as much
	Burst    int // requests at once after a pause, of one key
	Messages int // a minute, over all surfaces and channels together
	Queue    int // messages of one account that may wait at a time
	Devices  int // linked devices of an account and its subaccounts
	Surface  int // requests a minute of an account on each of the compatible surfaces, which tell it in their headers
}

// AllKeys is how many times the rate of one key all keys of an account and its subaccounts have together.
const AllKeys = 4

// KeyID is the key of an API key.
type KeyID = id.Of[Key]

// Key is what an API key lets its bearer do. The secret itself is stored nowhere.
type Key struct {
	ID      KeyID
	Account ID
	Test    bool // a test key never reaches a network
	Scopes  Scopes

	Senders    []string // what its messages may carry, as addresses are stored; none: all that the account may
	Channels   []int64  // by which they may go; none: all of the account's
	Rate       int      // requests a minute; 0: what the plan gives
	SpendLimit int64    // micro-units that it may spend in a day; 0: any
	Rotated    time.Time
	Expires    time.Time
}

// Scope is one thing a key may do.
type Scope string

// The scopes.
const (
	MessagesSend  Scope = "messages:send"
	MessagesRead  Scope = "messages:read"
	WebhooksRead  Scope = "webhooks:read"
	WebhooksWrite Scope = "webhooks:write"
	AccountRead   Scope = "account:read"
	KeysWrite     Scope = "keys:write"
	Admin         Scope = "admin"    // all of the account's own
	Operate       Scope = "operator" // all of the server's; only keys of the operator's account
	Internal      Scope = "internal" // provision users and accounts for a trusted program
)

// AllScopes lists the scopes a key may be given, in the order they are documented.
var AllScopes = []Scope{MessagesSend, MessagesRead, WebhooksRead, WebhooksWrite, AccountRead, KeysWrite, Admin, Operate, Internal}

// Scopes is what a key may do.
type Scopes []Scope

// Allow reports whether the scopes cover one. Admin covers all of an account's own scopes; Operate covers all.
func (s Scopes) Allow(want Scope) bool {
	for _, have := range s {
		if have == want || have == Operate || (have == Admin && want != Operate && want != Internal) {
			return true
		}
	}
	return false
}
