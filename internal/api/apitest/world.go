// Package apitest is for tests of API surfaces: a small world behind the real front, files of requests with their
// replies, and a check of replies against an OpenAPI document.
package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/fleet"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/link"
	"tidings.dev/internal/media"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/notify"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/telemetry"
	"tidings.dev/internal/template"
	"tidings.dev/internal/wallet"
	"tidings.dev/internal/webhook"
)

// World is a server on a store of its own, without networks: what it accepts stays queued. Alice's and Bob's accounts
// pay in KES out of wallets with 100 each, and write the national numbers of Kenya.
type World struct {
	http.Handler
	Core       api.Core
	Gateway    *gateway.Gateway
	Alice, Bob account.Account
	Operator   account.Account   // whoever runs the server
	Channel    message.ChannelID // shared by all, the default for SMS
	Codes      func() string     // of short links, one after the other; a test may have them run out
	t          testing.TB
}

// PublicURL is where the world thinks it is.
const PublicURL = "https://tidings.example"

// New returns a world whose front answers for the surfaces. The options that a test does not care about may be left out.
func New(t testing.TB, opt api.Options, surfaces ...api.Surface) *World {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if opt.Log == nil {
		opt.Log = log
	}
	opt.PublicURL = PublicURL
	s := storetest.Open(t)
	w := &World{t: t, Codes: counted()}
	w.wire(s, log, surfaces)
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	w.Handler = api.New(opt, w.Core, surfaces...)
	return w
}

func (w *World) wire(s *store.Store, log *slog.Logger, surfaces []api.Surface) {
	q, events := queue.New(s, log), event.New(s)
	w.Core = api.Core{
		Store: s, Keys: key.New(s), Members: member.New(s, account.Limits{Surface: 60}), Wallet: wallet.New(s, events), Routes: route.New(s), Events: events, Health: &telemetry.Health{},
	}
	w.Core.Consent, w.Core.Numbers, w.Core.Channels = consent.New(s, events), number.New(s), connection.New(s)
	w.Core.Contacts, w.Core.Conversations, w.Core.Policies = contact.New(s, events), conversation.New(s), policy.New(s)
	w.Core.Media = newMedia(w.t, s)
	w.Core.Links = link.New(s, link.Settings{Code: func() string { return w.Codes() }})
	w.Core.Links.Serves(PublicURL)
	w.Core.Templates, w.Core.Issues = template.New(s), issue.New(s)
	drivers := []channel.Driver{mute("mute"), trial(), linked()}
	w.Gateway = gateway.New(gateway.Parts{
		ShortLinks: w.Core.Links,

		Store: s, Queue: q, Events: events, Wallet: w.Core.Wallet, Consent: w.Core.Consent, Contacts: w.Core.Contacts, Conversations: w.Core.Conversations, Media: w.Core.Media, Numbers: w.Core.Numbers, Policies: w.Core.Policies, Members: w.Core.Members,
		Connections: w.Core.Channels, Routes: w.Core.Routes, Drivers: drivers, Log: log,
	})
	w.Core.Fleet = fleet.New(w.Gateway, q, drivers, log)
	w.Core.Gateway = w.Gateway
	w.Core.Notifier = notify.New(notify.Config{Store: s, Queue: q, Events: events, Log: log})
	w.Core.Webhooks = webhook.New(webhook.Config{Store: s, Queue: q, Events: events, Renderer: w.Gateway, Guard: guard.New(guard.Options{Resolver: everywhere{}}), Log: log, Dialects: api.Dialects(w.Core, surfaces...)})
	events.FollowedBy(w.Core.Webhooks)
	w.Core.Intake = intake.New(intake.Config{
		Store: s, Queue: q, Contacts: w.Core.Contacts, Members: w.Core.Members, Guard: guard.New(guard.Options{Resolver: everywhere{}}), Log: log,
	})
	w.Core.Automation = automation.New(automation.Config{
		Store: s, Queue: q, Events: events, Gateway: w.Gateway, Poster: webhook.Rules{Webhooks: w.Core.Webhooks, Dialect: "clicksend"}, Log: log,
	})
	events.FollowedBy(w.Core.Automation)
	w.Core.Privacy = privacy.New(privacy.Config{
		Store: s, Queue: q, Gateway: w.Gateway, Events: events, Consent: w.Core.Consent, Contacts: w.Core.Contacts, Conversations: w.Core.Conversations, Wallet: w.Core.Wallet, Keys: w.Core.Keys,
		Connections: w.Core.Channels, Log: log, Webhooks: w.Core.Webhooks.Lines, Answers: w.Core.Webhooks.Forget,
		Rules: w.Core.Automation.Lines, Boxes: w.Core.Automation.Forget,
		Templates: w.Core.Templates, Issues: w.Core.Issues,
	})
}

