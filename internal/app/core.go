// Package app wires Tidings together: which parts there are, what each is given, in which order they start and stop.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/config"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/link"
	"tidings.dev/internal/mail"
	"tidings.dev/internal/media"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/notify"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/report"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
	"tidings.dev/internal/template"
	"tidings.dev/internal/wallet"
	"tidings.dev/internal/webhook"
)

// Core is everything that listens to nobody: commands use it beside a running server, and Serve adds the network to it.
type Core struct {
	Config        config.Config
	Log           *slog.Logger
	Store         *store.Store
	Queue         *queue.Queue
	Events        *event.Log
	Members       *member.Keeper
	Keys          *key.Keeper
	Wallet        *wallet.Keeper
	Consent       *consent.Keeper
	Contacts      *contact.Keeper
	Conversations *conversation.Keeper
	Numbers       *number.Keeper
	Policies      *policy.Keeper
	Connections   *connection.Keeper
	Routes        *route.Keeper
	Links         *link.Keeper
	Templates     *template.Keeper
	Issues        *issue.Keeper
	Media         *media.Keeper
	Gateway       *gateway.Gateway
	Guard         *guard.Client // to customers' webhooks
	Carriers      *guard.Client // to what customers' channels connect to
	Metrics       *telemetry.Metrics
	Webhooks      *webhook.Webhooks
	Automation    *automation.Automation
	Notifier      *notify.Notifier
	Privacy       *privacy.Privacy
	Intake        *intake.Keeper
	Tracer        *telemetry.Tracer // nil: nobody is told
	drivers       []channel.Driver
}

