package whatsapp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	far "tidings.dev/internal/simulator/whatsapp"
)

// texts are what came in, in order.
func (d *device) texts() (all []string) {
	for _, in := range d.sink.Inbounds() {
		all = append(all, in.Content.Text)
	}
	return all
}

func (d *device) arrive(p *far.Phone, texts ...string) {
	d.Helper()
	for _, text := range texts {
		if _, err := p.Send(d.phone.Number(), &waE2E.Message{Conversation: proto.String(text)}); err != nil {
			d.Fatal(err)
		}
	}
}

// lost waits for the end of the session, which must have that code.
func (d *device) lost(verdict channel.Verdict, code string) *channel.Failure {
	d.Helper()
	return mustFail(d, d.ended(), verdict, code)
}

// TestWhatCannotBeStoredComesAgainInOrder: the session ends rather than take what comes after.
func TestWhatCannotBeStoredComesAgainInOrder(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	d.arrive(friend, "1")
	d.inbounds(1)
	d.sink.FailNext(1000)
	d.arrive(friend, "2", "3", "4")
	d.lost(channel.Retry, "storage")
	d.sink.FailNext(0)
	d.open()
	d.arrive(friend, "5")
	d.inbounds(5)
	if got := strings.Join(d.texts(), ""); got != "12345" {
		t.Errorf("%s came in", got)
	}
}

// TestWhatCannotBeDecryptedForWantOfADiskComesAgain: no retry is asked for, since that would make the message a later one.
func TestWhatCannotBeDecryptedForWantOfADiskComesAgain(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"session/", "event/"} {
		d, friend := linked(t, `{}`), network.Phone(fresh())
		d.arrive(friend, "1")
		d.inbounds(1)
		d.state.set(func() { d.state.broken = broken })
		d.arrive(friend, "2", "3")
		if err := d.ended(); err == nil {
			t.Errorf("%s: the session went on", broken)
		}
		d.state.set(func() { d.state.broken = "" })
		d.open()
		d.inbounds(3)
		if got := strings.Join(d.texts(), ""); got != "123" {
			t.Errorf("%s: %s came in", broken, got)
		}
	}
}

// TestEveryCrashPointLosesNothing ends the session at each write in turn, as a crash would, and looks whether all comes in once it
// is opened again. What is stored twice has one id, by which the gateway knows it again.
func TestEveryCrashPointLosesNothing(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	d.arrive(friend, "first")
	d.inbounds(1)
	for writes := range 6 {
		d.close()
		text := fmt.Sprint(writes)
		d.arrive(friend, text+"a", text+"b")
		d.state.set(func() { d.state.saves = 0 })
		d.state.set(func() { d.state.dieAt = writes + 1 })
		if session, err := d.driver.Open(t.Context(), d.env()); err == nil {
			ctx, stop := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() { defer close(over); _ = session.Run(ctx) }()
			select {
			case <-over:
			case <-time.After(300 * time.Millisecond):
			}
			stop()
			<-over
		}
		d.state.set(func() { d.state.dieAt = 0 })
		d.open()
		d.eventually("both came in", func() bool {
			all := strings.Join(d.texts(), " ")
			return strings.Contains(all, text+"a") && strings.Contains(all, text+"b")
		})
	}
	ids := map[string]string{}
	for _, in := range d.sink.Inbounds() {
		if other, twice := ids[in.Content.Text]; twice && other != in.RemoteID {
			t.Errorf("%q came under two ids", in.Content.Text)
		}
		ids[in.Content.Text] = in.RemoteID
	}
}

func TestAPanicEndsItsSessionAlone(t *testing.T) {
	t.Parallel()
	d, other, friend := linked(t, `{}`), linked(t, `{}`), network.Phone(fresh())
	d.sink.mu.Lock()
	d.sink.panics = true
	d.sink.mu.Unlock()
	d.arrive(friend, "boom")
	if err := d.ended(); err == nil || !strings.Contains(err.Error(), "the sink panics") {
		t.Errorf("ended with %v", err)
	}
	other.mustSend(phoneOf(friend.Number()), message.Text("still here"))
	d.open()
	if in := d.inbounds(1)[0]; in.Content.Text != "boom" {
		t.Errorf("%+v", in)
	}
}

func TestTheConnectionIsLostWithAMessageUnderWay(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	d.mustSend(phoneOf(friend.Number()), message.Text("1"))
	d.linked.WithholdAcks(1)
	answer := make(chan error, 1)
	go func() {
		_, err := d.send(phoneOf(friend.Number()), message.Text("2"))
		answer <- err
	}()
	d.next(friend)
	if got := d.next(friend); got.Text() != "2" {
		t.Errorf("%+v", got)
	}
	network.Drop(d.linked)
	mustFail(t, <-answer, channel.Unsure, "no_answer")
	d.lost(channel.Retry, "connection_lost")
	d.open()
	d.mustSend(phoneOf(friend.Number()), message.Text("3"))
}

func TestTheNetworksSilenceEndsNothingButTheMessage(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	_, err := d.send(phoneOf("+491700009913"), message.Text("hi"))
	mustFail(t, err, channel.Reject, "not_on_whatsapp")
	d.mustSend(phoneOf(network.Phone(fresh()).Number()), message.Text("hi"))
}

