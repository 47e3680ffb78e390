package smsc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Op is what a record tells of.
type Op string

// The ops.
const (
	OpBind       Op = "bind"
	OpUnbind     Op = "unbind"
	OpDrop       Op = "drop" // a connection was cut; with a recipient: by a submit, which was not taken
	OpSubmit     Op = "submit"
	OpReceipt    Op = "receipt"
	OpReceiptAck Op = "receipt_ack"
	OpInbound    Op = "inbound"
	OpInboundAck Op = "inbound_ack"
)

// Record is one line of the history. Each part of a long text has its own.
type Record struct {
	Time     int64  `json:"t"` // Unix milliseconds
	Op       Op     `json:"op"`
	SystemID string `json:"system_id"`
	RemoteID string `json:"remote_id,omitempty"` // as in the answer to the submit
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Text     string `json:"text,omitempty"`
	Ref      uint16 `json:"ref,omitempty"`
	Total    uint8  `json:"total,omitempty"`
	Number   uint8  `json:"number,omitempty"`
	Status   string `json:"status,omitempty"` // ESME_ROK and so on: ours for a submit, the ESME's for an ack
	State    string `json:"state,omitempty"`
	Possible bool   `json:"possible,omitempty"` // taken, though the ESME is not told
}

// history keeps records in a file, in memory, in both or nowhere. Records that come while a write runs share the next.
type history struct {
	file *os.File
	keep int
	wake chan struct{}
	end  chan struct{}
	work sync.WaitGroup

	mu     sync.Mutex
	recent []Record
	lines  []byte
	then   []func()
	failed error
}

func openHistory(path string, keep int) (*history, error) {
	h := &history{keep: keep, wake: make(chan struct{}, 1), end: make(chan struct{})}
	if path == "" {
		return h, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	h.file = file
	h.work.Go(h.write)
	return h, nil
}

// add records, and calls then once the record is with the operating system: what it tells has not happened before.
func (h *history) add(r Record, then func()) {
	if h.off() {
		call(then)
		return
	}
	r.Time = time.Now().UnixMilli()
	h.mu.Lock()
	h.remember(r)
	if h.file == nil {
		h.mu.Unlock()
		call(then)
		return
	}
	h.lines = append(appendJSON(h.lines, r), '\n')
	if then != nil {
		h.then = append(h.then, then)
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// off tells whether nothing is recorded at all.
func (h *history) off() bool { return h.file == nil && h.keep == 0 }

func call(then func()) {
	if then != nil {
		then()
	}
}

func appendJSON(dst []byte, r Record) []byte {
	line, err := json.Marshal(r)
	if err != nil { // a struct of strings and numbers always marshals
		panic(err)
	}
	return append(dst, line...)
}

// remember forgets the oldest in blocks, so that it costs little.
func (h *history) remember(r Record) {
	if h.keep == 0 {
		return
	}
	h.recent = append(h.recent, r)
	if h.keep > 0 && len(h.recent) > 2*h.keep {
		h.recent = slices.Clone(h.recent[len(h.recent)-h.keep:])
	}
}

func (h *history) write() {
	for {
		select {
		case <-h.wake:
			h.flush()
		case <-h.end:
			for h.flush() {
			}
			return
		}
	}
}

// flush writes what has gathered and tells whether there was any. It does not let anything happen that could not be recorded: a full disk stops the simulation.
func (h *history) flush() bool {
	h.mu.Lock()
	lines, then := h.lines, h.then
	h.lines, h.then = nil, nil
	h.mu.Unlock()
	if len(lines) == 0 {
		return false
	}
	if _, err := h.file.Write(lines); err != nil {
		h.mu.Lock()
		h.failed = errors.Join(h.failed, fmt.Errorf("write history: %w", err))
		h.mu.Unlock()
		return true
	}
	for _, next := range then {
		next()
	}
	return true
}

func (h *history) close() error {
	if h.file == nil {
		return nil
	}
	close(h.end)
	h.work.Wait()
	return errors.Join(h.failed, h.file.Close())
}

func (h *history) records() []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keep > 0 && len(h.recent) > h.keep {
		return slices.Clone(h.recent[len(h.recent)-h.keep:])
	}
	return slices.Clone(h.recent)
}

func (h *history) writeTo(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, r := range h.records() {
		if _, err := out.Write(append(appendJSON(nil, r), '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

// ReadHistory reads the lines that a simulation wrote. A last line without its end is left out: the process was killed
// while it wrote, before anybody heard of it.
func ReadHistory(r io.Reader) ([]Record, error) {
	var records []Record
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		var record Record
		if err := json.Unmarshal(line, &record); err != nil {
			return records, fmt.Errorf("line %d: %w", len(records)+1, err)
		}
		records = append(records, record)
	}
}
