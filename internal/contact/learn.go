package contact

import (
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Fact is what an account learned about somebody.
type Fact struct {
	Account account.ID
	Person  message.Person
	Source  Source // of a contact that is new by it
}

// Learn takes what a network told an account about people. The same again changes nothing.
func (k *Keeper) Learn(tx *store.Tx, a account.ID, people []message.Person) error {
	facts := make([]Fact, len(people))
	for i, p := range people {
		facts[i] = Fact{a, p, FromNetwork}
	}
	_, err := k.Meet(tx, facts)
	return err
}

// Meet takes facts in their order and tells whom each is about: somebody known, or somebody new. A fact without an address is about
// nobody.
func (k *Keeper) Meet(tx *store.Tx, facts []Fact) ([]ID, error) {
	claims := make([]claim, len(facts))
	for i, f := range facts {
		claims[i] = claimOf(f)
	}
	b, err := open(tx, claims)
	if err != nil {
		return nil, err
	}
	who := make([]ID, len(facts))
	for i := range claims {
		who[i] = b.take(&claims[i])
	}
	if err := k.write(b); err != nil {
		return nil, err
	}
	for i := range who {
		who[i] = b.now(who[i])
	}
	return who, nil
}

// claim is a fact as it is worked with.
type claim struct {
	account   account.ID
	source    Source
	addresses []message.Address // the surest first
	book      string
	push      string
	business  string
}

const (
	maxName    = 200 // characters
	maxAddress = 200 // bytes
)

func claimOf(f Fact) claim {
	c := claim{account: f.Account, source: f.Source, book: clip(f.Person.Name), push: clip(f.Person.PushName), business: clip(f.Person.Business)}
	user := message.Address{Kind: message.User, Value: strings.ToLower(strings.TrimPrefix(f.Person.UserName, "@"))}
	for _, a := range []message.Address{f.Person.LID, f.Person.BSUID, f.Person.Phone, user} {
		if a.Value != "" && len(a.Value) <= maxAddress && slices.Contains(strength, a.Kind) && !strings.ContainsAny(a.Value, "\n") {
			c.addresses = append(c.addresses, a)
		}
	}
	slices.SortFunc(c.addresses, byStrength)
	return c
}

// clip is a name that somebody else chose, at most so long.
func clip(name string) string {
	name = strings.TrimSpace(strings.ToValidUTF8(name, "\uFFFD"))
	if len(name) <= maxName {
		return name
	}
	if runes := []rune(name); len(runes) > maxName {
		return string(runes[:maxName])
	}
	return name
}

// bare reports whether the claim says only that there is somebody with the address.
func (c *claim) bare() bool { return len(c.addresses) == 1 && c.book+c.push+c.business == "" }

// Ask is an address in an account.
type Ask struct {
	Account account.ID
	Address message.Address
}

// Holders tells whose each address is; zero: nobody's.
func (k *Keeper) Holders(tx *store.Tx, asks []Ask) ([]ID, error) {
	rows := make([]whoHasParams, len(asks))
	for i, a := range asks {
		rows[i] = whoHasParams{Address: a.Address.String(), AccountID: a.Account}
	}
	found, err := store.Find[ID](tx, whoHas, rows)
	if err != nil {
		return nil, wrap("look for contacts", err)
	}
	who := make([]ID, len(asks))
	for _, f := range found {
		who[f.Of] = f.Row
	}
	return who, nil
}

// Others tells for each address by which others its person is reached; nil where it is nobody's, or their only one.
func (k *Keeper) Others(tx *store.Tx, asks []Ask) ([][]message.Address, error) {
	who, err := k.Holders(tx, asks)
	if err != nil {
		return nil, err
	}
	people, err := store.First[contactRecord](tx, oneContact, who)
	if err != nil {
		return nil, wrap("read contacts", err)
	}
	others := make([][]message.Address, len(asks))
	for i, p := range people {
		if p != nil {
			others[i] = slices.DeleteFunc(parseAddresses(p.Addresses), func(a message.Address) bool { return a == asks[i].Address })
		}
	}
	return others, nil
}

// Reach is a person of whom one address is known, so that others who may write to them are found: which account knows which of their
// addresses.
type Reach struct {
	Account   account.ID
	Addresses []message.Address
}

// KnownAs tells for each address under which others any account knows who has it. What an account wrote itself does not count: it would
// get what others are written.
func (k *Keeper) KnownAs(tx *store.Tx, addresses []message.Address) ([][]Reach, error) {
	asks := make([]string, len(addresses))
	for i, a := range addresses {
		asks[i] = a.String()
	}
	rows, err := store.Find[knownAsRow](tx, knownAs, asks)
	if err != nil {
		return nil, wrap("look for people", err)
	}
	all := make([][]Reach, len(addresses))
	for _, r := range rows {
		if told := parseAddresses(r.Row.Told); slices.Contains(told, addresses[r.Of]) {
			all[r.Of] = append(all[r.Of], Reach{r.Row.AccountID, told})
		}
	}
	return all, nil
}
