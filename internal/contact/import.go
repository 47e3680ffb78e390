package contact

import (
	"strconv"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// Imported is what became of one row of an import.
type Imported struct {
	ID      ID
	New     bool
	Contact Contact      // as it is now
	Fault   *fault.Fault // the row stands alone
}

// Import saves what rows say about people.
func (k *Keeper) Import(tx *store.Tx, by audit.Actor, a account.ID, edits []Edit) ([]Imported, error) {
	done, err := k.Save(tx, a, FromImport, edits)
	if err != nil {
		return nil, err
	}
	return done, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "contact.import", Detail: strconv.Itoa(len(edits))})
}

// Save writes what rows say about people: of those who are known by an address, or have no address and a known email, more than before;
// the others are new, from the source. Tags are added. Rows about one person are taken in their order.
func (k *Keeper) Save(tx *store.Tx, a account.ID, source Source, edits []Edit) ([]Imported, error) {
	claims := make([]claim, len(edits))
	done := make([]Imported, len(edits))
	for i := range edits {
		edits[i].Add = true
		if done[i].Fault = fault.Of(edits[i].Check()); done[i].Fault == nil {
			claims[i] = claim{account: a, source: source, addresses: edits[i].addresses()}
		}
	}
	b, err := openWhole(tx, claims)
	if err != nil {
		return nil, err
	}
	byEmail, err := b.byEmail(a, edits, claims)
	if err != nil {
		return nil, err
	}
	for i := range edits {
		if done[i].Fault == nil {
			b.importRow(&edits[i], &claims[i], byEmail, &done[i])
		}
	}
	if err := k.write(b); err != nil {
		return nil, err
	}
	for i := range done {
		if done[i].ID = b.now(done[i].ID); done[i].Fault == nil {
			done[i].Contact = b.people[done[i].ID].Contact
			done[i].Contact.Updated = tx.Now()
		}
	}
	return done, nil
}

// openWhole is open, of which everybody is read whole.
func openWhole(tx *store.Tx, claims []claim) (*book, error) {
	b, err := open(tx, claims)
	if err != nil {
		return nil, err
	}
	var wanted []ID
	for _, who := range b.stored {
		wanted = append(wanted, who)
	}
	err = b.read(wanted)
	return b, err
}

// byEmail are the people whom rows without an address may be about.
func (b *book) byEmail(a account.ID, edits []Edit, claims []claim) (map[string]*person, error) {
	known := map[string]*person{}
	var asks []emailOfParams
	for i := range edits {
		if e := edits[i].Email; e != nil && *e != "" && len(claims[i].addresses) == 0 {
			asks = append(asks, emailOfParams{AccountID: a, Term: store.Fold(*e), Email: *e})
		}
	}
	found, err := store.First[ID](b.tx, emailOf, asks)
	if err != nil {
		return nil, wrap("look for emails", err)
	}
	for i, who := range found {
		if who == nil {
			continue
		}
		if err := b.read([]ID{*who}); err != nil {
			return nil, err
		}
		known[asks[i].Email] = b.people[*who]
	}
	return known, nil
}

// importRow works one row in.
func (b *book) importRow(e *Edit, c *claim, byEmail map[string]*person, done *Imported) {
	if done.Fault = fault.Of(e.reaches()); done.Fault != nil {
		return
	}
	email := ""
	if e.Email != nil {
		email = *e.Email
	}
	same := b.same(c)
	if known := byEmail[email]; len(c.addresses) == 0 && email != "" && known != nil {
		same = []*person{b.people[b.now(known.ID)]}
	}
	var probe person
	if len(same) > 0 {
		probe = *b.oldest(same, c)
	}
	if done.Fault = fault.Of(probe.note(e)); done.Fault != nil {
		return
	}
	before := len(b.people)
	p := b.oldest(same, c)
	b.join(p, same, c.addresses)
	done.Fault = fault.Of(p.note(e))
	done.ID, done.New = p.ID, len(b.people) > before
	if len(c.addresses) == 0 && email != "" {
		byEmail[email] = p
	}
}
