package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/notify"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice, bob account.ID = 1 << 40, 2 << 40

// post is a mail server: it takes mail, or says why not.
type post struct {
	mu    sync.Mutex
	err   error
	tried int
	mails []mail.Message
}

func (p *post) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried++
	if p.err == nil {
		p.mails = append(p.mails, m)
	}
	return p.err
}

func (p *post) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *post) got() (mails []mail.Message, tried int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mails, p.tried
}

// server is as much of one as mail needs.
type server struct {
	*notify.Notifier
	t     *testing.T
	store *store.Store
	queue *queue.Queue
	log   *event.Log
	post  *post
	stop  func()
}

func start(t *testing.T, opt store.Options, p *post) *server {
	t.Helper()
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	q, log := queue.New(s, quiet), event.New(s)
	n := notify.New(notify.Config{Store: s, Queue: q, Events: log, Sender: p, Operator: "operator@example.com", Log: quiet})
	log.FollowedBy(n)
	if err := q.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx, ctx) })
	stop := sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = s.Close()
	})
	t.Cleanup(stop)
	return &server{n, t, s, q, log, p, stop}
}

func (s *server) write(f func(tx *store.Tx) error) {
	s.t.Helper()
	if err := s.store.Write(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) wish(a account.ID, w notify.Wishes) {
	s.t.Helper()
	s.write(func(tx *store.Tx) error { return s.Set(tx, audit.System, a, w) })
}

func (s *server) happen(n event.Notice) {
	s.t.Helper()
	s.write(func(tx *store.Tx) error { return s.log.Notice(tx, n) })
}

// mails waits until no mail waits to be sent, and returns to whom they went, about what.
func (s *server) mails() string {
	s.t.Helper()
	s.until(func() bool { n, err := s.queue.Waiting(s.t.Context(), "mail"); return err == nil && n == 0 })
	var told []string
	mails, _ := s.post.got()
	for _, m := range mails {
		told = append(told, m.To+" "+strings.TrimPrefix(m.Subject, "Tidings: "))
	}
	return strings.Join(told, "\n")
}

func (s *server) until(ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("waited in vain")
		}
	}
}

func low(a account.ID) event.Notice {
	return event.Notice{Account: a, Subject: int64(a), Kind: event.WalletLow, Data: event.Wallet{Balance: 1_500_000, Threshold: 2_000_000, Currency: "KES"}}
}

func TestWhoWishesItGetsMail(t *testing.T) {
	t.Parallel()
	s := start(t, storetest.Options(t), &post{})
	s.wish(alice, notify.Wishes{Emails: []string{"alice@example.com"}, Kinds: []string{"wallet.*", "webhook.disabled"}})
	s.happen(low(alice))
	s.happen(low(bob))
	s.happen(event.Notice{Account: alice, Subject: 5, Kind: event.KeyExpiring, Data: event.Key{Name: "shop"}})
	s.happen(event.Notice{Account: bob, Subject: 6, Kind: event.ChannelDown, Data: event.Channel{Name: "acme", Shared: true, Reason: "refused"}})
	s.happen(event.Notice{Account: bob, Subject: 7, Kind: event.ChannelDown, Data: event.Channel{Name: "bobs", Reason: "refused"}})
	s.write(func(tx *store.Tx) error {
		return s.log.Append(tx, []event.Event{{Subject: 8, Seq: 1, Account: alice, Kind: event.Sent, At: tx.Now()}})
	})
	got := s.mails()
	if !strings.Contains(got, "alice@example.com the balance is low") || !strings.Contains(got, "operator@example.com channel acme is down") || strings.Count(got, "\n") != 1 {
		t.Errorf("mails:\n%s", got)
	}
}

// What happens again within an hour is told at the end of it, by one mail about the newest.
func TestOneMailAboutAThingInAnHour(t *testing.T) {
	t.Parallel()
	opt, p := storetest.Options(t), &post{}
	s := start(t, opt, p)
	s.wish(alice, notify.Wishes{Emails: []string{"alice@example.com"}, Kinds: []string{"*"}})
	falls := func(to int64) {
		s.happen(event.Notice{Account: alice, Subject: int64(alice), Kind: event.WalletLow, Data: event.Wallet{Balance: to * 1_000_000, Currency: "KES"}})
	}
	told := func(n int, newest string) {
		t.Helper()
		s.until(func() bool { mails, _ := p.got(); return len(mails) >= n })
		if mails, _ := p.got(); len(mails) != n || !strings.Contains(mails[n-1].Text, "has "+newest+" KES left") {
			t.Errorf("%d mails, the last %q; want %d, the last about %s", len(mails), mails[len(mails)-1].Text, n, newest)
		}
	}
	for to := range int64(4) {
		falls(9 - to)
	}
	told(1, "9.00")
	s.store.Shift(59 * time.Minute)
	falls(5)
	s.write(func(tx *store.Tx) error { _, err := s.Drop(tx); return err })
	told(1, "9.00")
	s.stop()
	s = start(t, opt, p)
	s.store.Shift(61 * time.Minute)
	told(2, "5.00")
	falls(4)
	falls(3)
	s.store.Shift(61 * time.Minute)
	told(3, "3.00")
	s.store.Shift(61 * time.Minute)
	s.write(func(tx *store.Tx) error { _, err := s.Drop(tx); return err })
	falls(2)
	told(4, "2.00")
	s.mails()
}

func TestMailIsTriedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	opt, p := storetest.Options(t), &post{err: errors.New("the server is away")}
	s := start(t, opt, p)
	s.wish(alice, notify.Wishes{Emails: []string{"alice@example.com"}, Kinds: []string{"*"}})
	s.happen(low(alice))
	s.until(func() bool { _, tried := p.got(); return tried > 0 })
	s.stop()
	p.fail(nil)
	s = start(t, opt, p)
	s.store.Shift(time.Minute)
	if got := s.mails(); got != "alice@example.com the balance is low" {
		t.Errorf("after a restart: %q", got)
	}
	p.fail(&mail.Refused{Err: errors.New("550")})
	s.store.Shift(2 * time.Hour)
	s.happen(low(alice))
	s.mails()
	if mails, _ := p.got(); len(mails) != 1 {
		t.Errorf("%d mails, and one was refused", len(mails))
	}
}

func TestMailSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := start(t, storetest.Options(t), &post{})
	s.wish(alice, notify.Wishes{Emails: []string{"alice@example.com"}, Kinds: []string{"*"}})
	expires := event.Moment(time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC))
	for i, c := range []struct {
		n    event.Notice
		want []string
	}{
		{low(alice), []string{"1.50 KES", "2.00", "Top it up"}},
		{event.Notice{Kind: event.ChannelDown, Data: event.Channel{Name: "acme", Reason: "bind refused"}}, []string{"acme", "bind refused", "settings"}},
		{event.Notice{Kind: event.ChannelUp, Data: event.Channel{Name: "acme"}}, []string{"acme", "nothing to do"}},
		{event.Notice{Kind: event.KeyExpiring, Data: event.Key{Name: "shop", Hint: "td_live_3f9a", Expires: expires, Days: 7}}, []string{"shop", "td_live_3f9a", "2027-01-31T12:00:00Z", "Rotate"}},
		{event.Notice{Kind: event.WebhookDisabled, Data: event.Webhook{ID: "w", Host: "example.com", Reason: "the endpoint answered 410 Gone"}}, []string{"example.com", "410", "replay"}},
	} {
		c.n.Account, c.n.Subject = alice, int64(100+i)
		s.happen(c.n)
		s.mails()
		mails, _ := s.post.got()
		m := mails[len(mails)-1]
		for _, want := range append(c.want, string(c.n.Kind)) {
			if !strings.Contains(m.Text, want) {
				t.Errorf("%s does not say %q:\n%s", c.n.Kind, want, m.Text)
			}
		}
		if strings.Contains(m.Subject+m.Text, "%!") || m.ID == "" {
			t.Errorf("%s: %s\n%s", c.n.Kind, m.Subject, m.Text)
		}
	}
}

func TestWishesAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t, storetest.Options(t), &post{})
	many := make([]string, 11)
	for i := range many {
		many[i] = fmt.Sprintf("a%d@example.com", i)
	}
	for what, w := range map[string]notify.Wishes{
		"eleven":      {Emails: many},
		"no address":  {Emails: []string{"alice"}},
		"a space":     {Emails: []string{`"a b"@example.com`}},
		"no such":     {Kinds: []string{"message.sent"}},
		"not a thing": {Kinds: []string{""}},
	} {
		err := s.store.Write(func(tx *store.Tx) error { return s.Set(tx, audit.System, alice, w) })
		if fault.Of(err) == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if w, err := s.Get(t.Context(), alice); err != nil || len(w.Emails) != 0 || w.Kinds[0] != "*" {
		t.Errorf("at first %+v, %v", w, err)
	}
	s.wish(alice, notify.Wishes{Emails: []string{"alice@example.com"}, Kinds: []string{"wallet.low"}})
	if w, err := s.Get(t.Context(), alice); err != nil || w.Emails[0] != "alice@example.com" || w.Kinds[0] != "wallet.low" {
		t.Errorf("then %+v, %v", w, err)
	}
	if w, err := s.Get(t.Context(), bob); err != nil || len(w.Emails) != 0 {
		t.Errorf("another's %+v, %v", w, err)
	}
}
