package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair writes a certificate for localhost that is its own root, and its key.
func pair(t *testing.T, dir, name string, until time.Duration) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wish := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(until), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, wish, wish, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func secured(t *testing.T, dir string, more map[string]string) *running {
	t.Helper()
	settings := map[string]string{"tls.certificate": filepath.Join(dir, "cert.pem"), "tls.key": filepath.Join(dir, "key.pem")}
	for key, value := range more {
		settings[key] = value
	}
	return serve(t, settings)
}

// trusting is how a customer with the root connects.
func trusting(roots ...*x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	for _, root := range roots {
		pool.AddCert(root)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func dial(t *testing.T, at string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", at, c)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func TestOnlyStrongTLSIsSpoken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := pair(t, dir, "one", time.Hour)
	modern := secured(t, dir, nil).Where().API
	older := secured(t, dir, map[string]string{"tls.min_version": "1.2"}).Where().API
	weak := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	}
	for _, c := range []struct {
		name     string
		at       string
		version  uint16
		suites   []uint16
		accepted bool
	}{
		{"1.3", modern, tls.VersionTLS13, nil, true},
		{"1.2 unless allowed", modern, tls.VersionTLS12, nil, false},
		{"1.1", modern, tls.VersionTLS11, nil, false},
		{"1.2 where allowed", older, tls.VersionTLS12, nil, true},
		{"1.1 where 1.2 is allowed", older, tls.VersionTLS11, nil, false},
		{"1.0 where 1.2 is allowed", older, tls.VersionTLS10, nil, false},
		{"1.2 with weak suites", older, tls.VersionTLS12, weak, false},
	} {
		config := trusting(root)
		config.MinVersion, config.MaxVersion, config.CipherSuites = min(c.version, tls.VersionTLS10), c.version, c.suites
		conn, err := dial(t, c.at, config)
		if accepted := err == nil; accepted != c.accepted || accepted && conn.ConnectionState().Version != c.version {
			t.Errorf("%s: accepted %v (%v)", c.name, accepted, err)
		}
	}
}

func TestACertificateIsRenewedUnderLiveConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := pair(t, dir, "first", time.Hour)
	s := secured(t, dir, nil)
	at := s.Where().API
	old, err := dial(t, at, trusting(first))
	if err != nil {
		t.Fatal(err)
	}
	reload := func() { s.Reload(func() {}) }

	put(t, filepath.Join(dir, "cert.pem"), []byte("broken"))
	reload()
	reload()
	if _, err := dial(t, at, trusting(first)); err != nil {
		t.Errorf("a broken file took the certificate away: %v", err)
	}
	if n := strings.Count(s.log.String(), "cannot use the new certificate"); n != 1 {
		t.Errorf("a broken file was told of %d times:\n%s", n, s.log)
	}
	pair(t, dir, "late", -time.Minute)
	reload()
	if _, err := dial(t, at, trusting(first)); err != nil {
		t.Errorf("an expired file took the certificate away: %v", err)
	}
	second := pair(t, dir, "second", 2*time.Hour)
	reload()
	if _, err := dial(t, at, trusting(second)); err != nil {
		t.Errorf("the new certificate is not used: %v", err)
	}
	if _, err := io.WriteString(old, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(old); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("the old connection answers %q (%v)", answer, err)
	}
}

func TestBrowsersAreToldToStayOnHTTPS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := pair(t, dir, "one", time.Hour)
	s := secured(t, dir, map[string]string{"tls.redirect_listen": "127.0.0.1:0", "public_url": "https://sms.example.com"})
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trusting(root), ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	type answer struct {
		status, version int
		hsts, location  string
	}
	ask := func(method, url string, header ...string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		req.Host = "evil.example"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return answer{resp.StatusCode, resp.ProtoMajor, resp.Header.Get("Strict-Transport-Security"), resp.Header.Get("Location")}
	}
	if r := ask("GET", "https://"+s.Where().API+"/healthz"); r != (answer{200, 2, "max-age=31536000", ""}) {
		t.Errorf("over TLS: %+v", r)
	}
	plain := "http://" + s.Where().Plain
	if r := ask("GET", plain+"/docs/errors/?a=b"); r != (answer{308, 1, "", "https://sms.example.com/docs/errors/?a=b"}) {
		t.Errorf("plain: %+v", r)
	}
	for _, c := range [][]string{{"POST"}, {"GET", "Authorization", "Bearer td_live_x"}} {
		if r := ask(c[0], plain+"/tidings/v1/messages", c[1:]...); r != (answer{status: 403, version: 1}) {
			t.Errorf("plain %v: %+v", c, r)
		}
	}
	conn, err := net.Dial("tcp", s.Where().API)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if status, _ := raw(t, s.Where().API, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); status != 400 {
		t.Errorf("plain HTTP on the port of TLS is answered with %d", status)
	}
}

func TestAServerWithoutItsCertificateDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair(t, dir, "one", time.Hour)
	other := t.TempDir()
	pair(t, other, "two", time.Hour)
	for name, c := range map[string][2]string{
		"no file":       {filepath.Join(dir, "nothing.pem"), filepath.Join(dir, "key.pem")},
		"another's key": {filepath.Join(dir, "cert.pem"), filepath.Join(other, "key.pem")},
	} {
		err := refused(t, map[string]string{"tls.certificate": c[0], "tls.key": c[1]})
		if err == nil || !strings.Contains(err.Error(), "read the certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
