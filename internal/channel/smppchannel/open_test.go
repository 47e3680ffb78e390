package smppchannel

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/internal/smpp"
)

func TestSecondBindWaits(t *testing.T) {
	s := smsc.New(smsc.Config{MaxBinds: 1})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	env := channel.Env{Settings: channel.Settings(fmt.Sprintf(`{"address":%q,"system_id":"tidings"}`, s.Addr())), Sink: new(channeltest.Sink)}
	first, err := Driver.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { over <- first.Run(ctx) }()
	_, err = Driver.Open(t.Context(), env)
	if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "already_bound" || f.Pause == 0 || f.Native != "0x00000005" {
		t.Errorf("%+v", f)
	}
	stop()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	settings := channel.Settings(fmt.Sprintf(`{"address":%q,"system_id":"tidings"}`, listener.Addr()))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Driver.Open(ctx, channel.Env{Settings: settings}) // connects, and no bind is answered
	if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "no_bind" || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	listener.Close()
	_, err = Driver.Open(t.Context(), channel.Env{Settings: settings})
	if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "unreachable" {
		t.Error(err)
	}
}

func TestRefusedBindLeavesNoConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		_, _ = smpp.AcceptBind(t.Context(), conn, "smsc", func(smpp.Bound) smpp.Status { return smpp.StatusInvalidPassword })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		ended <- err
	}()
	settings := channel.Settings(fmt.Sprintf(`{"address":%q,"system_id":"tidings"}`, listener.Addr()))
	if _, err := Driver.Open(t.Context(), channel.Env{Settings: settings}); err == nil {
		t.Error("opened")
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// certificate is a fresh one for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"smsc.example"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCase6c07TLS(t *testing.T) {
	own, authority := certificate(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := smpp.AcceptBind(t.Context(), conn, "smsc", func(smpp.Bound) smpp.Status { return smpp.StatusOK }); err == nil {
				_ = smpp.NewSession(conn, smpp.Config{}).Run(t.Context())
			}
			conn.Close()
		}
	}()
	open := func(more map[string]any) (channel.Session, error) {
		all := map[string]any{"address": listener.Addr().String(), "system_id": "tidings", "tls": true}
		for key, value := range more {
			all[key] = value
		}
		settings, _ := json.Marshal(all)
		return Driver.Open(t.Context(), channel.Env{Settings: channel.Settings(settings), Sink: new(channeltest.Sink)})
	}
	session, err := open(map[string]any{"tls_ca": authority, "tls_server_name": "smsc.example"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := session.Run(ctx); err != nil {
		t.Error(err)
	}
	for _, more := range []map[string]any{{}, {"tls_ca": authority, "tls_server_name": "other.example"}} {
		_, err := open(more)
		if f := verdictOf(t, err); f.Verdict != channel.Retry || f.Code != "unreachable" || !strings.Contains(err.Error(), "certificate") {
			t.Error(err)
		}
	}
	listener.Close()
	<-served
}

func TestDefaults(t *testing.T) {
	c := mustParse(t, "")
	want := smpp.Config{Window: 10, ResponseTimeout: time.Minute, EnquireInterval: 30 * time.Second, EnquireTimeout: 10 * time.Second}
	got := c.session
	if got.Window != want.Window || got.ResponseTimeout != want.ResponseTimeout || got.EnquireInterval != want.EnquireInterval || got.EnquireTimeout != want.EnquireTimeout {
		t.Errorf("%+v", got)
	}
	if c.tls != nil || c.text != (smpp.Options{}) || c.receipts.AnyClass || c.rule != smpp.IDSame {
		t.Errorf("%+v", c)
	}
}

func TestWhetherEveryPartIsToldOf(t *testing.T) {
	for settings, want := range map[string]bool{
		``: true, `,"receipts":"all"`: true, `,"receipts":"failed"`: false, `,"receipts":"none"`: false, `,"bind":"tx"`: false, `,"bind":"tx+rx"`: true,
	} {
		s := channel.Settings(`{"address":"127.0.0.1:2775","system_id":"x"` + settings + `}`)
		if err := Driver.Check(s); err != nil || Driver.Tells(s) != want {
			t.Errorf("%s: %v, %v", settings, !want, err)
		}
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	_, err := parse(channel.Settings(`{"address":"x:0","password":7,"window":0,"tls_ca":"x","response_timeout":"1h","wnidow":1,"source_ton":256,"region":null}`))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatal(err)
	}
	got := map[string]fault.Code{}
	for _, one := range joined.Unwrap() {
		got[fault.Of(one).Field] = fault.Of(one).Code
	}
	want := map[string]fault.Code{
		"address": fault.InvalidField, "system_id": fault.MissingField, "password": fault.InvalidField, "window": fault.InvalidField,
		"tls": fault.InvalidField, "response_timeout": fault.InvalidField, "wnidow": fault.UnknownField, "source_ton": fault.InvalidField,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for more, field := range map[string]string{
		`"bind":"both"`: "bind", `"binds":17`: "binds", `"binds":0`: "binds", `"command":"submit_multi"`: "command", `"receipts":"some"`: "receipts",
		`"echo":1`: "echo", `"national":["klingon"]`: "national", `"national":"turkish"`: "national", `"national":["turkish"],"concatenation":"sar"`: "concatenation",
		`"data_coding":"latin1","packed":true`: "data_coding", `"data_coding":"ascii","national":["spanish"]`: "data_coding",
	} {
		if _, err := parse(settingsWith(more)); fault.Of(err) == nil || fault.Of(err).Field != field {
			t.Errorf("%s: %v", more, err)
		}
	}
	for _, broken := range []string{``, `null`, `[]`, `{`} {
		if _, err := parse(channel.Settings(broken)); !fault.Is(err, fault.MalformedBody) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}
