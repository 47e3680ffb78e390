package key

import (
	"cmp"
	"context"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: the keys that are in use.
const topic = "key"

// hot is the keys in use, by hash. A change of any key starts an empty one: a key costs one query after it.
type hot struct{ keys sync.Map }

// entry is one key in use.
type entry struct {
	key    Key
	rights account.Key
	use    *use
}

func coldStart(context.Context, store.Queryer) (*hot, error) { return &hot{}, nil }

// Authenticate returns what the bearer of a secret may do. It fails with fault.BadCredentials, fault.KeyRevoked,
// fault.KeyExpired or fault.AddressNotAllowed; text that is no key of ours costs no query. Whether the account is
// active, the caller looks up.
func (k *Keeper) Authenticate(ctx context.Context, secret string, from netip.Addr, now time.Time) (account.Key, error) {
	if !wellFormed(secret) {
		return account.Key{}, unknown()
	}
	e, err := k.find(ctx, hashOf(secret))
	if err != nil {
		return account.Key{}, err
	}
	switch {
	case !e.key.Revoked.IsZero():
		return account.Key{}, fault.New(fault.KeyRevoked, "the API key was revoked")
	case !now.Before(e.key.Expires):
		return account.Key{}, fault.New(fault.KeyExpired, "the API key has expired")
	case !e.key.allows(from):
		return account.Key{}, fault.New(fault.AddressNotAllowed, "the API key may not be used from this address")
	}
	e.use.last.Store(now.UnixMilli())
	return e.rights, nil
}

func unknown() error { return fault.New(fault.BadCredentials, "the API key is not known") }

// rights are what the key lets its bearer do.
func (k *Key) rights() account.Key {
	rights := account.Key{
		ID: k.ID, Account: k.Account, Test: k.Test, Scopes: k.Scopes, Senders: texts(k.Senders), Rate: k.Rate, Rotated: k.Rotated, Expires: k.Expires,
		SpendLimit: k.SpendLimit,
	}
	for _, c := range k.Channels {
		rights.Channels = append(rights.Channels, int64(c))
	}
	return rights
}

// allows tells whether the key may be used from an address.
func (k *Key) allows(from netip.Addr) bool {
	from = from.Unmap()
	return len(k.Addresses) == 0 || slices.ContainsFunc(k.Addresses, func(p netip.Prefix) bool { return p.Contains(from) })
}

// find returns the key with the hash, from memory if it can.
func (k *Keeper) find(ctx context.Context, hash string) (*entry, error) {
	hot, err := k.hot.Get(ctx) // before the query, so that a change meanwhile leaves what we read in a map nobody uses
	if err != nil {
		return nil, err
	}
	if e, ok := hot.keys.Load(hash); ok {
		return e.(*entry), nil
	}
	r, err := on(k.store.Reader()).KeyByHash(ctx, keyByHashParams{Hash: hash})
	if store.NoRows(err) || err == nil && subtle.ConstantTimeCompare([]byte(r.Hash), []byte(hash)) == 0 {
		return nil, unknown()
	}
	if err != nil {
		return nil, fmt.Errorf("find key: %w", err)
	}
	key := keyOf(r, k.store.Now())
	e := &entry{key, key.rights(), k.uses.of(r.ID)}
	hot.keys.Store(hash, e)
	return e, nil
}

// uses is when keys were last used.
type uses struct{ byID sync.Map }

// use is the last use of one key, in Unix milliseconds, and the last one that was written.
type use struct {
	last    atomic.Int64
	written atomic.Int64
}

func (u *uses) of(id account.KeyID) *use {
	found, _ := u.byID.LoadOrStore(id, &use{})
	return found.(*use)
}

// FlushUsed writes when keys were last used, each key at most once a minute. It is called now and then.
func (k *Keeper) FlushUsed() error {
	var rows []useKeyParams
	k.uses.byID.Range(func(id, found any) bool {
		u := found.(*use)
		if last := u.last.Load(); last-u.written.Load() >= time.Minute.Milliseconds() {
			rows = append(rows, useKeyParams{UsedAt: last, ID: id.(account.KeyID)})
		}
		return true
	})
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b useKeyParams) int { return cmp.Compare(a.ID, b.ID) })
	err := k.store.Write(func(tx *store.Tx) error {
		err := store.Run(tx, useKey, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the last use of keys: %w", err)
	}
	for _, r := range rows {
		k.uses.of(r.ID).written.Store(r.UsedAt)
	}
	return nil
}
