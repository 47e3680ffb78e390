package config_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidings.dev/internal/config"
	"tidings.dev/internal/telemetry"
)

var comparePrefix = cmpopts.EquateComparable(netip.Prefix{})

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string, env []string, flags map[string]string) config.Config {
	t.Helper()
	c, err := config.Load(path, env, flags)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func TestDefaultsAreRight(t *testing.T) {
	c := load(t, "", []string{"HOME=/root", "PATH=/bin"}, nil)
	if diff := cmp.Diff(config.Default(), c, comparePrefix); diff != "" {
		t.Errorf("with nothing set (-default +loaded):\n%s", diff)
	}
}

func TestLaterLayersWin(t *testing.T) {
	path := write(t, "tidings.toml", `
listen = "127.0.0.1:1"
public_url = "https://one.example"
trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
default_validity = "1d12h"
[log]
level = "debug"
[limits]
batch = 500
disk_floor = "1GiB"
[webhook]
ports = [443]
`)
	env := []string{"TIDINGS_LISTEN=127.0.0.1:2", "TIDINGS_LOG_LEVEL=warn", "TIDINGS_WEBHOOK_ALLOW_PRIVATE_NETWORKS=192.168.1.0/24, 10.1.0.0/16"}
	flags := map[string]string{"listen": "127.0.0.1:3", "log.format": "json"}

	want := config.Default()
	want.Listen = "127.0.0.1:3"
	want.PublicURL = "https://one.example"
	want.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	want.DefaultValidity = 36 * time.Hour
	want.Log = config.Log{Level: slog.LevelWarn, Format: "json"}
	want.Limits.Batch = 500
	want.Limits.DiskFloor = config.GiB
	want.Webhook.Ports = []int{443}
	want.Webhook.AllowPrivateNetworks = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("10.1.0.0/16")}
	if diff := cmp.Diff(want, load(t, path, env, flags), comparePrefix); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}

	env = append(env, "TIDINGS_CONFIG="+path)
	if diff := cmp.Diff(want, load(t, "", env, flags), comparePrefix); diff != "" {
		t.Errorf("with the file named by TIDINGS_CONFIG (-want +got):\n%s", diff)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	path := write(t, "tidings.toml", `
lisen = "127.0.0.1:1"
started = 2026-01-01
[log]
level = "loud"
format = "xml"
[limits]
batch = 1001
body = "much"
[retention]
bodies = "10"
[nonsense]
a = 1
`)
	env := []string{"TIDINGS_LISTEN=8080", "TIDINGS_LOG_LEVELS=info", "TIDINGS_TRUSTED_PROXIES=10.0.0.0/8,ten", "TIDINGS_MASTER_KEY=a", "TIDINGS_MASTER_KEY_FILE=/does/not/exist"}
	flags := map[string]string{
		"listne": "x", "public_url": "ftp://x", "database": "mysql://user:hunter2@host/db", "webhook.ports": "0",
		"rate.burst": "many", "default_validity": "30s", "webhook.timeout": "-5s", "data_dir": "", "admin_listen": "nowhere",
	}
	_, err := config.Load(path, env, flags)
	if err == nil {
		t.Fatal("nothing is wrong with all this")
	}
	got := strings.Split(strings.ReplaceAll(err.Error(), path, "FILE"), "\n")
	want := []string{
		`lisen in FILE is no setting; did you mean listen?`,
		`nonsense.a in FILE is no setting`,
		`started in FILE has a value of a kind that no setting has; write it in quotes`,
		`log.level in FILE: "loud" is not debug, info, warn or error`,
		`log.format in FILE: "xml" is not one of text, json`,
		`limits.batch in FILE: 1001 is not between 1 and 1000`,
		`limits.body in FILE: "much" is not a size such as 1MiB or 64KiB`,
		`retention.bodies in FILE: "10" is not a duration such as 30d, 48h or 15s`,
		`TIDINGS_LISTEN: "8080" is not an address with a port, such as 127.0.0.1:8080`,
		`TIDINGS_LOG_LEVELS is no setting; did you mean TIDINGS_LOG_LEVEL?`,
		`TIDINGS_TRUSTED_PROXIES: "10.0.0.0/8,ten" has "ten", which is not a network such as 10.0.0.0/8`,
		`TIDINGS_MASTER_KEY and TIDINGS_MASTER_KEY_FILE are both set; keep one`,
		`TIDINGS_MASTER_KEY_FILE: the secret cannot be read: open /does/not/exist: no such file or directory`,
		`the flag listne is no setting; did you mean listen?`,
		`the flag public_url: is not a URL such as https://sms.example.com`,
		`the flag database: is not known; give a postgres:// URL, or leave database empty for SQLite in data_dir`,
		`the flag webhook.ports: 0 is not between 1 and 65535`,
		`the flag rate.burst: "many" is not a whole number`,
		`the flag default_validity: 30s is not between 1m and 7d`,
		`the flag webhook.timeout: "-5s" is not a duration such as 30d, 48h or 15s`,
		`the flag data_dir: is empty; name a folder`,
		`the flag admin_listen: "nowhere" is not an address with a port, such as 127.0.0.1:8080`,
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("a password shows in the mistakes")
	}
}

