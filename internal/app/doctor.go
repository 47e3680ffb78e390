package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/config"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/store"
)

// Verdict is how a finding of the doctor is.
type Verdict string

// The verdicts.
const (
	Well Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
)

// Finding is one thing that the doctor looked at.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Advice  string  `json:"advice,omitempty"` // what to do about it
}

// doctor looks at an installation and changes nothing.
type doctor struct {
	ctx      context.Context
	cfg      config.Config
	exam     store.Examination
	found    bool // there is a database, and it could be examined
	findings []Finding
}

// patience is how long the pages of a database are looked at.
const patience = 20 * time.Second

// Examine looks at all that an installation needs, whether its server runs or not, and says what to do where something is amiss.
func Examine(ctx context.Context, cfg config.Config) []Finding {
	d := &doctor{ctx: ctx, cfg: cfg}
	d.say("settings", Well, "", "%d settings make sense", len(cfg.Settings()))
	for _, look := range []func(){d.folder, d.space, d.database, d.clock, d.certificate, d.addresses, d.files, d.channels, d.backups} {
		look()
	}
	return d.findings
}

func (d *doctor) say(check string, v Verdict, advice, format string, args ...any) {
	d.findings = append(d.findings, Finding{check, v, fmt.Sprintf(format, args...), advice})
}

func (d *doctor) folder() {
	dir := d.cfg.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say("data folder", Warn, "the first start makes it: tidings serve", "%s is not there yet", dir)
		return
	case err != nil:
		d.say("data folder", Fail, "give the user of the server access to it", "%v", err)
		return
	case !info.IsDir():
		d.say("data folder", Fail, "set data_dir to a folder", "%s is no folder", dir)
		return
	case unix.Access(dir, unix.W_OK) != nil:
		d.say("data folder", Fail, "run this as the user of the server, or give it the folder: chown", "%s cannot be written to", dir)
		return
	}
	if open := info.Mode().Perm(); open&0o077 != 0 {
		d.say("data folder", Warn, "chmod go= "+dir, "other users of this machine can reach %s (%v)", dir, open)
		return
	}
	d.say("data folder", Well, "", "%s is ours alone", dir)
}

func (d *doctor) space() {
	dir, floor := existing(d.cfg.DataDir), diskFloor(d.cfg)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		d.say("disk", Fail, "", "%s: %v", dir, err)
		return
	}
	free := int64(st.Bavail) * st.Bsize
	switch text := fmt.Sprintf("%d MiB free, the floor is %d MiB", free>>20, floor>>20); {
	case free < floor:
		d.say("disk", Fail, "free space: nothing new is accepted below the floor", "%s", text)
	case free < 4*floor:
		d.say("disk", Warn, "free space soon, or shorten retention", "%s", text)
	default:
		d.say("disk", Well, "", "%s", text)
	}
}

func (d *doctor) database() {
	at := store.Place{Dir: d.cfg.DataDir, Database: d.cfg.Database.Reveal()}
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	x, err := store.Examine(ctx, at, d.cfg.MasterKey.Reveal())
	if errors.Is(err, store.ErrNoDatabase) {
		d.say("database", Warn, "the first start makes it: tidings serve", "there is none yet at %s", at)
		return
	}
	if err != nil {
		d.say("database", Fail, "is it running, does the address lead there, may the user connect?", "%s: %v", at, err)
		return
	}
	d.exam, d.found = x, true
	d.schema(at)
	switch {
	case x.Integrity == nil:
		d.say("integrity", Well, "", "nothing is wrong with the database")
	case ctx.Err() != nil && d.ctx.Err() == nil:
		d.say("integrity", Warn, "check a backup instead: tidings backup looks at every page", "not looked at to the end: the database is too large for %s", patience)
	default:
		d.say("integrity", Fail, "stop the server and restore a backup: docs/guides/backup.md", "%v", x.Integrity)
	}
	if x.Key != nil {
		d.say("master key", Fail, "put the right key back: without it no secret can be read", "%v", x.Key)
		return
	}
	d.say("master key", Well, "", "it is the database's")
}

