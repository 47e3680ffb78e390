package app_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manager is systemd's end of the notifications.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// hears waits for a notification that begins so, and returns it. Those before it are passed over.
func (m *manager) hears(begins string) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	var heard []string
	text := make([]byte, 4096)
	for {
		n, err := m.conn.Read(text)
		if err != nil {
			m.t.Fatalf("systemd hears no %s: %v; it heard %q", begins, err, heard)
		}
		if strings.HasPrefix(string(text[:n]), begins) {
			return
		}
		heard = append(heard, string(text[:n]))
	}
}

func TestSystemdIsTold(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(20_000))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	s := serve(t, nil)
	m.hears("READY=1")
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	done := false
	s.Reload(func() { done = true })
	m.hears("RELOADING=1\nMONOTONIC_USEC=")
	m.hears("READY=1")
	if !done {
		t.Error("what else a reload is for was not done")
	}
	s.stop()
	m.hears("STOPPING=1")
}

// TestTheUnitIsSound asks systemd itself, where it is.
func TestTheUnitIsSound(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../deploy/tidings.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"Type=notify\n", "WatchdogSec=", "ExecReload=/bin/kill -HUP", "User=tidings\n", "ProtectSystem=strict\n", "StateDirectory=tidings\n", "NoNewPrivileges=yes\n"} {
		if !strings.Contains(string(unit), must) {
			t.Errorf("the unit lacks %s", must)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd here")
	}
	path := filepath.Join(t.TempDir(), "tidings.service")
	put(t, path, []byte(strings.ReplaceAll(string(unit), "/usr/local/bin/tidings", "/bin/true")))
	if said, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("systemd: %v\n%s", err, said)
	}
	said, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", path).CombinedOutput()
	if err != nil {
		t.Errorf("the unit is exposed: %v\n%s", err, said)
	}
}
