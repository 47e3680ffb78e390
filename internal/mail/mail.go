// Package mail sends plain-text mail by SMTP.
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/telemetry"
)

// How a connection is encrypted.
const (
	StartTLS = "starttls" // after a plain greeting; a server that does not offer it is refused
	TLS      = "tls"      // from the first byte
	None     = "none"     // not at all
)

// Settings say how mail leaves.
type Settings struct {
	Host     string
	Port     int
	User     string // empty: nobody signs in
	Password telemetry.Secret
	From     string
	TLS      string         // StartTLS, TLS or None
	Roots    *x509.CertPool // nil: the system's
}

// timeout is how long one mail may take.
const timeout = 30 * time.Second

// Message is one mail to one address.
type Message struct {
	ID      string // the same for every try, so that who gets it twice can tell
	To      string
	Subject string
	Text    string
	At      time.Time
}

// Refused says that the server will not take the mail, however often it is tried (RFC 5321, 4.2.1: a reply of 5yz).
type Refused struct{ Err error }

// Error tells what the server said.
func (r *Refused) Error() string { return "the mail is refused: " + r.Err.Error() }

// Unwrap is the server's own answer.
func (r *Refused) Unwrap() error { return r.Err }

// Send hands a message to the server. When it returns nil the server has taken it.
func (s Settings) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := s.compose(m)
	if err != nil {
		return &Refused{err}
	}
	err = s.converse(ctx, m.To, text)
	if answer, ok := errors.AsType[*textproto.Error](err); ok && answer.Code >= 500 {
		return &Refused{err}
	}
	if err != nil {
		return fmt.Errorf("send mail by %s: %w", s.Host, err)
	}
	return nil
}

// converse has the whole conversation with the server.
func (s Settings) converse(ctx context.Context, to string, text []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // one that cannot be set shows with the first byte
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	secure := &tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
	talk := conn
	if s.TLS == TLS {
		talk = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(talk, s.Host)
	if err != nil {
		return fmt.Errorf("greet: %w", temporary(err))
	}
	if err := s.enter(c, secure); err != nil {
		return err
	}
	if err := deliver(c, s.sender(), to, text); err != nil {
		return err
	}
	_ = c.Quit() // it has the mail
	return nil
}

// enter encrypts and signs in.
func (s Settings) enter(c *smtp.Client, secure *tls.Config) error {
	if s.TLS == StartTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return errors.New("the server does not offer STARTTLS")
		}
		if err := c.StartTLS(secure); err != nil {
			return fmt.Errorf("encrypt: %w", temporary(err))
		}
	}
	if s.User == "" {
		return nil
	}
	if err := c.Auth(smtp.PlainAuth("", s.User, s.Password.Reveal(), s.Host)); err != nil {
		return fmt.Errorf("sign in: %w", temporary(err))
	}
	return nil
}

// temporary keeps an answer about us from counting as one about the mail: a wrong password is set right, and the mail still goes.
func temporary(err error) error { return errors.New(err.Error()) }

func deliver(c *smtp.Client, from, to string, text []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

// sender is the bare address that mail comes from.
func (s Settings) sender() string {
	a, err := mail.ParseAddress(s.From)
	if err != nil {
		return s.From
	}
	return a.Address
}

// compose is the mail as it goes over the wire (RFC 5322). A line break in a header would begin another one.
func (s Settings) compose(m Message) ([]byte, error) {
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", s.From},
		{"To", m.To},
		{"Subject", mime.QEncoding.Encode("utf-8", m.Subject)},
		{"Date", m.At.Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + s.domain() + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		if strings.ContainsAny(h[1], "\r\n") {
			return nil, fmt.Errorf("the mail's %s has a line break", h[0])
		}
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := q.Write([]byte(m.Text)); err != nil {
		return nil, fmt.Errorf("encode mail: %w", err)
	}
	if err := q.Close(); err != nil {
		return nil, fmt.Errorf("encode mail: %w", err)
	}
	return b.Bytes(), nil
}

func (s Settings) domain() string {
	_, domain, _ := strings.Cut(s.sender(), "@")
	return domain
}

// Valid reports whether a text is one bare mail address.
func Valid(address string) bool {
	a, err := mail.ParseAddress(address)
	return err == nil && a.Address == address && a.Name == "" && len(address) <= 254
}
