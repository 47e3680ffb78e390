package channeltest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

func settingsAreChecked(r *rig) {
	if err := r.driver.Check(r.peer.Settings); err != nil {
		r.Errorf("good settings: %v", err)
	}
	r.need(r.peer.Flawed != nil, "has no settings to get wrong")
	err := r.driver.Check(r.peer.Flawed)
	if err == nil {
		r.Fatal("flawed settings passed")
	}
	for _, flaw := range r.peer.Flaws {
		if !strings.Contains(err.Error(), flaw) {
			r.Errorf("%q is not named in %q", flaw, err)
		}
	}
	r.mustHide(err.Error())
	_, err = r.driver.Open(r.Context(), r.env(r.peer.Flawed))
	r.mustBe(err, channel.Reject)
	r.mustHide(err.Error())
}

func wrongLogin(r *rig) {
	r.need(r.peer.WrongLogin != nil, "has no login")
	session, err := r.driver.Open(r.patient(), r.env(r.peer.WrongLogin))
	if err == nil {
		r.Fatalf("opened %v", session)
	}
	r.mustBe(err, channel.Reject)
	if f, _ := errors.AsType[*channel.Failure](err); f.Code != "bad_credentials" {
		r.Error(err)
	}
	r.mustHide(err.Error())
}

func textsJoinBack(r *rig) {
	for _, text := range []string{
		"a", "@", "Ärger über 5 €", strings.Repeat("a", 160), strings.Repeat("a", 161), strings.Repeat("{€}", 200),
		strings.Repeat("я", 71), strings.Repeat("😀", 36), strings.Repeat("👨‍👩‍👧‍👦 ", 50), strings.Repeat("long text ", 1000),
	} {
		split, err := r.driver.Split(r.peer.Settings, message.Text(text))
		switch {
		case err != nil:
			r.Errorf("%.10q: %v", text, err)
		case split.Encoding == "" || split.Units == 0 || split.Total == 0:
			r.Errorf("%.10q: %+v", text, split)
		case split.Total == 1 && len(split.Texts) == 0:
		case len(split.Texts) != split.Total || strings.Join(split.Texts, "") != text:
			r.Errorf("%.10q became %d texts of %d: %.40q", text, len(split.Texts), split.Total, split.Texts)
		}
		again, _ := r.driver.Split(r.peer.Settings, message.Text(text))
		if !slices.Equal(split.Texts, again.Texts) || split.Encoding != again.Encoding {
			r.Errorf("%.10q is not split the same way twice", text)
		}
	}
	for _, nothing := range []string{"", " \n\u200b"} {
		if _, err := r.driver.Split(r.peer.Settings, message.Text(nothing)); !fault.Is(err, fault.EmptyText) {
			r.Errorf("%q: %v", nothing, err)
		}
	}
	if _, err := r.driver.Split(r.peer.Settings, message.Text(strings.Repeat("long text ", 10_000))); !fault.Is(err, fault.TextTooLong) {
		r.Errorf("100,000 characters: %v", err)
	}
}

func partGetsReceipt(r *rig) {
	r.open()
	first, second := r.mustSend(r.part(r.number("0001"))), r.mustSend(r.part(r.number("0002")))
	if first == second {
		r.Errorf("%q twice", first)
	}
	for _, id := range []string{first, second} {
		if got := r.receipts(id, 1)[0]; got.Status != message.Delivered || got.Reason != "" {
			r.Errorf("%+v", got)
		}
	}
	for _, receipt := range r.sink.Receipts() {
		if strings.Contains(receipt.Raw, "482913") {
			r.Errorf("the message's text is in %q", receipt.Raw)
		}
	}
}

func longTextInParts(r *rig) {
	r.open()
	to, text := r.number("0001"), strings.Repeat("Grüße, Ωμέγα 😀. ", 10)
	parts := r.parts(to, text)
	r.need(len(parts) > 1, "carries it whole")
	if len(parts) != 3 {
		r.Fatalf("%d parts", len(parts))
	}
	for _, part := range parts {
		r.receipts(r.mustSend(part), 1)
	}
	r.need(r.peer.Submits != nil, "keeps no history")
	joined := ""
	for i, got := range r.peer.Submits() {
		if got.Total != 3 || got.Number != i+1 || got.Ref != r.peer.Submits()[0].Ref {
			r.Errorf("%+v", got)
		}
		joined += got.Text
	}
	if joined != text {
		r.Errorf("%q arrived", joined)
	}
}

func undelivered(r *rig) {
	r.need(!r.peer.Mute, "never says so")
	r.open()
	if got := r.receipts(r.mustSend(r.part(r.number("9901"))), 1)[0]; got.Status != message.Failed || got.Reason != "undelivered" {
		r.Errorf("%+v", got)
	}
}

