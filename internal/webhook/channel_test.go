package webhook

import (
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// An endpoint of a channel hears of that channel's messages, when they happen and when it is told again.
func TestAnEndpointOfAChannelHearsOfNoOther(t *testing.T) {
	t.Parallel()
	s := start(t)
	all, one := newCustomer(t, nil), newCustomer(t, nil)
	mine, other := s.store.NewID(), s.store.NewID()
	s.endpoint(Endpoint{URL: all.URL})
	e, _ := s.endpoint(Endpoint{URL: one.URL, Channel: channelOf(mine)})
	if found, ok, err := s.OfChannel(t.Context(), channelOf(mine)); err != nil || !ok || found.ID != e.ID || found.Channel != channelOf(mine) {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
	if _, ok, err := s.OfChannel(t.Context(), channelOf(other)); ok || err != nil {
		t.Errorf("the other channel has one (%v)", err)
	}
	s.happen(alice, other, 1, event.Sent)
	s.happen(alice, mine, 1, event.Sent)
	s.until("all posts", func() bool { return len(all.got()) == 2 && len(one.got()) == 1 })
	err := s.store.Write(func(tx *store.Tx) error {
		_, err := s.StartRun(tx, tester, alice, Run{Endpoint: e.ID, Since: tx.Now().Add(-time.Minute)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.until("the replay", func() bool { return len(one.got()) == 2 })
	for _, p := range one.got() {
		if !strings.Contains(string(p.Body), channelOf(mine).String()) {
			t.Errorf("it heard of %s", p.Body)
		}
	}
}

// tacit tells of nothing but what was read.
type tacit struct{ native }

func (tacit) Request(p Post) (Request, error) {
	if p.Event.Kind != event.Read || !p.Kinds[event.Read] || p.Kinds[event.Failed] {
		return Request{}, ErrNothing
	}
	return native{}.Request(p)
}

func TestWhatADialectHasNoWordsForIsNotPosted(t *testing.T) {
	t.Parallel()
	s := startOn(t, storetest.Options(t), map[string]Dialect{"tacit": tacit{}})
	c := newCustomer(t, nil)
	e, _ := s.endpoint(Endpoint{URL: c.URL, Dialect: "tacit", Events: []string{string(event.Sent), string(event.Delivered), string(event.Read)}, Ordered: true})
	subject := s.store.NewID()
	s.happen(alice, subject, 1, event.Sent, event.Delivered, event.Read)
	s.until("the post", func() bool { return len(c.got()) == 1 })
	for seq := range 3 {
		s.delivery(e, subject, seq+1, is(Delivered))
	}
	if n := len(c.got()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestTheEndpointOfAChannelIsFoundByItsRow(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	if got, want := storetest.Plan(t, storetest.Open(t), webhookOfChannel), "webhook_channel (channel_id=?)"; !strings.Contains(got, want) {
		t.Errorf("done by %s\nwant %s", got, want)
	}
}
