package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice account.ID = 1 << 40
	bob   account.ID = 2 << 40
)

var tester = audit.Actor{Name: "key:test"}

// server is a whole server as far as webhooks need one, on a store of its own.
type server struct {
	*Webhooks
	t     testing.TB
	store *store.Store
	queue *queue.Queue
	log   *event.Log
	stop  func()

	killed bool // it cannot end in order
}

// start makes a server on a fresh database, which works until the test ends.
func start(t testing.TB) *server {
	t.Helper()
	return startOn(t, storetest.Options(t), nil)
}

// startOn opens the database and works until the test ends or stop is called.
func startOn(t testing.TB, opt store.Options, dialects map[string]Dialect) *server {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	log, q := event.New(s), queue.New(s, quiet)
	client := guard.New(guard.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPrivatePort: true, Timeout: 3 * time.Second})
	w := New(Config{Store: s, Queue: q, Events: log, Guard: client, Renderer: renderer{}, Dialects: dialects, Log: quiet})
	log.FollowedBy(w)
	if err := q.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx, ctx) })
	sv := &server{Webhooks: w, t: t, store: s, queue: q, log: log}
	sv.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		client.Close()
		if err := s.Close(); err != nil && !sv.killed {
			t.Error(err)
		}
	})
	t.Cleanup(sv.stop)
	return sv
}

// renderer tells little.
type renderer struct{}

func (renderer) EventData(_ context.Context, e event.Event) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprintf(`{"id":%d,"status":%q,"channel":%q}`, e.Subject, e.Change.Status, channelOf(e.Subject))), nil
}

// channelOf is the channel of a subject: each has its own.
func channelOf(subject int64) message.ChannelID { return message.ChannelID(subject) }

// happen appends an event of each kind to a subject, numbered on from first.
func (s *server) happen(a account.ID, subject int64, first int, kinds ...event.Kind) {
	s.t.Helper()
	err := s.store.Write(func(tx *store.Tx) error {
		events := make([]event.Event, len(kinds))
		for i, k := range kinds {
			events[i] = event.Event{Subject: subject, Seq: first + i, Account: a, Kind: k, At: tx.Now(), Change: event.Change{Status: string(k)}, Channel: channelOf(subject)}
		}
		return s.log.Append(tx, events)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) endpoint(e Endpoint) (Endpoint, string) {
	s.t.Helper()
	if e.Account == 0 {
		e.Account = alice
	}
	if e.Events == nil {
		e.Events = []string{"*"}
	}
	made, secret, err := s.create(e)
	if err != nil {
		s.t.Fatal(err)
	}
	return made, secret
}

// create makes an endpoint as a surface does.
func (s *server) create(e Endpoint) (made Endpoint, secret string, err error) {
	if err := s.Check(s.t.Context(), e); err != nil {
		return e, "", err
	}
	err = s.store.Write(func(tx *store.Tx) (err error) {
		made, secret, err = s.Create(tx, tester, e)
		return err
	})
	return made, secret, err
}

func (s *server) replay(a account.ID, of EndpointID, which DeliveryID) error {
	return s.store.Write(func(tx *store.Tx) error { return s.Replay(tx, tester, a, of, which) })
}

func (s *server) deliveries(e Endpoint) []Delivery {
	s.t.Helper()
	list, _, err := s.Deliveries(s.t.Context(), e.Account, e.ID, "", 0, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// delivery waits for the delivery of an event to be as wanted.
func (s *server) delivery(e Endpoint, subject int64, seq int, want func(Delivery) bool) (found Delivery) {
	s.t.Helper()
	s.until(fmt.Sprintf("delivery of event %d of %d", seq, subject), func() bool {
		for _, d := range s.deliveries(e) {
			if d.Subject == subject && d.Seq == seq {
				found = d
				return want(d)
			}
		}
		return false
	})
	return found
}

func tries(n int) func(Delivery) bool { return func(d Delivery) bool { return d.Tries == n } }
func is(s Status) func(Delivery) bool { return func(d Delivery) bool { return d.Status == s } }

// until polls, since what is waited for happens on disk.
func (s *server) until(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// post is what a customer got.
type post struct {
	ID       string
	Attempt  int
	Subject  string `json:"subject"`
	Type     string `json:"type"`
	Account  string `json:"account_id"`
	Seq      int    `json:"seq"`
	Previous int    `json:"previous_seq"`
	Data     struct {
		ID     int64  `json:"id"`
		Status string `json:"status"`
	} `json:"data"`
	Header http.Header `json:"-"`
	Body   []byte      `json:"-"`
	Status int         `json:"-"` // what it answered
}

// customer is a receiver that does as told.
type customer struct {
	URL    string
	answer func(w http.ResponseWriter, p *post) // writes the answer and notes its status; nil: 200
	mu     sync.Mutex
	posts  []post
}

func newCustomer(t testing.TB, answer func(w http.ResponseWriter, p *post)) *customer {
	t.Helper()
	c := &customer{answer: answer}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := post{ID: r.Header.Get("webhook-id"), Header: r.Header.Clone(), Status: http.StatusOK}
	p.Body, _ = io.ReadAll(r.Body)
	_ = json.Unmarshal(p.Body, &p)
	p.Attempt, _ = strconv.Atoi(r.Header.Get("webhook-attempt"))
	if c.answer != nil {
		c.answer(w, &p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts = append(c.posts, p)
}

// with answers a status.
func with(status int) func(w http.ResponseWriter, p *post) {
	return func(w http.ResponseWriter, p *post) {
		p.Status = status
		w.WriteHeader(status)
	}
}

func (c *customer) got() []post {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]post{}, c.posts...)
}

// story is which events came, with their attempts and answers.
func (c *customer) story() string {
	var b strings.Builder
	for _, p := range c.got() {
		fmt.Fprintf(&b, "%d#%d:%d ", p.Seq, p.Attempt, p.Status)
	}
	return strings.TrimSpace(b.String())
}

func verify(t *testing.T, secret string, p post) {
	t.Helper()
	v, err := webhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(p.Body, p.Header); err != nil {
		t.Errorf("post %s: %v", p.ID, err)
	}
}
