package template_test

import (
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/template"
)

// create makes a template of an account.
func create(s *store.Store, a account.ID, name, body string) (made template.Template, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		made, err = template.New(s).Create(tx, audit.CLI, template.Template{Account: a, Name: name, Body: body})
		return err
	})
	return made, err
}

func change(s *store.Store, a account.ID, which template.ID, c template.Change) error {
	return s.Write(func(tx *store.Tx) error {
		_, err := template.New(s).Change(tx, audit.CLI, a, which, c)
		return err
	})
}

func TestNamesAreTheAccountsOwn(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := template.New(s)
	one, err := create(s, 1, "Äpfel", "Hello")
	if err != nil || one.Number != 1 {
		t.Fatal(one, err)
	}
	two, err := create(s, 1, "second", "Hi")
	if err != nil || two.Number != 2 {
		t.Fatal(two, err)
	}
	if _, err := create(s, 1, "ÄPFEL", "again"); !fault.Is(err, fault.AlreadyThere) || fault.Of(err).Existing != one.ID.String() {
		t.Errorf("another with the name: %v", err)
	}
	if other, err := create(s, 2, "äpfel", "Bob's"); err != nil || other.Number != 1 {
		t.Errorf("another account's: %+v (%v)", other, err)
	}
	taken, same := "Second", "ÄPFEl"
	if err := change(s, 1, one.ID, template.Change{Name: &taken}); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("renamed to one that is taken: %v", err)
	}
	if err := change(s, 1, one.ID, template.Change{Name: &same}); err != nil {
		t.Errorf("renamed to itself in capitals: %v", err)
	}
	if err := change(s, 2, one.ID, template.Change{Name: &same}); !fault.Is(err, fault.NotHere) {
		t.Errorf("another account changes it: %v", err)
	}
	if err := s.Write(func(tx *store.Tx) error { return k.Drop(tx, audit.CLI, 1, two.ID) }); err != nil {
		t.Error(err)
	}
	if again, err := create(s, 1, "second", "Hi"); err != nil || again.Number != 3 {
		t.Errorf("a number was given twice: %+v (%v)", again, err)
	}
	if _, err := k.Numbered(t.Context(), 1, 2); !fault.Is(err, fault.NotHere) {
		t.Errorf("a deleted one is there: %v", err)
	}
	if got, err := k.Numbered(t.Context(), 1, 1); err != nil || got.Name != same || got.Body != "Hello" {
		t.Errorf("%+v (%v)", got, err)
	}
	if list, err := k.List(t.Context(), 1, 0, 10); err != nil || len(list) != 2 || list[0].Number != 3 {
		t.Errorf("%+v (%v)", list, err)
	}
}

func TestWhatIsNoTemplate(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, c := range []struct {
		name, body string
		code       fault.Code
		field      string
	}{
		{"", "x", fault.MissingField, "name"},
		{" x", "x", fault.InvalidField, "name"},
		{"two\nlines", "x", fault.InvalidField, "name"},
		{strings.Repeat("n", 256), "x", fault.InvalidField, "name"},
		{"n", "", fault.MissingField, "body"},
		{"n", " \n", fault.EmptyText, "body"},
		{"n", strings.Repeat("x", 10_001), fault.TextTooLong, "body"},
	} {
		_, err := create(s, 1, c.name, c.body)
		if f := fault.Of(err); f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%.20q with %.20q: %v", c.name, c.body, err)
		}
	}
	if _, err := create(s, 1, strings.Repeat("n", 255), strings.Repeat("'; DROP TABLE template;--", 400)); err != nil {
		t.Error(err)
	}
}
