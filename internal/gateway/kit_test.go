package gateway_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/link"
	"tidings.dev/internal/media"
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

func TestMain(m *testing.M) {
	checks := "20" // lives of the model test, unless -rapid.checks says otherwise
	if raceEnabled {
		checks = "6"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come, on however busy a machine.
const patience = time.Minute

const (
	price = 800_000           // of one part to +254
	funds = 1_000_000_000_000 // of each account
)

var quiet = slog.New(slog.DiscardHandler)

// world is a whole core over one scripted network, on a store of its own.
type world struct {
	t             testing.TB
	life          *storetest.Life
	settings      gateway.Settings
	network       *channeltest.Scripted
	store         *store.Store
	queue         *queue.Queue
	events        *event.Log
	wallet        *wallet.Keeper
	consent       *consent.Keeper
	numbers       *number.Keeper
	policies      *policy.Keeper
	members       *member.Keeper
	connections   *connection.Keeper
	routes        *route.Keeper
	contacts      *contact.Keeper
	conversations *conversation.Keeper
	gateway       *gateway.Gateway
	media         *media.Keeper
	links         *link.Keeper
	drawn         func() string // of short links; nil: random ones
	files         string        // the folder of media
	alice         account.Account
	channel       message.ChannelID
	trial         message.ChannelID
	spare         *channeltest.Scripted // the network of the second default channel; nil: there is none
	second        message.ChannelID
	wrap          func(channel.Session) channel.Session // of the network; nil: as it is
	stop          func()                                // ends all work, not the store
	close         func()
}

type option func(*world)

func with(s gateway.Settings) option { return func(w *world) { w.settings = s } }

// goes says how the session of a channel is.
func (w *world) goes(ch message.ChannelID, p connection.Phase) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		return w.connections.Report(tx, []connection.State{{Channel: ch, Phase: p, Since: tx.Now().Add(-time.Second)}}, nil, false)
	})
}

// withSpare gives all accounts a second default channel.
func withSpare(w *world) { w.spare = &channeltest.Scripted{Name: "spare"} }

// finding has the network let us find out so much about unknown outcomes.
func finding(class channel.Unknown) option {
	return func(w *world) { w.network.Features.Unknown = class }
}

// newWorld starts a core that works until the test ends. Prices are on; Alice has funds.
func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, life: storetest.NewLife(t), network: &channeltest.Scripted{}}
	for _, o := range options {
		o(w)
	}
	w.open()
	w.settle()
	w.start()
	return w
}

func (w *world) open(followers ...event.Follower) {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), w.life.Options)
	w.must(err)
	w.store, w.queue, w.events = s, queue.New(s, quiet), event.New(s)
	for _, f := range followers {
		w.events.FollowedBy(f)
	}
	w.wallet, w.consent, w.numbers, w.members = wallet.New(s, w.events), consent.New(s, w.events), number.New(s), member.New(s, account.Limits{})
	w.connections, w.routes, w.policies = connection.New(s), route.New(s), policy.New(s)
	if w.files == "" {
		w.files = filepath.Join(w.t.TempDir(), "media")
	}
	w.media, err = media.New(media.Config{
		Settings: media.Settings{
			Dir: w.files, Link: time.Hour, Keep: 30 * 24 * time.Hour,
			Limits: media.Limits{Image: 1 << 20, Video: 1 << 20, Audio: 1 << 20, Document: 1 << 20, Sticker: 1 << 20},
		},
		Store: s, Log: quiet, Guard: guard.New(guard.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPrivatePort: true}),
	})
	w.must(err)
	w.t.Cleanup(w.media.Guard.Close)
	w.contacts, w.conversations = contact.New(s, w.events), conversation.New(s)
	w.links = link.New(s, link.Settings{Keep: w.settings.KeepMessages, Code: w.drawn})
	w.links.Serves("https://t.example")
	drivers := []channel.Driver{w.network.Driver(), (&channeltest.Scripted{Name: gateway.TestDriver}).Driver()}
	if w.spare != nil {
		drivers = append(drivers, w.spare.Driver())
	}
	w.gateway = gateway.New(gateway.Parts{
		ShortLinks: w.links,

		Media: w.media,
		Store: s, Queue: w.queue, Events: w.events, Wallet: w.wallet, Consent: w.consent, Contacts: w.contacts, Conversations: w.conversations, Numbers: w.numbers, Policies: w.policies, Members: w.members,
		Connections: w.connections, Routes: w.routes, Log: quiet, Settings: w.settings,
		Drivers: drivers,
	})
	w.stop = func() {}
	w.close = sync.OnceFunc(func() { w.stop(); _ = s.Close() })
	w.t.Cleanup(w.close)
}

