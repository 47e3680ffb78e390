package smppchannel

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/smpp"
)

const (
	firstWait = time.Second      // before a lost bind is tried again
	lastWait  = time.Minute      // between tries at most, and after refused credentials at least
	steady    = 30 * time.Second // a bind that lived so long begins anew with the first wait
)

// leg is one of a session's binds. While it is down the others go on.
type leg struct {
	number  int // from 1, for the log
	mode    smpp.Command
	link    atomic.Pointer[smpp.Session] // nil: it is down
	refused *channel.Failure             // why it could not be bound last
}

// legsOf are the binds that the settings ask for.
func legsOf(c *config) (legs []*leg) {
	for range c.binds {
		for _, mode := range c.modes {
			legs = append(legs, &leg{number: len(legs) + 1, mode: mode})
		}
	}
	return legs
}

// attach gives the leg a bound connection. Nothing moves on it until its link runs.
func (s *session) attach(l *leg, conn net.Conn) {
	link := s.config.session
	link.Handler, link.Late, link.Stray = s.receive, s.late, s.stray
	l.link.Store(smpp.NewSession(conn, link))
}

// bindAll makes all binds side by side. It fails when none of those could be made that the channel cannot do without:
// those that send, or those that receive where none sends. What must be mended is told before what may pass.
func (s *session) bindAll(ctx context.Context) *channel.Failure {
	var making sync.WaitGroup
	for _, l := range s.legs {
		making.Go(func() {
			var conn net.Conn
			if conn, l.refused = s.connect(ctx, l.mode); l.refused == nil {
				s.attach(l, conn)
			}
		})
	}
	making.Wait()
	var worst *channel.Failure
	for _, l := range s.legs {
		if l.refused == nil && l.mode.Transmits() == s.config.sends() {
			return nil
		}
		if l.refused != nil && (worst == nil || l.refused.Verdict == channel.Reject) {
			worst = l.refused
		}
	}
	for _, link := range s.links() {
		link.Close()
	}
	return worst
}

// keep serves the leg, and binds again whenever it is lost, until the session is over.
func (s *session) keep(ctx context.Context, l *leg) {
	wait := firstWait
	for {
		if link := l.link.Load(); link != nil {
			began := time.Now()
			err := link.Run(s.work)
			if s.down(l, link, err) {
				return
			}
			s.log.Warn("lost a bind; the others go on", "bind", l.number, "error", err)
			if time.Since(began) > steady {
				wait = firstWait
			}
		} else {
			s.log.Warn("a bind could not be made; the others go on", "bind", l.number, "error", l.refused)
		}
		if !rest(ctx, max(jitter(wait), patience(l.refused))) {
			return
		}
		wait = min(2*wait, lastWait)
		s.rebind(ctx, l)
	}
}

// rebind makes the leg's bind anew, if it can.
func (s *session) rebind(ctx context.Context, l *leg) {
	var conn net.Conn
	if conn, l.refused = s.connect(ctx, l.mode); l.refused != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		_ = conn.Close()
		return
	}
	s.attach(l, conn)
	s.up++
	s.log.Info("bound again", "bind", l.number)
}

// down takes a lost link out and tells whether the session is over, as it is with its last bind.
func (s *session) down(l *leg, link *smpp.Session, err error) (over bool) {
	l.link.CompareAndSwap(link, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up--; s.up == 0 || s.over {
		s.lost = errors.Join(s.lost, err)
		s.endLocked()
	}
	return s.over
}

// patience is how long to wait at least after a bind was refused: many networks lock an account that repeats a wrong
// password, and one that still sees an older bind needs time to find it dead.
func patience(refused *channel.Failure) time.Duration {
	switch {
	case refused == nil:
		return 0
	case refused.Verdict == channel.Reject:
		return lastWait
	}
	return refused.Pause
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

// rest waits, or reports false at the end of ctx.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
