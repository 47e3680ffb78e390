// Command sandbox is a whole Tidings on loopback with networks to play with: the product itself, a simulated SMSC behind
// real SMPP, a simulated WhatsApp, a customer's webhook receiver, and seeded accounts. It is for trying and for tests, never for real messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"tidings.dev/internal/app"
	"tidings.dev/internal/config"
	"tidings.dev/internal/simulator/customer"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/internal/simulator/whatsapp"
	"tidings.dev/internal/telemetry"
)

type flags struct {
	Listen   string `default:"127.0.0.1:8080" help:"Address of the API. Port 0 picks a free one."`
	Dir      string `help:"Folder that keeps everything between runs; none: a temporary one." type:"path"`
	Database string `help:"URL of an empty PostgreSQL database, or of this folder's own; none: SQLite in the folder." placeholder:"postgres://…"`
	Ready    string `help:"File that appears, as JSON, when all is up." type:"path"`
	LogLevel string `default:"warn" help:"debug, info, warn or error."`
}

// Validate refuses a database whose master key would be gone with a temporary folder.
func (f flags) Validate() error {
	if f.Database != "" && f.Dir == "" {
		return errors.New("--database needs --dir, which keeps the database's master key")
	}
	return nil
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("sandbox"), kong.Description("A whole Tidings on loopback, with simulated networks."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run brings everything up, tells how to use it, and takes it down when ctx ends.
func run(ctx context.Context, f flags) (err error) {
	if f.Dir == "" {
		if f.Dir, err = os.MkdirTemp("", "tidings-sandbox-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(f.Dir)) }()
	}
	network := smsc.New(smsc.Config{Accounts: map[string]string{systemID: smscPassword}, Keep: 100_000})
	if err := network.Start(); err != nil {
		return fmt.Errorf("start the SMSC: %w", err)
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	phones := whatsapp.New(whatsapp.Config{Keep: 100_000, Adopt: true})
	if err := phones.Start(); err != nil {
		return fmt.Errorf("start the simulated WhatsApp: %w", err)
	}
	defer func() { err = errors.Join(err, phones.Close()) }()
	phones.Trust()
	world := &world{smsc: network, whatsapp: phones, customer: customer.New(customer.Config{})}
	control, err := world.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	cfg, err := settings(f, world.port())
	if err != nil {
		return err
	}
	networks := app.Networks{WhatsApp: phones.Client()}
	s, err := prepare(ctx, cfg, network.Addr(), networks)
	if err != nil {
		return err
	}
	for name, secret := range s.WebhookSecrets {
		if err := world.customer.Secret(name, secret); err != nil {
			return fmt.Errorf("tell the customer its secret: %w", err)
		}
	}
	log := telemetry.NewLogger(os.Stderr, "text", cfg.Log.Level)
	return app.Serve(ctx, cfg, log, devNull{}, func(server *app.Server) { announce(server, f, world, s) }, networks)
}

// devNull swallows the operator's first key: the sandbox has made its own.
type devNull struct{}

// Write takes anything.
func (devNull) Write(p []byte) (int, error) { return len(p), nil }

func settings(f flags, hookPort string) (config.Config, error) {
	return config.Load("", nil, map[string]string{
		"listen": f.Listen, "admin_listen": "127.0.0.1:0", "data_dir": filepath.Join(f.Dir, "data"), "database": f.Database, "log.level": f.LogLevel,
		"channel.allow_private_networks": "127.0.0.0/8", "webhook.allow_private_networks": "127.0.0.0/8", "webhook.ports": "443,80,8443," + hookPort,
		"import.max_file": "1MiB", "import.allow_private_networks": "127.0.0.0/8", "limits.disk_floor": "16MiB",
	})
}

// announce writes the ready file and what a newcomer needs to see.
func announce(server *app.Server, f flags, w *world, s *seed) {
	facts := s.facts(server.Where(), w)
	if f.Ready != "" {
		if err := writeReady(f.Ready, facts); err != nil {
			fmt.Fprintln(os.Stderr, "sandbox:", err)
		}
	}
	fmt.Print(greeting(facts, f))
}

// world is the far side: networks and customers, with an address to steer them.
type world struct {
	smsc     *smsc.SMSC
	whatsapp *whatsapp.Server
	customer *customer.Receiver
	listener net.Listener
}

func (w *world) url() string { return "http://" + w.listener.Addr().String() }

func (w *world) port() string {
	_, port, _ := net.SplitHostPort(w.listener.Addr().String())
	return port
}

func (w *world) serve() (*http.Server, error) {
	var err error
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen for the controls: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /history", w.history)
	mux.HandleFunc("POST /smsc/inbound", w.inbound)
	mux.Handle("/whatsapp/", w.whatsapp.Control())
	mux.Handle("/customer/", w.customer)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(w.listener) }()
	return server, nil
}
