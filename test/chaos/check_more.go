package main

import (
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/simulator/smsc"
)

// money: every book is the sum of its transfers, and each message was charged once or not at all.
func money(w World, _ *Cases) []Violation {
	f := found{rule: "C6"}
	if w.Books == nil {
		return nil
	}
	type book struct {
		owner int64
		name  string
	}
	sums, bySubject := map[book]int64{}, map[book]int64{}
	for _, t := range w.Books.Transfers {
		if t.Amount <= 0 {
			f.add("", "a transfer of %d", t.Amount)
		}
		sums[book{t.Account, t.Debit}] -= t.Amount
		sums[book{t.Account, t.Credit}] += t.Amount
		bySubject[book{t.Subject, t.Debit}] -= t.Amount
		bySubject[book{t.Subject, t.Credit}] += t.Amount
	}
	for _, wallet := range w.Books.Wallets {
		for name, shown := range map[string]int64{
			"available": wallet.Available, "held": wallet.Held, "charged": wallet.Charged, "funds": -wallet.Funded,
		} {
			if sum := sums[book{wallet.Account, name}]; sum != shown {
				f.add("", "book %s shows %d, its transfers sum to %d", name, shown, sum)
			}
		}
	}
	for id, m := range w.Books.Messages {
		if !m.Out {
			continue
		}
		held, charged := bySubject[book{id, "held"}], bySubject[book{id, "charged"}]
		if problem := moneyOf(m, held, charged); problem != "" {
			f.add(m.Tag, "%s", problem)
		}
	}
	return f.sorted()
}

// moneyOf tells what is wrong with the money of a message: held while it waits, charged once the network has it, given
// back when it never will.
func moneyOf(m Row, held, charged int64) string {
	status := m.Status
	problem := fmt.Sprintf("status %d, price %d, held %d, charged %d", status, m.Price, held, charged)
	switch {
	case charged != 0 && charged != m.Price, held != 0 && held != m.Price, held+charged > m.Price:
		return problem
	case status == statusNumber["sent"] || status == statusNumber["delivered"] || status == statusNumber["read"]:
		if charged != m.Price {
			return problem
		}
	case status == statusNumber["failed"]:
		if held != 0 {
			return problem
		}
	case status >= statusNumber["cancelled"]:
		if held != 0 || charged != 0 {
			return problem
		}
	case status < statusNumber["unknown"]:
		if held != m.Price {
			return problem
		}
	}
	return ""
}

// told is what the customer heard about one message.
type told struct {
	ids   map[int64]string // webhook-id by seq
	acked map[int64]int64  // time of the first post that was answered with success, by seq
	said  map[int64]string // the message's status, by seq
	last  Post
}

// webhooks: every event was posted with success, in order, signed, under one id, and not again without need.
func webhooks(w World, c *Cases) []Violation {
	f := found{rule: "C7"}
	subjects, stops := map[string]*told{}, w.stops()
	owner := map[string]string{}
	for _, p := range w.Posts {
		t := subjects[p.Subject]
		if t == nil {
			t = &told{ids: map[int64]string{}, acked: map[int64]int64{}, said: map[int64]string{}}
			subjects[p.Subject] = t
		}
		tag := c.tagOfSubject(p.Subject)
		for _, problem := range t.hear(p, stops) {
			f.add(tag, "%s", problem)
		}
		if subject := fmt.Sprintf("%s/%d", p.Subject, p.Seq); owner[p.ID] == "" {
			owner[p.ID] = subject
		} else if owner[p.ID] != subject {
			f.add(tag, "webhook-id %s is used for %s and %s", p.ID, owner[p.ID], subject)
		}
	}
	stored := map[string]int64{}
	if w.Books != nil {
		for _, row := range w.Books.Messages {
			stored[row.Tag] = max(stored[row.Tag], row.Seq)
		}
	}
	for tag, it := range c.All {
		for _, m := range it.Final {
			for _, problem := range untold(stored[tag], m.Status, subjects[m.ID]) {
				f.add(tag, "%s", problem)
			}
		}
	}
	if w.Books != nil {
		f.all = append(f.all, eventGaps(w.Books)...)
	}
	return f.sorted()
}

func (c *Cases) tagOfSubject(subject string) string {
	if it := c.byID[subject]; it != nil {
		return it.Tag
	}
	return subject
}

