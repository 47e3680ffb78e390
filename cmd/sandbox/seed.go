package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tidings.dev/internal/app"
	"tidings.dev/internal/config"
	"tidings.dev/internal/telemetry"
)

const (
	systemID     = "sandbox"
	smscPassword = "sandbox1"
	network      = "sms" // the shared channel's name
	micro        = 1_000_000
)

// seed is what the sandbox has made, kept beside the data so that a later run gives out the same keys.
type seed struct {
	Operator struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		APIKey   string `json:"api_key"`
	} `json:"operator"`
	Internal       string            `json:"internal_api_key"`
	Accounts       []seededAccount   `json:"accounts"`
	WebhookSecrets map[string]string `json:"webhook_secrets"` // by the customer's name
}

type seededAccount struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	APIKey     string   `json:"api_key"`
	TestAPIKey string   `json:"test_api_key"`
	Region     string   `json:"region"`
	Numbers    []string `json:"numbers"`
}

// plan is who lives in the sandbox.
var plan = []struct {
	account app.NewAccount
	number  string
}{
	{app.NewAccount{Name: "Acme", Region: "KE", Currency: "KES"}, "20880"},
	{app.NewAccount{Name: "Globex", Region: "DE", Currency: "EUR"}, "+4915202000000"},
}

// prices are those of a small price book, in micro-units for each part.
var prices = []app.Price{
	{Currency: "KES", Prefix: "254", Micros: 800_000},
	{Currency: "KES", Prefix: "", Micros: 4 * micro},
	{Currency: "EUR", Prefix: "49", Micros: 70_000},
	{Currency: "EUR", Prefix: "", Micros: 90_000},
}

// prepare seeds a fresh folder, and shows a seeded one the way to this run's SMSC.
func prepare(ctx context.Context, cfg config.Config, smscAddress string, networks app.Networks) (s *seed, err error) {
	core, err := app.Open(ctx, cfg, telemetry.NewLogger(os.Stderr, "text", cfg.Log.Level), true, nil, networks)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, core.Close()) }()
	file := filepath.Join(cfg.DataDir, "sandbox.json")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if s, err = plant(ctx, core, smscAddress); err != nil {
			return nil, fmt.Errorf("seed the sandbox: %w", err)
		}
		if text, err = json.Marshal(s); err != nil {
			return nil, err
		}
		return s, os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return nil, err
	}
	s = &seed{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return s, core.Redirect(ctx, network, smppSettings(smscAddress))
}

// plant makes the accounts, their keys and numbers, and the channel they share.
func plant(ctx context.Context, c *app.Core, smscAddress string) (*seed, error) {
	s := &seed{WebhookSecrets: map[string]string{}}
	if err := plantOperator(ctx, c, s); err != nil {
		return nil, err
	}
	ch, err := c.CreateChannel(app.NewChannel{Shared: true, Name: network, Driver: "smpp", Sender: "Tidings", Default: true}, smppSettings(smscAddress))
	if err != nil {
		return nil, err
	}
	if err := c.SetPrices(prices...); err != nil {
		return nil, err
	}
	for _, p := range plan {
		a, err := plantAccount(ctx, c, p.account, ch.ID, p.number)
		if err != nil {
			return nil, err
		}
		s.Accounts = append(s.Accounts, a)
	}
	return s, nil
}

func plantOperator(ctx context.Context, c *app.Core, s *seed) error {
	op, err := c.Operator(ctx)
	if err != nil {
		return err
	}
	s.Operator.Email, s.Operator.Password = "operator@sandbox.test", "operator-sandbox"
	if err := c.SetSignIn(op.ID.String(), s.Operator.Email, s.Operator.Password); err != nil {
		return err
	}
	key, err := c.CreateKey(ctx, app.NewKey{Name: "sandbox", Scopes: []string{"operator"}})
	if err != nil {
		return err
	}
	internal, err := c.CreateKey(ctx, app.NewKey{Name: "sandbox, internal", Internal: true})
	s.Operator.APIKey, s.Internal = key.Secret, internal.Secret
	return err
}

