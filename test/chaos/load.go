package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"tidings.dev/test/product"
)

const (
	workers    = 24
	batchSize  = 50
	highTide   = 600                    // above this backlog the load slows down
	slowPause  = 100 * time.Millisecond // between two operations of a worker then
	downPause  = 15 * time.Millisecond  // after a refused connection
	otherPause = 2 * time.Millisecond
	chasePause = 20 * time.Millisecond
	keptIDs    = 512
)

// Load sends what customers send, and writes down what it asked for and what it was told.
type Load struct {
	servers []*server
	control string // of the network
	history *History
	watch   *watcher
	seed    uint64
	pace    *rate.Limiter // of new messages

	numbers  atomic.Int64 // of operations
	tags     atomic.Int64
	accepts  atomic.Int64 // messages
	firstYes atomic.Int64 // time of the first accept since the last start, Unix microseconds

	mu     sync.Mutex
	recent []known        // accepted lately, for reads, cancels and replays
	retry  []sent         // keyed requests whose outcome is not known
	odd    map[string]int // numbers that have each ending
}

// server is one that requests can go to.
type server struct {
	*product.Client
	away atomic.Bool // it does not answer, as a balancer's health check would tell
}

type known struct{ id, tag string }

type sent struct {
	key   string
	batch bool
	items []Item
}

func newLoad(control string, history *History, seed uint64) *Load {
	return &Load{
		control: control, history: history, seed: seed, watch: newWatcher(), odd: map[string]int{}, pace: rate.NewLimiter(rate.Inf, batchSize),
	}
}

// choose picks the server of a request, as a balancer does: any that answers.
func (l *Load) choose() int {
	n := rand.IntN(len(l.servers))
	for i := range l.servers {
		if at := (n + i) % len(l.servers); !l.servers[at].away.Load() {
			return at
		}
	}
	return n
}