// afterMend is how long after the database is back something may still come of its absence.
const afterMend = 3 * time.Second

// stops are the times that what was done may not have been written down: a server was certainly down, just before each
// start and once it was killed, or did not move, or the database was away.
func (w World) stops() (all []span) {
	var cut int64
	frozen := map[int]int64{}
	for _, e := range w.Load {
		switch e.Op {
		case "start", "dead":
			all = append(all, span{e.At, e.At})
		case "freeze":
			frozen[e.Node] = e.At
		case "thaw":
			all = append(all, span{frozen[e.Node], e.At})
		case "cut":
			cut = e.At
		case "mend":
			all = append(all, span{cut, e.At + afterMend.Microseconds()})
		}
	}
	return all
}

// unheard is how long after its server's end a customer's answer may still be on its way.
const unheard = 50 * time.Millisecond

func between(stops []span, from, to int64) bool {
	return slices.ContainsFunc(stops, func(s span) bool { return s.to >= from && s.from <= to })
}

// hear judges one post by what came before about the same subject.
func (t *told) hear(p Post, stops []span) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !p.Verified {
		say("event %d: the signature is not valid", p.Seq)
	}
	if p.Previous != p.Seq-1 {
		say("event %d says that %d came before it", p.Seq, p.Previous)
	}
	if id := t.ids[p.Seq]; id != "" && id != p.ID {
		say("event %d came as %s and as %s", p.Seq, id, p.ID)
	}
	if p.Seq > 1 && t.acked[p.Seq-1] == 0 {
		say("event %d came before event %d was done", p.Seq, p.Seq-1)
	}
	if p.Overlaps && !between(stops, p.At-time.Second.Microseconds(), p.At) {
		say("event %d came while another was being answered", p.Seq)
	}
	// An answer right after a stop was to the server that is no more: the next has yet to start.
	if acked := t.acked[p.Seq]; acked != 0 && !between(stops, acked-unheard.Microseconds(), p.At) {
		say("event %d came again after it was acknowledged", p.Seq)
	}
	if before := t.said[p.Seq-1]; follows[before] != nil && !slices.Contains(follows[before], p.Status) {
		say("event %d says %s after %s", p.Seq, p.Status, before)
	}
	t.ids[p.Seq], t.said[p.Seq] = p.ID, p.Status
	if p.Answer/100 == 2 && t.acked[p.Seq] == 0 {
		t.acked[p.Seq] = p.At
	}
	if p.Seq >= t.last.Seq {
		t.last = p
	}
	return problems
}

// untold tells which events of a message the customer has not heard of; stored is the number of the last one.
func untold(stored int64, status string, t *told) (problems []string) {
	if t == nil {
		if stored == 0 && statusNumber[status] < statusNumber["unknown"] {
			return nil // nothing has happened to it yet
		}
		return []string{"the customer heard nothing about it"}
	}
	last := max(stored, t.last.Seq)
	for seq := int64(1); seq <= last; seq++ {
		if t.acked[seq] == 0 {
			problems = append(problems, fmt.Sprintf("event %d of %d never arrived", seq, last))
		}
	}
	if number := statusNumber[status]; number >= statusNumber["unknown"] && t.last.Status != status {
		problems = append(problems, fmt.Sprintf("it is %s, and the last the customer heard is %s", status, t.last.Status))
	}
	return problems
}

// eventGaps: the events of a message are numbered from 1 without a gap up to the message's own number.
func eventGaps(b *Books) []Violation {
	f := found{rule: "C7"}
	for id, m := range b.Messages {
		events := b.Events[id]
		if int64(len(events)) != m.Seq || len(events) > 0 && events[len(events)-1].Seq != m.Seq {
			f.add(m.Tag, "has %d events, and its number is %d", len(events), m.Seq)
		}
	}
	return f.all
}

// firstSend is how soon the network must hear from a product that was started with work to do and says that it is ready;
// where several servers may share a database, each must first see that the one before it is dead.
func (s Setup) firstSend() time.Duration {
	if s.Engine == postgres {
		return 10 * time.Second
	}
	return 2 * time.Second
}

