package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/telemetry"
)

// check tells what is wrong with values that could be read. A setting that could not be read keeps its default here, so it is not
// complained of twice.
func (l *loader) check(c *Config) []error {
	k := &checks{origin: l.origin}
	k.server(c)
	k.tls(c.TLS)
	k.tracing(c.Tracing)
	k.limits(c)
	k.retention(c.Retention)
	k.webhooks(c.Webhook)
	k.media(c.Media)
	k.sized("import.max_file", c.Import.MaxFile, 0, 256*MiB)
	k.lasting("import.fetch_timeout", c.Import.Timeout, time.Second, 10*time.Minute)
	k.smtp(c.SMTP)
	return k.mistakes
}

// checks gathers what is wrong with values.
type checks struct {
	origin   map[string]string
	mistakes []error
}

func (k *checks) wrong(key, format string, args ...any) {
	from := k.origin[key]
	if from == "" {
		from = key
	}
	k.mistakes = append(k.mistakes, fmt.Errorf("%s: %s", from, fmt.Sprintf(format, args...)))
}

func (k *checks) between(key string, value, least, most int64) {
	if value < least || value > most {
		k.wrong(key, "%d is not between %d and %d", value, least, most)
	}
}

func (k *checks) lasting(key string, value, least, most time.Duration) {
	if value < least || value > most {
		k.wrong(key, "%s is not between %s and %s", formatDuration(value), formatDuration(least), formatDuration(most))
	}
}

func (k *checks) sized(key string, value, least, most Size) {
	if value < least || value > most {
		k.wrong(key, "%s is not between %s and %s", value, least, most)
	}
}

func (k *checks) smtp(s SMTP) {
	if !slices.Contains([]string{"starttls", "tls", "none"}, s.TLS) {
		k.wrong("smtp.tls", "%q is not starttls, tls or none", s.TLS)
	}
	k.between("smtp.port", int64(s.Port), 1, 65535)
	if s.Host == "" {
		if s.AlertEmail != "" {
			k.wrong("smtp.alert_email", "there is no mail without smtp.host")
		}
		return
	}
	if _, err := mail.ParseAddress(s.From); err != nil {
		k.wrong("smtp.from", "%q is no mail address; name one that the server lets you send from", s.From)
	}
	if a, err := mail.ParseAddress(s.AlertEmail); s.AlertEmail != "" && (err != nil || a.Address != s.AlertEmail) {
		k.wrong("smtp.alert_email", "%q is no mail address", s.AlertEmail)
	}
}

func (k *checks) server(c *Config) {
	if text := wrongAddress(c.Listen); text != "" {
		k.wrong("listen", "%q %s", c.Listen, text)
	}
	if text := wrongAddress(c.AdminListen); c.AdminListen != "" && text != "" {
		k.wrong("admin_listen", "%q %s", c.AdminListen, text)
	}
	if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		k.wrong("admin_listen", "%q is the address of listen; take another, customers must not see the debug pages", c.AdminListen)
	}
	if text := wrongPublicURL(c.PublicURL); text != "" {
		k.wrong("public_url", "%s", text)
	}
	if text := wrongPublicURL(c.ShortURL); text != "" {
		k.wrong("short_url", "%s", text)
	}
	if c.DataDir == "" {
		k.wrong("data_dir", "is empty; name a folder")
	}
	if text := wrongDatabase(c.Database); text != "" {
		k.wrong("database", "%s", text)
	}
	k.lasting("default_validity", c.DefaultValidity, time.Minute, 7*day)
	k.lasting("drain_timeout", c.DrainTimeout, time.Second, 10*time.Minute)
	if !slices.Contains(telemetry.Formats(), c.Log.Format) {
		k.wrong("log.format", "%q is not one of %s", c.Log.Format, strings.Join(telemetry.Formats(), ", "))
	}
}

func (k *checks) tls(t TLS) {
	switch {
	case t.Certificate == "" && t.Key != "":
		k.wrong("tls.key", "has no certificate; set tls.certificate too")
	case t.Certificate != "" && t.Key == "":
		k.wrong("tls.certificate", "has no key; set tls.key too")
	case t.Certificate != "" && len(t.ACMEHosts) > 0:
		k.wrong("tls.acme_hosts", "cannot be set beside tls.certificate; keep one")
	}
	for _, host := range t.ACMEHosts {
		if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(strings.Trim(host, "."), ".") || strings.ContainsAny(host, "*:/ ") {
			k.wrong("tls.acme_hosts", "%q is not a name such as sms.example.com", host)
		}
	}
	if u, err := url.Parse(t.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		k.wrong("tls.acme_directory", "is not an https:// URL")
	}
	if t.Least != "1.2" && t.Least != "1.3" {
		k.wrong("tls.min_version", "%q is not 1.3 or 1.2; older versions are broken", t.Least)
	}
	if t.Redirect != "" && !t.On() {
		k.wrong("tls.redirect_listen", "sends to HTTPS, which is off; set tls.certificate or tls.acme_hosts")
	}
	if text := wrongAddress(t.Redirect); t.Redirect != "" && text != "" {
		k.wrong("tls.redirect_listen", "%q %s", t.Redirect, text)
	}
	k.lasting("tls.hsts", t.HSTS, 0, 3650*day)
}

