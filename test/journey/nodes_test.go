package journey

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/simulator/customer"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/test/product"
)

// soon is how long the servers have to notice each other's end on an idle machine, and what a busy one may add.
const (
	soon = 2 * time.Second
	busy = 3 * time.Second
)

// window is wide enough that slow answers keep no lane from others.
const window = 40

// server is one of two real processes that share a database.
type server struct {
	*product.Installation
	*product.Client
	t       *testing.T
	process *product.Process
	log     bytes.Buffer // complete once the process has ended
}

// pair is two servers on one database, with a network and a customer of their own.
type pair struct {
	t        *testing.T
	a, b     *server
	db       string
	network  *smsc.SMSC
	tap      *tap
	customer *customer.Receiver
	hooks    string // host:port of the customer
	texts    int    // counts them
}

// twoServers starts two servers whose channel is opened by one of them or by each.
func twoServers(t *testing.T, nodes string, shards int) *pair {
	t.Helper()
	if !storetest.Postgres() {
		t.Skip("SQLite has one server")
	}
	p := &pair{t: t, db: fresh(t), network: smsc.New(smsc.Config{Keep: -1}), customer: customer.New(customer.Config{})}
	must(t, p.network.Start())
	t.Cleanup(func() { must(t, p.network.Close()) })
	p.tap = newTap(t, p.network.Addr())
	hooks := httptest.NewServer(p.customer)
	t.Cleanup(hooks.Close)
	p.hooks = hooks.Listener.Addr().String()
	p.a = p.install("a", nil)
	master, err := p.a.CreateMasterKey(t.Context())
	must(t, err)
	p.a.Setting = append(p.a.Setting, "TIDINGS_MASTER_KEY="+master)
	p.b = p.install("b", p.a.Setting)
	key := p.provision(nodes, shards)
	p.a.Client, p.b.Client = product.NewClient(p.a.Installation.URL(), key), product.NewClient(p.b.Installation.URL(), key)
	p.a.start()
	p.b.start()
	return p
}

func (p *pair) install(name string, settings []string) *server {
	p.t.Helper()
	s := &server{t: p.t}
	i, err := product.New(bin.tidings, filepath.Join(p.t.TempDir(), name), &s.log)
	must(p.t, err)
	i.Hooks, i.Setting = []string{p.hooks}, append(setting(p.db), settings...)
	s.Installation = i
	p.t.Cleanup(func() {
		if s.process == nil {
			return
		}
		if err := s.process.Stop(30 * time.Second); err != nil || p.t.Failed() {
			p.t.Logf("server %s: %v\n%s", name, err, s.log.String())
		}
	})
	return s
}

// provision makes the account, its channel and its key by commands on one of the servers' folders.
func (p *pair) provision(nodes string, shards int) (key string) {
	p.t.Helper()
	ctx, i := p.t.Context(), p.a.Installation
	account, err := i.CreateAccount(ctx, "pair", "KE", "KES", 1_000_000_000)
	must(p.t, err)
	channel := product.SMPP(p.tap.address(), window, map[string]any{"nodes": nodes, "response_timeout": "10s"})
	_, err = i.CreateChannel(ctx, "network", "smpp", channel, "--shards", fmt.Sprint(shards))
	must(p.t, err)
	must(p.t, i.SetPrice(ctx, "254", "KES", 800_000))
	key, err = i.CreateKey(ctx, account)
	must(p.t, err)
	return key
}

func (s *server) start() {
	s.t.Helper()
	process, err := s.Start()
	must(s.t, err)
	s.process = process
	must(s.t, s.Ready(s.t.Context(), process))
}

// stop ends the server in good order and tells when it was asked to.
func (s *server) stop() (asked time.Time) {
	s.t.Helper()
	asked = time.Now()
	if err := s.process.Stop(30 * time.Second); err != nil {
		s.t.Errorf("stopped: %v", err)
	}
	s.process = nil
	return asked
}

// kill ends the server as a power cut would. Just after the start of the database nobody is taken for dead, so it waits.
func (p *pair) kill(s *server) (at time.Time) {
	p.t.Helper()
	db := open(p.t, s.Installation)
	until(p.t, 10*time.Second, "the database is too young", func() (old bool) {
		must(p.t, db.QueryRowContext(p.t.Context(), "SELECT clock_timestamp() - pg_postmaster_start_time() > interval '6 seconds'").Scan(&old))
		return old
	})
	at = time.Now()
	s.process.Kill()
	s.process = nil
	return at
}

