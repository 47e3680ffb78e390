package member

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// User is a person who signs in to an account.
type User struct {
	ID          UserID
	Account     account.ID
	Number      int // what the user is to programs that know their users by numbers; no account has the same
	Email       string
	Name        string
	CreatedFrom string // what made the user, in its own words
}

// UserID is the key of a user.
type UserID = id.Of[User]

// Bounds of what is kept of a user: an address of mail has at most 254 bytes (RFC 5321, 4.5.3.1.3).
const (
	maxEmail = 254
	maxWords = 255
)

// numbers are given to accounts and users alike, so that one number never means both.
const numbers = "member"

// Check refuses what no user can be, and writes the address as it is kept: in small letters.
func (u *User) Check() error {
	u.Email, u.Name, u.CreatedFrom = strings.ToLower(strings.TrimSpace(u.Email)), strings.TrimSpace(u.Name), strings.TrimSpace(u.CreatedFrom)
	parsed, err := mail.ParseAddress(u.Email)
	switch {
	case u.Email == "":
		return fault.New(fault.MissingField, "a user has an address of mail").In("email")
	case err != nil || parsed.Address != u.Email || len(u.Email) > maxEmail:
		return fault.New(fault.InvalidField, "it is no address of mail").In("email")
	case utf8.RuneCountInString(u.Name) > maxWords:
		return fault.New(fault.InvalidField, "a name has at most %d characters", maxWords).In("name")
	case utf8.RuneCountInString(u.CreatedFrom) > maxWords:
		return fault.New(fault.InvalidField, "what made a user has at most %d characters", maxWords).In("created_from")
	}
	return nil
}

// AddUser stores a user that Check found good, and whose address nobody has.
func (k *Keeper) AddUser(tx *store.Tx, by audit.Actor, u User) (User, error) {
	var err error
	if u.Number, err = tx.NextNumber(numbers); err != nil {
		return u, err
	}
	u.ID = UserID(tx.NewID())
	err = store.Run(tx, addLogin, []addLoginParams{{
		ID: int64(u.ID), AccountID: u.Account, Number: int64(u.Number), Email: u.Email, Name: u.Name, CreatedFrom: u.CreatedFrom,
	}})
	if err != nil {
		return u, fmt.Errorf("add user: %w", err)
	}
	return u, audit.Append(tx, audit.Entry{Account: u.Account, Actor: by, Action: "user.create", Subject: u.ID.String(), Detail: u.CreatedFrom})
}

// UserByEmail is the user with an address as Check writes it; false when there is none.
func (k *Keeper) UserByEmail(tx *store.Tx, email string) (User, bool, error) {
	rows, err := store.First[loginRecord](tx, loginByEmail, []loginByEmailParams{{Email: email}})
	if err != nil {
		return User{}, false, fmt.Errorf("find user: %w", err)
	}
	if rows[0] == nil {
		return User{}, false, nil
	}
	return userOf(*rows[0]), true, nil
}

// FirstUser is the user that an account has had longest. One without users is its own: it has a number and a name.
func (k *Keeper) FirstUser(ctx context.Context, a account.Account) (User, error) {
	row, err := on(k.store.Reader()).FirstLogin(ctx, firstLoginParams{AccountID: a.ID})
	if store.NoRows(err) {
		return User{Account: a.ID, Number: a.Number, Name: a.Name}, nil
	}
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return userOf(row), nil
}

func userOf(r loginRecord) User {
	return User{ID: UserID(r.ID), Account: r.AccountID, Number: int(r.Number), Email: r.Email, Name: r.Name, CreatedFrom: r.CreatedFrom}
}
