package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tidings.dev/internal/api"
	"tidings.dev/internal/config"
	"tidings.dev/internal/fleet"
	"tidings.dev/internal/telemetry"
)

// Addresses are where a running server listens.
type Addresses struct {
	API   string // host:port
	Admin string // host:port; empty when it is off
}

// Server is a running Tidings.
type Server struct {
	*Core
	fleet  *fleet.Fleet
	health telemetry.Health
	front  *http.Server
	admin  *http.Server
	where  Addresses
	fatal  chan error
}

// gcPercent lets the heap grow to nine times what lives before it is collected. What lives is some 10 MB, and almost all
// garbage is of requests that are over: collecting it less often is a twentieth of an accept.
const gcPercent = 800

// memoryShare of the machine's memory is where the collector stops being patient, whatever gcPercent says. GOMEMLIMIT, where it
// is set, says otherwise.
const memoryShare = 0.5

// tuneMemory sets how garbage is collected.
func tuneMemory() {
	debug.SetGCPercent(gcPercent)
	var machine unix.Sysinfo_t
	if os.Getenv("GOMEMLIMIT") == "" && unix.Sysinfo(&machine) == nil {
		debug.SetMemoryLimit(int64(memoryShare * float64(machine.Totalram) * float64(machine.Unit)))
	}
}

// Serve runs a server until ctx ends, then drains it: no new requests, nothing new claimed, what is under way finished, for
// as long as the settings allow. ready is called once it answers; words for a person are written to out.
func Serve(ctx context.Context, cfg config.Config, log *slog.Logger, out io.Writer, ready func(*Server)) error {
	tuneMemory()
	s := &Server{fatal: make(chan error, 1)}
	var err error
	if s.Core, err = Open(ctx, cfg, log, true, func(err error) { s.fatal <- err }); err != nil {
		return err
	}
	return errors.Join(s.run(ctx, out, ready), s.Close())
}

// Where tells where the server listens.
func (s *Server) Where() Addresses { return s.where }

func (s *Server) run(ctx context.Context, out io.Writer, ready func(*Server)) error {
	listener, admin, err := s.listen()
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, out); err != nil {
		return errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	hard, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var group errgroup.Group
	group.Go(func() error { return closed(s.front.Serve(listener)) })
	if admin != nil {
		group.Go(func() error { return closed(s.admin.Serve(admin)) })
	}
	for _, work := range s.works() {
		group.Go(func() error { work(serving, hard); return nil })
	}
	s.Log.Info("serving", "api", s.where.API, "admin", s.where.Admin, "data", s.Config.DataDir)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	ready(s)
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-s.fatal:
		return failure // nothing can be saved any more
	}
	s.drain(stop, end, &group)
	return failure
}

// works is what runs until the server stops. Each gets a context that ends when it must claim nothing new, and one that ends
// when it must let go of what is under way.
func (s *Server) works() []func(ctx, hard context.Context) {
	return []func(ctx, hard context.Context){
		s.fleet.Run,
		s.Gateway.House,
		func(ctx, hard context.Context) { _ = s.Webhooks.Run(ctx, hard) },
		func(ctx, _ context.Context) { s.Queue.Sweep(ctx) },
		func(ctx, _ context.Context) { s.noteUse(ctx) },
	}
}

// drain stops the server in the order in which things flow in.
func (s *Server) drain(stop, end context.CancelFunc, group *errgroup.Group) {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	s.Log.Info("draining", "at_most", s.Config.DrainTimeout)
	began := time.Now()
	limit, done := context.WithTimeout(context.Background(), s.Config.DrainTimeout)
	defer done()
	timer := time.AfterFunc(s.Config.DrainTimeout-2*time.Second, end)
	defer timer.Stop()
	if err := s.front.Shutdown(limit); err != nil {
		s.Log.Warn("requests cut off", "err", err)
		_ = s.front.Close()
	}
	stop()
	_ = s.admin.Close()
	finished := make(chan error, 1)
	go func() { finished <- group.Wait() }()
	select {
	case err := <-finished:
		s.Log.Info("stopped", "took", time.Since(began).Round(time.Millisecond), "err", err)
	case <-limit.Done():
		s.Log.Warn("stopped before all was finished; what is open is settled at the next start")
	}
}

// listen opens the addresses before anything is changed, so that a server that cannot listen changes nothing.
func (s *Server) listen() (front, admin net.Listener, err error) {
	if front, err = net.Listen("tcp", s.Config.Listen); err != nil {
		return nil, nil, fmt.Errorf("listen for the API: %w", err)
	}
	s.where.API = front.Addr().String()
	if s.Config.AdminListen == "" {
		return front, nil, nil
	}
	if admin, err = net.Listen("tcp", s.Config.AdminListen); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen for the admin pages: %w", err), front.Close())
	}
	s.where.Admin = admin.Addr().String()
	return front, admin, nil
}

// prepare settles what an earlier start left behind, and builds what answers.
func (s *Server) prepare(ctx context.Context, out io.Writer) error {
	if s.Config.PublicURL == "" {
		s.Config.PublicURL = "http://" + s.where.API
	}
	first, err := s.firstKey(ctx)
	if err != nil {
		return fmt.Errorf("make the operator's key: %w", err)
	}
	if first != "" {
		_, err = fmt.Fprintf(out, "\nThis is the operator's API key. It is shown this once:\n\n    %s\n\n", first)
		if err != nil {
			return fmt.Errorf("show the operator's key: %w", err)
		}
	}
	s.fleet = fleet.New(s.Gateway, s.Queue, Drivers(), s.Log) // before the first dead are buried: their sessions go with them
	if err := s.Queue.Recover(ctx); err != nil {
		return err
	}
	if err := s.Gateway.Start(ctx); err != nil {
		return err
	}
	s.observe()
	s.front = api.NewServer(s.answers(), s.Log)
	s.admin = &http.Server{Handler: s.adminPages(), ReadHeaderTimeout: 10 * time.Second}
	return nil
}

// answers is everything the API's address answers.
func (s *Server) answers() http.Handler {
	cfg := s.Config
	return api.New(api.Options{
		PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies, Body: int64(cfg.Limits.Body), BatchBody: int64(cfg.Limits.BatchBody),
		Batch:     cfg.Limits.Batch,
		PerMinute: cfg.Rate.RequestsPerMinute, Burst: cfg.Rate.Burst, Log: s.Log, Metrics: s.Metrics,
	}, api.Core{
		Store: s.Store, Gateway: s.Gateway, Keys: s.Keys, Members: s.Members, Wallet: s.Wallet, Routes: s.Routes,
		Webhooks: s.Webhooks, Health: &s.health, OriginKnown: s.Keys.OriginKnown,
	}, surfaces()...)
}

// noteUse writes when keys were last used, now and then.
func (s *Server) noteUse(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = s.Keys.FlushUsed()
			return
		case <-tick.C:
			if err := s.Keys.FlushUsed(); err != nil {
				s.Log.Warn("cannot note the use of keys", "err", err)
			}
		}
	}
}

func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
