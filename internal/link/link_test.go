package link_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// scripted draws the codes one after the other, and then the last one for ever.
func scripted(codes ...string) func() string {
	return func() (code string) {
		if code = codes[0]; len(codes) > 1 {
			codes = codes[1:]
		}
		return code
	}
}

func write(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}

// makes returns the codes of links to targets of a message.
func makes(t *testing.T, s *store.Store, k *link.Keeper, in message.ID, targets ...string) (codes []string) {
	t.Helper()
	write(t, s, func(tx *store.Tx) (err error) {
		wishes := make([]link.Wish, len(targets))
		for i, target := range targets {
			wishes[i] = link.Wish{Account: 1, Message: in, Target: target, Since: tx.Now()}
		}
		codes, err = k.Make(tx, wishes)
		return err
	})
	return codes
}

func TestALinkLeadsToItsTarget(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := link.New(s, link.Settings{})
	k.Serves("https://t.example")
	codes := makes(t, s, k, 7, "https://a.example/1", "https://a.example/2")
	for i, code := range codes {
		l, err := k.Follow(t.Context(), code)
		if err != nil || l.Target != fmt.Sprint("https://a.example/", i+1) || l.Message != 7 || l.Account != 1 {
			t.Errorf("%+v (%v)", l, err)
		}
		if k.URL(code) != "https://t.example/l/"+code || len(code) != len(link.Sample) {
			t.Errorf("%s is unlike its sample", k.URL(code))
		}
	}
	wrong := []string{"", "abcdefgh", codes[0][1:], codes[0] + "2", "0000000O", "' OR 1=1", strings.Repeat("x", 5000), strings.ToUpper(codes[0]) + "\x00"}
	for _, code := range wrong {
		if _, err := k.Follow(t.Context(), code); !fault.Is(err, fault.NotHere) {
			t.Errorf("%.20q: %v", code, err)
		}
	}
}

func TestCodesAreRandom(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := link.New(s, link.Settings{})
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 2000 {
		code := k.Code()
		if len(code) != 8 || seen[code] || strings.ContainsAny(code, "0O1Il") {
			t.Fatalf("%q", code)
		}
		seen[code] = true
		for _, c := range code {
			letters[c] = true
		}
	}
	if len(letters) != 57 {
		t.Errorf("%d letters are drawn, not 57", len(letters))
	}
}

func TestATakenCodeIsDrawnAgain(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := link.New(s, link.Settings{Code: scripted("aaaaaaaa", "aaaaaaaa", "bbbbbbbb", "bbbbbbbb", "cccccccc", "cccccccc")})
	if codes := makes(t, s, k, 1, "https://a.example/1"); codes[0] != "aaaaaaaa" {
		t.Error(codes)
	}
	if codes := makes(t, s, k, 2, "https://a.example/2", "https://a.example/3"); codes[0] != "cccccccc" || codes[1] != "bbbbbbbb" {
		t.Error(codes)
	}
	if codes := makes(t, s, k, 3, "https://a.example/4"); codes[0] != "" {
		t.Errorf("a taken code was given again: %s", codes)
	}
	if l, err := k.Follow(t.Context(), "aaaaaaaa"); err != nil || l.Target != "https://a.example/1" {
		t.Errorf("%+v (%v)", l, err)
	}
}

