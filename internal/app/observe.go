package app

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/telemetry"
)

// observe declares what the server can be asked about itself.
func (s *Server) observe() {
	s.health.Vital("database", func(ctx context.Context) error {
		if s.Store.Broken() {
			return fault.New(fault.NotReady, "the disk cannot be trusted")
		}
		var one int
		return s.Store.Reader().QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
	s.health.Ready("disk", func(context.Context) error { return s.Store.Healthy() })
	s.health.Ready("workers", func(context.Context) error {
		if s.idle.Load() {
			return fault.New(fault.NotReady, "the workers have stopped")
		}
		return nil
	})
	s.observeCertificate()
	s.Metrics.GaugeFunc("ready", "1 while this server should be sent requests, else 0: as /readyz says.", s.ready)
	s.Metrics.GaugeFunc("disk_free_bytes", "Bytes that are free where the data folder is.", s.free)
	s.Metrics.GaugeFunc("disk_floor_bytes", "Below so many free bytes nothing new is accepted.", func() float64 { return float64(diskFloor(s.Config)) })
	s.Metrics.GaugeFunc("unknown_window", "Parts that a crash at this moment would leave with an unknown outcome, at most: the windows of the live sessions.", s.openWindow)
	s.Metrics.GaugeFunc("channels_down", "Enabled channels without a live session.", func() float64 { return float64(s.count(connection.Down)) })
	s.Metrics.GaugeFunc("channels_slowed", "Channels that send below their rate because the network says that it is asked too fast.", s.slowed)
	s.Metrics.GaugeFunc("queue_jobs", "Jobs that wait or are worked at.", func() float64 { return float64(s.jobs()) })
}

func (s *Server) ready() float64 {
	if s.Store.Broken() || s.Store.Healthy() != nil {
		return 0
	}
	return 1
}

func (s *Server) free() float64 {
	var st unix.Statfs_t
	if unix.Statfs(s.Config.DataDir, &st) != nil {
		return -1
	}
	return float64(int64(st.Bavail) * st.Bsize)
}

func (s *Server) openWindow() float64 {
	sum := 0
	for _, st := range s.fleet.States() {
		sum += st.Window
	}
	return float64(sum)
}

func (s *Server) slowed() float64 {
	n := 0
	for _, st := range s.fleet.States() {
		if st.Slowed > 0 {
			n++
		}
	}
	return float64(n)
}

func (s *Server) count(p connection.Phase) (n int) {
	for _, st := range s.fleet.States() {
		if st.Phase == p {
			n++
		}
	}
	return n
}

func (s *Server) jobs() (n int64) {
	lanes, err := s.Queue.Lanes(context.Background())
	if err != nil {
		return -1
	}
	for _, l := range lanes {
		n += l.Jobs
	}
	return n
}

// adminPages is everything the admin address answers: health, metrics, and the inside of the server.
func (s *Server) adminPages() http.Handler {
	debug := telemetry.NewDebug(&s.health)
	debug.Value("channels", func() any { return s.fleet.States() })
	debug.Value("lanes", func() any {
		lanes, err := s.Queue.Lanes(context.Background())
		if err != nil {
			return fmt.Sprint(err)
		}
		return lanes
	})
	debug.Value("settings", func() any { return s.Config.Settings() })
	debug.Link("/metrics", "metrics")
	mux := http.NewServeMux()
	mux.Handle("/debug/", debug)
	mux.Handle("/metrics", s.Metrics.Handler())
	mux.Handle("/healthz", s.health.Healthz())
	mux.Handle("/readyz", s.health.Readyz())
	mux.Handle("/{$}", http.RedirectHandler("/debug/", http.StatusFound))
	return mux
}
