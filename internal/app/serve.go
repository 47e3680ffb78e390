package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tidings.dev/internal/api"
	"tidings.dev/internal/certificate"
	"tidings.dev/internal/config"
	"tidings.dev/internal/fleet"
	"tidings.dev/internal/telemetry"
)

// Addresses are where a running server listens.
type Addresses struct {
	API   string // host:port
	Admin string // host:port; empty when it is off
	Plain string // host:port of plain HTTP beside TLS; empty when it is off
}

// Server is a running Tidings.
type Server struct {
	*Core
	fleet       *fleet.Fleet
	health      telemetry.Health
	certificate certificate.Source // nil: connections are not encrypted
	front       *http.Server
	admin       *http.Server
	plain       *http.Server // sends to HTTPS
	where       Addresses
	fatal       chan error
	idle        atomic.Bool // some of the work has ended
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
// as long as the settings allow. ready is called once it answers; words for a person are written to out. instead are networks in the
// place of the real ones.
func Serve(ctx context.Context, cfg config.Config, log *slog.Logger, out io.Writer, ready func(*Server), instead ...Networks) error {
	tuneMemory()
	s := &Server{fatal: make(chan error, 1)}
	var err error
	if s.Core, err = Open(ctx, cfg, log, true, func(err error) { s.fatal <- err }, instead...); err != nil {
		return err
	}
	return errors.Join(s.run(ctx, out, ready), s.Close())
}

// Where tells where the server listens.
func (s *Server) Where() Addresses { return s.where }

func (s *Server) run(ctx context.Context, out io.Writer, ready func(*Server)) error {
	open, err := s.listen()
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, out); err != nil {
		return errors.Join(err, open.close())
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	hard, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var group errgroup.Group
	s.answer(&group, open)
	for _, work := range s.works() {
		group.Go(func() error { work(serving, hard); return nil })
	}
	s.Log.Info("serving", "api", s.scheme()+s.where.API, "admin", s.where.Admin, "data", s.Config.DataDir)
	go s.pet(hard)
	tell(daemon.SdNotifyReady)
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
		s.minded(s.fleet.Run),
		s.minded(s.Gateway.House),
		s.minded(func(ctx, hard context.Context) { _ = s.Webhooks.Run(ctx, hard) }),
		s.Notifier.Run,
		s.Automation.Run,
		s.Privacy.Run,
		s.Intake.Run,
		s.Media.Run,
		func(ctx, _ context.Context) { s.Queue.Sweep(ctx) },
		func(ctx, _ context.Context) { s.noteUse(ctx) },
		func(ctx, _ context.Context) { s.Gateway.CountClicks(ctx) },
		s.follow,
	}
}

// minded has the health tell when work that ends with the server alone has ended.
func (s *Server) minded(work func(ctx, hard context.Context)) func(ctx, hard context.Context) {
	return func(ctx, hard context.Context) {
		defer s.idle.Store(true)
		work(ctx, hard)
	}
}

// drain stops the server in the order in which things flow in.
func (s *Server) drain(stop, end context.CancelFunc, group *errgroup.Group) {
	tell(daemon.SdNotifyStopping)
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
	if s.plain != nil {
		_ = s.plain.Close()
	}
	finished := make(chan error, 1)
	go func() { finished <- group.Wait() }()
	select {
	case err := <-finished:
		s.Log.Info("stopped", "took", time.Since(began).Round(time.Millisecond), "err", err)
	case <-limit.Done():
		s.Log.Warn("stopped before all was finished; what is open is settled at the next start")
	}
}

// doors are the addresses that are open; nil for one that is off.
type doors struct{ front, admin, plain net.Listener }