func rejected(r *rig) {
	r.open()
	if f := r.mustFail(r.part(r.number("9902")), channel.Reject); f.Native == "" {
		r.Error("the network's own code is missing")
	}
}

func throttled(r *rig) {
	r.open()
	part := r.part(r.number("9903"))
	if f := r.mustFail(part, channel.Retry); f.Pause <= 0 {
		r.Error("a throttling answer pauses the lane")
	}
	for range 10 {
		if id, err := r.send(r.patient(), part); err == nil {
			r.receipts(id, 1)
			return
		}
	}
	r.Error("not taken after ten tries")
}

func noReceipt(r *rig) {
	r.open()
	id := r.mustSend(r.part(r.number("9904")))
	r.receipts(r.mustSend(r.part(r.number("0001"))), 1)
	for _, receipt := range r.sink.Receipts() {
		if receipt.RemoteID == id {
			r.Errorf("%+v", receipt)
		}
	}
}

// receiptFirst: the driver passes such a receipt on; to keep it until the answer commits is the core's.
func receiptFirst(r *rig) {
	r.open()
	id := r.mustSend(r.part(r.number("9905")))
	if r.peer.Free {
		r.receipts(id, 1)
	}
	if early := r.sink.Receipts(); len(early) == 0 || early[0].RemoteID != id {
		r.Errorf("for %q: %+v", id, early)
	}
}

func receiptTwice(r *rig) {
	r.open()
	r.receipts(r.mustSend(r.part(r.number("9907"))), 2)
}

func droppedByPart(r *rig) {
	r.open()
	_, err := r.send(r.patient(), r.part(r.number("9908")))
	r.mustBe(err, channel.Unsure)
}

func slowAnswer(r *rig) {
	r.open()
	start := time.Now()
	r.mustSend(r.part(r.number("9909")))
	if took := time.Since(start); took < 1900*time.Millisecond {
		r.Errorf("answered after %s", took)
	}
}

func replies(r *rig) {
	r.open()
	text, stop := r.part(r.number("9910")), r.part(r.number("9911"))
	r.mustSend(text)
	r.mustSend(stop)
	got, err := r.sink.AwaitInbounds(r.patient(), 2)
	if err != nil {
		r.Fatal(err)
	}
	want := map[string]string{text.To.Value: "Reply to: Your code is 482913.", stop.To.Value: "STOP"}
	for _, m := range got {
		if m.Channel != 77 || m.From.Kind != message.Phone || m.To != text.From || m.Content.Text != want[m.From.Value] {
			r.Errorf("%+v", m)
		}
	}
}