// settle makes what every test needs: prices, the channels, the operator, and Alice.
func (w *world) settle() {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		if _, err := w.members.Create(tx, audit.System, account.Account{Name: "Operator", Currency: "KES", Operator: true, Active: true}, "operator", ""); err != nil {
			return err
		}
		if err := w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "254", Amount: price}}); err != nil {
			return err
		}
		channels := map[string]*message.ChannelID{"scripted": &w.channel, gateway.TestDriver: &w.trial}
		if w.spare != nil {
			channels["spare"] = &w.second
		}
		kinds := map[string]message.Kind{"scripted": cmp.Or(w.network.Kind, message.SMS), gateway.TestDriver: message.SMS, "spare": message.SMS}
		for driver, id := range channels {
			c, err := w.connections.Create(tx, audit.System, connection.Channel{
				Name: driver, Driver: driver, Kind: kinds[driver], Shards: 1, Enabled: true, Sender: message.Address{Kind: message.Name, Value: "TIDINGS"},
			})
			if err != nil {
				return err
			}
			*id = c.ID
		}
		list := []message.ChannelID{w.channel}
		if w.spare != nil {
			list = append(list, w.second)
		}
		return w.routes.SetDefaults(tx, audit.System, 0, message.SMS, list)
	})
	w.alice = w.account()
}

var accounts atomic.Int64

// account makes an account with funds.
func (w *world) account() (a account.Account) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		name := fmt.Sprintf("account-%d", accounts.Add(1))
		if a, err = w.members.Create(tx, audit.System, account.Account{Name: name, Region: "KE", Currency: "KES", Active: true}, name, ""); err != nil {
			return err
		}
		if err := w.wallet.Open(tx, a.ID, "KES"); err != nil {
			return err
		}
		if err := w.consent.SetReplies(tx, audit.System, a.ID, consent.Replies{Off: true}); err != nil {
			return err
		}
		return w.wallet.TopUp(tx, audit.System, a.ID, funds, "start")
	})
	return a
}

// start recovers and works as a server does.
func (w *world) start() {
	w.t.Helper()
	w.must(w.queue.Recover(w.t.Context()))
	w.must(w.gateway.Start(w.t.Context()))
	soft, stop := context.WithCancel(context.Background())
	hard, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	networks := map[message.ChannelID]*channeltest.Scripted{w.channel: w.network, w.trial: {Name: gateway.TestDriver}}
	if w.spare != nil {
		networks[w.second] = w.spare
	}
	for ch, n := range networks {
		session, err := n.Driver().Open(w.t.Context(), channel.Env{Channel: ch, Sink: w.gateway, Log: quiet})
		w.must(err)
		if ch == w.channel && w.wrap != nil {
			session = w.wrap(session)
		}
		running.Go(func() { _ = session.Run(hard) })
		if f, able := session.(channel.Fetcher); able {
			running.Go(func() { w.queue.Work(soft, hard, gateway.FetchLane(ch), 2, nil, w.gateway.Fetcher(f)) })
		}
		running.Go(func() {
			w.queue.Work(soft, hard, gateway.Lane(ch, 0), channel.WindowOf(session), nil, w.gateway.Sender(session))
		})
	}
	running.Go(func() { w.gateway.House(soft, hard) })
	running.Go(func() { w.queue.Sweep(soft) })
	w.stop = sync.OnceFunc(func() {
		stop()
		end()
		running.Wait()
	})
}

// kill is the server's death and its next start: the database as it is at this moment is opened anew, and what is under
// way finds no one.
func (w *world) kill() {
	w.t.Helper()
	w.life.Kill(w.store)
	ahead := time.Until(w.store.Now())
	w.bury(w.stop, w.store)
	w.open()
	w.store.Shift(ahead)
	w.start()
}

// bury ends a killed server. Where its database is out of reach its work would wait for that in vain, so the next does not wait for
// it, and its store is closed first, so that it stops waiting.
func (w *world) bury(stop func(), s *store.Store) {
	var ending sync.WaitGroup
	ending.Go(stop)
	if !storetest.Postgres() {
		ending.Wait()
	}
	ending.Go(func() { _ = s.Close() })
	w.t.Cleanup(ending.Wait)
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

func (w *world) caller(a account.Account) gateway.Caller {
	return gateway.Caller{Account: a, Key: account.Key{Account: a.ID}, By: audit.Actor{Name: "key:test"}}
}

// phone is a number of its own for each n.
func phone(n int) string { return fmt.Sprintf("+2547%08d", n) }

func draft(to, text string) message.Draft {
	return message.Draft{To: to, Content: message.Text(text)}
}

// long is a text of so many parts.
func long(parts int) string { return strings.Repeat("x", 160*parts-10) }

func (w *world) submit(r gateway.Request) (gateway.Reply, error) {
	return w.gateway.Submit(w.t.Context(), w.caller(w.alice), r)
}

// send submits one draft that must be accepted.
func (w *world) send(d message.Draft) message.ID {
	w.t.Helper()
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{d}})
	w.must(err)
	if f := reply.Results[0].Fault; f != nil {
		w.t.Fatal(f)
	}
	return reply.Results[0].Message.ID
}

