package native

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) keyOperations() []operation {
	return []operation{
		op[input[keyRequest], output[madeKeyReply]]("POST /keys", account.KeysWrite, "createKey", "Make an API key", s.createKey).answers(201).once(),
		op[PageInput, output[page[KeyReply]]]("GET /keys", account.KeysWrite, "listKeys", "List API keys", s.listKeys),
		op[IDInput, output[KeyReply]]("GET /keys/{id}", account.KeysWrite, "readKey", "Read an API key", s.readKey),
		op[keyChangeInput, output[KeyReply]]("PATCH /keys/{id}", account.KeysWrite, "changeKey", "Change an API key", s.changeKey),
		op[rotateInput, output[rotatedKeyReply]]("POST /keys/{id}/rotate", account.KeysWrite, "rotateKey", "Make the successor of an API key", s.rotateKey).answers(201).once(),
		op[IDInput, nothing]("DELETE /keys/{id}", account.KeysWrite, "revokeKey", "Take an API key back", s.revokeKey).answers(204),
	}
}

// keyRequest is a key to make.
type keyRequest struct {
	Name       string   `json:"name,omitempty" maxLength:"100"`
	Test       bool     `json:"test,omitempty" doc:"A test key never reaches a network."`
	Scopes     []string `json:"scopes" doc:"What the key may do; no more than the key that makes it." nullable:"false" minItems:"1" example:"[\"messages:send\"]"`
	Addresses  []string `json:"addresses,omitempty" doc:"Addresses or networks it may be used from; any without it." maxItems:"50"`
	Origins    []string `json:"origins,omitempty" doc:"Web pages it may be used from." maxItems:"50"`
	Senders    []string `json:"senders,omitempty" doc:"Who its messages may be from; all that the account may use without it." maxItems:"50"`
	Channels   []string `json:"channels,omitempty" doc:"Ids of the channels that its messages may take; all of the account's without it." maxItems:"50"`
	Rate       int      `json:"requests_per_minute,omitempty" doc:"Where that is less than the plan's." minimum:"0"`
	SpendLimit int64    `json:"spend_limit_micros,omitempty" doc:"What its messages may cost in a day of UTC; any price without it." minimum:"0"`
	ExpiresAt  string   `json:"expires_at,omitempty" doc:"1 to 365 days ahead; 365 without it." format:"date-time"`
}

// keyChangeRequest is what an update changes; what is absent stays, and an empty list takes the bound away.
type keyChangeRequest struct {
	Name       *string   `json:"name,omitempty" maxLength:"100"`
	Scopes     *[]string `json:"scopes,omitempty" doc:"No more than the key that changes it." minItems:"1"`
	Addresses  *[]string `json:"addresses,omitempty" maxItems:"50"`
	Origins    *[]string `json:"origins,omitempty" maxItems:"50"`
	Senders    *[]string `json:"senders,omitempty" maxItems:"50"`
	Channels   *[]string `json:"channels,omitempty" maxItems:"50"`
	Rate       *int      `json:"requests_per_minute,omitempty" minimum:"0"`
	SpendLimit *int64    `json:"spend_limit_micros,omitempty" doc:"0: none." minimum:"0"`
}

// rotateRequest says how long the old key lives on.
type rotateRequest struct {
	Grace string `json:"grace,omitempty" doc:"From 0h to 168h; 24h without it." example:"24h"`
}

type (
	keyChangeInput struct {
		IDInput
		Body keyChangeRequest
	}
	rotateInput struct {
		IDInput
		Body rotateRequest
	}
)

// KeyReply is a key without its secret.
type KeyReply struct {
	ID         string   `json:"id" format:"uuid"`
	Name       string   `json:"name"`
	Hint       string   `json:"hint" doc:"How the secret begins." example:"td_live_3f9a"`
	Test       bool     `json:"test"`
	Scopes     []string `json:"scopes" nullable:"false"`
	Addresses  []string `json:"addresses" nullable:"false"`
	Origins    []string `json:"origins" nullable:"false"`
	Senders    []string `json:"senders" nullable:"false"`
	Channels   []string `json:"channels" nullable:"false"`
	Rate       int      `json:"requests_per_minute" doc:"0: what the plan gives."`
	SpendLimit int64    `json:"spend_limit_micros" doc:"In a day of UTC; 0: none."`
	SpentToday *int64   `json:"spent_today_micros,omitempty" doc:"Of it, what was spent; absent without a limit."`
	Successor  string   `json:"successor_id,omitempty" format:"uuid" doc:"The key that took over."`
	RotatedAt  *string  `json:"rotated_at,omitempty" format:"date-time" doc:"When it did."`
	CreatedAt  string   `json:"created_at" format:"date-time"`
	ExpiresAt  string   `json:"expires_at" format:"date-time"`
	RevokedAt  *string  `json:"revoked_at" format:"date-time" nullable:"true"`
	UsedAt     *string  `json:"used_at" format:"date-time" nullable:"true" doc:"To the minute."`
}

// madeKeyReply is a new key with its secret.
type madeKeyReply struct {
	KeyReply
	Secret string `json:"secret" doc:"Shown this once."`
}

// Made implements api.ShownOnce.
func (m madeKeyReply) Made() string { return m.ID }

// rotatedKeyReply is the successor of a key, and how long that lives on.
type rotatedKeyReply struct {
	madeKeyReply
	Replaces    string `json:"replaces_id" format:"uuid"`
	ReplacedEnd string `json:"replaced_expires_at" format:"date-time" doc:"Until then the old key is good too."`
}

