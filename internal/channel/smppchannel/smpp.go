// Package smppchannel sends and receives texts over the SMPP 3.4 binds of one account, which together are one channel.
package smppchannel

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// Driver speaks SMPP to an SMSC or an aggregator.
var Driver = channel.Driver{
	Name:     "smpp",
	Kind:     message.SMS,
	Features: channel.Features{Receipts: true, Unknown: channel.Blind},
	Check:    check,
	Secrets:  []string{"password"},
	Split:    newSplit(),
	EachNode: func(s channel.Settings) bool { c, err := parse(s); return err == nil && c.eachNode },
	Unknown:  classOf,
	Receipts: tells,
	Open:     open,
}

const (
	openTime  = 30 * time.Second // for connecting, TLS and the bind together
	drainTime = 5 * time.Second  // for what is under way when Run is told to end
)

func check(s channel.Settings) error {
	_, err := parse(s)
	return err
}

// classOf says whether the network repeats our reference.
func classOf(s channel.Settings) channel.Unknown {
	if c, err := parse(s); err == nil && c.echo {
		return channel.Echo
	}
	return channel.Blind
}

// tells says whether receipts are asked for of what arrived too, and some bind takes them.
func tells(s channel.Settings) bool {
	c, err := parse(s)
	return err == nil && c.registered&smpp.RegisteredFinal != 0 && slices.ContainsFunc(c.modes, smpp.Command.Receives)
}

// open makes all binds of the channel at once and returns when it can do what it is for. Only what the operator must mend
// is a Reject; everything else may pass by itself. A bind that cannot be made is tried again by the session.
func open(ctx context.Context, env channel.Env) (channel.Session, error) {
	c, err := parse(env.Settings)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Reject, Code: "bad_settings", Err: err}
	}
	s := newSession(c, env)
	if failure := s.bindAll(ctx); failure != nil {
		return nil, failure
	}
	return s, nil
}

// connect makes one bind.
func (s *session) connect(ctx context.Context, mode smpp.Command) (net.Conn, *channel.Failure) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Retry, Code: "unreachable", Err: err}
	}
	as := s.config.bind
	as.Mode = mode
	if _, err := smpp.Bind(ctx, conn, as); err != nil {
		_ = conn.Close() // the bind's error says more
		return nil, bindFailure(err)
	}
	return conn, nil
}

func (s *session) dial(ctx context.Context) (net.Conn, error) {
	plain, err := s.env.Connect(ctx, s.config.address)
	if err != nil || s.config.tls == nil {
		return plain, err
	}
	conn := tls.Client(plain, s.config.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // the handshake's error says more
		return nil, fmt.Errorf("with TLS: %w", err)
	}
	return conn, nil
}
