package webhook

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// asking posts by GET, in the style that its endpoint has.
type asking struct{ native }

func (asking) Request(p Post) (Request, error) {
	return Request{Method: http.MethodGet, Query: url.Values{"style": {p.Style}, "kind": {string(p.Event.Kind)}}}, nil
}

// asked is a receiver that notes what it is asked for.
type asked struct{ heard chan string }

func (a asked) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	a.heard <- r.Method + " " + r.URL.RawQuery
}

func TestAnEndpointOfARuleHearsWhatItIsFedOnly(t *testing.T) {
	t.Parallel()
	s := startOn(t, storetest.Options(t), map[string]Dialect{"asking": asking{}})
	all, fed := newCustomer(t, nil), asked{make(chan string, 10)}
	address := serve(t, fed)
	s.endpoint(Endpoint{URL: all.URL})
	rules := Rules{s.Webhooks, "asking"}
	var e Endpoint
	err := s.store.Write(func(tx *store.Tx) error {
		if _, _, err := (Rules{s.Webhooks, "no such"}).Open(tx, tester, alice, 8, address, "get", nil); !fault.Is(err, fault.NotSupported) {
			t.Errorf("by a dialect that there is not: %v", err)
		}
		made, _, err := rules.Open(tx, tester, alice, 7, address+"/?a=1", "get", []event.Kind{event.Received})
		e = Endpoint{ID: EndpointID(made), Account: alice}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	subject := s.store.NewID()
	s.happen(alice, subject, 1, event.Received)
	s.until("the post to the other", func() bool { return len(all.got()) == 1 })
	feed := func(want bool) {
		t.Helper()
		err := s.store.Write(func(tx *store.Tx) error {
			taken, err := rules.Feed(tx, int64(e.ID), []event.Event{{Subject: subject, Seq: 1, Account: alice, Kind: event.Received, At: tx.Now()}})
			if taken != want {
				t.Errorf("taken: %v", taken)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	feed(true)
	if got := <-fed.heard; got != "GET a=1&kind=message.received&style=get" {
		t.Error(got)
	}
	s.delivery(e, subject, 1, is(Delivered))
	if n := len(fed.heard); n != 0 {
		t.Errorf("%d posts more", n)
	}

	off, elsewhere := false, "https://example.com/"
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{URL: &elsewhere}); !fault.Is(err, fault.StillUsed) {
		t.Errorf("it leads elsewhere: %v", err)
	}
	if err := s.Delete(t.Context(), tester, alice, e.ID); !fault.Is(err, fault.StillUsed) {
		t.Errorf("it is deleted: %v", err)
	}
	err = s.store.Write(func(tx *store.Tx) error {
		_, err := s.StartRun(tx, tester, alice, Run{Endpoint: e.ID, Since: tx.Now().Add(-1)})
		return err
	})
	if !fault.Is(err, fault.InvalidField) {
		t.Errorf("all is posted again: %v", err)
	}
	if _, err := s.Update(t.Context(), tester, alice, e.ID, Change{Active: &off}); err != nil {
		t.Fatal(err)
	}
	feed(false)
	if err := s.store.Write(func(tx *store.Tx) error {
		return rules.Point(tx, tester, alice, int64(e.ID), address+"/b", "other")
	}); err != nil {
		t.Fatal(err)
	}
	feed(true)
	if got := <-fed.heard; got != "GET kind=message.received&style=other" {
		t.Error(got)
	}
	if err := s.store.Write(func(tx *store.Tx) error { return rules.Close(tx, tester, alice, int64(e.ID)) }); err != nil {
		t.Fatal(err)
	}
	feed(false)
}

func TestAPushIsMadeAtOnceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := startOn(t, storetest.Options(t), map[string]Dialect{"asking": asking{}})
	fed := asked{make(chan string, 1)}
	address := serve(t, fed)
	got, err := s.Push(t.Context(), Endpoint{Account: alice, URL: address, Dialect: "asking", Style: "x"}, event.Event{Kind: event.Received}, []byte("{}"))
	if err != nil || !got.OK || got.Status != 200 || <-fed.heard != "GET kind=message.received&style=x" {
		t.Errorf("%+v, %v", got, err)
	}
	refusing := newCustomer(t, with(500))
	if got, err := s.Push(t.Context(), Endpoint{Account: alice, URL: refusing.URL}, event.Event{Kind: event.Received}, []byte("{}")); err != nil || got.OK || got.Status != 500 {
		t.Errorf("refused: %+v, %v", got, err)
	}
	for _, bad := range []string{"http://10.0.0.1/", "ftp://example.com/", "https://169.254.169.254/latest"} {
		if _, err := s.Push(t.Context(), Endpoint{Account: alice, URL: bad}, event.Event{}, nil); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if list, err := s.List(t.Context(), alice, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if plan := storetest.Plan(t, s.store, countWebhooks); !storetest.Postgres() && !strings.Contains(plan, "account_id=?") {
		t.Error(plan)
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
