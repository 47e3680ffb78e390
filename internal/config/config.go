// Package config is what the operator can set: defaults in code, one TOML file, the environment, and flags, each over the one before.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"tidings.dev/internal/telemetry"
)

// Config is every setting. The tags are the source of the sample file, so a setting is documented where it is declared.
type Config struct {
	Listen         string           `key:"listen" doc:"Address of the API and the dashboard. Port 0 picks a free one."`
	AdminListen    string           `key:"admin_listen" doc:"Address of metrics and debug pages, which show everything: keep it where only the operator reaches it. Empty turns it off."`
	PublicURL      string           `key:"public_url" doc:"How the world reaches this server, such as https://sms.example.com. It stands in links and in what networks call back. Empty means the listen address."`
	ShortURL       string           `key:"short_url" doc:"What short links begin with, such as https://m.example.com: the shorter, the more of a text is left. It must lead to this server. Empty means public_url."`
	TrustedProxies []netip.Prefix   `key:"trusted_proxies" doc:"Networks of the proxies in front of us, such as 10.0.0.0/8. Only from these is X-Forwarded-For believed."`
	DataDir        string           `key:"data_dir" doc:"Folder of everything that is kept: database, media, master key."`
	Database       telemetry.Secret `key:"database" doc:"Empty means SQLite in data_dir."`
	MasterKey      telemetry.Secret `key:"master_key" doc:"The key under which all secrets are stored, as made by: tidings masterkey. Empty means the file master.key in data_dir, which the first start makes."`

	DefaultValidity time.Duration `key:"default_validity" doc:"How long a message that says nothing about it may wait to be sent."`
	DrainTimeout    time.Duration `key:"drain_timeout" doc:"How long a stopping server may finish what it has begun."`

	Log       Log       `key:"log" doc:"What is written to standard error."`
	Tracing   Tracing   `key:"tracing" doc:"Who is told the life of each message, by OpenTelemetry. The trace of a message is its id without the dashes."`
	TLS       TLS       `key:"tls" doc:"How connections to listen are encrypted: by certificate files, or by certificates that an authority gives by ACME. With neither they are not, and a proxy in front must do it."`
	Limits    Limits    `key:"limits" doc:"How much is taken."`
	Rate      Rate      `key:"rate" doc:"How much accounts without a plan may do."`
	Retention Retention `key:"retention" doc:"How long things are kept. What is older is deleted in the background."`
	Channel   Channel   `key:"channel" doc:"What customers' channels may reach."`
	Webhook   Webhook   `key:"webhook" doc:"How customers' addresses are called."`
	Import    Import    `key:"import" doc:"Files of contacts that customers have fetched into their lists."`
	Media     Media     `key:"media" doc:"The files that messages carry."`
	SMTP      SMTP      `key:"smtp" doc:"How mail about what needs someone's attention leaves. Without a host there is none."`
}

// Log says what is logged, and how.
type Log struct {
	Level  slog.Level `key:"level" doc:"debug, info, warn or error."`
	Format string     `key:"format" doc:"text or json."`
}

// Tracing says who is told of the lives of messages.
type Tracing struct {
	Endpoint string `key:"endpoint" doc:"URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318. Empty turns it off."`
	Percent  int    `key:"percent" doc:"Of how many messages in a hundred; the same ones on all servers."`
}

// TLS says where the certificate comes from, and what is taken from callers.
type TLS struct {
	Certificate   string        `key:"certificate" doc:"PEM file with the certificate and what it was signed by. A changed file is taken within seconds."`
	Key           string        `key:"key" doc:"PEM file with the certificate's private key."`
	ACMEHosts     []string      `key:"acme_hosts" doc:"Names to get certificates for, such as sms.example.com. They must lead to this server on port 443, or on port 80 to redirect_listen. To set this is to agree to the terms of the authority."`
	ACMEDirectory string        `key:"acme_directory" doc:"URL of the authority's ACME directory."`
	ACMERoots     string        `key:"acme_roots" doc:"PEM file with the root that signed the directory's own certificate, for an authority of your own. Empty means the system's roots."`
	ACMEEmail     string        `key:"acme_email" doc:"Where the authority may write to."`
	Least         string        `key:"min_version" doc:"1.3 or 1.2. With 1.2 only suites with forward secrecy and authenticated encryption."`
	Redirect      string        `key:"redirect_listen" doc:"Address of a plain HTTP listener that sends readers to HTTPS, refuses everything that carries a key, and answers ACME. Empty turns it off."`
	HSTS          time.Duration `key:"hsts" doc:"How long browsers are to use HTTPS only. 0s says nothing about it."`
}

