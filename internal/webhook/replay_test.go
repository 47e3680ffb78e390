package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func (s *server) begin(r Run) (begun Run, err error) {
	err = s.store.Write(func(tx *store.Tx) error {
		begun, err = s.StartRun(tx, tester, alice, r)
		return err
	})
	return begun, err
}

// run starts a replay and waits for its end.
func (s *server) run(r Run) Run {
	s.t.Helper()
	begun, err := s.begin(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.until("the replay", func() bool {
		r, err = s.ReadRun(s.t.Context(), alice, r.Endpoint, begun.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		return r.State != RunUnderWay && r.Waiting == 0
	})
	return r
}

// What failed for good is posted again, each subject's events in their order; what was taken is not.
func TestWhatFailedIsReplayed(t *testing.T) {
	t.Parallel()
	s := start(t)
	var up atomic.Bool
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if !up.Load() && p.Data.Status != string(event.Sent) {
			p.Status = http.StatusInternalServerError
			w.WriteHeader(p.Status)
		}
	})
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	since := s.store.Now().Add(-time.Second)
	const subjects = 5
	first := s.store.NewID()
	for i := range int64(subjects) {
		s.happen(alice, first+i, 1, event.Sent, event.Delivered, event.Read)
	}
	for range schedule {
		s.until("tries", func() bool {
			open, _, err := s.Deliveries(t.Context(), alice, e.ID, Pending, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			return len(open) == 0 || open[0].Due.After(s.store.Now())
		})
		s.store.Shift(30 * time.Hour)
	}
	s.until("the end of all tries", func() bool {
		open, _, _ := s.Deliveries(t.Context(), alice, e.ID, Pending, 0, 100)
		failed, _, _ := s.Deliveries(t.Context(), alice, e.ID, Failed, 0, 100)
		taken, _, _ := s.Deliveries(t.Context(), alice, e.ID, Delivered, 0, 100)
		if len(open) > 0 {
			s.store.Shift(time.Hour)
		}
		return len(failed) == 2*subjects && len(taken) == subjects
	})
	up.Store(true)
	active := true
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{Active: &active}); err != nil {
		t.Fatal(err)
	}
	s.store.Shift(since.Add(LongestRun + time.Hour).Sub(s.store.Now()))
	if _, err := s.begin(Run{Endpoint: e.ID, Since: since, Failed: true}); !fault.Is(err, fault.InvalidField) {
		t.Errorf("a replay of what is older than a fortnight: %v", err)
	}
	s.store.Shift(since.Add(LongestRun - time.Hour).Sub(s.store.Now()))
	before := len(c.got())
	r := s.run(Run{Endpoint: e.ID, Since: since, Failed: true})
	s.until("all to be delivered", func() bool {
		taken, _, _ := s.Deliveries(t.Context(), alice, e.ID, Delivered, 0, 100)
		return len(taken) == 3*subjects
	})
	if r.Posted != 2*subjects || r.State != RunDone || r.Ended.IsZero() {
		t.Errorf("the replay is %+v", r)
	}
	last := map[string]int{}
	for _, p := range c.got()[before:] {
		if p.Seq <= last[p.Subject] {
			t.Errorf("of %s event %d comes after %d", p.Subject, p.Seq, last[p.Subject])
		}
		last[p.Subject] = p.Seq
	}
	if again := s.run(Run{Endpoint: e.ID, Since: since, Failed: true}); again.Posted != 0 {
		t.Errorf("a second replay posts %d", again.Posted)
	}
}

// While an endpoint takes nothing, its replay looks less and less often whether it does: each look is a commit.
func TestAReplayRestsWhileItsLaneIsFull(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		p.Status = http.StatusInternalServerError
		w.WriteHeader(p.Status)
	})
	since := s.store.Now().Add(-time.Second)
	first := s.store.NewID()
	for i := range int64(2 * runShare) {
		s.happen(alice, first+i, 1, event.Sent)
	}
	s.store.Shift(time.Second)
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	r, err := s.begin(Run{Endpoint: e.ID, Since: since})
	if err != nil {
		t.Fatal(err)
	}
	s.until("the replay to rest", func() bool {
		var due int64
		if err := s.store.Reader().QueryRowContext(t.Context(), "SELECT due_at FROM job WHERE id = $1", int64(r.ID)).Scan(&due); err != nil {
			t.Fatal(err)
		}
		return due-s.store.Now().UnixMilli() > 4*runPause.Milliseconds()
	})
}

