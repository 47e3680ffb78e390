package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Dial connects for a protocol that is not HTTP. Its error is fit to be shown to whoever gave the address.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, &unreachedError{err}
	}
	return conn, nil
}

// unreachedError says why an address was not reached in words that tell nothing of the networks between.
type unreachedError struct{ err error }

func (e *unreachedError) Error() string { return Explain(e.err) }
func (e *unreachedError) Unwrap() error { return e.err }

// dial looks up the host, refuses it if any of its addresses is not allowed, and connects to one that was looked at. The
// dialer looks once more, so that no mistake here opens what is closed.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithTimeout(ctx, connectTimeout)
	defer end()
	ips, err := c.resolve(ctx, host, port)
	if err != nil {
		return nil, err
	}
	return c.dialFirst(ctx, network, ips, port)
}

// dialFirst tries the addresses one after another, each with its share of the time.
func (c *Client) dialFirst(ctx context.Context, network string, ips []netip.Addr, port int) (net.Conn, error) {
	dialer := net.Dialer{Control: c.rules.control, FallbackDelay: -1}
	var failed error
	for i, ip := range ips {
		deadline, _ := ctx.Deadline()
		dialer.Timeout = max(time.Until(deadline)/time.Duration(len(ips)-i), time.Millisecond)
		conn, err := dialer.DialContext(ctx, network, netip.AddrPortFrom(ip.Unmap(), uint16(port)).String())
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("connect: %w", failed)
}

func isBlocked(err error) bool { return errors.Is(err, errBlocked) }
