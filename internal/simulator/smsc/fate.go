package smsc

import (
	"fmt"
	"time"

	"tidings.dev/internal/smpp"
)

// fate is what becomes of a submit.
type fate struct {
	status       smpp.Status
	state        smpp.State // in the receipt
	drop         bool       // the connection is cut before an answer; the message is not taken
	silent       bool       // the message is taken and no answer comes
	garbled      bool       // and octets that are no PDU instead
	answerDelay  time.Duration
	receiptDelay time.Duration
	receiptFirst bool
	noReceipt    bool
	repeat       int // further receipts
	reply        func(text string) string
}

var delivered = fate{state: smpp.StateDelivered}

// endings are the fates by the last four digits of the recipient, the same in every simulator. 9903 and 9908 depend on
// how often the text has come; 9913 means nothing to an SMSC.
var endings = map[string]fate{
	"9901": {state: smpp.StateUndeliverable},
	"9902": {status: smpp.StatusInvalidDestination},
	"9903": {status: smpp.StatusThrottled},
	"9904": {state: smpp.StateDelivered, noReceipt: true},
	"9905": {state: smpp.StateDelivered, receiptFirst: true},
	"9906": {state: smpp.StateDelivered, receiptDelay: 10 * time.Second},
	"9907": {state: smpp.StateDelivered, repeat: 1},
	"9908": {drop: true},
	"9909": {state: smpp.StateDelivered, answerDelay: 2 * time.Second},
	"9910": {state: smpp.StateDelivered, reply: quote},
	"9911": {state: smpp.StateDelivered, reply: func(string) string { return "STOP" }},
	"9912": {state: smpp.StateDelivered, silent: true, noReceipt: true},
}

// triesUntilTaken is how often a text to such a number fails before it is taken.
var triesUntilTaken = map[string]int{"9903": 2, "9908": 1}

func quote(text string) string {
	runes := []rune(text)
	return "Reply to: " + string(runes[:min(20, len(runes))])
}

// fateOf looks at the ending, and else rolls the dice.
func (s *SMSC) fateOf(to string, part smpp.Part) fate {
	if len(to) < 4 {
		return s.dice.roll()
	}
	ending := to[len(to)-4:]
	f, ok := endings[ending]
	if !ok {
		return s.dice.roll()
	}
	if fails := triesUntilTaken[ending]; fails > 0 && s.try(to, part) > fails {
		return delivered
	}
	return f
}

// try counts how often this part of this text has come for this recipient, whatever its reference.
func (s *SMSC) try(to string, part smpp.Part) int {
	key := fmt.Sprintf("%s %d/%d %s", to, part.Concat.Number, part.Concat.Total, part.Text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[key]++
	return s.tries[key]
}
