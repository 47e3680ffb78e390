// Package certificate is where the server's TLS certificate comes from: two files that it follows when they change, or a
// certificate authority that it asks by ACME (RFC 8555).
package certificate

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"
)

// Source gives certificates to connections as they come, so that a new one needs no restart and breaks no connection.
type Source interface {
	// TLS is how connections are encrypted, with the given version or a newer one.
	TLS(least uint16) *tls.Config
	// Run keeps the certificate fresh until ctx ends.
	Run(ctx context.Context)
	// Look takes a new certificate now, if there is one.
	Look()
	// Expires is when the certificate in use ends; zero while there is none.
	Expires() time.Time
	// Plain answers plain HTTP: what the authority asks, and everything else as before.
	Plain(rest http.Handler) http.Handler
}

// Versions are the words for the least version of TLS.
var Versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// suites are what TLS 1.2 may use: a key for each connection and encryption that cannot be changed unseen. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// settings are those of every source.
func settings(least uint16, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: least, CipherSuites: suites, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"}}
}
