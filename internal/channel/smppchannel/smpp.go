// Package smppchannel sends and receives texts over the SMPP 3.4 binds of one account, which together are one channel.
package smppchannel

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
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
func connect(ctx context.Context, c *config, mode smpp.Command) (net.Conn, *channel.Failure) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Retry, Code: "unreachable", Err: err}
	}
	as := c.bind
	as.Mode = mode
	if _, err := smpp.Bind(ctx, conn, as); err != nil {
		_ = conn.Close() // the bind's error says more
		return nil, bindFailure(err)
	}
	return conn, nil
}

func dial(ctx context.Context, c *config) (net.Conn, error) {
	if c.tls == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", c.address)
	}
	conn, err := (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, fmt.Errorf("with TLS: %w", err)
	}
	return conn, nil
}
