package whatsapp_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/channel/whatsapp"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	far "tidings.dev/internal/simulator/whatsapp"
)

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// network is the simulated WhatsApp of all tests: which one the library trusts is a variable of the process.
var network = far.New(far.Config{Keep: -1, Linger: 200 * time.Millisecond})

func TestMain(m *testing.M) {
	whatsapp.New(whatsapp.Options{}) // quiets a library, before anybody uses it
	if err := network.Start(); err != nil {
		panic(err)
	}
	network.Trust()
	code := m.Run()
	_ = network.Close()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

// memory is a state that a test can make fail.
type memory struct {
	mu     sync.Mutex
	kept   map[string]string
	fail   int    // of the next saves
	broken string // saves of names that begin so fail
	saves  int
	dieAt  int // the write from which on all fail, as after a crash; 0: none
}

var errDisk = errors.New("no disk")

func newMemory() *memory { return &memory{kept: map[string]string{}} }

func (m *memory) Load(_ context.Context, names ...string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := make([][]byte, len(names))
	for i, name := range names {
		if v, ok := m.kept[name]; ok {
			values[i] = []byte(v)
		}
	}
	return values, nil
}

func (m *memory) List(_ context.Context, prefix string) (list []channel.Kept, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, v := range m.kept {
		if strings.HasPrefix(name, prefix) {
			list = append(list, channel.Kept{Name: name, Value: []byte(v)})
		}
	}
	slices.SortFunc(list, func(a, b channel.Kept) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (m *memory) Count(ctx context.Context, prefix string) (int, error) {
	list, err := m.List(ctx, prefix)
	return len(list), err
}

func (m *memory) Save(_ context.Context, kept ...channel.Kept) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.dieAt > 0 && m.saves >= m.dieAt {
		return errDisk
	}
	if m.fail > 0 {
		m.fail--
		return errDisk
	}
	for _, k := range kept {
		if m.broken != "" && strings.HasPrefix(k.Name, m.broken) {
			return errDisk
		}
	}
	for _, k := range kept {
		if k.Value == nil {
			delete(m.kept, k.Name)
			continue
		}
		m.kept[k.Name] = string(k.Value)
	}
	return nil
}

func (m *memory) Clear(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.kept)
	return nil
}

func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// sink collects what a session tells, notices too.
type sink struct {
	channeltest.Sink
	mu      sync.Mutex
	notices []channel.Notice
	panics  bool
}

func (s *sink) Notice(_ context.Context, n channel.Notice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n)
	return nil
}

// Inbound panics once when it is told to.
func (s *sink) Inbound(ctx context.Context, m message.Inbound) error {
	s.mu.Lock()
	panics := s.panics
	s.panics = false
	s.mu.Unlock()
	if panics {
		panic("the sink panics")
	}
	return s.Sink.Inbound(ctx, m)
}

func (s *sink) told(about func(channel.Notice) bool) (found []channel.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notices {
		if about(n) {
			found = append(found, n)
		}
	}
	return found
}

// files are those that messages carry. One that is nil cannot be read now.
type files map[message.MediaID][]byte

func (f files) Open(_ context.Context, id message.MediaID) (io.ReadCloser, error) {
	file, ok := f[id]
	switch {
	case !ok:
		return nil, fault.New(fault.NotHere, "it is not kept")
	case file == nil:
		return nil, errDisk
	}
	return io.NopCloser(bytes.NewReader(file)), nil
}

