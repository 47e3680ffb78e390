package event_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice, bob account.ID = 1 << 40, 2 << 40

// follower keeps what it is told, or refuses it.
type follower struct {
	told []event.Event
	err  error
}

func (f *follower) Follow(_ *store.Tx, events []event.Event) error {
	f.told = append(f.told, events...)
	return f.err
}

func open(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.Open(t)
	return s
}

func TestEventsAreStoredAndFollowed(t *testing.T) {
	t.Parallel()
	s, f := open(t), &follower{}
	log := event.New(s)
	log.FollowedBy(f)
	subject, at := s.NewID(), s.Now()
	events := []event.Event{
		{Subject: subject, Seq: 1, Account: alice, Kind: event.Sent, Change: event.Change{Status: "sent", Attempt: 1}, At: at},
		{Subject: subject, Seq: 2, Account: alice, Kind: event.Failed, Change: event.Change{Status: "failed", Reason: "\"<é", Code: "0x0B", Correction: true, Duplicate: true}, At: at},
		{Subject: subject + 1, Seq: 1, Account: bob, Kind: event.OptedOut, Change: event.Change{Address: "+254700000001", Word: "STOP"}, At: at},
	}
	write(t, s, func(tx *store.Tx) error { return log.Append(tx, events) })
	if !reflect.DeepEqual(f.told, events) {
		t.Errorf("the follower was told %+v", f.told)
	}
	got, err := log.Of(t.Context(), alice, subject)
	if err != nil || !reflect.DeepEqual(got, events[:2]) {
		t.Errorf("stored %+v, %v", got, err)
	}
	for seq := range events[:2] {
		if got, err := log.UpTo(t.Context(), alice, subject, seq+1); err != nil || !reflect.DeepEqual(got, events[:seq+1]) {
			t.Errorf("up to %d: %+v, %v", seq+1, got, err)
		}
	}
	one, err := log.One(t.Context(), bob, subject+1, 1)
	if err != nil || !reflect.DeepEqual(one, events[2]) {
		t.Errorf("stored %+v, %v", one, err)
	}
	if got, err := log.Of(t.Context(), bob, subject); err != nil || len(got) != 0 {
		t.Errorf("another account sees %+v, %v", got, err)
	}
	if _, err := log.One(t.Context(), bob, subject, 1); !store.NoRows(err) {
		t.Errorf("another account sees one: %v", err)
	}
}

func TestAFollowerThatFailsUndoesTheEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	planted := errors.New("planted")
	log.FollowedBy(&follower{err: planted})
	subject := s.NewID()
	err := s.Write(func(tx *store.Tx) error {
		return log.Append(tx, []event.Event{{Subject: subject, Seq: 1, Account: alice, Kind: event.Sent, At: tx.Now()}})
	})
	if !errors.Is(err, planted) {
		t.Fatalf("%v", err)
	}
	if got, _ := log.Of(t.Context(), alice, subject); len(got) != 0 {
		t.Errorf("stored %+v", got)
	}
}

func TestEventsEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	add := func() (subject int64) {
		subject = s.NewID()
		write(t, s, func(tx *store.Tx) error {
			return log.Append(tx, []event.Event{{Subject: subject, Seq: 1, Account: alice, Kind: event.Sent, At: tx.Now()}})
		})
		return subject
	}
	count := func(subject int64) int {
		got, err := log.Of(t.Context(), alice, subject)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	dropped, old := add(), add()
	write(t, s, func(tx *store.Tx) error { return log.Drop(tx, []event.Span{{First: dropped, Last: dropped}}) })
	if count(dropped) != 0 || count(old) != 1 {
		t.Error("Drop took another subject's events")
	}
	s.Shift(48 * time.Hour)
	young := add()
	for more := true; more; {
		write(t, s, func(tx *store.Tx) (err error) {
			more, err = log.DropOld(tx, tx.Now().Add(-24*time.Hour))
			return err
		})
	}
	if count(old) != 0 || count(young) != 1 {
		t.Errorf("%d old and %d young events are left", count(old), count(young))
	}
}

func write(t *testing.T, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
}
