package gateway_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidings.dev/internal/account"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/report"
	"tidings.dev/internal/store"
)

// when is an account on a day.
type when struct {
	account account.ID
	day     report.Day
}

// recount is what the counters must be, from the messages, their events and the ledger. A message that moved to another channel
// may have other parts than it was accepted with, so that parts are counted only where nothing moves.
func recount(t testing.TB, s *store.Store, parts bool) map[when]report.Counts {
	t.Helper()
	sums := map[when]report.Counts{}
	read := func(query string, each func(account.ID, int64, string, int64) (report.Day, report.Counts)) {
		rows, err := s.Reader().QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a account.ID
			var at, n int64
			var what string
			if err := rows.Scan(&a, &at, &what, &n); err != nil {
				t.Fatal(err)
			}
			day, c := each(a, at, what, n)
			w := when{a, day}
			if sum := sums[w].Plus(c); sum != (report.Counts{}) {
				sums[w] = sum
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	read("SELECT account_id, id, '', total FROM message WHERE direction = 1", func(_ account.ID, id int64, _ string, total int64) (report.Day, report.Counts) {
		c := report.Counts{Accepted: 1}
		if parts {
			c.Parts = total
		}
		return report.DayOf(message.ID(id).Time()), c
	})
	read("SELECT account_id, at, kind, 0 FROM event", func(_ account.ID, at int64, kind string, _ int64) (report.Day, report.Counts) {
		return report.DayOf(time.UnixMilli(at)), map[event.Kind]report.Counts{
			event.Sent: {Sent: 1}, event.Delivered: {Delivered: 1}, event.Failed: {Failed: 1}, event.Unknown: {Unknown: 1}, event.Received: {Inbound: 1},
		}[event.Kind(kind)]
	})
	read("SELECT m.account_id, t.at, '', t.amount FROM transfer AS t JOIN message AS m ON m.id = t.subject WHERE t.step = 'end' AND t.credit = 'charged'",
		func(_ account.ID, at int64, _ string, amount int64) (report.Day, report.Counts) {
			return report.DayOf(time.UnixMilli(at)), report.Counts{Charged: amount}
		})
	return sums
}

// checkUsage compares the counters with what they count.
func checkUsage(t testing.TB, s *store.Store, parts bool, accounts ...account.ID) {
	t.Helper()
	have := map[when]report.Counts{}
	for _, a := range accounts {
		list, err := report.Of(t.Context(), s, a, 0, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			if !parts {
				u.Parts = 0
			}
			have[when{a, u.Day}] = have[when{a, u.Day}].Plus(u.Counts)
		}
	}
	want := map[when]report.Counts{}
	for w, c := range recount(t, s, parts) {
		for _, a := range accounts {
			if w.account == a {
				want[w] = c
			}
		}
	}
	if diff := cmp.Diff(want, have, cmp.AllowUnexported(when{})); diff != "" {
		t.Errorf("the counters are not what happened (-want +have):\n%s", diff)
	}
}

// TestUsageIsWhatHappened lives through two days, a crash, and each way in which a message can end.
func TestUsageIsWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.network.On(phone(2), channeltest.Fail(channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}))
	first := report.DayOf(w.store.Now())
	id := w.send(draft(phone(1), long(2)))
	w.await(id, message.Sent)
	w.await(w.send(draft(phone(2), "x")), message.Failed)
	w.says(phone(1), "hello")
	w.store.Shift(24 * time.Hour)
	w.kill()
	w.report(id, 1, 1, message.Delivered)
	w.report(id, 1, 2, message.Failed)
	w.report(id, 1, 2, message.Failed)
	w.report(id, 1, 2, message.Delivered)
	list, err := report.Of(t.Context(), w.store, w.alice.ID, first, first+1)
	w.must(err)
	price := w.message(id).Price
	want := []report.Usage{
		{Account: w.alice.ID, Day: first, Channel: w.channel, Kind: message.SMS, Counts: report.Counts{Accepted: 2, Parts: 3, Sent: 1, Failed: 1, Inbound: 1, Charged: price}},
		{Account: w.alice.ID, Day: first + 1, Channel: w.channel, Kind: message.SMS, Counts: report.Counts{Delivered: 1, Failed: 1}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	checkUsage(t, w.store, true, w.alice.ID)
	if list, err := report.Of(t.Context(), w.store, w.alice.ID, first+2, first+9); len(list) > 0 || err != nil {
		t.Errorf("later days have %+v (%v)", list, err)
	}
	more := true
	for shares := 0; more; shares++ {
		w.write(func(tx *store.Tx) (err error) {
			more, err = report.Drop(tx, tx.Now())
			return err
		})
	}
	if list, err := report.Of(t.Context(), w.store, w.alice.ID, 0, first+9); len(list) != 1 || list[0].Day != first+1 || err != nil {
		t.Errorf("after retention there is %+v (%v)", list, err)
	}
}