// send has a server accept a text of its own for a number.
func (p *pair) send(s *server, to string) product.Message {
	p.t.Helper()
	p.texts++
	return send(p.t, s.Client, map[string]any{"to": to, "text": fmt.Sprintf("text %d", p.texts), "on_unknown": "resend"})
}

// spread has a server accept texts for many numbers, so that every lane gets some.
func (p *pair) spread(s *server, n int) (sent []product.Message) {
	p.t.Helper()
	for range n {
		sent = append(sent, p.send(s, fmt.Sprintf("+2547%08d", 10_000_000+p.texts)))
	}
	return sent
}

// taken counts the texts that the network took.
func (p *pair) taken() map[string]int {
	n := map[string]int{}
	for _, r := range p.network.History() {
		if r.Op == smsc.OpSubmit && r.Status == "ESME_ROK" {
			n[r.Text]++
		}
	}
	return n
}

// allTaken waits until the network took every text, and tells when.
func (p *pair) allTaken(sent []product.Message, within time.Duration) time.Time {
	p.t.Helper()
	until(p.t, within, "some texts did not reach the network", func() bool {
		n := p.taken()
		return !slices.ContainsFunc(sent, func(m product.Message) bool { return n[m.Text] == 0 })
	})
	return time.Now()
}

// onceEach expects that every text is delivered, and went out once unless it says that it may have gone out twice. It tells
// how many say so.
func (p *pair) onceEach(s *server, sent []product.Message) (doubtful int) {
	p.t.Helper()
	for _, m := range sent {
		if becomes(p.t, s.Client, m.ID, "delivered", 30*time.Second).Duplicate {
			doubtful++
		}
	}
	n := p.taken()
	for _, m := range sent {
		if n[m.Text] != 1 && (n[m.Text] != 2 || !get(p.t, s.Client, m.ID).Duplicate) {
			p.t.Errorf("the network took %q %d times: %+v", m.Text, n[m.Text], get(p.t, s.Client, m.ID))
		}
	}
	return doubtful
}

// bound waits until so many sessions are bound.
func (p *pair) bound(n int) {
	p.t.Helper()
	until(p.t, 10*time.Second, fmt.Sprintf("%d sessions are not bound", n), func() bool { return p.binds() == n })
}

// binds is how many sessions the network has now.
func (p *pair) binds() (n int) {
	for _, r := range p.network.History() {
		n += change(r)
	}
	return n
}

// change is what a record says about how many sessions there are.
func change(r smsc.Record) int {
	switch {
	case r.Op == smsc.OpBind:
		return 1
	case r.Op == smsc.OpUnbind, r.Op == smsc.OpDrop && r.To == "":
		return -1
	}
	return 0
}

// Texts that either server accepts go out by both, once each and in the order of each recipient; what one server knows the
// other knows.
func TestTwoServersAreOne(t *testing.T) {
	t.Parallel()
	p := twoServers(t, "each", 4)
	p.bound(2)
	_, secret, err := p.a.CreateWebhook(t.Context(), "http://"+p.hooks+"/customer/pair", "message.*")
	must(t, err)
	must(t, p.customer.Secret("pair", secret))

	sent := p.conversation(20, 6)
	p.onceEach(p.b, sent)
	p.inOrder()
	for i, n := range p.tap.submits() {
		if n == 0 {
			t.Errorf("session %d of %v sent nothing", i, p.tap.submits())
		}
	}
	p.told(sent)
	p.replays(t)
	p.stops(t)
}

// conversation has both servers in turn accept texts for the same recipients.
func (p *pair) conversation(recipients, each int) (sent []product.Message) {
	for n := range each {
		for to := range recipients {
			s := []*server{p.a, p.b}[(n+to)%2]
			sent = append(sent, p.send(s, fmt.Sprintf("+25471000%04d", to)))
		}
	}
	return sent
}

// inOrder expects that each recipient's texts went out in the order in which they were accepted.
func (p *pair) inOrder() {
	p.t.Helper()
	last := map[string]int{}
	for _, r := range p.network.History() {
		var n int
		if _, err := fmt.Sscanf(r.Text, "text %d", &n); r.Op != smsc.OpSubmit || err != nil {
			continue
		}
		if n < last[r.To] {
			p.t.Errorf("%s got text %d after text %d", r.To, n, last[r.To])
		}
		last[r.To] = n
	}
}

