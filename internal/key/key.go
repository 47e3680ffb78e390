// Package key keeps API keys: it makes them, knows them again, and takes them back.
//
// A secret is td_live_ or td_test_, 32 random characters and a checksum of 6:
//
//	td_(live|test)_[0-9A-Za-z]{38}
//
// The last six are the CRC-32 (IEEE) of all before them in base 62 (digits, capitals, small letters; the most significant
// first), so that anyone can tell a mistyped key from a real one without asking. Only a secret's SHA-256 is stored.
package key

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	day       = 24 * time.Hour
	maxExpiry = 365 * day
	slack     = time.Minute // between the caller's look at the clock and ours
	maxName   = 100
	maxList   = 50 // addresses, origins, senders or channels of one key
	maxRate   = 100_000_000
	maxLimit  = 1_000_000_000_000_000 // a billion of any currency
)

// Key is an API key without its secret.
type Key struct {
	ID         account.KeyID
	Account    account.ID
	Name       string
	Hint       string // how the secret begins
	Test       bool   // never reaches a network
	Scopes     account.Scopes
	Addresses  []netip.Prefix      // where it may be used from; none: anywhere
	Origins    []string            // web pages that may use it, such as "https://shop.example"
	Senders    []message.Address   // what its messages may carry; none: all that the account may
	Channels   []message.ChannelID // by which they may go; none: all of the account's
	Rate       int                 // requests a minute, where that is less than the plan's; 0: the plan's
	SpendLimit int64               // micro-units that it may spend in a day of UTC; 0: any
	SpentToday int64               // and has spent, while it has a limit
	Successor  account.KeyID       // took over; this one ends with its grace
	Rotated    time.Time           // when
	Expires    time.Time
	Revoked    time.Time // zero: not
	Used       time.Time // to the minute; zero: never
}

// Made is a new key with its secret, which is shown once.
type Made struct {
	Key
	Secret string
}

// Keeper keeps keys.
type Keeper struct {
	store   *store.Store
	hot     *store.Cached[*hot]
	uses    uses
	origins *store.Cached[map[string][]account.ID]
}

// New returns the keeper of the store's keys.
func New(s *store.Store) *Keeper {
	return &Keeper{store: s, hot: store.NewCached(s, topic, coldStart), origins: store.NewCached(s, topic, loadOrigins)}
}

// Create makes a key. It expires after 1 to 365 days, 365 when it does not say. The scopes that reach beyond an account are
// given only when operator is set.
func (k *Keeper) Create(tx *store.Tx, by audit.Actor, key Key, operator bool) (Made, error) {
	if key.Expires.IsZero() {
		key.Expires = tx.Now().Add(maxExpiry)
	}
	if err := check(&key, operator, tx.Now()); err != nil {
		return Made{}, err
	}
	prefix := live
	if key.Test {
		prefix = test
	}
	made := Made{Key: key}
	made.Secret, made.Hint = newSecret(prefix)
	made.ID, made.Revoked, made.Used, made.Rotated, made.Successor = account.KeyID(tx.NewID()), time.Time{}, time.Time{}, time.Time{}, 0
	err := store.Run(tx, addKey, []addKeyParams{{
		ID: made.ID, AccountID: key.Account, Hash: hashOf(made.Secret), Name: key.Name, Hint: made.Hint, Test: flag(key.Test),
		Scopes: words(key.Scopes), Addresses: words(texts(key.Addresses)), Origins: words(key.Origins), ExpiresAt: key.Expires.UnixMilli(),
		Senders: words(texts(key.Senders)), Channels: words(texts(key.Channels)), Rate: int64(key.Rate), Warned: daysLeft(key.Expires.Sub(tx.Now())),
		SpendLimit: key.SpendLimit, Spent: key.SpentToday, SpentDay: dayOf(tx.Now()),
	}})
	if err != nil {
		return Made{}, fmt.Errorf("create key: %w", err)
	}
	return made, changed(tx, audit.Entry{Account: key.Account, Actor: by, Action: "key.create", Subject: made.ID.String(), Detail: made.Hint + " " + words(key.Scopes), Became: made.tell()})
}

// check refuses what no key can be.
func check(k *Key, operator bool, now time.Time) error {
	life := k.Expires.Sub(now)
	switch {
	case k.Account == 0:
		return fault.New(fault.MissingField, "a key belongs to an account").In("account")
	case life < day-slack || life > maxExpiry+slack:
		return fault.New(fault.InvalidField, "a key expires after 1 to 365 days").In("expires_at")
	}
	return checkRights(k, operator)
}

// checkRights refuses what no key can be given.
func checkRights(k *Key, operator bool) error {
	switch {
	case len(k.Name) > maxName:
		return fault.New(fault.InvalidField, "a name has at most %d bytes", maxName).In("name")
	case len(k.Addresses) > maxList:
		return fault.New(fault.InvalidField, "a key has at most %d addresses", maxList).In("addresses")
	case len(k.Origins) > maxList:
		return fault.New(fault.InvalidField, "a key has at most %d origins", maxList).In("origins")
	case len(k.Senders) > maxList:
		return fault.New(fault.InvalidField, "a key has at most %d senders", maxList).In("senders")
	case len(k.Channels) > maxList:
		return fault.New(fault.InvalidField, "a key has at most %d channels", maxList).In("channels")
	case k.SpendLimit < 0 || k.SpendLimit > maxLimit:
		return fault.New(fault.InvalidField, "a limit is between 0 and %d micro-units a day", int64(maxLimit)).In("spend_limit_micros")
	case k.Rate < 0 || k.Rate > maxRate:
		return fault.New(fault.InvalidField, "a rate is between 0 and %d requests a minute", maxRate).In("requests_per_minute")
	}
	if err := checkScopes(k.Scopes, operator); err != nil {
		return err
	}
	k.Addresses = slices.Clone(k.Addresses)
	for i, p := range k.Addresses {
		if !p.IsValid() {
			return fault.New(fault.InvalidField, "an address is an IP address or a network such as 192.0.2.0/24").In("addresses")
		}
		k.Addresses[i] = plain(p)
	}
	for _, o := range k.Origins {
		if !isOrigin(o) {
			return fault.New(fault.InvalidField, "an origin is a scheme and a host, such as https://shop.example").In("origins")
		}
	}
	return nil
}