// Open opens the store and wires the core. serve takes the data folder for this process alone. instead are networks in the place of
// the real ones, for the sandbox and tests.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger, serve bool, fatal func(error), instead ...Networks) (*Core, error) {
	s, err := store.Open(ctx, store.Options{
		Dir: cfg.DataDir, Database: cfg.Database.Reveal(), Serve: serve, DiskFloor: diskFloor(cfg), MasterKey: cfg.MasterKey.Reveal(), Log: log, Fatal: fatal,
	})
	if err != nil {
		return nil, err
	}
	c := &Core{Config: cfg, Log: log, Store: s, Metrics: telemetry.NewMetrics(), drivers: drivers(one(instead))}
	if serve {
		if c.Tracer, err = newTracer(ctx, cfg.Tracing, log); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := c.wire(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := c.firstStart(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Core) wire() (err error) {
	s, cfg := c.Store, c.Config
	c.Queue = queue.New(s, c.Log)
	c.Events = event.New(s)
	c.Members = member.New(s, account.Limits{
		Requests: cfg.Rate.RequestsPerMinute, Burst: cfg.Rate.Burst, Messages: cfg.Rate.MessagesPerMinute, Queue: cfg.Limits.Queue, Surface: cfg.Rate.SurfaceRequests,
	})
	c.Keys, c.Wallet = key.New(s), wallet.New(s, c.Events)
	c.Consent, c.Contacts, c.Numbers = consent.New(s, c.Events), contact.New(s, c.Events), number.New(s)
	c.Conversations = conversation.New(s)
	c.Connections, c.Routes, c.Policies = connection.New(s), route.New(s), policy.New(s)
	c.Templates, c.Issues = template.New(s), issue.New(s)
	c.Links = link.New(s, link.Settings{Keep: cfg.Retention.Messages})
	files := mediaSettings(cfg)
	if c.Media, err = media.New(media.Config{
		Settings: files, Store: s, Metrics: c.Metrics, Log: c.Log,
		Guard: guard.New(guard.Options{
			AllowPrivate: cfg.Media.AllowPrivateNetworks, AnyPrivatePort: true, Timeout: cfg.Media.Timeout, MaxBody: files.Limits.Most(),
		}),
	}); err != nil {
		return err
	}
	c.Gateway = gateway.New(gateway.Parts{
		ShortLinks: c.Links,

		Store: s, Queue: c.Queue, Events: c.Events, Wallet: c.Wallet, Consent: c.Consent, Contacts: c.Contacts, Conversations: c.Conversations, Media: c.Media, Numbers: c.Numbers, Policies: c.Policies, Members: c.Members,
		Connections: c.Connections, Routes: c.Routes, Drivers: c.drivers, Log: c.Log,
		Settings: gateway.Settings{
			DefaultValidity: cfg.DefaultValidity, KeepBodies: cfg.Retention.Bodies,
			KeepMessages: cfg.Retention.Messages, KeepEvents: cfg.Retention.Events,
			KeepAudit: cfg.Retention.Audit, KeepLedger: cfg.Retention.Ledger,
		},
	})
	c.Carriers = guard.New(guard.Options{AllowPrivate: cfg.Channel.AllowPrivateNetworks, AnyPort: true})
	c.Guard = guard.New(guard.Options{AllowPrivate: cfg.Webhook.AllowPrivateNetworks, Ports: cfg.Webhook.Ports, Timeout: cfg.Webhook.Timeout})
	c.Webhooks = webhook.New(webhook.Config{
		Store: s, Queue: c.Queue, Events: c.Events, Guard: c.Guard, Renderer: c.Gateway, MaxConcurrent: cfg.Webhook.MaxConcurrent,
		Log: c.Log, Metrics: c.Metrics, Tracer: c.Tracer,
		Dialects: api.Dialects(api.Core{Store: s, Members: c.Members, Channels: c.Connections, Gateway: c.Gateway, Contacts: c.Contacts}, surfaces()...),
	})
	c.Events.FollowedBy(newTally(c.Metrics))
	c.Events.FollowedBy(c.Webhooks)
	c.Notifier = notify.New(notify.Config{Store: s, Queue: c.Queue, Events: c.Events, Sender: sender(cfg.SMTP), Operator: cfg.SMTP.AlertEmail, Log: c.Log})
	c.Events.FollowedBy(c.Notifier)
	c.Gateway.Also(c.Notifier.Drop)
	c.Automation = automation.New(automation.Config{
		Store: s, Queue: c.Queue, Events: c.Events, Gateway: c.Gateway, Poster: webhook.Rules{Webhooks: c.Webhooks, Dialect: ruleDialect},
		Sender: sender(cfg.SMTP), Log: c.Log, Metrics: c.Metrics,
	})
	c.Events.FollowedBy(c.Automation)
	c.Gateway.Also(c.Automation.DropPauses)
	c.Gateway.Also(gateway.Older(cfg.Retention.Messages, c.Automation.Drop))
	c.Privacy = privacy.New(privacy.Config{
		Store: s, Queue: c.Queue, Gateway: c.Gateway, Events: c.Events, Consent: c.Consent, Contacts: c.Contacts, Conversations: c.Conversations, Wallet: c.Wallet, Keys: c.Keys,
		Connections: c.Connections, Log: c.Log, Webhooks: c.Webhooks.Lines, Answers: c.Webhooks.Forget,
		Rules: c.Automation.Lines, Boxes: c.Automation.Forget,
		Templates: c.Templates, Issues: c.Issues,
	})
	c.Gateway.Also(c.Privacy.Drop)
	c.Intake = intake.New(intake.Config{Store: s, Queue: c.Queue, Contacts: c.Contacts, Members: c.Members, Guard: fetcher(cfg.Import), Log: c.Log})
	c.Gateway.Also(intake.Drop)
	if c.Tracer != nil {
		c.Events.FollowedBy(traced{c.Tracer})
	}
	c.Gateway.Also(gateway.Older(cfg.Retention.Deliveries, func(tx *store.Tx, before time.Time) (bool, error) {
		n, err := c.Webhooks.DropDeliveries(tx, before)
		return n > 0, err
	}))
	c.Gateway.Also(func(tx *store.Tx) (bool, error) { return key.Warn(tx, c.Events) })
	c.Gateway.Also(gateway.Older(cfg.Retention.Deliveries, c.Webhooks.DropRuns))
	c.Gateway.Also(rate.Drop)
	c.Gateway.Also(connection.DropExpired)
	c.Gateway.Also(connection.DropOld)
	c.Gateway.Also(gateway.Older(cfg.Retention.Usage, report.Drop))
	c.Gateway.Also(gateway.Older(cfg.Retention.Messages, c.Issues.DropOld))
	c.Gateway.Needs(c.Webhooks.Owes)
	return nil
}

// mediaSettings say where the files are that messages carry, and how large they may be.
func mediaSettings(cfg config.Config) media.Settings {
	m := cfg.Media
	s := media.Settings{
		Dir: cmp.Or(m.Dir, filepath.Join(cfg.DataDir, "media")), Keep: cfg.Retention.Media, Link: m.LinkLife,
		Limits: media.Limits{
			Image: int64(m.MaxImage), Video: int64(m.MaxVideo), Audio: int64(m.MaxAudio), Document: int64(m.MaxDocument), Sticker: int64(m.MaxSticker),
		},
	}
	if m.S3.Endpoint != "" {
		scheme, host, _ := strings.Cut(m.S3.Endpoint, "://")
		s.Bucket = &media.Bucket{
			Endpoint: host, Name: m.S3.Bucket, Prefix: m.S3.Prefix, Region: m.S3.Region, Key: m.S3.Access, Secret: m.S3.Secret.Reveal(),
			Plain: scheme == "http",
		}
	}
	return s
}

// fetcher gets customers' files of contacts; nil when it is not turned on.
func fetcher(s config.Import) intake.Fetcher {
	if s.MaxFile == 0 {
		return nil
	}
	return guard.New(guard.Options{AllowPrivate: s.AllowPrivateNetworks, AnyPrivatePort: true, Timeout: s.Timeout, MaxBody: int64(s.MaxFile)})
}

// filesApart is what is said where each server has files of its own that the others want.
const filesApart = "several servers on one database want one folder of files that all of them share (media.dir), or S3 (media.s3)"

// sharesFiles reports whether all servers of the database can have the same files.
func sharesFiles(cfg config.Config) bool {
	return cfg.Database.Reveal() == "" || cfg.Media.Dir != "" || cfg.Media.S3.Endpoint != ""
}

// ruleDialect is the dialect in which rules post that do not post signed: the one that programs with such rules were written for.
const ruleDialect = "clicksend"

// sender is how mail leaves; nil when it does not.
func sender(s config.SMTP) notify.Sender {
	if s.Host == "" {
		return nil
	}
	return mail.Settings{Host: s.Host, Port: s.Port, User: s.User, Password: s.Password, From: s.From, TLS: s.TLS}
}

// Close closes the store, once the tracer has told what it has to tell.
func (c *Core) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := c.Tracer.Close(ctx); err != nil {
		c.Log.Warn("not all traces were told", "err", err)
	}
	return c.Store.Close()
}

// diskFloor is the smaller of the two floors that the operator set.
func diskFloor(cfg config.Config) int64 {
	floor := int64(cfg.Limits.DiskFloor)
	var st unix.Statfs_t
	if unix.Statfs(existing(cfg.DataDir), &st) != nil {
		return floor
	}
	return min(floor, int64(st.Blocks)*st.Bsize/100*int64(cfg.Limits.DiskFloorPercent))
}

// TestChannel is the name of the channel that test keys use.
const TestChannel = "test"

// firstStart makes what every server has: the operator's account and the channel of test keys.
func (c *Core) firstStart(ctx context.Context) error {
	all, err := c.Members.All(ctx)
	if err != nil || len(all) > 0 {
		return err
	}
	return c.Store.Write(func(tx *store.Tx) error {
		a, err := c.Members.Create(tx, audit.System, account.Account{Name: "Operator", Currency: "USD", Operator: true, Active: true}, "operator", "")
		if err != nil {
			return fmt.Errorf("make the operator's account: %w", err)
		}
		if err := c.Wallet.Open(tx, a.ID, a.Currency); err != nil {
			return err
		}
		_, err = c.Connections.Create(tx, audit.System, connection.Channel{
			Name: TestChannel, Driver: gateway.TestDriver, Kind: message.SMS, Settings: []byte("{}"), Shards: 1, Enabled: true,
			Sender: message.Address{Kind: message.Name, Value: "TEST"},
		})
		return err
	})
}

// Operator is the operator's own account.
func (c *Core) Operator(ctx context.Context) (account.Account, error) {
	all, err := c.Members.All(ctx)
	if err != nil {
		return account.Account{}, err
	}
	for _, a := range all {
		if a.Operator {
			return a, nil
		}
	}
	return account.Account{}, errors.New("there is no operator's account")
}

// reach is how a channel's driver may connect: the operator's to anything, a customer's only to what customers may reach. One
// whose owner cannot be told is a customer's.
func (c *Core) reach(ch connection.Channel) channel.Dial {
	if ch.Account == 0 {
		return nil
	}
	owner, ok, err := c.Members.Get(context.Background(), ch.Account)
	if err == nil && ok && owner.Operator {
		return nil
	}
	return c.Carriers.Dial
}
