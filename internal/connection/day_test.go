package connection_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// A new device may send a little more each day, until it may send as much as any.
func TestTheAllowanceGrowsEvenlyWhileADeviceWarmsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		care := channel.Care{
			Daily: rapid.IntRange(1, 5000).Draw(t, "daily"), WarmUp: rapid.IntRange(0, 60).Draw(t, "days"), First: rapid.IntRange(0, 6000).Draw(t, "first"),
		}
		linked := time.UnixMilli(rapid.Int64Range(1e12, 2e12).Draw(t, "linked"))
		before := 0
		for day := range care.WarmUp + 3 {
			most := connection.Allowance(care, linked, linked.Add(time.Duration(day)*24*time.Hour))
			switch {
			case most < before || most < 1 || most > care.Daily:
				t.Fatalf("%d on day %d after %d", most, day, before)
			case day == 0 && care.WarmUp > 0 && most != min(max(1, care.First), care.Daily):
				t.Fatalf("%d on the first day", most)
			case day >= care.WarmUp && most != care.Daily:
				t.Fatalf("%d on day %d, after the warm-up", most, day)
			}
			before = most
		}
	})
	if n := connection.Allowance(channel.Care{WarmUp: 7, First: 5}, time.Now(), time.Now()); n != 0 {
		t.Errorf("without a daily cap: %d", n)
	}
}

func TestADayHasSoManyMessages(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k, id := connection.New(s), message.ChannelID(7)
	spend := func(most int) (may bool) {
		t.Helper()
		if err := s.Write(func(tx *store.Tx) (err error) { may, err = k.Spend(tx, id, most); return err }); err != nil {
			t.Fatal(err)
		}
		return may
	}
	sent := func(want int) {
		t.Helper()
		got, err := k.Sent(t.Context(), id)
		if err != nil || got != want {
			t.Errorf("%d sent, %v; want %d", got, err, want)
		}
	}
	for i, want := range []bool{true, true, false} {
		if spend(2) != want {
			t.Errorf("message %d of a day that has two", i+1)
		}
	}
	sent(2)
	if k.Spent(id) < 2 {
		t.Errorf("%d are remembered", k.Spent(id))
	}
	other := connection.New(s)
	if other.Spent(id) != 0 {
		t.Error("another server knows before it has asked")
	}
	if err := other.Recall(t.Context(), id); err != nil || other.Spent(id) != 2 {
		t.Errorf("%d, %v", other.Spent(id), err)
	}
	if !spend(0) {
		t.Error("any number is more than two")
	}
	s.Shift(time.Until(connection.Tomorrow(time.Now())) + time.Second)
	sent(0)
	if k.Spent(id) != 0 || !spend(2) {
		t.Error("a new day begins with nothing")
	}
	sent(1)
}
