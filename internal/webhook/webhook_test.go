package webhook

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestEventIsPostedAndSigned(t *testing.T) {
	t.Parallel()
	s, c := start(t), newCustomer(t, nil)
	e, secret := s.endpoint(Endpoint{URL: c.URL, Ordered: true, Events: []string{"message.sent", "message.delivered"}})
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != len("whsec_")+44 {
		t.Errorf("secret %q", secret)
	}
	subject := s.store.NewID()
	s.happen(alice, subject, 1, event.Retrying, event.Sent, event.Unknown, event.Delivered)
	s.delivery(e, subject, 4, is(Delivered))
	posts := c.got()
	if len(posts) != 2 {
		t.Fatalf("%d posts, want 2", len(posts))
	}
	for i, p := range posts {
		verify(t, secret, p)
		want := post{Subject: id.Of[any](subject).String(), Account: alice.String(), Attempt: 1}
		if p.Subject != want.Subject || p.Account != want.Account || p.Attempt != 1 || p.Data.ID != subject {
			t.Errorf("post %d: %s", i, p.Body)
		}
	}
	if posts[0].Seq != 2 || posts[0].Previous != 0 || posts[1].Seq != 4 || posts[1].Previous != 2 || posts[1].Type != "message.delivered" {
		t.Errorf("posts %s and %s", posts[0].Body, posts[1].Body)
	}
	if posts[0].ID == posts[1].ID {
		t.Error("two events have one id")
	}
	if n, err := s.Waiting(t.Context(), alice, e.ID); n != 0 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
}

func TestNobodyIsToldWhatTheyDidNotAskFor(t *testing.T) {
	t.Parallel()
	s, c := start(t), newCustomer(t, nil)
	s.happen(alice, 1, 1, event.Sent) // before there was an endpoint
	e, _ := s.endpoint(Endpoint{URL: c.URL, Events: []string{"recipient.*"}})
	stopped, _ := s.endpoint(Endpoint{URL: c.URL})
	inactive := false
	if _, err := s.Update(t.Context(), tester, alice, stopped.ID, Change{Active: &inactive}); err != nil {
		t.Fatal(err)
	}
	s.happen(bob, 2, 1, event.OptedOut)
	s.happen(alice, 3, 1, event.Sent, event.Delivered)
	s.happen(alice, 4, 1, event.OptedOut)
	s.delivery(e, 4, 1, is(Delivered))
	if got := c.got(); len(got) != 1 || got[0].Type != "recipient.opted_out" || got[0].Data.ID != 4 {
		t.Errorf("got %d posts: %s", len(got), c.story())
	}
}

