package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/smpp"
)

// The far sides are this same program in processes of their own. A peer prints its addresses as its first line and ends
// when its standard input does.

type peer struct {
	address string // where it works
	control string // where it tells its Count
	command *exec.Cmd
	input   io.Closer
}

func startPeer(role string, args ...string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, append([]string{role}, args...)...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	address, control, _ := strings.Cut(strings.TrimSpace(line), " ")
	return &peer{address, control, command, input}, nil
}

func (p *peer) stop() {
	_ = p.input.Close()
	_ = p.command.Wait()
}

// Count is what a peer has seen since it was last reset.
type Count struct {
	N    int64 `json:"n"`    // submits, or posts that tell of a delivery
	All  int64 `json:"all"`  // of a sink: every post
	Last int64 `json:"last"` // when the last came, Unix microseconds
	Open int64 `json:"open"` // receipts not acknowledged yet
}

type counter struct {
	n, all, last, open atomic.Int64
}

func (c *counter) count() {
	c.n.Add(1)
	c.last.Store(time.Now().UnixMicro())
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		c.n.Store(0)
		c.all.Store(0)
	}
	_ = json.NewEncoder(w).Encode(Count{c.n.Load(), c.all.Load(), c.last.Load(), c.open.Load()})
}

func (p *peer) ask(method string) (c Count, err error) {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+p.control+"/", nil)
	if err != nil {
		return c, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&c)
	return c, err
}

// settled waits until the count has stood still for a while, or has reached the goal.
func (p *peer) settled(goal int64, still, limit time.Duration) (Count, error) {
	deadline, last, since := time.Now().Add(limit), int64(-1), time.Now()
	for {
		c, err := p.ask(http.MethodGet)
		if err != nil || goal > 0 && c.N >= goal {
			return c, err
		}
		if c.N != last {
			last, since = c.N, time.Now()
		}
		if time.Since(since) > still {
			return c, nil
		}
		if time.Now().After(deadline) {
			return c, fmt.Errorf("%d of %d after %s", c.N, goal, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func serveUntilInputEnds(address string, handler http.Handler) error {
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(control) }()
	fmt.Println(address + " " + control.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// nullMain is a handler that only parses and replies: what any durable accept is compared with.
func nullMain([]string) error {
	type request struct {
		To   string `json:"to"`
		From string `json:"from"`
		Text string `json:"text"`
	}
	type reply struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		request
		Created time.Time `json:"created_at"`
	}
	count := &counter{}
	handler := http.NewServeMux()
	handler.HandleFunc("POST /tidings/v1/messages", func(w http.ResponseWriter, r *http.Request) {
		var in request
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		count.n.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(reply{strconv.FormatInt(time.Now().UnixNano(), 16), "queued", in, time.Now()})
	})
	return serveHTTP(handler, count)
}

func serveHTTP(handler http.Handler, count *counter) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return serveUntilInputEnds(listener.Addr().String(), count)
}

// sinkMain is the customer's receiver. It counts posts that tell of a delivery, and Kannel's callbacks.
func sinkMain([]string) error {
	count := &counter{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		count.all.Add(1)
		if bytes.Contains(body, []byte(`"type":"message.delivered"`)) {
			count.count()
		}
	})
	mux.HandleFunc("GET /dlr", func(http.ResponseWriter, *http.Request) {
		count.all.Add(1)
		count.count()
	})
	return serveHTTP(mux, count)
}

// network is an SMSC that does as little as it can: it answers, at once or after a delay, and reports delivery if asked.
type network struct {
	counter
	delay    time.Duration
	receipts bool
	quick    bool
	id       atomic.Int64
}

func smscMain(args []string) error {
	flags := flag.NewFlagSet("smsc", flag.ContinueOnError)
	n := &network{}
	flags.DurationVar(&n.delay, "delay", 0, "before each answer")
	flags.BoolVar(&n.receipts, "receipts", false, "send delivery receipts")
	flags.BoolVar(&n.quick, "quick", false, "acknowledge at the TCP level at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if n.quick {
				conn = quickAck{conn.(*net.TCPConn)}
			}
			go n.serve(conn)
		}
	}()
	return serveUntilInputEnds(listener.Addr().String(), &n.counter)
}

// quickAck acknowledges at the TCP level at once. Kannel leaves Nagle's algorithm on, and would wait 40 ms in each round
// without it; for others it changes nothing.
type quickAck struct{ *net.TCPConn }

func (q quickAck) Read(p []byte) (int, error) {
	n, err := q.TCPConn.Read(p)
	if raw, problem := q.SyscallConn(); problem == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
	return n, err
}

func (n *network) serve(conn net.Conn) {
	defer conn.Close()
	ctx := context.Background()
	if _, err := smpp.AcceptBind(ctx, conn, "bench", func(smpp.Bound) smpp.Status { return smpp.StatusOK }); err != nil {
		return
	}
	b := &bind{network: n}
	b.session = smpp.NewSession(conn, smpp.Config{Window: 1000, Handler: b.handle})
	_ = b.session.Run(ctx)
}

// bind is one connection, with the receipts that wait for room in its window.
type bind struct {
	*network
	session *smpp.Session

	mu   sync.Mutex
	wait []*smpp.Message
}

func (b *bind) handle(r *smpp.Request) {
	m := r.Message()
	if r.Command != smpp.SubmitSM || m == nil {
		r.Respond(smpp.StatusInvalidCommandID, "")
		return
	}
	b.count()
	id := strconv.FormatInt(b.id.Add(1), 10)
	answer := func() {
		r.Respond(smpp.StatusOK, id)
		if b.receipts && m.RegisteredDelivery&3 != 0 {
			b.open.Add(1)
			b.report(receiptFor(m, id))
		}
	}
	if b.delay > 0 {
		time.AfterFunc(b.delay, answer)
		return
	}
	answer()
}

func receiptFor(m *smpp.Message, id string) *smpp.Message {
	at := time.Now().UTC()
	return &smpp.Message{
		Source: m.Dest, Dest: m.Source, ESMClass: smpp.ESMReceipt,
		ShortMessage: []byte(smpp.FormatReceipt(smpp.Receipt{ID: id, State: smpp.StateDelivered, ErrorCode: "000", Submitted: at, Done: at})),
	}
}

func (b *bind) report(m *smpp.Message) {
	b.mu.Lock()
	b.wait = append(b.wait, m)
	b.mu.Unlock()
	b.pump()
}

func (b *bind) pump() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.wait) > 0 {
		m := b.wait[0]
		err := b.session.TryGo(smpp.DeliverSM, m, func(resp smpp.Response, err error) {
			if err == nil && resp.Status != smpp.StatusOK {
				b.report(m)
				return
			}
			b.open.Add(-1)
			b.pump()
		})
		if errors.Is(err, smpp.ErrWindowFull) {
			return
		}
		b.wait = b.wait[1:]
	}
}
