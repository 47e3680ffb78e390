package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"

	"tidings.dev/internal/fault"
)

// Explain says in words for whoever gave us the address why a request failed. It names no address and repeats nothing that
// the far side said.
func Explain(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	switch {
	case err == nil:
		return ""
	case isBlocked(err), fault.Is(err, fault.URLNotAllowed):
		return "the address may not be called"
	case errors.As(err, &dns):
		return "the host cannot be found"
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &wrongName):
		return "the certificate cannot be trusted"
	case errors.As(err, &notTLS):
		return "the host does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.Is(err, ErrTooLong):
		return ErrTooLong.Error()
	default:
		return "the connection broke"
	}
}
