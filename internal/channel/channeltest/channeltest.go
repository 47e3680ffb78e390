// Package channeltest has what tests of channels need: the suite that every driver passes, a sink that collects, and a
// scripted driver for tests of whoever uses drivers.
package channeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// patience is how long a case waits for what must come.
const patience = 10 * time.Second

// Run is the suite. newPeer starts a fresh network; the suite closes it.
func Run(t *testing.T, driver channel.Driver, newPeer func(testing.TB) Peer) {
	t.Run("cases", func(t *testing.T) {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(begin(t, driver, newPeer(t)))
			})
		}
	})
	t.Run("leaves nothing behind", func(t *testing.T) { leavesNothing(t, driver, newPeer) })
}

var cases = map[string]func(*rig){
	"settings are checked":                       settingsAreChecked,
	"wrong login is for the operator":            wrongLogin,
	"texts are split and join back":              textsJoinBack,
	"a part gets an id and a receipt":            partGetsReceipt,
	"a long text goes out in parts":              longTextInParts,
	"undelivered":                                undelivered,
	"rejected":                                   rejected,
	"throttled, then taken":                      throttled,
	"no receipt":                                 noReceipt,
	"receipt before the answer":                  receiptFirst,
	"receipt twice":                              receiptTwice,
	"dropped by a part":                          droppedByPart,
	"slow answer":                                slowAnswer,
	"replies":                                    replies,
	"no answer":                                  noAnswer,
	"window is respected":                        windowIsRespected,
	"connection dropped while parts are open":    dropped,
	"receipt is acknowledged once on disk":       acknowledgedOnceOnDisk,
	"receipt comes again after the sink failed":  receiptAgain,
	"inbound comes again after the sink failed":  inboundAgain,
	"inbound text":                               inboundText,
	"inbound long text":                          inboundLongText,
	"ends with its context, answering open ones": endsInGoodOrder,
}

// rig is a session at work against a peer. A case opens it when it needs it.
type rig struct {
	*testing.T
	driver  channel.Driver
	peer    Peer
	sink    *Sink
	log     *lockedBuffer
	session channel.Session
	stop    context.CancelFunc
	over    chan error
	serial  atomic.Int64
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// String is what was written so far.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func begin(t *testing.T, driver channel.Driver, peer Peer) *rig {
	r := &rig{T: t, driver: driver, peer: peer, sink: new(Sink), log: new(lockedBuffer)}
	t.Cleanup(r.end)
	return r
}

