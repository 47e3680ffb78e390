package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/simulator/smsc"
)

// Violation is one promise broken, about one message where there is one.
type Violation struct {
	Rule string
	Tag  string
	Text string
}

func (v Violation) String() string {
	if v.Tag == "" {
		return v.Rule + ": " + v.Text
	}
	return fmt.Sprintf("%s: %s: %s", v.Rule, v.Tag, v.Text)
}

// Rules are the promises that a run is checked for, by their numbers in the harness's plan. C9 is about WhatsApp.
var rules = []struct {
	name  string
	check func(World, *Cases) []Violation
}{
	{"C1 no loss", noLoss},
	{"C2 no invention", noInvention},
	{"C3 duplicates are few and marked", duplicates},
	{"C4 idempotency", idempotency},
	{"C5 receipts count and status never falls back", receipts},
	{"C6 money balances", money},
	{"C7 webhooks are complete and in order", webhooks},
	{"C8 nothing is stuck", liveness},
	{"C10 opt-outs hold", optOuts},
	{"C11 the database is whole", integrity},
	{"C12 no secret leaks", secrets},
	{"C13 a recipient's messages stay in order", order},
	{"C14 the pace is kept", pace},
	{"C15 nothing grows", flat},
}

// Check applies every rule. It is a pure function of what a run left behind.
func Check(w World) []Violation {
	cases := gather(w)
	var all []Violation
	for _, rule := range rules {
		all = append(all, rule.check(w, cases)...)
	}
	return all
}

// found collects violations of one rule in a stable order.
type found struct {
	rule string
	all  []Violation
}

func (f *found) add(tag, format string, args ...any) {
	f.all = append(f.all, Violation{f.rule, tag, fmt.Sprintf(format, args...)})
}

func (f *found) sorted() []Violation {
	slices.SortStableFunc(f.all, func(a, b Violation) int { return strings.Compare(a.Tag, b.Tag) })
	return f.all
}

var endsWithoutSending = []string{"cancelled", "expired", "blocked"}

// noLoss: what was accepted was handed to the network, or ended with a reason.
func noLoss(_ World, c *Cases) []Violation {
	f := found{rule: "C1"}
	for tag, it := range c.All {
		if !it.accepted() {
			continue
		}
		if len(it.Final) == 0 {
			f.add(tag, "accepted and gone")
			continue
		}
		m := it.Final[0]
		if it.Acked[m.ID] == 0 {
			f.add(tag, "accepted under another id than the one that is there, %s", m.ID)
		}
		switch {
		case m.Status == "sent" || m.Status == "delivered" || m.Status == "read":
			if want := parts(it); len(it.byPart()) < want {
				f.add(tag, "is %s, and the network saw %d of %d parts", m.Status, len(it.byPart()), want)
			}
		case m.Status == "failed" && m.Reason == "":
			f.add(tag, "failed without a reason")
		case m.Status == "unknown" || m.Status == "failed" || slices.Contains(endsWithoutSending, m.Status):
		default:
			f.add(tag, "accepted, and still %s after the drain", m.Status)
		}
	}
	return f.sorted()
}

func parts(it *Case) int {
	if it.Long {
		return 2
	}
	return 1
}

// noInvention: the network saw only what was asked for, with the right text and recipient.
func noInvention(_ World, c *Cases) []Violation {
	f := found{rule: "C2"}
	for _, r := range c.Strange {
		f.add("", "the network took a message nobody sent: to %s", r.To)
	}
	for phone, n := range c.answers {
		if n > c.words[phone] {
			f.add("", "%s wrote %d times and was answered %d times", phone, c.words[phone], n)
		}
	}
	for tag, it := range c.All {
		refused := it.Refused != "" && !it.accepted() && !it.Maybe
		if refused && len(it.Final) > 0 {
			f.add(tag, "refused (%s) and stored", it.Refused)
		}
		if refused && len(it.Submits) > 0 {
			f.add(tag, "refused (%s) and sent", it.Refused)
		}
		for _, s := range it.Submits {
			if digits(s.To) != digits(it.To) {
				f.add(tag, "sent to %s, not to %s", s.To, it.To)
			}
			if text := textOf(it.Item); !it.Long && s.Text != text || it.Long && !strings.Contains(text, s.Text) {
				f.add(tag, "sent with another text")
			}
		}
		if it.CancelOK != 0 && len(it.Submits) > 0 {
			f.add(tag, "cancelled and sent")
		}
	}
	return f.sorted()
}

