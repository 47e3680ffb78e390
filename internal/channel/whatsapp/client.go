package whatsapp

import (
	"context"
	"net"
	"net/http"
	"sync"

	signal "go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"

	"tidings.dev/internal/channel"
)

// client is the library's client of a device. It connects when we say so and never again by itself: the fleet knows how long to
// wait, and that a thousand others wait too. It acknowledges what came in once we have it on disk, and keeps what it decrypted
// until then, since a ciphertext opens only once.
func (d *driver) client(of *config, env channel.Env, device *store.Device) *client {
	cli := whatsmeow.NewClient(device, logger{env.Log})
	cli.EnableAutoReconnect, cli.DisableLoginAutoReconnect = false, true
	cli.SynchronousAck, cli.EnableDecryptedEventBuffer = true, true
	cli.UseRetryMessageStore, cli.AutomaticMessageRerequestFromPhone = true, true
	cli.ManualHistorySyncDownload = true
	cli.SetMaxParallelRetryReceiptHandling(2)
	cli.QRClientType = of.platform.client
	cli.GetClientPayload = func() *waWa6.ClientPayload { return d.payload(of, device) }
	plain := d.httpOf(of, env)
	l := &line{next: plain.Transport}
	lined := *plain
	lined.Transport = l
	cli.SetWebsocketHTTPClient(&lined)
	cli.SetPreLoginHTTPClient(&lined)
	cli.SetMediaHTTPClient(plain)
	c := &client{Client: cli, line: l, gone: make(chan struct{})}
	cli.AddEventHandler(c.heard)
	return c
}

// httpOf is how the device reaches the network: as all do, unless it has a proxy of its own, which is reached as the owner may
// reach anything.
func (d *driver) httpOf(c *config, env channel.Env) *http.Client {
	if c.proxy == nil {
		return d.http
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyURL(c.proxy)
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return env.Connect(ctx, address) }
	return &http.Client{Transport: transport}
}

// quietSignal keeps the library below the library from writing to standard output.
var quietSignal = sync.OnceFunc(func() {
	var l signal.Loggable = silent{}
	signal.Setup(&l)
})

// silent drops what it is told: each failure is told once more by who called.
type silent struct{}

// Debug drops a line.
func (silent) Debug(string, string) {}

// Info drops a line.
func (silent) Info(string, string) {}

// Warning drops a line.
func (silent) Warning(string, string) {}

// Error drops a line.
func (silent) Error(string, string) {}

// Configure has nothing to do.
func (silent) Configure(string) {}