func TestFailingEventHoldsBackTheNextOnes(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if p.Data.ID == 1 && down.Load() {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent)
	s.delivery(e, 1, 1, tries(1))
	s.happen(alice, 1, 2, event.Delivered, event.Read)
	s.happen(alice, 2, 1, event.Sent, event.Delivered)
	s.delivery(e, 2, 2, is(Delivered))
	s.delivery(e, 1, 3, is(Pending)) // shown, and not tried
	s.store.Shift(7 * time.Second)
	s.delivery(e, 1, 1, tries(2))
	s.happen(alice, 1, 4, event.Failed)
	down.Store(false)
	s.store.Shift(7 * time.Minute)
	s.delivery(e, 1, 4, is(Delivered))
	var story []string
	for _, p := range c.got() {
		if p.Data.ID == 1 {
			story = append(story, fmt.Sprintf("%d#%d:%d<%d", p.Seq, p.Attempt, p.Status, p.Previous))
		}
	}
	if got, want := strings.Join(story, " "), "1#1:500<0 1#2:500<0 1#3:200<0 2#1:200<1 3#1:200<2 4#1:200<3"; got != want {
		t.Errorf("story %s, want %s", got, want)
	}
	ids := map[string]bool{}
	for _, p := range c.got() {
		if p.Data.ID == 1 && p.Seq == 1 {
			ids[p.ID] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("one event had the ids %v", ids)
	}
}

func TestUnorderedEventsDoNotWait(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if p.Seq == 1 {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	s.delivery(e, 1, 1, tries(1))
	s.delivery(e, 1, 2, is(Delivered))
}

// TestTriesEnd lives through the whole schedule: ten tries, then the delivery has failed and the next event goes.
func TestTriesEnd(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if p.Seq == 1 {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	for n := 1; n < len(schedule); n++ {
		d := s.delivery(e, 1, 1, tries(n))
		wait, base := d.Due.Sub(d.Tried), schedule[n]
		if wait < base*8/10-time.Second || wait > base*12/10+time.Second {
			t.Errorf("after try %d it waits %v, want %v", n, wait, base)
		}
		if d.Status != Pending || d.Code != 500 || d.Error != "the endpoint answered 500" {
			t.Errorf("after try %d: %+v", n, d)
		}
		s.store.Shift(d.Due.Sub(s.store.Now()))
	}
	s.delivery(e, 1, 2, is(Delivered))
	if d := s.delivery(e, 1, 1, tries(10)); d.Status != Failed || !d.Due.IsZero() {
		t.Errorf("at the end: %+v", d)
	}
	if got, want := c.story(), "1#1:500 1#2:500 1#3:500 1#4:500 1#5:500 1#6:500 1#7:500 1#8:500 1#9:500 1#10:500 2#1:200"; got != want {
		t.Errorf("story %s, want %s", got, want)
	}
}

// TestOrderUnderLoad has many subjects at once, an endpoint that fails one time in four, and a clock that runs.
func TestOrderUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if rand.IntN(4) == 0 {
			with([]int{500, 503, 302, 404}[rand.IntN(4)])(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	const subjects, events = 40, 4
	var running sync.WaitGroup
	for i := range subjects {
		running.Go(func() {
			for n := range events {
				s.happen(alice, int64(i+1), n+1, event.Sent)
			}
		})
	}
	running.Wait()
	s.until("all deliveries", func() bool {
		s.store.Shift(20 * time.Second)
		n, err := s.Waiting(t.Context(), alice, e.ID)
		return n == 0 && err == nil
	})
	done := map[int64]int{}
	for _, p := range c.got() {
		if p.Seq > done[p.Data.ID]+1 {
			t.Fatalf("subject %d: event %d came after %d", p.Data.ID, p.Seq, done[p.Data.ID])
		}
		if p.Status == http.StatusOK {
			done[p.Data.ID] = max(done[p.Data.ID], p.Seq)
		}
	}
	for i := range subjects {
		if done[int64(i+1)] != events {
			t.Errorf("subject %d ended at event %d", i+1, done[int64(i+1)])
		}
	}
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, status := range []int{301, 302, 307, 400, 404, 500} {
		c := newCustomer(t, func(w http.ResponseWriter, p *post) {
			w.Header().Set("Location", "/elsewhere")
			with(status)(w, p)
		})
		e, _ := s.endpoint(Endpoint{URL: c.URL})
		s.happen(alice, int64(i+1), 1, event.Sent)
		if d := s.delivery(e, int64(i+1), 1, tries(1)); d.Status != Pending || d.Code != status {
			t.Errorf("%d: %+v", status, d)
		}
		if n := len(c.got()); n != 1 {
			t.Errorf("%d: %d posts", status, n)
		}
	}
	c := newCustomer(t, with(http.StatusNoContent))
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	s.happen(alice, 100, 1, event.Sent)
	s.delivery(e, 100, 1, is(Delivered))
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	s, c := start(t), newCustomer(t, with(http.StatusGone))
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	s.delivery(e, 1, 1, is(Failed))
	if d := s.delivery(e, 1, 2, is(Failed)); d.Tries != 0 || d.Error != "the endpoint is not active" {
		t.Errorf("the next delivery: %+v", d)
	}
	now, err := s.Get(t.Context(), alice, e.ID)
	if err != nil || now.Active || now.Reason != "the endpoint answered 410 Gone" {
		t.Errorf("endpoint %+v, %v", now, err)
	}
	s.happen(alice, 1, 3, event.Read)
	if got := c.story(); got != "1#1:410" {
		t.Errorf("story %s", got)
	}
	entries, _, err := audit.List(t.Context(), s.store, audit.Filter{Account: alice, Limit: 10})
	if err != nil || entries[0].Action != "webhook.disable" || entries[0].Actor != audit.System {
		t.Errorf("audit %+v, %v", entries, err)
	}
}

func TestThrottlingPausesTheLane(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if p.Data.ID == 1 && p.Attempt == 1 {
			w.Header().Set("Retry-After", "600")
			with(http.StatusTooManyRequests)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent)
	d := s.delivery(e, 1, 1, tries(1))
	if wait := d.Due.Sub(d.Tried); wait < 599*time.Second || wait > 601*time.Second {
		t.Errorf("it waits %v, as long as it was asked to", wait)
	}
	s.happen(alice, 2, 1, event.Sent, event.Delivered)
	s.delivery(e, 2, 1, is(Pending)) // held back: no try was used up
	if n := len(c.got()); n != 1 {
		t.Errorf("%d posts while the lane is paused", n)
	}
	s.store.Shift(11 * time.Minute)
	s.delivery(e, 2, 2, is(Delivered))
	s.delivery(e, 1, 1, is(Delivered))
	for _, p := range c.got() {
		if p.Data.ID == 2 && p.Attempt != 1 {
			t.Errorf("the pause used up a try: %s", c.story())
		}
	}
}

func TestBreakerOpensAndUsesNoTries(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if down.Load() {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	for i := range 10 {
		s.happen(alice, int64(i+1), 1, event.Sent)
		s.delivery(e, int64(i+1), 1, tries(1))
	}
	s.happen(alice, 50, 1, event.Sent, event.Delivered)
	s.delivery(e, 50, 1, is(Pending))
	if n := len(c.got()); n != 10 {
		t.Errorf("%d posts, want 10 and then none", n)
	}
	s.store.Shift(31 * time.Second) // one probe fails
	s.until("the probe", func() bool { return len(c.got()) == 11 })
	down.Store(false)
	s.store.Shift(61 * time.Second) // the next one does not
	s.delivery(e, 50, 2, func(d Delivery) bool {
		s.store.Shift(100 * time.Millisecond) // who met the open breaker pauses
		return d.Status == Delivered
	})
	s.store.Shift(7 * time.Minute) // what was the probe is due again
	if d := s.delivery(e, 50, 1, is(Delivered)); d.Tries > 2 {
		t.Errorf("the breaker used up tries: %+v", d)
	}
	for i := range 10 {
		if d := s.delivery(e, int64(i+1), 1, is(Delivered)); d.Tries > 3 {
			t.Errorf("the breaker used up tries: %+v", d)
		}
	}
}

func TestOnlyFailuresForDaysDisable(t *testing.T) {
	t.Parallel()
	s, c := start(t), newCustomer(t, with(http.StatusInternalServerError))
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	for i, shift := range []time.Duration{0, 2 * time.Hour, 100 * time.Hour, 20 * time.Hour} {
		if now, err := s.Get(t.Context(), alice, e.ID); err != nil || !now.Active {
			t.Fatalf("disabled before step %d, %v", i, err)
		}
		s.store.Shift(shift)
		s.happen(alice, int64(i+1), 1, event.Sent)
		if i < 3 { // the last may find the endpoint disabled by the retry of an earlier one
			s.delivery(e, int64(i+1), 1, func(d Delivery) bool { return d.Tries >= 1 || d.Status == Failed })
		}
	}
	s.until("the end", func() bool {
		now, err := s.Get(t.Context(), alice, e.ID)
		return err == nil && !now.Active && now.Reason == "no post was taken for 120 hours"
	})
	active := true
	if now, err := s.Update(t.Context(), tester, alice, e.ID, Change{Active: &active}); err != nil || !now.Active {
		t.Errorf("%+v, %v", now, err)
	}
	if now, err := s.Get(t.Context(), alice, e.ID); err != nil || !now.Active || now.Reason != "" {
		t.Errorf("made active again: %+v, %v", now, err)
	}
}

// deaf never learns what its endpoint answered.
type deaf struct {
	native
	end chan struct{}
}

func (d deaf) Success(status int, response []byte) bool {
	<-d.end
	return d.native.Success(status, response)
}

// TestCrashAfterSuccess kills the server between the endpoint's 200 and the commit: the event is posted again, under the
// same id, and its successor still comes after it.
func TestCrashAfterSuccess(t *testing.T) {
	t.Parallel()
	c, life := newCustomer(t, nil), storetest.NewLife(t)
	end := make(chan struct{})
	first := startOn(t, life.Options, map[string]Dialect{"d": deaf{end: end}})
	e, secret := first.endpoint(Endpoint{URL: c.URL, Ordered: true, Dialect: "d"})
	first.happen(alice, 1, 1, event.Sent)
	first.until("the post", func() bool { return len(c.got()) == 1 })
	first.happen(alice, 1, 2, event.Delivered)
	life.Kill(first.store)
	first.killed = true
	close(end)
	first.stop()
	before := len(c.got())
	c.mu.Lock()
	once := c.posts[0]
	c.mu.Unlock()

	second := startOn(t, life.Options, map[string]Dialect{"d": native{}})
	second.delivery(e, 1, 2, is(Delivered))
	again := c.got()[before:]
	if len(again) != 2 || again[0].Seq != 1 || again[1].Seq != 2 {
		t.Fatalf("after the crash: %s", c.story())
	}
	if again[0].ID != once.ID || !bytes.Equal(again[0].Body, once.Body) {
		t.Errorf("the same event came as %s %s and as %s %s", once.ID, once.Body, again[0].ID, again[0].Body)
	}
	verify(t, secret, again[0])
}

func TestReplayOfWhatIsDone(t *testing.T) {
	t.Parallel()
	var answer atomic.Int64
	answer.Store(200)
	c := newCustomer(t, func(w http.ResponseWriter, p *post) { with(int(answer.Load()))(w, p) })
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	d := s.delivery(e, 1, 1, is(Delivered))
	s.delivery(e, 1, 2, is(Delivered))
	if err := s.replay(bob, e.ID, d.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("someone else replayed it: %v", err)
	}
	answer.Store(500)
	if err := s.replay(alice, e.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	if d := s.delivery(e, 1, 1, tries(2)); d.Status != Delivered || d.Code != 500 {
		t.Errorf("a failed replay left %+v", d)
	}
	if err := s.replay(alice, e.ID, d.ID); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("two replays at once: %v", err)
	}
	s.happen(alice, 1, 3, event.Read) // does not wait for a replay
	s.until("the next event", func() bool { return strings.HasSuffix(c.story(), "3#1:500") })
	answer.Store(200)
	s.store.Shift(7 * time.Second)
	s.delivery(e, 1, 1, tries(3))
	if err := s.replay(alice, e.ID, d.ID); err != nil {
		t.Error(err)
	}
	s.delivery(e, 1, 1, tries(4))
	ids := map[string]int{}
	for _, p := range c.got() {
		if p.Seq == 1 {
			ids[p.ID]++
		}
	}
	if len(ids) != 1 {
		t.Errorf("one event had the ids %v", ids)
	}
}

func TestReplayOfWhatIsOpenHurriesIt(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if !up.Load() {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	s.delivery(e, 1, 1, tries(1))
	s.delivery(e, 1, 2, is(Pending))
	s.store.Shift(7 * time.Second)
	d := s.delivery(e, 1, 1, tries(2)) // the next try is minutes away
	s.until("the next event to wait", func() bool { return s.delivery(e, 1, 2, is(Pending)).Due.Sub(s.store.Now()) > time.Minute })
	up.Store(true)
	if err := s.replay(alice, e.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	s.delivery(e, 1, 2, is(Delivered))
	if got, want := c.story(), "1#1:500 1#2:500 1#3:200 2#1:200"; got != want {
		t.Errorf("story %s, want %s", got, want)
	}
}

func TestResponseIsClippedAndCleaned(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		with(http.StatusBadRequest)(w, p)
		_, _ = w.Write([]byte("no\x00\x1b[31m \xff Authorization: Bearer abcdefghijkl whsec_" + strings.Repeat("A", 44) + " td_live_x9 "))
		chunk := []byte(strings.Repeat("é", 1<<15))
		for range 1 << 15 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	s.happen(alice, 1, 1, event.Sent)
	d := s.delivery(e, 1, 1, tries(1))
	if len(d.Response) > maxResponse+16 || !strings.HasPrefix(d.Response, "no[31m \uFFFD Authorization: ••• ••• ••• é") {
		t.Errorf("%d bytes kept: %.120q", len(d.Response), d.Response)
	}
}

func TestSilentEndpointFails(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(http.ResponseWriter, *post) { time.Sleep(4 * time.Second) })
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	s.happen(alice, 1, 1, event.Sent)
	if d := s.delivery(e, 1, 1, tries(1)); d.Error != "no answer in time" || d.Code != 0 {
		t.Errorf("%+v", d)
	}
}

func TestDeletedEndpointIsNotPostedTo(t *testing.T) {
	t.Parallel()
	s, c := start(t), newCustomer(t, with(http.StatusInternalServerError))
	e, _ := s.endpoint(Endpoint{URL: c.URL, Ordered: true})
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	s.delivery(e, 1, 1, tries(1))
	s.delivery(e, 1, 2, is(Pending))
	if err := s.Delete(t.Context(), tester, alice, e.ID); err != nil {
		t.Fatal(err)
	}
	s.store.Shift(7 * time.Second)
	s.until("its jobs to end", func() bool {
		n, err := s.queue.Waiting(t.Context(), laneOf(e.ID))
		return n == 0 && err == nil
	})
	if n := len(c.got()); n != 1 {
		t.Errorf("%d posts", n)
	}
	if _, _, err := s.Deliveries(t.Context(), alice, e.ID, "", 0, 10); !fault.Is(err, fault.NotHere) {
		t.Errorf("its deliveries are still shown: %v", err)
	}
	s.drop(2) // nothing of it stays open for ever
}

// drop expects so many deliveries to be old enough to go.
func (s *server) drop(want int) {
	s.t.Helper()
	var n int
	err := s.store.Write(func(tx *store.Tx) (err error) {
		n, err = s.DropDeliveries(tx, tx.Now().Add(time.Second))
		return err
	})
	if err != nil || n != want {
		s.t.Errorf("dropped %d, want %d; %v", n, want, err)
	}
}

func TestRetentionSparesWhatIsOpen(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, func(w http.ResponseWriter, p *post) {
		if p.Data.ID == 1 {
			with(http.StatusInternalServerError)(w, p)
		}
	})
	s := start(t)
	e, _ := s.endpoint(Endpoint{URL: c.URL})
	s.happen(alice, 1, 1, event.Sent)
	s.happen(alice, 2, 1, event.Sent)
	s.delivery(e, 1, 1, tries(1))
	s.delivery(e, 2, 1, is(Delivered))
	s.drop(1)
	s.drop(0)
	if list := s.deliveries(e); len(list) != 1 || list[0].Subject != 1 {
		t.Errorf("kept %+v", list)
	}
	for subject, want := range map[int64]bool{1: true, 2: false} {
		if owes, err := s.Owes(t.Context(), subject, subject+1); err != nil || owes != want {
			t.Errorf("something is to be told of %d: %v, %v", subject, owes, err)
		}
	}
}
