package trial

import (
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// ending is what becomes of a part.
type ending struct {
	failure      channel.Failure // what Send fails with, when it has a code
	failures     int             // how many tries fail so; 0: all
	silent       bool            // no answer at all
	answer       time.Duration   // before the answer
	receipt      time.Duration   // from the answer to the receipt, beyond the usual
	receiptFirst bool
	receipts     int
	status       message.Status
	reason, code string
	reply        func(text string) string
}

var delivered = ending{receipts: 1, status: message.Delivered, code: "000"}

// endings are the agreed ones, by the last four digits of the recipient.
var endings = map[string]ending{
	"9901": {receipts: 1, status: message.Failed, reason: "undelivered", code: "001"},
	"9902": {failure: channel.Failure{Verdict: channel.Reject, Code: "unknown_number", Native: "0x0000000B"}},
	"9903": but(func(e *ending) {
		e.failure = channel.Failure{Verdict: channel.Retry, Code: "throttled", Native: "0x00000058", Pause: time.Second}
		e.failures = 2
	}),
	"9904": {},
	"9905": but(func(e *ending) { e.receiptFirst = true }),
	"9906": but(func(e *ending) { e.receipt = 10 * time.Second }),
	"9907": but(func(e *ending) { e.receipts = 2 }),
	"9908": but(func(e *ending) {
		e.failure, e.failures = channel.Failure{Verdict: channel.Unsure, Code: "connection_lost"}, 1
	}),
	"9909": but(func(e *ending) { e.answer = 2 * time.Second }),
	"9910": but(func(e *ending) { e.reply = quote }),
	"9911": but(func(e *ending) { e.reply = func(string) string { return "STOP" } }),
	"9912": {silent: true},
}

func but(change func(*ending)) ending {
	e := delivered
	change(&e)
	return e
}

func quote(text string) string {
	runes := []rune(text)
	return "Reply to: " + string(runes[:min(20, len(runes))])
}

func endingOf(to message.Address) ending {
	if n := len(to.Value); n >= 4 {
		if e, ok := endings[to.Value[n-4:]]; ok {
			return e
		}
	}
	return delivered
}