// All that happened is posted, also what came while the endpoint was stopped, under the same ids, and what happens meanwhile does
// not wait behind it. A server that is killed goes on where it was.
func TestAllIsReplayedBesideWhatHappens(t *testing.T) {
	t.Parallel()
	opt := storetest.Options(t)
	s := startOn(t, opt, nil)
	c := newCustomer(t, nil)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true, Events: []string{"message.*"}})
	since := s.store.Now().Add(-time.Second)
	one := s.store.NewID()
	s.happen(alice, one, 1, event.Sent)
	s.until("the first post", func() bool { return len(c.got()) == 1 })
	stopped, active := false, true
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{Active: &stopped}); err != nil {
		t.Fatal(err)
	}
	s.happen(alice, one, 2, event.Delivered)
	const missed = 60
	for i := range int64(missed) {
		s.happen(alice, one+1+i, 1, event.Sent, event.OptedOut)
	}
	if _, err := s.begin(Run{Endpoint: e.ID, Since: since}); !fault.Is(err, fault.InvalidField) {
		t.Errorf("an endpoint that is not active: %v", err)
	}
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{Active: &active}); err != nil {
		t.Fatal(err)
	}
	s.store.Shift(time.Second)
	r, err := s.begin(Run{Endpoint: e.ID, Since: since})
	if err != nil {
		t.Fatal(err)
	}
	s.until("the replay to begin", func() bool { return len(c.got()) > 10 })
	s.stop()
	s = startOn(t, opt, nil)
	s.store.Shift(time.Second)
	live := s.store.NewID()
	s.happen(alice, live, 1, event.Sent)
	s.until("all posts", func() bool {
		r, err = s.ReadRun(t.Context(), alice, e.ID, r.ID)
		return err == nil && r.State == RunDone && r.Waiting == 0
	})
	if r.Posted != missed+2 {
		t.Errorf("%d posts", r.Posted)
	}
	ids := map[string]int{}
	s.until("what happened meanwhile", func() bool {
		for _, p := range c.got() {
			ids[p.ID]++
		}
		return len(ids) == missed+3
	})
	got := c.got()
	if got[0].ID != postID(e.ID, event.Event{Subject: one, Seq: 1}) || ids[got[0].ID] < 2 {
		t.Errorf("the first one is not posted again under its id: %v", ids[got[0].ID])
	}
	for _, p := range got {
		if !strings.HasPrefix(p.Type, "message.") {
			t.Errorf("the endpoint is told of %s", p.Type)
		}
	}
}

func TestReplaysAreAskedForInGoodWords(t *testing.T) {
	t.Parallel()
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: newCustomer(t, nil).URL})
	now := s.store.Now()
	for what, r := range map[string]Run{
		"no time":        {},
		"long ago":       {Since: now.Add(-LongestRun - time.Hour)},
		"to come":        {Since: now.Add(time.Hour)},
		"backwards":      {Since: now.Add(-time.Hour), Until: now.Add(-2 * time.Hour)},
		"an odd pattern": {Since: now.Add(-time.Hour), Kinds: []string{"message.exploded"}},
	} {
		r.Endpoint = e.ID
		if _, err := s.begin(r); fault.Of(err) == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.begin(Run{Endpoint: e.ID + 1, Since: now.Add(-time.Hour)}); !fault.Is(err, fault.NotHere) {
		t.Errorf("an unknown endpoint: %v", err)
	}
	r, err := s.begin(Run{Endpoint: e.ID, Since: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadRun(t.Context(), bob, e.ID, r.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("another's replay: %v", err)
	}
	s.until("the end", func() bool { r, err = s.ReadRun(t.Context(), alice, e.ID, r.ID); return r.State == RunDone })
	s.store.Shift(48 * time.Hour)
	err = s.store.Write(func(tx *store.Tx) error {
		_, err := s.DropRuns(tx, tx.Now().Add(-24*time.Hour))
		return err
	})
	if _, gone := s.ReadRun(t.Context(), alice, e.ID, r.ID); err != nil || !fault.Is(gone, fault.NotHere) {
		t.Errorf("it is kept for ever: %v, %v", err, gone)
	}
}

// An endpoint that says 410 is stopped, and the account's others hear of it.
func TestTheOthersHearOfAStoppedEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t)
	gone, other, bobs := newCustomer(t, with(http.StatusGone)), newCustomer(t, nil), newCustomer(t, nil)
	e, _ := s.endpoint(Endpoint{URL: gone.URL + "/secret-path"})
	s.endpoint(Endpoint{URL: other.URL, Events: []string{"webhook.*"}})
	s.endpoint(Endpoint{Account: bob, URL: bobs.URL})
	s.happen(alice, s.store.NewID(), 1, event.Sent)
	s.until("the notice", func() bool { return len(other.got()) == 1 })
	p := other.got()[0]
	if p.Type != string(event.WebhookDisabled) || p.Subject != e.ID.String() || strings.Contains(string(p.Body), "secret-path") {
		t.Errorf("the other endpoint hears %s", p.Body)
	}
	if len(gone.got()) != 1 || len(bobs.got()) != 0 {
		t.Errorf("%d and %d posts to the others", len(gone.got()), len(bobs.got()))
	}
}