func plantAccount(ctx context.Context, c *app.Core, a app.NewAccount, ch, number string) (s seededAccount, err error) {
	a.Username, a.Credit = strings.ToLower(a.Name), 10_000*micro
	a.Password = a.Username + "-sandbox"
	made, err := c.CreateAccount(a)
	if err != nil {
		return s, err
	}
	if err := c.AssignNumber(made.ID, ch, number, a.Region); err != nil {
		return s, err
	}
	live, err := c.CreateKey(ctx, app.NewKey{Account: made.ID, Name: "sandbox"})
	if err != nil {
		return s, err
	}
	test, err := c.CreateKey(ctx, app.NewKey{Account: made.ID, Name: "sandbox, test", Test: true})
	return seededAccount{
		ID: made.ID, Name: a.Name, Username: a.Username, Password: a.Password, APIKey: live.Secret, TestAPIKey: test.Secret,
		Region: a.Region, Numbers: []string{number},
	}, err
}

func smppSettings(address string) []byte {
	return fmt.Appendf(nil, `{"address":%q,"system_id":%q,"password":%q,"window":10,"response_timeout":"5s"}`, address, systemID, smscPassword)
}

// facts is the ready file.
type facts struct {
	URL     string `json:"url"`
	Admin   string `json:"admin_url"`
	Control string `json:"control_url"`
	*seed
	WebhookSecrets map[string]string `json:"webhook_secrets,omitempty"`
	Networks       map[string]string `json:"networks"`
}

func (s *seed) facts(where app.Addresses, w *world) facts {
	return facts{
		URL: "http://" + where.API, Admin: "http://" + where.Admin, Control: w.url(), seed: s,
		Networks: map[string]string{"smsc": w.smsc.Addr(), "whatsapp": w.whatsapp.Addr()},
	}
}

// writeReady makes the file appear whole or not at all.
func writeReady(path string, f facts) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return os.Rename(path+".part", path)
}

func greeting(f facts, with flags) string {
	first, database := f.Accounts[0], ""
	if with.Database != "" { // not repeated: it may hold a password
		database = "TIDINGS_DATABASE=… "
	}
	return fmt.Sprintf(`
Tidings is up on %[1]s, with a simulated SMS network and a simulated WhatsApp behind it.

Send a text as %[2]s:

  curl -s %[1]s/tidings/v1/messages -H 'Authorization: Bearer %[3]s' \
    -d '{"to":"0701234567","text":"Hello from Tidings"}'

The same by software that was written for another API; its user is %[9]s with the password %[10]s, or with the key:

  curl -s %[1]s/v3/sms/send -u '%[9]s:%[3]s' \
    -H 'Content-Type: application/json' -d '{"messages":[{"to":"0701234567","body":"Hello from ClickSend"}]}'
  curl -s %[1]s/v1/sms/send -d username=%[9]s -d password=%[10]s \
    -d 'numbers=0701234567, 0712345678' -d 'message_body=Hello from bulk SMS'

Then see what became of it:  %[8]sgo run ./cmd/tidings --data-dir %[4]s trace ID
What the network saw:        curl -s '%[5]s/history?network=smsc'
A phone writes to %[2]s:      curl -s %[5]s/smsc/inbound -d '{"from":"+254701234567","to":"%[6]s","text":"Hello back"}'
A phone to link devices to:  curl -s %[5]s/whatsapp/phones -d '{"number":"254700000001"}'
It scans a device's code:    curl -s %[5]s/whatsapp/phones/254700000001/scan -d '{"qr":"…"}'
Another phone writes to it:  curl -s %[5]s/whatsapp/phones/254711000002/send -d '{"to":"254700000001","text":"Hello"}'
Tell a webhook about it:     curl -s %[1]s/tidings/v1/webhooks -H 'Authorization: Bearer %[3]s' \
                               -d '{"url":"%[5]s/customer/acme","events":["*"]}'
What the webhook was told:   curl -s %[5]s/customer/acme/requests
Inside the server:           %[7]s/debug/
The API's reference:         %[1]s/tidings/v1/openapi.json

Last four digits of a recipient choose the ending: 9901 undelivered, 9902 rejected, 9904 no receipt, 9910 replies, 9911 replies STOP.
Ctrl-C ends it.
`, f.URL, first.Name, first.APIKey, filepath.Join(with.Dir, "data"), f.Control, first.Numbers[0], f.Admin, database, first.Username, first.Password)
}
