package channeltest

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// Pairing is how a scripted phone links a channel.
type Pairing func(ctx context.Context, env channel.Env, phone string, show func(channel.Code)) (channel.Identity, error)

// Abilities are what a session can do besides sending. A nil one panics, as a driver with a bug does.
type Abilities struct {
	Fetch    func(ctx context.Context, source []byte, into io.Writer) error
	Unlink   func(ctx context.Context) error
	Check    func(ctx context.Context, phones []message.Address) ([]channel.Known, error)
	People   func(ctx context.Context) ([]message.Person, error)
	Picture  func(ctx context.Context, of message.Address) (string, error)
	Groups   func(ctx context.Context) ([]channel.Group, error)
	Typing   func(ctx context.Context, to message.Address, state channel.Typing) error
	MarkRead func(ctx context.Context, from, group message.Address, remoteIDs []string, at time.Time) error
}

// Scanned is a phone that scans the first code it is shown.
func Scanned(who channel.Identity) Pairing {
	return func(_ context.Context, _ channel.Env, _ string, show func(channel.Code)) (channel.Identity, error) {
		show(channel.Code{QR: "2@first", Until: time.Now().Add(20 * time.Second)})
		return who, nil
	}
}

// Unscanned is a phone that scans no code: they run out after some were shown.
func Unscanned(codes int) Pairing {
	return func(_ context.Context, _ channel.Env, _ string, show func(channel.Code)) (channel.Identity, error) {
		for range codes {
			show(channel.Code{QR: "2@code", Until: time.Now().Add(20 * time.Second)})
		}
		return channel.Identity{}, &channel.Failure{Verdict: channel.Reject, Code: "codes_expired", Err: errors.New("nobody scanned a code")}
	}
}

// Notice tells the news through the running session of n.Channel, or of any channel when that is zero.
func (s *Scripted) Notice(ctx context.Context, n channel.Notice) error {
	session, err := s.session(n.Channel)
	if err != nil {
		return err
	}
	n.Channel = session.env.Channel
	return session.env.Sink.(channel.NoticeSink).Notice(ctx, n)
}

// Forgotten lists the channels of which the driver was told to drop everything.
func (s *Scripted) Forgotten() []message.ChannelID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.forgotten)
}

// link is what the driver can do before it has a session; nil where no phone links its channels.
func (s *Scripted) link() *channel.Link {
	if s.Pairing == nil {
		return nil
	}
	return &channel.Link{
		Pair: s.Pairing,
		Forget: func(_ context.Context, env channel.Env) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.forgotten = append(s.forgotten, env.Channel)
			return nil
		},
	}
}

// able is a session with abilities.
type able struct{ *scriptedSession }

// Fetch is as the script says.
func (s able) Fetch(ctx context.Context, source []byte, into io.Writer) error {
	return s.script.Abilities.Fetch(ctx, source, into)
}

// Unlink is as the script says.
func (s able) Unlink(ctx context.Context) error { return s.script.Abilities.Unlink(ctx) }

// Check is as the script says.
func (s able) Check(ctx context.Context, phones []message.Address) ([]channel.Known, error) {
	return s.script.Abilities.Check(ctx, phones)
}

// People is as the script says.
func (s able) People(ctx context.Context) ([]message.Person, error) {
	return s.script.Abilities.People(ctx)
}

// Picture is as the script says.
func (s able) Picture(ctx context.Context, of message.Address) (string, error) {
	return s.script.Abilities.Picture(ctx, of)
}

// Groups is as the script says.
func (s able) Groups(ctx context.Context) ([]channel.Group, error) {
	return s.script.Abilities.Groups(ctx)
}

// Group is one of the script's groups.
func (s able) Group(ctx context.Context, group message.Address) (channel.Group, error) {
	all, err := s.script.Abilities.Groups(ctx)
	if err != nil {
		return channel.Group{}, err
	}
	i := slices.IndexFunc(all, func(g channel.Group) bool { return g.Address == group })
	if i < 0 {
		return channel.Group{}, &channel.Failure{Verdict: channel.Reject, Code: "unknown_group"}
	}
	return all[i], nil
}

// Typing is as the script says.
func (s able) Typing(ctx context.Context, to message.Address, state channel.Typing) error {
	return s.script.Abilities.Typing(ctx, to, state)
}

// MarkRead is as the script says.
func (s able) MarkRead(ctx context.Context, from, group message.Address, remoteIDs []string, at time.Time) error {
	return s.script.Abilities.MarkRead(ctx, from, group, remoteIDs, at)
}
