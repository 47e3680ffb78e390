// Package smppchannel sends and receives texts over one SMPP 3.4 transceiver bind.
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
	Split:    newSplit(),
	EachNode: func(s channel.Settings) bool { c, err := parse(s); return err == nil && c.eachNode },
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

// open connects and binds. Only what the operator must mend is a Reject; everything else may pass by itself.
func open(ctx context.Context, env channel.Env) (channel.Session, error) {
	c, err := parse(env.Settings)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Reject, Code: "bad_settings", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, &channel.Failure{Verdict: channel.Retry, Code: "unreachable", Err: err}
	}
	if _, err := smpp.Bind(ctx, conn, c.bind); err != nil {
		_ = conn.Close() // the bind's error says more
		return nil, bindFailure(err)
	}
	return newSession(conn, c, env), nil
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
