// Package contact keeps the people whom accounts know: by which addresses each is reached, what the account notes about them, and in
// which lists they are. One person is one contact, in whatever order their addresses become known (docs/decisions/0024-identity.md).
package contact

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// ID is the key of a contact.
type ID = message.ContactID

// Contact is a person whom an account knows.
type Contact struct {
	ID         ID
	Account    account.ID
	Number     int32             // never given twice in the account
	Addresses  []message.Address // the surest first
	Name       string            // as the account calls them
	BookName   string            // as the address book of a linked device has it
	PushName   string            // as they call themselves
	Business   string            // the verified name of a business
	Email      string
	Tags       []string        // in order
	Attributes json.RawMessage // a JSON object; nil for none
	Source     Source
	Updated    time.Time

	told []message.Address // those of the addresses that a network has told of together
}

// Source is how a contact came to be known.
type Source string

// The sources.
const (
	FromMessage Source = "message" // the account wrote to them
	FromInbound Source = "inbound" // they wrote to the account
	FromNetwork Source = "network" // a channel told about them
	FromAPI     Source = "api"
	FromImport  Source = "import"
)

// Address is the contact's address of a kind; none if it has none.
func (c *Contact) Address(kind message.AddressKind) message.Address {
	for _, a := range c.Addresses {
		if a.Kind == kind {
			return a
		}
	}
	return message.Address{}
}

// Display is what the contact is called: by the account, else by whoever knows best.
func (c *Contact) Display() string { return cmp.Or(c.Name, c.BookName, c.Business, c.PushName) }

// Keeper keeps contacts and their lists.
type Keeper struct {
	store  *store.Store
	log    *event.Log
	follow func(*store.Tx, []Join) error
}

// New returns the keeper of the store's contacts. Changes are appended to log.
func New(s *store.Store, log *event.Log) *Keeper {
	return &Keeper{store: s, log: log, follow: func(*store.Tx, []Join) error { return nil }}
}

// Join says that addresses turned out to be one person's.
type Join struct {
	Account   account.ID
	Contact   ID
	Addresses []message.Address // all of the person's
	Merged    []ID              // contacts that are this one now
}

// FollowedBy has f act on joins in the transaction that makes them. It must be called before anything is learned.
func (k *Keeper) FollowedBy(f func(*store.Tx, []Join) error) { k.follow = f }

func contactOf(r contactRecord) Contact {
	c := Contact{
		ID: r.ID, Account: r.AccountID, Number: int32(r.Number), Addresses: parseAddresses(r.Addresses), Name: r.Name, BookName: r.BookName,
		PushName: r.PushName, Business: r.Business, Email: r.Email, Tags: lines(r.Tags), Source: Source(r.Source), told: parseAddresses(r.Told),
		Updated: time.UnixMilli(r.UpdatedAt).UTC(),
	}
	if r.Attributes != "" {
		c.Attributes = json.RawMessage(r.Attributes)
	}
	return c
}

func rowOf(c *Contact, now int64) addContactParams {
	return addContactParams{
		ID: c.ID, AccountID: c.Account, Number: int64(c.Number), Addresses: showAddresses(c.Addresses), Name: c.Name, BookName: c.BookName,
		PushName: c.PushName, Business: c.Business, Email: c.Email, Tags: strings.Join(c.Tags, "\n"), Attributes: string(c.Attributes),
		Source: string(c.Source), Told: showAddresses(among(c.Addresses, c.told)), UpdatedAt: now,
	}
}

// lines are the lines of a text; none of an empty one.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func parseAddresses(text string) []message.Address {
	var list []message.Address
	for _, line := range lines(text) {
		list = append(list, message.ParseAddress(line))
	}
	return list
}

func showAddresses(list []message.Address) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, "\n")
}

// strength orders the kinds of address by how surely they say who somebody is. A number changes hands, and a user name is its owner's
// to change; a LID is one account of the network for as long as that is there.
var strength = []message.AddressKind{message.LID, message.BSUID, message.Phone, message.User}

// single tells of which kinds somebody has one at a time. Of business-scoped ids they have one for each business portfolio.
func single(kind message.AddressKind) bool { return kind != message.BSUID }

// byStrength sorts addresses, the surest first.
func byStrength(a, b message.Address) int {
	return cmp.Or(cmp.Compare(slices.Index(strength, a.Kind), slices.Index(strength, b.Kind)), cmp.Compare(a.Value, b.Value))
}
