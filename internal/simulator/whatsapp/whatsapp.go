// Package whatsapp is the far side of WhatsApp's linked devices, on loopback: the servers that the unmodified library whatsmeow
// talks to, and phones that do as they are told.
package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
)

// Config shapes a simulated WhatsApp. Its zero value listens on a free port of loopback.
type Config struct {
	Address string // default "127.0.0.1:0"
	Memory  bool   // no port: connections are pipes in memory, for virtual time

	ReceiptDelay time.Duration // from a message to each of its receipts; default none
	AnswerDelay  time.Duration // before each answer to a message
	Linger       time.Duration // from a stream's error to its end, which the library must not see first; default 1 s
	FewKeys      bool          // has a new device make 50 one-time keys instead of 812, which is most of the time that pairing takes
	Adopt        bool          // let in a device that no phone has linked, as after a restart of the simulation
	Keep         int           // how many of the newest records stay in memory; 0: none, negative: all

	Log *slog.Logger // default: discarded
}

// Server is a running simulation.
type Server struct {
	config    Config
	authority *authority
	history   *history
	media     *media
	listener  net.Listener
	dial      func(ctx context.Context) (net.Conn, error)
	http      *http.Server
	work      sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	conns    map[*conn]bool
	refs     map[string]*conn  // connections that show a QR code, by its reference
	codes    map[string]*conn  // connections that show a pairing code, by their reference
	phones   map[string]*Phone // by number
	lids     map[string]*Phone // by the user part of the LID
	gone     map[string]bool   // numbers that were given up
	groups   map[string]*Group
	tries    map[string]int // of a message whose ending depends on it
	revision uint32         // of the client that the site offers
	minimum  uint32         // of a client that is let in
	refuse   []int          // reasons for the next log-ins to fail
	serial   uint64
}

// New prepares a simulation; Start runs it.
func New(config Config) *Server {
	if config.Address == "" {
		config.Address = "127.0.0.1:0"
	}
	if config.Linger == 0 {
		config.Linger = time.Second
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		config: config, history: &history{keep: config.Keep}, media: newMedia(), conns: map[*conn]bool{},
		refs: map[string]*conn{}, codes: map[string]*conn{}, phones: map[string]*Phone{}, lids: map[string]*Phone{},
		gone: map[string]bool{}, groups: map[string]*Group{}, tries: map[string]int{}, revision: firstRevision,
	}
}

// Start listens, and serves in the background until Close.
func (s *Server) Start() error {
	var err error
	if s.authority, err = newAuthority(); err != nil {
		return fmt.Errorf("make the server's certificate: %w", err)
	}
	if s.config.Memory {
		pipes := newPipes()
		s.listener, s.dial = pipes, pipes.dial
	} else {
		if s.listener, err = net.Listen("tcp", s.config.Address); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.dial = dialer(s.Addr())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws/chat", s.socket)
	mux.HandleFunc("GET /{$}", s.site)
	s.media.routes(mux)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { _ = s.http.Serve(s.listener) })
	return nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// RootKey is what the library must trust instead of WhatsApp's own key: whatsmeow.WACertPubKey.
func (s *Server) RootKey() [32]byte { return *s.authority.root.Pub }

// Trust makes this process trust the simulation instead of WhatsApp. It sets a variable of the library, for all clients of the
// process, and comes before the first of them connects: for the sandbox and tests only.
func (s *Server) Trust() { whatsmeow.WACertPubKey = s.RootKey() }

// Client is the HTTP client to give to the library for its websocket, before log-in and after, and for media. Whatever address
// it is asked for, it reaches the simulation: nothing can leave for the Internet.
func (s *Server) Client() *http.Client { return clientOf(s.dial) }

// ClientOf is Client for a simulation in another process, which listens there.
func ClientOf(address string) *http.Client { return clientOf(dialer(address)) }

func clientOf(dial func(context.Context) (net.Conn, error)) *http.Client {
	to := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return &http.Client{Transport: &http.Transport{DialContext: to, DialTLSContext: to, MaxIdleConnsPerHost: 8}}
}

func dialer(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// Close cuts all connections and waits until nothing runs any more.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.cut()
	}
	s.mu.Unlock()
	err := s.http.Close()
	s.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// after does something later, unless the simulation has ended by then.
func (s *Server) after(delay time.Duration, do func()) {
	if delay <= 0 {
		do()
		return
	}
	time.AfterFunc(delay, func() {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		s.work.Add(1)
		s.mu.Unlock()
		defer s.work.Done()
		do()
	})
}

// next gives out numbers that rise.
func (s *Server) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
}