func TestClicksAreCountedAndTheFirstIsTold(t *testing.T) {
	t.Parallel()
	all := servers(t)
	k := link.New(all[0], link.Settings{})
	code := makes(t, all[0], k, 7, "https://a.example")[0]
	l, err := k.Follow(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	firsts := 0
	for _, s := range all {
		here := link.New(s, link.Settings{})
		here.Clicked(l.ID)
		here.Clicked(l.ID)
		s.Shift(time.Minute)
		here.Clicked(l.ID)
		clicks := here.Take()
		if len(clicks) != 1 || clicks[0].Number != 3 || here.Take() != nil {
			t.Fatalf("%+v", clicks)
		}
		here.Return(clicks)
		here.Clicked(l.ID)
		clicks = here.Take()
		if len(clicks) != 1 || clicks[0].Number != 4 || clicks[0].Last.Sub(clicks[0].First) < time.Minute {
			t.Fatalf("what was given back: %+v", clicks)
		}
		gone := link.Clicks{Link: 1, Number: 1, First: s.Now(), Last: s.Now()}
		write(t, s, func(tx *store.Tx) error {
			first, err := here.Count(tx, append([]link.Clicks{gone}, clicks...))
			for _, f := range first {
				if firsts++; f.Message != 7 || f.Code != code || f.At.IsZero() {
					t.Errorf("%+v", f)
				}
			}
			return err
		})
	}
	l, err = k.Get(t.Context(), 1, l.ID)
	if err != nil || l.Clicks != int64(4*len(all)) || firsts != 1 || l.Last.Sub(l.First) < time.Minute {
		t.Errorf("%+v, told %d times (%v)", l, firsts, err)
	}
}

func TestLinksEnd(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := link.New(s, link.Settings{Keep: time.Hour})
	old := makes(t, s, k, 1, "https://a.example/1")[0]
	s.Shift(50 * time.Minute)
	young := makes(t, s, k, 2, "https://a.example/2", "https://a.example/3")
	s.Shift(20 * time.Minute)
	if _, err := k.Follow(t.Context(), old); !fault.Is(err, fault.NotHere) {
		t.Errorf("a link past its time leads on (%v)", err)
	}
	drop := func() (more bool) {
		write(t, s, func(tx *store.Tx) (err error) {
			more, err = k.DropOld(tx, tx.Now().Add(-k.Keep))
			return err
		})
		return more
	}
	if !drop() || drop() {
		t.Error("the old one is not dropped, or more")
	}
	if list, err := k.Of(t.Context(), 1, 0, 0, 10); err != nil || len(list) != 2 || list[0].Code != young[1] {
		t.Errorf("%+v (%v)", list, err)
	}
	write(t, s, func(tx *store.Tx) error { return k.DropIn(tx, []message.ID{2, 3}) })
	if _, err := k.Follow(t.Context(), young[0]); !fault.Is(err, fault.NotHere) {
		t.Errorf("a dropped link leads on (%v)", err)
	}
}

func TestLinksAreTheirAccounts(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := link.New(s, link.Settings{})
	makes(t, s, k, 1, "https://a.example/1", "https://a.example/2")
	makes(t, s, k, 2, "https://a.example/3")
	all, err := k.Of(t.Context(), 1, 0, 0, 2)
	if err != nil || len(all) != 2 || all[0].Message != 2 || all[1].Target != "https://a.example/2" {
		t.Errorf("%+v (%v)", all, err)
	}
	if rest, err := k.Of(t.Context(), 1, 0, all[1].ID, 2); err != nil || len(rest) != 1 {
		t.Errorf("%+v (%v)", rest, err)
	}
	if in, err := k.Of(t.Context(), 1, 2, 0, 5); err != nil || len(in) != 1 {
		t.Errorf("%+v (%v)", in, err)
	}
	if in, err := k.Of(t.Context(), 9, 2, 0, 5); err != nil || len(in) != 0 {
		t.Errorf("another account sees %+v (%v)", in, err)
	}
	if _, err := k.Get(t.Context(), 9, all[0].ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("another account reads it (%v)", err)
	}
}

// servers are stores of one database: one on SQLite, two on PostgreSQL.
func servers(t *testing.T) (list []*store.Store) {
	t.Helper()
	opt := storetest.Options(t)
	secret, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	if storetest.Postgres() {
		n = 2
	}
	for range n {
		s, err := store.Open(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		opt.Dir, opt.MasterKey = t.TempDir(), string(secret)
		list = append(list, s)
	}
	return list
}
