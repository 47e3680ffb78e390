package bulksms

import (
	"net/http"
	"strconv"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
)

const (
	keyName  = "bulksms" // of the one key that an account has here
	keyThere = "An active API key already exists."
	noKey    = "No active API key."
	maxDays  = 365
)

// rights are what that key may do: all that there is to do here.
var rights = account.Scopes{account.MessagesSend, account.MessagesRead, account.AccountRead, account.KeysWrite}

// asked is a request about the key that was let in.
type asked struct {
	*keyRequest
	w http.ResponseWriter
	r *http.Request
}

// keyed lets in who has the account's user name and password, or a key of it that may make keys.
func (s *server) keyed(h func(asked) error) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := api.DecodeLenient[keyRequest](r)
		if err != nil {
			return err
		}
		if err := s.admitKeys(r, in); err != nil {
			return err
		}
		return h(asked{in, w, r})
	}
}

// wanted is the key as it is to be, if there is none yet.
func (s *server) wanted(in asked) (key.Key, error) {
	c := api.CallerOf(in.r)
	days, err := expiry(in.Days)
	return key.Key{
		Account: c.Account.ID, Name: keyName, Test: c.Key.Test, Scopes: rights, Expires: s.core.Store.Now().Add(time.Duration(days) * 24 * time.Hour),
	}, err
}

func (s *server) admitKeys(r *http.Request, in *keyRequest) error {
	if in.Username == "" && in.Password == "" && (in.Key != "" || r.Header.Get(keyHeader) != "") {
		return s.admitSecond(r, in.Key, account.KeysWrite, account.AccessSettings)
	}
	return s.admitFirst(r, credentials{in.Username, in.Password}, account.KeysWrite, account.AccessSettings)
}

// expiry reads for how many days a key is to live.
func expiry(text api.Text) (int, error) {
	if text == "" {
		return maxDays, nil
	}
	days, err := strconv.Atoi(string(text))
	var wrong string
	switch {
	case err != nil:
		wrong = "The expiry days field must be an integer."
	case days < 1:
		wrong = "The expiry days field must be at least 1."
	case days > maxDays:
		wrong = "The expiry days field must not be greater than 365."
	default:
		return days, nil
	}
	return 0, fault.New(fault.InvalidField, "%s", wrong).In("expiry_days")
}

// generateKey makes the key, unless there is one in use.
func (s *server) generateKey(in asked) error {
	wish, err := s.wanted(in)
	if err != nil {
		return err
	}
	return api.Commit(in.w, in.r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		c := api.CallerOf(in.r)
		old, there, err := s.core.Keys.Named(tx, c.Account.ID, keyName)
		if err != nil {
			return nil, err
		}
		if there {
			f := fault.New(fault.AlreadyThere, keyThere)
			f.Existing = old.ID.String()
			return nil, f
		}
		if err := api.MayGive(c, &wish); err != nil {
			return nil, err
		}
		made, err := s.core.Keys.Create(tx, c.By, wish, false)
		return shownKey("API key generated successfully.", made), err
	})
}

// regenerateKey makes another key in place of the one in use, which dies at once.
func (s *server) regenerateKey(in asked) error {
	wish, err := s.wanted(in)
	if err != nil {
		return err
	}
	return api.Commit(in.w, in.r, http.StatusOK, func(tx *store.Tx) (any, error) {
		c := api.CallerOf(in.r)
		old, there, err := s.core.Keys.Named(tx, c.Account.ID, keyName)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fault.New(fault.NotHere, noKey)
		}
		if err := api.MayGive(c, &old); err != nil {
			return nil, err
		}
		made, err := s.core.Keys.Renew(tx, c.By, wish)
		return shownKey("API key regenerated successfully.", made), err
	})
}

// revokeKey takes the key back.
func (s *server) revokeKey(in asked) error {
	return api.Commit(in.w, in.r, http.StatusOK, func(tx *store.Tx) (any, error) {
		c := api.CallerOf(in.r)
		_, there, err := s.core.Keys.Named(tx, c.Account.ID, keyName)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fault.New(fault.NotHere, noKey)
		}
		return done{"API key revoked successfully."}, s.core.Keys.KeepNewest(tx, c.By, c.Account.ID, keyName, 0)
	})
}

func shownKey(text string, made key.Made) madeKey {
	return madeKey{text, made.Secret, made.Expires.UTC().Format("2006-01-02T15:04:05.000Z"), made.ID.String()}
}
