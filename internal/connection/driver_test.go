package connection_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// linked makes a channel and the state of its session.
func linked(t *testing.T, s *store.Store, k *connection.Keeper, name string) (connection.Channel, channel.State) {
	t.Helper()
	c, err := create(s, k, smsc(name))
	if err != nil {
		t.Fatal(err)
	}
	lease, err := s.Take(t.Context(), "channel:"+c.ID.String(), store.Grace)
	if err != nil || lease == nil {
		t.Fatal(lease, err)
	}
	return c, k.State(c.ID, lease)
}

func listed(t *testing.T, s channel.State, prefix string) map[string]string {
	t.Helper()
	list, err := s.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range list {
		got[k.Name] = string(k.Value)
	}
	return got
}

func save(t *testing.T, s channel.State, kept ...channel.Kept) {
	t.Helper()
	if err := s.Save(t.Context(), kept...); err != nil {
		t.Fatal(err)
	}
}

func TestStateIsKeptByChannelAndName(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s, k := open(t, opt)
	c, mine := linked(t, s, k, "mine")
	_, other := linked(t, s, k, "other")
	secret := string([]byte{0, 1, 255}) + "hunter2-hunter2"
	save(t, mine, channel.Kept{Name: "key/1", Value: []byte(secret)}, channel.Kept{Name: "key/2", Value: []byte("two")}, channel.Kept{Name: "kez", Value: []byte{}})
	save(t, mine, channel.Kept{Name: "key/2", Value: []byte("2")}, channel.Kept{Name: "kez"}, channel.Kept{Name: "none"})
	save(t, other, channel.Kept{Name: "key/1", Value: []byte("other")})
	if diff := cmp.Diff(listed(t, mine, "key/"), map[string]string{"key/1": secret, "key/2": "2"}); diff != "" {
		t.Error(diff)
	}
	if got, err := mine.Load(t.Context(), "key/2", "kez", "key/1"); err != nil || string(got[0]) != "2" || got[1] != nil || string(got[2]) != secret {
		t.Errorf("%q (%v)", got, err)
	}
	if n, err := mine.Count(t.Context(), "key/"); n != 2 || err != nil {
		t.Error(n, err)
	}
	if held := storetest.Holding(t, s, "hunter"); len(held) > 0 {
		t.Errorf("%v hold the secret", held)
	}
	closed(t, s)
	s, k = open(t, opt)
	defer closed(t, s)
	if got := listed(t, k.State(c.ID, nil), ""); len(got) != 2 {
		t.Errorf("after a start there is %v", got)
	}
}

func TestStateGoesWithItsChannel(t *testing.T) {
	t.Parallel()
	s, k := open(t, storetest.Options(t))
	defer closed(t, s)
	c, state := linked(t, s, k, "main")
	_, other := linked(t, s, k, "other")
	one := channel.Kept{Name: "a", Value: []byte("1")}
	save(t, state, one)
	save(t, other, one)
	if err := s.Write(func(tx *store.Tx) error { return k.Delete(tx, audit.CLI, c) }); err != nil {
		t.Fatal(err)
	}
	save(t, state, one)
	if got := listed(t, state, ""); len(got) > 0 {
		t.Errorf("of a channel that is gone %v is left", got)
	}
	if got := listed(t, other, ""); len(got) != 1 {
		t.Errorf("of the other there is %v", got)
	}
	if err := other.Clear(t.Context()); err != nil || len(listed(t, other, "")) > 0 {
		t.Error(listed(t, other, ""), err)
	}
}

func TestExpiredStateIsDropped(t *testing.T) {
	t.Parallel()
	s, k := open(t, storetest.Options(t))
	defer closed(t, s)
	_, state := linked(t, s, k, "main")
	value := []byte("1")
	save(t, state, channel.Kept{Name: "stays", Value: value}, channel.Kept{Name: "soon", Value: value, Until: s.Now().Add(time.Hour)},
		channel.Kept{Name: "later", Value: value, Until: s.Now().Add(3 * time.Hour)})
	s.Shift(2 * time.Hour)
	for _, want := range []bool{true, false} {
		err := s.Write(func(tx *store.Tx) error {
			more, err := connection.DropExpired(tx)
			if more != want {
				t.Errorf("more: %v, want %v", more, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(listed(t, state, ""), map[string]string{"stays": "1", "later": "1"}); diff != "" {
		t.Error(diff)
	}
}

// TestStateIsWrittenByTheServerThatHasTheSession has another server take the session over.
func TestStateIsWrittenByTheServerThatHasTheSession(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("one server alone has every session")
	}
	s, k := open(t, storetest.Options(t))
	defer closed(t, s)
	c, err := create(s, k, smsc("main"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Take(t.Context(), "channel:1", store.Grace)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	old := k.State(c.ID, first)
	save(t, old, channel.Kept{Name: "a", Value: []byte("1")})
	if err := s.Give(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second, err := s.Take(t.Context(), "channel:1", store.Grace)
	if err != nil || second == nil {
		t.Fatal(second, err)
	}
	save(t, k.State(c.ID, second), channel.Kept{Name: "a", Value: []byte("2")})
	for what, err := range map[string]error{
		"save": old.Save(t.Context(), channel.Kept{Name: "a", Value: []byte("3")}), "clear": old.Clear(t.Context()),
	} {
		if !errors.Is(err, connection.ErrFenced) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := listed(t, old, ""); got["a"] != "2" {
		t.Errorf("there is %v", got)
	}
}