func (d *doctor) schema(at store.Place) {
	x := d.exam
	switch {
	case x.Schema > x.Newest:
		d.say("database", Fail, "use the newer program, or restore the backup of before the upgrade: docs/guides/upgrade.md",
			"%s has schema %d, this program knows %d", at, x.Schema, x.Newest)
	case x.Schema < x.Newest && x.Served:
		d.say("database", Warn, "restart the server with this program", "the server that runs on %s is older than this program", at)
	case x.Schema < x.Newest:
		d.say("database", Warn, "make a backup; the next start brings it up to date", "%s has schema %d, this program wants %d", at, x.Schema, x.Newest)
	default:
		d.say("database", Well, "", "%s has this program's schema, %d", at, x.Schema)
	}
}

// drift is how far two clocks may be apart without a word.
const drift = 2 * time.Second

func (d *doctor) clock() {
	if ahead := d.exam.Ahead.Abs(); ahead > drift {
		d.say("clock", Warn, "let both machines keep time by NTP", "the database's clock and this machine's are %s apart", ahead)
		return
	}
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil && state == unix.TIME_ERROR {
		d.say("clock", Warn, "keep time by NTP: apt install systemd-timesyncd, or chrony", "nobody keeps this machine's clock right")
		return
	}
	d.say("clock", Well, "", "it is kept right")
}

func (d *doctor) certificate() {
	t := d.cfg.TLS
	switch {
	case t.Certificate != "":
		d.certificateFile(t)
	case len(t.ACMEHosts) > 0:
		d.say("certificate", Well, "", "it comes by ACME for %s", strings.Join(t.ACMEHosts, ", "))
	case !onLoopback(d.cfg.Listen) && !strings.HasPrefix(d.cfg.PublicURL, "https://"):
		d.say("certificate", Warn, "set tls.certificate or tls.acme_hosts, or put a proxy with TLS in front: docs/guides/tls.md",
			"%s is open to the network without TLS: keys and messages can be read on the way", d.cfg.Listen)
	default:
		d.say("certificate", Well, "", "none is needed here: a proxy in front has it, or this is loopback")
	}
}

func (d *doctor) certificateFile(t config.TLS) {
	c, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		d.say("certificate", Fail, "tls.certificate wants the chain, tls.key its key, both PEM", "%v", err)
		return
	}
	switch left := time.Until(c.Leaf.NotAfter); {
	case left <= 0:
		d.say("certificate", Fail, "renew it: the server takes the new file by itself", "it ended on %s", c.Leaf.NotAfter.Format(time.DateOnly))
	case left < 14*24*time.Hour:
		d.say("certificate", Warn, "renew it: the server takes the new file by itself", "it ends on %s", c.Leaf.NotAfter.Format(time.DateOnly))
	default:
		d.say("certificate", Well, "", "it is good until %s", c.Leaf.NotAfter.Format(time.DateOnly))
	}
}

// onLoopback reports whether an address is reached from this machine alone.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func (d *doctor) addresses() {
	d.address("API", d.cfg.Listen, d.cfg.TLS.On())
	if d.cfg.AdminListen == "" {
		return
	}
	d.address("admin pages", d.cfg.AdminListen, false)
	if !onLoopback(d.cfg.AdminListen) {
		d.say("admin pages", Warn, "set admin_listen to a loopback address, or see that nobody else reaches it", "%s is no loopback address; whoever reaches it sees everything", d.cfg.AdminListen)
	}
}

