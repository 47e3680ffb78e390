package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// Ages of what a history holds.
const (
	historyDays   = 300
	ledgerDays    = 90 // single transfers; older ones are folded
	recentDays    = 30 // references, and the log of webhooks
	historyPrice  = 800_000
	historyCredit = 1_000_000_000_000_000
)

// shares of the messages that each account has. The first is big, the last is small, and the second never hears anything.
var shares = []float64{0.60, 0.20, 0.10, 0.05, 0.03, 0.015, 0.004, 0.001}

const (
	big    = 0
	oneWay = 1
)

// carried is the share of the messages that each channel carries. The last is rare.
var carried = []float64{0.70, 0.2499, 0.05, 0.0001}

// outcomes are what becomes of messages, in the share that each has.
var (
	outcomes     = []message.Status{message.Delivered, message.Failed, message.Sent, message.Read, message.Expired, message.Cancelled, message.Blocked, message.Unknown}
	outcomeShare = []float64{0.88, 0.045, 0.04, 0.01, 0.008, 0.006, 0.006, 0.005}
)

const inboundShare = 0.01

// place is where a history happens: what the product itself has made.
type place struct {
	Accounts []int64
	Keys     []string // of the accounts, in their order
	Channels []int64
	Webhook  int64     // of the big account
	End      time.Time // of the history
}

// table is rows of one table, one after the other.
type table struct {
	name    string
	columns []string
	values  []any
}

func (t *table) add(values ...any) { t.values = append(t.values, values...) }

func (t *table) len() int { return len(t.values) / len(t.columns) }

// share is some of the history, in the order of its keys.
type share struct{ message, part, event, reference, transfer, delivery table }

func (s *share) tables() []*table {
	return []*table{&s.message, &s.part, &s.event, &s.reference, &s.transfer, &s.delivery}
}

func newShare() *share {
	return &share{
		message: table{name: "message", columns: []string{
			"id", "account_id", "direction", "kind", "channel_id", "recipient", "sender", "content", "status", "seq", "attempt", "total", "encoding",
			"price", "currency", "priority", "on_unknown", "reference", "metadata", "test", "reason", "scheduled_at", "valid_until", "updated_at",
		}},
		part: table{name: "part", columns: []string{
			"message_id", "attempt", "number", "account_id", "channel_id", "remote_id", "status", "code", "sent_at", "done_at",
		}},
		event:     table{name: "event", columns: []string{"subject", "seq", "account_id", "kind", "data", "at"}},
		reference: table{name: "reference", columns: []string{"account_id", "reference", "message_id", "expires_at"}},
		transfer:  table{name: "transfer", columns: []string{"account_id", "subject", "step", "debit", "credit", "amount", "at"}},
		delivery: table{name: "delivery", columns: []string{
			"id", "webhook_id", "account_id", "subject", "seq", "kind", "tries", "done", "status", "took", "at",
		}},
	}
}

// history makes the same messages from the same seed, oldest first, as the product would have left them.
type history struct {
	place
	rows    int
	random  *rand.Rand
	numbers *rand.Zipf
	n       int
	posts   int64
	folded  []int64 // what each account was charged before its single transfers begin
	charged []int64 // and since
}

func newHistory(seed uint64, rows int, p place) *history {
	random := rand.New(rand.NewPCG(seed, 1)) // it must repeat
	return &history{
		place: p, rows: rows, random: random, numbers: newNumbers(random, rows),
		folded: make([]int64, len(p.Accounts)), charged: make([]int64, len(p.Accounts)),
	}
}

// newNumbers ranks the recipients: the first gets more than a hundredth of all messages, most get a few.
func newNumbers(random *rand.Rand, rows int) *rand.Zipf {
	return rand.NewZipf(random, 1.1, 10, uint64(max(rows/3, 1)))
}

// phoneOf is the phone of a rank. Neighbours in rank are none in number.
func phoneOf(rank uint64) string { return fmt.Sprintf("+2547%08d", rank*48_271_397%100_000_000) }

