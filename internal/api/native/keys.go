package native

import (
	"net/http"
	"net/netip"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
)

func (s *server) keyOperations() []operation {
	return []operation{
		op[input[keyRequest], output[madeKeyReply]]("POST /keys", account.KeysWrite, "createKey", "Make an API key", s.createKey).answers(201).once(),
		op[PageInput, output[page[KeyReply]]]("GET /keys", account.KeysWrite, "listKeys", "List API keys", s.listKeys),
		op[IDInput, nothing]("DELETE /keys/{id}", account.KeysWrite, "revokeKey", "Take an API key back", s.revokeKey).answers(204),
	}
}

// keyRequest is a key to make.
type keyRequest struct {
	Name      string   `json:"name,omitempty" maxLength:"100"`
	Test      bool     `json:"test,omitempty" doc:"A test key never reaches a network."`
	Scopes    []string `json:"scopes" doc:"What the key may do; no more than the key that makes it." nullable:"false" minItems:"1" example:"[\"messages:send\"]"`
	Addresses []string `json:"addresses,omitempty" doc:"Addresses or networks it may be used from; any without it." maxItems:"50"`
	Origins   []string `json:"origins,omitempty" doc:"Web pages it may be used from." maxItems:"50"`
	ExpiresAt string   `json:"expires_at,omitempty" doc:"1 to 365 days ahead; 365 without it." format:"date-time"`
}

// KeyReply is a key without its secret.
type KeyReply struct {
	ID        string   `json:"id" format:"uuid"`
	Name      string   `json:"name"`
	Hint      string   `json:"hint" doc:"How the secret begins." example:"td_live_3f9a"`
	Test      bool     `json:"test"`
	Scopes    []string `json:"scopes" nullable:"false"`
	Addresses []string `json:"addresses" nullable:"false"`
	Origins   []string `json:"origins" nullable:"false"`
	CreatedAt string   `json:"created_at" format:"date-time"`
	ExpiresAt string   `json:"expires_at" format:"date-time"`
	RevokedAt *string  `json:"revoked_at" format:"date-time" nullable:"true"`
	UsedAt    *string  `json:"used_at" format:"date-time" nullable:"true" doc:"To the minute."`
}

// madeKeyReply is a new key with its secret.
type madeKeyReply struct {
	KeyReply
	Secret string `json:"secret" doc:"Shown this once."`
}

// Made implements api.ShownOnce.
func (m madeKeyReply) Made() string { return m.ID }

func showKey(k *key.Key) KeyReply {
	addresses := make([]string, len(k.Addresses))
	for i, p := range k.Addresses {
		addresses[i] = p.String()
	}
	return KeyReply{
		ID: k.ID.String(), Name: k.Name, Hint: k.Hint, Test: k.Test, Scopes: texts(k.Scopes), Addresses: addresses, Origins: texts(k.Origins),
		CreatedAt: showTime(k.ID.Time()), ExpiresAt: showTime(k.Expires), RevokedAt: showMaybe(k.Revoked), UsedAt: showMaybe(k.Used),
	}
}

// createKey makes a key that may do no more than the one that makes it.
func (s *server) createKey(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[keyRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wanted, err := in.key(c)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Keys.Create(tx, c.By, wanted, c.Operates())
		return madeKeyReply{showKey(&made.Key), made.Secret}, err
	})
}

// key says the request in the words of the keeper.
func (in *keyRequest) key(c gateway.Caller) (k key.Key, err error) {
	k = key.Key{Account: c.Account.ID, Name: in.Name, Test: in.Test || c.Key.Test, Origins: in.Origins}
	for _, scope := range in.Scopes {
		scope := account.Scope(scope)
		if !c.Key.Scopes.Allow(scope) {
			return k, fault.New(fault.ScopeMissing, "a key gives no scope that it lacks: %s", clip(string(scope))).In("scopes")
		}
		k.Scopes = append(k.Scopes, scope)
	}
	for _, text := range in.Addresses {
		p, err := readNetwork(text)
		if err != nil {
			return k, fault.New(fault.InvalidField, "an address is an IP address or a network such as 192.0.2.0/24").In("addresses")
		}
		k.Addresses = append(k.Addresses, p)
	}
	if k.Expires, err = readTime(in.ExpiresAt); err != nil {
		return k, fault.New(fault.InvalidField, notATime).In("expires_at")
	}
	return k, nil
}

// readNetwork reads a network, or an address as the network of itself.
func readNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}

// listKeys lists the account's keys, revoked ones too, newest first.
func (s *server) listKeys(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "keys", func(after int64, limit int) ([]key.Key, error) {
		return s.core.Keys.List(r.Context(), a, account.KeyID(after), limit)
	}, func(k *key.Key) (KeyReply, int64) { return showKey(k), int64(k.ID) })
}

// revokeKey takes a key back at once. A key that is revoked already stays so.
func (s *server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[account.Key](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	_, ok, err := s.core.Keys.Get(r.Context(), c.Account.ID, at)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotHere, "there is no key %s", at)
	}
	err = s.core.Store.Write(func(tx *store.Tx) error {
		_, err := s.core.Keys.Revoke(tx, c.By, c.Account.ID, at)
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
