package member

import (
	"fmt"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// Change is what an update changes; nil leaves as it is.
type Change struct {
	Name       *string
	Region     *string
	ParentPays *bool // what is held already ends in the wallet that holds it
	Plan       *string
	Denied     *account.Denied
	Username   *string
	Password   *string
	Profile    ProfileChange
}

// Change changes an account. One that is closed is not there any more.
func (k *Keeper) Change(tx *store.Tx, by audit.Actor, id account.ID, c Change) (account.Account, error) {
	was, err := one(tx, id)
	if err != nil {
		return account.Account{}, err
	}
	if was == nil || was.Closed {
		return account.Account{}, notHere(id)
	}
	a := *was
	put(&a.Name, c.Name)
	put(&a.Region, c.Region)
	put(&a.ParentPays, c.ParentPays)
	put(&a.Plan, c.Plan)
	put(&a.Denied, c.Denied)
	put(&a.Username, c.Username)
	a.Username = canonical(a.Username)
	a.Region = strings.ToUpper(a.Region)
	if err := check(tx, &a, a.Username); err != nil {
		return a, err
	}
	err = store.Run(tx, changeAccount, []changeAccountParams{{
		Name: a.Name, Region: a.Region, ParentPays: flag(a.ParentPays), Plan: a.Plan, Denied: int64(a.Denied), UpdatedAt: tx.NowMilli(), ID: id,
	}})
	if err != nil {
		return a, fmt.Errorf("change account %s: %w", id, err)
	}
	if a.Username != was.Username {
		if err := setName(tx, id, a.Username); err != nil {
			return a, err
		}
	}
	if c.Password != nil {
		if err := setSecret(tx, id, *c.Password); err != nil {
			return a, err
		}
	}
	if err := c.Profile.write(tx, &a); err != nil {
		return a, err
	}
	return a, noted(tx, audit.Entry{
		Account: id, Actor: by, Action: "account.change", Subject: id.String(), Detail: c.private(), Was: tell(*was), Became: tell(a),
	})
}

// private names what else was changed: nobody needs to read it in the audit log.
func (c *Change) private() string {
	var what []string
	if c.Password != nil {
		what = append(what, "password")
	}
	if c.Profile != (ProfileChange{}) {
		what = append(what, "profile")
	}
	return strings.Join(what, " ")
}

func setName(tx *store.Tx, id account.ID, username string) error {
	touched, err := store.Each(tx, setUsername, []setUsernameParams{{Username: username, SignIn: tx.NewID(), UpdatedAt: tx.NowMilli(), ID: id}})
	if err != nil {
		return fmt.Errorf("set user name: %w", err)
	}
	if touched[0] == 0 {
		return nameTaken()
	}
	return nil
}

func setSecret(tx *store.Tx, id account.ID, password string) error {
	hash, err := hashOf(password)
	if err != nil {
		return err
	}
	err = store.Run(tx, setPassword, []setPasswordParams{{Password: hash, SignIn: tx.NewID(), UpdatedAt: tx.NowMilli(), ID: id}})
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

func put[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// told is what can be changed of an account, for the audit log.
type told struct {
	Name       string `json:"name"`
	Region     string `json:"region"`
	ParentPays bool   `json:"parent_pays"`
	Plan       string `json:"plan"`
	Username   string `json:"username"`
	Denied     string `json:"denied,omitempty"`
}

func tell(a account.Account) string {
	return audit.Values(told{a.Name, a.Region, a.ParentPays, a.Plan, a.Username, a.Denied.String()})
}

// SetActive suspends an account or lets it work again. The operator's own cannot be suspended: nobody could let it work again.
func (k *Keeper) SetActive(tx *store.Tx, by audit.Actor, id account.ID, active bool) error {
	if err := k.refuseOperator(tx, id, active); err != nil {
		return err
	}
	touched, err := store.Each(tx, setActive, []setActiveParams{{Active: flag(active), SignIn: tx.NewID(), UpdatedAt: tx.NowMilli(), ID: id}})
	if err != nil {
		return fmt.Errorf("set account active: %w", err)
	}
	if touched[0] == 0 {
		return notHere(id)
	}
	return changed(tx, by, "account.active", id, fmt.Sprint(active))
}

// Close ends an account for good: its keys work no more, and who was behind it is forgotten. What it has stays until its retention
// ends, and what waits is still sent. An account with subaccounts that are open stays.
func (k *Keeper) Close(tx *store.Tx, by audit.Actor, id account.ID) error {
	if err := k.refuseOperator(tx, id, false); err != nil {
		return err
	}
	open, err := store.First[account.ID](tx, openSubaccount, []account.ID{id})
	if err != nil {
		return fmt.Errorf("look for subaccounts: %w", err)
	}
	if open[0] != nil {
		return fault.New(fault.StillUsed, "the account has subaccounts that are open")
	}
	touched, err := store.Each(tx, closeAccount, []closeAccountParams{{ClosedAt: tx.NowMilli(), ID: id}})
	if err != nil {
		return fmt.Errorf("close account: %w", err)
	}
	if touched[0] == 0 {
		return notHere(id)
	}
	if err := store.Run(tx, dropProfile, []account.ID{id}); err != nil {
		return fmt.Errorf("drop profile: %w", err)
	}
	return changed(tx, by, "account.close", id, "")
}

func (k *Keeper) refuseOperator(tx *store.Tx, id account.ID, active bool) error {
	a, err := one(tx, id)
	if err == nil && a != nil && a.Operator && !active {
		return fault.New(fault.StillUsed, "the operator's own account stays active")
	}
	return err
}

func notHere(id account.ID) error { return fault.New(fault.NotHere, "account %s", id) }
