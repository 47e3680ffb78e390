package smpp

import (
	"strings"
	"time"
)

// receiptWords maps the words of a receipt's text (SMPP 3.4, appendix B) and the spellings that SMSCs really send.
var receiptWords = map[string]State{
	"DELIVRD": StateDelivered, "DELIVERED": StateDelivered,
	"EXPIRED": StateExpired,
	"DELETED": StateDeleted,
	"UNDELIV": StateUndeliverable, "UNDELIVERED": StateUndeliverable, "UNDELIVERABLE": StateUndeliverable, "FAILED": StateUndeliverable,
	"ACCEPTD": StateAccepted, "ACCEPTED": StateAccepted, "ACKED": StateAccepted,
	"ENROUTE": StateEnroute, "BUFFRED": StateEnroute, "BUFFERD": StateEnroute, "BUFFERED": StateEnroute,
	"REJECTD": StateRejected, "REJECTED": StateRejected,
	"UNKNOWN": StateUnknown,
}

// receiptKeys are the fields of the text. The message's own text comes last, and may hold any of them again.
var receiptKeys = [...]string{"id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:"}

const receiptTextKey = "text:"

// parseReceiptText reads what it finds and leaves the rest empty.
func parseReceiptText(raw string, zone *time.Location) Receipt {
	raw = strings.TrimRight(raw, "\x00")
	r := Receipt{Raw: raw}
	head := raw
	if at := findKey(raw, receiptTextKey); at >= 0 {
		head, r.Text = raw[:at], raw[at+len(receiptTextKey):]
	}
	r.ID = receiptField(head, "id:")
	r.ErrorCode = receiptField(head, "err:")
	r.Submitted = receiptDate(receiptField(head, "submit date:"), zone)
	r.Done = receiptDate(receiptField(head, "done date:"), zone)
	if word := receiptField(head, "stat:"); word != "" {
		r.State = receiptState(word)
	}
	return r
}

func receiptState(word string) State {
	if state, ok := receiptWords[strings.ToUpper(word)]; ok {
		return state
	}
	return StateUnknown
}

// findKey is where the key stands at the start of a word, in any case of letters.
func findKey(s, key string) int {
	for at := 0; at+len(key) <= len(s); at++ {
		if (at == 0 || isSpace(s[at-1])) && strings.EqualFold(s[at:at+len(key)], key) {
			return at
		}
	}
	return -1
}

// receiptField is the word after a key, or nothing when the next key follows at once.
func receiptField(head, key string) string {
	at := findKey(head, key)
	if at < 0 {
		return ""
	}
	rest := strings.TrimLeft(head[at+len(key):], " \t")
	for _, other := range receiptKeys {
		if len(rest) >= len(other) && strings.EqualFold(rest[:len(other)], other) {
			return ""
		}
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' })
	if end < 0 {
		return rest
	}
	return rest[:end]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// receiptLayouts are tried in order. A year of four digits cannot pass for the shorter form: its third and fourth
// digit would be a month past 12.
var receiptLayouts = [...]string{"0601021504", "060102150405", "200601021504", "20060102150405"}

func receiptDate(digits string, zone *time.Location) time.Time {
	if !isDigits(digits) {
		return time.Time{}
	}
	for _, layout := range receiptLayouts {
		if len(layout) != len(digits) {
			continue
		}
		if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

// FormatReceipt writes a receipt's text as appendix B of SMPP 3.4 shows it. Dates are in the zone of Submitted and Done.
func FormatReceipt(r Receipt) string {
	delivered := "000"
	if r.State == StateDelivered {
		delivered = "001"
	}
	code := r.ErrorCode
	if code == "" {
		code = "000"
	}
	return "id:" + r.ID + " sub:001 dlvrd:" + delivered +
		" submit date:" + r.Submitted.Format(receiptLayouts[0]) + " done date:" + r.Done.Format(receiptLayouts[0]) +
		" stat:" + stateWords[min(r.State, StateRejected)] + " err:" + code + " text:" + firstRunes(r.Text, 20)
}

var stateWords = [...]string{
	StateNone: "UNKNOWN", StateEnroute: "ENROUTE", StateDelivered: "DELIVRD", StateExpired: "EXPIRED", StateDeleted: "DELETED",
	StateUndeliverable: "UNDELIV", StateAccepted: "ACCEPTD", StateUnknown: "UNKNOWN", StateRejected: "REJECTD",
}

func firstRunes(s string, n int) string {
	for at := range s {
		if n == 0 {
			return s[:at]
		}
		n--
	}
	return s
}
