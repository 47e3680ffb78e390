package issue_test

import (
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// opened is an issue that must be taken.
func opened(t *testing.T, s *store.Store, i issue.Issue) issue.Issue {
	t.Helper()
	err := s.Write(func(tx *store.Tx) (err error) {
		i, err = issue.New(s).Open(tx, audit.CLI, i)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func handle(s *store.Store, which issue.ID, with issue.Answer) (i issue.Issue, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		i, err = issue.New(s).Handle(tx, audit.CLI, which, with)
		return err
	})
	return i, err
}

func TestAnIssueIsOpenedAnsweredAndResolved(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := issue.New(s)
	one := opened(t, s, issue.Issue{Account: 1, Message: 7, Kind: "SMS", Description: "It did not come.", Comments: "twice", Email: "ann@example.com"})
	two := opened(t, s, issue.Issue{Account: 1, Kind: "SMS", Description: "Nor did this."})
	bobs := opened(t, s, issue.Issue{Account: 2, Kind: "SMS", Description: "Nothing comes."})
	if one.Number != 1 || two.Number != 2 || bobs.Number != 1 {
		t.Errorf("numbers %d, %d, %d", one.Number, two.Number, bobs.Number)
	}
	if got, err := k.Get(t.Context(), 1, one.ID); err != nil || got != one {
		t.Errorf("%+v, want %+v (%v)", got, one, err)
	}
	if _, err := k.Get(t.Context(), 2, one.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("another account reads it (%v)", err)
	}
	said, yes, no := "We look into it.", true, false
	if got, err := handle(s, one.ID, issue.Answer{Support: &said}); err != nil || got.Support != said || !got.Resolved.IsZero() {
		t.Errorf("%+v (%v)", got, err)
	}
	done, err := handle(s, one.ID, issue.Answer{Resolved: &yes})
	if err != nil || done.Resolved.IsZero() || done.Support != said {
		t.Errorf("%+v (%v)", done, err)
	}
	s.Shift(time.Hour)
	if again, err := handle(s, one.ID, issue.Answer{Resolved: &yes}); err != nil || !again.Resolved.Equal(done.Resolved) {
		t.Errorf("resolved twice: %+v (%v)", again, err)
	}
	if list, err := k.List(t.Context(), issue.Filter{Open: true}, 0, 10); err != nil || len(list) != 2 || list[0].ID != bobs.ID {
		t.Errorf("open: %+v (%v)", list, err)
	}
	if list, err := k.List(t.Context(), issue.Filter{}, bobs.ID, 10); err != nil || len(list) != 2 {
		t.Errorf("all after Bob's: %+v (%v)", list, err)
	}
	if list, err := k.List(t.Context(), issue.Filter{Account: 1}, 0, 1); err != nil || len(list) != 1 || list[0].ID != two.ID {
		t.Errorf("Alice's newest: %+v (%v)", list, err)
	}
	if list, err := k.From(t.Context(), 1, 1, 5); err != nil || len(list) != 1 || list[0].ID != two.ID {
		t.Errorf("after the first: %+v (%v)", list, err)
	}
	if got, err := handle(s, one.ID, issue.Answer{Resolved: &no}); err != nil || !got.Resolved.IsZero() {
		t.Errorf("opened again: %+v (%v)", got, err)
	}
	if _, err := handle(s, 1, issue.Answer{Resolved: &yes}); !fault.Is(err, fault.NotHere) {
		t.Errorf("none: %v", err)
	}
	long := strings.Repeat("x", 5001)
	if _, err := handle(s, one.ID, issue.Answer{Support: &long}); !fault.Is(err, fault.InvalidField) {
		t.Errorf("a long answer: %v", err)
	}
}

func TestWhatIsNoIssue(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	ok := issue.Issue{Account: 1, Kind: "SMS", Description: "x"}
	for _, c := range []struct {
		name   string
		change func(*issue.Issue)
		code   fault.Code
		field  string
	}{
		{"no type", func(i *issue.Issue) { i.Kind = "" }, fault.MissingField, "type"},
		{"a long type", func(i *issue.Issue) { i.Kind = strings.Repeat("x", 33) }, fault.InvalidField, "type"},
		{"a type of lines", func(i *issue.Issue) { i.Kind = "a\nb" }, fault.InvalidField, "type"},
		{"no description", func(i *issue.Issue) { i.Description = " " }, fault.MissingField, "description"},
		{"a long description", func(i *issue.Issue) { i.Description = strings.Repeat("x", 5001) }, fault.InvalidField, "description"},
		{"long comments", func(i *issue.Issue) { i.Comments = strings.Repeat("x", 5001) }, fault.InvalidField, "comments"},
		{"no mail address", func(i *issue.Issue) { i.Email = "ann" }, fault.InvalidField, "email"},
		{"a mail address with a name", func(i *issue.Issue) { i.Email = "Ann <ann@example.com>" }, fault.InvalidField, "email"},
		{"a mail address with a header", func(i *issue.Issue) { i.Email = "ann@example.com\r\nBcc: b@example.com" }, fault.InvalidField, "email"},
	} {
		i := ok
		c.change(&i)
		err := s.Write(func(tx *store.Tx) error {
			_, err := issue.New(s).Open(tx, audit.CLI, i)
			return err
		})
		if f := fault.Of(err); f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Of a person who is erased, issues say nothing more; that they were there stays, until they are old.
func TestIssuesForget(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := issue.New(s)
	about := opened(t, s, issue.Issue{Account: 1, Message: 7, Kind: "SMS", Description: "Ann has nothing", Email: "ann@example.com"})
	naming := opened(t, s, issue.Issue{Account: 1, Kind: "SMS", Description: "nothing for +254701234567, twice"})
	other := opened(t, s, issue.Issue{Account: 1, Message: 8, Kind: "SMS", Description: "nothing for +254701234568"})
	bobs := opened(t, s, issue.Issue{Account: 2, Kind: "SMS", Description: "nothing for 254701234567"})
	named := opened(t, s, issue.Issue{Account: 1, Kind: "WhatsApp", Description: "nothing for @Ann.Doe"})
	err := s.Write(func(tx *store.Tx) error {
		if err := k.Forget(tx, []int64{7, 9}); err != nil {
			return err
		}
		if err := k.ForgetNamed(tx, 1, message.Address{Kind: message.User, Value: "ann.doe"}); err != nil {
			return err
		}
		return k.ForgetNamed(tx, 1, message.Address{Kind: message.Phone, Value: "+254701234567"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		issue  issue.Issue
		stands bool
	}{{about, false}, {naming, false}, {named, false}, {other, true}, {bobs, true}} {
		got, err := k.Get(t.Context(), c.issue.Account, c.issue.ID)
		if err != nil || (got.Description == c.issue.Description) != c.stands || !c.stands && got.Description+got.Email+got.Comments != "" {
			t.Errorf("%+v (%v)", got, err)
		}
	}
	s.Shift(time.Hour)
	young := opened(t, s, issue.Issue{Account: 1, Kind: "SMS", Description: "x"})
	err = s.Write(func(tx *store.Tx) error {
		more, err := k.DropOld(tx, tx.Now().Add(-time.Minute))
		if !more {
			t.Error("nothing was dropped")
		}
		return err
	})
	if list, _ := k.List(t.Context(), issue.Filter{}, 0, 10); err != nil || len(list) != 1 || list[0].ID != young.ID {
		t.Errorf("%+v (%v)", list, err)
	}
}
