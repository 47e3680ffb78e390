package key_test

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func rotate(s *store.Store, k *key.Keeper, of key.Key, grace time.Duration) (made key.Made, old key.Key, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		made, old, err = k.Rotate(tx, audit.CLI, of.Account, of.ID, grace)
		return err
	})
	return made, old, err
}

// TestRotatedKeyLivesForItsGrace is S21.
func TestRotatedKeyLivesForItsGrace(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	first := mustCreate(t, s, k, key.Key{
		Account: 1, Name: "till", Expires: s.Now().Add(90 * day), Origins: []string{"https://shop.example"}, Rate: 60,
		Senders: []message.Address{{Kind: message.Name, Value: "ACME"}}, Channels: []message.ChannelID{message.ChannelID(s.NewID())},
	})
	good := func(secret string) (account.Key, error) { return k.Authenticate(t.Context(), secret, here, s.Now()) }
	if _, err := good(first.Secret); err != nil {
		t.Fatal(err)
	}
	s.Shift(10 * day)
	for _, grace := range []time.Duration{-1, key.MaxGrace + 1} {
		if _, _, err := rotate(s, k, first.Key, grace); !fault.Is(err, fault.InvalidField) {
			t.Errorf("grace %s: %v", grace, err)
		}
	}
	next, old, err := rotate(s, k, first.Key, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if next.Name != "till" || next.Rate != 60 || !slices.Equal(next.Senders, first.Senders) || !slices.Equal(next.Channels, first.Channels) || !slices.Equal(next.Scopes, first.Scopes) ||
		!slices.Equal(next.Origins, first.Origins) || next.Expires.Sub(s.Now()).Round(day) != 90*day || next.Secret == first.Secret {
		t.Errorf("the successor is %+v", next)
	}
	if old.Successor != next.ID || old.Expires.Sub(s.Now()).Round(time.Hour) != 2*time.Hour {
		t.Errorf("the old key is %+v", old)
	}
	rights, err := good(first.Secret)
	if err != nil || rights.Rotated.IsZero() || !rights.Expires.Equal(old.Expires) {
		t.Errorf("in its grace the old key has %+v (%v)", rights, err)
	}
	if rights, err := good(next.Secret); err != nil || !rights.Rotated.IsZero() || !slices.Equal(rights.Senders, []string{first.Senders[0].String()}) {
		t.Errorf("the successor has %+v (%v)", rights, err)
	}
	_, _, err = rotate(s, k, first.Key, 0)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Code != fault.AlreadyThere || f.Existing != next.ID.String() {
		t.Errorf("rotated twice: %v", err)
	}
	s.Shift(2*time.Hour + time.Second)
	if _, err := good(first.Secret); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("after its grace: %v", err)
	}
	if _, err := good(next.Secret); err != nil {
		t.Error(err)
	}
	last, _, err := rotate(s, k, next.Key, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := good(next.Secret); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("without grace: %v", err)
	}
	revoke(t, s, k, 1, last.ID)
	for name, of := range map[string]key.Key{"revoked": last.Key, "of another": {ID: last.ID, Account: 2}, "unknown": {ID: 5, Account: 1}} {
		if _, _, err := rotate(s, k, of, 0); !fault.Is(err, fault.NotHere) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChangeHoldsFromTheNextRequestOn(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 1, Scopes: account.Scopes{account.MessagesSend, account.MessagesRead}})
	change := func(c key.Change, operator bool) error {
		return s.Write(func(tx *store.Tx) error {
			_, err := k.Update(tx, audit.CLI, 1, made.ID, c, operator)
			return err
		})
	}
	if _, err := k.Authenticate(t.Context(), made.Secret, here, s.Now()); err != nil {
		t.Fatal(err)
	}
	name, scopes, senders, rate := "new", account.Scopes{account.MessagesRead}, []message.Address{{Kind: message.Name, Value: "ACME"}}, 30
	if err := change(key.Change{Name: &name, Scopes: &scopes, Senders: &senders, Rate: &rate}, false); err != nil {
		t.Fatal(err)
	}
	got, err := k.Authenticate(t.Context(), made.Secret, here, s.Now())
	if err != nil || !slices.Equal(got.Scopes, scopes) || len(got.Senders) != 1 || got.Rate != 30 {
		t.Errorf("the key has %+v (%v)", got, err)
	}
	operator, none, negative, long := account.Scopes{account.Operate}, account.Scopes{}, -1, make([]message.Address, 51)
	for what, c := range map[string]struct {
		change key.Change
		want   fault.Code
	}{
		"the operator's scope": {key.Change{Scopes: &operator}, fault.ScopeMissing},
		"no scope":             {key.Change{Scopes: &none}, fault.MissingField},
		"a rate below zero":    {key.Change{Rate: &negative}, fault.InvalidField},
		"too many senders":     {key.Change{Senders: &long}, fault.InvalidField},
	} {
		if err := change(c.change, false); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	entries, _, err := audit.List(t.Context(), s, audit.Filter{Account: 1, Action: "key.change", Limit: 10})
	if err != nil || len(entries) != 1 || entries[0].Was == entries[0].Became || entries[0].Was == "" {
		t.Errorf("the log has %+v (%v)", entries, err)
	}
}

// TestKeyIsToldOfOnceAtEachWarning lives through a key's last month, with several that look at the same time.
func TestKeyIsToldOfOnceAtEachWarning(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	events := event.New(s)
	long := mustCreate(t, s, k, key.Key{Account: 1, Name: "till", Expires: s.Now().Add(40 * day)})
	short := mustCreate(t, s, k, key.Key{Account: 1, Expires: s.Now().Add(5 * day)})
	revoked, rotated := mustCreate(t, s, k, key.Key{Account: 1, Expires: s.Now().Add(40 * day)}), mustCreate(t, s, k, key.Key{Account: 1, Expires: s.Now().Add(40 * day)})
	revoke(t, s, k, 1, revoked.ID)
	if _, _, err := rotate(s, k, rotated.Key, key.MaxGrace); err != nil {
		t.Fatal(err)
	}
	told := func(of key.Made) (days []int) {
		all, err := events.Of(t.Context(), 1, int64(of.ID))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			var facts event.Key
			if err := json.Unmarshal(e.Change.Facts, &facts); err != nil || e.Kind != event.KeyExpiring || facts.ID != of.ID.String() || facts.Name != of.Name {
				t.Errorf("told %+v (%v)", e, err)
			}
			days = append(days, facts.Days)
		}
		return days
	}
	for range 42 {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := s.Write(func(tx *store.Tx) error {
					_, err := key.Warn(tx, events)
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s.Shift(day)
	}
	if got := told(long); !slices.Equal(got, []int{30, 7, 1}) {
		t.Errorf("of the long one was told %v", got)
	}
	if got := told(short); !slices.Equal(got, []int{1}) {
		t.Errorf("of the short one was told %v", got)
	}
	for name, of := range map[string]key.Made{"revoked": revoked, "rotated": rotated} {
		if got := told(of); len(got) != 0 {
			t.Errorf("of the %s one was told %v", name, got)
		}
	}
}

func TestOnlyTheNewestOfANameStay(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	var made []key.Made
	for range 4 {
		made = append(made, mustCreate(t, s, k, key.Key{Account: 1, Name: "klik"}))
	}
	other, another := mustCreate(t, s, k, key.Key{Account: 1, Name: "till"}), mustCreate(t, s, k, key.Key{Account: 2, Name: "klik"})
	if err := s.Write(func(tx *store.Tx) error { return k.KeepNewest(tx, audit.CLI, 1, "klik", 2) }); err != nil {
		t.Fatal(err)
	}
	for i, m := range append(made, other, another) {
		_, err := k.Authenticate(t.Context(), m.Secret, here, s.Now())
		if (err == nil) != (i >= 2) || err != nil && !fault.Is(err, fault.KeyRevoked) {
			t.Errorf("key %d: %v", i, err)
		}
	}
}
