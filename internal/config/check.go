package config

import (
	"fmt"
	"net"
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
	var mistakes []error
	wrong := func(key, format string, args ...any) {
		from := l.origin[key]
		if from == "" {
			from = key
		}
		mistakes = append(mistakes, fmt.Errorf("%s: %s", from, fmt.Sprintf(format, args...)))
	}
	between := func(key string, value, least, most int64) {
		if value < least || value > most {
			wrong(key, "%d is not between %d and %d", value, least, most)
		}
	}
	lasting := func(key string, value, least, most time.Duration) {
		if value < least || value > most {
			wrong(key, "%s is not between %s and %s", formatDuration(value), formatDuration(least), formatDuration(most))
		}
	}
	sized := func(key string, value, least, most Size) {
		if value < least || value > most {
			wrong(key, "%s is not between %s and %s", value, least, most)
		}
	}

	if text := wrongAddress(c.Listen); text != "" {
		wrong("listen", "%q %s", c.Listen, text)
	}
	if text := wrongAddress(c.AdminListen); c.AdminListen != "" && text != "" {
		wrong("admin_listen", "%q %s", c.AdminListen, text)
	}
	if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		wrong("admin_listen", "%q is the address of listen; take another, customers must not see the debug pages", c.AdminListen)
	}
	if text := wrongPublicURL(c.PublicURL); text != "" {
		wrong("public_url", "%s", text)
	}
	if c.DataDir == "" {
		wrong("data_dir", "is empty; name a folder")
	}
	if text := wrongDatabase(c.Database); text != "" {
		wrong("database", "%s", text)
	}
	lasting("default_validity", c.DefaultValidity, time.Minute, 7*day)
	lasting("drain_timeout", c.DrainTimeout, time.Second, 10*time.Minute)
	if !slices.Contains(telemetry.Formats(), c.Log.Format) {
		wrong("log.format", "%q is not one of %s", c.Log.Format, strings.Join(telemetry.Formats(), ", "))
	}

	sized("limits.body", c.Limits.Body, 4*KiB, 64*MiB)
	sized("limits.batch_body", c.Limits.BatchBody, c.Limits.Body, GiB)
	between("limits.batch", int64(c.Limits.Batch), 1, 1000)
	between("limits.queue", int64(c.Limits.Queue), 1, 1_000_000_000)
	between("limits.disk_floor_percent", int64(c.Limits.DiskFloorPercent), 0, 90)
	between("rate.requests_per_minute", int64(c.Rate.RequestsPerMinute), 0, 100_000_000)
	between("rate.burst", int64(c.Rate.Burst), 1, 100_000_000)
	between("rate.messages_per_minute", int64(c.Rate.MessagesPerMinute), 0, 100_000_000)

	const century = 36500 * day
	lasting("retention.bodies", c.Retention.Bodies, day, century)
	lasting("retention.messages", c.Retention.Messages, day, century)
	lasting("retention.events", c.Retention.Events, day, century)
	lasting("retention.deliveries", c.Retention.Deliveries, day, century)
	lasting("retention.ledger", c.Retention.Ledger, day, century)
	lasting("retention.audit", c.Retention.Audit, day, century)
	if c.Retention.Messages < c.Retention.Bodies {
		wrong("retention.messages", "%s is shorter than retention.bodies, %s; what a message says cannot outlive it",
			formatDuration(c.Retention.Messages), formatDuration(c.Retention.Bodies))
	}

	if len(c.Webhook.Ports) == 0 {
		wrong("webhook.ports", "is empty; no webhook could be called")
	}
	for _, port := range c.Webhook.Ports {
		between("webhook.ports", int64(port), 1, 65535)
	}
	lasting("webhook.timeout", c.Webhook.Timeout, time.Second, time.Minute)
	between("webhook.max_concurrent", int64(c.Webhook.MaxConcurrent), 1, 10_000)
	return mistakes
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
