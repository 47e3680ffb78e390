package member

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Profile is who is behind an account, as its parent was told.
type Profile struct {
	Email     string
	Phone     string // +E.164
	FirstName string
	LastName  string
	Notes     string
}

// maxNotes is how many characters of notes are kept.
const maxNotes = 2000

// ProfileChange is what an update changes of a profile; nil leaves as it is, "" empties.
type ProfileChange struct {
	Email     *string
	Phone     *string // as people write it; national ones by the account's region
	FirstName *string
	LastName  *string
	Notes     *string
}

// write stores the profile of an account with the change.
func (c *ProfileChange) write(tx *store.Tx, a *account.Account) error {
	if *c == (ProfileChange{}) {
		return nil
	}
	p, err := ProfileIn(tx, a.ID)
	if err != nil {
		return err
	}
	put(&p.Email, c.Email)
	put(&p.Phone, c.Phone)
	put(&p.FirstName, c.FirstName)
	put(&p.LastName, c.LastName)
	put(&p.Notes, c.Notes)
	if err := p.check(a.Region); err != nil {
		return err
	}
	err = store.Run(tx, setProfile, []setProfileParams{{
		AccountID: a.ID, Email: p.Email, Phone: p.Phone, FirstName: p.FirstName, LastName: p.LastName, Notes: p.Notes,
	}})
	if err != nil {
		return fmt.Errorf("store profile: %w", err)
	}
	return nil
}

// check refuses what no profile can hold, and writes addresses as they are kept.
func (p *Profile) check(region string) error {
	for _, text := range []*string{&p.Email, &p.Phone, &p.FirstName, &p.LastName, &p.Notes} {
		*text = strings.TrimSpace(*text)
		if !utf8.ValidString(*text) || strings.IndexByte(*text, 0) >= 0 {
			return fault.New(fault.InvalidField, "a profile is text")
		}
	}
	p.Email = strings.ToLower(p.Email)
	if parsed, err := mail.ParseAddress(p.Email); p.Email != "" && (err != nil || parsed.Address != p.Email || len(p.Email) > maxEmail) {
		return fault.New(fault.InvalidField, "it is no address of mail").In("email")
	}
	if p.Phone != "" {
		phone, err := message.ParsePhone(p.Phone, region)
		if err != nil {
			return fault.New(fault.InvalidField, "it is no phone number").In("phone_number")
		}
		p.Phone = phone.Value
	}
	switch {
	case utf8.RuneCountInString(p.FirstName) > maxWords:
		return fault.New(fault.InvalidField, "a name has at most %d characters", maxWords).In("first_name")
	case utf8.RuneCountInString(p.LastName) > maxWords:
		return fault.New(fault.InvalidField, "a name has at most %d characters", maxWords).In("last_name")
	case utf8.RuneCountInString(p.Notes) > maxNotes:
		return fault.New(fault.InvalidField, "notes have at most %d characters", maxNotes).In("notes")
	}
	return nil
}

func (r profileRecord) profile() Profile {
	return Profile{Email: r.Email, Phone: r.Phone, FirstName: r.FirstName, LastName: r.LastName, Notes: r.Notes}
}

// ProfileIn is Profile as a transaction sees it.
func ProfileIn(tx *store.Tx, id account.ID) (Profile, error) {
	rows, err := store.First[profileRecord](tx, profileOf, []account.ID{id})
	if err != nil {
		return Profile{}, fmt.Errorf("read profile: %w", err)
	}
	if rows[0] == nil {
		return Profile{}, nil
	}
	return rows[0].profile(), nil
}

// Profile returns who is behind an account; the zero value when nobody was told.
func (k *Keeper) Profile(ctx context.Context, id account.ID) (Profile, error) {
	row, err := on(k.store.Reader()).ProfileOf(ctx, profileOfParams{AccountID: id})
	if store.NoRows(err) {
		return Profile{}, nil
	}
	if err != nil {
		return Profile{}, fmt.Errorf("read profile: %w", err)
	}
	return row.profile(), nil
}

// Forget empties the profiles of an account and its subaccounts that name a person by the number.
func (k *Keeper) Forget(tx *store.Tx, a account.ID, person message.Address) error {
	if person.Kind != message.Phone {
		return nil
	}
	found, err := store.Find[account.ID](tx, profilesWithPhone, []profilesWithPhoneParams{{AccountID: a, Phone: person.Value}})
	if err != nil {
		return fmt.Errorf("find profiles: %w", err)
	}
	named := make([]account.ID, len(found))
	for i, f := range found {
		named[i] = f.Row
	}
	if err := store.Run(tx, dropProfile, named); err != nil {
		return fmt.Errorf("drop profiles: %w", err)
	}
	return nil
}