func noAnswer(r *rig) {
	r.open()
	ctx, cancel := context.WithTimeout(r.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := r.send(ctx, r.part(r.number("9912")))
	r.mustBe(err, channel.Unsure)
	if took := time.Since(start); took > 2*time.Second {
		r.Errorf("Send returned %s after its context", took)
	}
}

// windowIsRespected also shows that what never left is told from what may have arrived.
func windowIsRespected(r *rig) {
	r.need(r.peer.Submits != nil, "keeps no history")
	r.open()
	window := channel.WindowOf(r.session)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	verdicts := make(chan channel.Verdict, 3*window)
	var senders sync.WaitGroup
	for range 3 * window {
		part := r.part(r.number("9909")) // answered after 2 s
		senders.Go(func() {
			_, err := r.send(ctx, part)
			verdicts <- r.verdict(err)
		})
	}
	r.eventually("the window is full", func() bool { return len(r.peer.Submits()) >= window })
	time.Sleep(200 * time.Millisecond) // nothing more must come
	if n := len(r.peer.Submits()); n != window {
		r.Errorf("%d unanswered in a window of %d", n, window)
	}
	cancel()
	senders.Wait()
	close(verdicts)
	count := map[channel.Verdict]int{}
	for v := range verdicts {
		count[v]++
	}
	if count[channel.Unsure] != window || count[channel.Retry] != 2*window {
		r.Errorf("%d unsure and %d to retry", count[channel.Unsure], count[channel.Retry])
	}
}

// verdict is -1 for a part that was taken.
func (r *rig) verdict(err error) channel.Verdict {
	if err == nil {
		return -1
	}
	if f, ok := errors.AsType[*channel.Failure](err); ok {
		return f.Verdict
	}
	return channel.Unsure
}

func dropped(r *rig) {
	r.need(r.peer.Drop != nil && r.peer.Submits != nil, "has no connection to cut")
	r.open()
	window := channel.WindowOf(r.session)
	failures := make(chan error, window)
	for range window {
		part := r.part(r.number("9909"))
		go func() {
			_, err := r.send(r.patient(), part)
			failures <- err
		}()
	}
	r.eventually("all are open", func() bool { return len(r.peer.Submits()) == window })
	r.lose()
	for range window {
		r.mustBe(<-failures, channel.Unsure)
	}
	if err := r.awaitRun(); err == nil {
		r.Error("Run gave no reason")
	}
	_, err := r.send(r.patient(), r.part(r.number("0001")))
	r.mustBe(err, channel.Retry)
}

func acknowledgedOnceOnDisk(r *rig) {
	r.need(r.peer.Pending != nil, "waits for no acknowledgement")
	r.open()
	release := r.sink.Hold()
	defer release()
	for range 5 {
		r.mustSend(r.part(r.number("0001")))
	}
	time.Sleep(200 * time.Millisecond) // receipts are on their way
	if n := r.peer.Pending(); n != 5 {
		r.Errorf("%d of 5 receipts wait for an acknowledgement", n)
	}
	release()
	r.eventually("all are acknowledged", func() bool { return r.peer.Pending() == 0 })
	if n := len(r.sink.Receipts()); n != 5 {
		r.Errorf("%d receipts", n)
	}
}

func receiptAgain(r *rig) {
	r.open()
	r.sink.FailNext(2)
	id := r.mustSend(r.part(r.number("0001")))
	delivered := 0
	for _, receipt := range r.receipts(id, 1) {
		if receipt.Status == message.Delivered {
			delivered++
		}
	}
	if delivered != 1 || r.sink.Refused() != 2 {
		r.Errorf("%d receipts after %d refusals", delivered, r.sink.Refused())
	}
}

func inboundAgain(r *rig) {
	r.need(r.peer.Inbound != nil, "brings no texts")
	r.open()
	r.sink.FailNext(1)
	if err := r.peer.Inbound("+491701234567", "12345", "hello"); err != nil {
		r.Fatal(err)
	}
	if _, err := r.sink.AwaitInbounds(r.patient(), 1); err != nil || r.sink.Refused() != 1 {
		r.Errorf("after %d refusals: %v", r.sink.Refused(), err)
	}
}

func inboundText(r *rig) {
	r.need(r.peer.Inbound != nil, "brings no texts")
	r.open()
	to := "12345"
	if r.peer.From.Kind == message.Phone {
		to = r.peer.From.Value
	}
	if err := r.peer.Inbound("+491701234567", to, "Привет 😀"); err != nil {
		r.Fatal(err)
	}
	got, err := r.sink.AwaitInbounds(r.patient(), 1)
	if err != nil {
		r.Fatal(err)
	}
	m := got[0]
	if m.From.String() != "+491701234567" || m.To.Display() != to || m.Content.Text != "Привет 😀" || m.Content.Type != "text" || m.Joint.Total > 1 {
		r.Errorf("%+v", m)
	}
}

// inboundLongText: the driver may join the parts itself, or tell how they join.
func inboundLongText(r *rig) {
	r.need(r.peer.Inbound != nil, "brings no texts")
	r.open()
	text := strings.Repeat("Привет, мир! ", 15)
	if err := r.peer.Inbound("+491701234567", "12345", text); err != nil {
		r.Fatal(err)
	}
	err := r.sink.Await(r.patient(), func() bool {
		joined, _ := Join(r.sink.Inbounds())
		return joined == text
	})
	if err != nil {
		joined, _ := Join(r.sink.Inbounds())
		r.Errorf("%q: %v", joined, err)
	}
}

// Join puts the parts of one inbound text together in the order of their numbers, a repeated one once; ok is false while
// parts are missing.
func Join(parts []message.Inbound) (text string, ok bool) {
	byNumber := slices.Clone(parts)
	slices.SortStableFunc(byNumber, func(a, b message.Inbound) int { return a.Joint.Number - b.Joint.Number })
	byNumber = slices.CompactFunc(byNumber, func(a, b message.Inbound) bool {
		return a.Joint.Total > 1 && a.Joint.Number == b.Joint.Number
	})
	for _, part := range byNumber {
		text += part.Content.Text
	}
	return text, len(byNumber) > 0 && len(byNumber) >= byNumber[0].Joint.Total
}

func endsInGoodOrder(r *rig) {
	r.open()
	answered := make(chan error, 1)
	part := r.part(r.number("9909"))
	go func() {
		_, err := r.send(r.patient(), part)
		answered <- err
	}()
	time.Sleep(100 * time.Millisecond) // the part is on its way
	r.stop()
	if err := r.awaitRun(); err != nil {
		r.Errorf("Run: %v", err)
	}
	select {
	case err := <-answered:
		if err != nil {
			r.Errorf("the open part: %v", err)
		}
	case <-time.After(time.Second):
		r.Error("the open part has no result after Run returned")
	}
}
