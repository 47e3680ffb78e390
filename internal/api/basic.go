package api

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/rate"
)

// Basic is the user name and the secret in the Authorization header (RFC 7617), or a fault: fault.NoCredentials when there are none,
// fault.BadCredentials when they cannot be anybody's.
func Basic(r *http.Request) (username, secret string, err error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", "", fault.New(fault.NoCredentials, "there is no Authorization header")
	}
	scheme, encoded, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Basic") || len(headers) > 1 {
		return "", "", fault.New(fault.NoCredentials, "the Authorization header is not one of Basic")
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(encoded))
	username, secret, found := strings.Cut(string(pair), ":")
	if err != nil || !found {
		return "", "", fault.New(fault.BadCredentials, "the Authorization header holds no user name and secret")
	}
	return username, secret, nil
}

// Bounds of what can be somebody's name and secret.
const (
	maxName   = 256
	maxSecret = 1024
)

// credible tells whether a text can be a user name or a secret: no zero bytes, nothing that is no Unicode, no more than there is room for.
func credible(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// AdmitBasic lets in who names an account and shows that it is theirs: the secret is a key in use of the account with the user name,
// in any case, or the account's password. Else it is Admit: the caller is in CallerOf afterwards, and where the account must be
// active, within its rates, and the origin of a web page listed on the key.
//
// Who came by password may do all of the account's own (the scope admin). A web page may do so from an origin that any key of the account
// lists. Such a caller's key has no id.
//
// A name or a secret that is missing is fault.NoCredentials, a wrong one fault.BadCredentials, whichever of them it is; an account
// that is suspended or closed is fault.AccountInactive, told to those alone who have the secret. After ten passwords for one name,
// only one a minute is looked at (fault.RateLimited); the account's keys, and a password that was right within ten minutes, go on.
func (k *Kit) AdmitBasic(r *http.Request, username, secret string, scope account.Scope) error {
	v := visitOf(r)
	if username == "" || secret == "" {
		return fault.New(fault.NoCredentials, "a user name and a secret are needed")
	}
	if !credible(username, maxName) || !credible(secret, maxSecret) {
		return strangers()
	}
	key, err := k.core.Keys.Authenticate(r.Context(), secret, v.remote, k.core.Store.Now())
	if fault.Is(err, fault.BadCredentials) {
		return k.admitPassword(v, r, username, secret, scope)
	}
	if err != nil {
		return err
	}
	a, ok, err := k.core.Members.ByUsername(r.Context(), username)
	if err != nil {
		return err
	}
	if !ok || a.ID != key.Account {
		return strangers()
	}
	return k.admit(v, r, key, "key:"+key.ID.String(), scope)
}

// guesses are how often a password for one user name is looked at.
var guesses = rate.Limit{PerMinute: 1, Burst: 10}

func (k *Kit) admitPassword(v *visit, r *http.Request, username, password string, scope account.Scope) error {
	a, ok, err := k.core.Members.SignIn(r.Context(), username, password, func(name string) error {
		left, err := k.rates.Take(rate.Name{Of: "password", ID: k.numberOf(name)}, 1, guesses)
		if err == nil && !left.OK {
			return fault.New(fault.RateLimited, "too many passwords were tried for this user name").After(left.Wait)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !ok {
		return strangers()
	}
	return k.admit(v, r, account.Key{Account: a.ID, Scopes: account.Scopes{account.Admin}}, "user:"+a.ID.String(), scope)
}

// numberOf is a number for a user name, of an account or of nobody.
func (k *Kit) numberOf(username string) int64 {
	mark, err := hex.DecodeString(k.core.Store.Mark("api/username", username))
	if err != nil {
		panic(err) // marks are hexadecimal
	}
	return int64(binary.BigEndian.Uint64(mark) >> 1)
}

// strangers is the fault of who is not known, whatever is wrong.
func strangers() error {
	return fault.New(fault.BadCredentials, "the user name and the secret do not belong together")
}