// run works until ctx ends.
func (l *Load) run(ctx context.Context) {
	var all sync.WaitGroup
	for n := range workers {
		random := rand.New(rand.NewPCG(l.seed, uint64(n)))
		all.Go(func() {
			for ctx.Err() == nil {
				l.step(ctx, random)
			}
		})
	}
	all.Go(func() { l.chase(ctx, rand.New(rand.NewPCG(l.seed, workers))) })
	all.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step does one operation of the mix: of a hundred, 70 sends, 10 batches, 5 cancels, 10 opt-outs and what follows them,
// 5 reads. Batches are rare in time since they bring fifty.
func (l *Load) step(ctx context.Context, random *rand.Rand) {
	if l.watch.backlog() > highTide {
		pause(ctx, slowPause)
	}
	switch dice := random.IntN(1000); {
	case dice < 600:
		l.send(ctx, l.fresh(ctx, random), random)
	case dice < 640:
		l.send(ctx, l.toRegular(ctx, random), random)
	case dice < 720:
		l.again(ctx, random)
	case dice < 760:
		l.otherBody(ctx, random)
	case dice < 765:
		l.batch(ctx, random)
	case dice < 815:
		l.cancel(ctx, random)
	case dice < 860:
		l.send(ctx, l.toStopper(ctx, random), random)
	case dice < 864:
		l.start(ctx, random)
	default:
		l.read(ctx, random)
	}
	pause(ctx, otherPause)
}

// endings that a twentieth of the recipients have: undelivered, rejected, throttled, no receipt, receipt first, receipt
// twice, answer after 2 s. The last and the throttled hold everybody up, so they are rare.
var oddEndings = []string{"9901", "9902", "9904", "9905", "9907"}

const throttledEnding = "9903"

// ending is a number of its own with the ending.
func (l *Load) ending(ending string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd[ending]++
	return fmt.Sprintf("+2547%04d%s", 2000+l.odd[ending]%8000, ending)
}

// next is the number of a new message, once the pace allows it.
func (l *Load) next(ctx context.Context) int64 {
	_ = l.pace.Wait(ctx) // which fails when the load ends, and its requests with it
	return l.tags.Add(1)
}

func (l *Load) fresh(ctx context.Context, random *rand.Rand) Item {
	n := l.next(ctx)
	to := fmt.Sprintf("+25471%03d%04d", n/9000%1000, n%9000) // of its own, and without an ending
	switch dice := random.IntN(2000); {
	case dice < 100:
		to = l.ending(oddEndings[random.IntN(len(oddEndings))])
	case dice < 101:
		to = l.ending(slowEnding)
	case dice < 102:
		to = l.ending(throttledEnding)
	}
	item := Item{Tag: l.tag(n), To: to, OnUnknown: "resend", Long: random.IntN(25) == 0}
	if n%3 == 0 {
		item.OnUnknown = "hold"
	}
	return item
}

func (l *Load) tag(n int64) string {
	return strconv.FormatInt(n, 36) + "x" + strconv.FormatUint(l.seed, 36)
}

const stoppers = 30

func (l *Load) toStopper(ctx context.Context, random *rand.Rand) Item {
	n := l.next(ctx)
	return Item{Tag: l.tag(n), To: stopper(random.IntN(stoppers)), OnUnknown: "resend"}
}

// regulars are people who get many messages, whose order can be watched.
const (
	regulars      = 40
	regularPrefix = "+25473000"
)

func isRegular(to string) bool {
	rest, ok := strings.CutPrefix(to, regularPrefix)
	n, err := strconv.Atoi(rest)
	return ok && err == nil && len(rest) == 4 && n < regulars // others have numbers that only begin so
}

func (l *Load) toRegular(ctx context.Context, random *rand.Rand) Item {
	n := l.next(ctx)
	return Item{Tag: l.tag(n), To: fmt.Sprintf("%s%04d", regularPrefix, random.IntN(regulars)), OnUnknown: "resend"}
}

func stopper(n int) string { return fmt.Sprintf("+25470%03d%s", n, stopEnding) }

// start lets somebody who opted out come back.
func (l *Load) start(ctx context.Context, random *rand.Rand) {
	form := url.Values{"from": {stopper(random.IntN(stoppers))}, "to": {sender}, "text": {"START"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.control+"/inbound?"+form.Encode(), nil)
	if err != nil {
		return
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}

// sender is what every message comes from.
const sender = "ACME"

func draft(i Item) map[string]any {
	return map[string]any{"to": i.To, "text": textOf(i), "from": sender, "on_unknown": i.OnUnknown, "metadata": map[string]string{"tag": i.Tag}}
}

// send asks for one message, two times in five with a key.
func (l *Load) send(ctx context.Context, i Item, random *rand.Rand) {
	s := sent{items: []Item{i}}
	if random.IntN(5) < 2 {
		s.key = "k-" + i.Tag
	}
	if s.key != "" && random.IntN(10) == 0 {
		l.twice(ctx, s)
		return
	}
	l.deliver(ctx, s)
}

// twice makes one keyed request two times at once, as a customer's impatient proxy does.
func (l *Load) twice(ctx context.Context, s sent) {
	var other sync.WaitGroup
	other.Go(func() { l.deliver(ctx, s) })
	l.deliver(ctx, s)
	other.Wait()
}

func (l *Load) batch(ctx context.Context, random *rand.Rand) {
	s := sent{batch: true}
	for range batchSize {
		s.items = append(s.items, l.fresh(ctx, random))
	}
	if random.IntN(2) == 0 {
		s.key = "k-" + s.items[0].Tag
	}
	l.deliver(ctx, s)
}

// again repeats a keyed request that was left open, as a customer would, else one that was answered.
func (l *Load) again(ctx context.Context, random *rand.Rand) {
	l.mu.Lock()
	if len(l.retry) == 0 {
		l.mu.Unlock()
		l.send(ctx, l.fresh(ctx, random), random)
		return
	}
	n := random.IntN(len(l.retry))
	s := l.retry[n]
	l.mu.Unlock()
	l.deliver(ctx, s)
}

// otherBody uses the key of an answered request for something else, which must be refused.
func (l *Load) otherBody(ctx context.Context, random *rand.Rand) {
	l.mu.Lock()
	key := ""
	if len(l.recent) > 0 {
		key = "k-" + l.recent[random.IntN(len(l.recent))].tag
	}
	known := l.answered(key)
	l.mu.Unlock()
	if known {
		l.deliver(ctx, sent{key: key, items: []Item{l.fresh(ctx, random)}})
	}
}

// answered tells whether a single send with the key was accepted. The lock is held.
func (l *Load) answered(key string) bool {
	for _, s := range l.retry {
		if s.key == key && !s.batch {
			for _, k := range l.recent {
				if "k-"+k.tag == key {
					return true
				}
			}
		}
	}
	return false
}

// deliver makes the request and writes down what came of it.
func (l *Load) deliver(ctx context.Context, s sent) {
	n := l.numbers.Add(1)
	op, path, body := "send", "/tidings/v1/messages", draft(s.items[0])
	if s.batch {
		drafts := make([]any, len(s.items))
		for n, i := range s.items {
			drafts[n] = draft(i)
		}
		op, path, body = "batch", "/tidings/v1/messages/batch", map[string]any{"messages": drafts}
	}
	text, _ := json.Marshal(body)
	headers := []string{}
	if s.key != "" {
		headers = append(headers, "Idempotency-Key", s.key)
	}
	l.remember(s)
	to := l.choose()
	l.history.add(Entry{At: now(), N: n, Node: to, Op: op, Phase: Invoke, Key: s.key, Items: s.items})
	status, reply, err := l.servers[to].Do(ctx, http.MethodPost, path, text, headers...)
	e := l.outcome(n, op, status, reply, err)
	if e.Phase == OK {
		e.Items = l.accept(s, reply, &e)
	}
	l.history.add(e)
	l.after(ctx, e)
}

// remember keeps keyed requests for repeats; old ones make room.
func (l *Load) remember(s sent) {
	if s.key == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, old := range l.retry {
		if old.key == s.key {
			return
		}
	}
	if len(l.retry) >= 64 {
		l.retry = append([]sent{}, l.retry[16:]...)
	}
	l.retry = append(l.retry, s)
}

// outcome sorts an answer: a 2xx is ok, a 4xx or a 503 is a definite no, as is a connection that was refused.
func (l *Load) outcome(n int64, op string, status int, reply []byte, err error) Entry {
	e := Entry{At: now(), N: n, Op: op, HTTP: status}
	switch {
	case err != nil && errors.Is(err, syscall.ECONNREFUSED):
		e.Phase, e.Code, e.Error = Fail, "refused", err.Error()
	case err != nil:
		e.Phase, e.Error = Info, err.Error()
	case status/100 == 2:
		e.Phase = OK
	case status/100 == 4 || status == http.StatusServiceUnavailable:
		var problem product.Problem
		_ = json.Unmarshal(reply, &problem)
		e.Phase, e.Code = Fail, problem.Code
	default:
		e.Phase, e.Error = Info, fmt.Sprintf("status %d", status)
	}
	return e
}

// accept reads the ids out of a yes.
func (l *Load) accept(s sent, reply []byte, e *Entry) []Item {
	items := make([]Item, len(s.items))
	var err error
	if s.batch {
		var batch product.Batch
		err = json.Unmarshal(reply, &batch)
		for n, r := range batch.Results {
			if n >= len(items) {
				break
			}
			if r.Message != nil {
				items[n].ID = r.Message.ID
			} else if r.Error != nil {
				items[n].Code = r.Error.Code
			}
		}
	} else {
		var m product.Message
		err = json.Unmarshal(reply, &m)
		items[0].ID = m.ID
	}
	if err != nil {
		e.Phase, e.Error = Info, err.Error()
		return nil
	}
	for n := range items {
		items[n].Tag = s.items[n].Tag
		if items[n].ID != "" {
			l.accepted(s.items[n], items[n].ID)
		}
	}
	return items
}

func (l *Load) accepted(i Item, id string) {
	l.accepts.Add(1)
	l.firstYes.CompareAndSwap(0, now())
	if !isStopper(i.To) {
		l.watch.accepted(known{id, i.Tag})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) >= keptIDs {
		l.recent = append([]known{}, l.recent[keptIDs/4:]...)
	}
	l.recent = append(l.recent, known{id, i.Tag})
}

// after slows down when the product is away.
func (l *Load) after(ctx context.Context, e Entry) {
	if e.Error != "" || e.HTTP == http.StatusServiceUnavailable || e.HTTP == http.StatusTooManyRequests {
		pause(ctx, downPause)
	}
}

func (l *Load) pick(random *rand.Rand, newest int) (known, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == 0 {
		return known{}, false
	}
	return l.recent[len(l.recent)-1-random.IntN(min(newest, len(l.recent)))], true
}

// cancel takes back something new.
func (l *Load) cancel(ctx context.Context, random *rand.Rand) {
	if k, ok := l.pick(random, 100); ok {
		l.takeBack(ctx, k)
	}
}

// chase takes messages back at the very moment they leave, where a cancel and a claim meet. What the network has not
// recorded yet includes a window of messages under way, so the race is run some places behind.
func (l *Load) chase(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		if k, ok := l.watch.nextUp(random.IntN(3 * window)); ok {
			l.takeBack(ctx, k)
		}
		pause(ctx, chasePause)
	}
}

func (l *Load) takeBack(ctx context.Context, k known) {
	n := l.numbers.Add(1)
	to := l.choose()
	l.history.add(Entry{At: now(), N: n, Node: to, Op: "cancel", Phase: Invoke, ID: k.id, Tag: k.tag})
	status, reply, err := l.servers[to].Do(ctx, http.MethodPost, "/tidings/v1/messages/"+k.id+"/cancel", []byte("{}"))
	e := l.outcome(n, "cancel", status, reply, err)
	e.ID, e.Tag = k.id, k.tag
	if e.Phase == OK {
		l.watch.gone(k.tag)
	}
	l.history.add(e)
	l.after(ctx, e)
}

func (l *Load) read(ctx context.Context, random *rand.Rand) {
	k, ok := l.pick(random, keptIDs)
	if !ok {
		return
	}
	n := l.numbers.Add(1)
	to := l.choose()
	l.history.add(Entry{At: now(), N: n, Node: to, Op: "read", Phase: Invoke, ID: k.id, Tag: k.tag})
	status, reply, err := l.servers[to].Do(ctx, http.MethodGet, "/tidings/v1/messages/"+k.id, nil)
	e := l.outcome(n, "read", status, reply, err)
	e.ID, e.Tag = k.id, k.tag
	var m product.Message
	if json.Unmarshal(reply, &m) == nil && e.Phase == OK {
		e.Status = m.Status
	}
	l.history.add(e)
	l.after(ctx, e)
}
