package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

const day = 24 * time.Hour

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with(gateway.Settings{KeepBodies: day, KeepMessages: 30 * day, KeepAudit: day}))
	later := draft(phone(1), "much later")
	later.ScheduledAt = w.store.Now().Add(60 * day)
	scheduled := w.send(later)
	retry := channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "no"})
	w.network.On(phone(1), retry, retry, w.network.Take)
	old := w.send(draft(phone(2), "old"))
	w.await(old, message.Sent)
	keyed := gateway.Request{Drafts: []message.Draft{draft(phone(3), "x")}, Key: "k"}
	keyed.Drafts[0].Reference = "r"
	reply, err := w.submit(keyed)
	w.must(err)
	w.await(reply.Results[0].Message.ID, message.Sent) // else its validity may end first
	w.must(w.gateway.Receipt(t.Context(), message.Receipt{Channel: w.channel, RemoteID: "nobody's", Status: message.Delivered}))

	w.pass(2 * day)
	w.until(func() bool { return w.message(old).Content.Text == "" }, func() string { return "the old text is still there" })
	young := w.send(draft(phone(4), "young"))
	w.await(young, message.Sent)
	if m := w.message(scheduled); m.Content.Text != "much later" {
		t.Errorf("a text that waits became %q", m.Content.Text)
	}
	w.kill()
	w.pass(31 * day)
	w.until(func() bool { return w.count("message") == 1 }, func() string { return fmt.Sprint(w.count("message"), " messages") })
	w.until(func() bool {
		return w.count("idempotency")+w.count("reference")+w.count("early_receipt")+w.count("audit") == 0
	}, func() string {
		return "the small tables keep what has expired"
	})
	if _, err := w.gateway.Message(t.Context(), w.alice.ID, young); !fault.Is(err, fault.NotHere) {
		t.Errorf("a message past its retention: %v", err)
	}
	if _, err := w.gateway.EventData(t.Context(), event.Event{Subject: int64(young), Kind: event.Sent}); !fault.Is(err, fault.NotHere) {
		t.Errorf("its events: %v", err)
	}
	if n := w.count("part") + w.count("event"); n != 0 {
		t.Errorf("%d parts and events are left", n)
	}
	w.pass(27 * day) // to the schedule
	w.until(func() bool { return w.told(scheduled) == "retrying retrying" || w.told(scheduled) == "retrying" }, func() string { return w.told(scheduled) })
	w.pass(time.Hour)
	w.await(scheduled, message.Sent)
	if out := w.network.Sends(); out[len(out)-1].Text != "much later" {
		t.Errorf("%q went out", out[len(out)-1].Text)
	}
	w.pass(3 * day)
	w.until(func() bool { return w.message(scheduled).Content.Text == "" }, func() string { return "its text is kept too long" })
	w.pass(31 * day)
	w.until(func() bool { return w.count("message") == 0 }, func() string { return "it is kept too long" })
	w.pass(7 * day) // to the end of the last piece of the index of recipients
	w.until(func() bool { return w.count("index_recipient") == 0 }, func() string { return fmt.Sprint(w.count("index_recipient"), " recipients are kept too long") })
	if !storetest.Postgres() {
		w.until(func() bool { return w.count("index_piece") == 0 }, func() string { return "empty pieces of the index are kept" })
	}
	w.wantMoney(4, 0)
}

