package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tidings.dev/test/product"
)

const installCommand = "apt-get update && apt-get install -y --no-install-recommends kannel kannel-extras"

// kannelRows compare with the gateway that most SMPP traffic of small operators has gone through for twenty years. Its
// spool never syncs to disk; ours does before each answer.
var kannelRows = []Row{
	{"submit", "accept and submit over SMPP, window 10, against Kannel", submitRow},
	{"life", "whole life with receipt and callback, window 10, against Kannel", kannelLifeRow},
}

var kannelPath = []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin"}

func kannelBinary(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range kannelPath {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

func haveKannel() bool { return kannelBinary("bearerbox") != "" && kannelBinary("smsbox") != "" }

func installKannel(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("this needs Kannel; on Debian install it with:\n    sudo sh -c '%s'", installCommand)
	}
	command := exec.CommandContext(ctx, "sh", "-c", installCommand)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}

// kannel is a running bearerbox with its smsbox.
type kannel struct {
	send     string // host:port of sendsms
	status   string // address of the status page
	box, sms *exec.Cmd
}

// kannelConfig is one `key = value` a line; groups are parted by an empty line.
const kannelConfig = `group = core
admin-port = %[1]d
admin-interface = 127.0.0.1
admin-password = adm
status-password = st
smsbox-port = %[2]d
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
box-deny-ip = "*.*.*.*"
log-file = %[5]s/bearerbox.log
log-level = 3
dlr-storage = internal
sms-incoming-queue-limit = 1000000
sms-outgoing-queue-limit = 1000000
%[7]s
group = smsc
smsc = smpp
smsc-id = fake
host = 127.0.0.1
port = %[4]s
transceiver-mode = 1
smsc-username = user
smsc-password = pass
system-type = ""
max-pending-submits = %[6]d

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %[3]d
sendsms-interface = 127.0.0.1
global-sender = ACME
log-level = 3

group = sendsms-user
username = u
password = p
`

func (b *Bench) startKannel(ctx context.Context, smsc string, window int, spool bool) (*kannel, error) {
	b.installs++
	dir := filepath.Join(b.Dir, fmt.Sprintf("kannel-%d", b.installs))
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o700); err != nil {
		return nil, err
	}
	var ports [3]int
	for n := range ports {
		address, err := product.FreeAddress()
		if err != nil {
			return nil, err
		}
		_, port, _ := strings.Cut(address, ":")
		ports[n], _ = strconv.Atoi(port)
	}
	_, smscPort, err := net.SplitHostPort(smsc)
	if err != nil {
		return nil, err
	}
	store := ""
	if spool {
		store = "store-type = spool\nstore-location = " + filepath.Join(dir, "spool") + "\n"
	}
	config := filepath.Join(dir, "k.conf")
	text := fmt.Sprintf(kannelConfig, ports[0], ports[1], ports[2], smscPort, dir, window, store)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	k := &kannel{send: fmt.Sprintf("127.0.0.1:%d", ports[2]), status: fmt.Sprintf("http://127.0.0.1:%d/status.txt?password=st", ports[0])}
	k.box = exec.CommandContext(ctx, kannelBinary("bearerbox"), "-v", "4", config)
	k.sms = exec.CommandContext(ctx, kannelBinary("smsbox"), "-v", "4", config)
	for _, command := range []*exec.Cmd{k.box, k.sms} {
		log, err := os.Create(filepath.Join(dir, filepath.Base(command.Path)+".out"))
		if err != nil {
			return nil, err
		}
		command.Dir, command.Stdout, command.Stderr = dir, log, log
	}
	if err := k.box.Start(); err != nil {
		return nil, err
	}
	if err := k.until(10*time.Second, k.answers); err != nil {
		k.end()
		return nil, fmt.Errorf("bearerbox: %w", err)
	}
	if err := k.sms.Start(); err != nil {
		k.end()
		return nil, err
	}
	if err := k.until(20*time.Second, k.online); err != nil {
		k.end()
		return nil, fmt.Errorf("smsbox: %w", err)
	}
	return k, nil
}

func (k *kannel) until(limit time.Duration, done func() bool) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return errors.New("not ready in time")
}

func (k *kannel) page() []byte {
	resp, err := http.Get(k.status)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return text
}

func (k *kannel) answers() bool { return k.page() != nil }

func (k *kannel) online() bool {
	conn, err := net.Dial("tcp", k.send)
	if err != nil {
		return false
	}
	conn.Close()
	return bytes.Contains(k.page(), []byte("online"))
}

