package whatsapp

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// Op is what a record tells of.
type Op string

// The ops.
const (
	OpLink       Op = "link"
	OpUnlink     Op = "unlink"
	OpLogin      Op = "login"
	OpDrop       Op = "drop"
	OpMessage    Op = "message" // of a linked device, to somebody
	OpReceived   Op = "received"
	OpReceipt    Op = "receipt"     // of a phone, for a linked device
	OpReceiptAck Op = "receipt_ack" // the device has it
	OpInbound    Op = "inbound"     // of a phone, for a linked device
	OpInboundAck Op = "inbound_ack" // the device has it
	OpRead       Op = "read"        // a linked device has read or played what it got
	OpCall       Op = "call"
	OpNotice     Op = "notice_ack" // the device has a notification
)

func opAcknowledged(class string) Op {
	switch class {
	case "message":
		return OpInboundAck
	case "receipt":
		return OpReceiptAck
	}
	return OpNotice
}

// Record is one line of the history.
type Record struct {
	Time   int64  `json:"t"` // Unix milliseconds
	Op     Op     `json:"op"`
	Device string `json:"device,omitempty"` // the JID of the linked device
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"` // a number, or the JID of a group
	ID     string `json:"id,omitempty"`
	Kind   string `json:"kind,omitempty"` // of a message: as the stanza calls it; of a receipt: its type
	Text   string `json:"text,omitempty"`
	Error  string `json:"error,omitempty"` // with which the server refused the message
	Repeat bool   `json:"repeat,omitempty"`
}

// history keeps the newest records.
type history struct {
	keep int

	mu     sync.Mutex
	recent []Record
}

func (h *history) add(r Record) {
	if h.keep == 0 {
		return
	}
	r.Time = time.Now().UnixMilli()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = append(h.recent, r)
	if h.keep > 0 && len(h.recent) > 2*h.keep {
		h.recent = slices.Clone(h.recent[len(h.recent)-h.keep:])
	}
}

func (h *history) records() []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keep > 0 && len(h.recent) > h.keep {
		return slices.Clone(h.recent[len(h.recent)-h.keep:])
	}
	return slices.Clone(h.recent)
}

// History is a copy of the records kept in memory.
func (s *Server) History() []Record { return s.history.records() }

// WriteHistory writes the records kept in memory as JSON lines.
func (s *Server) WriteHistory(w io.Writer) error {
	lines := json.NewEncoder(w)
	for _, r := range s.History() {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