// listen opens the addresses before anything is changed, so that a server that cannot listen changes nothing.
func (s *Server) listen() (d doors, err error) {
	for _, door := range []struct {
		listener *net.Listener
		at       string
		where    *string
		what     string
	}{
		{&d.front, s.Config.Listen, &s.where.API, "the API"},
		{&d.admin, s.Config.AdminListen, &s.where.Admin, "the admin pages"},
		{&d.plain, s.Config.TLS.Redirect, &s.where.Plain, "plain HTTP"},
	} {
		if door.at == "" {
			continue
		}
		l, err := net.Listen("tcp", door.at)
		if err != nil {
			return doors{}, errors.Join(fmt.Errorf("listen for %s: %w", door.what, err), d.close())
		}
		*door.listener, *door.where = l, l.Addr().String()
	}
	return d, nil
}

func (d doors) close() error {
	var errs []error
	for _, l := range []net.Listener{d.front, d.admin, d.plain} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// answer serves what comes through the doors, until their servers are shut.
func (s *Server) answer(group *errgroup.Group, d doors) {
	serve := func(f func(net.Listener) error, l net.Listener) {
		if l != nil {
			group.Go(func() error { return closed(f(l)) })
		}
	}
	front := s.front.Serve
	if s.certificate != nil {
		front = func(l net.Listener) error { return s.front.ServeTLS(l, "", "") }
		serve(s.plain.Serve, d.plain)
	}
	serve(front, d.front)
	serve(s.admin.Serve, d.admin)
}

// prepare settles what an earlier start left behind, and builds what answers.
func (s *Server) prepare(ctx context.Context, out io.Writer) error {
	var err error
	if s.certificate, err = openCertificate(s.Config.TLS, s.Store, s.Log); err != nil {
		return err
	}
	if s.Config.PublicURL == "" {
		s.Config.PublicURL = s.scheme() + s.where.API
	}
	s.Media.Serves(s.Config.PublicURL)
	s.Links.Serves(cmp.Or(s.Config.ShortURL, s.Config.PublicURL))
	if !sharesFiles(s.Config) {
		s.Log.Warn("files are in the data folder of this server alone", "advice", filesApart)
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
	s.fleet = fleet.New(s.Gateway, s.Queue, s.drivers, s.Log) // before the first dead are buried: their sessions go with them
	s.fleet.Reach, s.fleet.Web = s.reach, s.Guard
	s.fleet.Odd = s.countOddities()
	if s.Tracer != nil {
		s.fleet.Watch = traced{s.Tracer}.handed
	}
	if err := s.Queue.Recover(ctx); err != nil {
		return err
	}
	if err := s.Privacy.Start(ctx); err != nil {
		return err
	}
	if err := s.Gateway.Start(ctx); err != nil {
		return err
	}
	s.observe()
	s.front = api.NewServer(s.answers(), s.Log)
	s.encrypt()
	s.front.RegisterOnShutdown(s.Events.EndWaits)
	s.admin = &http.Server{Handler: s.adminPages(), ReadHeaderTimeout: 10 * time.Second}
	return nil
}

// answers is everything the API's address answers.
func (s *Server) answers() http.Handler {
	cfg := s.Config
	return api.New(api.Options{
		PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies, Body: int64(cfg.Limits.Body), BatchBody: int64(cfg.Limits.BatchBody),
		Batch: cfg.Limits.Batch, PerSource: cfg.Rate.SourceRequests,
		Log: s.Log, Metrics: s.Metrics, Traced: s.Tracer != nil,
	}, api.Core{
		Links: s.Links, Templates: s.Templates, Issues: s.Issues,

		Store: s.Store, Gateway: s.accepts(), Keys: s.Keys, Members: s.Members, Wallet: s.Wallet, Routes: s.Routes,
		Channels: s.Connections, Numbers: s.Numbers, Policies: s.Policies, Consent: s.Consent, Contacts: s.Contacts, Conversations: s.Conversations, Media: s.Media, Fleet: s.fleet,
		Webhooks: s.Webhooks, Events: s.Events, Automation: s.Automation, Notifier: s.Notifier, Privacy: s.Privacy, Intake: s.Intake, Health: &s.health, OriginKnown: s.Keys.OriginKnown,
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
