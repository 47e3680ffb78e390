package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = account.Account{ID: 1 << 40}
	shop  = account.Account{ID: 2 << 40, Parent: alice.ID}
	by    = audit.Actor{Name: "key:test"}
	acme  = message.Address{Kind: message.Name, Value: "ACME"}
	phone = message.Address{Kind: message.Phone, Value: "+254701234567"}
)

// change edits a policy in a transaction of its own.
func change(t *testing.T, s *store.Store, k *policy.Keeper, a account.Account, edit func(*policy.Policy)) (now policy.Policy, err error) {
	t.Helper()
	err = s.Write(func(tx *store.Tx) (err error) {
		now, err = k.Change(tx, by, &a, func(p *policy.Policy) error {
			edit(p)
			return nil
		})
		return err
	})
	return now, err
}

// deeds are the rows of the audit log, oldest first.
func deeds(t *testing.T, s *store.Store) (actions []string) {
	t.Helper()
	entries, _, err := audit.List(t.Context(), s, audit.Filter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		actions = append([]string{e.Action}, actions...)
		if strings.Contains(e.Was+e.Became+e.Detail, phone.Value) {
			t.Errorf("the audit log shows a number: %+v", e)
		}
	}
	return actions
}

func TestPoliciesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := policy.New(s)
	window := func(d time.Duration) func(*policy.Policy) { return func(p *policy.Policy) { p.Window = &d } }
	for name, c := range map[string]struct {
		edit  func(*policy.Policy)
		field string
	}{
		"a country that is none":        {func(p *policy.Policy) { p.Countries = []string{"KE", "XX"} }, "countries[1]"},
		"a name of a country":           {func(p *policy.Policy) { p.Registered = []string{"Kenya"} }, "registered_countries[0]"},
		"a country of a space":          {func(p *policy.Policy) { p.Countries = []string{"KE UG"} }, "countries[0]"},
		"no country":                    {func(p *policy.Policy) { p.Countries = []string{""} }, "countries[0]"},
		"a window below zero":           {window(-time.Second), "repeat_window"},
		"a window over an hour":         {window(time.Hour + time.Second), "repeat_window"},
		"a window of half a second":     {window(time.Second / 2), "repeat_window"},
		"parts below zero":              {func(p *policy.Policy) { p.MaxParts = -1 }, "max_parts"},
		"more parts than a network has": {func(p *policy.Policy) { p.MaxParts = 256 }, "max_parts"},
		"a name for a number":           {func(p *policy.Policy) { p.OwnNumber = acme }, "own_number"},
	} {
		_, err := change(t, s, k, alice, c.edit)
		if f := fault.Of(err); f == nil || f.Code != fault.InvalidField || f.Field != c.field {
			t.Errorf("%s: %v, want %s", name, err, c.field)
		}
	}
	if got := deeds(t, s); len(got) != 0 {
		t.Errorf("the audit log has %q", got)
	}
}

