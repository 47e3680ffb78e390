package privacy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
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
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/link"
	"tidings.dev/internal/media"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/template"
	"tidings.dev/internal/wallet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

var (
	quiet  = slog.New(slog.DiscardHandler)
	person = message.Address{Kind: message.Phone, Value: "+254701234567"}
	other  = message.Address{Kind: message.Phone, Value: "+254701234568"}
	shop   = message.Address{Kind: message.Phone, Value: "+254711000000"}
)

// world is a core over one scripted network, with two accounts that have funds.
type world struct {
	t           *testing.T
	life        *storetest.Life
	network     *channeltest.Scripted
	store       *store.Store
	queue       *queue.Queue
	events      *event.Log
	consent     *consent.Keeper
	contacts    *contact.Keeper
	talks       *conversation.Keeper
	links       *link.Keeper
	numbers     *number.Keeper
	policies    *policy.Keeper
	members     *member.Keeper
	wallet      *wallet.Keeper
	keys        *key.Keeper
	connections *connection.Keeper
	routes      *route.Keeper
	gateway     *gateway.Gateway
	privacy     *privacy.Privacy
	channel     message.ChannelID
	alice, bob  account.Account
	stop        func()
	sent        int
}

// newWorld returns a world in which nothing works yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, life: storetest.NewLife(t), network: &channeltest.Scripted{}}
	w.open()
	w.settle()
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), w.life.Options)
	w.must(err)
	w.store, w.queue, w.events = s, queue.New(s, quiet), event.New(s)
	w.policies = policy.New(s)
	w.wallet, w.consent, w.numbers, w.members = wallet.New(s, w.events), consent.New(s, w.events), number.New(s), member.New(s, account.Limits{})
	w.connections, w.routes, w.keys = connection.New(s), route.New(s), key.New(s)
	files, err := media.New(media.Config{Settings: media.Settings{Dir: filepath.Join(w.t.TempDir(), "media"), Limits: media.Limits{Document: 1 << 20}}, Store: s, Log: quiet})
	w.must(err)
	w.contacts, w.talks = contact.New(s, w.events), conversation.New(s)
	w.links = link.New(s, link.Settings{})
	w.links.Serves("https://t.example")
	w.gateway = gateway.New(gateway.Parts{
		ShortLinks: w.links,

		Media: files,
		Store: s, Queue: w.queue, Events: w.events, Wallet: w.wallet, Consent: w.consent, Contacts: w.contacts, Conversations: w.talks, Numbers: w.numbers, Policies: w.policies, Members: w.members,
		Connections: w.connections, Routes: w.routes, Log: quiet,
		Drivers: []channel.Driver{w.network.Driver(), (&channeltest.Scripted{Name: gateway.TestDriver}).Driver()},
	})
	w.privacy = privacy.New(privacy.Config{
		Templates: template.New(s), Issues: issue.New(s),

		Store: s, Queue: w.queue, Gateway: w.gateway, Events: w.events, Consent: w.consent, Contacts: w.contacts, Conversations: w.talks, Wallet: w.wallet, Keys: w.keys,
		Connections: w.connections, Log: quiet,
		Webhooks: func(context.Context, account.ID, int64, int) ([]any, int64, error) { return nil, 0, nil },
		Rules:    func(context.Context, account.ID, int64, int) ([]any, int64, error) { return nil, 0, nil },
		Boxes: func(tx *store.Tx, messages []int64) error {
			return store.Run(tx, "DELETE FROM boxed WHERE message_id = $1", messages)
		},
		Answers: func(tx *store.Tx, subjects []int64) error {
			return store.Run(tx, "UPDATE delivery SET response = '' WHERE subject = $1 AND response <> ''", subjects)
		},
	})
	w.stop = func() {}
	closed := sync.OnceFunc(func() { w.stop(); _ = s.Close() })
	w.t.Cleanup(closed)
}

func (w *world) settle() {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		if err := w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "254", Amount: 800_000}}); err != nil {
			return err
		}
		for _, driver := range []string{"scripted", gateway.TestDriver} {
			c, err := w.connections.Create(tx, audit.System, connection.Channel{
				Name: driver, Driver: driver, Kind: message.SMS, Shards: 1, Enabled: true, Sender: message.Address{Kind: message.Name, Value: "TIDINGS"},
			})
			if err != nil {
				return err
			}
			if driver == "scripted" {
				w.channel = c.ID
			}
		}
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
			if err := w.consent.SetReplies(tx, audit.System, a.ID, consent.Replies{Off: true}); err != nil {
				return err
			}
			if err := w.wallet.TopUp(tx, audit.System, a.ID, 1_000_000_000_000, "start"); err != nil {
				return err
			}
		}
		_, err = w.numbers.Assign(tx, audit.System, number.Number{Account: w.alice.ID, Channel: w.channel, Address: shop})
		return err
	})
}

// start works as a server does.
func (w *world) start() {
	w.t.Helper()
	w.must(w.queue.Recover(w.t.Context()))
	w.must(w.privacy.Start(w.t.Context()))
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
	running.Go(func() { w.privacy.Run(soft, hard) })
	running.Go(func() { w.queue.Sweep(soft) })
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

// send submits a draft that must be accepted.
func (w *world) send(a account.Account, d message.Draft) message.ID {
	w.t.Helper()
	w.sent++
	c := gateway.Caller{Account: a, Key: account.Key{Account: a.ID}, By: audit.Actor{Name: "key:test"}}
	reply, err := w.gateway.Submit(w.t.Context(), c, gateway.Request{Drafts: []message.Draft{d}, Key: fmt.Sprint("k", w.sent), Scope: "POST /messages", Fingerprint: "f"})
	w.must(err)
	if f := reply.Results[0].Fault; f != nil {
		w.t.Fatal(f)
	}
	return reply.Results[0].Message.ID
}

// receive has a person write to Alice's number.
func (w *world) receive(from message.Address, id, text string) {
	w.t.Helper()
	w.must(w.gateway.Inbound(w.t.Context(), message.Inbound{Channel: w.channel, RemoteID: id, From: from, To: shop, Content: message.Text(text)}))
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

func (w *world) export(a account.Account, of message.Address) (e privacy.Export) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		e, err = w.privacy.StartExport(tx, audit.System, a.ID, of)
		return err
	})
	return e
}

// file waits for an export and reads its lines.
func (w *world) file(e privacy.Export) (lines []map[string]any) {
	w.t.Helper()
	w.until("an export", func() bool {
		now, err := w.privacy.ReadExport(w.t.Context(), e.Account, e.ID)
		w.must(err)
		e = now
		return e.State != privacy.Running
	})
	if e.State != privacy.Done {
		w.t.Fatalf("the export is %s", e.State)
	}
	var file bytes.Buffer
	w.must(w.privacy.WriteFile(w.t.Context(), &file, e))
	if int64(file.Len()) != e.Size {
		w.t.Errorf("the file has %d bytes, the export tells %d", file.Len(), e.Size)
	}
	z, err := gzip.NewReader(&file)
	w.must(err)
	for d := json.NewDecoder(z); ; {
		var line map[string]any
		err := d.Decode(&line)
		if err == io.EOF {
			break
		}
		w.must(err)
		lines = append(lines, line)
	}
	if len(lines) != e.Lines+1 {
		w.t.Errorf("%d lines, the export tells %d besides the first", len(lines), e.Lines)
	}
	return lines
}
