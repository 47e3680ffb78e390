package key_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

const day = 24 * time.Hour

var here = netip.MustParseAddr("192.0.2.7")

func open(t *testing.T) (*store.Store, *key.Keeper) {
	t.Helper()
	s := storetest.Open(t)
	return s, key.New(s)
}

func create(s *store.Store, k *key.Keeper, want key.Key, operator bool) (made key.Made, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		made, err = k.Create(tx, audit.CLI, want, operator)
		return err
	})
	return made, err
}

func mustCreate(t *testing.T, s *store.Store, k *key.Keeper, want key.Key) key.Made {
	t.Helper()
	if want.Scopes == nil {
		want.Scopes = account.Scopes{account.MessagesSend}
	}
	made, err := create(s, k, want, true)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func revoke(t *testing.T, s *store.Store, k *key.Keeper, a account.ID, id account.KeyID) (done bool) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) (err error) {
		done, err = k.Revoke(tx, audit.CLI, a, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestSecretHasThePublishedForm(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	form := regexp.MustCompile(`^td_(live|test)_[0-9A-Za-z]{38}$`)
	seen := map[string]bool{}
	for range 20 {
		for prefix, test := range map[string]bool{"td_live_": false, "td_test_": true} {
			made := mustCreate(t, s, k, key.Key{Account: 1, Test: test})
			if !form.MatchString(made.Secret) || !strings.HasPrefix(made.Secret, prefix) || seen[made.Secret] {
				t.Fatalf("the secret is %s", made.Secret)
			}
			if len(made.Hint) != 16 || !strings.HasPrefix(made.Secret, made.Hint) {
				t.Fatalf("the hint of %s is %s", made.Secret, made.Hint)
			}
			seen[made.Secret] = true
		}
	}
}

func TestKeyIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{
		Account: 1, Name: "shop", Test: true, Scopes: account.Scopes{account.MessagesSend, account.Admin},
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.99/24"), netip.MustParsePrefix("2001:db8::1/128")},
		Origins:   []string{"https://shop.example", "http://localhost:3000"}, Expires: s.Now().Add(30 * day),
	})
	got, ok, err := k.Get(t.Context(), 1, made.ID)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(made.Key, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if got.Addresses[0] != netip.MustParsePrefix("192.0.2.0/24") {
		t.Errorf("the network is %s", got.Addresses[0])
	}
	if _, ok, err := k.Get(t.Context(), 2, made.ID); ok || err != nil {
		t.Errorf("another account sees the key (%v)", err)
	}
}

func TestWrongKeysAreNotMade(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	good := account.Scopes{account.MessagesSend}
	for name, c := range map[string]struct {
		key      key.Key
		operator bool
		want     fault.Code
	}{
		"no account":             {key.Key{Scopes: good}, true, fault.MissingField},
		"no scope":               {key.Key{Account: 1}, true, fault.MissingField},
		"unknown scope":          {key.Key{Account: 1, Scopes: account.Scopes{"messages:eat"}}, true, fault.InvalidField},
		"operator by a customer": {key.Key{Account: 1, Scopes: account.Scopes{account.Operate}}, false, fault.ScopeMissing},
		"internal by a customer": {key.Key{Account: 1, Scopes: account.Scopes{account.Internal}}, false, fault.ScopeMissing},
		"operator":               {key.Key{Account: 1, Scopes: account.Scopes{account.Operate}}, true, ""},
		"too short a life":       {key.Key{Account: 1, Scopes: good, Expires: s.Now().Add(23 * time.Hour)}, false, fault.InvalidField},
		"too long a life":        {key.Key{Account: 1, Scopes: good, Expires: s.Now().Add(366 * day)}, false, fault.InvalidField},
		"one day":                {key.Key{Account: 1, Scopes: good, Expires: s.Now().Add(day)}, false, ""},
		"a year":                 {key.Key{Account: 1, Scopes: good, Expires: s.Now().Add(365 * day)}, false, ""},
		"an origin with a path":  {key.Key{Account: 1, Scopes: good, Origins: []string{"https://shop.example/"}}, false, fault.InvalidField},
		"an origin of no web":    {key.Key{Account: 1, Scopes: good, Origins: []string{"file://x"}}, false, fault.InvalidField},
		"an origin of two words": {key.Key{Account: 1, Scopes: good, Origins: []string{"https://a b"}}, false, fault.InvalidField},
		"no network":             {key.Key{Account: 1, Scopes: good, Addresses: make([]netip.Prefix, 1)}, false, fault.InvalidField},
	} {
		_, err := create(s, k, c.key, c.operator)
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheSecretOpens(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 7, Test: true, Scopes: account.Scopes{account.MessagesRead}})
	got, err := k.Authenticate(t.Context(), made.Secret, here, s.Now())
	want := account.Key{ID: made.ID, Account: 7, Test: true, Scopes: account.Scopes{account.MessagesRead}, Expires: made.Expires}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Millisecond)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for i := range made.Secret {
		for _, c := range []byte("a0Z _") {
			wrong := made.Secret[:i] + string(c) + made.Secret[i+1:]
			if wrong == made.Secret {
				continue
			}
			if _, err := k.Authenticate(t.Context(), wrong, here, s.Now()); !fault.Is(err, fault.BadCredentials) {
				t.Fatalf("%s: %v", wrong, err)
			}
		}
	}
	for _, wrong := range []string{"", "td_live_", made.Secret + "0", made.Secret[1:], strings.Repeat("0", 46)} {
		if _, err := k.Authenticate(t.Context(), wrong, here, s.Now()); !fault.Is(err, fault.BadCredentials) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestUnknownKeyWithARightChecksumIsRefused(t *testing.T) {
	t.Parallel()
	_, k := open(t)
	other, theirs := open(t)
	made := mustCreate(t, other, theirs, key.Key{Account: 1})
	if _, err := k.Authenticate(t.Context(), made.Secret, here, other.Now()); !fault.Is(err, fault.BadCredentials) {
		t.Error(err)
	}
}

func TestKeyEndsAtOnce(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	use := func(made key.Made) error {
		_, err := k.Authenticate(t.Context(), made.Secret, here, s.Now())
		return err
	}
	short, long := mustCreate(t, s, k, key.Key{Account: 1, Expires: s.Now().Add(day)}), mustCreate(t, s, k, key.Key{Account: 1})
	if err := use(short); err != nil {
		t.Error(err)
	}
	s.Shift(day)
	if err := use(short); !fault.Is(err, fault.KeyExpired) {
		t.Error(err)
	}
	if err := use(long); err != nil {
		t.Error(err)
	}
	if revoke(t, s, k, 2, long.ID) {
		t.Error("another account revoked the key")
	}
	if err := use(long); err != nil {
		t.Error(err)
	}
	if !revoke(t, s, k, 1, long.ID) || revoke(t, s, k, 1, long.ID) {
		t.Error("a key is revoked once")
	}
	if err := use(long); !fault.Is(err, fault.KeyRevoked) {
		t.Error(err)
	}
	s.Shift(364 * day)
	if err := use(long); !fault.Is(err, fault.KeyRevoked) {
		t.Error(err)
	}
}

func TestKeyIsBoundToItsAddresses(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 1, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:198.51.100.0/120")}})
	for from, want := range map[string]bool{
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "192.0.3.7": false, "2001:db8::9": true, "2001:db9::9": false, "::1": false, "198.51.100.9": true,
	} {
		_, err := k.Authenticate(t.Context(), made.Secret, netip.MustParseAddr(from), s.Now())
		if want && err != nil || !want && !fault.Is(err, fault.AddressNotAllowed) {
			t.Errorf("from %s: %v", from, err)
		}
	}
	if _, err := k.Authenticate(t.Context(), made.Secret, netip.Addr{}, s.Now()); !fault.Is(err, fault.AddressNotAllowed) {
		t.Errorf("from nowhere: %v", err)
	}
}

func TestHotKeyCostsNoQuery(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 1})
	if err := s.Write(func(*store.Tx) error { return nil }); err != nil { // which sees the making, that costs one more query
		t.Fatal(err)
	}
	if _, err := k.Authenticate(t.Context(), made.Secret, here, s.Now()); err != nil {
		t.Fatal(err)
	}
	// Behind the keeper's back: only a query would notice.
	err := s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), "DELETE FROM api_key")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Authenticate(t.Context(), made.Secret, here, s.Now()); err != nil {
		t.Error(err)
	}
}

func TestLastUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	made := mustCreate(t, s, k, key.Key{Account: 1})
	use := func() time.Time {
		t.Helper()
		now := s.Now()
		if _, err := k.Authenticate(t.Context(), made.Secret, here, now); err != nil {
			t.Fatal(err)
		}
		if err := k.FlushUsed(); err != nil {
			t.Fatal(err)
		}
		return now
	}
	expect := func(want time.Time) {
		t.Helper()
		if got, _, err := k.Get(t.Context(), 1, made.ID); !got.Used.Equal(want) || err != nil {
			t.Errorf("last used %s (%v), not %s", got.Used, err, want)
		}
	}
	expect(time.Time{})
	first := use()
	expect(first)
	s.Shift(30 * time.Second)
	use()
	expect(first)
	s.Shift(30 * time.Second)
	expect(use())
}

func TestListPagesFromTheNewest(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	var made []account.KeyID
	for range 5 {
		made = append(made, mustCreate(t, s, k, key.Key{Account: 1}).ID)
		mustCreate(t, s, k, key.Key{Account: 2})
	}
	slices.Reverse(made)
	var listed []account.KeyID
	for before := account.KeyID(0); ; before = listed[len(listed)-1] {
		page, err := k.List(t.Context(), 1, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, key := range page {
			listed = append(listed, key.ID)
		}
	}
	if !slices.Equal(listed, made) {
		t.Errorf("listed %v, not %v", listed, made)
	}
}