// liveness: the product works again soon after each start, and nothing hangs in the end.
func liveness(w World, c *Cases) []Violation {
	f := found{rule: "C8"}
	for tag, it := range c.All {
		if len(it.Final) > 0 && it.Final[0].Status == "sending" {
			f.add(tag, "still sending after the drain")
		}
	}
	quiet, firstSend := false, w.setup().firstSend()
	for n, e := range w.Load {
		quiet = quiet || e.Op == "quiet" && e.Phase == OK
		if e.Op != "start" || e.Backlog == 0 || w.setup().Nodes > 1 {
			continue
		}
		ready, end := nextOf(w.Load[n+1:], "ready"), nextOf(w.Load[n+1:], "kill", "term")
		took := firstSubmit(w.SMSC, e.At) - ready
		if ready < end && end-ready > firstSend.Microseconds() && took > firstSend.Microseconds() {
			f.add("", "after the start at %s the network heard nothing for %s", clock(e.At), time.Duration(took)*time.Microsecond)
		}
	}
	for _, t := range w.takeovers() {
		if t.took > firstSend {
			f.add("", "after the %s of server %d at %s its lane %d was not worked for %s", t.what, t.node, clock(t.at), t.lane, t.took)
		}
	}
	for _, b := range w.comebacks() {
		if b.took > firstSend {
			f.add("", "after the database was back at %s there was no %s for %s", clock(b.at), b.what, b.took)
		}
	}
	if !quiet {
		f.add("", "the product never came to rest: work is stuck or still runs")
	}
	return f.sorted()
}

// nextOf is when one of the ops happens next; never is far away.
func nextOf(entries []Entry, ops ...string) int64 {
	for _, e := range entries {
		if slices.Contains(ops, e.Op) {
			return e.At
		}
	}
	return 1 << 60
}

func firstSubmit(records []smsc.Record, after int64) int64 {
	for _, r := range records {
		if r.Op == smsc.OpSubmit && r.Time*1000 >= after {
			return r.Time * 1000
		}
	}
	return 1 << 61
}

// grace is how long after a STOP was acknowledged a message that was already on its way may still arrive.
const grace = 500 * time.Millisecond

// optOuts: after a STOP is acknowledged nothing is accepted for its sender, and nothing leaves, until a START.
func optOuts(w World, c *Cases) []Violation {
	f := found{rule: "C10"}
	spans := stopped(w.SMSC)
	for tag, it := range c.All {
		for _, span := range spans[digits(it.To)] {
			for _, s := range it.Submits {
				if at := s.Time * 1000; at > span.from+grace.Microseconds() && at < span.to {
					f.add(tag, "sent %s after the recipient's STOP was acknowledged", time.Duration(at-span.from)*time.Microsecond)
				}
			}
			asked := it.Asked[len(it.Asked)-1]
			for _, answered := range it.Acked {
				if len(it.Asked) == 1 && asked > span.from+1000 && answered < span.to {
					f.add(tag, "accepted after the recipient's STOP was acknowledged")
				}
			}
		}
	}
	return f.sorted()
}

type span struct{ from, to int64 }

// stopped are the times in which a phone had opted out for certain. A STOP that was acknowledged while a START was on its
// way proves nothing, since nobody knows which of the two counted last.
func stopped(records []smsc.Record) map[string][]span {
	spans := map[string][]span{}
	type phone struct {
		stops     map[string]int64 // when each STOP set out, by its id
		starts    int              // on their way
		lastStart int64
	}
	phones := map[string]*phone{}
	for _, r := range records {
		at, number := r.Time*1000, digits(r.From)
		p := phones[number]
		if p == nil {
			p = &phone{stops: map[string]int64{}}
			phones[number] = p
		}
		all := spans[number]
		open := len(all) > 0 && all[len(all)-1].to == 1<<62
		switch {
		case r.Op == smsc.OpInbound && r.Text == "STOP":
			p.stops[r.RemoteID] = at
		case r.Op == smsc.OpInbound && r.Text == "START":
			p.starts++
			p.lastStart = at
			if open {
				all[len(all)-1].to = at
			}
		case r.Op == smsc.OpInboundAck && r.Text == "START":
			p.starts--
		case r.Op == smsc.OpInboundAck && r.Text == "STOP" && r.Status == "ESME_ROK":
			if !open && p.starts == 0 && p.lastStart < p.stops[r.RemoteID] {
				spans[number] = append(all, span{at + 1000, 1 << 62})
			}
		}
	}
	return spans
}
