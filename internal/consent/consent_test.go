package consent_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

type world struct {
	*store.Store
	log  *event.Log
	keep *consent.Keeper
}

func open(t *testing.T) world {
	t.Helper()
	s := storetest.Open(t)
	log := event.New(s)
	return world{s, log, consent.New(s, log)}
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func (w world) record(t fataler, choices ...consent.Choice) (changed []bool) {
	t.Helper()
	err := w.Write(func(tx *store.Tx) (err error) {
		changed, err = w.keep.Record(tx, choices)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func (w world) optedOut(t fataler, asks ...consent.Ask) (out []bool) {
	t.Helper()
	err := w.Write(func(tx *store.Tx) (err error) {
		out, err = w.keep.OptedOut(tx, asks)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func phone(n int) message.Address {
	return message.Address{Kind: message.Phone, Value: fmt.Sprintf("+2547012345%02d", n)}
}

func TestOptOutIsOfOneAccountAndOneAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.record(t, consent.Choice{Account: 1, Address: phone(1), Out: true, Source: "message", Word: "STOP"}, consent.Choice{Account: 2, Address: phone(9), Out: true})
	asks := []consent.Ask{{1, phone(1)}, {1, phone(2)}, {2, phone(1)}, {3, phone(1)}, {2, phone(9)}, {1, phone(1)}}
	if got, want := w.optedOut(t, asks...), []bool{true, false, false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("opted out: %v, not %v", got, want)
	}
	if got := w.optedOut(t); len(got) != 0 {
		t.Errorf("nobody asked, and got %v", got)
	}
}

func TestOptOutIsSeenInItsOwnTransaction(t *testing.T) {
	t.Parallel()
	w := open(t)
	err := w.Write(func(tx *store.Tx) error {
		if _, err := w.keep.Record(tx, []consent.Choice{{Account: 1, Address: phone(1), Out: true}}); err != nil {
			return err
		}
		out, err := w.keep.OptedOut(tx, []consent.Ask{{1, phone(1)}})
		if !slices.Equal(out, []bool{true}) {
			t.Errorf("opted out: %v", out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyChangesAreEvents(t *testing.T) {
	t.Parallel()
	w := open(t)
	choice := func(n int, out bool, word string) consent.Choice {
		return consent.Choice{Account: 1, Address: phone(n), Out: out, Source: "message", Word: word}
	}
	got := w.record(t, choice(2, false, "START"), choice(1, true, "STOP"), choice(1, true, "QUIT"), choice(1, false, "START"), choice(1, true, "END"))
	if want := []bool{false, true, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, not %v", got, want)
	}
	list, err := w.keep.List(t.Context(), 1, 0, 10)
	if err != nil || len(list) != 1 || list[0].Address != phone(1) {
		t.Fatalf("the list is %v (%v)", list, err)
	}
	events, err := w.log.Of(t.Context(), 1, list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	var story []string
	for _, e := range events {
		story = append(story, fmt.Sprint(e.Seq, " ", e.Kind, " ", e.Change.Address, " ", e.Change.Word))
	}
	want := []string{
		"1 recipient.opted_out +254701234501 STOP", "2 recipient.opted_in +254701234501 START", "3 recipient.opted_out +254701234501 END",
	}
	if !slices.Equal(story, want) {
		t.Errorf("the events are %q", story)
	}
	log, err := w.keep.Log(t.Context(), 1, message.Address{}, 0, 10)
	if err != nil || len(log) != 5 || log[0].Word != "END" || log[4].Address != phone(2) || log[4].Out {
		t.Errorf("the log is %v (%v)", log, err)
	}
}

func TestListPagesFromTheNewest(t *testing.T) {
	t.Parallel()
	w := open(t)
	for n := range 5 {
		w.record(t, consent.Choice{Account: 1, Address: phone(n), Out: true}, consent.Choice{Account: 2, Address: phone(50 + n), Out: true})
	}
	var got []message.Address
	before := int64(0)
	for {
		page, err := w.keep.List(t.Context(), 1, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			got, before = append(got, o.Address), o.ID
		}
	}
	if want := []message.Address{phone(4), phone(3), phone(2), phone(1), phone(0)}; !slices.Equal(got, want) {
		t.Errorf("the pages hold %v", got)
	}
}

func TestAnyOrderOfChoicesEndsInTheLast(t *testing.T) {
	t.Parallel()
	w := open(t)
	rapid.Check(t, func(t *rapid.T) {
		first := account.ID(w.NewID())
		accounts := []account.ID{first, account.ID(w.NewID())}
		out := map[consent.Ask]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			choices := make([]consent.Choice, rapid.IntRange(1, 8).Draw(t, "choices"))
			want := make([]bool, len(choices))
			for i := range choices {
				ask := consent.Ask{Account: rapid.SampledFrom(accounts).Draw(t, "account"), Address: phone(rapid.IntRange(1, 3).Draw(t, "address"))}
				choices[i] = consent.Choice{Account: ask.Account, Address: ask.Address, Out: rapid.Bool().Draw(t, "out")}
				want[i], out[ask] = out[ask] != choices[i].Out, choices[i].Out
			}
			if got := w.record(t, choices...); !slices.Equal(got, want) {
				t.Fatalf("%v changed %v, not %v", choices, got, want)
			}
		}
		var asks []consent.Ask
		var want []bool
		for ask, is := range out {
			asks, want = append(asks, ask), append(want, is)
		}
		if got := w.optedOut(t, asks...); !slices.Equal(got, want) {
			t.Fatalf("of %v opted out: %v, not %v", asks, got, want)
		}
	})
}