// lag is how late the network may record what left the product before a fault.
const lag = 100 * time.Millisecond

// duplicates: a message goes out twice only around a fault, never if it asked not to, always marked, and each fault
// accounts for at most its bound. Messages whose outcome stays unknown count against the same bound.
func duplicates(w World, c *Cases) []Violation {
	f := found{rule: "C3"}
	blamed := make([]int, len(c.Faults))
	unsure, bound := 0, 0
	for tag, it := range c.All {
		marked := len(it.Final) > 0 && it.Final[0].Duplicate
		if len(it.Final) > 0 && (it.Final[0].Status == "unknown" || marked) {
			unsure++
		}
		extra := it.effects() - 1
		if extra < 1 {
			continue
		}
		if it.OnUnknown == "hold" {
			f.add(tag, "asked to hold and was sent %d times", extra+1)
		}
		if extra > 1 {
			f.add(tag, "sent %d times", extra+1)
		}
		if !marked {
			f.add(tag, "sent twice and not marked possible_duplicate")
		}
		if n := c.blame(it); n < 0 {
			f.add(tag, "sent twice without a fault between")
		} else {
			blamed[n]++
		}
	}
	for n, fault := range c.Faults {
		bound += fault.Bound
		if blamed[n] > fault.Bound {
			f.add("", "%d messages were sent twice around the %s at %s; the bound is %d", blamed[n], fault.What, clock(fault.At), fault.Bound)
		}
	}
	if unsure > bound {
		f.add("", "%d messages are unknown or possibly doubled; %d faults allow %d", unsure, len(c.Faults), bound)
	}
	f.all = append(f.all, doubts(w)...)
	return f.sorted()
}

// blame is the fault that a repeated message can be put down to, the nearest to its first submit, or -1.
func (c *Cases) blame(it *Case) int {
	nearest, distance := -1, int64(1<<62)
	for _, submits := range it.byPart() {
		if len(submits) < 2 {
			continue
		}
		first, second := submits[0].Time*1000, submits[1].Time*1000
		for n, fault := range c.Faults {
			mine := fault.To == "" || digits(fault.To) == digits(it.To)
			if away := max(fault.At-first, first-fault.At); mine && fault.At >= first-lag.Microseconds() && fault.At <= second && away < distance {
				nearest, distance = n, away
			}
		}
	}
	return nearest
}

// idempotency: one key is one request with one message for each of its items.
func idempotency(w World, c *Cases) []Violation {
	f := found{rule: "C4"}
	for tag, it := range c.All {
		if len(it.Acked) > 1 {
			f.add(tag, "accepted under %d ids", len(it.Acked))
		}
		if len(it.Final) > 1 {
			f.add(tag, "stored %d times", len(it.Final))
		}
	}
	bodies := map[string]string{}
	for _, e := range w.Load {
		if e.Phase != OK || e.Op != "send" && e.Op != "batch" {
			continue
		}
		asked := c.Requests[e.N]
		if asked.Key == "" || len(asked.Items) == 0 {
			continue
		}
		first, seen := bodies[asked.Key]
		if seen && first != asked.Items[0].Tag {
			f.add(asked.Items[0].Tag, "accepted under a key that another body had used")
		}
		bodies[asked.Key] = asked.Items[0].Tag
	}
	return f.sorted()
}

