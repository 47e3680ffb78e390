package channeltest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sink struct{ got chan string }

func (s sink) Receipt(_ context.Context, r message.Receipt) error {
	s.got <- "receipt " + r.RemoteID
	return nil
}

func (s sink) Inbound(_ context.Context, m message.Inbound) error {
	s.got <- "inbound " + m.Content.Text
	return errors.New("disk")
}

func TestScriptedDoesAsToldAndRemembers(t *testing.T) {
	var script channeltest.Scripted
	script.On("+1", channeltest.Fail(channel.Failure{Verdict: channel.Retry, Code: "throttled"}), script.Take)
	driver := script.Driver()
	heard := sink{make(chan string, 2)}
	session, err := driver.Open(t.Context(), channel.Env{Sink: heard})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- session.Run(t.Context()) }()
	if err := script.AwaitSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	part := message.Outbound{To: message.Address{Kind: message.Phone, Value: "+1"}, Text: "hello"}
	var failure *channel.Failure
	if _, err := session.Send(t.Context(), part); !errors.As(err, &failure) || failure.Code != "throttled" {
		t.Error(err)
	}
	if id, err := session.Send(t.Context(), part); err != nil || id != "remote-1" {
		t.Error(id, err)
	}
	if diff := cmp.Diff(script.Sends(), []message.Outbound{part, part}); diff != "" {
		t.Error(diff)
	}
	if err := script.Receipt(t.Context(), message.Receipt{RemoteID: "remote-1"}); err != nil {
		t.Error(err)
	}
	if err := script.Inbound(t.Context(), message.Inbound{Content: message.Text("hi")}); err == nil {
		t.Error("the sink's error was lost")
	}
	if a, b := <-heard.got, <-heard.got; a != "receipt remote-1" || b != "inbound hi" {
		t.Error(a, b)
	}
	cut := errors.New("cut")
	script.Drop(cut)
	if err := <-over; !errors.Is(err, cut) {
		t.Error(err)
	}
	if err := script.Receipt(t.Context(), message.Receipt{}); !errors.Is(err, channeltest.ErrNoSession) {
		t.Error(err)
	}
}

func TestScriptedHoldsBackAndSplits(t *testing.T) {
	script := &channeltest.Scripted{Name: "acme", PartSize: 3, Window: 2, OpenErr: func() error { return nil }}
	release := make(chan struct{})
	script.Answer = channeltest.Held(release, script.Take)
	driver := script.Driver()
	split, err := driver.Split(nil, message.Text("abcdef!"))
	if err != nil || driver.Name != "acme" || split.Total != 3 || split.Texts[2] != "!" {
		t.Errorf("%+v %v", split, err)
	}
	session, err := driver.Open(t.Context(), channel.Env{})
	if err != nil || channel.WindowOf(session) != 2 || script.Opened() != 1 {
		t.Fatal(session, err)
	}
	ids := make(chan string, 2)
	for range 2 {
		go func() {
			id, _ := session.Send(t.Context(), message.Outbound{})
			ids <- id
		}()
	}
	if sends, err := script.AwaitSends(t.Context(), 2); err != nil || len(sends) != 2 || len(ids) != 0 {
		t.Errorf("%d sends, %d answers, %v", len(sends), len(ids), err)
	}
	close(release)
	if a, b := <-ids, <-ids; a == "" || b == "" || a == b {
		t.Error(a, b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failure *channel.Failure
	if _, err := channeltest.Silent(ctx, message.Outbound{}); !errors.As(err, &failure) || failure.Verdict != channel.Unsure {
		t.Error(err)
	}
}
