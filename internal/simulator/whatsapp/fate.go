package whatsapp

import (
	"time"
)

// fate is what becomes of a message to somebody whom nobody has in hand.
type fate struct {
	code         string // with which the server refuses it
	drop         bool   // the connection is cut before an answer; the message is not taken
	silent       bool   // the message is taken and no answer comes
	lost         bool   // it never reaches the phone
	mute         bool   // the phone says nothing of it
	answerDelay  time.Duration
	receiptDelay time.Duration
	receiptFirst bool
	repeat       int // further receipts of each kind
	reply        func(text string) string
}

// endings are the fates by the last four digits of the recipient's number, the same in every simulator. WhatsApp has no word for
// undelivered: such a message is taken and never heard of again. 9903 and 9908 depend on how often the sender has tried.
var endings = map[string]fate{
	"9901": {lost: true},
	"9902": {code: "400"},
	"9903": {code: "429"},
	"9904": {mute: true},
	"9905": {receiptFirst: true},
	"9906": {receiptDelay: 10 * time.Second},
	"9907": {repeat: 1},
	"9908": {drop: true},
	"9909": {answerDelay: 2 * time.Second},
	"9910": {reply: quote},
	"9911": {reply: func(string) string { return "STOP" }},
	"9912": {silent: true, mute: true},
}

// notOnWhatsApp is the ending of numbers that are nobody's.
const notOnWhatsApp = "9913"

// triesUntilTaken is how often an account fails to send to such a number before a message is taken, over and over.
var triesUntilTaken = map[string]int{"9903": 2, "9908": 1}

func quote(text string) string {
	runes := []rune(text)
	return "Reply to: " + string(runes[:min(20, len(runes))])
}

func ending(number string) string { return number[max(0, len(number)-4):] }

// fateOf looks at the ending of a recipient's number. The caller holds the lock.
func (s *Server) fateOf(to *Phone, from *Device) fate {
	if to == nil || !to.automatic {
		return fate{}
	}
	last := ending(to.number)
	if fails := triesUntilTaken[last]; fails > 0 {
		key := from.phone.number + " " + to.number
		s.tries[key]++
		if s.tries[key] > fails {
			delete(s.tries, key)
			return fate{}
		}
	}
	return endings[last]
}
