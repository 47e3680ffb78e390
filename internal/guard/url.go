package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tidings.dev/internal/fault"
)

const maxURL = 2048

// CheckURL tells with a fault why an address may not be called, as far as one can know before calling it. Every address that
// its host has must be allowed.
func (c *Client) CheckURL(ctx context.Context, raw string) error {
	err := c.look(ctx, raw)
	if err != nil && fault.Of(err) == nil {
		return notFound()
	}
	return err
}

func notFound() error { return refuse("the host of the URL cannot be found") }

// look is CheckURL for who can ask again: its error is no fault where nobody could tell just now where the host leads.
func (c *Client) look(ctx context.Context, raw string) error {
	u, err := parse(raw)
	if err != nil {
		return err
	}
	if err := c.rules.form(u); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(ctx, connectTimeout)
	defer end()
	_, err = c.resolve(ctx, u.Hostname(), portOf(u))
	switch {
	case err == nil:
		return nil
	case isBlocked(err):
		return refuse("the URL leads into a private or reserved network, or to a port that is not allowed")
	case ctx.Err() != nil || ofTheMoment(err):
		return fmt.Errorf("look for the host: %s", Explain(err)) // without its name
	default:
		return notFound()
	}
}

// ofTheMoment reports whether those who know names did not answer, instead of knowing of none.
func ofTheMoment(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound && dns.Temporary()
}

// resolve finds where a host leads. One address that is not allowed condemns them all: a name with a public and a private
// one is a trick.
func (c *Client) resolve(ctx context.Context, host string, port int) ([]netip.Addr, error) {
	ips, err := c.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if err := c.rules.allow(ip, port); err != nil {
			return nil, err
		}
	}
	return ips, nil
}

func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ips, err := c.resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ips, err
}

// parse reads a URL and refuses what different readers of URLs read differently.
func parse(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, refuse("the URL is longer than %d characters", maxURL)
	}
	if i := strings.IndexFunc(raw, unfit); i >= 0 {
		return nil, refuse("the URL holds a character that must be written in its escaped form, or a fragment")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse("the URL cannot be read")
	}
	return u, nil
}

func unfit(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\#<>\"^`{|}", r) }

// form checks all of a URL that can be seen without looking up its host.
func (r *rules) form(u *url.URL) error {
	host, port := u.Hostname(), portOf(u)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("the URL is not http or https")
	case u.User != nil:
		return refuse("the URL holds a user name")
	case u.Opaque != "" || u.Fragment != "":
		return refuse("the URL cannot be read")
	case host == "" || strings.Contains(host, "%") || oddNumber(host):
		return refuse("the host of the URL is no name and no address")
	case port < 1 || port > 65535:
		return refuse("the port of the URL is no port")
	case !r.anyPort && !slices.Contains(r.ports, port):
		return refuse("the port of the URL is not allowed")
	}
	return nil
}

// oddNumber reports whether a host ends in a number without being an address in the usual form. Some resolvers take
// 2130706433, 0x7f.1 and 0177.0.0.1 for 127.0.0.1; there is no honest use for them (WHATWG URL, 3.5, "ends in a number").
func oddNumber(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func portOf(u *url.URL) int {
	if text := u.Port(); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil {
			return -1
		}
		return port
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

func refuse(format string, args ...any) *fault.Fault {
	return fault.New(fault.URLNotAllowed, format, args...).In("url")
}
