package member_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// family is a parent with three subaccounts, and another account with one.
func family(t *testing.T) (s *store.Store, k *member.Keeper, parent account.Account, children []account.Account, other account.Account) {
	t.Helper()
	s, k = open(t)
	add := func(a account.Account, username string, p member.ProfileChange) account.Account {
		t.Helper()
		made, err := create(s, k, a, username, "")
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(func(tx *store.Tx) error {
			made, err = k.Change(tx, audit.CLI, made.ID, member.Change{Profile: p})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	person := func(email, phone, first, last string) member.ProfileChange {
		return member.ProfileChange{Email: &email, Phone: &phone, FirstName: &first, LastName: &last}
	}
	parent = add(account.Account{Name: "Parent", Region: "KE"}, "parent", member.ProfileChange{})
	for _, c := range []struct {
		username string
		of       member.ProfileChange
	}{
		{"john", person("john@shop.example", "0701234567", "John", "Smith")},
		{"jane", person("JANE@shop.example", "+254712345678", "Jane", "O'Neill, 100%")},
		{"smith", person("", "", "john", "Öztürk")},
	} {
		children = append(children, add(account.Account{Name: c.username, Parent: parent.ID, Region: "KE"}, c.username, c.of))
	}
	stranger := add(account.Account{Name: "Stranger", Region: "KE"}, "stranger", member.ProfileChange{})
	other = add(account.Account{Name: "x", Parent: stranger.ID}, "x", person("john@shop.example", "+254701234567", "John", "Smith"))
	return s, k, parent, children, other
}

func TestSubaccountsAreFoundByTheirProfiles(t *testing.T) {
	t.Parallel()
	_, k, parent, children, _ := family(t)
	term := func(parts ...string) (list []member.Term) {
		for i := 0; i < len(parts); i += 2 {
			list = append(list, member.Term{Field: parts[i], Value: parts[i+1]})
		}
		return list
	}
	for _, c := range []struct {
		what  string
		query member.Query
		want  string // user names in their order
		total int
	}{
		{"all", member.Query{Limit: 10}, "john jane smith", 3},
		{"two terms", member.Query{Terms: term("first_name", "JOHN", "last_name", "smith"), Limit: 10}, "john", 1},
		{"any of two terms", member.Query{Terms: term("first_name", "john", "last_name", "neill"), Any: true, Limit: 10}, "john jane smith", 3},
		{"a part of a text", member.Query{Terms: term("email", "@SHOP.")}, "", 2},
		{"a number as people write it", member.Query{Terms: term("phone_number", "0701 234567"), Limit: 10}, "john", 1},
		{"a number without a plus", member.Query{Terms: term("phone_number", "254712345678"), Limit: 10}, "jane", 1},
		{"a part of a number", member.Query{Terms: term("phone_number", "2547"), Limit: 10}, "", 0},
		{"an id", member.Query{Terms: term("subaccount_id", fmt.Sprint(children[1].Number)), Limit: 10}, "jane", 1},
		{"a part of an id", member.Query{Terms: term("subaccount_id", ""), Limit: 10}, "john jane smith", 3},
		{"a value that is empty", member.Query{Terms: term("first_name", ""), Limit: 10}, "john jane smith", 3},
		{"capitals of other alphabets", member.Query{Terms: term("last_name", "ÖZT"), Limit: 10}, "smith", 1},
		{"a quote", member.Query{Terms: term("last_name", "o'neill"), Limit: 10}, "jane", 1},
		{"what means something to LIKE", member.Query{Terms: term("last_name", "%"), Limit: 10}, "jane", 1},
		{"SQL", member.Query{Terms: term("last_name", "' OR 1=1 --"), Limit: 10}, "", 0},
		{"by name", member.Query{Order: "first_name", Limit: 10}, "jane john smith", 3},
		{"by name, from the end", member.Query{Order: "first_name", Descending: true, Limit: 10}, "smith john jane", 3},
		{"by id, from the end", member.Query{Order: "subaccount_id", Descending: true, Limit: 10}, "smith jane john", 3},
		{"by what is no field", member.Query{Order: "1;drop", Limit: 10}, "john jane smith", 3},
		{"a page", member.Query{Offset: 1, Limit: 1}, "jane", 3},
		{"a page past the end", member.Query{Offset: 1 << 40, Limit: 10}, "", 3},
		{"a page before the beginning", member.Query{Offset: -5, Limit: -1}, "", 3},
	} {
		list, total, err := k.Subaccounts(t.Context(), parent, c.query)
		var names []string
		for _, s := range list {
			names = append(names, s.Username)
		}
		if got := strings.Join(names, " "); got != c.want || total != c.total || err != nil {
			t.Errorf("%s: %q of %d, want %q of %d (%v)", c.what, got, total, c.want, c.total, err)
		}
	}
	for _, name := range []string{"password", "1=1; drop table account", "", "notes'"} {
		if _, _, err := k.Subaccounts(t.Context(), parent, member.Query{Terms: term(name, "x")}); !fault.Is(err, fault.InvalidField) {
			t.Errorf("by %q: %v", name, err)
		}
	}
	if len(member.SubaccountFields) != 6 {
		t.Errorf("the fields are %v", member.SubaccountFields)
	}
	for _, name := range member.SubaccountFields {
		if _, _, err := k.Subaccounts(t.Context(), parent, member.Query{Terms: term(name, "x")}); err != nil {
			t.Errorf("by %q: %v", name, err)
		}
	}
}

func TestASubaccountIsItsParentsAlone(t *testing.T) {
	t.Parallel()
	s, k, parent, children, other := family(t)
	got, ok, err := k.SubaccountNumbered(t.Context(), parent.ID, children[0].Number)
	want := member.Profile{Email: "john@shop.example", Phone: "+254701234567", FirstName: "John", LastName: "Smith"}
	if err != nil || !ok || got.ID != children[0].ID || got.Profile != want {
		t.Errorf("read %+v, %v (%v)", got, ok, err)
	}
	for what, ask := range map[string]struct {
		parent account.ID
		number int
	}{"another's": {parent.ID, other.Number}, "itself": {parent.ID, parent.Number}, "nobody's": {0, parent.Number}, "unknown": {parent.ID, 1 << 30}} {
		if got, ok, err := k.SubaccountNumbered(t.Context(), ask.parent, ask.number); ok || err != nil {
			t.Errorf("%s: %+v (%v)", what, got, err)
		}
	}
	if err := s.Write(func(tx *store.Tx) error { return k.Close(tx, audit.CLI, children[0].ID) }); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := k.SubaccountNumbered(t.Context(), parent.ID, children[0].Number); ok || err != nil {
		t.Errorf("one that is closed: %v (%v)", ok, err)
	}
	if list, total, err := k.Subaccounts(t.Context(), parent, member.Query{Limit: 10}); total != 2 || err != nil {
		t.Errorf("with one closed: %+v (%v)", list, err)
	}
	if p, err := k.Profile(t.Context(), children[0].ID); p != (member.Profile{}) || err != nil {
		t.Errorf("who was behind it is %+v (%v)", p, err)
	}
}

func TestAChangeOfASubaccount(t *testing.T) {
	t.Parallel()
	s, k, _, children, _ := family(t)
	change := func(c member.Change) (a account.Account, err error) {
		err = s.Write(func(tx *store.Tx) error {
			a, err = k.Change(tx, audit.CLI, children[0].ID, c)
			return err
		})
		return a, err
	}
	text := func(s string) *string { return &s }
	denied := account.Denied(0).With(account.AccessSMS, true)
	a, err := change(member.Change{Username: text(" Johnny "), Password: text("correct horse 1"), Denied: &denied, Profile: member.ProfileChange{Notes: text("late payer")}})
	if err != nil || a.Username != "johnny" || a.Denied != denied {
		t.Fatalf("changed to %+v (%v)", a, err)
	}
	if got, ok, err := k.SignIn(t.Context(), "johnny", "correct horse 1", freely); !ok || got != a || err != nil {
		t.Errorf("signed in as %+v (%v)", got, err)
	}
	if p, err := k.Profile(t.Context(), a.ID); p.Notes != "late payer" || p.FirstName != "John" || err != nil {
		t.Errorf("the profile is %+v (%v)", p, err)
	}
	for what, c := range map[string]struct {
		change member.Change
		code   fault.Code
		field  string
	}{
		"a taken name":        {member.Change{Username: text("JANE")}, fault.AlreadyThere, "username"},
		"a name with a colon": {member.Change{Username: text("a:b")}, fault.InvalidField, "username"},
		"an empty name":       {member.Change{Username: text("")}, fault.InvalidField, "username"},
		"a short password":    {member.Change{Password: text("short1")}, fault.InvalidField, "password"},
		"letters alone":       {member.Change{Password: text("abcdefghijk")}, fault.InvalidField, "password"},
		"digits alone":        {member.Change{Password: text("1234567890")}, fault.InvalidField, "password"},
		"a zero in it":        {member.Change{Password: text("password\x001")}, fault.InvalidField, "password"},
		"too long":            {member.Change{Password: text(strings.Repeat("a1", 300))}, fault.InvalidField, "password"},
		"no address of mail":  {member.Change{Profile: member.ProfileChange{Email: text("jane")}}, fault.InvalidField, "email"},
		"no number":           {member.Change{Profile: member.ProfileChange{Phone: text("12")}}, fault.InvalidField, "phone_number"},
		"a long name":         {member.Change{Profile: member.ProfileChange{FirstName: text(strings.Repeat("x", 256))}}, fault.InvalidField, "first_name"},
		"another long name":   {member.Change{Profile: member.ProfileChange{LastName: text(strings.Repeat("x", 256))}}, fault.InvalidField, "last_name"},
		"long notes":          {member.Change{Profile: member.ProfileChange{Notes: text(strings.Repeat("x", 2001))}}, fault.InvalidField, "notes"},
	} {
		if _, err := change(c.change); !fault.Is(err, c.code) || fault.Of(err).Field != c.field {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now, _, err := k.Get(t.Context(), a.ID); now != a || err != nil {
		t.Errorf("it is %+v now (%v)", now, err)
	}
	entries, _, err := audit.List(t.Context(), s, audit.Filter{Limit: 100, Action: "account.change"})
	if err != nil || !slices.ContainsFunc(entries, func(e audit.Entry) bool { return e.Detail == "password profile" }) {
		t.Errorf("the log has %+v (%v)", entries, err)
	}
	for _, e := range entries {
		if strings.Contains(fmt.Sprint(e), "correct horse") || strings.Contains(fmt.Sprint(e), "late payer") {
			t.Errorf("the log tells too much: %+v", e)
		}
	}
}

func TestWhoIsForgottenIsInNoProfileOfTheFamily(t *testing.T) {
	t.Parallel()
	s, k, parent, children, other := family(t)
	err := s.Write(func(tx *store.Tx) error {
		return k.Forget(tx, parent.ID, message.Address{Kind: message.Phone, Value: "+254701234567"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, there := range map[account.ID]bool{children[0].ID: false, children[1].ID: true, other.ID: true} {
		if p, err := k.Profile(t.Context(), id); (p != member.Profile{}) != there || err != nil {
			t.Errorf("%s is %+v (%v)", id, p, err)
		}
	}
}