func (k *kannel) end() {
	for _, command := range []*exec.Cmd{k.sms, k.box} {
		if command != nil && command.Process != nil {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	}
}

func (k *kannel) cpu() (time.Duration, error) {
	box, err := cpuOf(k.box.Process.Pid)
	if err != nil {
		return 0, err
	}
	sms, err := cpuOf(k.sms.Process.Pid)
	return box + sms, err
}

// side is one of those compared: how to start it, send to it, and read its CPU.
type side struct {
	send func(last time.Duration) (Tally, error)
	cpu  func() (time.Duration, error)
	end  func()
}

// kannelSide sends as Kannel's users do; with a sink it asks for a callback about each delivery.
func (b *Bench) kannelSide(ctx context.Context, smsc string, sink *peer, window int, spool bool) (*side, error) {
	k, err := b.startKannel(ctx, smsc, window, spool)
	if err != nil {
		return nil, err
	}
	callback := ""
	if sink != nil {
		callback = "&dlr-mask=3&dlr-url=" + url.QueryEscape("http://"+sink.address+"/dlr")
	}
	return &side{
		send: func(last time.Duration) (Tally, error) {
			return b.load(ctx, "-host", k.send, "-kind", "kannel", "-callback", callback, "-for", last.String())
		},
		cpu: k.cpu, end: k.end,
	}, nil
}

func (b *Bench) ownSide(ctx context.Context, f far) (*side, error) {
	s, err := b.serve(ctx, f)
	if err != nil {
		return nil, err
	}
	return &side{
		send: func(last time.Duration) (Tally, error) { return b.drive(ctx, s, "json", 64, last) },
		cpu:  func() (time.Duration, error) { return cpuOf(s.process.Pid()) },
		end:  s.end,
	}, nil
}

// slice lets one side send for a while and waits until all of it has come out at the far end.
func (s *side) slice(end *peer, last time.Duration) (l lived, err error) {
	if _, err := end.ask("DELETE"); err != nil {
		return l, err
	}
	spent, err := s.cpu()
	if err != nil {
		return l, err
	}
	started := time.Now()
	t, err := s.send(last)
	if err != nil {
		return l, err
	}
	seen, err := end.settled(t.OK, 5*time.Second, 2*time.Minute)
	if err != nil {
		return l, err
	}
	if seen.N < t.OK {
		return l, fmt.Errorf("%d accepted, %d came out", t.OK, seen.N)
	}
	total, err := s.cpu()
	l.rate = float64(seen.N) / time.UnixMicro(seen.Last).Sub(started).Seconds()
	l.cpu = float64((total - spent).Microseconds()) / float64(seen.N)
	return l, err
}

func submitRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	return b.against(ctx, "accept and submit", false, [2][2]float64{{1.0, 1.5}, {2.5, 4}})
}

func kannelLifeRow(ctx context.Context, b *Bench) ([]*Figure, error) {
	return b.against(ctx, "whole life", true, [2][2]float64{{1.7, 2.5}, {3, 6}})
}

// against compares with Kannel without a store and with its spool: in each round none, own, spool, own, so that each
// Kannel has a run of ours beside it. All sides stay up the whole time, on the same network.
func (b *Bench) against(ctx context.Context, what string, whole bool, goals [2][2]float64) (figures []*Figure, err error) {
	args := []string{"-quick"}
	if whole {
		args = append(args, "-receipts")
	}
	smsc, err := startPeer("smsc", args...)
	if err != nil {
		return nil, err
	}
	defer smsc.stop()
	f, end, sink := far{smsc: smsc.address, window: 10}, smsc, (*peer)(nil)
	if whole {
		if sink, err = startPeer("sink"); err != nil {
			return nil, err
		}
		defer sink.stop()
		f.hook, end = sink.address, sink
	}
	own, err := b.ownSide(ctx, f)
	if err != nil {
		return nil, err
	}
	defer own.end()
	bare, err := b.kannelSide(ctx, smsc.address, sink, 10, false)
	if err != nil {
		return nil, err
	}
	defer bare.end()
	spooled, err := b.kannelSide(ctx, smsc.address, sink, 10, true)
	if err != nil {
		return nil, err
	}
	defer spooled.end()
	peers := [2]*side{bare, spooled}
	names := [2]string{"Kannel without a store", "Kannel with its spool"}
	rate, cpu := &Figure{Name: what + ", own", Unit: "1/s"}, &Figure{Name: "CPU of " + what + ", own", Unit: "us"}
	for n, name := range names {
		figures = append(figures,
			&Figure{Name: what + " / " + name, Floor: goals[n][0], Aim: goals[n][1]},
			&Figure{Name: what + ", " + name, Unit: "1/s"}, &Figure{Name: "CPU of " + what + ", " + name, Unit: "us"})
	}
	figures = append(figures, rate, cpu)
	for _, s := range []*side{own, peers[0], peers[1]} { // warm-up
		if _, err := s.slice(end, time.Second); err != nil {
			return nil, err
		}
	}
	for range b.Rounds {
		for n, other := range peers {
			theirs, err := other.slice(end, slice)
			if err != nil {
				return figures, fmt.Errorf("%s: %w", names[n], err)
			}
			ours, err := own.slice(end, slice)
			if err != nil {
				return figures, fmt.Errorf("own: %w", err)
			}
			figures[3*n].add(ours.rate / theirs.rate)
			figures[3*n+1].add(theirs.rate)
			figures[3*n+2].add(theirs.cpu)
			rate.add(ours.rate)
			cpu.add(ours.cpu)
		}
	}
	return figures, nil
}
