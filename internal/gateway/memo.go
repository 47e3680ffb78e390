package gateway

import (
	"strconv"
	"strings"
	"time"
)

// memo is what the job of a message remembers beside its step, as its data: "s3@1700000000000?" for all of it.
type memo struct {
	spare bool      // s: other default channels may carry the message
	tries int       // so often in a row the network did not take the part
	asked time.Time // @: when a network that knows ids again was given the part first, and nobody knows whether it took it
	waits bool      // ?: nobody knows whether the network has the part, and the wait for a receipt that tells ends with the next step
}

// spareMark is the memo of a message that was not tried yet, where other default channels may carry it.
const spareMark = "s"

// readMemo reads what String wrote.
func readMemo(text string) (m memo) {
	text, m.spare = strings.CutPrefix(text, spareMark)
	text, m.waits = strings.CutSuffix(text, "?")
	tries, asked, _ := strings.Cut(text, "@")
	m.tries, _ = strconv.Atoi(tries) // none: 0
	if ms, err := strconv.ParseInt(asked, 10, 64); err == nil {
		m.asked = moment(ms)
	}
	return m
}

// String is the memo as a job keeps it.
func (m memo) String() string {
	text := ""
	if m.spare {
		text = spareMark
	}
	if m.tries > 0 {
		text += strconv.Itoa(m.tries)
	}
	if !m.asked.IsZero() {
		text += "@" + strconv.FormatInt(m.asked.UnixMilli(), 10)
	}
	if m.waits {
		text += "?"
	}
	return text
}
