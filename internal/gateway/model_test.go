package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// model is what a test knows of the world besides what it says of itself: what the network was given and answered, who
// wrote STOP, and what was cancelled.
type model struct {
	*world
	class   channel.Unknown // what the network lets us find out
	mu      sync.Mutex
	answers []string // to come, in turn; then "take"
	ids     int
	lives   map[message.ID]*lived
	order   []message.ID
	stopped map[string]bool
	pending []handed                  // parts that the network may have taken
	told    map[string]message.Status // by the network's id, the furthest it said
	via     map[string]message.ChannelID
}

// handed is a part with the channel that it was given to.
type handed struct {
	message.Outbound
	channel message.ChannelID
}

// lived is one message's life as the network and its sender know it.
type lived struct {
	onUnknown message.OnUnknown
	taken     map[[2]int]string // the network's ids, by attempt and part
	unsure    int               // answers that nobody could make out
	cancelled bool
}

// answers are those of the network behind a channel.
func (m *model) answersOf(ch message.ChannelID) channeltest.Answer {
	return func(_ context.Context, out message.Outbound) (string, error) { return m.answer(ch, out) }
}

func (m *model) answer(ch message.ChannelID, out message.Outbound) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lives[out.Message]
	for l == nil { // Submit has not returned yet
		m.mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		m.mu.Lock()
		l = m.lives[out.Message]
	}
	verdict := "take"
	if id := l.taken[[2]int{out.Attempt, out.Number}]; id != "" {
		if m.class != channel.Dedupe {
			panic("a part was sent twice in one attempt")
		}
		return id, nil // it knows the id again
	}
	if len(m.answers) > 0 {
		verdict, m.answers = m.answers[0], m.answers[1:]
	}
	switch verdict {
	case "retry":
		return "", &channel.Failure{Verdict: channel.Retry, Code: "later"}
	case "throttle":
		return "", &channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: time.Millisecond}
	case "reject":
		return "", &channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}
	case "refuse": // for a fault of the channel's
		return "", &channel.Failure{Verdict: channel.Reject, Code: "invalid_sender", Channel: true}
	case "unsure":
		l.unsure++
		if m.class != channel.Dedupe {
			m.pending = append(m.pending, handed{out, ch})
		}
		return "", &channel.Failure{Code: "no_answer"}
	case "lost": // it took the part, and the answer is lost
		if m.class == channel.Dedupe {
			l.unsure++
			l.taken[[2]int{out.Attempt, out.Number}] = m.name(ch)
			return "", &channel.Failure{Code: "no_answer"}
		}
	}
	id := m.name(ch)
	l.taken[[2]int{out.Attempt, out.Number}] = id
	if verdict == "early" { // the receipt overtakes the answer
		m.told[id] = message.Delivered
		m.mu.Unlock()
		_ = m.gateway.Receipt(context.Background(), message.Receipt{Channel: ch, RemoteID: id, To: out.To, Status: message.Delivered})
		m.mu.Lock()
	}
	return id, nil
}

// name is the next id of the network behind a channel.
func (m *model) name(ch message.ChannelID) string {
	m.ids++
	id := fmt.Sprintf("net-%d", m.ids)
	m.via[id] = ch
	return id
}

