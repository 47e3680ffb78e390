package automation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

var (
	quiet  = slog.New(slog.DiscardHandler)
	tester = audit.Actor{Name: "key:test"}
	jane   = message.Address{Kind: message.Phone, Value: "+254701234567"}
	john   = message.Address{Kind: message.Phone, Value: "+254701234568"}
	shop   = message.Address{Kind: message.Phone, Value: "+254711000000"}
	office = message.Address{Kind: message.Phone, Value: "+254711000001"}
)

// post is a mail server: it takes mail, or says why not.
type post struct {
	mu    sync.Mutex
	err   error
	mails []mail.Message
}

func (p *post) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.mails = append(p.mails, m)
	}
	return p.err
}

func (p *post) got() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mail.Message{}, p.mails...)
}

// poster is the engine of webhooks, as far as rules need one.
type poster struct {
	mu   sync.Mutex
	next int64
	open map[int64]string // addresses
	fed  []string
	shut bool // endpoints take nothing
}

func (p *poster) Check(_ context.Context, url string) error {
	if url == "https://10.0.0.1/" {
		return fault.New(fault.URLNotAllowed, "it may not be called").In("url")
	}
	return nil
}

func (p *poster) Open(_ *store.Tx, _ audit.Actor, _ account.ID, _ int64, url, style string, _ []event.Kind) (int64, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	p.open[p.next] = style + " " + url
	return p.next, "whsec_x", nil
}

func (p *poster) Point(_ *store.Tx, _ audit.Actor, _ account.ID, endpoint int64, url, style string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[endpoint] = style + " " + url
	return nil
}

func (p *poster) Close(_ *store.Tx, _ audit.Actor, _ account.ID, endpoint int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, endpoint)
	return nil
}

func (p *poster) Feed(tx *store.Tx, endpoint int64, events []event.Event) (bool, error) {
	tx.After(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range events {
			p.fed = append(p.fed, fmt.Sprintf("%s %s", p.open[endpoint], e.Kind))
		}
	})
	return !p.shut, nil
}

func (p *poster) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.fed...)
}

// world is a core over one scripted network, with two accounts that have funds and a number each.
type world struct {
	*automation.Automation
	t          *testing.T
	life       *storetest.Life
	network    *channeltest.Scripted
	post       *post
	poster     *poster
	store      *store.Store
	queue      *queue.Queue
	events     *event.Log
	consent    *consent.Keeper
	members    *member.Keeper
	numbers    *number.Keeper
	wallet     *wallet.Keeper
	routes     *route.Keeper
	gateway    *gateway.Gateway
	channel    message.ChannelID
	alice, bob account.Account
	stop       func()
	came       int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, life: storetest.NewLife(t), network: &channeltest.Scripted{}, post: &post{}, poster: &poster{open: map[int64]string{}}}
	w.open()
	w.settle()
	return w
}

// beside is a second server on the same database. It does nothing but what it is asked.
func (w *world) beside() *world {
	w.t.Helper()
	key, err := os.ReadFile(filepath.Join(w.life.Dir, "master.key"))
	w.must(err)
	life := *w.life
	life.Dir, life.MasterKey = w.t.TempDir(), string(key)
	other := &world{
		t: w.t, life: &life, network: &channeltest.Scripted{}, post: w.post, poster: w.poster, channel: w.channel, alice: w.alice, bob: w.bob, came: 1000,
	}
	other.open()
	return other
}

func (w *world) open() {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), w.life.Options)
	w.must(err)
	w.store, w.queue, w.events = s, queue.New(s, quiet), event.New(s)
	w.wallet, w.consent, w.numbers, w.members = wallet.New(s, w.events), consent.New(s, w.events), number.New(s), member.New(s, account.Limits{})
	w.routes = route.New(s)
	w.gateway = gateway.New(gateway.Parts{
		Store: s, Queue: w.queue, Events: w.events, Wallet: w.wallet, Consent: w.consent, Contacts: contact.New(s, w.events), Conversations: conversation.New(s),
		Policies: policy.New(s), Numbers: w.numbers, Members: w.members, Connections: connection.New(s), Routes: w.routes, Log: quiet,
		Drivers: []channel.Driver{w.network.Driver(), (&channeltest.Scripted{Name: gateway.TestDriver}).Driver()},
	})
	w.Automation = automation.New(automation.Config{
		Store: s, Queue: w.queue, Events: w.events, Gateway: w.gateway, Poster: w.poster, Sender: w.post, Log: quiet,
	})
	w.events.FollowedBy(w.Automation)
	w.stop = func() {}
	w.t.Cleanup(func() { w.stop(); _ = s.Close() })
}

