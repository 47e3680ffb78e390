package channeltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Scripted is a network that does as a test tells it. Set its fields before Driver is opened; its methods may be called
// at any time and from any goroutine. The zero value takes every part at once and sends no receipt.
type Scripted struct {
	Name     string       // of the driver; default "scripted"
	Kind     message.Kind // default message.SMS
	Features channel.Features
	Receipts func(channel.Settings) bool
	EachNode bool // every server may open it at the same time
	Window   int  // of each session; default 10
	RemoteID func(message.Outbound) string
	PartSize int          // runes in a part; default 160
	Answer   Answer       // for recipients without an answer of their own; default Take
	OpenErr  func() error // what Open fails with; nil or a nil result: it succeeds

	Pairing   Pairing                             // how a phone links a channel; nil: none needs to
	Abilities *Abilities                          // of each session; nil: none
	Care      func(channel.Settings) channel.Care // nil: none

	mu        sync.Mutex
	answers   map[string][]Answer
	sends     []message.Outbound
	sessions  []*scriptedSession // open ones, oldest first
	opened    int
	ids       int
	forgotten []message.ChannelID
	changed   chan struct{} // closed and replaced whenever sends or sessions change
}

// Answer is what Send does with a part.
type Answer func(ctx context.Context, m message.Outbound) (remoteID string, err error)

// Fail answers with a failure.
func Fail(f channel.Failure) Answer {
	return func(context.Context, message.Outbound) (string, error) { return "", &f }
}

// Silent never answers: Send ends with its context, as Unsure.
func Silent(ctx context.Context, _ message.Outbound) (string, error) {
	<-ctx.Done()
	return "", &channel.Failure{Verdict: channel.Unsure, Code: "no_answer", Err: ctx.Err()}
}

// Held answers as next does, once release is closed.
func Held(release <-chan struct{}, next Answer) Answer {
	return func(ctx context.Context, m message.Outbound) (string, error) {
		select {
		case <-release:
			return next(ctx, m)
		case <-ctx.Done():
			return Silent(ctx, m)
		}
	}
}

// Take takes the part under a fresh id.
func (s *Scripted) Take(context.Context, message.Outbound) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	return fmt.Sprintf("remote-%d", s.ids), nil
}

// On gives the recipient answers, used in turn; the last one stays.
func (s *Scripted) On(to string, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[string][]Answer{}
	}
	s.answers[to] = answers
}

// Driver is the driver whose sessions follow the script.
func (s *Scripted) Driver() channel.Driver {
	return channel.Driver{
		Name: orElse(s.Name, "scripted"), Kind: orElse(s.Kind, message.SMS), Features: s.Features,
		Check:    func(channel.Settings) error { return nil },
		Split:    s.split,
		Receipts: s.Receipts,
		EachNode: func(channel.Settings) bool { return s.EachNode },
		Open:     s.open,
		RemoteID: s.RemoteID,
		Link:     s.link(),
		Care:     s.Care,
	}
}

// Sends is every part that a session was given, in that order, whatever its answer.
func (s *Scripted) Sends() []message.Outbound {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sends)
}

// AwaitSends waits until n parts were given in all.
func (s *Scripted) AwaitSends(ctx context.Context, n int) ([]message.Outbound, error) {
	err := s.await(ctx, func() bool { return len(s.sends) >= n })
	return s.Sends(), err
}

// AwaitSession waits until a session of any channel is open and running.
func (s *Scripted) AwaitSession(ctx context.Context) error {
	return s.await(ctx, func() bool { return len(s.sessions) > 0 })
}

// Opened is how many sessions were opened so far.
func (s *Scripted) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Receipt tells the news through the running session of r.Channel, or of any channel when that is zero, and returns what
// the sink says.
func (s *Scripted) Receipt(ctx context.Context, r message.Receipt) error {
	session, err := s.session(r.Channel)
	if err != nil {
		return err
	}
	r.Channel = session.env.Channel
	return session.env.Sink.Receipt(ctx, r)
}

// Inbound hands a message over as Receipt does.
func (s *Scripted) Inbound(ctx context.Context, m message.Inbound) error {
	session, err := s.session(m.Channel)
	if err != nil {
		return err
	}
	m.Channel = session.env.Channel
	return session.env.Sink.Inbound(ctx, m)
}

// Drop ends every running session with the error.
func (s *Scripted) Drop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		session.lose(err)
	}
}

// ErrNoSession says that no session of the channel is running.
var ErrNoSession = errors.New("channeltest: no session is running")

func (s *Scripted) session(of message.ChannelID) (*scriptedSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range slices.Backward(s.sessions) {
		if of == 0 || session.env.Channel == of {
			return session, nil
		}
	}
	return nil, ErrNoSession
}

func (s *Scripted) open(_ context.Context, env channel.Env) (channel.Session, error) {
	if s.OpenErr != nil {
		if err := s.OpenErr(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	session := &scriptedSession{script: s, env: env, lost: make(chan error, 1)}
	if s.Abilities != nil {
		return able{session}, nil
	}
	return session, nil
}

// split cuts by runes, which is enough to have parts.
func (s *Scripted) split(_ channel.Settings, c message.Content) (message.Split, error) {
	if c.Type != message.TypeText {
		return message.Split{Encoding: "text", Units: max(1, len([]rune(c.Text))), Total: 1}, nil
	}
	runes := []rune(c.Text)
	if len(runes) == 0 {
		return message.Split{}, fault.New(fault.EmptyText, "the text is empty")
	}
	all := message.Split{Encoding: "text", Units: len(runes)}
	for part := range slices.Chunk(runes, orElse(s.PartSize, 160)) {
		all.Texts = append(all.Texts, string(part))
	}
	if all.Total = len(all.Texts); all.Total > 255 {
		return message.Split{}, fault.New(fault.TextTooLong, "the text needs %d parts", all.Total)
	}
	return all, nil
}

// take records a part and finds its answer.
func (s *Scripted) take(m message.Outbound) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends = append(s.sends, m)
	s.tell()
	own := s.answers[m.To.Value]
	switch {
	case len(own) > 1:
		s.answers[m.To.Value] = own[1:]
		return own[0]
	case len(own) == 1:
		return own[0]
	case s.Answer != nil:
		return s.Answer
	}
	return s.Take
}

// tell wakes whoever awaits. The caller holds the lock.
func (s *Scripted) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *Scripted) await(ctx context.Context, holds func() bool) error {
	for {
		s.mu.Lock()
		if holds() {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type scriptedSession struct {
	script *Scripted
	env    channel.Env
	lost   chan error
}

// Send records the part and does what the script says.
func (s *scriptedSession) Send(ctx context.Context, m message.Outbound) (string, error) {
	return s.script.take(m)(ctx, m)
}

// Run is the time in which the session is there for receipts, inbound messages and Drop.
func (s *scriptedSession) Run(ctx context.Context) error {
	all := s.script
	all.mu.Lock()
	all.sessions = append(all.sessions, s)
	all.tell()
	all.mu.Unlock()
	defer func() {
		all.mu.Lock()
		all.sessions = slices.DeleteFunc(all.sessions, func(other *scriptedSession) bool { return other == s })
		all.mu.Unlock()
	}()
	select {
	case err := <-s.lost:
		return err
	case <-ctx.Done():
		return nil
	}
}

// Window is as the script says.
func (s *scriptedSession) Window() int { return orElse(s.script.Window, 10) }

func (s *scriptedSession) lose(err error) {
	select {
	case s.lost <- err:
	default:
	}
}

func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
