package contact_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// TestMergesLoseNothing draws contacts with what an account notes about them, in lists, and merges some: every tag, list, attribute, name
// and email is still there, and every id leads to the one that stayed.
func TestMergesLoseNothing(t *testing.T) {
	t.Parallel()
	w, accounts := open(t), account.ID(0)
	rapid.Check(t, func(t *rapid.T) {
		accounts++
		a := accounts
		var lists []contact.ListID
		for i := range 3 {
			w.must(t, w.Write(func(tx *store.Tx) error {
				l, err := w.keep.CreateList(tx, audit.System, a, fmt.Sprint("list ", i))
				lists = append(lists, l.ID)
				return err
			}))
		}
		n := rapid.IntRange(2, 5).Draw(t, "contacts")
		ids, noted := make([]contact.ID, n), make([][]string, n)
		for i := range n {
			value := fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "value"))
			name, email, own := "name "+value, value+"@example.com", bsuid(i)
			in := rapid.IntRange(0, 2).Draw(t, "list")
			w.must(t, w.Write(func(tx *store.Tx) error {
				c, err := w.keep.Create(tx, a, contact.Edit{
					BSUID: &own, Name: &name, Email: &email, Tags: &[]string{"tag " + value}, Attributes: map[string]json.RawMessage{"key": json.RawMessage(value)},
				})
				if err != nil {
					return err
				}
				ids[i] = c.ID
				_, err = w.keep.Put(tx, a, lists[in], []contact.ID{c.ID})
				return err
			}))
			noted[i] = []string{own.String(), name, email, "tag " + value, "key=" + value, lists[in].String()}
		}
		into := make([]int, n) // who each is by now
		for i := range into {
			into[i] = i
		}
		lids := map[int]message.Address{} // of who has one by now
		for round := range rapid.IntRange(1, 4).Draw(t, "merges") {
			x, y := rapid.IntRange(0, n-1).Draw(t, "one"), rapid.IntRange(0, n-1).Draw(t, "other")
			one, other := min(into[x], into[y]), max(into[x], into[y])
			if one != other && lids[one].Value != "" && lids[other].Value != "" {
				continue // they are two
			}
			if rapid.Bool().Draw(t, "by hand") {
				w.must(t, w.Write(func(tx *store.Tx) error {
					_, err := w.keep.Merge(tx, audit.System, a, ids[x], ids[y])
					return err
				}))
			} else {
				common := cmp.Or(lids[one], lids[other], lid(round))
				w.meet(t, a, message.Person{LID: common, BSUID: bsuid(x)}, message.Person{LID: common, BSUID: bsuid(y)})
				lids[one] = common
			}
			lids[one] = cmp.Or(lids[one], lids[other])
			for i := range into {
				if into[i] == other {
					into[i] = one
				}
			}
		}
		for i, id := range ids {
			c, ok, err := w.keep.Get(ctx, a, id)
			w.must(t, err)
			if !ok || c.ID != ids[into[i]] {
				t.Fatalf("contact %d is %v, not %v", i, c.ID, ids[into[i]])
			}
			kept := w.noted(t, &c)
			for _, want := range noted[i] {
				if !kept[want] {
					t.Fatalf("contact %d had %s, and now it is %v", i, want, slices.Sorted(maps.Keys(kept)))
				}
			}
		}
		w.consistent(t)
	})
}

// noted is all that is kept about a contact, also of those that it was.
func (w *world) noted(t fataler, c *contact.Contact) map[string]bool {
	t.Helper()
	kept := map[string]bool{c.Name: true, c.Email: true}
	note := func(attributes map[string]json.RawMessage) {
		for key, value := range attributes {
			kept[key+"="+string(value)] = true
		}
	}
	for _, a := range c.Addresses {
		kept[a.String()] = true
	}
	for _, tag := range c.Tags {
		kept[tag] = true
	}
	var own map[string]json.RawMessage
	w.must(t, json.Unmarshal(c.Attributes, &own))
	note(own)
	lists, err := w.keep.ListsWith(ctx, c.ID)
	w.must(t, err)
	for _, l := range lists {
		kept[l.ID.String()] = true
	}
	merged, err := w.keep.Merged(ctx, c.ID)
	w.must(t, err)
	for _, m := range merged {
		var left struct {
			Name, Email string
			Attributes  map[string]json.RawMessage
		}
		w.must(t, json.Unmarshal(m.Remains, &left))
		kept[left.Name], kept[left.Email] = true, true
		note(left.Attributes)
	}
	return kept
}