// TestARecipientWhoCannotDecryptGetsItAgain also after a restart: what left is kept for a while.
func TestARecipientWhoCannotDecryptGetsItAgain(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	friend.FailDecrypt(1)
	d.mustSend(phoneOf(friend.Number()), message.Text("again"))
	if got := d.next(friend); got.Text() != "again" || got.Retries == 0 {
		t.Errorf("%+v", got)
	}
	friend.FailDecrypt(1)
	friend.Offline()
	d.mustSend(phoneOf(friend.Number()), message.Text("later"))
	d.close()
	d.open()
	friend.Online()
	if got := d.next(friend); got.Text() != "later" || got.Retries == 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatCannotBeDecryptedIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	d.arrive(friend, "1")
	if _, err := friend.SendBroken(d.phone.Number(), &waE2E.Message{Conversation: proto.String("2")}); err != nil {
		t.Fatal(err)
	}
	if in := d.inbounds(2)[1]; in.Content.Text != "2" {
		t.Errorf("%+v", in)
	}
}

func TestARemovedDeviceIsUnlinked(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	d.phone.Unlink(d.linked)
	d.lost(channel.Reject, "logged_out")
	told := d.sink.told(func(n channel.Notice) bool { return n.Unlinked != nil })
	if len(told) != 1 || told[0].Unlinked.Code != "logged_out" || told[0].Unlinked.Reason == "" || told[0].Channel != 77 {
		t.Errorf("told %+v", told)
	}
	d.eventually("nothing is left", func() bool { return d.left() == 0 })
	_, err := d.driver.Open(t.Context(), d.env())
	mustFail(t, err, channel.Reject, "not_linked")
	d.pair()
	d.open()
	d.mustSend(phoneOf(network.Phone(fresh()).Number()), message.Text("linked again"))
}

func TestAReplacedDeviceWaits(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	network.Replace(d.linked)
	if f := d.lost(channel.Retry, "replaced"); f.Pause < 50*time.Second || f.Pause > time.Minute {
		t.Errorf("waits for %s", f.Pause)
	}
	told := d.sink.told(func(n channel.Notice) bool { return n.Limited != nil })
	if len(told) != 1 || told[0].Limited.Code != "replaced" || told[0].Limited.Until.Before(time.Now()) {
		t.Errorf("told %+v", told)
	}
	_, err := d.driver.Open(t.Context(), d.env())
	mustFail(t, err, channel.Retry, "replaced")
}

func TestABannedDeviceStaysAway(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	network.Ban(d.linked, time.Hour)
	if err := d.ended(); err == nil {
		t.Error("the session went on")
	}
	for range 2 { // the second does not even connect
		_, err := d.driver.Open(t.Context(), d.env())
		if f := mustFail(t, err, channel.Retry, "temporary_ban"); f.Pause < 50*time.Minute {
			t.Errorf("waits for %s", f.Pause)
		}
	}
	told := d.sink.told(func(n channel.Notice) bool { return n.Limited != nil })
	if len(told) != 1 || told[0].Limited.Code != "temporary_ban" || !strings.Contains(told[0].Limited.Reason, "too many messages") {
		t.Errorf("told %+v", told)
	}
}

// TestATimelockStopsAllSendingAtOnce, also after a restart, until it is over.
func TestATimelockStopsAllSendingAtOnce(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	to := phoneOf(friend.Number())
	d.mustSend(to, message.Text("1"))
	began := time.Now()
	d.phone.Timelock(time.Hour)
	d.eventually("it is told", func() bool { return len(d.sink.told(func(n channel.Notice) bool { return n.Limited != nil })) == 1 })
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	for range 2 {
		_, err := d.send(to, message.Text("2"))
		if f := mustFail(t, err, channel.Retry, "reach_out"); f.Pause < 50*time.Minute {
			t.Errorf("waits for %s", f.Pause)
		}
		d.close()
		d.open()
	}
	d.phone.Timelock(0)
	d.eventually("it is over", func() bool {
		_, err := d.send(to, message.Text("3"))
		return err == nil
	})
}

// TestAnAnswerThatWarnsIsHeeded by the messages that wait.
func TestAnAnswerThatWarnsIsHeeded(t *testing.T) {
	t.Parallel()
	d, friend := linked(t, `{}`), network.Phone(fresh())
	d.linked.RefuseMessages(463)
	for range 2 {
		_, err := d.send(phoneOf(friend.Number()), message.Text("1"))
		mustFail(t, err, channel.Retry, "reach_out")
	}
	refused := 0
	for _, r := range network.History() {
		if r.Op == far.OpMessage && r.Device == d.linked.JID().String() {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d messages went out", refused)
	}
}

// The next tests change what the network does to all devices, so they run by themselves.

func TestAnOutdatedClientRenewsItself(t *testing.T) {
	d := linked(t, `{}`)
	d.close()
	network.Outdate()
	d.open()
	if !strings.Contains(d.log.text(), "newer client") {
		t.Error("nobody hears of it")
	}
	d.mustSend(phoneOf(network.Phone(fresh()).Number()), message.Text("newer"))
}

func TestLogInsThatAreRefusedSayWhy(t *testing.T) {
	d := linked(t, `{}`)
	d.close()
	for reason, want := range map[int]string{503: "connection_lost", 409: "refused"} {
		network.Refuse(reason)
		_, err := d.driver.Open(t.Context(), d.env())
		mustFail(t, err, channel.Retry, want)
	}
	d.open()
	d.close()
	for reason, want := range map[int]string{403: "removed", 406: "banned", 401: "logged_out"} {
		network.Refuse(reason)
		_, err := d.driver.Open(t.Context(), d.env())
		mustFail(t, err, channel.Reject, want)
		told := d.sink.told(func(n channel.Notice) bool { return n.Unlinked != nil && n.Unlinked.Code == want })
		if len(told) != 1 {
			t.Errorf("%d: told %+v", reason, told)
		}
		d.pair()
	}
}
