package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	webhooklib "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidings.dev/internal/simulator/smsc"
)

// The network and the customer are this same program in processes of their own, so that a kill of the product touches
// nothing else. A peer prints its address as its first line and ends when its standard input does.

type peer struct {
	Address string
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
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &peer{strings.TrimSpace(address), command, input}, nil
}

// stop lets the peer finish its history.
func (p *peer) stop() error {
	return errors.Join(p.input.Close(), p.command.Wait())
}

// untilInputEnds waits for the parent to let go, ignoring the interrupt that a terminal sends to all.
func untilInputEnds() {
	signal.Ignore(syscall.SIGINT)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// smscMain is the network. Its control address takes texts from phones and tells what it still owes.
func smscMain(args []string) error {
	flags := flag.NewFlagSet("smsc", flag.ContinueOnError)
	history := flags.String("history", "", "the file of its history")
	seed := flags.Uint64("seed", 1, "of what goes wrong")
	delay := flags.Duration("delay", 15*time.Millisecond, "before each answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	network := smsc.New(smsc.Config{
		History: *history, AnswerDelay: *delay, ReceiptDelay: 30 * time.Millisecond, RetryDelay: 200 * time.Millisecond,
		Chaos: smsc.Chaos{
			Seed: *seed, Drop: 0.0003, Silent: 0.0003, Throttle: 0.0002, Fail: 0.02, Early: 0.01, Duplicate: 0.02,
			Late: 0.05, MaxLate: time.Second,
		},
	})
	if err := network.Start(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /inbound", func(w http.ResponseWriter, r *http.Request) {
		if err := network.Inbound(r.FormValue("from"), r.FormValue("to"), r.FormValue("text")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /pending", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, network.Pending()) })
	control, err := listen(mux)
	if err != nil {
		return err
	}
	fmt.Println(network.Addr() + " " + control)
	untilInputEnds()
	return network.Close()
}

func listen(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), nil
}

// receiver is the customer: it writes down each post, sometimes takes its time, and sometimes fails the first try.
type receiver struct {
	history *History

	mu     sync.Mutex
	signer *webhooklib.Webhook
	tries  map[string]int // of ids that fail at first
	open   map[string]int // posts under way by subject
}

func customerMain(args []string) error {
	flags := flag.NewFlagSet("customer", flag.ContinueOnError)
	path := flags.String("history", "", "the file of its history")
	if err := flags.Parse(args); err != nil {
		return err
	}
	history, err := createHistory(*path)
	if err != nil {
		return err
	}
	r := &receiver{history: history, tries: map[string]int{}, open: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", r.take)
	mux.HandleFunc("PUT /secret", r.putSecret)
	address, err := listen(mux)
	if err != nil {
		return err
	}
	fmt.Println(address)
	untilInputEnds()
	return history.close()
}

func (r *receiver) putSecret(w http.ResponseWriter, req *http.Request) {
	text, _ := io.ReadAll(req.Body)
	signer, err := webhooklib.NewWebhook(string(text))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.signer = signer
	r.mu.Unlock()
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return // the product died in the middle; it was not heard
	}
	var event struct {
		Type     string `json:"type"`
		Subject  string `json:"subject"`
		Seq      int64  `json:"seq"`
		Previous int64  `json:"previous_seq"`
		Data     struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &event) // what cannot be read has no subject, and the checker says so
	p := Post{
		At: now(), ID: req.Header.Get("webhook-id"), Attempt: req.Header.Get("webhook-attempt"), Type: event.Type,
		Subject: event.Subject, Seq: event.Seq, Previous: event.Previous, Status: event.Data.Status,
	}
	wait := r.judge(&p, body, req.Header)
	if err := r.history.flush(); err != nil {
		http.Error(w, "the history cannot be written", http.StatusInternalServerError)
		return
	}
	time.Sleep(wait)
	r.mu.Lock()
	r.open[p.Subject]--
	if r.open[p.Subject] == 0 {
		delete(r.open, p.Subject)
	}
	r.mu.Unlock()
	w.WriteHeader(p.Answer)
}

// judge completes and records the post, and tells how long its answer takes. One in fifty takes 20 ms and one in three
// hundred fails at first, chosen by the id so that a run can be repeated.
func (r *receiver) judge(p *Post, body []byte, header http.Header) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Verified = r.signer != nil && r.signer.Verify(body, header) == nil
	p.Overlaps = r.open[p.Subject] > 0
	r.open[p.Subject]++
	p.Answer = http.StatusOK
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(p.ID))
	dice := hash.Sum32()
	if dice%300 == 7 {
		if r.tries[p.ID]++; r.tries[p.ID] == 1 {
			p.Answer = http.StatusInternalServerError
		}
	}
	r.history.add(*p)
	if dice%50 == 3 {
		return 20 * time.Millisecond
	}
	return 0
}

// watcher follows the network's history while the run goes on.
type watcher struct {
	mu       sync.Mutex
	pending  map[string]bool // tags accepted and not yet handed over
	handed   map[string]bool
	line     []known // those pending, and some that no longer are, in the order of their accepts
	lastSeen time.Time
}

func newWatcher() *watcher {
	return &watcher{pending: map[string]bool{}, handed: map[string]bool{}, lastSeen: time.Now()}
}

func (w *watcher) accepted(k known) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.handed[k.tag] && !w.pending[k.tag] {
		w.pending[k.tag] = true
		w.line = append(w.line, k)
	}
}

// nextUp is one of the messages that will be handed over soonest, the n-th or the last.
func (w *watcher) nextUp(n int) (k known, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = slices.DeleteFunc(w.line, func(k known) bool { return !w.pending[k.tag] })
	if len(w.line) == 0 {
		return known{}, false
	}
	return w.line[min(n, len(w.line)-1)], true
}

func (w *watcher) gone(tag string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed[tag] = true
	delete(w.pending, tag)
}

func (w *watcher) backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending)
}

// finished counts the messages that the network has or that were taken back.
func (w *watcher) finished() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.handed)
}

func (w *watcher) quietFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.lastSeen)
}

// follow reads the file as it grows, until ctx ends.
func (w *watcher) follow(ctx context.Context, dir string) error {
	file, err := os.Open(filepath.Join(dir, smscFile))
	if err != nil {
		return err
	}
	defer file.Close()
	in, rest := bufio.NewReaderSize(file, 1<<16), []byte(nil)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		line, err := in.ReadBytes('\n')
		rest = append(rest, line...)
		if err == nil {
			w.see(rest)
			rest = rest[:0]
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *watcher) see(line []byte) {
	var r smsc.Record
	if json.Unmarshal(line, &r) != nil {
		return
	}
	if r.Op == smsc.OpSubmit && r.Status != "ESME_RTHROTTLED" {
		w.gone(tagOf(r.Text))
	}
	w.mu.Lock()
	w.lastSeen = time.Now()
	w.mu.Unlock()
}
