package privacy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

var personLID = message.Address{Kind: message.LID, Value: "880012345678"}

// befriend makes the person and another one contacts of Alice's, with all that a contact has, and one of Bob's.
func (w *world) befriend() {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		name, email := planted, planted+"@example.com"
		c, err := w.contacts.Create(tx, w.alice.ID, contact.Edit{
			Phone: &person, Name: &name, Email: &email, Tags: &[]string{planted}, Attributes: map[string]json.RawMessage{"a": json.RawMessage(`"` + planted + `"`)},
		})
		if err != nil {
			return err
		}
		facts := []contact.Fact{
			{Account: w.alice.ID, Person: message.Person{LID: personLID, PushName: planted + "2"}, Source: contact.FromInbound},
			{Account: w.alice.ID, Person: message.Person{LID: personLID, Phone: person, UserName: planted}, Source: contact.FromInbound},
			{Account: w.alice.ID, Person: message.Person{Phone: other, PushName: "other"}, Source: contact.FromInbound},
			{Account: w.bob.ID, Person: message.Person{Phone: person, PushName: planted}, Source: contact.FromInbound},
		}
		for i := range facts { // one after another, so that two become one
			who, err := w.contacts.Meet(tx, facts[i:i+1])
			if err != nil {
				return err
			}
			if err := w.talks.Record(tx, []conversation.News{{Account: facts[i].Account, Channel: w.channel, Contact: who[0], In: true, Unread: true, At: tx.Now()}}); err != nil {
				return err
			}
		}
		list, err := w.contacts.CreateList(tx, audit.System, w.alice.ID, "all")
		if err != nil {
			return err
		}
		_, err = w.contacts.Put(tx, w.alice.ID, list.ID, []message.ContactID{c.ID})
		return err
	})
	w.receive(person, "by phone", planted+" by phone")
	w.receive(personLID, "by LID", planted+" by LID")
}

func TestAllAddressesOfAPersonAreExportedAndErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.befriend()
	w.start()
	for _, of := range []message.Address{person, personLID} {
		lines := w.file(w.export(w.alice, of))
		if got := count(lines); got["message"] != 2 || got["contact"] != 1 {
			t.Errorf("about %s: %v", of, got)
		}
		for _, want := range []string{person.Value, personLID.Value, planted + "@example.com", planted + " by LID", planted + " by phone", "all"} {
			if !strings.Contains(fmt.Sprint(lines), want) {
				t.Errorf("about %s: there is no %s", of, want)
			}
		}
	}
	if got := count(w.file(w.export(w.alice, message.Address{}))); got["contact"] != 2 || got["list"] != 1 {
		t.Errorf("of all: %v", got)
	}
	w.erased(w.erase(w.alice, personLID))
	for _, left := range w.sweep(w.bob.ID, person.Value[1:], personLID.Value, planted) {
		t.Errorf("left: %.200s", left)
	}
	list, _, err := w.contacts.List(t.Context(), w.alice.ID, contact.Filter{}, "", 10)
	w.must(err)
	talks, _, err := w.talks.List(t.Context(), w.alice.ID, "", 10)
	w.must(err)
	if len(list) != 1 || list[0].PushName != "other" || len(talks) != 1 {
		t.Errorf("the other contacts are %+v, the conversations %+v", list, talks)
	}
	if bobs, _, err := w.contacts.List(t.Context(), w.bob.ID, contact.Filter{}, "", 10); err != nil || len(bobs) != 1 {
		t.Errorf("Bob knows %v, %v", bobs, err)
	}
}