// quiet waits until nobody works at anything.
func (m *model) quiet(t *rapid.T) {
	for range 2000 {
		var busy int
		err := m.store.Reader().QueryRowContext(context.Background(),
			"SELECT count(*) FROM job WHERE kind <> 'retain' AND (owner <> 0 OR due_at <= $1)", m.store.Now().UnixMilli()).Scan(&busy)
		if err != nil {
			t.Fatal(err)
		}
		if busy == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the queue does not come to rest")
}

// steady reads a message with its events and its job, all of one moment: what backs off may come due between two reads.
func (m *model) steady(t *rapid.T, id message.ID) (message.Message, []event.Event, *queue.Job) {
	ctx := context.Background()
	for {
		got, err := m.gateway.Message(ctx, m.alice.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		events, err := m.events.Of(ctx, m.alice.ID, int64(id))
		if err != nil {
			t.Fatal(err)
		}
		job, working, err := m.queue.Find(ctx, int64(id))
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.gateway.Message(ctx, m.alice.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		if !working && again.Seq == got.Seq && again.Status == got.Status && len(again.Parts) == len(got.Parts) {
			return got, events, job
		}
		m.quiet(t)
	}
}

// check is what always holds once nothing is under way.
func (m *model) check(t *rapid.T) {
	m.quiet(t)
	ctx := context.Background()
	if err := m.wallet.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	checkUsage(m.t, m.store, m.spare == nil, m.alice.ID)
	for _, id := range m.order {
		l := m.lives[id]
		got, events, job := m.steady(t, id)
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("message %s is %s (%s): %s\n%+v\nlife %+v\nparts %+v\nevents %+v", id, got.Status, got.Reason, fmt.Sprintf(format, args...), got, l, got.Parts, events)
		}
		for i, e := range events {
			if e.Seq != i+1 {
				fail("its event %d has number %d", i+1, e.Seq)
			}
		}
		if got.Seq != len(events) || len(events) > 0 && !got.Status.Waiting() && events[len(events)-1].Change.Status != got.Status.String() {
			fail("its last event says otherwise")
		}
		if (job != nil) != got.Status.Waiting() {
			fail("it has a job: %v", job != nil)
		}
		folded := message.Fold(got.Parts, got.Total)
		switch {
		case got.Status.HandedOver() && folded != message.Sending && folded != got.Status && (got.Status != message.Failed || folded >= message.Delivered):
			fail("its parts say %s", folded)
		case got.Status >= message.Cancelled && got.Status < message.Received && slices.ContainsFunc(got.Parts, wentOut):
			fail("and parts of it went out")
		case l.cancelled != (got.Status == message.Cancelled):
			fail("cancelled: %v", l.cancelled)
		case l.cancelled && len(l.taken)+l.unsure > 0:
			fail("and may be with the network")
		}
		copies := map[int]int{}
		for at := range l.taken {
			copies[at[1]]++
		}
		for n, c := range copies {
			if c > 1 && (!got.Duplicate || c > 2 || l.onUnknown != message.Resend || m.class == channel.Dedupe) {
				fail("part %d was taken %d times", n, c)
			}
		}
		if m.spare == nil && (got.Attempt > 2 || got.Attempt == 2 && l.onUnknown != message.Resend) { // each move is an attempt, too
			fail("attempt %d", got.Attempt)
		}
		for _, p := range got.Parts {
			if id := l.taken[[2]int{p.Attempt, p.Number}]; p.RemoteID != "" && id != p.RemoteID {
				fail("the network never named a part %s", p.RemoteID)
			}
			if p.RemoteID != "" && p.Status != message.Failed && p.Status != max(message.Sent, m.told[p.RemoteID]) {
				fail("the network told of %s as far as %s", p.RemoteID, m.told[p.RemoteID])
			}
		}
		m.checkMoney(t, id, got, l, fail)
	}
}

// wentOut reports whether a network has a part, or may have it.
func wentOut(p message.Part) bool { return p.Status != message.Failed }

func (m *model) checkMoney(t *rapid.T, id message.ID, got message.Message, l *lived, fail func(string, ...any)) {
	var holds, posts, voids int
	err := m.store.Reader().QueryRowContext(context.Background(), `SELECT count(CASE WHEN step = 'hold' THEN 1 END),
		count(CASE WHEN step = 'end' AND credit = 'charged' THEN 1 END), count(CASE WHEN step = 'end' AND credit = 'available' THEN 1 END)
		FROM transfer WHERE subject = $1`, int64(id)).Scan(&holds, &posts, &voids)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, p := range got.Parts {
		if p.RemoteID != "" {
			known++
		}
	}
	switch {
	case holds != 1 || posts+voids > 1:
		fail("%d holds, %d posts, %d voids", holds, posts, voids)
	case known > 0 && posts+voids != 1:
		fail("the network took it and nobody paid")
	case known == 0 && posts > 0:
		fail("it is charged and no network took it")
	case got.Status == message.Unknown && got.ValidUntil.Before(m.store.Now()) && posts+voids != 1:
		fail("its validity is over and its money is still held")
	case got.Status.Final() && posts+voids != 1:
		fail("it ended and its money did not")
	case got.Status.Waiting() && voids > 0:
		fail("its money was given back while it waits")
	}
}

func (m *model) submit(t *rapid.T) {
	d := draft(phone(rapid.IntRange(1, 4).Draw(t, "to")), long(rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "parts")))
	d.OnUnknown = rapid.SampledFrom([]message.OnUnknown{message.Resend, message.Hold, message.Fail}).Draw(t, "on unknown")
	if rapid.IntRange(0, 4).Draw(t, "later") == 0 {
		d.ScheduledAt = m.store.Now().Add(time.Hour)
	}
	for range rapid.IntRange(0, 3).Draw(t, "answers") {
		m.mu.Lock()
		m.answers = append(m.answers, rapid.SampledFrom([]string{"take", "early", "retry", "throttle", "reject", "refuse", "unsure", "unsure", "lost"}).Draw(t, "answer"))
		m.mu.Unlock()
	}
	reply, err := m.world.submit(requestOf(d))
	if err != nil {
		t.Fatal(err)
	}
	r := reply.Results[0]
	if m.stopped[d.To] != fault.Is(asError(r.Fault), fault.RecipientOptedOut) {
		t.Fatalf("opted out %v: %v", m.stopped[d.To], r.Fault)
	}
	if r.Fault != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives[r.Message.ID] = &lived{onUnknown: d.OnUnknown, taken: map[[2]int]string{}}
	m.order = append(m.order, r.Message.ID)
}

func asError(f *fault.Fault) error {
	if f == nil {
		return nil
	}
	return f
}

// pick chooses one of the messages.
func (m *model) pick(t *rapid.T) message.ID {
	if len(m.order) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(m.order).Draw(t, "message")
}

func (m *model) receipt(t *rapid.T) {
	id := m.pick(t)
	m.mu.Lock()
	var remotes []string
	for n := 1; n <= 3; n++ {
		for a := 1; a <= 9; a++ {
			if r := m.lives[id].taken[[2]int{a, n}]; r != "" {
				remotes = append(remotes, r)
			}
		}
	}
	m.mu.Unlock()
	if len(remotes) == 0 {
		t.Skip("the network took nothing of it")
	}
	r := message.Receipt{RemoteID: rapid.SampledFrom(remotes).Draw(t, "remote")}
	r.Channel = m.via[r.RemoteID]
	r.Status = rapid.SampledFrom([]message.Status{message.Sent, message.Failed, message.Delivered, message.Read}).Draw(t, "status")
	r.Reason = reasonOf(r.Status)
	m.told[r.RemoteID] = max(m.told[r.RemoteID], r.Status)
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		if err := m.gateway.Receipt(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) cancel(t *rapid.T) {
	id := m.pick(t)
	_, err := m.gateway.Cancel(context.Background(), m.caller(m.alice), id)
	if err != nil && !fault.Is(err, fault.NotCancellable) {
		t.Fatal(err)
	}
	if err == nil {
		m.lives[id].cancelled = true
	}
}

func (m *model) word(t *rapid.T) {
	to := phone(rapid.IntRange(1, 4).Draw(t, "from"))
	word := rapid.SampledFrom([]string{"STOP", "START", "START"}).Draw(t, "word")
	m.quiet(t)
	first, second := m.sent()
	if err := m.gateway.Inbound(context.Background(), inbound(m.channel, to, word)); err != nil {
		t.Fatal(err)
	}
	list, err := m.consent.List(context.Background(), m.alice.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	was := m.stopped[to]
	m.stopped[to] = false
	for _, o := range list {
		m.stopped[to] = m.stopped[to] || o.Address.Value == to
	}
	if word == "STOP" && was && !m.stopped[to] {
		t.Fatal("a STOP lifted a STOP")
	}
	firstNow, secondNow := m.sent()
	for _, out := range append(firstNow[len(first):], secondNow[len(second):]...) {
		if m.stopped[to] && out.To.Value == to {
			t.Fatal("a part left after the STOP")
		}
	}
}

// sent is what each network was given.
func (m *model) sent() (first, second []message.Outbound) {
	if m.spare != nil {
		second = m.spare.Sends()
	}
	return m.network.Sends(), second
}

func (m *model) late(t *rapid.T) {
	m.mu.Lock()
	if len(m.pending) == 0 {
		m.mu.Unlock()
		t.Skip("nothing is without an answer")
	}
	out := m.pending[0]
	m.pending = m.pending[1:]
	var err error
	remote := ""
	if rapid.Bool().Draw(t, "took it") {
		remote = m.name(out.channel)
		m.lives[out.Message].taken[[2]int{out.Attempt, out.Number}] = remote
	} else {
		err = &channel.Failure{Verdict: channel.Reject, Code: "unknown_number"}
	}
	m.mu.Unlock()
	if err := m.gateway.Late(context.Background(), out.Outbound, remote, err); err != nil {
		t.Fatal(err)
	}
}

// echo has the network tell of a part that nobody knows it has, by our reference.
func (m *model) echo(t *rapid.T) {
	m.mu.Lock()
	if m.class != channel.Echo || len(m.pending) == 0 {
		m.mu.Unlock()
		t.Skip("no part can be named")
	}
	out := m.pending[0]
	m.pending = m.pending[1:]
	remote := m.name(out.channel)
	m.lives[out.Message].taken[[2]int{out.Attempt, out.Number}] = remote
	m.mu.Unlock()
	r := message.Receipt{Channel: out.channel, RemoteID: remote, Reference: out.Echo(), To: out.To}
	r.Status = rapid.SampledFrom([]message.Status{message.Failed, message.Delivered}).Draw(t, "status")
	r.Reason, m.told[remote] = reasonOf(r.Status), r.Status
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		if err := m.gateway.Receipt(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// fall has a channel go down, or come up again; what waits in one that is down is moved at once.
func (m *model) fall(t *rapid.T) {
	if m.spare == nil {
		t.Skip("there is no other channel")
	}
	ch := rapid.SampledFrom([]message.ChannelID{m.channel, m.second}).Draw(t, "channel")
	m.goes(ch, rapid.SampledFrom([]connection.Phase{connection.Down, connection.Up}).Draw(t, "phase"))
	if err := m.gateway.MoveFromDown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) pass(t *rapid.T) {
	m.store.Shift(rapid.SampledFrom([]time.Duration{2 * time.Second, 2 * time.Minute, time.Hour, 49 * time.Hour}).Draw(t, "time"))
	// A lane sleeps up to a second before it looks at the clock.
	err := m.store.Write(func(tx *store.Tx) error {
		return m.queue.Hurry(tx, []queue.Job{
			{Lane: gateway.Lane(m.channel, 0), Priority: int(message.Transactional), Account: m.alice.ID, Due: tx.Now()},
			{Lane: gateway.Lane(m.second, 0), Priority: int(message.Transactional), Account: m.alice.ID, Due: tx.Now()},
			{Lane: "house", Priority: int(message.Bulk), Account: m.alice.ID, Due: tx.Now()},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnythingInAnyOrder lives through random sequences of everything that can happen and checks after each step what
// always holds.
func TestAnythingInAnyOrder(t *testing.T) {
	t.Parallel()
	kills, moves := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		class := rapid.SampledFrom([]channel.Unknown{channel.Blind, channel.Echo, channel.Dedupe}).Draw(rt, "class")
		options := []option{finding(class)}
		if rapid.Bool().Draw(rt, "another channel") {
			options = append(options, withSpare, func(w *world) { w.spare.Features.Unknown = class })
		}
		m := &model{
			world: newWorld(t, options...), class: class, lives: map[message.ID]*lived{}, stopped: map[string]bool{}, told: map[string]message.Status{},
			via: map[string]message.ChannelID{},
		}
		defer m.close()
		defer func() {
			_, second := m.sent()
			moves += len(second)
		}()
		m.network.Answer = m.answersOf(m.channel)
		if m.spare != nil {
			m.spare.Answer = m.answersOf(m.second)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"submit":  m.submit,
			"submit2": m.submit,
			"receipt": m.receipt,
			"again":   m.receipt,
			"cancel":  m.cancel,
			"word":    m.word,
			"late":    m.late,
			"echo":    m.echo,
			"pass":    m.pass,
			"fall":    m.fall,
			"kill": func(*rapid.T) {
				kills++
				m.kill()
			},
			"": m.check,
		})
	})
	t.Logf("%d kills, %d messages went by another channel", kills, moves)
}