func (w *world) settle() {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		if err := w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "254", Amount: 800_000}}); err != nil {
			return err
		}
		c, err := w.gateway.Connections.Create(tx, audit.System, connection.Channel{
			Name: "scripted", Driver: "scripted", Kind: message.SMS, Shards: 1, Enabled: true, Sender: message.Address{Kind: message.Name, Value: "TIDINGS"},
		})
		if err != nil {
			return err
		}
		w.channel = c.ID
		return w.routes.SetDefaults(tx, audit.System, 0, message.SMS, []message.ChannelID{w.channel})
	})
	w.write(func(tx *store.Tx) (err error) {
		for name, a := range map[string]*account.Account{"alice": &w.alice, "bob": &w.bob} {
			if *a, err = w.members.Create(tx, audit.System, account.Account{Name: name, Region: "KE", Currency: "KES", Active: true}, name, ""); err != nil {
				return err
			}
			if err := w.wallet.Open(tx, a.ID, "KES"); err != nil {
				return err
			}
			if err := w.wallet.TopUp(tx, audit.System, a.ID, 100_000_000, "start"); err != nil {
				return err
			}
		}
		if _, err = w.numbers.Assign(tx, audit.System, number.Number{Account: w.alice.ID, Channel: w.channel, Address: shop}); err != nil {
			return err
		}
		_, err = w.numbers.Assign(tx, audit.System, number.Number{Account: w.bob.ID, Channel: w.channel, Address: office})
		return err
	})
}

// start works as a server does, the lane of rules only when that is said.
func (w *world) start(rules bool) {
	w.t.Helper()
	w.must(w.queue.Recover(w.t.Context()))
	w.must(w.gateway.Start(w.t.Context()))
	soft, stop := context.WithCancel(context.Background())
	hard, end := context.WithCancel(context.Background())
	session, err := w.network.Driver().Open(w.t.Context(), channel.Env{Channel: w.channel, Sink: w.gateway, Log: quiet})
	w.must(err)
	var running sync.WaitGroup
	running.Go(func() { _ = session.Run(hard) })
	running.Go(func() {
		w.queue.Work(soft, hard, gateway.Lane(w.channel, 0), channel.WindowOf(session), nil, w.gateway.Sender(session))
	})
	running.Go(func() { w.gateway.House(soft, hard) })
	running.Go(func() { w.queue.Sweep(soft) })
	if rules {
		running.Go(func() { w.Run(soft, hard) })
	}
	w.stop = sync.OnceFunc(func() {
		stop()
		end()
		running.Wait()
	})
}