// told expects that the customer hears of each message's way, in order and signed.
func (p *pair) told(sent []product.Message) {
	p.t.Helper()
	steps := map[string][]int{}
	until(p.t, 20*time.Second, "some deliveries were not told", func() bool {
		clear(steps)
		delivered := map[string]bool{}
		for _, r := range p.customer.Requests("pair") {
			var e event
			must(p.t, json.Unmarshal(r.Body, &e))
			if r.Verified == nil || !*r.Verified {
				p.t.Fatalf("the signature does not verify: %s", r.Problem)
			}
			steps[e.Subject] = append(steps[e.Subject], e.Seq)
			delivered[e.Subject] = delivered[e.Subject] || e.Type == "message.delivered"
		}
		return !slices.ContainsFunc(sent, func(m product.Message) bool { return !delivered[m.ID] })
	})
	for _, m := range sent {
		for i, seq := range steps[m.ID] {
			if seq != i+1 {
				p.t.Errorf("of %s the customer heard %v", m.ID, steps[m.ID])
				break
			}
		}
	}
}

func (p *pair) replays(t *testing.T) {
	body := []byte(`{"to":"+254706000001","text":"once"}`)
	_, _, first, err := p.a.Exchange(t.Context(), http.MethodPost, messages, body, "Idempotency-Key", "repeat")
	must(t, err)
	status, header, second, err := p.b.Exchange(t.Context(), http.MethodPost, messages, body, "Idempotency-Key", "repeat")
	if err != nil || status != http.StatusAccepted || !bytes.Equal(second, first) || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat: %d %v %v\n%s\n%s", status, header.Get("Idempotent-Replayed"), err, first, second)
	}
	refuse(t, p.b.Client, http.MethodPost, messages, []byte(`{"to":"+254706000001","text":"twice"}`), 422, "idempotency_key_reused", "Idempotency-Key", "repeat")
	var m product.Message
	must(t, json.Unmarshal(first, &m))
	becomes(t, p.b.Client, m.ID, "delivered", 10*time.Second)
	if n := p.taken()["once"]; n != 1 {
		t.Errorf("the network took it %d times", n)
	}
}

// stops has several phones answer STOP, so that either server gets some of them.
func (p *pair) stops(t *testing.T) {
	for n := range 8 {
		to := fmt.Sprintf("+25470400%d9911", n)
		p.send(p.a, to)
		until(t, 10*time.Second, "the STOP did not come in", func() bool { return len(inbounds(t, p.b.Client, to)) > 0 })
		for _, s := range []*server{p.a, p.b} {
			body := fmt.Appendf(nil, `{"to":%q,"text":"Sale!"}`, to)
			refuse(t, s.Client, http.MethodPost, messages, body, http.StatusUnprocessableEntity, "recipient_opted_out")
		}
	}
}

// A server that is killed leaves its lanes to the other at once. Nothing is lost, and what may have gone out twice says so.
func TestTheOtherServerGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	p := twoServers(t, "each", 4)
	p.bound(2)
	sent := append(p.spread(p.a, 20), p.spread(p.b, 20)...)
	p.onceEach(p.b, sent)
	for n := range 8 { // their answers take two seconds, so that some wait for one in each server
		sent = append(sent, p.send(p.b, fmt.Sprintf("+25472000%d9909", n)))
	}
	waiting := sent[len(sent)-8:]
	sent = append(sent, p.spread(p.a, 20)...)
	p.allTaken(append(waiting, sent[len(sent)-20:]...), 10*time.Second)
	killed := p.kill(p.a)
	after := p.spread(p.b, 40)
	if took := p.allTaken(after, 20*time.Second).Sub(killed); took > soon+busy {
		t.Errorf("the other server had all lanes after %s", took)
	} else {
		t.Logf("all lanes after %s", took)
	}
	if n := p.onceEach(p.b, append(sent, after...)); n == 0 || n > window {
		t.Errorf("%d texts say that they may have gone out twice; the window is %d", n, window)
	}
	p.inOrder()
	p.a.start()
	p.bound(2)
}