func TestAPolicyIsKeptAndInherited(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k, there := policy.New(s), policy.New(s)
	minute := time.Minute
	_, err := change(t, s, k, alice, func(p *policy.Policy) {
		*p = policy.Policy{Countries: []string{"ug", "KE", "UG"}, Registered: []string{"in"}, OwnNumber: phone, Window: &minute, MaxParts: 3}
	})
	if err != nil {
		t.Fatal(err)
	}
	held := func(a account.Account, want string) {
		t.Helper()
		for _, keeper := range []*policy.Keeper{k, there} {
			p, own, err := keeper.Get(t.Context(), &a)
			window := "none"
			if p.Window != nil {
				window = p.Window.String()
			}
			if got := fmt.Sprint(p.Countries, p.Registered, p.OwnNumber, window, p.MaxParts, own); err != nil || got != want {
				t.Errorf("%s (%v), want %s", got, err, want)
			}
		}
	}
	held(alice, "[KE UG] [IN] +2547012345671m0s3 true")
	held(shop, "[KE UG] [IN] +2547012345671m0s3 false")
	if _, err := change(t, s, k, shop, func(p *policy.Policy) { p.MaxParts, p.Window = 1, nil }); err != nil {
		t.Fatal(err)
	}
	held(shop, "[KE UG] [IN] +254701234567none1 true")
	held(alice, "[KE UG] [IN] +2547012345671m0s3 true")
	err = s.Write(func(tx *store.Tx) error { return k.Forget(tx, alice.ID, phone) })
	if err != nil {
		t.Fatal(err)
	}
	held(alice, "[KE UG] [IN] 1m0s3 true")
	for _, want := range []bool{true, false} {
		err = s.Write(func(tx *store.Tx) error {
			dropped, err := k.Drop(tx, by, shop.ID)
			if dropped != want {
				t.Errorf("dropped: %t", dropped)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	held(shop, "[KE UG] [IN] 1m0s3 false")
	if got := fmt.Sprint(deeds(t, s)); got != "[policy.change policy.change policy.drop]" {
		t.Errorf("the audit log has %s", got)
	}
}

func TestARegistrationIsAskedForAndDecided(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := policy.New(s)
	var r policy.Registration
	request := func(country string, sender message.Address) error {
		return s.Write(func(tx *store.Tx) (err error) {
			got, err := k.Request(tx, by, alice.ID, country, sender)
			if err == nil {
				r = got
			}
			return err
		})
	}
	decide := func(state policy.State, reason string) error {
		return s.Write(func(tx *store.Tx) (err error) {
			got, err := k.Decide(tx, by, r.ID, state, reason)
			if err == nil {
				r = got
			}
			return err
		})
	}
	may := func(a account.Account, want bool) {
		t.Helper()
		rules, err := k.For(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		err = rules.Check(policy.Trip{Kind: message.SMS, To: phone, From: acme})
		if (err == nil) != want || err != nil && !fault.Is(err, fault.SenderNotRegistered) {
			t.Errorf("it may send: %v", err)
		}
	}
	err := s.Write(func(tx *store.Tx) error {
		_, err := k.SetServerCountries(tx, by, alice.ID, []string{"ke"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := request("Kenya", acme); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
	if err := request("KE", message.Address{}); !fault.Is(err, fault.MissingField) {
		t.Error(err)
	}
	if err := request("ke", acme); err != nil || r.State != policy.Requested || r.Country != "KE" {
		t.Fatalf("%+v %v", r, err)
	}
	may(alice, false)
	if err := request("KE", acme); !fault.Is(err, fault.AlreadyThere) || fault.Of(err).Existing != r.ID.String() {
		t.Error(err)
	}
	if err := decide(policy.Refused, ""); !fault.Is(err, fault.MissingField) {
		t.Error(err)
	}
	if err := decide(policy.Refused, strings.Repeat("x", 201)); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
	if err := decide(policy.Refused, "no proof"); err != nil || r.State != policy.Refused || r.Reason != "no proof" || r.Decided.IsZero() {
		t.Errorf("%+v %v", r, err)
	}
	first := r.ID
	if err := request("KE", acme); err != nil || r.ID != first {
		t.Errorf("asked once more: %+v %v", r, err)
	}
	if err := decide(policy.Approved, ""); err != nil || r.State != policy.Approved || r.Reason != "" {
		t.Errorf("%+v %v", r, err)
	}
	may(alice, true)
	may(shop, true)
	may(account.Account{ID: 3 << 40}, false)
	for _, ask := range []policy.Ask{{Page: 9}, {Page: 9, Account: alice.ID}, {Page: 9, State: policy.Approved}, {Page: 9, Account: alice.ID, State: policy.Approved}} {
		list, err := k.Registrations(t.Context(), ask)
		if err != nil || len(list) != 1 || list[0] != r {
			t.Errorf("%+v: %+v %v", ask, list, err)
		}
		none := ask
		none.Before = r.ID
		if list, err := k.Registrations(t.Context(), none); err != nil || len(list) != 0 {
			t.Errorf("before the first: %+v %v", list, err)
		}
	}
	for n := range 2 {
		err := s.Write(func(tx *store.Tx) error { return k.Withdraw(tx, by, r) })
		if n == 0 && err != nil || n == 1 && !fault.Is(err, fault.NotHere) {
			t.Error(err)
		}
	}
	may(alice, false)
	if err := decide(policy.Approved, ""); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
	want := "[policy.countries registration.request registration.refuse registration.request registration.approve registration.withdraw]"
	if got := fmt.Sprint(deeds(t, s)); got != want {
		t.Errorf("the audit log has %s", got)
	}
}

func TestAnAccountHasSoManyRegistrations(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := policy.New(s)
	err := s.Write(func(tx *store.Tx) (err error) {
		for n := 0; err == nil && n < 1000; n++ {
			_, err = k.Request(tx, by, alice.ID, "KE", message.Address{Kind: message.Name, Value: fmt.Sprint("A", n)})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(func(tx *store.Tx) error {
		_, err := k.Request(tx, by, alice.ID, "KE", acme)
		return err
	})
	if !fault.Is(err, fault.TooManyItems) {
		t.Error(err)
	}
}

// TestChangesAtTheSameTimeAreAllKept has one transaction take two changes, as those of two requests come together.
func TestChangesAtTheSameTimeAreAllKept(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := policy.New(s)
	err := s.Write(func(tx *store.Tx) error {
		for _, edit := range []func(*policy.Policy) error{
			func(p *policy.Policy) error { p.Countries = []string{"KE"}; return nil },
			func(p *policy.Policy) error { p.MaxParts = 3; return nil },
		} {
			if _, err := k.Change(tx, by, &alice, edit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, own, err := k.Get(t.Context(), &alice); err != nil || !own || len(p.Countries) != 1 || p.MaxParts != 3 {
		t.Errorf("%+v, its own %t, %v", p, own, err)
	}
}