// On reports whether connections are encrypted.
func (t TLS) On() bool { return t.Certificate != "" || len(t.ACMEHosts) > 0 }

// Limits bound what one request and one account may take.
type Limits struct {
	Body             Size `key:"body" doc:"Largest body of a request."`
	BatchBody        Size `key:"batch_body" doc:"Largest body of a request that sends a batch."`
	Batch            int  `key:"batch" doc:"Most messages in a batch, up to 1000."`
	Queue            int  `key:"queue" doc:"Most messages of one account that may wait at a time."`
	DiskFloor        Size `key:"disk_floor" doc:"Below this much free disk no new messages are taken; those taken are still sent."`
	DiskFloorPercent int  `key:"disk_floor_percent" doc:"The same as a share of the disk. The smaller of the two counts, so that neither a small nor a large disk is refused too early."`
}

// Rate bounds how much an account without a plan may do.
type Rate struct {
	RequestsPerMinute int `key:"requests_per_minute" doc:"Requests a minute of one key in the long run; all keys of an account together have four times that. 0 turns the limit off."`
	Burst             int `key:"burst" doc:"Requests of one key at once after a pause."`
	MessagesPerMinute int `key:"messages_per_minute" doc:"Messages that an account may send in a minute, over all surfaces together. 0 turns the limit off."`
	SurfaceRequests   int `key:"surface_requests_per_minute" doc:"Requests a minute of an account on each of the compatible surfaces, and there of an address that needs no key, as their headers tell. 0 turns the limit off."`
	SourceRequests    int `key:"source_requests_per_minute" doc:"Requests a minute that one address may make of an operation which counts them, whoever asks: GET /v3/account of the clicksend surface, as its headers tell. 0 turns the limit off."`
}

// Retention says how long things are kept.
type Retention struct {
	Bodies     time.Duration `key:"bodies" doc:"What messages say."`
	Messages   time.Duration `key:"messages" doc:"Messages without what they say: from, to, status, price; and for as long, short links of messages lead on and delivery issues are kept."`
	Media      time.Duration `key:"media" doc:"Files that messages carry, from when they came; what waits to be sent keeps its file. 0s keeps them for ever."`
	Events     time.Duration `key:"events" doc:"What happened to each message, step by step."`
	Deliveries time.Duration `key:"deliveries" doc:"The log of calls to customers' webhooks."`
	Ledger     time.Duration `key:"ledger" doc:"Single bookings; older ones are folded into an opening balance."`
	Audit      time.Duration `key:"audit" doc:"Who changed what."`
	Usage      time.Duration `key:"usage" doc:"The daily counters of each account."`
}

// Media says how large files may be, and where they are.
type Media struct {
	Dir         string        `key:"dir" doc:"Folder of the files. Empty means the folder media in data_dir. Several servers on one database need one folder that all of them share, or S3."`
	MaxImage    Size          `key:"max_image" doc:"Largest image that is sent."`
	MaxVideo    Size          `key:"max_video" doc:"Largest video that is sent."`
	MaxAudio    Size          `key:"max_audio" doc:"Largest audio or voice note that is sent."`
	MaxDocument Size          `key:"max_document" doc:"Largest document that is sent, and largest file that is kept of what comes in."`
	MaxSticker  Size          `key:"max_sticker" doc:"Largest sticker that is sent."`
	LinkLife    time.Duration `key:"link_life" doc:"How long the signed links to files are good that webhooks tell of."`
	Timeout     time.Duration `key:"fetch_timeout" doc:"How long it may take to fetch a file from an address that a customer gave."`

	AllowPrivateNetworks []netip.Prefix `key:"allow_private_networks" doc:"Private networks that addresses of files may lead into, such as 192.168.7.0/24. Anything else private or reserved is refused, so that customers cannot reach into yours."`

	S3 S3 `key:"s3" doc:"Where the files are instead of a folder, in S3 or in what speaks as it does."`
}

// Import says which files of contacts are fetched.
type Import struct {
	MaxFile Size          `key:"max_file" doc:"Largest file that is fetched, such as 16MiB. 0B fetches none: the addresses are the customers' own."`
	Timeout time.Duration `key:"fetch_timeout" doc:"How long it may take to fetch one."`

	AllowPrivateNetworks []netip.Prefix `key:"allow_private_networks" doc:"Private networks that these addresses may lead into, such as 192.168.7.0/24. Anything else private or reserved is refused, so that customers cannot reach into yours."`
}