// referenceOf is the client reference of a message, which every third one has.
func referenceOf(n int) string { return "order-" + strconv.Itoa(n) }

// pick is a place in the shares, which come to 1.
func (h *history) pick(shares []float64) int {
	at := h.random.Float64()
	for i, share := range shares {
		if at -= share; at < 0 {
			return i
		}
	}
	return 0
}

// fill adds up to count messages and tells whether there was one.
func (h *history) fill(s *share, count int) bool {
	for _, t := range s.tables() {
		t.values = t.values[:0]
	}
	for range min(count, h.rows-h.n) {
		h.add(s)
		h.n++
	}
	return s.message.len() > 0
}

// at is the moment of the next message: each has a slot of its own.
func (h *history) at() time.Time {
	slot := historyDays * 24 * time.Hour / time.Duration(h.rows)
	return h.End.Add(slot*time.Duration(h.n-h.rows) + time.Duration(h.random.Int64N(int64(slot)))).Truncate(time.Millisecond)
}

// keyAt is a key of a node that no server is.
func keyAt(t time.Time, node, seq int64) int64 {
	return int64(id.At[message.Message](t)) | node<<14 | seq&(1<<14-1)
}

// life is one message under way through its tables.
type life struct {
	at      time.Time
	id      int64
	owner   int // in accounts
	account int64
	channel int64
	status  message.Status
	total   int64
	price   int64
	age     time.Duration
	events  int64
}

const eventNode, messageNode = 254, 253

func (h *history) add(s *share) {
	l := life{at: h.at(), owner: h.pick(shares), total: 1}
	l.id, l.account, l.age = keyAt(l.at, messageNode, h.random.Int64()), h.Accounts[l.owner], h.End.Sub(l.at)
	l.channel = h.Channels[h.pick(carried)]
	phone := phoneOf(h.numbers.Uint64())
	if l.owner != oneWay && h.random.Float64() < inboundShare {
		h.inbound(s, &l, phone)
		return
	}
	h.outbound(s, &l, phone)
}

func (h *history) inbound(s *share, l *life, from string) {
	l.status = message.Received
	h.tell(s, l, event.Received, l.at, event.Change{Status: "received"})
	at := l.at.UnixMilli()
	s.message.add(l.id, l.account, int16(message.In), "sms", l.channel, "short:"+strconv.Itoa(20_000+l.owner), from, contentOf("Yes please, number "+strconv.Itoa(h.n)),
		int16(l.status), l.events, int64(0), int64(1), "", int64(0), "", int16(message.Transactional), "", "", "", int16(0), "", int64(0), int64(0), at)
}

func (h *history) outbound(s *share, l *life, to string) {
	l.status = outcomes[h.pick(outcomeShare)]
	text := fmt.Sprintf("Your order %d is on its way. Track it at https://example.com/t/%x", h.n, h.random.Uint32())
	if h.random.IntN(20) == 0 {
		l.total = 3
	}
	reference, metadata := "", ""
	if h.random.IntN(3) == 0 {
		reference = referenceOf(h.n)
		if l.age < recentDays*24*time.Hour {
			s.reference.add(l.account, reference, l.id, l.at.Add(recentDays*24*time.Hour).UnixMilli())
		}
	}
	if h.random.IntN(5) == 0 {
		metadata = fmt.Sprintf(`{"cart":%d}`, h.n)
	}
	if h.random.IntN(2) == 0 {
		l.price = l.total * historyPrice
	}
	last := h.handOver(s, l)
	h.pay(s, l)
	s.message.add(l.id, l.account, int16(message.Out), "sms", l.channel, to, "name:ACME", contentOf(text), int16(l.status), l.events, min(l.total, 1), l.total, "gsm7",
		l.price, "KES", int16(message.Transactional), "resend", reference, metadata, int16(0), reasonOf(l.status), int64(0), l.at.Add(48*time.Hour).UnixMilli(), last.UnixMilli())
}