// device is a channel whose device is linked to a simulated phone.
type device struct {
	testing.TB
	driver   channel.Driver
	phone    *far.Phone
	state    *memory
	sink     *sink
	files    files
	settings string
	log      *lines
	web      channel.Getter
	linked   *far.Device

	session channel.Session
	stop    context.CancelFunc
	over    chan error
	serial  int64
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

// numbers counts the numbers that were given out.
var numbers atomic.Int64

// fresh is a number that nobody else has in this run.
func fresh() string {
	return fmt.Sprintf("+4915%06d0", numbers.Add(1))
}

// fleeting is a client of the network whose connections end with their requests: one that waits for the next would count as left behind.
func fleeting() *http.Client {
	client := network.Client()
	client.Transport.(*http.Transport).DisableKeepAlives = true
	return client
}

// newDevice makes a channel that is not linked yet.
func newDevice(t testing.TB, settings string) *device {
	d := &device{
		TB: t, driver: whatsapp.New(whatsapp.Options{HTTP: fleeting()}), phone: network.Phone(fresh()), state: newMemory(), sink: new(sink),
		files: files{}, settings: settings, log: new(lines),
	}
	t.Cleanup(d.end)
	return d
}

func (d *device) env() channel.Env {
	return channel.Env{
		Channel: 77, Settings: channel.Settings(d.settings), Sink: d.sink, State: d.state, Media: d.files, Web: d.web,
		Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// pair links the device by the QR code.
func (d *device) pair() channel.Identity {
	d.Helper()
	return d.pairBy(func(qr string) { d.linked = d.scan(qr) })
}

// scan lets the phone scan a QR code.
func (d *device) scan(qr string) *far.Device {
	linked, err := d.phone.Scan(qr)
	if err != nil {
		d.Error(err)
	}
	return linked
}

// pairBy links the device by what shows of its QR codes.
func (d *device) pairBy(show func(qr string)) channel.Identity {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	who, err := d.driver.Link.Pair(ctx, d.env(), "", func(c channel.Code) { show(c.QR) })
	if err != nil {
		d.Fatalf("pair: %v", err)
	}
	return who
}

// open opens the session and runs it.
func (d *device) open() {
	d.Helper()
	session, err := d.driver.Open(d.Context(), d.env())
	if err != nil {
		d.Fatalf("open: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	d.session, d.stop, d.over = session, stop, over
	go func() { over <- session.Run(ctx) }()
}

// linked is a device that is linked and open.
func linked(t testing.TB, settings string) *device {
	t.Helper()
	d := newDevice(t, settings)
	d.pair()
	d.open()
	return d
}

// close ends the session in good order.
func (d *device) close() {
	d.Helper()
	d.stop()
	if err := d.ended(); err != nil {
		d.Errorf("run: %v", err)
	}
}

// ended waits for the end of the session, and returns why.
func (d *device) ended() error {
	d.Helper()
	select {
	case err := <-d.over:
		d.stop, d.over = func() {}, nil
		return err
	case <-time.After(patience):
		d.Fatal("the session does not end")
		return nil
	}
}

func (d *device) end() {
	if d.over != nil {
		d.stop()
		<-d.over
	}
	if log := d.log.text(); strings.Contains(log, strings.TrimPrefix(d.phone.Number(), "+")) {
		d.Errorf("the log names the number:\n%s", log)
	}
}

// send hands a content to the session.
func (d *device) send(to message.Address, c message.Content) (string, error) {
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	d.serial++
	c.Version = 1
	return d.session.Send(ctx, message.Outbound{
		Message: message.ID(d.serial<<8 | numbers.Load()), Attempt: 1, Number: 1, Total: 1, To: to, From: phoneOf(d.phone.Number()), Content: c, Text: c.Text,
	})
}

func (d *device) mustSend(to message.Address, c message.Content) string {
	d.Helper()
	id, err := d.send(to, c)
	if err != nil {
		d.Fatalf("send: %v", err)
	}
	return id
}

// left is how much is kept of the device.
func (d *device) left() int {
	n, _ := d.state.Count(d.Context(), "")
	return n
}

func phoneOf(number string) message.Address {
	return message.Address{Kind: message.Phone, Value: "+" + strings.TrimPrefix(number, "+")}
}

func (d *device) patient() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	d.Cleanup(cancel)
	return ctx
}

// inbounds waits for so many messages that came in.
func (d *device) inbounds(n int) []message.Inbound {
	d.Helper()
	got, err := d.sink.AwaitInbounds(d.patient(), n)
	if err != nil {
		d.Fatalf("%d of %d messages came in: %v\n%s", len(got), n, err, d.log.text())
	}
	return got
}

// eventually waits until something holds.
func (d *device) eventually(what string, holds func() bool) {
	d.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("%s: not within %s\n%s", what, patience, d.log.text())
		}
	}
}
