package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"tidings.dev/internal/store"
)

// Authority is whom to ask by ACME, and for which names. To ask is to agree to its terms.
type Authority struct {
	Directory string   // its URL
	Roots     string   // PEM file with the roots of the directory's own certificate; empty: the system's
	Email     string   // told to it, for warnings
	Hosts     []string // the names that the server is reached by
}

// ACME is a certificate for each name from an authority that checks, on port 443 (TLS-ALPN-01) or 80 (HTTP-01), that the name
// leads here. All servers of a database share what it keeps, so that any of them may be asked.
type ACME struct {
	manager autocert.Manager
	hosts   []string
	log     *slog.Logger
	expires atomic.Pointer[time.Time]
	hurry   chan struct{}
}

const (
	refresh = time.Hour   // between looks at certificates that are well
	again   = time.Minute // after one that could not be had
)

// OpenACME returns a source that asks the authority.
func OpenACME(a Authority, s *store.Store, log *slog.Logger) (*ACME, error) {
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "tidings"}
	if a.Roots != "" {
		pem, err := os.ReadFile(a.Roots)
		if err != nil {
			return nil, fmt.Errorf("read the roots of the ACME directory: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the roots of the ACME directory: %s has no certificate", a.Roots)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		client.HTTPClient = &http.Client{Transport: transport, Timeout: time.Minute}
	}
	return &ACME{
		manager: autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: &cache{s}, HostPolicy: ours(a.Hosts), Email: a.Email, Client: client,
		},
		hosts: a.Hosts, log: log, hurry: make(chan struct{}, 1),
	}, nil
}

// ours takes the hosts, with or without a port: an authority may be told to check on another one than 80.
func ours(hosts []string) autocert.HostPolicy {
	listed := autocert.HostWhitelist(hosts...)
	return func(ctx context.Context, host string) error {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		return listed(ctx, host)
	}
}

// TLS encrypts with the certificate of the name that the caller asks for.
func (a *ACME) TLS(least uint16) *tls.Config {
	c := settings(least, a.get)
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c
}

// get finds the certificate for a caller. Whoever speaks TLS 1.3 takes an ECDSA key, though its list of suites says nothing of it.
func (a *ACME) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		modern := *hello
		modern.CipherSuites = append(slices.Clone(hello.CipherSuites), tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
		hello = &modern
	}
	return a.manager.GetCertificate(hello)
}

// Run asks for what is missing before the first caller needs it, and notes when certificates end.
func (a *ACME) Run(ctx context.Context) {
	for {
		wait := refresh
		if err := a.ensure(); err != nil {
			a.log.Warn("cannot get a certificate", "err", err, "again", again)
			wait = again
		}
		select {
		case <-ctx.Done():
			return
		case <-a.hurry:
		case <-time.After(wait):
		}
	}
}

// ensure has a certificate for each name, and notes which ends first.
func (a *ACME) ensure() error {
	var first time.Time
	var errs []error
	for _, host := range a.hosts {
		c, err := a.get(&tls.ClientHelloInfo{ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", host, err))
			continue
		}
		if first.IsZero() || c.Leaf.NotAfter.Before(first) {
			first = c.Leaf.NotAfter
		}
	}
	if !first.IsZero() {
		a.expires.Store(&first)
	}
	return errors.Join(errs...)
}

// Look asks now for what is missing.
func (a *ACME) Look() {
	select {
	case a.hurry <- struct{}{}:
	default:
	}
}

// Expires is when the first of the certificates ends; zero while there is none.
func (a *ACME) Expires() time.Time {
	if t := a.expires.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// Plain answers the authority's HTTP-01 challenges.
func (a *ACME) Plain(rest http.Handler) http.Handler { return a.manager.HTTPHandler(rest) }

// cache keeps what ACME needs in the store, sealed.
type cache struct{ store *store.Store }

func sealPlace(name string) string { return "acme/" + name }

// Get implements autocert.Cache.
func (c *cache) Get(ctx context.Context, name string) ([]byte, error) {
	sealed, err := on(c.store.Reader()).Kept(ctx, keptParams{Name: name})
	if store.NoRows(err) {
		return nil, autocert.ErrCacheMiss
	}
	if err != nil {
		return nil, fmt.Errorf("read what ACME kept: %w", err)
	}
	text, err := c.store.Unseal(sealPlace(name), sealed)
	return []byte(text), err
}

// Put implements autocert.Cache.
func (c *cache) Put(_ context.Context, name string, data []byte) error {
	sealed, err := c.store.Seal(sealPlace(name), string(data))
	if err != nil {
		return err
	}
	return c.store.Write(func(tx *store.Tx) error {
		return on(tx.Queries()).Keep(tx.Context(), keepParams{Name: name, Sealed: sealed, Now: tx.NowMilli()})
	})
}

// Delete implements autocert.Cache.
func (c *cache) Delete(_ context.Context, name string) error {
	return c.store.Write(func(tx *store.Tx) error { return on(tx.Queries()).Forget(tx.Context(), forgetParams{Name: name}) })
}
