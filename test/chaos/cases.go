package main

import (
	"slices"
	"sort"
	"strings"

	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/test/product"
)

// window is how many submits may be without an answer: the bound of what one fault can make uncertain.
const window = 10

// Case is all that is known about one message that the load generator tried to send.
type Case struct {
	Item
	Keys     []string
	Asked    []int64           // when requests for it left
	Acked    map[string]int64  // ids it was accepted under, and when the first yes came
	AckedAs  map[string]string // the Idempotency-Key that each id came for
	Maybe    bool              // a request ended with neither yes nor no
	Refused  string            // the code of a definite no
	CancelOK int64             // when a cancel was granted
	Submits  []smsc.Record     // taken by the network
	Receipts []smsc.Record     // sent by the network
	AckedRcp []smsc.Record     // acknowledged by the product
	Final    []product.Message
}

// effects is how often the network took the message: of a long one, its part that came most often.
func (c *Case) effects() int {
	most := 0
	for _, submits := range c.byPart() {
		most = max(most, len(submits))
	}
	return most
}

func (c *Case) byPart() map[uint8][]smsc.Record {
	parts := map[uint8][]smsc.Record{}
	for _, s := range c.Submits {
		parts[s.Number] = append(parts[s.Number], s)
	}
	return parts
}

func (c *Case) accepted() bool { return len(c.Acked) > 0 }

// Cases are the messages of a run by tag, with what belongs to no message.
type Cases struct {
	All      map[string]*Case
	byTo     map[string]*Case
	byID     map[string]*Case
	Strange  []smsc.Record  // taken by the network, never asked for
	words    map[string]int // how often each phone wrote to us
	answers  map[string]int // and was answered
	Faults   []Fault
	Requests map[int64]Entry // invokes by number
	nodes    int
}

// Fault is something that may leave attempts without a known outcome.
type Fault struct {
	At    int64
	What  string // kill, freeze, cut (of the database), drop, slow
	To    string // of a slow answer: the one recipient it concerns
	Bound int
}

func gather(w World) *Cases {
	c := &Cases{All: map[string]*Case{}, byTo: map[string]*Case{}, byID: map[string]*Case{}, Requests: map[int64]Entry{}, nodes: w.setup().Nodes}
	c.words, c.answers = map[string]int{}, map[string]int{}
	for _, e := range w.Load {
		c.addEntry(e)
	}
	for _, r := range w.SMSC {
		c.addRecord(r)
	}
	for _, m := range w.Final {
		if it := c.All[tagOf(m.Text)]; it != nil {
			it.Final = append(it.Final, m)
			c.byID[m.ID] = it
		}
	}
	sort.SliceStable(c.Faults, func(i, j int) bool { return c.Faults[i].At < c.Faults[j].At })
	return c
}

func (c *Cases) addEntry(e Entry) {
	switch {
	case e.Op == "kill" || e.Op == "freeze":
		c.Faults = append(c.Faults, Fault{At: e.At, What: e.Op, Bound: window})
	case e.Op == "cut":
		c.Faults = append(c.Faults, Fault{At: e.At, What: e.Op, Bound: window * c.nodes})
	case e.Phase == Invoke:
		c.Requests[e.N] = e
		for _, i := range e.Items {
			c.ask(i, e)
		}
	case e.Op == "send" || e.Op == "batch":
		c.answerSend(e)
	case e.Op == "cancel" && e.Phase == OK:
		if it := c.All[e.Tag]; it != nil && it.CancelOK == 0 {
			it.CancelOK = e.At
		}
	}
}

func (c *Cases) ask(i Item, e Entry) {
	it := c.All[i.Tag]
	if it == nil {
		it = &Case{Item: i, Acked: map[string]int64{}, AckedAs: map[string]string{}}
		c.All[i.Tag] = it
		if !isShared(i.To) {
			c.byTo[digits(i.To)] = it
		}
	}
	it.Asked = append(it.Asked, e.At)
	if e.Key != "" {
		it.Keys = append(it.Keys, e.Key)
	}
}

func (c *Cases) answerSend(e Entry) {
	asked := c.Requests[e.N]
	for n, i := range asked.Items {
		it := c.All[i.Tag]
		var got Item
		if n < len(e.Items) {
			got = e.Items[n]
		}
		switch {
		case e.Phase == Info:
			it.Maybe = true
		case e.Phase == Fail:
			it.Refused = e.Code
		case got.ID == "":
			it.Refused = got.Code
		default:
			if it.Acked[got.ID] == 0 {
				it.Acked[got.ID] = e.At
			}
			it.AckedAs[got.ID] = asked.Key
			c.byID[got.ID] = it
		}
	}
}

func (c *Cases) addRecord(r smsc.Record) {
	it := c.All[tagOf(r.Text)]
	if it == nil {
		it = c.byTo[digits(r.To)]
	}
	at := r.Time * 1000
	switch r.Op {
	case smsc.OpDrop:
		if r.To != "" {
			c.Faults = append(c.Faults, Fault{At: at, What: "drop", Bound: window})
		}
	case smsc.OpSubmit:
		if r.Status != "ESME_ROK" {
			return
		}
		if it == nil && slices.Contains(product.Answers, r.Text) {
			c.answers[digits(r.To)]++
			return
		}
		if it == nil {
			c.Strange = append(c.Strange, r)
			return
		}
		it.Submits = append(it.Submits, r)
		if r.Possible || strings.HasSuffix(r.To, slowEnding) {
			c.Faults = append(c.Faults, Fault{At: at, What: "slow", To: r.To, Bound: 1})
		}
	case smsc.OpInbound:
		c.words[digits(r.From)]++
	case smsc.OpReceipt:
		if it != nil {
			it.Receipts = append(it.Receipts, r)
		}
	case smsc.OpReceiptAck:
		if it != nil && r.Status == "ESME_ROK" {
			it.AckedRcp = append(it.AckedRcp, r)
		}
	}
}

func digits(number string) string { return strings.TrimPrefix(number, "+") }

// isShared reports whether a recipient gets several messages, so that the number does not tell which.
func isShared(to string) bool { return isStopper(to) || isRegular(to) }

// Numbers with these endings behave as the table of endings says.
const (
	stopEnding = "9911" // answers STOP to every message
	slowEnding = "9909" // the network answers after 2 s, which is later than the product waits
)

func isStopper(to string) bool { return strings.HasSuffix(to, stopEnding) }