func TestARotatedSecretSignsForItsGrace(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCustomer(t, nil)
	e, first := s.endpoint(Endpoint{URL: c.URL})
	rotate := func(grace time.Duration) (secret string, err error) {
		err = s.store.Write(func(tx *store.Tx) error {
			secret, err = s.Rotate(tx, tester, alice, e.ID, grace)
			return err
		})
		return secret, err
	}
	must := func(secret string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	posted := func() post {
		t.Helper()
		n := len(c.got())
		s.happen(alice, s.store.NewID(), 1, event.Sent)
		s.until("a post", func() bool { return len(c.got()) > n })
		return c.got()[n]
	}
	signatures := func(p post) int { return len(strings.Fields(p.Header.Get("webhook-signature"))) }
	second := must(rotate(24 * time.Hour))
	p := posted()
	verify(t, first, p)
	verify(t, second, p)
	third, fourth := must(rotate(48*time.Hour)), must(rotate(48*time.Hour))
	p = posted()
	verify(t, second, p)
	verify(t, third, p)
	verify(t, fourth, p)
	if n := signatures(p); n != 3 {
		t.Errorf("%d signatures, and three secrets at most are live", n)
	}
	s.store.Shift(25 * time.Hour) // the first would be over, and was the oldest
	s.store.Shift(24 * time.Hour)
	if n := signatures(posted()); n != 1 {
		t.Errorf("%d signatures after the grace", n)
	}
	must(rotate(time.Hour))
	last := must(rotate(0))
	p = posted()
	verify(t, last, p)
	if n := signatures(p); n != 1 {
		t.Errorf("%d signatures without grace", n)
	}
	for _, grace := range []time.Duration{-time.Second, LongestGrace + time.Second} {
		if _, err := rotate(grace); !fault.Is(err, fault.InvalidField) {
			t.Errorf("a grace of %s: %v", grace, err)
		}
	}
	err := s.store.Write(func(tx *store.Tx) error {
		_, err := s.Rotate(tx, tester, bob, e.ID, 0)
		return err
	})
	if !fault.Is(err, fault.NotHere) {
		t.Errorf("another's: %v", err)
	}
	log, _, err := audit.List(t.Context(), s.store, audit.Filter{Account: alice, Limit: 10})
	if err != nil || len(log) != 6 || log[0].Action != "webhook.rotate" {
		t.Errorf("the audit log is %+v, %v", log, err)
	}
}

func TestATestIsPostedAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	good, bad := newCustomer(t, nil), newCustomer(t, func(w http.ResponseWriter, p *post) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprint(w, strings.Repeat("x", 10_000))
	})
	e, secret := s.endpoint(Endpoint{URL: good.URL, Events: []string{"wallet.low"}})
	got, err := s.Test(t.Context(), alice, e.ID)
	if err != nil || !got.OK || got.Status != 200 || got.Error != "" || got.Took <= 0 {
		t.Errorf("%+v, %v", got, err)
	}
	p := good.got()[0]
	verify(t, secret, p)
	if p.Type != testKind || p.Subject != e.ID.String() {
		t.Errorf("posts %s", p.Body)
	}
	b, _ := s.endpoint(Endpoint{URL: bad.URL})
	if got, err = s.Test(t.Context(), alice, b.ID); err != nil || got.OK || got.Status != 418 || got.Error == "" || len(got.Response) != maxResponse {
		t.Errorf("%d %q with %d bytes, %v", got.Status, got.Error, len(got.Response), err)
	}
	if _, err := s.Test(t.Context(), bob, e.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("another's: %v", err)
	}
	if len(s.deliveries(e)) != 0 {
		t.Error("a test is in the log of deliveries")
	}
}

func TestDeliveriesGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		deliveriesInState: "USING INDEX delivery_status (webhook_id=? AND done=? AND id<?)",
		failedDeliveries:  "USING INDEX delivery_status (webhook_id=? AND done=? AND id>? AND id<?)",
		earlierOpen:       "USING INDEX delivery_open (webhook_id=? AND subject=? AND seq<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