// A server that is stopped in good order hands its lanes over, and nothing goes out twice.
func TestTheOtherServerGoesOnAfterAStop(t *testing.T) {
	t.Parallel()
	p := twoServers(t, "each", 4)
	p.bound(2)
	var sent []product.Message
	for round := range 3 {
		sent = append(sent, p.spread(p.a, 10)...)
		flowing := p.spread(p.b, 30)
		asked := p.a.stop()
		after := p.spread(p.b, 40)
		if took := p.allTaken(after, 20*time.Second).Sub(asked); took > soon+busy {
			t.Errorf("the other server had all lanes after %s", took)
		} else {
			t.Logf("all lanes after %s", took)
		}
		sent = append(sent, append(flowing, after...)...)
		p.a.start()
		p.bound(2)
		until(t, 10*time.Second, "the server that came back sends nothing", func() bool {
			before := len(p.tap.submits())
			sent = append(sent, p.spread(p.b, 8)...)
			n := p.tap.submits()
			return before == round+3 && n[len(n)-1] > 0
		})
	}
	if n := p.onceEach(p.b, sent); n > 0 {
		t.Errorf("%d texts say that they may have gone out twice", n)
	}
	p.inOrder()
}

// A channel that one server opens is bound by one at any time: by the next at once when it was stopped, and when it was
// killed as soon as nobody can take it for alive.
func TestAChannelOfOneServerIsBoundOnce(t *testing.T) {
	t.Parallel()
	p := twoServers(t, "one", 1)
	p.bound(1)
	sent := append(p.spread(p.a, 5), p.spread(p.b, 5)...)
	p.allTaken(sent, 10*time.Second)
	asked := p.a.stop()
	after := p.spread(p.b, 5)
	if took := p.allTaken(after, 20*time.Second).Sub(asked); took > soon+busy {
		t.Errorf("taken over %s after the stop", took)
	}
	sent = append(sent, after...)
	if testing.Short() {
		p.onceEach(p.b, sent)
	} else {
		p.onceEach(p.a, append(sent, p.takenOverAfterAKill()...))
	}
	if long := p.together(); long > 100*time.Millisecond { // the network takes a moment to write down an end
		t.Errorf("two sessions were bound for %s", long)
	}
}

// together is how long several sessions were bound at most.
func (p *pair) together() (longest time.Duration) {
	n, since := 0, int64(0)
	for _, r := range p.network.History() {
		if n > 1 {
			longest = max(longest, time.Duration(r.Time-since)*time.Millisecond)
		}
		if d := change(r); d != 0 {
			n, since = n+d, r.Time
		}
	}
	return longest
}

// takenOverAfterAKill kills the server that has the session, which the other gets when the grace is over.
func (p *pair) takenOverAfterAKill() (sent []product.Message) {
	p.a.start()
	killed := p.kill(p.b)
	sent = p.spread(p.a, 5)
	// The grace of 30 s counts from when the dead server was last heard of, which may be some seconds earlier.
	if took := p.allTaken(sent, time.Minute).Sub(killed); took < 24*time.Second || took > 36*time.Second+busy {
		p.t.Errorf("taken over %s after the kill", took)
	} else {
		p.t.Logf("taken over %s after the kill", took)
	}
	return sent
}

// tap stands between the servers and the network, which cannot tell the sessions of one system id apart, and counts what
// each session submits.
type tap struct {
	listener net.Listener
	network  string
	running  sync.WaitGroup

	mu     sync.Mutex
	counts []int // of each session, in the order in which they came
	open   map[net.Conn]struct{}
}

func newTap(t *testing.T, network string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &tap{listener: l, network: network, open: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

func (p *tap) address() string { return p.listener.Addr().String() }

// submits is how many parts each session sent so far.
func (p *tap) submits() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.counts)
}

func (p *tap) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		p.running.Go(func() { p.pass(c) })
	}
}

// pass carries a session's bytes both ways until one end closes.
func (p *tap) pass(c net.Conn) {
	defer func() { _ = c.Close() }()
	far, err := net.Dial("tcp", p.network)
	if err != nil {
		return // the network is gone
	}
	defer func() { _ = far.Close() }()
	p.mu.Lock()
	p.open[c], p.counts = struct{}{}, append(p.counts, 0)
	session := len(p.counts) - 1
	p.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, far)
		_ = c.Close()
	})
	p.count(c, far, session)
	_ = far.Close()
	back.Wait()
}

// count passes one PDU after another: each begins with its length and its command (SMPP 3.4, 3.2).
func (p *tap) count(from io.Reader, to io.Writer, session int) {
	const submitSM = 4
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		rest := int64(binary.BigEndian.Uint32(head)) - int64(len(head))
		if binary.BigEndian.Uint32(head[4:]) == submitSM {
			p.mu.Lock()
			p.counts[session]++
			p.mu.Unlock()
		}
		if _, err := io.Copy(to, io.MultiReader(bytes.NewReader(head), io.LimitReader(from, rest))); err != nil {
			return
		}
	}
}
