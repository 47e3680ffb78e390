package mail

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server on loopback that speaks SMTP and takes what it is told to.
type server struct {
	port    int
	roots   *x509.CertPool
	secure  *tls.Config
	offers  string            // STARTTLS and AUTH, as the case has it
	answers map[string]string // by command, instead of the usual
	implied bool              // TLS from the first byte
	mu      sync.Mutex
	heard   []string
	mails   []string
}

func newServer(t *testing.T, change func(*server)) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		roots: x509.NewCertPool(), offers: "STARTTLS AUTH",
		secure: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}
	s.roots.AddCert(cert)
	change(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return s
}

func (s *server) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if s.implied {
		conn = tls.Server(conn, s.secure)
	}
	in := bufio.NewReader(conn)
	say := func(text string) { _, _ = fmt.Fprint(conn, text+"\r\n") }
	say(cmp.Or(s.answers["greeting"], "220 localhost"))
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		s.mu.Lock()
		s.heard = append(s.heard, line)
		s.mu.Unlock()
		if answer := s.answers[verb]; answer != "" {
			say(answer)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-localhost")
			if _, safe := conn.(*tls.Conn); strings.Contains(s.offers, "STARTTLS") && !safe {
				say("250-STARTTLS")
			}
			if strings.Contains(s.offers, "AUTH") {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.secure)
			in = bufio.NewReader(conn)
		case "AUTH":
			say("235 welcome")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) settings(how string) Settings {
	return Settings{Host: "localhost", Port: s.port, User: "tidings", Password: "s3cret", From: "Tidings <tidings@example.com>", TLS: how, Roots: s.roots}
}

var letter = Message{
	ID: "0198.1", To: "ops@example.com", Subject: "Tidings: café is down", At: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC),
	Text: "The channel café has no connection.\n.\n..twice\n" + strings.Repeat("long ", 60) + "\n",
}

func TestMailIsTakenHoweverTheServerEncrypts(t *testing.T) {
	t.Parallel()
	for _, how := range []string{StartTLS, TLS, None} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(s *server) { s.implied = how == TLS })
			if err := s.settings(how).Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			told := strings.Join(s.heard, "\n")
			for _, want := range []string{"MAIL FROM:<tidings@example.com>", "RCPT TO:<ops@example.com>", "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00tidings\x00s3cret"))} {
				if !strings.Contains(told, want) {
					t.Errorf("the server heard\n%s\nwithout %s", told, want)
				}
			}
			m, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if got := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || got != letter.Text {
				t.Errorf("the mail says %q, %v", got, err)
			}
			if m.Header.Get("Message-Id") != "<0198.1@example.com>" || !strings.HasPrefix(m.Header.Get("Subject"), "=?utf-8?q?") || m.Header.Get("From") != "Tidings <tidings@example.com>" {
				t.Errorf("its head is %v", m.Header)
			}
		})
	}
}

func TestWhatTheServerSays(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		how     string
		change  func(*server)
		refused bool
	}{
		"no such address":       {None, func(s *server) { s.answers = map[string]string{"RCPT": "550 nobody here"} }, true},
		"not now":               {None, func(s *server) { s.answers = map[string]string{"RCPT": "451 later"} }, false},
		"a closed door":         {None, func(s *server) { s.answers = map[string]string{"greeting": "554 not now"} }, false},
		"no encryption now":     {StartTLS, func(s *server) { s.answers = map[string]string{"STARTTLS": "554 not now"} }, false},
		"a wrong password":      {StartTLS, func(s *server) { s.answers = map[string]string{"AUTH": "535 wrong"} }, false},
		"no STARTTLS":           {StartTLS, func(s *server) { s.offers = "AUTH" }, false},
		"an unknown authority":  {StartTLS, func(s *server) { s.roots = x509.NewCertPool() }, false},
		"no mail from us":       {None, func(s *server) { s.answers = map[string]string{"MAIL": "553 not you"} }, true},
		"no more room":          {None, func(s *server) { s.answers = map[string]string{"DATA": "452 full"} }, false},
		"plain where it is TLS": {TLS, func(*server) {}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.change)
			err := s.settings(c.how).Send(t.Context(), letter)
			if _, refused := errors.AsType[*Refused](err); err == nil || refused != c.refused {
				t.Errorf("%v", err)
			}
			if strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("the error tells the password: %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, line := range s.heard {
				if c.how == StartTLS && what != "a wrong password" && strings.HasPrefix(line, "AUTH") {
					t.Error("the password went out unencrypted")
				}
			}
		})
	}
}

func TestALineBreakMakesNoHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(*server) {})
	evil := letter
	evil.To = "ops@example.com\r\nBcc: all@example.com"
	if _, refused := errors.AsType[*Refused](s.settings(None).Send(t.Context(), evil)); !refused {
		t.Error("an address with a line break is mailed to")
	}
	evil = letter
	evil.Subject = "down\r\nBcc: all@example.com"
	if err := s.settings(None).Send(t.Context(), evil); err != nil || strings.Contains(s.mails[0], "\nBcc:") {
		t.Errorf("%v: %s", err, s.mails)
	}
}

func TestASilentServerIsLeft(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := Settings{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "a@example.com", TLS: None}
	if err := s.Send(ctx, letter); err == nil {
		t.Error("it took the mail")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"a@example.com": true, "a+b@example.co.ke": true, "": false, "a": false, "a@": false, "A <a@example.com>": false, "a@b.c, d@e.f": false,
		"a@example.com\r\nBcc: b@example.com": false, strings.Repeat("a", 250) + "@example.com": false,
	} {
		if Valid(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}
