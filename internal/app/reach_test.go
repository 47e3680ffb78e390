package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/internal/store"
)

// A customer's channel must not lead into the operator's networks, nor tell what is there.
func TestACustomersChannelReachesWhatCustomersMay(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		settings map[string]string
		customer bool
		want     connection.Phase
	}{
		"the operator's":                      {nil, false, connection.Up},
		"a customer's":                        {nil, true, connection.Down},
		"a customer's into an opened network": {map[string]string{"channel.allow_private_networks": "127.0.0.0/8"}, true, connection.Up},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := smsc.New(smsc.Config{})
			if err := network.Start(); err != nil {
				t.Fatal(err)
			}
			p := &plant{running: serve(t, row.settings), t: t}
			t.Cleanup(func() { p.stop(); _ = network.Close() })
			c := connection.Channel{
				Name: "own", Driver: "smpp", Kind: message.SMS, Shards: 1, Enabled: true,
				Settings: fmt.Appendf(nil, `{"address":%q,"system_id":"tidings"}`, network.Addr()),
			}
			p.write(func(tx *store.Tx) error {
				owner, err := p.Operator(t.Context())
				if err == nil && row.customer {
					owner, err = p.Members.Create(tx, audit.System, account.Account{Name: "Acme", Currency: "USD", Active: true}, "acme", "")
				}
				if err != nil {
					return err
				}
				c.Account = owner.ID
				c, err = p.Connections.Create(tx, audit.System, c)
				return err
			})
			got := p.awaitState(c.ID)
			if got.Phase != row.want || row.want == connection.Down && !strings.Contains(got.Reason, "the address may not be called") {
				t.Errorf("%s: %s, want %s", got.Phase, got.Reason, row.want)
			}
			if strings.Contains(got.Reason, "127.0.0.1") {
				t.Errorf("the reason tells an address: %s", got.Reason)
			}
		})
	}
}

// awaitState is how the channel is once its first session was opened, or could not be.
func (p *plant) awaitState(id message.ChannelID) (s connection.State) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all, err := p.Connections.States(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if s = connection.Overall(all[id]); s.Phase == connection.Up || s.Phase == connection.Down && s.Code != "" {
			return s
		}
	}
	p.t.Fatalf("still %s: %s", s.Phase, s.Reason)
	return s
}
