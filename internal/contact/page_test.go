package contact_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func text(s string) *string { return &s }

// noted are attributes as an edit has them: pairs of a name and a value, of which null is nothing.
func noted(pairs ...string) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = json.RawMessage(fmt.Sprintf("%q", pairs[i+1]))
		if pairs[i+1] == "null" {
			all[pairs[i]] = json.RawMessage("null")
		}
	}
	return all
}

// TestNameAndItsPartsAreOne edits one contact step by step: whoever writes the name or its parts, all who read agree.
func TestNameAndItsPartsAreOne(t *testing.T) {
	t.Parallel()
	w := open(t)
	phone := message.ParseAddress("+254701234567")
	var c contact.Contact
	w.must(t, w.Write(func(tx *store.Tx) (err error) {
		c, err = w.keep.Create(tx, 1, contact.Edit{Phone: &phone})
		return err
	}))
	for i, step := range []struct {
		edit              contact.Edit
		name, first, last string
	}{
		{contact.Edit{Name: text("Ann Wanjiru")}, "Ann Wanjiru", "Ann Wanjiru", ""},
		{contact.Edit{Attributes: noted("first_name", "Ann", "last_name", "Wanjiru")}, "Ann Wanjiru", "Ann", "Wanjiru"},
		{contact.Edit{Attributes: noted("last_name", "Kamau")}, "Ann Kamau", "Ann", "Kamau"},
		{contact.Edit{Name: text("Ann Kamau")}, "Ann Kamau", "Ann", "Kamau"},
		{contact.Edit{Name: text("Bea")}, "Bea", "Bea", ""},
		{contact.Edit{Attributes: noted("last_name", "Kamau")}, "Bea Kamau", "Bea", "Kamau"},
		{contact.Edit{Attributes: noted("first_name", "null")}, "Kamau", "", "Kamau"},
		{contact.Edit{Name: text("Carl Otieno"), Attributes: noted("first_name", "Carl", "last_name", "Otieno")}, "Carl Otieno", "Carl", "Otieno"},
		{contact.Edit{Attributes: noted("first_name", "null", "last_name", "null")}, "", "", ""},
	} {
		w.must(t, w.Write(func(tx *store.Tx) (err error) {
			c, err = w.keep.Change(tx, 1, c.ID, step.edit)
			return err
		}))
		d := c.Details()
		if c.Name != step.name || d[contact.FirstName] != step.first || d[contact.LastName] != step.last {
			t.Errorf("step %d: %q of %q and %q", i, c.Name, d[contact.FirstName], d[contact.LastName])
		}
	}
	if len(c.Attributes) > 0 {
		t.Errorf("what is left is %s", c.Attributes)
	}
	for _, wrong := range []map[string]json.RawMessage{
		noted(contact.City, "two\nlines"), noted(contact.City, strings.Repeat("x", 201)),
		noted(contact.FirstName, strings.Repeat("x", 150), contact.LastName, strings.Repeat("y", 150)),
		{contact.City: json.RawMessage("5")},
	} {
		err := w.Write(func(tx *store.Tx) error {
			_, err := w.keep.Change(tx, 1, c.ID, contact.Edit{Attributes: wrong})
			return err
		})
		if !fault.Is(err, fault.InvalidField) {
			t.Errorf("%s gives %v", wrong, err)
		}
	}
}

// TestPagesOfMembers compares pages with what one would cut out of all by hand.
func TestPagesOfMembers(t *testing.T) {
	t.Parallel()
	w := open(t)
	const people = 23
	edits := make([]contact.Edit, people)
	for i := range edits {
		edits[i] = contact.Edit{Name: text(fmt.Sprint("name ", i%5)), Email: text(fmt.Sprintf("m%d@example.com", i)), Attributes: noted(contact.City, []string{"Nairobi", "nairobi", "Mombasa"}[i%3])}
	}
	var l contact.List
	var all []contact.ID
	w.must(t, w.Write(func(tx *store.Tx) (err error) {
		if l, err = w.keep.CreateList(tx, audit.System, 1, "all"); err != nil {
			return err
		}
		done, err := w.keep.Save(tx, 1, contact.FromAPI, edits)
		for _, d := range done {
			all = append(all, d.ID)
		}
		if err == nil {
			_, err = w.keep.Put(tx, 1, l.ID, all)
		}
		return err
	}))
	l, err := w.keep.ListNumbered(ctx, 1, 1)
	w.must(t, err)
	name := func(c *contact.Contact) string { return c.Name }
	inNairobi := func(c *contact.Contact) bool { return strings.EqualFold(c.Details()[contact.City], "nairobi") }
	rapid.Check(t, func(t *rapid.T) {
		p := contact.Pick{Down: rapid.Bool().Draw(t, "down"), Page: rapid.IntRange(1, 30).Draw(t, "page"), Skipped: rapid.IntRange(0, 30).Draw(t, "skipped")}
		want := slices.Clone(all)
		if rapid.Bool().Draw(t, "filter") {
			p.Fits = inNairobi
			want = slices.DeleteFunc(want, func(c contact.ID) bool { return slices.Index(all, c)%3 == 2 })
		}
		if rapid.Bool().Draw(t, "order") {
			p.By = name
			slices.SortStableFunc(want, func(a, b contact.ID) int { return slices.Index(all, a)%5 - slices.Index(all, b)%5 })
		}
		if p.Down {
			slices.Reverse(want)
		}
		total := len(want)
		want = want[min(p.Skipped, total):min(p.Skipped+p.Page, total)]
		page, n, err := w.keep.Members(ctx, l, p)
		if err != nil {
			t.Fatal(err)
		}
		var got []contact.ID
		for _, c := range page {
			got = append(got, c.ID)
		}
		if n != total || len(got) != len(want) || len(got) > 0 && !slices.Equal(got, want) {
			t.Errorf("%+v: %d of %d, want %d of %d: %v", p, len(got), n, len(want), total, got)
		}
	})
	if page, n, err := w.keep.Members(ctx, l, contact.Pick{Since: time.Now().Add(time.Hour), Page: 5}); n != 0 || len(page) != 0 || err != nil {
		t.Error("somebody changed in an hour:", n, err)
	}
	if page, n, err := w.keep.Members(ctx, l, contact.Pick{Skipped: 1 << 40, Page: 100}); n != people || len(page) != 0 || err != nil {
		t.Error("far behind the end:", n, len(page), err)
	}
	if has, err := w.keep.Has(ctx, l.ID, all[3]); !has || err != nil {
		t.Error(has, err)
	}
	if has, err := w.keep.Has(ctx, l.ID, 1); has || err != nil {
		t.Error(has, err)
	}
}

