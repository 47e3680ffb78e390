package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// errBlocked is why a connection was not made. It does not say where it would have led.
var errBlocked = errors.New("the address may not be called")

// never holds what no setting opens: services that tell whoever asks the secrets of the machine.
var never = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), // metadata of nearly every cloud, and credentials of containers
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::/32"),      // metadata of AWS over IPv6
	netip.MustParsePrefix("fd20:ce::254/128"),   // metadata of Google over IPv6
	netip.MustParsePrefix("100.100.100.200/32"), // metadata of Alibaba
	netip.MustParsePrefix("192.0.0.192/32"),     // metadata of Oracle
	netip.MustParsePrefix("168.63.129.16/32"),   // the host agent of Azure, though in a public range
}

// carriers are IPv6 ranges that lead on to the IPv4 address in their last four bytes.
var carriers = []netip.Prefix{
	ssrf.IPv6NAT64Prefix,
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("::/96"),
}

// rules tell which addresses and ports may be called.
type rules struct {
	public  *ssrf.Guardian
	private []netip.Prefix
	ports   []int
	anyPort bool // on private networks
	open    bool // every port of every address
}

func newRules(o Options) *rules {
	r := &rules{ports: o.Ports, anyPort: o.AnyPrivatePort, open: o.AnyPort}
	if len(r.ports) == 0 {
		r.ports = []int{443, 80, 8443}
	}
	for _, p := range o.AllowPrivate {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		r.private = append(r.private, p.Masked())
	}
	r.public = ssrf.New(ssrf.WithAnyPort())
	return r
}

// control is the dialer's last look: it sees the address that will be connected to.
func (r *rules) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return errBlocked
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", errBlocked, network)
	}
	return r.allow(at.Addr(), int(at.Port()))
}

// allow reports whether an address may be called on a port.
func (r *rules) allow(ip netip.Addr, port int) error {
	ip = ip.WithZone("").Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	if !r.reachable(ip) {
		return errBlocked
	}
	if r.open || r.anyPort && within(r.private, ip) || slices.Contains(r.ports, port) {
		return nil
	}
	return errBlocked
}

func (r *rules) reachable(ip netip.Addr) bool {
	if within(never, ip) {
		return false
	}
	if !within(r.private, ip) {
		return r.public.SafeAddr(ip) == nil
	}
	if ip.Is6() && !ip.IsLoopback() && within(carriers, ip) {
		b := ip.As16()
		return r.reachable(netip.AddrFrom4([4]byte(b[12:])))
	}
	return true
}

func within(prefixes []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}
