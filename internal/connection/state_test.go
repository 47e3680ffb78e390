package connection_test

import (
	"testing"
	"time"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestOverallIsTheBestOfAllServers(t *testing.T) {
	t.Parallel()
	at := func(p connection.Phase, minute int) connection.State {
		return connection.State{Phase: p, Since: time.Date(2027, 1, 1, 0, minute, 0, 0, time.UTC), Window: 10, Busy: 1}
	}
	for what, c := range map[string]struct {
		all  []connection.State
		want connection.State
	}{
		"nobody":             {nil, connection.State{Phase: connection.Connecting}},
		"up and down":        {[]connection.State{at(connection.Down, 1), at(connection.Up, 2)}, at(connection.Up, 2)},
		"up for longer":      {[]connection.State{at(connection.Up, 3), at(connection.Up, 2)}, at(connection.Up, 2)},
		"the last to fall":   {[]connection.State{at(connection.Down, 3), at(connection.Down, 2)}, at(connection.Down, 3)},
		"down and waiting":   {[]connection.State{at(connection.Waiting, 1), at(connection.Down, 2)}, at(connection.Down, 2)},
		"down and beginning": {[]connection.State{at(connection.Down, 1), at(connection.Connecting, 2)}, at(connection.Down, 1)},
		"only waiting":       {[]connection.State{at(connection.Waiting, 1)}, at(connection.Waiting, 1)},
	} {
		c.want.Window, c.want.Busy = 10*len(c.all), len(c.all)
		if got := connection.Overall(c.all); got != c.want {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

func TestAStartForgetsHowChannelsWere(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s, k := open(t, opt)
	made, err := create(s, k, smsc("main"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(s *store.Store, f func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	since := s.Now().Add(-time.Hour).Truncate(time.Millisecond)
	report := connection.State{Channel: made.ID, Node: "a", Phase: connection.Down, Since: since, Code: "unreachable", Reason: "Gone."}
	write(s, func(tx *store.Tx) error { return k.Report(tx, []connection.State{report}, nil, false) })
	if got, down := k.Down(t.Context(), made.ID); !down || !got.Equal(since) {
		t.Errorf("down since %s, %v", got, down)
	}
	if fell, rose, err := k.Untold(t.Context(), s.Now()); len(fell) != 1 || len(rose) != 0 || err != nil {
		t.Error(fell, rose, err)
	}
	mark := func(f func(*store.Tx, message.ChannelID) (bool, error)) (first bool) {
		write(s, func(tx *store.Tx) (err error) {
			first, err = f(tx, made.ID)
			return err
		})
		return first
	}
	if !mark(k.Fell) || mark(k.Fell) {
		t.Error("an outage is told once")
	}
	closed(t, s)

	s, k = open(t, opt)
	defer closed(t, s)
	write(s, k.Begin)
	if all, err := k.States(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("%v are left (%v)", all, err)
	}
	if _, down := k.Down(t.Context(), made.ID); down {
		t.Error("it is down before anybody tried")
	}
	report.Phase = connection.Up
	write(s, func(tx *store.Tx) error { return k.Report(tx, []connection.State{report}, nil, false) })
	if mark(k.Fell) {
		t.Error("it is told that a channel is down which is up")
	}
	if fell, rose, err := k.Untold(t.Context(), s.Now()); len(fell) != 0 || len(rose) != 1 || err != nil {
		t.Error(fell, rose, err)
	}
	if !mark(k.Rose) || mark(k.Rose) {
		t.Error("the end of an outage is told once")
	}
}