// kill is the server's death; the database as it is at this moment is opened anew, and nothing works yet.
func (w *world) kill() {
	w.t.Helper()
	w.life.Kill(w.store)
	ahead := time.Until(w.store.Now())
	stop, s := w.stop, w.store
	var ending sync.WaitGroup
	ending.Go(func() {
		stop()
		_ = s.Close()
	})
	if !storetest.Postgres() {
		ending.Wait()
	}
	w.t.Cleanup(ending.Wait)
	w.open()
	w.store.Shift(ahead)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(f func(*store.Tx) error) {
	w.t.Helper()
	w.must(w.store.Write(f))
}

// rule makes a rule of Alice's that must be good, about messages that come in unless it says otherwise.
func (w *world) rule(r automation.Rule) automation.Rule {
	w.t.Helper()
	made, err := w.tryRule(r)
	w.must(err)
	return made
}

func (w *world) tryRule(r automation.Rule) (made automation.Rule, err error) {
	if r.Account == 0 {
		r.Account = w.alice.ID
	}
	if r.Name == "" {
		r.Name = "rule"
	}
	if r.About == 0 {
		r.About = automation.Inbound
	}
	r.Enabled = true
	if err := w.Check(w.t.Context(), &r); err != nil {
		return r, err
	}
	err = w.store.Write(func(tx *store.Tx) (err error) {
		made, _, err = w.Create(tx, tester, r)
		return err
	})
	return made, err
}

// now is the rule as it is stored.
func (w *world) now(r automation.Rule) automation.Rule {
	w.t.Helper()
	found, err := w.Get(w.t.Context(), r.Account, r.ID)
	w.must(err)
	return found
}

// receive has somebody write to a number of ours.
func (w *world) receive(from, to message.Address, text string) {
	w.t.Helper()
	w.came++
	w.must(w.gateway.Inbound(w.t.Context(), message.Inbound{Channel: w.channel, RemoteID: fmt.Sprint("in", w.came), From: from, To: to, Content: message.Text(text)}))
}

// send submits a message of Alice's that must be accepted.
func (w *world) send(to message.Address, text string) message.ID {
	w.t.Helper()
	c := gateway.Caller{Account: w.alice, Key: account.Key{Account: w.alice.ID}, By: tester}
	reply, err := w.gateway.Submit(w.t.Context(), c, gateway.Request{Drafts: []message.Draft{{To: to.Value, From: shop.Value, Content: message.Text(text)}}})
	w.must(err)
	if f := reply.Results[0].Fault; f != nil {
		w.t.Fatal(f)
	}
	return reply.Results[0].Message.ID
}

// report has the network say what became of a part that it was given.
func (w *world) report(to message.Address, status message.Status, reason string) {
	w.t.Helper()
	for _, out := range w.network.Sends() {
		if out.To != to {
			continue
		}
		m, err := w.gateway.Message(w.t.Context(), out.Account, out.Message)
		w.must(err)
		if len(m.Parts) > 0 && m.Parts[0].RemoteID != "" {
			w.must(w.gateway.Receipt(w.t.Context(), message.Receipt{
				Channel: w.channel, RemoteID: m.Parts[0].RemoteID, To: to, Status: status, Reason: reason, At: w.store.Now(),
			}))
		}
	}
}

// sent is what went out, as recipient, sender and text.
func (w *world) sent() (list []string) {
	for _, m := range w.network.Sends() {
		list = append(list, m.To.Value+" "+m.From.Value+" "+m.Text)
	}
	return list
}

// quietly waits until no rule has anything to do, and all that was submitted was handed over.
func (w *world) quietly() {
	w.t.Helper()
	w.until("an empty queue", func() bool {
		for _, name := range []string{"rule", "house", gateway.Lane(w.channel, 0)} {
			lanes, err := w.queue.Lanes(w.t.Context())
			w.must(err)
			for _, l := range lanes {
				if l.Lane == name && !l.Oldest.After(w.store.Now()) {
					return false
				}
			}
		}
		return true
	})
}

// until polls what the background does.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("in vain: ", what)
		}
	}
}

// texts are the texts of a box.
func (w *world) texts(about automation.About, unread bool) (list []string) {
	w.t.Helper()
	entries, err := w.Entries(w.t.Context(), w.alice.ID, about, unread, 0, 100)
	w.must(err)
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s %s", e.Message.Content.Text, e.Status))
	}
	return list
}

var errAway = errors.New("the server is away")

// doJobs does the jobs of rules, and nothing notes that they were done. It tells how many there are.
func (w *world) doJobs() (n int) {
	w.t.Helper()
	rows, err := w.store.Reader().QueryContext(w.t.Context(), "SELECT id, subject, account_id, data FROM job WHERE lane = 'rule'")
	w.must(err)
	var tasks []*queue.Task
	for rows.Next() {
		var t queue.Task
		w.must(rows.Scan(&t.ID, &t.Subject, &t.Account, &t.Data))
		t.Expires = w.store.Now().Add(time.Hour)
		tasks = append(tasks, &t)
	}
	w.must(errors.Join(rows.Err(), rows.Close()))
	for _, t := range tasks {
		w.Act(w.t.Context(), t)
	}
	return len(tasks)
}