func showKey(k *key.Key) KeyReply {
	addresses, senders, channels := make([]string, len(k.Addresses)), make([]string, len(k.Senders)), make([]string, len(k.Channels))
	for i, p := range k.Addresses {
		addresses[i] = p.String()
	}
	for i, a := range k.Senders {
		senders[i] = a.Display()
	}
	for i, c := range k.Channels {
		channels[i] = c.String()
	}
	shown := KeyReply{
		ID: k.ID.String(), Name: k.Name, Hint: k.Hint, Test: k.Test, Scopes: texts(k.Scopes), Addresses: addresses, Origins: texts(k.Origins),
		Senders: senders, Channels: channels, Rate: k.Rate, SpendLimit: k.SpendLimit, Successor: k.Successor.String(), RotatedAt: showMaybe(k.Rotated),
		CreatedAt: showTime(k.ID.Time()), ExpiresAt: showTime(k.Expires), RevokedAt: showMaybe(k.Revoked), UsedAt: showMaybe(k.Used),
	}
	if k.SpendLimit > 0 {
		shown.SpentToday = &k.SpentToday
	}
	return shown
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
	wish := keyChangeRequest{
		Name: &in.Name, Scopes: &in.Scopes, Addresses: &in.Addresses, Origins: &in.Origins, Senders: &in.Senders, Channels: &in.Channels, Rate: &in.Rate,
		SpendLimit: &in.SpendLimit,
	}
	change, err := wish.change(c)
	if err != nil {
		return k, err
	}
	k = change.Apply(key.Key{Account: c.Account.ID, Test: in.Test || c.Key.Test})
	if k.Expires, err = readTime(in.ExpiresAt); err != nil {
		return k, fault.New(fault.InvalidField, notATime).In("expires_at")
	}
	err = api.MayGive(c, &k)
	return k, err
}

// change says the request in the words of the keeper.
func (in *keyChangeRequest) change(c gateway.Caller) (change key.Change, err error) {
	change = key.Change{Name: in.Name, Origins: in.Origins, Rate: in.Rate, SpendLimit: in.SpendLimit}
	if in.Scopes != nil {
		scopes := account.Scopes{}
		for _, scope := range *in.Scopes {
			scopes = append(scopes, account.Scope(scope))
		}
		change.Scopes = &scopes
	}
	if change.Addresses, err = readAll(in.Addresses, readNetwork, "an address is an IP address or a network such as 192.0.2.0/24", "addresses"); err != nil {
		return change, err
	}
	sender := func(text string) (message.Address, error) {
		a, err := message.ParseSender(text, c.Account.Region)
		if err == nil && text == "" {
			err = errors.New("there is none")
		}
		return a, err
	}
	if change.Senders, err = readAll(in.Senders, sender, "a sender is a number, a short code or a name of 1 to 11 characters", "senders"); err != nil {
		return change, err
	}
	change.Channels, err = readAll(in.Channels, id.Parse[message.Channel], "this is no id of a channel", "channels")
	return change, err
}

// readAll reads each text of a list; a list that is absent stays so.
func readAll[T any](list *[]string, read func(string) (T, error), wrong, field string) (*[]T, error) {
	if list == nil {
		return nil, nil
	}
	all := make([]T, len(*list))
	for i, text := range *list {
		var err error
		if all[i], err = read(text); err != nil {
			return nil, fault.New(fault.InvalidField, "%s", wrong).In(field)
		}
	}
	return &all, nil
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

// keyAt is the key of the path.
func (s *server) keyAt(r *http.Request) (key.Key, error) {
	at, err := pathID[account.Key](r, "id")
	if err != nil {
		return key.Key{}, err
	}
	k, ok, err := s.core.Keys.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no key %s", at)
	}
	return k, err
}

func (s *server) readKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keyAt(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showKey(&k))
}

// changeKey changes what the request names of a key that can do no more than the caller's, then and now.
func (s *server) changeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keyAt(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[keyChangeRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	change, err := in.change(c)
	if err != nil {
		return err
	}
	now := change.Apply(k)
	if err := errors.Join(api.MayGive(c, &k), api.MayGive(c, &now)); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		k, err := s.core.Keys.Update(tx, c.By, c.Account.ID, k.ID, change, c.Operates())
		return showKey(&k), err
	})
}

// defaultGrace is how long a rotated key lives on when the request does not say.
const defaultGrace = 24 * time.Hour

// rotateKey makes the successor of a key and shows its secret this once.
func (s *server) rotateKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keyAt(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[rotateRequest](r)
	if err != nil {
		return err
	}
	grace := defaultGrace
	if in.Grace != "" {
		if grace, err = time.ParseDuration(in.Grace); err != nil {
			return fault.New(fault.InvalidField, "a grace is a time such as 24h").In("grace")
		}
	}
	c := api.CallerOf(r)
	if err := api.MayGive(c, &k); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, old, err := s.core.Keys.Rotate(tx, c.By, c.Account.ID, k.ID, grace)
		return rotatedKeyReply{madeKeyReply{showKey(&made.Key), made.Secret}, old.ID.String(), showTime(old.Expires)}, err
	})
}

// revokeKey takes a key back at once. A key that is revoked already stays so.
func (s *server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keyAt(r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusNoContent, func(tx *store.Tx) (any, error) {
		_, err := s.core.Keys.Revoke(tx, c.By, c.Account.ID, k.ID)
		return nil, err
	})
}