// receipts: every receipt that the product acknowledged shows in the end, none is made up, and no reader ever saw a
// message fall back.
func receipts(w World, c *Cases) []Violation {
	f := found{rule: "C5"}
	for tag, it := range c.All {
		if len(it.Final) == 0 || it.Final[0].Status == "unknown" || it.Long && it.Final[0].Duplicate {
			continue
		}
		status, states := it.Final[0].Status, statesByPart(it.AckedRcp)
		switch {
		case it.effects() > 1 && status == "failed" && slices.ContainsFunc(it.AckedRcp, undelivered):
			// Only one of its attempts is known by its id; a receipt of the other finds nobody.
		case len(states) == parts(it) && allDelivered(states) && status != "delivered" && status != "read":
			f.add(tag, "the network reported it delivered and was acknowledged; it is %s", status)
		case anyFailed(states) && status != "failed":
			f.add(tag, "the network reported it undelivered and was acknowledged; it is %s", status)
		case status == "delivered" && !allDelivered(statesByPart(it.Receipts)):
			f.add(tag, "delivered, and the network never said so")
		}
	}
	f.all = append(f.all, fallBacks(w, c)...)
	return f.sorted()
}

// statesByPart tells of each part whether any of its receipts said delivered.
func statesByPart(records []smsc.Record) map[uint8]bool {
	states := map[uint8]bool{}
	for _, r := range records {
		states[r.Number] = states[r.Number] || r.State == "delivered"
	}
	return states
}

func undelivered(r smsc.Record) bool { return r.State != "delivered" }

func allDelivered(states map[uint8]bool) bool {
	for _, delivered := range states {
		if !delivered {
			return false
		}
	}
	return len(states) > 0
}

func anyFailed(states map[uint8]bool) bool { return len(states) > 0 && !allDelivered(states) }

// follows are the statuses that may be seen after one that is not waiting.
var follows = map[string][]string{
	"unknown":   {"queued", "sending", "unknown", "sent", "failed", "delivered", "read"},
	"sent":      {"sent", "failed", "delivered", "read"},
	"failed":    {"failed", "delivered", "read"},
	"delivered": {"delivered", "read"},
	"read":      {"read"},
	"cancelled": {"cancelled"},
	"expired":   {"expired"},
	"blocked":   {"blocked"},
}

func fallBacks(w World, c *Cases) []Violation {
	f := found{rule: "C5"}
	type seen struct {
		at     int64
		status string
	}
	last := map[string]seen{}
	judge := func(tag string, asked, answered int64, status string) {
		before, known := last[tag]
		if known && before.at < asked {
			if allowed, bound := follows[before.status]; bound && !slices.Contains(allowed, status) {
				f.add(tag, "was %s, then %s", before.status, status)
			}
		}
		if !known || before.at < asked {
			last[tag] = seen{answered, status}
		}
	}
	for _, e := range w.Load {
		if e.Op == "read" && e.Phase == OK {
			judge(e.Tag, c.Requests[e.N].At, e.At, e.Status)
		}
		if e.Op == "read" && e.Phase == Fail && e.HTTP == 404 {
			f.add(e.Tag, "accepted, and a read did not find it")
		}
	}
	for tag, it := range c.All {
		if len(it.Final) > 0 {
			judge(tag, 1<<62, 1<<62, it.Final[0].Status)
		}
	}
	return f.all
}

// integrity: the database is not damaged and no row belongs to nothing.
func integrity(w World, _ *Cases) []Violation {
	f := found{rule: "C11"}
	if w.Books == nil {
		return nil
	}
	for _, problem := range slices.Concat(w.Books.Integrity, w.Books.Orphans) {
		f.add("", "%s", problem)
	}
	return f.all
}

func secrets(w World, _ *Cases) []Violation {
	f := found{rule: "C12"}
	for _, leak := range w.Leaks {
		f.add("", "%s", leak)
	}
	return f.all
}

func clock(at int64) string { return time.UnixMicro(at).UTC().Format("15:04:05.000000") }
