package key

import (
	"fmt"
	"net/netip"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// MaxGrace is how long a key may live on beside its successor.
const MaxGrace = 168 * time.Hour

// Change is what an update changes; nil leaves as it is.
type Change struct {
	Name       *string
	Scopes     *account.Scopes
	Addresses  *[]netip.Prefix
	Origins    *[]string
	Senders    *[]message.Address
	Channels   *[]message.ChannelID
	Rate       *int
	SpendLimit *int64
}

// Apply is the key with the change.
func (c Change) Apply(k Key) Key {
	put(&k.Name, c.Name)
	put(&k.Scopes, c.Scopes)
	put(&k.Addresses, c.Addresses)
	put(&k.Origins, c.Origins)
	put(&k.Senders, c.Senders)
	put(&k.Channels, c.Channels)
	put(&k.Rate, c.Rate)
	put(&k.SpendLimit, c.SpendLimit)
	return k
}

func put[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// Update changes a key that is in use. It holds from the next request on. The scopes that reach beyond an account are given only
// when operator is set.
func (k *Keeper) Update(tx *store.Tx, by audit.Actor, a account.ID, at account.KeyID, c Change, operator bool) (Key, error) {
	was, err := inUse(tx, a, at)
	if err != nil {
		return Key{}, err
	}
	now := c.Apply(was)
	if err := checkRights(&now, operator); err != nil {
		return Key{}, err
	}
	err = store.Run(tx, changeKey, []changeKeyParams{{
		Name: now.Name, Scopes: words(now.Scopes), Addresses: words(texts(now.Addresses)), Origins: words(now.Origins),
		Senders: words(texts(now.Senders)), Channels: words(texts(now.Channels)), Rate: int64(now.Rate), SpendLimit: now.SpendLimit, ID: at,
	}})
	if err != nil {
		return Key{}, fmt.Errorf("change key: %w", err)
	}
	return now, changed(tx, audit.Entry{Account: a, Actor: by, Action: "key.change", Subject: at.String(), Was: was.tell(), Became: now.tell()})
}

// Rotate makes a key with the rights of another, which lives on for the grace and no longer. The new one lives as long as the
// old one was to live when it was made, and begins with what that one has spent today.
func (k *Keeper) Rotate(tx *store.Tx, by audit.Actor, a account.ID, at account.KeyID, grace time.Duration) (made Made, old Key, err error) {
	if grace < 0 || grace > MaxGrace {
		return made, old, fault.New(fault.InvalidField, "a grace is from 0 to 168 hours").In("grace")
	}
	if old, err = inUse(tx, a, at); err != nil {
		return made, old, err
	}
	if old.Successor != 0 {
		f := fault.New(fault.AlreadyThere, "the key was rotated before, and has a successor")
		f.Existing = old.Successor.String()
		return made, old, f
	}
	next := old
	next.Expires = tx.Now().Add(max(day, min(maxExpiry, old.Expires.Sub(old.ID.Time()))))
	if made, err = k.Create(tx, by, next, true); err != nil {
		return made, old, err
	}
	old.Successor, old.Rotated = made.ID, tx.Now()
	if end := tx.Now().Add(grace); end.Before(old.Expires) {
		old.Expires = end
	}
	err = store.Run(tx, replaceKey, []replaceKeyParams{{
		Successor: int64(made.ID), RotatedAt: old.Rotated.UnixMilli(), ExpiresAt: old.Expires.UnixMilli(), ID: at,
	}})
	if err != nil {
		return made, old, fmt.Errorf("replace key: %w", err)
	}
	return made, old, changed(tx, audit.Entry{Account: a, Actor: by, Action: "key.rotate", Subject: at.String(), Detail: fmt.Sprintf("%s, grace %s", made.ID, grace)})
}

// inUse is a key of the account that is neither revoked nor past its end.
func inUse(tx *store.Tx, a account.ID, at account.KeyID) (Key, error) {
	rows, err := store.First[apiKeyRecord](tx, oneKey, []oneKeyParams{{ID: at, AccountID: a}})
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	if rows[0] == nil {
		return Key{}, fault.New(fault.NotHere, "there is no key %s", at)
	}
	k := keyOf(*rows[0], tx.Now())
	if !k.Revoked.IsZero() || !tx.Now().Before(k.Expires) {
		return Key{}, fault.New(fault.NotHere, "the key %s is not in use any more", at)
	}
	return k, nil
}

// told is what can be changed of a key, for the audit log.
type told struct {
	Name       string `json:"name"`
	Scopes     string `json:"scopes"`
	Addresses  string `json:"addresses"`
	Origins    string `json:"origins"`
	Senders    string `json:"senders"`
	Channels   string `json:"channels"`
	Rate       int    `json:"requests_per_minute"`
	SpendLimit int64  `json:"spend_limit_micros,omitempty"`
}

func (k Key) tell() string {
	return audit.Values(told{
		k.Name, words(k.Scopes), words(texts(k.Addresses)), words(k.Origins), words(texts(k.Senders)), words(texts(k.Channels)), k.Rate, k.SpendLimit,
	})
}
