package whatsapp_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"tidings.dev/internal/simulator/whatsapp"
)

const (
	business = "254700000001"
	customer = "254711000002"
)

// TestMain finds goroutines that are left. The library leaves two of its own: its reader of history stays for a minute, and the
// reader of a socket that is closed while a frame comes in stays for ever.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"),
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"))
}

// start runs a simulation that this process trusts. Tests that use it do not run at the same time: the trust is the process's.
func start(t *testing.T, config whatsapp.Config) *whatsapp.Server {
	t.Helper()
	config.Keep, config.Linger, config.FewKeys = -1, 200*time.Millisecond, true
	s := whatsapp.New(config)
	must(t, s.Start())
	s.Trust()
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// client is the unmodified library with a store of its own.
type client struct {
	*whatsmeow.Client
	t         *testing.T
	server    *whatsapp.Server
	container *sqlstore.Container

	mu      sync.Mutex
	events  []any
	changed chan struct{}
}

func newClient(t *testing.T, s *whatsapp.Server) *client {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "client.db")+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	container := sqlstore.NewWithDB(db, "sqlite", waLog.Noop)
	must(t, container.Upgrade(t.Context()))
	return connect(t, s, container, container.NewDevice())
}

func connect(t *testing.T, s *whatsapp.Server, container *sqlstore.Container, device *store.Device) *client {
	log := waLog.Noop
	if testing.Verbose() {
		log = waLog.Stdout("client", "WARN", false)
	}
	c := &client{Client: whatsmeow.NewClient(device, log), t: t, server: s, container: container, changed: make(chan struct{})}
	http := s.Client()
	c.SetPreLoginHTTPClient(http)
	c.SetWebsocketHTTPClient(http)
	c.SetMediaHTTPClient(http)
	c.AddEventHandler(c.hear)
	t.Cleanup(func() {
		c.Disconnect()
		http.CloseIdleConnections()
	})
	return c
}

func (c *client) hear(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, event)
	close(c.changed)
	c.changed = make(chan struct{})
}

// restart is the same device in a new client, as after a restart of its program.
func (c *client) restart() *client {
	c.Disconnect()
	device, err := c.container.GetFirstDevice(c.t.Context())
	must(c.t, err)
	return connect(c.t, c.server, c.container, device)
}

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// await waits for an event that the client has not given yet and that fits, and takes it.
func await[E any](c *client, fits func(E) bool) E {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		changed := c.changed
		for i, raw := range c.events {
			if event, ok := raw.(E); ok && (fits == nil || fits(event)) {
				c.events = slices.Delete(c.events, i, i+1)
				c.mu.Unlock()
				return event
			}
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			c.t.Fatalf("no %v came; left are %v", reflect.TypeFor[E](), c.kinds())
		}
	}
}

func (c *client) kinds() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kinds []string
	for _, event := range c.events {
		kinds = append(kinds, fmt.Sprintf("%T", event))
	}
	return kinds
}

// link pairs a new client with a phone by a QR code, and waits until it is logged in.
func link(t *testing.T, s *whatsapp.Server, p *whatsapp.Phone) (*client, *whatsapp.Device) {
	t.Helper()
	c := newClient(t, s)
	qr, err := c.GetQRChannel(t.Context())
	must(t, err)
	must(t, c.Connect())
	item := <-qr
	if item.Event != whatsmeow.QRChannelEventCode {
		t.Fatalf("the first item is %+v", item)
	}
	d, err := p.Scan(item.Code)
	must(t, err)
	await[*events.Connected](c, nil)
	await(c, func(e *events.AppStateSyncComplete) bool { return e.Name == "regular_low" }) // the last
	return c, d
}

// heard waits for a message with content: one that only brings a sender's key has the same id.
func (c *client) heard(id string) *events.Message {
	c.t.Helper()
	return await(c, func(e *events.Message) bool {
		return e.Info.ID == id && (e.Message.GetSenderKeyDistributionMessage() == nil || e.Message.GetConversation() != "")
	})
}

func (c *client) text(to types.JID, text string) string {
	c.t.Helper()
	sent, err := c.SendMessage(c.t.Context(), to, &waE2E.Message{Conversation: &text})
	must(c.t, err)
	return sent.ID
}

func next(t *testing.T, p *whatsapp.Phone) whatsapp.Message {
	t.Helper()
	m, err := p.Next(soon(t))
	must(t, err)
	return m
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
