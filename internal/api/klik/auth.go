package klik

import (
	"cmp"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

const (
	keyHeader  = "X-API-KEY"
	tokenName  = "klik auth-by-email"
	tokensKept = 10
)

// checkHealth tells whether the server can do its work.
func (s *server) checkHealth(w http.ResponseWriter, r *http.Request) error {
	if err := s.kit.AdmitAnyone(r); err != nil {
		return err
	}
	if failing := s.core.Health.Failing(r.Context()); len(failing) > 0 {
		return api.Reply(w, http.StatusBadRequest, health{Services: failing})
	}
	return api.Reply(w, http.StatusOK, health{Status: true})
}

// admitInternal lets in who may provision users: a key of the operator's account with the scope internal.
func (s *server) admitInternal(r *http.Request) error {
	if err := s.kit.Admit(r, r.Header.Get(keyHeader), account.Internal); err != nil {
		return err
	}
	if c := api.CallerOf(r); !c.Account.Operator {
		return fault.New(fault.ScopeMissing, "only keys of the operator's account provision users")
	}
	return nil
}

// authByEmail returns a new token of the user with an address, whom it makes with an account of his own if there is none.
func (s *server) authByEmail(w http.ResponseWriter, r *http.Request) error {
	if err := s.admitInternal(r); err != nil {
		if f := fault.Of(err); f != nil && (f.Kind() == fault.Unauthorized || f.Kind() == fault.Forbidden) {
			return api.Reply(w, http.StatusForbidden, failed(unvalidated, unvalidated))
		}
		return err
	}
	in, err := api.DecodeLenient[authRequest](r)
	if err != nil {
		return err
	}
	wanted := member.User{Email: string(in.Email), Name: string(in.Name), CreatedFrom: string(in.CreatedFrom)}
	if err := wanted.Check(); err != nil {
		return err
	}
	var who member.User
	var token key.Made
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		if who, err = s.provide(tx, api.CallerOf(r), wanted); err != nil {
			return err
		}
		token, err = s.newToken(tx, api.CallerOf(r), who.Account)
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, signedIn{Success: true, Data: signedInUser{token.Secret, user{who.Number, who.Name, who.Email, who.CreatedFrom}}})
}

// provide finds the user, or makes him with an account and its wallet.
func (s *server) provide(tx *store.Tx, c gateway.Caller, wanted member.User) (member.User, error) {
	who, there, err := s.core.Members.UserByEmail(tx, wanted.Email)
	if err != nil || there {
		return who, err
	}
	a, err := s.core.Members.Create(tx, c.By, account.Account{
		Name: cmp.Or(wanted.Name, wanted.Email), Region: c.Account.Region, Currency: c.Account.Currency,
	}, "", "")
	if err != nil {
		return who, err
	}
	if err := s.core.Wallet.Open(tx, a.ID, a.Currency); err != nil {
		return who, err
	}
	wanted.Account = a.ID
	return s.core.Members.AddUser(tx, c.By, wanted)
}

// newToken makes one more token of an account, for a year. Only the newest are kept.
func (s *server) newToken(tx *store.Tx, c gateway.Caller, a account.ID) (key.Made, error) {
	made, err := s.core.Keys.Create(tx, c.By, key.Key{Account: a, Name: tokenName, Scopes: account.Scopes{account.Admin}}, false)
	if err != nil {
		return made, err
	}
	return made, s.core.Keys.KeepNewest(tx, c.By, a, tokenName, tokensKept)
}
