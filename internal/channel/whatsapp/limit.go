package whatsapp

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
)

// limitName is the name of the network's restriction in the state: it outlives the session, and a restart.
const limitName = "limit"

// What a restriction lasts when the network does not say.
const (
	reachOutPause = time.Hour
	banPause      = time.Hour
	replacedPause = time.Minute // doubled each time
	replacedMost  = 4
)

// limit is a restriction by the network.
type limit struct {
	Code  string // temporary_ban, reach_out or replaced
	Until time.Time
	Times int    // how often in a row, of replaced
	Text  string // for people
}

// offline tells whether it keeps the device from connecting, too.
func (l *limit) offline() bool { return l.Code != "reach_out" }

// active tells whether it still holds.
func (l *limit) active() bool { return l != nil && time.Now().Before(l.Until) }

// failure says it of whatever cannot be done meanwhile.
func (l *limit) failure() *channel.Failure {
	return &channel.Failure{Verdict: channel.Retry, Code: l.Code, Pause: time.Until(l.Until), Err: errors.New(l.Text)}
}

// rest keeps to a restriction that an earlier session met.
func (s *session) rest(ctx context.Context) error {
	l := new(limit)
	there, err := s.vault.getJSON(ctx, limitName, l)
	if err != nil || !there {
		return err
	}
	s.limit.Store(l)
	if l.active() && l.offline() {
		return l.failure()
	}
	return nil
}

// resting is why nothing may be sent now; nil: something may.
func (s *session) resting() *channel.Failure {
	if l := s.limit.Load(); l.active() {
		return l.failure()
	}
	return nil
}

// restrict notes a restriction at once, so that nothing more is sent, and then writes it down and tells of it.
func (s *session) restrict(l *limit) {
	old := s.limit.Swap(l)
	if old.active() && old.Code == l.Code && l.Until.Sub(old.Until).Abs() < time.Minute {
		return // it is known
	}
	s.env.Log.Error("WhatsApp restricts the device", "code", l.Code, "until", l.Until.UTC())
	if err := s.vault.putJSON(s.ctx, limitName, l); err != nil {
		s.env.Log.Error("cannot write down that WhatsApp restricts the device", "err", err)
	}
	_ = s.notice(channel.Notice{Limited: &channel.Limited{Code: l.Code, Reason: l.Text, Until: l.Until}})
}

// warned takes the network's answer to a message as what it is: a warning to all.
func (s *session) warned(f *channel.Failure) {
	if f.Code == "reach_out" {
		s.restrict(&limit{Code: f.Code, Until: time.Now().Add(reachOutPause), Text: reachOutText})
	}
}

const reachOutText = "WhatsApp does not let this number write to people who have not written to it first, because too many did not answer. What is queued waits."

// timelocked takes WhatsApp's word that the account may not write to strangers, or may again.
func (s *session) timelocked(e *events.NotifyAccountReachoutTimelock) {
	if !e.IsActive {
		s.limit.Store(nil)
		if err := s.vault.drop(s.ctx, limitName); err != nil {
			s.env.Log.Error("cannot write down that WhatsApp restricts the device no more", "err", err)
		}
		return
	}
	until := e.TimeEnforcementEnds.Time
	if until.Before(time.Now()) {
		until = time.Now().Add(reachOutPause)
	}
	s.restrict(&limit{Code: "reach_out", Until: until, Text: reachOutText})
}

// banned ends the session until the ban is over.
func (s *session) banned(e *events.TemporaryBan) {
	pause := e.Expire
	if pause <= 0 {
		pause = banPause
	}
	l := &limit{Code: "temporary_ban", Until: time.Now().Add(pause), Text: "WhatsApp has banned this number for some time: " + e.Code.String() + ". What is queued waits."}
	s.restrict(l)
	s.lose(l.failure())
}

// replaced ends the session, since another client is connected as this device: to connect again at once would only throw it out,
// and us next. We try again after longer and longer waits.
func (s *session) replaced() {
	l := &limit{Code: "replaced", Times: 1, Text: "Another program has connected as this linked device. If it is not yours, log the device out on the phone and link it again."}
	if old := s.limit.Load(); old != nil && old.Code == l.Code && time.Since(old.Until) < time.Hour {
		l.Times = min(old.Times+1, replacedMost)
	}
	pause := replacedPause << (l.Times - 1)
	if l.Times == replacedMost {
		pause = time.Hour
	}
	l.Until = time.Now().Add(pause)
	s.restrict(l)
	s.lose(l.failure())
}
