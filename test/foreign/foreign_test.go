package foreign

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/channel/smppchannel"
	"tidings.dev/internal/message"
)

const patience = time.Minute

// software is what plays the network.
type software struct {
	name    string
	command func(t *testing.T) *exec.Cmd
}

var all = []software{{"npm smpp", npmSMPP}, {"Net::SMPP", netSMPP}}

func npmSMPP(t *testing.T) *exec.Cmd {
	t.Helper()
	return Node(t, "smsc.mjs")
}

func netSMPP(t *testing.T) *exec.Cmd {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "perl", "-MNet::SMPP", "-e", "1").Run(); err != nil {
		t.Fatalf("Perl has no Net::SMPP (%v); run: sudo apt-get install --yes libnet-smpp-perl", err)
	}
	return exec.Command("perl", "smsc.pl")
}

// each runs a test against every network.
func each(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { test(t, s.begin(t)) })
	}
}

// event is a line that the network writes; smsc.mjs says which there are.
type event struct {
	Event, ID, From, To, Text  string
	Port, Ref, Total, Number   int
	Coding, Registered, Status int
}

// network is the software at work.
type network struct {
	port  int
	more  string // of the channel's settings
	input io.WriteCloser

	mu     sync.Mutex
	events []event
}

// begin starts the software.
func (s software) begin(t *testing.T) *network {
	t.Helper()
	process := s.command(t)
	process.Stderr = os.Stderr
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	n := &network{input: input}
	listening, over := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(over)
		n.read(t, output, listening)
	}()
	t.Cleanup(func() {
		input.Close()
		<-over
		if err := process.Wait(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	})
	select {
	case n.port = <-listening:
	case <-over:
		t.Fatalf("%s ended at once", s.name)
	}
	return n
}

func (n *network) read(t *testing.T, output io.Reader, listening chan<- int) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Errorf("%v in %q", err, lines.Text())
		}
		if e.Event == "listening" {
			listening <- e.Port
		}
		n.mu.Lock()
		n.events = append(n.events, e)
		n.mu.Unlock()
	}
}

