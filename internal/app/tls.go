package app

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tidings.dev/internal/api"
	"tidings.dev/internal/certificate"
	"tidings.dev/internal/config"
	"tidings.dev/internal/store"
)

// openCertificate is where the certificate comes from by the settings; nil when connections are not encrypted.
func openCertificate(t config.TLS, s *store.Store, log *slog.Logger) (certificate.Source, error) {
	switch {
	case t.Certificate != "":
		return certificate.OpenFiles(t.Certificate, t.Key, log)
	case len(t.ACMEHosts) > 0:
		return certificate.OpenACME(certificate.Authority{
			Directory: t.ACMEDirectory, Roots: t.ACMERoots, Email: t.ACMEEmail, Hosts: t.ACMEHosts,
		}, s, log)
	}
	return nil, nil
}

// scheme is how URLs of this server begin.
func (s *Server) scheme() string {
	if s.certificate == nil {
		return "http://"
	}
	return "https://"
}

// strict tells browsers to use nothing but HTTPS from now on (RFC 6797).
func strict(h http.Handler, lasting time.Duration) http.Handler {
	value := []string{"max-age=" + strconv.Itoa(int(lasting.Seconds()))}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Strict-Transport-Security"] = value
		h.ServeHTTP(w, r)
	})
}

// toHTTPS sends readers to the public address. Whatever carries a key is refused, not sent on: it has crossed the network for all to
// read, and a redirect would hide that for ever.
func toHTTPS(public string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !reading || r.Header.Get("Authorization") != "" || !strings.HasPrefix(r.URL.Path, "/") {
			w.Header().Set("Connection", "close")
			http.Error(w, "This server speaks HTTPS only. If this request carried a key, others may have read it: revoke it.", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, public+r.URL.RequestURI(), http.StatusPermanentRedirect) //nolint:gosec // the host is ours, whatever the path is
	})
}

// follow keeps the certificate fresh.
func (s *Server) follow(ctx, _ context.Context) {
	if s.certificate != nil {
		s.certificate.Run(ctx)
	}
}

// observeCertificate declares when the certificate ends.
func (s *Server) observeCertificate() {
	if s.certificate == nil {
		return
	}
	s.Metrics.GaugeFunc("certificate_expires_timestamp_seconds", "When the TLS certificate in use ends, as Unix time; 0 while there is none.", func() float64 {
		if ends := s.certificate.Expires(); !ends.IsZero() {
			return float64(ends.Unix())
		}
		return 0
	})
}

// Reload takes a new certificate, if there is one, and does what else a person wants done without a restart.
func (s *Server) Reload(more func()) {
	tell(reloading())
	defer tell(daemon.SdNotifyReady)
	if s.certificate != nil {
		s.certificate.Look()
	}
	more()
}

// encrypt prepares the server of the API's address for TLS, and the one that sends others to it.
func (s *Server) encrypt() {
	if s.certificate == nil {
		return
	}
	t := s.Config.TLS
	s.front.TLSConfig = s.certificate.TLS(certificate.Versions[t.Least])
	if t.HSTS > 0 {
		s.front.Handler = strict(s.front.Handler, t.HSTS)
	}
	s.plain = api.NewServer(s.certificate.Plain(toHTTPS(s.Config.PublicURL)), s.Log)
}