func TestSingleMistakes(t *testing.T) {
	for _, c := range []struct{ name, key, value, want string }{
		{"same address twice", "admin_listen", "127.0.0.1:8080", "customers must not see"},
		{"port too large", "listen", "127.0.0.1:70000", "is not an address"},
		{"url with a path's slash", "public_url", "https://x.example/", "must not end in /"},
		{"url with a password", "public_url", "https://a:b@x.example", "and nothing more"},
		{"other database", "database", "mysql://x", "is not known"},
		{"mail in the clear by mistake", "smtp.tls", "ssl", "is not starttls, tls or none"},
		{"an alert without a server", "smtp.alert_email", "ops@example.com", "there is no mail without smtp.host"},
		{"a server without a sender", "smtp.host", "mail.example.com", "is no mail address"},
		{"messages before bodies", "retention.messages", "2d", "is shorter than retention.bodies"},
		{"a certificate without key", "tls.certificate", "cert.pem", "set tls.key too"},
		{"a key without certificate", "tls.key", "key.pem", "set tls.certificate too"},
		{"an address for ACME", "tls.acme_hosts", "192.0.2.1", "is not a name"},
		{"a plain name for ACME", "tls.acme_hosts", "localhost", "is not a name"},
		{"a pattern for ACME", "tls.acme_hosts", "*.example.com", "is not a name"},
		{"an open directory", "tls.acme_directory", "http://ca.example/dir", "is not an https:// URL"},
		{"a collector without scheme", "tracing.endpoint", "127.0.0.1:4318", "is not a URL"},
		{"none of a hundred", "tracing.percent", "0", "is not between 1 and 100"},
		{"old TLS", "tls.min_version", "1.1", "older versions are broken"},
		{"redirect to nowhere", "tls.redirect_listen", "127.0.0.1:80", "which is off"},
		{"HSTS for ever", "tls.hsts", "36500d", "is not between 0s and 3650d"},
		{"no ports", "webhook.ports", "", "no webhook could be called"},
		{"batch body below body", "limits.batch_body", "8KiB", "is not between 1MiB and 1GiB"},
		{"negative size", "limits.body", "-1MiB", "is not a size"},
		{"size that overflows", "limits.body", "9223372036854775807GiB", "is not a size"},
		{"a million years", "retention.audit", "365000000d", "is not a duration"},
		{"days twice", "retention.audit", "1d1d", "is not a duration"},
		{"empty number", "limits.batch", "", "is not a whole number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Load("", nil, map[string]string{c.key: c.value})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s = %q: %v, want one mistake with %q", c.key, c.value, err, c.want)
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	if _, err := config.Load("/does/not/exist.toml", nil, nil); err == nil || !strings.Contains(err.Error(), "/does/not/exist.toml") {
		t.Errorf("a missing file: %v", err)
	}
	for text, want := range map[string]string{
		"\nlisten = ":                      "line 2",
		"listen = \"a:1\"\nlisten = \"b\"": "line 2",
	} {
		if _, err := config.Load(write(t, "bad.toml", text), nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	secret := write(t, "key", "  the key\n")
	path := filepath.Join(filepath.Dir(secret), "tidings.toml")
	if err := os.WriteFile(path, []byte(`master_key_file = "key"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := load(t, path, nil, nil); c.MasterKey.Reveal() != "the key" {
		t.Errorf("beside the settings file: %q", c.MasterKey.Reveal())
	}
	if c := load(t, path, []string{"TIDINGS_MASTER_KEY=other"}, nil); c.MasterKey.Reveal() != "other" {
		t.Errorf("with the environment over it: %q", c.MasterKey.Reveal())
	}
	if c := load(t, "", []string{"TIDINGS_MASTER_KEY_FILE=" + secret}, nil); c.MasterKey.Reveal() != "the key" {
		t.Errorf("by the environment: %q", c.MasterKey.Reveal())
	}
	if _, err := config.Load("", nil, map[string]string{"master_key_file": write(t, "empty", "\n")}); err == nil {
		t.Error("an empty file is a secret")
	}
	if _, err := config.Load("", nil, map[string]string{"listen_file": secret}); err == nil {
		t.Error("what is no secret comes from a file")
	}
}

func TestShownSettingsHideSecrets(t *testing.T) {
	c := config.Default()
	c.MasterKey = "hunter2"
	c.Log.Level = slog.LevelWarn
	shown := map[string]string{}
	for _, s := range c.Settings() {
		shown[s.Key] = s.Value
	}
	for key, want := range map[string]string{
		"master_key": `"•••"`, "database": `""`, "log.level": `"warn"`, "limits.body": `"1MiB"`,
		"retention.audit": `"730d"`, "webhook.ports": "[80, 443, 8080, 8443]", "drain_timeout": `"20s"`, "default_validity": `"2d"`,
	} {
		if shown[key] != want {
			t.Errorf("%s shows as %s, want %s", key, shown[key], want)
		}
	}
}

func TestSampleIsTheDefault(t *testing.T) {
	sample := config.Sample()
	for name, text := range map[string]string{
		"as it is":             sample,
		"with every # removed": regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAllString(sample, "$1"),
	} {
		c := load(t, write(t, "sample.toml", text), nil, nil)
		if diff := cmp.Diff(config.Default(), c, comparePrefix); diff != "" {
			t.Errorf("%s (-default +sample):\n%s", name, diff)
		}
	}
	for _, s := range config.Default().Settings() {
		name := s.Key
		if _, after, ok := strings.Cut(name, "."); ok {
			name = after
		}
		if !strings.Contains(sample, "\n#"+name+" = "+s.Value+"\n") {
			t.Errorf("%s is not in the sample", s.Key)
		}
	}
	if strings.Contains(sample, "\n#\n") {
		t.Error("a setting has no meaning written beside it")
	}
}

// TestEachSettingHasItsOwnVariable guards against two keys that become one name in capitals.
func TestEachSettingHasItsOwnVariable(t *testing.T) {
	seen := map[string]string{"TIDINGS_CONFIG": "the settings file"}
	for _, s := range config.Default().Settings() {
		name := "TIDINGS_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
		if other := seen[name]; other != "" {
			t.Errorf("%s is the variable of %s and of %s", name, s.Key, other)
		}
		seen[name] = s.Key
		if _, err := config.Load("", []string{name + "=\x00"}, nil); err != nil && strings.Contains(err.Error(), "no setting") {
			t.Errorf("%s is not known: %v", name, err)
		}
	}
}

func FuzzSizesAndDurations(f *testing.F) {
	f.Add("1MiB", "30d")
	f.Add("0", "1d12h")
	f.Fuzz(func(t *testing.T, size, duration string) {
		var s config.Size
		if err := s.UnmarshalText([]byte(size)); err == nil {
			var again config.Size
			if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s || s < 0 {
				t.Errorf("%q is %v, and that reads as %v (%v)", size, s, again, err)
			}
		}
		c, err := config.Load("", nil, map[string]string{"retention.audit": duration})
		if err == nil && c.Retention.Audit < 24*time.Hour {
			t.Errorf("%q is taken as %v", duration, c.Retention.Audit)
		}
	})
}

func TestSecretsHideInTheConfig(t *testing.T) {
	c := config.Default()
	c.Database = telemetry.Secret("hunter2")
	var out strings.Builder
	telemetry.NewLogger(&out, "text", slog.LevelInfo).Info("started", "config", c)
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the log shows it: %s", out.String())
	}
}