func checkScopes(scopes account.Scopes, operator bool) error {
	if len(scopes) == 0 {
		return fault.New(fault.MissingField, "a key has at least one scope").In("scopes")
	}
	for _, s := range scopes {
		if !slices.Contains(account.AllScopes, s) {
			return fault.New(fault.InvalidField, "there is no scope %.40q", string(s)).In("scopes")
		}
		if !operator && (s == account.Operate || s == account.Internal) {
			return fault.New(fault.ScopeMissing, "only the operator gives the scope %s", s).In("scopes")
		}
	}
	return nil
}

// plain is a network in its shortest form: without bits of a host, IPv4 not dressed as IPv6.
func plain(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// isOrigin reports whether a text is an origin as browsers send it (RFC 6454, 6.2).
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		text == u.Scheme+"://"+u.Host && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsUpper(r) || r == ' ' || r == ',' })
}

// Get returns a key of an account.
func (k *Keeper) Get(ctx context.Context, a account.ID, id account.KeyID) (Key, bool, error) {
	r, err := on(k.store.Reader()).OneKey(ctx, oneKeyParams{ID: id, AccountID: a})
	if store.NoRows(err) {
		return Key{}, false, nil
	}
	if err != nil {
		return Key{}, false, fmt.Errorf("read key: %w", err)
	}
	return keyOf(r, k.store.Now()), true, nil
}

// List returns the keys of an account before the given one (zero: from the newest), newest first; revoked ones too.
func (k *Keeper) List(ctx context.Context, a account.ID, before account.KeyID, page int) ([]Key, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(k.store.Reader()).KeysOf(ctx, keysOfParams{AccountID: a, Before: before, Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys := make([]Key, len(rows))
	for i, r := range rows {
		keys[i] = keyOf(r, k.store.Now())
	}
	return keys, nil
}

// Revoke takes a key back at once; false when the account has no such key that is not revoked yet.
func (k *Keeper) Revoke(tx *store.Tx, by audit.Actor, a account.ID, id account.KeyID) (bool, error) {
	touched, err := store.Each(tx, revokeKey, []revokeKeyParams{{RevokedAt: tx.NowMilli(), ID: id, AccountID: a}})
	if err != nil {
		return false, fmt.Errorf("revoke key: %w", err)
	}
	if touched[0] == 0 {
		return false, nil
	}
	return true, changed(tx, audit.Entry{Account: a, Actor: by, Action: "key.revoke", Subject: id.String()})
}

// KeepNewest takes back the account's keys of a name, but for the newest.
func (k *Keeper) KeepNewest(tx *store.Tx, by audit.Actor, a account.ID, name string, keep int) error {
	for more := true; more; {
		older, err := store.Find[account.KeyID](tx, olderKeys, []olderKeysParams{{AccountID: a, Name: name, Keep: int64(keep)}})
		if err != nil {
			return fmt.Errorf("list older keys: %w", err)
		}
		for _, found := range older {
			if _, err := k.Revoke(tx, by, a, found.Row); err != nil {
				return err
			}
		}
		more = len(older) > 0
	}
	return nil
}

func changed(tx *store.Tx, e audit.Entry) error {
	if err := audit.Append(tx, e); err != nil {
		return err
	}
	return tx.Touch(topic)
}

// keyOf is a key as it is at a time.
func keyOf(r apiKeyRecord, now time.Time) Key {
	k := Key{
		ID: r.ID, Account: r.AccountID, Name: r.Name, Hint: r.Hint, Test: r.Test == 1, Origins: strings.Fields(r.Origins),
		Expires: time.UnixMilli(r.ExpiresAt).UTC(), Revoked: timeOf(r.RevokedAt), Used: timeOf(r.UsedAt),
		Rate: int(r.Rate), Successor: account.KeyID(r.Successor), Rotated: timeOf(r.RotatedAt), SpendLimit: r.SpendLimit,
	}
	if r.SpentDay == dayOf(now) {
		k.SpentToday = r.Spent
	}
	for s := range strings.FieldsSeq(r.Scopes) {
		k.Scopes = append(k.Scopes, account.Scope(s))
	}
	for p := range strings.FieldsSeq(r.Addresses) {
		k.Addresses = append(k.Addresses, netip.MustParsePrefix(p)) // Create wrote it
	}
	for a := range strings.FieldsSeq(r.Senders) {
		k.Senders = append(k.Senders, message.ParseAddress(a))
	}
	for c := range strings.FieldsSeq(r.Channels) {
		channel, _ := id.Parse[message.Channel](c)
		k.Channels = append(k.Channels, channel)
	}
	return k
}

// words is a list as it is stored: with spaces between.
func words[T ~string](list []T) string {
	var b strings.Builder
	for i, w := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(w))
	}
	return b.String()
}

func texts[T fmt.Stringer](list []T) []string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = t.String()
	}
	return texts
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}
