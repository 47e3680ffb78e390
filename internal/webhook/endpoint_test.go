package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
)

func TestEndpointsAreKept(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, url := t.Context(), "http://127.0.0.1:9/hook"
	a, _ := s.endpoint(Endpoint{URL: url, Events: []string{"message.*", "recipient.opted_out"}, Description: "shop", Ordered: true})
	b, _ := s.endpoint(Endpoint{URL: url})
	s.endpoint(Endpoint{URL: url, Account: bob})

	list, err := s.List(ctx, alice, 0, 10)
	if err != nil || len(list) != 2 || list[0].ID != b.ID || list[1].ID != a.ID {
		t.Fatalf("list %+v, %v", list, err)
	}
	if list, err = s.List(ctx, alice, b.ID, 10); err != nil || len(list) != 1 || list[0].ID != a.ID {
		t.Errorf("second page %+v, %v", list, err)
	}
	got, err := s.Get(ctx, alice, a.ID)
	if err != nil || got.URL != url || strings.Join(got.Events, " ") != "message.* recipient.opted_out" || got.Description != "shop" ||
		!got.Ordered || !got.Active || got.Dialect != Native {
		t.Errorf("got %+v, %v", got, err)
	}
	description, unordered := "till", false
	if _, err := s.Update(ctx, tester, alice, a.ID, Change{Description: &description, Ordered: &unordered}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Get(ctx, alice, a.ID); err != nil || got.Description != "till" || got.Ordered || got.URL != url {
		t.Errorf("updated %+v, %v", got, err)
	}
	if err := s.Delete(ctx, tester, alice, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, alice, a.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("deleted: %v", err)
	}
	entries, _, err := audit.List(ctx, s.store, audit.Filter{Account: alice, Limit: 10})
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	if got, want := strings.Join(actions, " "), "webhook.delete webhook.update webhook.create webhook.create"; got != want || err != nil {
		t.Errorf("audit %s, want %s; %v", got, want, err)
	}
}

func TestEndpointsOfOthersAreUnknown(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := t.Context()
	e, _ := s.endpoint(Endpoint{URL: "http://127.0.0.1:9/"})
	_, get := s.Get(ctx, bob, e.ID)
	_, update := s.Update(ctx, tester, bob, e.ID, Change{})
	_, _, deliveries := s.Deliveries(ctx, bob, e.ID, "", 0, 10)
	_, waiting := s.Waiting(ctx, bob, e.ID)
	for what, err := range map[string]error{
		"get": get, "update": update, "delete": s.Delete(ctx, tester, bob, e.ID), "deliveries": deliveries, "waiting": waiting,
		"replay": s.replay(bob, e.ID, 7),
	} {
		if !fault.Is(err, fault.NotHere) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Get(ctx, alice, e.ID); err != nil {
		t.Error(err)
	}
}

func TestBadEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	good := Endpoint{Account: alice, URL: "http://127.0.0.1:9/", Events: []string{"*"}}
	for name, row := range map[string]struct {
		spoil func(*Endpoint)
		want  fault.Code
		field string
	}{
		"inside":      {func(e *Endpoint) { e.URL = "http://10.0.0.1/" }, fault.URLNotAllowed, "url"},
		"metadata":    {func(e *Endpoint) { e.URL = "http://169.254.169.254/" }, fault.URLNotAllowed, "url"},
		"scheme":      {func(e *Endpoint) { e.URL = "file:///etc/passwd" }, fault.URLNotAllowed, "url"},
		"no events":   {func(e *Endpoint) { e.Events = nil }, fault.MissingField, "events"},
		"odd event":   {func(e *Endpoint) { e.Events = []string{"*", "message.eaten"} }, fault.InvalidField, "events[1]"},
		"odd family":  {func(e *Endpoint) { e.Events = []string{"mess*"} }, fault.InvalidField, "events[0]"},
		"empty":       {func(e *Endpoint) { e.Events = []string{""} }, fault.InvalidField, "events[0]"},
		"description": {func(e *Endpoint) { e.Description = strings.Repeat("x", 501) }, fault.InvalidField, "description"},
		"dialect":     {func(e *Endpoint) { e.Dialect = "klingon" }, fault.InvalidField, "dialect"},
	} {
		e := good
		row.spoil(&e)
		_, _, err := s.create(e)
		if !fault.Is(err, row.want) || fault.Of(err).Field != row.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := s.List(t.Context(), alice, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("stored %+v, %v", list, err)
	}
	e, _ := s.endpoint(good)
	inside := "http://10.0.0.1/"
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{URL: &inside}); !fault.Is(err, fault.URLNotAllowed) {
		t.Errorf("update: %v", err)
	}
	for range perAccount - 1 {
		s.endpoint(good)
	}
	if _, _, err := s.create(good); !fault.Is(err, fault.InvalidField) {
		t.Errorf("one too many: %v", err)
	}
}

func TestSecretIsSealed(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, secret := s.endpoint(Endpoint{URL: "http://127.0.0.1:9/"})
	var sealed string
	if err := s.store.Reader().QueryRowContext(t.Context(), "SELECT secret FROM webhook").Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, strings.TrimPrefix(secret, "whsec_")) || len(sealed) < 60 {
		t.Errorf("the row holds %q", sealed)
	}
}