// address asks a server that runs whether it is well; where none does, whether one could listen.
func (d *doctor) address(what, at string, encrypted bool) {
	if !d.exam.Served {
		l, err := net.Listen("tcp", at)
		if err != nil {
			d.say(what, Fail, "something else uses the address, or it is not this machine's; a port below 1024 needs CAP_NET_BIND_SERVICE", "%v", err)
			return
		}
		_ = l.Close()
		d.say(what, Well, "", "%s is free; no server runs", at)
		return
	}
	url := "http://" + at + "/readyz"
	if encrypted {
		url = "https://" + at + "/readyz"
	}
	status, err := d.ask(url)
	switch {
	case err != nil:
		d.say(what, Fail, "a server runs on this data; has it these settings, and is it this machine?", "%s does not answer: %v", at, err)
	case status != http.StatusOK:
		d.say(what, Fail, "the debug page of the admin address says why", "%s answers %d: it is not ready", at, status)
	default:
		d.say(what, Well, "", "%s answers", at)
	}
}

func (d *doctor) ask(url string) (status int, err error) {
	ctx, cancel := context.WithTimeout(d.ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is asked whether it answers; its certificate is looked at above
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// files tells whether the files that messages carry can be kept.
func (d *doctor) files() {
	s := mediaSettings(d.cfg)
	if s.Bucket == nil {
		if !sharesFiles(d.cfg) {
			d.say("files", Well, "", "they are in %s, which is this server's alone: set media.dir or media.s3 before a second one starts", s.Dir)
			return
		}
		d.say("files", Well, "", "they are in %s", s.Dir)
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	if err := s.Bucket.Check(ctx); err != nil {
		d.say("files", Fail, "does media.s3 name the service, the bucket and a key that may use it?", "%v", err)
		return
	}
	d.say("files", Well, "", "they are in the bucket %s at %s", s.Bucket.Name, s.Bucket.Endpoint)
}

// channels tells how the sessions of a server that runs are.
func (d *doctor) channels() {
	if !d.found || !d.exam.Served || d.exam.Schema != d.exam.Newest || d.exam.Key != nil {
		return
	}
	c, err := Open(d.ctx, d.cfg, slog.New(slog.DiscardHandler), false, nil)
	if err != nil {
		d.say("channels", Fail, "", "%v", err)
		return
	}
	defer func() { _ = c.Close() }()
	all, err := c.Connections.All(d.ctx)
	states, stateErr := c.Connections.States(d.ctx)
	if err := errors.Join(err, stateErr); err != nil {
		d.say("channels", Fail, "", "%v", err)
		return
	}
	slices.SortFunc(all, func(a, b connection.Channel) int { return strings.Compare(a.Name, b.Name) })
	for _, one := range all {
		d.channel(one, connection.Overall(states[one.ID]))
	}
}

func (d *doctor) channel(c connection.Channel, s connection.State) {
	what := "channel " + c.Name
	switch {
	case c.Mode != connection.Working:
		d.say(what, Warn, "let it work again when you want its messages sent", "it is %s", c.Mode)
	case s.Phase == connection.Up:
		d.say(what, Well, "", "up since %s", s.Since.Format(time.DateTime))
	case s.Phase == connection.Down:
		d.say(what, Fail, "docs/guides/smpp-errors.md says what each reason means", "down since %s: %s %s", s.Since.Format(time.DateTime), s.Code, s.Reason)
	default:
		d.say(what, Warn, "look again in a minute", "%s", s.Phase)
	}
}

// stale is the age of a backup that is worth a word.
const stale = 7 * 24 * time.Hour

func (d *doctor) backups() {
	if !d.found {
		return
	}
	at, known := store.LastBackup(d.cfg.DataDir)
	switch {
	case !known:
		d.say("backup", Warn, "tidings backup FILE, each day, to another machine; and keep the master key apart", "none was made by tidings backup")
	case time.Since(at) > stale:
		d.say("backup", Warn, "tidings backup FILE, each day", "the last was made on %s", at.Format(time.DateOnly))
	default:
		d.say("backup", Well, "", "the last was made on %s", at.Format(time.DateTime))
	}
}
