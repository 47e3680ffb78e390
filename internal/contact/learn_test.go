package contact_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

var ctx = context.Background()

type world struct {
	*store.Store
	log  *event.Log
	keep *contact.Keeper
}

func open(t testing.TB) *world {
	t.Helper()
	return around(storetest.Open(t))
}

func around(s *store.Store) *world {
	w := &world{Store: s, log: event.New(s)}
	w.keep = contact.New(s, w.log)
	return w
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func (w *world) must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// meet has the facts come together, in one transaction.
func (w *world) meet(t fataler, a account.ID, people ...message.Person) (who []contact.ID) {
	t.Helper()
	facts := make([]contact.Fact, len(people))
	for i, p := range people {
		facts[i] = contact.Fact{Account: a, Person: p, Source: contact.FromInbound}
	}
	w.must(t, w.Write(func(tx *store.Tx) (err error) {
		who, err = w.keep.Meet(tx, facts)
		return err
	}))
	return who
}

func phone(n int) message.Address {
	return message.Address{Kind: message.Phone, Value: fmt.Sprintf("+25470123%04d", n)}
}

func lid(n int) message.Address {
	return message.Address{Kind: message.LID, Value: fmt.Sprintf("88%04d", n)}
}

func bsuid(n int) message.Address {
	return message.Address{Kind: message.BSUID, Value: fmt.Sprintf("KE.%04d", n)}
}

// shown is everybody an account knows, by addresses.
func (w *world) shown(t fataler, a account.ID) (people []string) {
	t.Helper()
	for _, c := range w.all(t, a) {
		texts := make([]string, len(c.Addresses))
		for i, own := range c.Addresses {
			texts[i] = own.String()
		}
		people = append(people, strings.Join(texts, " "))
	}
	slices.Sort(people)
	return people
}

func (w *world) all(t fataler, a account.ID) (people []contact.Contact) {
	t.Helper()
	for after := ""; ; {
		list, next, err := w.keep.List(ctx, a, contact.Filter{}, after, 3)
		w.must(t, err)
		people = append(people, list...)
		if after = next; next == "" {
			return people
		}
	}
}

// TestAnyOrderOfFactsGivesTheSamePeople draws people, what becomes known of them, and in which order and how often, and compares with
// who belongs together by the facts alone.
func TestAnyOrderOfFactsGivesTheSamePeople(t *testing.T) {
	t.Parallel()
	w, accounts := open(t), account.ID(0)
	rapid.Check(t, func(t *rapid.T) {
		accounts++
		known := rapid.SliceOfN(rapid.Custom(drawFact), 1, 12).Draw(t, "facts")
		var told []message.Person
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			told = append(told, rapid.Permutation(known).Draw(t, "order")...)
		}
		for len(told) > 0 {
			n := rapid.IntRange(1, len(told)).Draw(t, "together")
			for i, who := range w.meet(t, accounts, told[:n]...) {
				if who == 0 {
					t.Fatalf("%v is about nobody", told[i])
				}
			}
			told = told[n:]
		}
		if got, want := w.shown(t, accounts), components(known); !slices.Equal(got, want) {
			t.Fatalf("the people are\n%q, not\n%q", got, want)
		}
		for _, f := range known { // they are found by every address
			who := w.meet(t, accounts, f)[0]
			for _, a := range addressesOf(f) {
				if one := w.meet(t, accounts, only(a)); one[0] != who {
					t.Fatalf("%s leads to %v, not to %v", a, one[0], who)
				}
			}
		}
		w.consistent(t)
	})
}

// drawFact is something known of one of five people: one address at least.
func drawFact(t *rapid.T) message.Person {
	n, which := rapid.IntRange(0, 4).Draw(t, "who"), rapid.IntRange(1, 31).Draw(t, "what")
	f := message.Person{PushName: rapid.SampledFrom([]string{"", "Ann", "Ann B."}).Draw(t, "name")}
	if which&1 != 0 {
		f.Phone = phone(n)
	}
	if which&2 != 0 {
		f.LID = lid(n)
	}
	if which&4 != 0 {
		f.UserName = fmt.Sprintf("user%d", n)
	}
	if which&24 != 0 {
		f.BSUID = bsuid(10*n + which>>3) // of one of three portfolios
	}
	return f
}

func addressesOf(p message.Person) (list []message.Address) {
	for _, a := range []message.Address{p.LID, p.BSUID, p.Phone, {Kind: message.User, Value: p.UserName}} {
		if a.Value != "" {
			list = append(list, a)
		}
	}
	return list
}

func only(a message.Address) (p message.Person) {
	switch a.Kind {
	case message.Phone:
		p.Phone = a
	case message.LID:
		p.LID = a
	case message.BSUID:
		p.BSUID = a
	default:
		p.UserName = a.Value
	}
	return p
}

// components are the people of facts, by addresses: whoever shares one is one.
func components(facts []message.Person) (people []string) {
	var groups [][]message.Address
	for _, f := range facts {
		group := addressesOf(f)
		for i := 0; i < len(groups); {
			if !slices.ContainsFunc(groups[i], func(a message.Address) bool { return slices.Contains(group, a) }) {
				i++
				continue
			}
			group = append(group, groups[i]...)
			groups = slices.Delete(groups, i, i+1)
			i = 0
		}
		groups = append(groups, group)
	}
	rank := []message.AddressKind{message.LID, message.BSUID, message.Phone, message.User}
	for _, g := range groups {
		slices.SortFunc(g, func(a, b message.Address) int {
			return cmp.Or(cmp.Compare(slices.Index(rank, a.Kind), slices.Index(rank, b.Kind)), cmp.Compare(a.Value, b.Value))
		})
		texts := make([]string, 0, len(g))
		for _, a := range slices.Compact(g) {
			texts = append(texts, a.String())
		}
		people = append(people, strings.Join(texts, " "))
	}
	slices.Sort(people)
	return people
}

