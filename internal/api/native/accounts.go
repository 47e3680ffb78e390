package native

import (
	"context"
	"net/http"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

func (s *server) accountsOperations() []operation {
	return []operation{
		op[input[accountRequest], output[TenantReply]]("POST /accounts", account.Admin, "createAccount", "Make a subaccount; for the operator, any account", s.createAccount).answers(201).once(),
		op[PageInput, output[page[TenantReply]]]("GET /accounts", account.Admin, "listAccounts", "List subaccounts; for the operator, all accounts", s.listAccounts),
		op[IDInput, output[TenantReply]]("GET /accounts/{id}", account.Admin, "readOneAccount", "Read a subaccount", s.readTenant),
		op[accountChangeInput, output[TenantReply]]("PATCH /accounts/{id}", account.Admin, "changeAccount", "Change a subaccount", s.changeAccount),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/suspend", account.Admin, "suspendAccount", "Suspend a subaccount: its keys are refused", s.settingActive(false)).once(),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/activate", account.Admin, "activateAccount", "Let a suspended subaccount work again", s.settingActive(true)).once(),
		op[IDInput, output[TenantReply]]("POST /accounts/{id}/close", account.Admin, "closeAccount", "Close a subaccount for good", s.closeAccount).once(),
	}
}

// Where the money for an account's messages comes from.
const (
	ownWallet    = "own"
	parentWallet = "parent"
)

// accountRequest is an account to make.
type accountRequest struct {
	Name     string `json:"name"`
	Region   string `json:"region,omitempty" doc:"The country whose national numbers it may write; the parent's without it." example:"KE"`
	Currency string `json:"currency,omitempty" doc:"Of its wallet; the parent's without it." example:"KES"`
	Username string `json:"username,omitempty" doc:"Its user name, for APIs that take one; its id without it." maxLength:"128"`
	Wallet   string `json:"wallet,omitempty" doc:"Who pays for what it sends; own without it." enum:"own,parent"`
	Parent   string `json:"parent_id,omitempty" format:"uuid" doc:"The account it is a subaccount of. Only the operator gives it; anyone else makes subaccounts of their own."`
	Plan     string `json:"plan,omitempty" doc:"How much it may do. Only the operator gives it; a subaccount shares its parent's."`
}

// accountChangeRequest is what an update changes; what is absent stays.
type accountChangeRequest struct {
	Name   *string `json:"name,omitempty"`
	Region *string `json:"region,omitempty" example:"KE"`
	Wallet *string `json:"wallet,omitempty" doc:"Who pays for what it sends from now on." enum:"own,parent"`
	Plan   *string `json:"plan,omitempty" doc:"How much it may do; empty for the server's own limits. Only the operator gives it."`
}

type accountChangeInput struct {
	IDInput
	Body accountChangeRequest
}

