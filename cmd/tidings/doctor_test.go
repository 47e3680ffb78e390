package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidings.dev/internal/app"
	"tidings.dev/internal/store/storetest"
)

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// installed is an installation that has been started once, as flags.
func installed(t *testing.T) (dir string, flags []string) {
	t.Helper()
	opt := storetest.Options(t)
	chmod(t, opt.Dir, 0o700)
	flags = []string{"--data-dir", opt.Dir, "--listen", free(t), "--set", "admin_listen=" + free(t), "--set", "limits.disk_floor=1MiB"}
	if opt.Database != "" {
		flags = append(flags, "--database", opt.Database)
	}
	does(t, "is at this version", append(flags, "migrate")...)
	return opt.Dir, slices.Clip(flags) // tests append to them side by side
}

// examined runs the doctor and returns what it found by name, and whether it was content.
func examined(t *testing.T, args ...string) (found map[string]app.Finding, content bool) {
	t.Helper()
	var out, problems bytes.Buffer
	code := run(t.Context(), append(args, "--json", "doctor"), nil, &out, &problems)
	var list []app.Finding
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("%v in %s%s", err, out.String(), problems.String())
	}
	found = map[string]app.Finding{}
	for _, f := range list {
		if was, twice := found[f.Check]; !twice || was.Verdict == app.Well {
			found[f.Check] = f
		}
	}
	return found, code == 0
}

func TestTheDoctorIsContentWithASoundInstallation(t *testing.T) {
	t.Parallel()
	dir, flags := installed(t)
	does(t, "holds the database", append(flags, "backup", filepath.Join(t.TempDir(), "b.db"))...)
	found, content := examined(t, flags...)
	delete(found, "clock") // the machine's
	for check, f := range found {
		if f.Verdict != app.Well {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); !content || len(found) < 9 || err != nil {
		t.Errorf("%v: %+v", content, found)
	}
}

func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for _, c := range []struct {
		name    string
		harm    func(t *testing.T, dir string)
		flags   []string
		check   string
		verdict app.Verdict
		says    string
	}{
		{"a setting", nil, []string{"--set", "log.level=loud"}, "settings", app.Fail, "is not debug, info"},
		{"no database", func(t *testing.T, _ string) { t.Helper() }, []string{"--data-dir", "/nowhere/at/all", "--database="}, "database", app.Warn, "none yet"},
		{"an open folder", func(t *testing.T, dir string) { t.Helper(); chmod(t, dir, 0o755) }, nil, "data folder", app.Warn, "other users"},
		{"a full disk", nil, []string{"--set", "limits.disk_floor=1000000GiB", "--set", "limits.disk_floor_percent=90"}, "disk", app.Fail, "the floor is"},
		{"another's key", func(t *testing.T, dir string) { t.Helper(); otherKey(t, dir) }, nil, "master key", app.Fail, "not the master key"},
		{"no key", func(t *testing.T, dir string) { t.Helper(); remove(t, filepath.Join(dir, "master.key")) }, nil, "master key", app.Fail, "no master key"},
		{"a taken address", nil, []string{"--listen", taken.Addr().String()}, "API", app.Fail, "in use"},
		{"open debug pages", nil, []string{"--set", "admin_listen=0.0.0.0:0"}, "admin pages", app.Warn, "no loopback"},
		{"no TLS", nil, []string{"--listen", "0.0.0.0:0"}, "certificate", app.Warn, "without TLS"},
		{"no certificate", nil, []string{"--set", "tls.certificate=/no", "--set", "tls.key=/no"}, "certificate", app.Fail, "no such file"},
		{"no backup", nil, nil, "backup", app.Warn, "none was made"},
		{"an old backup", func(t *testing.T, dir string) { t.Helper(); note(t, dir, "2020-01-02T03:04:05Z") }, nil, "backup", app.Warn, "2020-01-02"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, flags := installed(t)
			if c.harm != nil {
				c.harm(t, dir)
			}
			found, content := examined(t, append(flags, c.flags...)...)
			f := found[c.check]
			if f.Verdict != c.verdict || !strings.Contains(f.Text, c.says) || f.Advice == "" || content != (c.verdict != app.Fail) {
				t.Errorf("%+v, content %v; want %s with %q", f, content, c.verdict, c.says)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func note(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "last-backup"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func otherKey(t *testing.T, dir string) {
	t.Helper()
	remove(t, filepath.Join(dir, "master.key"))
	_, key := tidings(t, "masterkey", "new")
	if err := os.WriteFile(filepath.Join(dir, "master.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestATextIsSentAndFollowed runs a server and sends by a test key, of which the recipient's last digits say what becomes of it.
func TestATextIsSentAndFollowed(t *testing.T) {
	t.Parallel()
	_, flags := installed(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		var out bytes.Buffer
		ended <- run(ctx, append(flags, "serve"), nil, &out, &out)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	_, key := tidings(t, append(flags, "apikey", "create", "--test")...)
	key = strings.TrimSpace(key)
	send := func(to string) (int, string) {
		return tidings(t, append(flags, "send", "--key", key, "--to", to, "--wait", "20s", "Hello")...)
	}
	for began := 0; ; began++ {
		if found, content := examined(t, flags...); content && found["channel test"].Verdict == app.Well && strings.HasSuffix(found["API"].Text, " answers") {
			break
		}
		if began == 100 {
			found, _ := examined(t, flags...)
			t.Fatalf("the server does not come up: %+v", found)
		}
	}
	if code, said := send("+254701234567"); code != 0 || !strings.Contains(said, "accepted as ") || !strings.Contains(said, "delivered") {
		t.Errorf("%d: %s", code, said)
	}
	if code, said := send("nonsense"); code != 1 || !strings.Contains(said, "422") || !strings.Contains(said, "/docs/errors/") {
		t.Errorf("%d: %s", code, said)
	}
	if code, said := tidings(t, append(flags, "send", "--to", "+254701234567", "Hello")...); code != 1 || !strings.Contains(said, "TIDINGS_API_KEY") {
		t.Errorf("%d: %s", code, said)
	}
}
