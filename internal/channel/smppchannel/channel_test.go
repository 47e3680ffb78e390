package smppchannel_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/channel/smppchannel"
	"tidings.dev/internal/simulator/smsc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "pa55w0rd"

func TestDriver(t *testing.T) {
	channeltest.Run(t, smppchannel.Driver, func(t testing.TB) channeltest.Peer { return newPeer(t, `"window":5`) })
}

// Several binds look like one channel.
func TestDriverWithSeveralBinds(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite is run once already")
	}
	channeltest.Run(t, smppchannel.Driver, func(t testing.TB) channeltest.Peer {
		return newPeer(t, `"window":3,"bind":"tx+rx","binds":2,"command":"data_sm"`)
	})
}

func newPeer(t testing.TB, more string) channeltest.Peer {
	s := smsc.New(smsc.Config{
		Accounts: map[string]string{"tidings": secret}, ReceiptDelay: 10 * time.Millisecond, RetryDelay: 20 * time.Millisecond, Keep: -1,
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	settings := func(password string) channel.Settings {
		return channel.Settings(fmt.Sprintf(`{"address":%q,"system_id":"tidings","password":%q,%s}`, s.Addr(), password, more))
	}
	return channeltest.Peer{
		Settings: settings(secret), Secrets: []string{secret, "wr0ng", "s3cret"}, WrongLogin: settings("wr0ng"),
		Flawed: channel.Settings(`{"address":"nowhere","password":"s3cret\u00e9s3cret-s3cret-s3cret-s3cret-s3cret-s3cret-s3cret-s3cret-s3cret","window":1001,"tls_ca":"x","sender":"no sender at all",
			"concatenation":"glue","time_zone":"Mars","enquire_interval":"soon","transliterate":1,"pasword":"s3cret"}`),
		Flaws: []string{
			"address", "system_id", "password", "window", "tls", "sender", "concatenation", "time_zone", "enquire_interval", "transliterate", "pasword",
		},
		Inbound: s.Inbound,
		Drop:    func() { s.Disconnect("tidings") },
		Submits: func() (all []channeltest.Submit) {
			for _, r := range s.History() {
				if r.Op == smsc.OpSubmit {
					all = append(all, channeltest.Submit{To: r.To, Text: r.Text, Ref: int(r.Ref), Total: int(r.Total), Number: int(r.Number)})
				}
			}
			return all
		},
		Pending: s.Pending,
		Close: func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		},
	}
}