// pass lets time pass once retention rests, so that it begins anew in another time.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.until(func() bool {
		job, working, err := w.queue.Find(w.t.Context(), 1)
		w.must(err)
		return !working && job.Due.After(w.store.Now())
	}, func() string { return "retention does not rest" })
	w.store.Shift(d)
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []message.ID
	for n := range 12 {
		d := draft(phone(n%2), "x")
		if n%3 > 0 {
			d.ScheduledAt = w.store.Now().Add(time.Hour)
		}
		if n == 5 {
			d.Reference = "five"
		}
		ids = append(ids, w.send(d))
	}
	for n := 0; n < 12; n += 3 {
		w.await(ids[n], message.Sent)
	}
	w.says(phone(0), "hi")
	bob := w.account()
	list := func(f gateway.Filter) (got []int) {
		for {
			page, err := w.gateway.List(t.Context(), w.alice.ID, f)
			w.must(err)
			for _, m := range page.Messages {
				got = append(got, slices.Index(ids, m.ID))
			}
			if f.Before = page.Next; f.Before == 0 {
				return got
			}
		}
	}
	for _, limit := range []int{1, 2, 5, 100} {
		for _, c := range []struct {
			filter gateway.Filter
			want   string
		}{
			{gateway.Filter{}, "[-1 11 10 9 8 7 6 5 4 3 2 1 0]"},
			{gateway.Filter{To: message.Address{Kind: message.Phone, Value: phone(1)}}, "[11 9 7 5 3 1]"},
			{gateway.Filter{Status: message.Sent}, "[9 6 3 0]"},
			{gateway.Filter{Status: message.Scheduled}, "[11 10 8 7 5 4 2 1]"},
			{gateway.Filter{Status: message.Queued}, "[]"},
			{gateway.Filter{Status: message.Received}, "[-1]"},
			{gateway.Filter{Reference: "five"}, "[5]"},
			{gateway.Filter{Direction: message.In}, "[-1]"},
			{gateway.Filter{Direction: message.In, Status: message.Received}, "[-1]"},
			{gateway.Filter{Direction: message.In, Status: message.Sent}, "[]"},
			{gateway.Filter{Direction: message.In, Status: message.Scheduled}, "[]"},
			{gateway.Filter{Direction: message.Out}, "[11 10 9 8 7 6 5 4 3 2 1 0]"},
			{gateway.Filter{Direction: message.Out, Since: ids[4].Time(), Until: ids[9].Time()}, spanned(ids, 4, 9)},
			{gateway.Filter{Direction: message.Out, Status: message.Sent}, "[9 6 3 0]"},
			{gateway.Filter{Direction: message.Out, Status: message.Scheduled}, "[11 10 8 7 5 4 2 1]"},
			{gateway.Filter{Direction: message.Out, Status: message.Received}, "[]"},
			{gateway.Filter{Since: ids[4].Time().Add(time.Hour)}, "[]"},
		} {
			c.filter.Limit = limit
			if got := fmt.Sprint(list(c.filter)); got != c.want {
				t.Errorf("limit %d, %+v: %s, want %s", limit, c.filter, got, c.want)
			}
		}
	}
	for _, f := range []gateway.Filter{{Limit: 10}, {Limit: 10, Direction: message.Out}, {Limit: 10, Status: message.Scheduled}} {
		if list, err := w.gateway.List(t.Context(), bob.ID, f); err != nil || len(list.Messages) != 0 || list.Next != 0 {
			t.Errorf("another account sees %+v, %v", list, err)
		}
	}
	if _, err := w.gateway.List(t.Context(), bob.ID, gateway.Filter{Limit: 10, Direction: message.In, Reference: "five"}); !fault.Is(err, fault.InvalidField) {
		t.Errorf("two filters: %v", err)
	}
	w.store.Shift(time.Hour)
	steps, err := w.gateway.Journey(t.Context(), w.alice.ID, ids[0])
	w.must(err)
	if len(steps) != 3 || steps[0].Name != "accepted" {
		t.Errorf("journey %+v", steps)
	}
}

// spanned is the list of those accepted from the millisecond of one to before that of another.
func spanned(ids []message.ID, from, to int) string {
	list := []int{}
	for n := len(ids) - 1; n >= 0; n-- {
		if at := ids[n].Time(); !at.Before(ids[from].Time()) && at.Before(ids[to].Time()) {
			list = append(list, n)
		}
	}
	return fmt.Sprint(list)
}

// Messages of each status are found by what is stored as that status, so that one that nobody thought of would be missing.
func TestEveryStatusIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	later := draft(phone(1), "x")
	later.ScheduledAt = w.store.Now().Add(time.Hour)
	want := map[message.Status]message.ID{message.Scheduled: w.send(later), message.Queued: w.send(draft(phone(1), "x"))}
	set := func(id message.ID, what string) {
		w.write(func(tx *store.Tx) error {
			_, err := tx.Queries().ExecContext(tx.Context(), what, int64(id))
			return err
		})
	}
	for s := message.Status(1); s <= message.Received; s++ {
		if want[s] != 0 || s.String() == "" {
			continue
		}
		want[s] = w.send(draft(phone(1), "x"))
		switch s {
		case message.Sending:
			set(want[s], "UPDATE job SET owner = 1000000 WHERE id = $1")
		case message.Received:
			set(want[s], fmt.Sprintf("UPDATE message SET status = %d, direction = 2 WHERE id = $1", s))
		default:
			set(want[s], fmt.Sprintf("UPDATE message SET status = %d WHERE id = $1", s))
		}
		if !s.Waiting() {
			set(want[s], "DELETE FROM job WHERE id = $1")
		}
	}
	for s, id := range want {
		page, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Status: s, Limit: 10})
		w.must(err)
		if len(page.Messages) != 1 || page.Messages[0].ID != id || page.Messages[0].Status != s {
			t.Errorf("%s: %+v", s, page.Messages)
		}
	}
	page, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Direction: message.Out, Limit: 100})
	w.must(err)
	if len(page.Messages) != len(want)-1 {
		t.Errorf("%d of %d messages went out", len(page.Messages), len(want)-1)
	}
}

