// Package guard is the one HTTP client for every address that others give us: it reaches the public internet and what the
// operator has opened, and nothing else.
//
// An address is looked at twice. CheckURL looks when it is saved, so that whoever gives it learns at once. The dialer looks
// again at the very address it connects to, since a name may lead elsewhere by then; only that look makes it safe.
package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Options say what the client may reach. The zero value reaches public addresses on the usual ports.
type Options struct {
	AllowPrivate   []netip.Prefix // private networks that the operator opens; metadata services stay closed
	AnyPrivatePort bool           // those networks are open on every port, not only on Ports
	Ports          []int          // empty: 443, 80 and 8443
	AnyPort        bool           // of every address, not only Ports
	Timeout        time.Duration  // for a whole exchange with its body; zero: 15 s
	MaxBody        int64          // bytes of a response that may be read; zero: 64 KiB
	RootCAs        *x509.CertPool // nil: the system's
	Resolver       Resolver       // nil: the system's
}

// Resolver finds the addresses of a name, as net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	connectTimeout = 5 * time.Second
	defaultTimeout = 15 * time.Second
	defaultBody    = 64 << 10
	maxHeader      = 64 << 10
	idlePerHost    = 64
	idleTimeout    = 90 * time.Second
)

// Client makes requests to addresses that others gave us.
type Client struct {
	rules    *rules
	resolver Resolver
	http     *http.Client
}

// New returns a client with connections of its own.
func New(o Options) *Client {
	c := &Client{rules: newRules(o), resolver: o.Resolver}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	transport := &http.Transport{
		// No Proxy: one from the environment would be asked for addresses that we refuse.
		DialContext:            c.dial,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // a small body must not become a large one
	}
	c.http = &http.Client{
		Transport:     capped{transport, orElse(o.MaxBody, defaultBody)},
		Timeout:       orElse(o.Timeout, defaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func orElse[T int64 | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

// Do sends a request. A redirect is an answer like any other and is not followed. Reading more of the body than the cap
// gives ErrTooLong.
//
// A request must not carry Idempotency-Key or X-Idempotency-Key unless the far side honours it: net/http sends such a POST
// again by itself when a kept connection breaks.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if err := c.rules.form(req.URL); err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

// HTTP is the client in the form that libraries take.
func (c *Client) HTTP() *http.Client { return c.http }

// Close drops the connections that are kept for later.
func (c *Client) Close() { c.http.CloseIdleConnections() }