func (k *checks) tracing(t Tracing) {
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		k.wrong("tracing.endpoint", "is not a URL such as http://127.0.0.1:4318")
	}
	k.between("tracing.percent", int64(t.Percent), 1, 100)
}

func (k *checks) limits(c *Config) {
	k.sized("limits.body", c.Limits.Body, 4*KiB, 64*MiB)
	k.sized("limits.batch_body", c.Limits.BatchBody, c.Limits.Body, GiB)
	k.between("limits.batch", int64(c.Limits.Batch), 1, 1000)
	k.between("limits.queue", int64(c.Limits.Queue), 1, 1_000_000_000)
	k.between("limits.disk_floor_percent", int64(c.Limits.DiskFloorPercent), 0, 90)
	k.between("rate.requests_per_minute", int64(c.Rate.RequestsPerMinute), 0, 100_000_000)
	k.between("rate.burst", int64(c.Rate.Burst), 1, 100_000_000)
	k.between("rate.messages_per_minute", int64(c.Rate.MessagesPerMinute), 0, 100_000_000)
	k.between("rate.surface_requests_per_minute", int64(c.Rate.SurfaceRequests), 0, 100_000_000)
	k.between("rate.source_requests_per_minute", int64(c.Rate.SourceRequests), 0, 100_000_000)
}

func (k *checks) retention(r Retention) {
	const century = 36500 * day
	k.lasting("retention.bodies", r.Bodies, day, century)
	k.lasting("retention.messages", r.Messages, day, century)
	k.lasting("retention.media", r.Media, 0, century)
	k.lasting("retention.events", r.Events, day, century)
	k.lasting("retention.deliveries", r.Deliveries, day, century)
	k.lasting("retention.ledger", r.Ledger, day, century)
	k.lasting("retention.audit", r.Audit, day, century)
	if r.Messages < r.Bodies {
		k.wrong("retention.messages", "%s is shorter than retention.bodies, %s; what a message says cannot outlive it",
			formatDuration(r.Messages), formatDuration(r.Bodies))
	}
}

func (k *checks) media(m Media) {
	k.sized("media.max_image", m.MaxImage, KiB, GiB)
	k.sized("media.max_video", m.MaxVideo, KiB, 2*GiB)
	k.sized("media.max_audio", m.MaxAudio, KiB, GiB)
	k.sized("media.max_document", m.MaxDocument, KiB, 2*GiB)
	k.sized("media.max_sticker", m.MaxSticker, KiB, GiB)
	k.lasting("media.link_life", m.LinkLife, time.Minute, 365*day)
	k.lasting("media.fetch_timeout", m.Timeout, time.Second, 10*time.Minute)
	switch s := m.S3; {
	case s.Endpoint == "" && s.Bucket != "":
		k.wrong("media.s3.bucket", "has no service; set media.s3.endpoint too")
	case s.Endpoint == "":
	case wrongPublicURL(s.Endpoint) != "":
		k.wrong("media.s3.endpoint", "%s", wrongPublicURL(s.Endpoint))
	case s.Bucket == "":
		k.wrong("media.s3.bucket", "is empty; name the bucket at media.s3.endpoint")
	}
}

func (k *checks) webhooks(w Webhook) {
	if len(w.Ports) == 0 {
		k.wrong("webhook.ports", "is empty; no webhook could be called")
	}
	for _, port := range w.Ports {
		k.between("webhook.ports", int64(port), 1, 65535)
	}
	k.lasting("webhook.timeout", w.Timeout, time.Second, time.Minute)
	k.between("webhook.max_concurrent", int64(w.MaxConcurrent), 1, 10_000)
}

// wrongAddress says why a text is no address to listen on.
func wrongAddress(text string) string {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "is not an address with a port, such as 127.0.0.1:8080"
	}
	return ""
}

// wrongPublicURL says why a text is no address of this server. It is not quoted: it might hold a password.
func wrongPublicURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "is not a URL such as https://sms.example.com"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "must be scheme, host and perhaps a path, and nothing more"
	case strings.HasSuffix(u.Path, "/"):
		return "must not end in /"
	}
	return ""
}

// wrongDatabase says why a database cannot be used. It is not quoted: it might hold a password.
func wrongDatabase(dsn telemetry.Secret) string {
	text := dsn.Reveal()
	switch {
	case text == "", strings.HasPrefix(text, "postgres://"), strings.HasPrefix(text, "postgresql://"):
		return ""
	}
	return "is not known; give a postgres:// URL, or leave database empty for SQLite in data_dir"
}
