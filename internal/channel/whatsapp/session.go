package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

const (
	openTime   = 30 * time.Second // for connecting, logging in and what follows, together
	answerTime = 60 * time.Second // for the network's answer to a message
	drainTime  = 5 * time.Second  // for what is under way when Run is told to end
)

// session is a linked device that is connected.
type session struct {
	driver *driver
	config *config
	env    channel.Env
	vault  *vault
	client *client
	me     types.JID // the device; the library's own copy is gone at once when it is unlinked
	myLID  types.JID
	number message.Address

	ctx    context.Context // lives as long as the session
	end    context.CancelCauseFunc
	wire   context.Context // lives until the connection has been closed
	unplug context.CancelFunc
	up     chan struct{} // closed when the network has let us in
	isUp   sync.Once
	// background is what is done beside the connection; it ends with the session.
	background sync.WaitGroup
	recalling  sync.Mutex
	ending     sync.Mutex
	turn       chan struct{} // the library sends one message at a time, and does not let go of who waits
	limit      atomic.Pointer[limit]
	checks     *checks
	reupload   sync.Map // of message ids whose files were asked for again: channels of *events.MediaRetry
}

// open logs the device in and returns when it can send. Where the network wants a newer client it is tried again as one.
func (d *driver) open(ctx context.Context, env channel.Env) (channel.Session, error) {
	c, err := parse(env.Settings)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Reject, Code: "bad_settings", Err: err}
	}
	if env.State == nil {
		return nil, errNoState
	}
	s, err := d.logIn(ctx, c, env)
	if renewed(err) {
		s, err = d.logIn(ctx, c, env)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// logIn makes one try.
func (d *driver) logIn(ctx context.Context, c *config, env channel.Env) (*session, error) {
	s := &session{driver: d, config: c, env: env, up: make(chan struct{}), turn: make(chan struct{}, 1), checks: newChecks()}
	s.vault = &vault{state: env.State, failed: s.lose}
	device, err := s.vault.device(ctx, logger{env.Log})
	if err != nil {
		return nil, err
	}
	if device == nil {
		return nil, &channel.Failure{Verdict: channel.Reject, Code: "not_linked", Channel: true, Err: errors.New("no phone has linked it")}
	}
	s.me, s.myLID, s.number = *device.ID, device.LID, addressOf(*device.ID)
	if err := s.rest(ctx); err != nil {
		return nil, err
	}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	s.wire, s.unplug = context.WithCancel(context.WithoutCancel(ctx))
	s.client = d.client(c, env, device)
	s.client.AddEventHandlerWithSuccessStatus(s.handle)
	if err := s.connect(ctx); err != nil {
		s.close(err)
		return nil, err
	}
	return s, nil
}

// connect makes the connection, and waits until the network has let us in.
func (s *session) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if err := s.driver.gate.pass(ctx); err != nil {
		return unreachable(err)
	}
	if err := s.client.dial(ctx, s.wire, s.unplug); err != nil {
		return err
	}
	select {
	case <-s.up:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case <-ctx.Done():
		return &channel.Failure{Verdict: channel.Retry, Code: "no_login", Err: errors.New("the network did not let the device in within " + openTime.String())}
	}
}

// lose ends the session. The first reason stands. From then on nothing that comes in is taken, since what was refused before would
// come later than what follows it.
func (s *session) lose(err error) { s.end(err) }

// close ends what the session has begun.
func (s *session) close(err error) {
	s.ending.Lock()
	s.end(err)
	s.ending.Unlock()
	s.client.hangUp()
	s.unplug()
	s.background.Wait()
}

// beside does something beside the connection, while the session lives.
func (s *session) beside(do func()) {
	s.ending.Lock()
	defer s.ending.Unlock()
	if s.ctx.Err() == nil {
		s.background.Go(do)
	}
}

// Run serves the connection until it is lost, or ctx ends and what is under way has its answer.
func (s *session) Run(ctx context.Context) error {
	select {
	case <-s.ctx.Done():
		err := context.Cause(s.ctx)
		s.close(err)
		return err
	case <-ctx.Done():
	}
	s.drain()
	s.close(context.Canceled)
	return nil
}

// drain waits for the answer to what is under way, for some time.
func (s *session) drain() {
	select {
	case s.turn <- struct{}{}:
	case <-s.ctx.Done():
	case <-time.After(drainTime):
	}
}

// Send hands one message to the network.
func (s *session) Send(ctx context.Context, m message.Outbound) (string, error) {
	if s.ctx.Err() != nil {
		return "", &channel.Failure{Verdict: channel.Retry, Code: "not_connected", Err: context.Cause(s.ctx)}
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", &channel.Failure{Verdict: channel.Retry, Code: "not_sent", Err: ctx.Err()}
	}
	if ctx.Err() != nil {
		return "", &channel.Failure{Verdict: channel.Retry, Code: "not_sent", Err: ctx.Err()}
	}
	return s.send(ctx, m)
}

// send hands over the message whose turn it is.
func (s *session) send(ctx context.Context, m message.Outbound) (string, error) {
	if fail := s.resting(); fail != nil {
		return "", fail
	}
	to, fail := s.recipient(ctx, m.To)
	if fail != nil {
		return "", fail
	}
	outgoing, fail := s.compose(ctx, to, m)
	if fail != nil {
		return "", fail
	}
	id := remoteID(m)
	_, err := s.client.SendMessage(ctx, to, outgoing, whatsmeow.SendRequestExtra{ID: id, Timeout: answerTime})
	if err == nil {
		return id, nil
	}
	fail = sendFailure(err)
	s.warned(fail)
	return "", fail
}

// recipient is the network's name of who gets a message. Somebody new is looked up first: who has no WhatsApp is no mystery of
// the message's.
func (s *session) recipient(ctx context.Context, a message.Address) (types.JID, *channel.Failure) {
	to, err := jidOf(a)
	if err != nil {
		return to, refuse(err)
	}
	if to.Server != types.DefaultUserServer || to.User == s.me.User {
		return to, nil
	}
	lid, err := s.vault.GetLIDForPN(ctx, to)
	if err != nil {
		return to, sendFailure(err)
	}
	if !lid.IsEmpty() {
		return to, nil
	}
	found, err := s.client.GetUserInfo(ctx, []types.JID{to})
	if err != nil {
		return to, before(sendFailure(err))
	}
	if found[to].LID.IsEmpty() {
		return to, notThere(errors.New("the number has no account"))
	}
	return to, nil
}

// before turns doubt into another try: nothing of the message has left.
func before(f *channel.Failure) *channel.Failure {
	if f.Verdict == channel.Unsure {
		f.Verdict = channel.Retry
	}
	return f
}

// panicked is what a panic in a handler makes of a session.
func panicked(p any) error { return fmt.Errorf("a handler panicked: %v\n%s", p, debug.Stack()) }