func TestMembersAreComparedAndSubtracted(t *testing.T) {
	t.Parallel()
	w := open(t)
	var one, two contact.List
	var who []contact.ID
	w.must(t, w.Write(func(tx *store.Tx) (err error) {
		if one, err = w.keep.CreateList(tx, audit.System, 1, "one"); err != nil {
			return err
		}
		if two, err = w.keep.CreateList(tx, audit.System, 1, "two"); err != nil {
			return err
		}
		var edits []contact.Edit
		for i, d := range []struct{ city, fax string }{{"Kisumu", ""}, {"KISUMU", "1"}, {"Kisumu", "1"}, {"", ""}, {"", ""}, {"Élan", ""}, {"éLAN", ""}} {
			edits = append(edits, contact.Edit{Email: text(fmt.Sprintf("m%d@example.com", i)), Attributes: noted(contact.City, d.city, contact.FaxNumber, d.fax)})
		}
		done, err := w.keep.Save(tx, 1, contact.FromAPI, edits)
		for _, d := range done {
			who = append(who, d.ID)
		}
		if err == nil {
			_, err = w.keep.Put(tx, 1, one.ID, who)
		}
		if err == nil {
			_, err = w.keep.Put(tx, 1, two.ID, who[2:4])
		}
		return err
	}))
	for _, c := range []struct {
		by   string
		want []contact.ID
	}{
		{"address_city", []contact.ID{who[1], who[2], who[6]}},
		{"address_city fax_number", []contact.ID{who[2], who[6]}},
		{"fax_number", who[2:3]},
		{strings.Repeat("fax_number address_city ", 50_000), []contact.ID{who[2], who[6]}},
		{"phone", nil},
		{"email", nil},
		{"name", nil},
	} {
		got, err := w.keep.Alike(ctx, one.ID, strings.Fields(c.by))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("by %s: %v %v, want %v", c.by, got, err, c.want)
		}
	}
	subtract := func(a account.ID, from, other contact.ListID) (n int, err error) {
		err = w.Write(func(tx *store.Tx) error { n, err = w.keep.Subtract(tx, a, from, other); return err })
		return n, err
	}
	if _, err := subtract(2, one.ID, two.ID); !fault.Is(err, fault.NotHere) {
		t.Error("another account's lists:", err)
	}
	if n, err := subtract(1, one.ID, one.ID); n != 0 || err != nil {
		t.Error("a list less itself:", n, err)
	}
	if n, err := subtract(1, one.ID, two.ID); n != 2 || err != nil {
		t.Error(n, err)
	}
	l, err := w.keep.GetList(ctx, 1, one.ID)
	if _, total, _ := w.keep.Members(ctx, l, contact.Pick{Page: 9, By: func(*contact.Contact) string { return "" }}); err != nil || l.Members != 5 || total != 5 {
		t.Errorf("%d members are counted, %d are there", l.Members, total)
	}
}

// TestNumbersLeadToPeople: those of an account only, also once one contact has become another.
func TestNumbersLeadToPeople(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.must(t, w.Write(func(tx *store.Tx) error {
		done, err := w.keep.Save(tx, 1, contact.FromAPI, []contact.Edit{{Email: text("a@example.com"), Name: text("Ann")}, {Attributes: noted(contact.FaxNumber, "5")}})
		if err != nil {
			return err
		}
		if done[1].Fault != nil {
			return done[1].Fault
		}
		_, err = w.keep.Merge(tx, audit.System, 1, done[0].ID, done[1].ID)
		return err
	}))
	for number, want := range map[int]string{1: "Ann", 2: "Ann", 3: ""} {
		if c, ok, err := w.keep.Numbered(ctx, 1, number); c.Name != want || ok != (want != "") || err != nil {
			t.Errorf("%d is %q %v %v", number, c.Name, ok, err)
		}
		if _, ok, err := w.keep.Numbered(ctx, 2, number); ok || err != nil {
			t.Errorf("%d is known in another account: %v", number, err)
		}
	}
	if _, err := w.keep.ListNumbered(ctx, 1, 1); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
}