func (n *network) order(t *testing.T, command any) {
	t.Helper()
	line, err := json.Marshal(command)
	if err == nil {
		_, err = n.input.Write(append(line, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// all are the events of a kind so far.
func (n *network) all(kind string) (found []event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Event == kind {
			found = append(found, e)
		}
	}
	return found
}

func (n *network) settings() channel.Settings {
	return channel.Settings(fmt.Sprintf(`{"address":"127.0.0.1:%d","system_id":"tidings","password":"secret","window":10%s}`, n.port, n.more))
}

// open runs our driver against it until the test ends.
func open(t *testing.T, n *network) (channel.Session, *channeltest.Sink) {
	t.Helper()
	sink := new(channeltest.Sink)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	session, err := smppchannel.Driver.Open(t.Context(), channel.Env{Channel: 1, Settings: n.settings(), Sink: sink, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- session.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if errs := n.all("error"); len(errs) > 0 {
			t.Errorf("the network saw errors: %+v", errs)
		}
	})
	return session, sink
}

// texts are a thousand, every tenth of them of three parts.
func texts() (all []string) {
	for i := range 1000 {
		text := fmt.Sprintf("Your code is %06d, valid for 10 minutes. ^{}[~]|€ @ÄÖ", i)
		if i%10 == 0 {
			text = fmt.Sprintf("%04d ", i) + strings.Repeat("Привет 😀, мир! ", 10)
		}
		all = append(all, text)
	}
	return all
}

func TestTextsReachForeignSoftwareAndEveryReceiptIsMatched(t *testing.T) {
	each(t, textsReachForeignSoftwareAndEveryReceiptIsMatched)
}

func textsReachForeignSoftwareAndEveryReceiptIsMatched(t *testing.T, n *network) {
	session, sink := open(t, n)
	parts, wanted := outbound(t, n, texts())
	if len(parts) != 900+100*3 {
		t.Fatalf("%d parts", len(parts))
	}
	sent := send(t, session, parts)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	receipts, err := sink.AwaitReceipts(ctx, len(parts))
	if err != nil {
		t.Fatalf("%d receipts: %v", len(receipts), err)
	}
	matched := map[string]bool{}
	for _, r := range receipts {
		part, known := sent[r.RemoteID]
		if !known || matched[r.RemoteID] || r.Status != message.Delivered || r.To != part.To {
			t.Errorf("%+v for %+v", r, part)
		}
		matched[r.RemoteID] = true
	}
	arrived, refs := map[string]string{}, map[string]int{} // by recipient, as the foreign software reads it
	for _, e := range ordered(n.all("submit")) {
		if e.Number <= 1 {
			refs[e.To] = e.Ref
		}
		if e.From != "Tidings" || e.Registered != 1 || e.Ref != refs[e.To] {
			t.Errorf("%+v", e)
		}
		arrived["+"+e.To] += e.Text
	}
	for to, text := range wanted {
		if arrived[to] != text {
			t.Errorf("%s got %q, not %q", to, arrived[to], text)
		}
	}
}

func outbound(t *testing.T, n *network, texts []string) (parts []message.Outbound, wanted map[string]string) {
	t.Helper()
	wanted = map[string]string{}
	for i, text := range texts {
		split, err := smppchannel.Driver.Split(n.settings(), message.Text(text))
		if err != nil {
			t.Fatal(err)
		}
		if split.Total == 1 {
			split.Texts = []string{text}
		}
		to := fmt.Sprintf("+49170%07d", i)
		wanted[to] = text
		for number, partText := range split.Texts {
			parts = append(parts, message.Outbound{
				Message: message.ID(i + 1), Attempt: 1, Number: number + 1, Total: split.Total, Reference: uint16(i),
				To: message.Address{Kind: message.Phone, Value: to}, From: message.Address{Kind: message.Name, Value: "Tidings"},
				Content: message.Text(text), Text: partText, Encoding: split.Encoding, ValidUntil: time.Now().Add(time.Hour),
			})
		}
	}
	return parts, wanted
}

// send keeps the window full, and returns the parts by the network's id.
func send(t *testing.T, session channel.Session, parts []message.Outbound) map[string]message.Outbound {
	t.Helper()
	var mu sync.Mutex
	var senders sync.WaitGroup
	sent, next := map[string]message.Outbound{}, make(chan message.Outbound)
	for range channel.WindowOf(session) {
		senders.Go(func() {
			for part := range next {
				id, err := session.Send(t.Context(), part)
				if err != nil {
					t.Errorf("part %d of %d: %v", part.Number, part.Total, err)
				}
				mu.Lock()
				sent[id] = part
				mu.Unlock()
			}
		})
	}
	for _, part := range parts {
		next <- part
	}
	close(next)
	senders.Wait()
	if len(sent) != len(parts) {
		t.Errorf("%d ids for %d parts", len(sent), len(parts))
	}
	return sent
}

// ordered puts parts of a text one after the other.
func ordered(all []event) []event {
	var sorted []event
	for number := range 4 {
		for _, e := range all {
			if e.Number == number {
				sorted = append(sorted, e)
			}
		}
	}
	return sorted
}

func TestForeignTextsArrive(t *testing.T) { each(t, foreignTextsArrive) }

func foreignTextsArrive(t *testing.T, n *network) {
	_, sink := open(t, n)
	wanted, parts := map[string]string{}, 0
	for i := range 100 {
		from, text := fmt.Sprintf("+49171%07d", i), fmt.Sprintf("Hello, this is text %d", i)
		parts++
		if i%10 == 0 {
			text = fmt.Sprintf("%d: ", i) + strings.Repeat("Привет 😀, мир! ", 10)
			parts += 2
		}
		wanted[from] = text
		n.order(t, map[string]string{"do": "inbound", "from": from, "to": "12345", "text": text})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := sink.AwaitInbounds(ctx, parts)
	if err != nil || len(got) != parts {
		t.Fatalf("%d of %d parts: %v", len(got), parts, err)
	}
	bySender := map[string][]message.Inbound{}
	for _, m := range got {
		bySender[m.From.String()] = append(bySender[m.From.String()], m)
		if m.To != (message.Address{Kind: message.Short, Value: "12345"}) {
			t.Errorf("to %v", m.To)
		}
	}
	for from, text := range wanted {
		if joined, whole := channeltest.Join(bySender[from]); joined != text || !whole {
			t.Errorf("%s sent %q, and %q came", from, text, joined)
		}
	}
}

// A receipt that was on its way when the connection was cut comes over the next one.
func TestForeignReceiptSurvivesACut(t *testing.T) { each(t, foreignReceiptSurvivesACut) }

func foreignReceiptSurvivesACut(t *testing.T, n *network) {
	held := new(channeltest.Sink)
	release := held.Hold()
	defer release()
	first, err := smppchannel.Driver.Open(t.Context(), channel.Env{Channel: 1, Settings: n.settings(), Sink: held})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- first.Run(t.Context()) }()
	parts, _ := outbound(t, n, []string{"hello"})
	sent := send(t, first, parts)
	n.order(t, map[string]string{"do": "drop"})
	if err := <-over; err == nil {
		t.Error("Run gave no reason")
	}
	_, sink := open(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	receipts, err := sink.AwaitReceipts(ctx, 1)
	if err != nil || len(held.Receipts()) != 0 {
		t.Fatal(err)
	}
	if _, known := sent[receipts[0].RemoteID]; !known {
		t.Errorf("%+v", receipts[0])
	}
}

func TestForeignVerdicts(t *testing.T) { each(t, foreignVerdicts) }

func foreignVerdicts(t *testing.T, n *network) {
	wrong := strings.Replace(string(n.settings()), "secret", "wrong", 1)
	_, err := smppchannel.Driver.Open(t.Context(), channel.Env{Settings: channel.Settings(wrong)})
	if f, ok := errors.AsType[*channel.Failure](err); !ok || f.Verdict != channel.Reject || f.Code != "bad_credentials" {
		t.Error(err)
	}
	session, sink := open(t, n)
	parts, _ := outbound(t, n, []string{"undelivered", "rejected"})
	parts[0].To.Value, parts[1].To.Value = "+491701239901", "+491701239902"
	if _, err := session.Send(t.Context(), parts[0]); err != nil {
		t.Error(err)
	}
	_, err = session.Send(t.Context(), parts[1])
	if f, ok := errors.AsType[*channel.Failure](err); !ok || f.Verdict != channel.Reject || f.Native != "0x0000000B" {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	receipts, err := sink.AwaitReceipts(ctx, 1)
	if err != nil || receipts[0].Status != message.Failed || receipts[0].Code != "001" {
		t.Errorf("%+v %v", receipts, err)
	}
}

// A pair of binds, data_sm and every way to tie parts are as the other side reads them.
func TestWaysOfSendingAreUnderstood(t *testing.T) {
	long := strings.Repeat("Your code is 482913. ^{}[~]|€ @ÄÖ ", 10)
	for _, more := range []string{
		`"bind":"tx+rx","binds":2`, `"command":"data_sm"`, `"concatenation":"udh16"`, `"concatenation":"sar"`, `"concatenation":"payload"`,
		`"command":"data_sm","concatenation":"sar","bind":"tx+rx"`, `"command":"data_sm","concatenation":"payload"`,
	} {
		t.Run(more, func(t *testing.T) {
			n := all[1].begin(t)
			n.more = "," + more
			session, sink := open(t, n)
			parts, wanted := outbound(t, n, []string{"short", long, strings.Repeat("Привет 😀, мир! ", 10)})
			sent := send(t, session, parts)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			receipts, err := sink.AwaitReceipts(ctx, len(parts))
			if err != nil {
				t.Fatalf("%d receipts: %v", len(receipts), err)
			}
			for _, r := range receipts {
				if _, known := sent[r.RemoteID]; !known || r.Status != message.Delivered {
					t.Errorf("%+v", r)
				}
			}
			arrived := map[string]string{}
			for _, e := range ordered(n.all("submit")) {
				arrived["+"+e.To] += e.Text
			}
			for to, text := range wanted {
				if arrived[to] != text {
					t.Errorf("%s got %q, not %q", to, arrived[to], text)
				}
			}
			n.order(t, map[string]string{"do": "inbound", "from": "+491711234567", "to": "12345", "text": "hello"})
			if _, err := sink.AwaitInbounds(ctx, 1); err != nil {
				t.Error(err)
			}
		})
	}
}