// consistent checks that the rows by which contacts are found say what the contacts say.
func (w *world) consistent(t fataler) {
	t.Helper()
	for what, query := range map[string]string{
		"an address of nobody":         `SELECT count(*) FROM identity WHERE contact_id NOT IN (SELECT id FROM contact)`,
		"a term of nobody":             `SELECT count(*) FROM contact_term WHERE contact_id NOT IN (SELECT id FROM contact)`,
		"a tag of nobody":              `SELECT count(*) FROM contact_tag WHERE contact_id NOT IN (SELECT id FROM contact)`,
		"a member of nobody":           `SELECT count(*) FROM list_member WHERE contact_id NOT IN (SELECT id FROM contact)`,
		"one merged into nobody":       `SELECT count(*) FROM contact_merged WHERE contact_id NOT IN (SELECT id FROM contact)`,
		"one merged that is there":     `SELECT count(*) FROM contact_merged WHERE id IN (SELECT id FROM contact)`,
		"a list that counts wrongly":   `SELECT count(*) FROM contact_list AS l WHERE members <> (SELECT count(*) FROM list_member AS m WHERE m.list_id = l.id)`,
		"an address that is not found": `SELECT abs((SELECT count(*) FROM identity) - (SELECT coalesce(sum(length(addresses) - length(replace(addresses, '` + "\n" + `', '')) + 1), 0) FROM contact WHERE addresses <> ''))`,
		"a tag that is not found":      `SELECT abs((SELECT count(*) FROM contact_tag) - (SELECT coalesce(sum(length(tags) - length(replace(tags, '` + "\n" + `', '')) + 1), 0) FROM contact WHERE tags <> ''))`,
	} {
		var n int
		w.must(t, w.Reader().QueryRowContext(ctx, query).Scan(&n))
		if n != 0 {
			t.Fatal(what, n)
		}
	}
}

// TestWhoIsWho is the table of the rules: what is learned in which order, and who there is then.
func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	w := open(t)
	p, l, b := phone, lid, bsuid
	type person = message.Person
	for i, c := range []struct {
		name  string
		facts []person
		want  []string
	}{
		{"a phone and a LID become known together", []person{{Phone: p(1), LID: l(1)}}, []string{"lid:880001 +254701230001"}},
		{"they were two", []person{{Phone: p(1)}, {LID: l(1)}, {Phone: p(1), LID: l(1)}}, []string{"lid:880001 +254701230001"}},
		{"a number changes hands", []person{{Phone: p(1), LID: l(1)}, {Phone: p(1), LID: l(2)}}, []string{"lid:880001", "lid:880002 +254701230001"}},
		{"somebody has a new number", []person{{Phone: p(1), LID: l(1)}, {Phone: p(2), LID: l(1)}}, []string{"lid:880001 +254701230002"}},
		{"a new number was known already", []person{{Phone: p(2)}, {Phone: p(1), LID: l(1)}, {Phone: p(2), LID: l(1)}}, []string{"lid:880001 +254701230002"}},
		{"a new number was somebody else's", []person{{Phone: p(2), LID: l(2)}, {Phone: p(1), LID: l(1)}, {Phone: p(2), LID: l(1)}}, []string{"lid:880001 +254701230002", "lid:880002"}},
		{"two swap numbers", []person{{Phone: p(1), LID: l(1)}, {Phone: p(2), LID: l(2)}, {Phone: p(2), LID: l(1)}, {Phone: p(1), LID: l(2)}}, []string{"lid:880001 +254701230002", "lid:880002 +254701230001"}},
		{"a business id outlives a number", []person{{Phone: p(1), BSUID: b(1)}, {Phone: p(2), BSUID: b(1)}}, []string{"bsuid:KE.0001 +254701230002"}},
		{"of two portfolios one has two", []person{{Phone: p(1), BSUID: b(1)}, {Phone: p(1), BSUID: b(2)}}, []string{"bsuid:KE.0001 bsuid:KE.0002 +254701230001"}},
		{"a user name goes to somebody else", []person{{Phone: p(1), UserName: "ann"}, {Phone: p(2), UserName: "ann"}}, []string{"+254701230001", "+254701230002 user:ann"}},
		{"a user name is changed", []person{{Phone: p(1), UserName: "ann"}, {Phone: p(1), UserName: "anna"}}, []string{"+254701230001 user:anna"}},
		{"a user name alone leads to its owner", []person{{UserName: "ann"}, {LID: l(1), UserName: "Ann"}}, []string{"lid:880001 user:ann"}},
		{"nothing is known", []person{{PushName: "Ann"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			together, apart := account.ID(2*i+1), account.ID(2*i+2)
			w.meet(t, together, c.facts...)
			for _, f := range c.facts {
				w.meet(t, apart, f)
				w.meet(t, apart, f) // a repeat changes nothing
			}
			for _, a := range []account.ID{together, apart} {
				if got := w.shown(t, a); !slices.Equal(got, c.want) {
					t.Errorf("there are %q, not %q", got, c.want)
				}
			}
			w.consistent(t)
		})
	}
}
