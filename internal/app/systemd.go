package app

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What systemd is told, where it asked to be; elsewhere nothing happens.

func tell(state string) { _, _ = daemon.SdNotify(false, state) }

// reloading tells that settings are read again; the answer is READY.
func reloading() string { return daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec() }

// pet tells systemd's watchdog that the server is well, twice in each of its periods, until ctx ends. A server that hangs, or whose
// disk cannot be trusted, says nothing and is started anew.
func (s *Server) pet(ctx context.Context) {
	period, err := daemon.SdWatchdogEnabled(false)
	if err != nil || period == 0 {
		return
	}
	tick := time.NewTicker(period / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !s.Store.Broken() {
				tell(daemon.SdNotifyWatchdog)
			}
		}
	}
}