// One that seeks a few among very many that wait turns pages, each of which costs little.
func TestFewAmongManyThatWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	sought := w.send(draft(phone(1), "x"))
	for range 6 {
		drafts := make([]message.Draft, 1000)
		for i := range drafts {
			drafts[i] = draft(phone(i), "later")
			drafts[i].ScheduledAt = w.store.Now().Add(time.Hour)
		}
		_, err := w.submit(gateway.Request{Drafts: drafts})
		w.must(err)
	}
	f := gateway.Filter{Status: message.Queued, Limit: 10}
	page, err := w.gateway.List(t.Context(), w.alice.ID, f)
	w.must(err)
	if len(page.Messages) != 0 || page.Next == 0 {
		t.Fatalf("%d messages, next before %s", len(page.Messages), page.Next)
	}
	f.Before = page.Next
	page, err = w.gateway.List(t.Context(), w.alice.ID, f)
	w.must(err)
	if len(page.Messages) != 1 || page.Messages[0].ID != sought || page.Next != 0 {
		t.Errorf("%+v", page)
	}
}

// sentLongAgo stores messages as if they were sent.
func (w *world) sentLongAgo(count int) {
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, funds, "") })
	w.stop()
	for range count / 1000 {
		drafts := make([]message.Draft, 1000)
		for i := range drafts {
			drafts[i] = draft(phone(i), "old")
		}
		_, err := w.submit(gateway.Request{Drafts: drafts})
		w.must(err)
	}
	w.write(func(tx *store.Tx) error {
		if _, err := tx.Queries().ExecContext(tx.Context(), "DELETE FROM job"); err != nil {
			return err
		}
		_, err := tx.Queries().ExecContext(tx.Context(), "UPDATE message SET status = 11")
		return err
	})
}

func TestRetentionGivesSpaceBack(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("of SQLite alone: it counts its pages")
	}
	w := newWorld(t, with(gateway.Settings{KeepMessages: 30 * day}))
	w.sentLongAgo(4000)
	pages := func() (free, all int) {
		w.must(w.store.Reader().QueryRowContext(t.Context(), "PRAGMA freelist_count").Scan(&free))
		w.must(w.store.Reader().QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&all))
		return free, all
	}
	_, before := pages()
	w.store.Shift(31 * day)
	var from message.ID
	w.must(w.gateway.Retain(t.Context(), &from))
	if free, all := pages(); all > before/2 || free > all/10 {
		t.Errorf("of %d pages %d are there after retention, %d of them free", before, all, free)
	}
}

// What fails keeps nothing else from being done, and all that failed is told.
func TestAChoreThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	var done []string
	for _, name := range []string{"first", "broken", "lame", "last"} {
		w.gateway.Also(func(*store.Tx) (bool, error) {
			done = append(done, name)
			if name == "broken" || name == "lame" {
				return false, errors.New(name)
			}
			return false, nil
		})
	}
	var from message.ID
	err := w.gateway.Retain(t.Context(), &from)
	if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "lame") {
		t.Errorf("it says %v", err)
	}
	for _, name := range []string{"first", "last"} {
		if !slices.Contains(done, name) {
			t.Errorf("%s was not done: %v", name, done)
		}
	}
}

// TestDeletingHoldsNobodyUp measures accepting while retention deletes.
func TestDeletingHoldsNobodyUp(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures time")
	}
	w := newWorld(t, with(gateway.Settings{KeepMessages: 30 * day}))
	const old = 100_000
	w.sentLongAgo(old)
	accept := func(until func() bool) (p99 time.Duration) {
		var took []time.Duration
		for !until() || len(took) < 500 {
			began := time.Now()
			w.send(draft(phone(1), "x"))
			took = append(took, time.Since(began))
			time.Sleep(200 * time.Microsecond)
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	alone := accept(func() bool { return true })
	w.store.Shift(31 * day)
	deleted := make(chan error, 1)
	began := time.Now()
	go func() {
		var from message.ID
		deleted <- w.gateway.Retain(t.Context(), &from)
	}()
	busy := accept(func() bool { return len(deleted) > 0 })
	w.must(<-deleted)
	t.Logf("p99 of accepting: %s alone, %s while %d messages are deleted in %s", alone, busy, old, time.Since(began))
	if n := w.count("message WHERE status = 11"); n != 0 {
		t.Errorf("%d old messages are left", n)
	}
	if busy > 5*alone && busy > 25*time.Millisecond { // the bench has the finer figure
		t.Errorf("accepting took %s at the 99th percentile while old messages were deleted, %s alone", busy, alone)
	}
}