// open opens the session and runs it.
func (r *rig) open() {
	r.Helper()
	session, err := r.driver.Open(r.Context(), r.env(r.peer.Settings))
	if err != nil {
		r.Fatalf("open: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.session, r.stop, r.over = session, stop, make(chan error, 1)
	go func() { r.over <- session.Run(ctx) }()
}

func (r *rig) env(s channel.Settings) channel.Env {
	env := channel.Env{
		Channel: 77, Settings: s, Sink: r.sink, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if r.peer.Env != nil {
		r.peer.Env(&env)
	}
	return env
}

// from is what parts come from.
func (r *rig) from() message.Address {
	if r.peer.From == (message.Address{}) {
		return message.Address{Kind: message.Name, Value: "Tidings"}
	}
	return r.peer.From
}

// end stops everything, and looks through the log.
func (r *rig) end() {
	if r.stop != nil {
		r.stop()
		_ = r.awaitRun() // why it ended is for cases to judge
	}
	if r.peer.Close != nil {
		r.peer.Close()
	}
	r.mustHide(r.log.String())
}

// awaitRun is what Run returned.
func (r *rig) awaitRun() error {
	r.Helper()
	select {
	case err := <-r.over:
		r.over <- err
		if err != nil {
			r.mustHide(err.Error())
		}
		return err
	case <-time.After(patience):
		r.Errorf("Run goes on for %s", patience)
		return nil
	}
}

// lose cuts the session off from its network. Of several connections one may come up just then, so it cuts until Run has ended.
func (r *rig) lose() {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		r.peer.Drop()
		select {
		case err := <-r.over:
			r.over <- err
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *rig) mustHide(text string) {
	r.Helper()
	for _, secret := range r.peer.Secrets {
		if strings.Contains(text, secret) {
			r.Errorf("a secret shows in %q", text)
		}
	}
}

func (r *rig) patient() context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	r.Cleanup(cancel)
	return ctx
}

// number is a fresh recipient with that ending.
func (r *rig) number(ending string) string {
	return fmt.Sprintf("+49170%03d%s", r.serial.Add(1), ending)
}

// parts splits a text as the gateway does.
func (r *rig) parts(to, text string) []message.Outbound {
	r.Helper()
	split, err := r.driver.Split(r.peer.Settings, message.Text(text))
	if err != nil {
		r.Fatalf("split: %v", err)
	}
	if split.Total == 1 {
		split.Texts = []string{text}
	}
	parts := make([]message.Outbound, split.Total)
	for i := range parts {
		parts[i] = message.Outbound{
			Message: message.ID(1_000_000 + r.serial.Add(1)), Attempt: 1, Number: i + 1, Total: split.Total, Reference: 0x1234,
			To: message.Address{Kind: message.Phone, Value: to}, From: r.from(),
			Content: message.Text(text), Text: split.Texts[i], Encoding: split.Encoding, ValidUntil: time.Now().Add(time.Hour),
		}
		parts[i].Message = parts[0].Message
	}
	return parts
}

// part is a text that fits one part.
func (r *rig) part(to string) message.Outbound {
	r.Helper()
	return r.parts(to, "Your code is 482913.")[0]
}

func (r *rig) send(ctx context.Context, m message.Outbound) (string, error) {
	id, err := r.session.Send(ctx, m)
	if err != nil {
		r.mustHide(err.Error())
	}
	return id, err
}

// mustSend sends a part that the network takes.
func (r *rig) mustSend(m message.Outbound) string {
	r.Helper()
	id, err := r.send(r.patient(), m)
	if err != nil || id == "" {
		r.Fatalf("send to %s: id %q, %v", m.To.Value, id, err)
	}
	return id
}

// mustFail sends a part that fails with the verdict.
func (r *rig) mustFail(m message.Outbound, want channel.Verdict) *channel.Failure {
	r.Helper()
	_, err := r.send(r.patient(), m)
	r.mustBe(err, want)
	failure, _ := errors.AsType[*channel.Failure](err)
	return failure
}

// mustBe stops at an error that is no failure, and reports one of another verdict.
func (r *rig) mustBe(err error, want channel.Verdict) {
	r.Helper()
	failure, ok := errors.AsType[*channel.Failure](err)
	if !ok {
		r.Fatalf("%v is no failure", err)
	}
	if failure.Verdict != want || failure.Code == "" {
		r.Errorf("verdict %d with code %q, not verdict %d: %v", failure.Verdict, failure.Code, want, err)
	}
}

// receipts waits for n receipts of a part.
func (r *rig) receipts(remoteID string, n int) []message.Receipt {
	r.Helper()
	var found []message.Receipt
	err := r.sink.Await(r.patient(), func() bool {
		found = nil
		for _, receipt := range r.sink.Receipts() {
			if receipt.RemoteID == remoteID {
				found = append(found, receipt)
			}
		}
		return len(found) >= n
	})
	if err != nil {
		r.Fatalf("%d of %d receipts for %q: %v", len(found), n, remoteID, err)
	}
	for _, receipt := range found {
		if receipt.Channel != 77 {
			r.Errorf("receipt of channel %d", receipt.Channel)
		}
	}
	return found
}

func (r *rig) need(ability bool, what string) {
	r.Helper()
	if !ability {
		r.Skipf("this network %s", what)
	}
}

// eventually polls a peer, which has no way to tell of its own news.
func (r *rig) eventually(what string, holds func() bool) {
	r.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	r.Fatalf("waited %s until %s", patience, what)
}

// leavesNothing runs alone, since it counts goroutines.
func leavesNothing(t *testing.T, driver channel.Driver, newPeer func(testing.TB) Peer) {
	before := goleak.IgnoreCurrent()
	for _, lose := range []bool{false, true} {
		r := &rig{T: t, driver: driver, peer: newPeer(t), sink: new(Sink), log: new(lockedBuffer)}
		r.open()
		r.mustSend(r.part(r.number("0001")))
		if lose && r.peer.Drop != nil {
			r.lose()
			_ = r.awaitRun()
		}
		r.end()
	}
	goleak.VerifyNone(t, before)
}