// counted are codes in an order that golden files can tell.
func counted() func() string {
	var n atomic.Int64
	return func() string { return strings.NewReplacer("0", "x", "1", "y").Replace(fmt.Sprintf("%08d", n.Add(1))) }
}

// newMedia is a keeper of files that takes small ones only.
func newMedia(t testing.TB, s *store.Store) *media.Keeper {
	t.Helper()
	k, err := media.New(media.Config{
		Settings: media.Settings{
			Dir: filepath.Join(t.TempDir(), "media"), Keep: 30 * 24 * time.Hour, Link: 7 * 24 * time.Hour,
			Limits: media.Limits{Image: 64 << 10, Video: 64 << 10, Audio: 64 << 10, Document: 128 << 10, Sticker: 16 << 10},
		},
		Store: s, Guard: guard.New(guard.Options{Resolver: everywhere{}}), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Serves(PublicURL)
	return k
}

// everywhere resolves every name to one public address.
type everywhere struct{}

func (everywhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
}

// mute is a driver that splits texts and never connects.
func mute(name string) channel.Driver {
	return channel.Driver{
		Name: name, Kind: message.SMS, Check: checkMute, Secrets: []string{"secret"},
		Split: func(_ channel.Settings, c message.Content) (message.Split, error) {
			n := len([]rune(c.Text))
			total := max((n+159)/160, 1)
			if total > 255 {
				return message.Split{}, fault.New(fault.TextTooLong, "the text needs %d parts", total)
			}
			return message.Split{Encoding: "gsm7", Units: n, Total: total}, nil
		},
		Open: func(ctx context.Context, env channel.Env) (channel.Session, error) {
			var set muteSettings
			_ = env.Settings.Decode(&set)
			switch set.Answer {
			case "":
				<-ctx.Done()
				return nil, ctx.Err()
			case "ok":
				return mutism{}, nil
			default:
				return nil, &channel.Failure{Verdict: channel.Reject, Code: set.Answer, Native: "0x0E"}
			}
		},
	}
}

// trial is the driver of test keys: it carries files, and calls.
func trial() channel.Driver {
	d := mute(gateway.TestDriver)
	d.Features = channel.Features{
		Media: true, Types: []message.Type{message.TypeImage, message.TypeVideo, message.TypeAudio}, Kinds: []message.Kind{message.MMS, message.Voice},
	}
	return d
}

// muteSettings are what a mute driver takes: how it answers a login (ok, or a code; not at all without it), and a secret.
type muteSettings struct {
	Answer string `json:"answer"`
	Secret string `json:"secret"`
	Port   int    `json:"port"`
}

func checkMute(s channel.Settings) error {
	var values map[string]any
	if err := s.Decode(&values); err != nil {
		return fault.New(fault.MalformedBody, "the settings are not a JSON object")
	}
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		_, text := values[key].(string)
		_, number := values[key].(float64)
		switch {
		case key != "answer" && key != "secret" && key != "port":
			wrong = append(wrong, fault.New(fault.UnknownField, "is no setting").In(key))
		case key == "port" && !number || key != "port" && !text:
			wrong = append(wrong, fault.New(fault.InvalidField, "is of the wrong type").In(key))
		}
	}
	return errors.Join(wrong...)
}

// mutism is a session that takes everything and tells nothing.
type mutism struct{}

// Send implements channel.Session.
func (mutism) Send(context.Context, message.Outbound) (string, error) { return "1", nil }

// Run implements channel.Session.
func (mutism) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// settle makes the accounts, the channel and the prices.
func (w *World) settle() error {
	c, k := w.Core, audit.System
	return c.Store.Write(func(tx *store.Tx) (err error) {
		if w.Alice, err = c.Members.Create(tx, k, account.Account{Name: "Alice", Region: "KE", Currency: "KES"}, "alice", ""); err != nil {
			return err
		}
		if w.Bob, err = c.Members.Create(tx, k, account.Account{Name: "Bob", Region: "KE", Currency: "KES"}, "bob", ""); err != nil {
			return err
		}
		if w.Operator, err = c.Members.Create(tx, k, account.Account{Name: "Operator", Currency: "KES", Operator: true}, "operator", ""); err != nil {
			return err
		}
		for _, a := range []account.ID{w.Alice.ID, w.Bob.ID} {
			if err := c.Wallet.Open(tx, a, "KES"); err != nil {
				return err
			}
			if err := c.Wallet.TopUp(tx, k, a, 100_000_000, "start"); err != nil {
				return err
			}
		}
		if err := c.Wallet.SetPrices(tx, k, []wallet.Price{{Currency: "KES", Prefix: "254", Amount: 800_000}}); err != nil {
			return err
		}
		for _, driver := range []string{"mute", gateway.TestDriver} {
			ch, err := w.Gateway.Connections.Create(tx, k, connection.Channel{
				Name: driver, Driver: driver, Kind: message.SMS, Settings: channel.Settings("{}"), Enabled: true, Sender: message.Address{Kind: message.Name, Value: "TIDINGS"},
			})
			if err != nil {
				return err
			}
			if driver == "mute" {
				w.Channel = ch.ID
			}
		}
		return c.Routes.SetDefaults(tx, k, 0, message.SMS, []message.ChannelID{w.Channel})
	})
}

// Write runs a transaction that must succeed.
func (w *World) Write(f func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.Core.Store.Write(f); err != nil {
		w.t.Fatal(err)
	}
}

// Limit gives the account a plan of its own.
func (w *World) Limit(a account.Account, l account.Limits) {
	w.t.Helper()
	w.Write(func(tx *store.Tx) error {
		plan := member.Plan{Name: "of-" + a.ID.String(), Limits: l}
		if err := w.Core.Members.CreatePlan(tx, audit.System, w.Operator.ID, plan); err != nil {
			return err
		}
		_, err := w.Core.Members.Change(tx, audit.System, a.ID, member.Change{Plan: &plan.Name})
		return err
	})
}

// Key makes a key of the account with the scopes and returns its secret.
func (w *World) Key(a account.Account, scopes ...account.Scope) string {
	w.t.Helper()
	return w.KeyLike(key.Key{Account: a.ID, Scopes: scopes}).Secret
}

// KeyLike makes a key.
func (w *World) KeyLike(like key.Key) (made key.Made) {
	w.t.Helper()
	w.Write(func(tx *store.Tx) (err error) {
		made, err = w.Core.Keys.Create(tx, audit.System, like, true)
		return err
	})
	return made
}

// Shift moves the world's clock.
func (w *World) Shift(by time.Duration) { w.Core.Store.Shift(by) }

// Reply is what came back.
type Reply struct {
	*httptest.ResponseRecorder
}

// JSON reads the body into a value.
func (r Reply) JSON(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(r.Body.Bytes(), into); err != nil {
		t.Fatalf("%d %s: %v", r.Code, r.Body, err)
	}
}

// Do sends a request with a key in the Authorization header; no key when it is empty. Headers come in pairs.
func (w *World) Do(secret, method, path, body string, headers ...string) Reply {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return Reply{rec}
}