func TestRetryAfterIsHeldInBounds(t *testing.T) {
	now := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "99999999999999999999": 0, "999999": 24 * time.Hour,
		now.Add(time.Hour).Format(http.TimeFormat): time.Hour, now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		if got := retryAfterOf(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for range 100 {
		if wait, ok := after(1, 0); !ok || wait < 4*time.Second || wait > 6*time.Second {
			t.Fatalf("after one try %v", wait)
		}
		if wait, _ := after(2, time.Second); wait < 4*time.Minute {
			t.Fatalf("a short Retry-After made it %v", wait)
		}
		if wait, _ := after(1, 48*time.Hour); wait != 24*time.Hour {
			t.Fatalf("a long Retry-After made it %v", wait)
		}
	}
	if _, ok := after(10, 0); ok {
		t.Error("there is an eleventh try")
	}
}

func TestGate(t *testing.T) {
	now := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
	g := &gate{}
	for i := range 30 { // seven of ten fail
		o := failure
		if i%10 < 3 {
			o = success
		}
		if probe, wait := g.enter(now); wait > 0 || probe {
			if i < 9 {
				t.Fatalf("shut after %d posts", i)
			}
			break
		}
		g.leave(now, false, o)
	}
	wait := firstProbe
	for range 8 { // probes at 30 s, 1, 2, 4, 8, 15, 15 minutes
		if _, left := g.enter(now.Add(wait - time.Second)); left <= 0 {
			t.Fatalf("open a second before %v", wait)
		}
		now = now.Add(wait)
		probe, left := g.enter(now)
		if !probe || left != 0 {
			t.Fatalf("no probe after %v", wait)
		}
		if _, left := g.enter(now); left <= 0 {
			t.Fatal("two probes at once")
		}
		g.leave(now, false, success) // a post from before
		g.leave(now, true, failure)
		wait = min(2*wait, lastProbe)
	}
	now = now.Add(wait)
	if probe, _ := g.enter(now); !probe {
		t.Fatal("no last probe")
	}
	g.leave(now, true, success)
	if probe, left := g.enter(now); probe || left != 0 {
		t.Error("shut after a good probe")
	}
}

func TestGateBearsSomeFailures(t *testing.T) {
	now := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
	g := &gate{}
	for i := range 3000 {
		now = now.Add(time.Second)
		o := success
		if i%5 < 3 {
			o = failure // six of ten
		}
		g.leave(now, false, o)
	}
	for range 9 {
		now = now.Add(10 * time.Minute) // too few in any five minutes
		g.leave(now, false, failure)
	}
	if left := g.wait(now); left != 0 {
		t.Errorf("shut for %v", left)
	}
}

func TestTickets(t *testing.T) {
	for _, want := range []ticket{{seq: 1, kind: event.Sent}, {seq: 7, kind: event.OptedIn, replay: 1 << 60, base: 3}} {
		if got, err := readTicket(want.String()); err != nil || got != want {
			t.Errorf("%q became %+v, %v", want.String(), got, err)
		}
	}
	for _, bad := range []string{"", "x", "1", "x message.sent", "1 message.sent 2"} {
		if _, err := readTicket(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestMemoryHoldsWholeHistories(t *testing.T) {
	m := &memory{}
	at := func(subject int64, seq int) event.Event {
		return event.Event{Subject: subject, Seq: seq, Account: alice, Kind: event.Sent}
	}
	m.learn([]event.Event{at(1, 1), at(2, 2), at(1, 2), at(1, 4), at(1, 2)})
	if got := m.recall(alice, 1, 2); len(got) != 2 || got[1].Seq != 2 {
		t.Errorf("recalled %+v", got)
	}
	for _, row := range []struct {
		a       account.ID
		subject int64
		seq     int
	}{{alice, 1, 3}, {alice, 2, 2}, {bob, 1, 1}, {alice, 3, 1}} {
		if got := m.recall(row.a, row.subject, row.seq); got != nil {
			t.Errorf("%+v: recalled %+v", row, got)
		}
	}
	for i := range int64(remembered) {
		m.learn([]event.Event{at(10+i, 1)})
	}
	if m.recall(alice, 1, 1) != nil || len(m.of) != remembered {
		t.Errorf("it holds %d subjects", len(m.of))
	}
}
