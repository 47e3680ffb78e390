package app_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"tidings.dev/internal/store/storetest"
)

const host = "sms.tidings.example"

// authority is a certificate authority on loopback that really checks whose a name is.
type authority struct {
	settings map[string]string
	root     *x509.Certificate
	orders   atomic.Int64
}

// newAuthority checks on the ports of the addresses, of which one may be closed.
func newAuthority(t *testing.T, plain, encrypted string) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	memory := db.NewMemoryStore()
	issuer := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	checks := va.New(quiet, port(t, plain), port(t, encrypted), false, names(t), memory)
	front := wfe.New(quiet, memory, checks, issuer, []string{"authority.example"}, false, false, 0, 0)
	a := &authority{}
	handler := front.Handler()
	directory := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			a.orders.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(directory.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	put(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: directory.Certificate().Raw}))
	a.settings = map[string]string{"tls.acme_hosts": host, "tls.acme_directory": directory.URL + "/dir", "tls.acme_roots": roots}
	root, err := x509.ParseCertificate(issuer.GetRootCert(0).DER)
	if err != nil {
		t.Fatal(err)
	}
	a.root = root
	return a
}

// names is a name server by which every name leads to this machine.
func names(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, ask *dns.Msg) {
		reply := new(dns.Msg).SetReply(ask)
		if q := ask.Question[0]; q.Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return listener.Addr().String()
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestCertificatesComeByACME(t *testing.T) {
	for _, by := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(by, func(t *testing.T) {
			listen, plain := free(t), free(t)
			checked := listen
			if by == "HTTP-01" {
				checked = free(t) // nobody is there
			}
			a := newAuthority(t, plain, checked)
			opt := storetest.Options(t)
			settings := a.settings
			settings["listen"], settings["tls.redirect_listen"], settings["data_dir"], settings["database"] = listen, plain, opt.Dir, opt.Database
			s := serve(t, settings)
			first, asked := certificateOf(t, s, a), a.orders.Load()
			s.stop()
			if again := certificateOf(t, serve(t, settings), a); !again.Equal(first) || a.orders.Load() != asked {
				t.Errorf("the certificate was not kept: %d orders, then %d", asked, a.orders.Load())
			}
		})
	}
}

// certificateOf is the certificate that a customer sees, once there is one.
func certificateOf(t *testing.T, s *running, a *authority) *x509.Certificate {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	dialer := &net.Dialer{Timeout: 20 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", s.Where().API, &tls.Config{RootCAs: pool, ServerName: host})
	if err != nil {
		t.Fatalf("no certificate: %v\n%s", err, s.log)
	}
	defer conn.Close()
	if _, err := tls.Dial("tcp", s.Where().API, &tls.Config{RootCAs: pool, ServerName: "other.example"}); err == nil {
		t.Error("a certificate was given for a name that is not ours")
	}
	return conn.ConnectionState().PeerCertificates[0]
}