// S3 says which bucket files are in.
type S3 struct {
	Endpoint string           `key:"endpoint" doc:"Where the files are instead of a folder, in S3 or in what speaks as it does: URL of the service, such as https://s3.eu-central-1.amazonaws.com or http://127.0.0.1:9000. Empty turns it off."`
	Bucket   string           `key:"bucket" doc:"Name of the bucket. It must be there, and be closed to the public: files are not encrypted by Tidings."`
	Prefix   string           `key:"prefix" doc:"What the names of files begin with, such as tidings/. Everything under it is this installation's alone: what it does not know is deleted."`
	Region   string           `key:"region" doc:"The bucket's region. Empty asks the service."`
	Access   string           `key:"access_key" doc:"The key's id."`
	Secret   telemetry.Secret `key:"secret_key" doc:"The key itself."`
}

// SMTP says by which server mail leaves.
type SMTP struct {
	Host       string           `key:"host" doc:"Name of the mail server. Empty turns mail off."`
	Port       int              `key:"port" doc:"Its port: 587 for starttls, 465 for tls, 25 for none, mostly."`
	User       string           `key:"user" doc:"Who signs in, by AUTH PLAIN. Empty: nobody does."`
	Password   telemetry.Secret `key:"password" doc:"The user's password. It is sent over an encrypted connection alone, or to this machine."`
	From       string           `key:"from" doc:"Address that mail comes from, such as Tidings <tidings@example.com>."`
	TLS        string           `key:"tls" doc:"starttls, tls or none. A server that does not encrypt as it is told here gets no mail."`
	AlertEmail string           `key:"alert_email" doc:"Who hears of channels that are shared by all accounts. Accounts set their own addresses."`
}

// Channel says what the channels may reach that accounts make for themselves. Those that the operator shares reach anything.
type Channel struct {
	AllowPrivateNetworks []netip.Prefix `key:"allow_private_networks" doc:"Private networks that channels of accounts may lead into, such as 10.8.0.0/16. Anything else private or reserved is refused, so that customers cannot reach into yours. Channels that you share with all accounts, and those of your own account, reach anything."`
}

// Webhook says which addresses of customers may be called, and how.
type Webhook struct {
	AllowPrivateNetworks []netip.Prefix `key:"allow_private_networks" doc:"Private networks that webhooks may lead into, such as 192.168.7.0/24. Anything else private or reserved is refused, so that customers cannot reach into yours."`
	Ports                []int          `key:"ports" doc:"Ports that webhooks may use."`
	Timeout              time.Duration  `key:"timeout" doc:"How long one call may take."`
	MaxConcurrent        int            `key:"max_concurrent" doc:"Most calls under way at a time."`
}

const day = 24 * time.Hour

// Default is what holds where nothing is set.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		AdminListen:     "127.0.0.1:8081",
		DataDir:         "tidings-data",
		DefaultValidity: 48 * time.Hour,
		DrainTimeout:    20 * time.Second,
		Log:             Log{Level: slog.LevelInfo, Format: "text"},
		Tracing:         Tracing{Percent: 10},
		TLS:             TLS{ACMEDirectory: "https://acme-v02.api.letsencrypt.org/directory", Least: "1.3", HSTS: 365 * day},
		Limits: Limits{
			Body: MiB, BatchBody: 16 * MiB, Batch: 1000, Queue: 1_000_000,
			DiskFloor: 256 * MiB, DiskFloorPercent: 5,
		},
		Rate: Rate{RequestsPerMinute: 60_000, Burst: 60_000, SurfaceRequests: 60, SourceRequests: 20},
		Retention: Retention{
			Bodies: 30 * day, Messages: 400 * day, Media: 30 * day, Events: 30 * day, Deliveries: 30 * day, Ledger: 400 * day, Audit: 730 * day, Usage: 730 * day,
		},
		Media: Media{
			MaxImage: 5 * MiB, MaxVideo: 16 * MiB, MaxAudio: 16 * MiB, MaxDocument: 100 * MiB, MaxSticker: 500 * KiB,
			LinkLife: 7 * day, Timeout: time.Minute,
		},
		Import:  Import{Timeout: time.Minute},
		SMTP:    SMTP{Port: 587, TLS: "starttls"},
		Webhook: Webhook{Ports: []int{80, 443, 8080, 8443}, Timeout: 15 * time.Second, MaxConcurrent: 100},
	}
}
