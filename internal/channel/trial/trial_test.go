package trial_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/channel/trial"
	"tidings.dev/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDriver(t *testing.T) {
	channeltest.Run(t, trial.Driver, func(testing.TB) channeltest.Peer {
		return channeltest.Peer{
			Settings: channel.Settings(`{}`),
			Flawed:   channel.Settings(`{"place":"here","window":1}`),
			Flaws:    []string{"place", "window"},
		}
	})
}

func part(to string) message.Outbound {
	return message.Outbound{
		Message: 77, Attempt: 1, Number: 1, Total: 1, Content: message.Text("Hello, this is a longer text."), Text: "Hello",
		To: message.Address{Kind: message.Phone, Value: "+49170123" + to}, From: message.Address{Kind: message.Name, Value: "Tidings"},
	}
}

// start runs a session in virtual time, which is 0 when it returns.
func start(t *testing.T) (channel.Session, *channeltest.Sink) {
	t.Helper()
	sink := new(channeltest.Sink)
	session, err := trial.Driver.Open(t.Context(), channel.Env{Channel: 5, Sink: sink})
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
	})
	return session, sink
}

func TestEndings(t *testing.T) {
	const never = -1
	for _, row := range []struct {
		ending  string
		verdict channel.Verdict // of the first try, when code is not empty
		code    string
		answer  time.Duration // until Send returns
		receipt time.Duration // from the answer to the first receipt
		count   int           // of receipts
		status  message.Status
		reply   string
	}{
		{"0000", 0, "", 0, 100 * time.Millisecond, 1, message.Delivered, ""},
		{"9901", 0, "", 0, 100 * time.Millisecond, 1, message.Failed, ""},
		{"9902", channel.Reject, "unknown_number", 0, never, 0, 0, ""},
		{"9903", channel.Retry, "throttled", 0, never, 0, 0, ""},
		{"9904", 0, "", 0, never, 0, 0, ""},
		{"9905", 0, "", 0, 0, 1, message.Delivered, ""},
		{"9906", 0, "", 0, 10*time.Second + 100*time.Millisecond, 1, message.Delivered, ""},
		{"9907", 0, "", 0, 100 * time.Millisecond, 2, message.Delivered, ""},
		{"9908", channel.Unsure, "connection_lost", 0, never, 0, 0, ""},
		{"9909", 0, "", 2 * time.Second, 100 * time.Millisecond, 1, message.Delivered, ""},
		{"9910", 0, "", 0, 100 * time.Millisecond, 1, message.Delivered, "Reply to: Hello, this is a lon"},
		{"9911", 0, "", 0, 100 * time.Millisecond, 1, message.Delivered, "STOP"},
		{"9912", channel.Unsure, "no_answer", 10 * time.Second, never, 0, 0, ""},
		{"9913", 0, "", 0, 100 * time.Millisecond, 1, message.Delivered, ""},
	} {
		t.Run(row.ending, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				session, sink := start(t)
				begun := time.Now()
				remoteID, err := session.Send(t.Context(), part(row.ending))
				if took := time.Since(begun); took != row.answer {
					t.Errorf("answer after %s", took)
				}
				failure, failed := errors.AsType[*channel.Failure](err)
				if failed != (row.code != "") || failed && (failure.Verdict != row.verdict || failure.Code != row.code) {
					t.Errorf("%v", err)
				}
				if err == nil && (remoteID != "trial-"+part("").Message.String()+"-1-1") {
					t.Errorf("id %q", remoteID)
				}
				if row.receipt > 0 {
					time.Sleep(row.receipt - time.Millisecond)
					synctest.Wait()
					if early := sink.Receipts(); len(early) > 0 {
						t.Errorf("too early: %+v", early)
					}
				}
				time.Sleep(time.Minute)
				checkReceipts(t, sink.Receipts(), remoteID, row.count, row.status)
				checkReply(t, sink.Inbounds(), part(row.ending), row.reply)
			})
		})
	}
}

func checkReceipts(t *testing.T, got []message.Receipt, remoteID string, count int, status message.Status) {
	t.Helper()
	if len(got) != count {
		t.Errorf("%d receipts: %+v", len(got), got)
	}
	for _, r := range got {
		if r.Channel != 5 || r.RemoteID != remoteID || r.Status != status || (r.Reason == "undelivered") != (status == message.Failed) {
			t.Errorf("%+v", r)
		}
	}
}

func checkReply(t *testing.T, got []message.Inbound, m message.Outbound, text string) {
	t.Helper()
	if text == "" {
		if len(got) > 0 {
			t.Errorf("%+v", got)
		}
		return
	}
	if len(got) != 1 || got[0].From != m.To || got[0].To != m.From || got[0].RemoteID == "" {
		t.Fatalf("%+v", got)
	}
	if diff := cmp.Diff(got[0].Content.Text, text); diff != "" {
		t.Error(diff)
	}
}

func TestThrottledTwiceThenTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, _ := start(t)
		var fates []bool
		for range 4 {
			_, err := session.Send(t.Context(), part("9903"))
			fates = append(fates, err == nil)
		}
		if diff := cmp.Diff(fates, []bool{false, false, true, false}); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNextAttemptAfterADropIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, _ := start(t)
		m := part("9908")
		m.Attempt = 2
		if id, err := session.Send(t.Context(), m); err != nil || !strings.HasSuffix(id, "-2-1") {
			t.Error(id, err)
		}
	})
}

func TestOnlyTheFirstPartIsRepliedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, sink := start(t)
		for number := range 3 {
			m := part("9911")
			m.Number, m.Total = number+1, 3
			if _, err := session.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		if len(sink.Inbounds()) != 1 || len(sink.Receipts()) != 3 {
			t.Errorf("%d replies, %d receipts", len(sink.Inbounds()), len(sink.Receipts()))
		}
	})
}

func TestWhatIsOwedEndsWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := new(channeltest.Sink)
		session, _ := trial.Driver.Open(t.Context(), channel.Env{Sink: sink})
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- session.Run(ctx) }()
		if _, err := session.Send(ctx, part("9906")); err != nil {
			t.Error(err)
		}
		silent := make(chan error, 1)
		go func() {
			_, err := session.Send(t.Context(), part("9912"))
			silent <- err
		}()
		synctest.Wait()
		begun := time.Now()
		stop()
		if err := <-over; err != nil || time.Since(begun) != 0 {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		if f, ok := errors.AsType[*channel.Failure](<-silent); !ok || f.Verdict != channel.Unsure {
			t.Error("the open part has no honest end")
		}
		if f, ok := errors.AsType[*channel.Failure](func() error { _, err := session.Send(t.Context(), part("0000")); return err }()); !ok || f.Verdict != channel.Retry {
			t.Error("a part was taken after the end")
		}
		if n := len(sink.Receipts()); n != 0 {
			t.Errorf("%d receipts", n)
		}
	})
}
