package event_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// nodes are servers on one database: two where the engine can.
func nodes(t *testing.T) (all []*store.Store) {
	t.Helper()
	opt := storetest.Options(t)
	key, err := os.ReadFile(filepath.Join(opt.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	opts := []store.Options{opt}
	if storetest.Postgres() {
		other := opt
		other.Dir, other.MasterKey = t.TempDir(), string(key)
		opts = append(opts, other)
	}
	for _, o := range opts {
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		all = append(all, s)
	}
	return all
}

// Many write at once, on all nodes, whose clocks differ, and some read along: whoever goes on from the last place he saw gets
// every event once, those of one subject in their order.
func TestTheFeedMissesNothing(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 24
	all := nodes(t)
	var writing sync.WaitGroup
	for w := range writers {
		s := all[w%len(all)]
		log := event.New(s)
		for range 2 { // of one subject after another, as if they were messages
			writing.Go(func() {
				subject := s.NewID()
				for n := 1; n <= each; {
					many := 1 + rand.IntN(3)
					err := s.Write(func(tx *store.Tx) error {
						for range many {
							err := log.Append(tx, []event.Event{
								{Subject: subject, Seq: n, Account: alice, Kind: event.Sent, At: tx.Now()},
								{Subject: subject + 1<<20, Seq: n, Account: bob, Kind: event.Sent, At: tx.Now()},
							})
							if err != nil {
								return err
							}
							n++
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					if rand.IntN(20) == 0 {
						s.Shift(time.Duration(rand.IntN(41)-20) * time.Millisecond) // a clock is set
					}
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	var reading sync.WaitGroup
	for r := range 2 * len(all) {
		reading.Go(func() { follow(t, event.New(all[r%len(all)]), done) })
	}
	reading.Wait()
}

// follow reads along until all is written, and compares what it saw with all there is.
func follow(t *testing.T, log *event.Log, done <-chan struct{}) {
	seen := map[int64]int{}
	count, ended := 0, false
	ask := event.Ask{Account: alice, Page: 7}
	for {
		select {
		case <-done:
			ended = true
		default:
		}
		page, looked, err := log.Feed(t.Context(), ask)
		if err != nil {
			t.Error(err)
			return
		}
		for _, e := range page {
			if e.Place <= ask.After || e.Seq != seen[e.Subject]+1 || e.Account != alice {
				t.Errorf("after place %d and number %d of its subject comes %+v", ask.After, seen[e.Subject], e)
			}
			ask.After, seen[e.Subject] = e.Place, e.Seq
			count++
		}
		if ask.After != looked {
			t.Errorf("looked as far as %d, and showed as far as %d", looked, ask.After)
		}
		if ended && len(page) == 0 {
			break
		}
	}
	whole, _, err := log.Feed(t.Context(), event.Ask{Account: alice, Page: 1 << 20})
	if err != nil || len(whole) != count || count == 0 {
		t.Errorf("saw %d of %d, %v", count, len(whole), err)
	}
}

func TestAFeedBeginsWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	now, err := log.Now(t.Context())
	if err != nil || now != 0 {
		t.Errorf("at first %d, %v", now, err)
	}
	happen := func(subject int64, seq int) event.Place {
		e := []event.Event{{Subject: subject, Seq: seq, Account: alice, Kind: event.Sent, At: s.Now()}}
		write(t, s, func(tx *store.Tx) error { return log.Append(tx, e) })
		return e[0].Place
	}
	first, second := s.NewID(), s.NewID()
	happen(first, 1)
	happen(second, 1)
	s.Shift(time.Hour)
	since := s.Now().Add(-time.Minute)
	if now, err = log.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := happen(first, 2)
	s.Shift(-30 * time.Minute)
	if back := happen(second, 2); back <= last {
		t.Errorf("a clock that is set back sets back the feed: %d after %d", back, last)
	}
	for what, c := range map[string]struct {
		ask  event.Ask
		want int
	}{
		"all":             {event.Ask{Account: alice, Page: 9}, 4},
		"a page":          {event.Ask{Account: alice, Page: 3}, 3},
		"from now on":     {event.Ask{Account: alice, After: now, Page: 9}, 2},
		"from a time on":  {event.Ask{Account: alice, After: event.PlaceAt(since), Page: 9}, 2},
		"of one subject":  {event.Ask{Account: alice, Subject: first, Page: 9}, 2},
		"both":            {event.Ask{Account: alice, Subject: first, After: now, Page: 9}, 1},
		"of some kinds":   {event.Ask{Account: alice, Kinds: []string{"wallet.*", "message.sent"}, Page: 9}, 4},
		"of other kinds":  {event.Ask{Account: alice, Kinds: []string{"wallet.*", "message.delivered"}, Page: 9}, 0},
		"another's":       {event.Ask{Account: bob, Page: 9}, 0},
		"another's thing": {event.Ask{Account: bob, Subject: first, Page: 9}, 0},
	} {
		if got, _, err := log.Feed(t.Context(), c.ask); err != nil || len(got) != c.want {
			t.Errorf("%s: %d events, %v, want %d", what, len(got), err, c.want)
		}
	}
}

func TestWhoAwaitsAnEventGetsItAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	got := make(chan []event.Event)
	go func() {
		events, _, _ := log.Await(t.Context(), event.Ask{Account: alice, Page: 9}, time.Minute)
		got <- events
	}()
	write(t, s, func(tx *store.Tx) error {
		return log.Append(tx, []event.Event{{Subject: 7, Seq: 1, Account: alice, Kind: event.Sent, At: tx.Now()}})
	})
	if events := <-got; len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
	if events, _, err := log.Await(t.Context(), event.Ask{Account: bob, Page: 9}, time.Millisecond); err != nil || len(events) != 0 {
		t.Errorf("another's: %+v, %v", events, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, _, err := log.Await(ended, event.Ask{Account: bob, Page: 9}, time.Minute); err == nil {
		t.Error("a feed is read for who has gone")
	}
	log.EndWaits()
	if events, _, err := log.Await(t.Context(), event.Ask{Account: bob, Page: 9}, time.Hour); err != nil || len(events) != 0 {
		t.Errorf("at the end: %+v, %v", events, err)
	}
}

// Of a kind that is rare a page may be empty, and the next look goes on from there.
func TestAFeedOfARareKindGoesOn(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	events := make([]event.Event, 6000)
	for i := range events {
		events[i] = event.Event{Subject: int64(i + 1), Seq: 1, Account: alice, Kind: event.Sent, At: s.Now()}
	}
	events[len(events)-1].Kind = event.Failed
	write(t, s, func(tx *store.Tx) error { return log.Append(tx, events) })
	ask := event.Ask{Account: alice, Kinds: []string{"message.failed"}, Page: 10}
	none, looked, err := log.Feed(t.Context(), ask)
	if err != nil || len(none) != 0 || looked <= 0 {
		t.Errorf("%d events as far as %d, %v", len(none), looked, err)
	}
	ask.After = looked
	if one, _, err := log.Feed(t.Context(), ask); err != nil || len(one) != 1 {
		t.Errorf("%d events, %v", len(one), err)
	}
	if one, _, err := log.Await(t.Context(), event.Ask{Account: alice, Kinds: ask.Kinds, Page: 10}, time.Minute); err != nil || len(one) != 1 {
		t.Errorf("%d events, %v", len(one), err)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"*": true, "message.*": true, "message.sent": true, "wallet.*": true, "channel.*": true, "key.*": true, "webhook.*": true,
		"": false, "message": false, "message.": false, "mess*": false, ".*": false, "**": false, "message.s*": false, "webhook.test": false,
	} {
		if got := event.Known(pattern); got != want {
			t.Errorf("%q: %v", pattern, got)
		}
	}
}

func TestTheFeedGoesStraightToItsPlace(t *testing.T) {
	t.Parallel()
	s := open(t)
	wants := map[string]string{event.FeedQuery: "USING INDEX event_account (account_id=? AND place>?)", event.FeedOfQuery: "USING PRIMARY KEY (subject=?)"}
	if storetest.Postgres() {
		wants = map[string]string{event.FeedQuery: "Index Scan using event_account on event_", event.FeedOfQuery: "_pkey on event_"}
	}
	for query, want := range wants {
		if plan := storetest.Plan(t, s, query); !strings.Contains(plan, want) || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, plan, want)
		}
	}
}