func contentOf(text string) string {
	out, _ := json.Marshal(message.Text(text)) // of a string
	return string(out)
}

func reasonOf(s message.Status) string {
	switch s {
	case message.Failed:
		return "undelivered"
	case message.Expired:
		return "expired"
	case message.Blocked:
		return "opted_out"
	}
	return ""
}

// handOver writes the parts and events of an outbound message and returns when the last of them was.
func (h *history) handOver(s *share, l *life) time.Time {
	sent := l.at.Add(time.Duration(50+h.random.IntN(2000)) * time.Millisecond)
	done := sent.Add(time.Duration(1+h.random.IntN(60_000)) * time.Millisecond)
	if h.random.IntN(3) == 0 {
		h.tell(s, l, event.Retrying, sent, event.Change{Status: "queued", Reason: "throttled", Code: "0x00000058", Attempt: 1})
	}
	switch l.status {
	case message.Cancelled, message.Expired, message.Blocked:
		h.tell(s, l, kindOf(l.status), done, event.Change{Status: l.status.String()})
		return done
	case message.Unknown:
		done = sent
	default:
		h.tell(s, l, event.Sent, sent, event.Change{Status: "sent", Attempt: 1})
	}
	if l.status != message.Sent {
		h.tell(s, l, kindOf(l.status), done, event.Change{Status: l.status.String(), Attempt: 1})
	}
	for number := range l.total {
		remote := ""
		if l.status != message.Unknown {
			remote = strconv.FormatInt(int64(h.n)*4+number, 16) + "-" + strconv.FormatUint(uint64(h.random.Uint32()), 16)
		}
		s.part.add(l.id, int64(1), number+1, l.account, l.channel, remote, int16(l.status), "000", sent.UnixMilli(), done.UnixMilli())
	}
	return done
}

func kindOf(s message.Status) event.Kind { return event.Kind("message." + s.String()) }

// tell writes an event and, for the account that has a webhook, its delivery.
func (h *history) tell(s *share, l *life, kind event.Kind, at time.Time, c event.Change) {
	l.events++
	data, _ := json.Marshal(c) // of plain words
	s.event.add(l.id, l.events, l.account, string(kind), string(data), at.UnixMilli())
	if l.owner != big || l.age > recentDays*24*time.Hour {
		return
	}
	h.posts++
	s.delivery.add(keyAt(at, eventNode, h.posts), h.Webhook, l.account, l.id, l.events, string(kind), int64(1), int16(1), int64(200), 5+h.random.Int64N(200), at.UnixMilli())
}

// pay writes the hold of a price and its end, or adds it to what was folded.
func (h *history) pay(s *share, l *life) {
	if l.price == 0 {
		return
	}
	to := "charged"
	switch l.status {
	case message.Cancelled, message.Expired, message.Blocked:
		to = "available"
	}
	single := l.age < ledgerDays*24*time.Hour
	switch {
	case to == "charged" && single:
		h.charged[l.owner] += l.price
	case to == "charged":
		h.folded[l.owner] += l.price
	}
	if single {
		at := l.at.UnixMilli()
		s.transfer.add(l.account, l.id, "end", "held", to, l.price, at+1000)
		s.transfer.add(l.account, l.id, "hold", "available", "held", l.price, at)
	}
}

// opening are the ledger's rows for what is folded, and wallets what each account's wallet must hold.
func (h *history) opening() (opening table, wallets [][]any) {
	opening = table{name: "transfer", columns: newShare().transfer.columns}
	for n, a := range h.Accounts {
		at := h.End.UnixMilli()
		opening.add(a, -a, "charged", "available", "charged", h.folded[n], at)
		opening.add(a, -a, "funded", "funds", "available", int64(historyCredit), at)
		charged := h.folded[n] + h.charged[n]
		wallets = append(wallets, []any{int64(historyCredit) - charged, charged, int64(historyCredit), a})
	}
	return opening, wallets
}