// refused submits one draft that must be refused with the code.
func (w *world) refused(d message.Draft, code fault.Code) *fault.Fault {
	w.t.Helper()
	reply, err := w.submit(gateway.Request{Drafts: []message.Draft{d}})
	if err == nil {
		if len(reply.Results) != 1 || reply.Results[0].Fault == nil {
			w.t.Fatalf("accepted, want %s", code)
		}
		err = reply.Results[0].Fault
	}
	if !fault.Is(err, code) {
		w.t.Fatalf("%v, want %s", err, code)
	}
	return fault.Of(err)
}

func (w *world) message(id message.ID) message.Message {
	w.t.Helper()
	a, err := w.gateway.Owner(w.t.Context(), id)
	w.must(err)
	m, err := w.gateway.Message(w.t.Context(), a, id)
	w.must(err)
	return m
}

// await waits until the message has the status.
func (w *world) await(id message.ID, s message.Status) message.Message {
	w.t.Helper()
	w.until(func() bool { return w.message(id).Status == s }, func() string {
		return fmt.Sprintf("%s, want %s: %s", w.message(id).Status, s, w.told(id))
	})
	return w.message(id)
}

// until polls: a lane may sleep up to a second before it looks at a clock that a test has moved.
func (w *world) until(holds func() bool, why func() string) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal(why())
		}
	}
}

// sends waits until the network was given n parts.
func (w *world) sends(n int) []message.Outbound {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	all, err := w.network.AwaitSends(ctx, n)
	if err != nil {
		w.t.Fatalf("%d parts of %d: %v", len(all), n, err)
	}
	return all
}

// told is what was told of a message, in short.
func (w *world) told(id message.ID) string {
	w.t.Helper()
	a, err := w.gateway.Owner(w.t.Context(), id)
	w.must(err)
	events, err := w.events.Of(w.t.Context(), a, int64(id))
	w.must(err)
	var words []string
	for i, e := range events {
		if e.Seq != i+1 {
			w.t.Errorf("event %d of %s has number %d", i+1, id, e.Seq)
		}
		word := strings.TrimPrefix(string(e.Kind), "message.")
		if e.Change.Correction {
			word += "(correction)"
		}
		if e.Change.Duplicate {
			word += "(duplicate)"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (w *world) wantTold(id message.ID, want string) {
	w.t.Helper()
	if got := w.told(id); got != want {
		w.t.Errorf("told %q, want %q", got, want)
	}
}

// report has the network tell of a part.
func (w *world) report(id message.ID, attempt, part int, s message.Status) {
	w.t.Helper()
	m := w.message(id)
	for _, p := range m.Parts {
		if p.Attempt == attempt && p.Number == part {
			w.must(w.gateway.Receipt(w.t.Context(), message.Receipt{Channel: w.channel, RemoteID: p.RemoteID, To: m.To, Status: s, Reason: reasonOf(s)}))
			return
		}
	}
	w.t.Fatalf("message %s has no part %d of attempt %d", id, part, attempt)
}

func reasonOf(s message.Status) string {
	if s == message.Failed {
		return "undelivered"
	}
	return ""
}

// says has a phone write to us.
func (w *world) says(from, text string) {
	w.t.Helper()
	w.must(w.gateway.Inbound(w.t.Context(), inbound(w.channel, from, text)))
}

func inbound(ch message.ChannelID, from, text string) message.Inbound {
	return message.Inbound{
		Channel: ch, From: message.Address{Kind: message.Phone, Value: from}, To: message.Address{Kind: message.Name, Value: "TIDINGS"}, Content: message.Text(text),
	}
}

func (w *world) balance() wallet.Balance {
	w.t.Helper()
	b, err := w.wallet.Balance(w.t.Context(), w.alice.ID)
	w.must(err)
	return b
}

// wantMoney checks what Alice was charged and what is held for her, in parts.
func (w *world) wantMoney(chargedParts, heldParts int64) {
	w.t.Helper()
	if b := w.balance(); b.Charged != chargedParts*price || b.Held != heldParts*price {
		w.t.Errorf("charged %d and held %d, want the price of %d and %d parts", b.Charged, b.Held, chargedParts, heldParts)
	}
	if w.settings.KeepMessages == 0 { // else there may be nothing left to compare with
		checkUsage(w.t, w.store, w.spare == nil, w.alice.ID)
	}
	if err := w.wallet.Verify(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// hasJob tells whether the message waits to be sent.
func (w *world) hasJob(id message.ID) bool {
	w.t.Helper()
	job, _, err := w.queue.Find(w.t.Context(), int64(id))
	w.must(err)
	return job != nil
}

func showJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// count counts a table's rows.
func (w *world) count(table string) (n int) {
	w.t.Helper()
	w.must(w.store.Reader().QueryRowContext(w.t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func requestOf(drafts ...message.Draft) gateway.Request { return gateway.Request{Drafts: drafts} }