// TenantReply is an account as those see it who look after it.
type TenantReply struct {
	ID        string `json:"id" format:"uuid"`
	Parent    string `json:"parent_id,omitempty" format:"uuid" doc:"The account it is a subaccount of."`
	Name      string `json:"name"`
	Region    string `json:"region"`
	Currency  string `json:"currency"`
	Wallet    string `json:"wallet" enum:"own,parent" doc:"Who pays for what it sends."`
	Plan      string `json:"plan" doc:"Empty for the server's own limits; a subaccount shares its parent's."`
	Status    string `json:"status" enum:"active,suspended,closed"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

func showTenant(a *account.Account) TenantReply {
	t := TenantReply{
		ID: a.ID.String(), Parent: a.Parent.String(), Name: a.Name, Region: a.Region, Currency: a.Currency, Wallet: ownWallet, Plan: a.Plan,
		Status: "active", CreatedAt: showTime(a.ID.Time()),
	}
	if a.ParentPays {
		t.Wallet = parentWallet
	}
	switch {
	case a.Closed:
		t.Status = "closed"
	case !a.Active:
		t.Status = "suspended"
	}
	return t
}

// createAccount makes an account with a wallet of its own.
func (s *server) createAccount(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[accountRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wanted, err := s.wanted(r.Context(), c, in)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Members.Create(tx, c.By, wanted, in.Username, "")
		if err != nil {
			return nil, err
		}
		return showTenant(&made), s.core.Wallet.Open(tx, made.ID, made.Currency)
	})
}

// wanted says the request in the words of the keeper: what it leaves out is the parent's.
func (s *server) wanted(ctx context.Context, c gateway.Caller, in *accountRequest) (a account.Account, err error) {
	parent := &c.Account
	if c.Operates() {
		if parent, err = s.parentNamed(ctx, in.Parent); err != nil {
			return a, err
		}
	} else if in.Parent != "" || in.Plan != "" {
		return a, operatorOnly("parent_id and plan")
	}
	a = account.Account{Name: in.Name, Region: in.Region, Currency: in.Currency, Plan: in.Plan}
	if parent != nil {
		a.Parent = parent.ID
		fill(&a.Region, parent.Region)
		fill(&a.Currency, parent.Currency)
	}
	a.ParentPays, err = parentPays(in.Wallet)
	return a, err
}

// parentNamed is the account that the operator made the parent; nil for none.
func (s *server) parentNamed(ctx context.Context, text string) (*account.Account, error) {
	if text == "" {
		return nil, nil
	}
	at, err := parseAccount(text)
	if err != nil {
		return nil, err
	}
	a, ok, err := s.core.Members.Get(ctx, at)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no account %s", at).In("parent_id")
	}
	return &a, err
}

func operatorOnly(what string) error {
	return fault.New(fault.ScopeMissing, "only the operator gives %s", what)
}

func fill(text *string, with string) {
	if *text == "" {
		*text = with
	}
}

func parentPays(wallet string) (bool, error) {
	switch wallet {
	case "", ownWallet:
		return false, nil
	case parentWallet:
		return true, nil
	}
	return false, fault.New(fault.InvalidField, "wallet is own or parent").In("wallet")
}

// listAccounts lists the caller's subaccounts, or for the operator all accounts, newest first.
func (s *server) listAccounts(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	return simple(s, w, r, "accounts", func(after int64, limit int) ([]account.Account, error) {
		all, err := s.core.Members.All(r.Context())
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(a account.Account) bool {
			return !looksAfter(c, &a) || after != 0 && int64(a.ID) >= after
		})
		slices.Reverse(all)
		return all[:min(limit, len(all))], nil
	}, func(a *account.Account) (TenantReply, int64) { return showTenant(a), int64(a.ID) })
}

// looksAfter reports whether the caller manages the account.
func looksAfter(c gateway.Caller, a *account.Account) bool {
	return c.Operates() || a.Parent == c.Account.ID
}

// tenant is the account of the path, which the caller manages.
func (s *server) tenant(r *http.Request) (account.Account, error) {
	at, err := pathID[account.Account](r, "id")
	if err != nil {
		return account.Account{}, err
	}
	a, ok, err := s.core.Members.Get(r.Context(), at)
	if err != nil {
		return a, err
	}
	if !ok || !looksAfter(api.CallerOf(r), &a) {
		return a, fault.New(fault.NotHere, "there is no account %s", at)
	}
	return a, nil
}

func (s *server) readTenant(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showTenant(&a))
}

// changeAccount changes what the request names.
func (s *server) changeAccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[accountChangeRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	change := member.Change{Name: in.Name, Region: in.Region, Plan: in.Plan}
	if in.Plan != nil && !c.Operates() {
		return operatorOnly("plan")
	}
	if in.Wallet != nil {
		pays, err := parentPays(*in.Wallet)
		if err != nil {
			return err
		}
		change.ParentPays = &pays
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		now, err := s.core.Members.Change(tx, c.By, a.ID, change)
		return showTenant(&now), err
	})
}

// settingActive suspends an account, or lets it work again.
func (s *server) settingActive(active bool) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return s.endTenant(w, r, func(tx *store.Tx, by audit.Actor, a *account.Account) error {
			a.Active = active
			return s.core.Members.SetActive(tx, by, a.ID, active)
		})
	}
}

func (s *server) closeAccount(w http.ResponseWriter, r *http.Request) error {
	return s.endTenant(w, r, func(tx *store.Tx, by audit.Actor, a *account.Account) error {
		a.Active, a.Closed = false, true
		return s.core.Members.Close(tx, by, a.ID)
	})
}

// endTenant changes whether the account of the path works, and shows it.
func (s *server) endTenant(w http.ResponseWriter, r *http.Request, change func(tx *store.Tx, by audit.Actor, a *account.Account) error) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		now := a
		err := change(tx, api.CallerOf(r).By, &now)
		return showTenant(&now), err
	})
}
