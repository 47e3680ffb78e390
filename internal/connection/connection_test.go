package connection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func open(t *testing.T, opt store.Options) (*store.Store, *connection.Keeper) {
	t.Helper()
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return s, connection.New(s)
}

func closed(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func create(s *store.Store, k *connection.Keeper, c connection.Channel) (made connection.Channel, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		made, err = k.Create(tx, audit.CLI, c)
		return err
	})
	return made, err
}

func update(s *store.Store, k *connection.Keeper, c connection.Channel) error {
	return s.Write(func(tx *store.Tx) error { return k.Update(tx, audit.CLI, c) })
}

// untimed leaves out when a channel was changed.
var untimed = cmpopts.IgnoreFields(connection.Channel{}, "Updated")

func smsc(name string) connection.Channel {
	return connection.Channel{
		Account: 1, Name: name, Driver: "smpp", Kind: message.SMS, Settings: channel.Settings(`{"password":"hunter2-hunter2"}`),
		Sender: message.Address{Kind: message.Name, Value: "ACME"}, Rate: 50, Shards: 2, Enabled: true,
	}
}

func TestChannelIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s, k := open(t, opt)
	made, err := create(s, k, smsc("main"))
	if err != nil {
		t.Fatal(err)
	}
	same := func(k *connection.Keeper) {
		t.Helper()
		got, ok, err := k.Get(t.Context(), made.ID)
		if diff := cmp.Diff(made, got, untimed); diff != "" || !ok || err != nil {
			t.Error(diff, ok, err)
		}
	}
	same(k)
	made.Name, made.Settings, made.Enabled, made.Sender = "spare", channel.Settings(`{"password":"hunter3-hunter3"}`), false, message.Address{}
	made.Mode, made.Senders = connection.Paused, connection.RegisteredSender
	if err := update(s, k, made); err != nil {
		t.Fatal(err)
	}
	same(k)
	closed(t, s)
	s, k = open(t, opt)
	defer closed(t, s)
	same(k)
	if all, err := k.All(t.Context()); len(all) != 1 || err != nil {
		t.Errorf("all are %v (%v)", all, err)
	}
	if _, ok, err := k.Get(t.Context(), 5); ok || err != nil {
		t.Errorf("an unknown channel: %v, %v", ok, err)
	}
}

func TestSettingsAreSealedOnDisk(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s, k := open(t, opt)
	made, err := create(s, k, smsc("main"))
	if err != nil {
		t.Fatal(err)
	}
	made.Rate = 10
	if err := update(s, k, made); err != nil {
		t.Fatal(err)
	}
	if held := storetest.Holding(t, s, "hunter"); len(held) > 0 {
		t.Errorf("%v hold the password", held)
	}
	if held := storetest.Holding(t, s, made.Name); len(held) == 0 {
		t.Error("nothing holds the name: the test looks in the wrong place")
	}
}

func TestNameIsTakenOnceInAnAccount(t *testing.T) {
	t.Parallel()
	s, k := open(t, storetest.Options(t))
	defer closed(t, s)
	if _, err := create(s, k, smsc("main")); err != nil {
		t.Fatal(err)
	}
	if _, err := create(s, k, smsc("main")); !fault.Is(err, fault.AlreadyThere) {
		t.Error(err)
	}
	shared := smsc("main")
	shared.Account = 0
	if _, err := create(s, k, shared); err != nil {
		t.Error(err)
	}
	second, err := create(s, k, smsc("second"))
	if err != nil {
		t.Fatal(err)
	}
	second.Name = "main"
	if err := update(s, k, second); !fault.Is(err, fault.AlreadyThere) {
		t.Error(err)
	}
	second.Name, second.ID = "third", 5
	if err := update(s, k, second); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
}

func TestWrongChannelsAreNotMade(t *testing.T) {
	t.Parallel()
	s, k := open(t, storetest.Options(t))
	defer closed(t, s)
	for name, wrong := range map[string]func(*connection.Channel){
		"no name":                func(c *connection.Channel) { c.Name = "" },
		"no driver":              func(c *connection.Channel) { c.Driver = "" },
		"no kind":                func(c *connection.Channel) { c.Kind = "" },
		"a rate below zero":      func(c *connection.Channel) { c.Rate = -1 },
		"too many shards":        func(c *connection.Channel) { c.Shards = 65 },
		"settings of no object":  func(c *connection.Channel) { c.Settings = channel.Settings(`[1]`) },
		"senders nobody knows":   func(c *connection.Channel) { c.Senders = "mine" },
		"settings of half a one": func(c *connection.Channel) { c.Settings = channel.Settings(`{"a":`) },
	} {
		c := smsc("main")
		wrong(&c)
		if _, err := create(s, k, c); fault.Of(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare, err := create(s, k, connection.Channel{Name: "bare", Driver: "trial", Kind: message.SMS})
	if bare.Shards != 1 || string(bare.Settings) != "{}" || err != nil {
		t.Errorf("made %+v (%v)", bare, err)
	}
}
