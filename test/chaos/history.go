package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/test/product"
)

// The files of a run, in its folder. A check needs nothing else.
const (
	loadFile     = "load.jsonl"     // Entry: what the load generator and the nemesis did
	smscFile     = "smsc.jsonl"     // smsc.Record: what the network saw
	customerFile = "customer.jsonl" // Post: what the customer's receiver saw
	sampleFile   = "sample.jsonl"   // Sample: what a soak measured, while it ran
	finalFile    = "final.jsonl"    // product.Message: every message as the API showed it at the end
	databaseFile = "tidings.db"     // a copy of the product's database after it stopped
	secretsFile  = "secrets.json"   // what must not be found in logs and database
)

// logOf is the file of a server's log.
func logOf(node int) string {
	if node == 0 {
		return "product.log"
	}
	return fmt.Sprintf("product-%d.log", node)
}

// Phase is where an operation is: ok is a 2xx, fail is a definite no, info is anything else.
type Phase string

// The phases.
const (
	Invoke Phase = "invoke"
	OK     Phase = "ok"
	Fail   Phase = "fail"
	Info   Phase = "info"
)

// Entry is one line of the load generator's history. An operation has an invoke, written before its request leaves, and
// one more entry with the same number.
type Entry struct {
	At     int64  `json:"at"` // Unix microseconds
	N      int64  `json:"n,omitempty"`
	Op     string `json:"op"` // send batch cancel read; run start ready kill dead term freeze thaw cut mend peak pace quiet
	Phase  Phase  `json:"phase,omitempty"`
	Key    string `json:"key,omitempty"` // Idempotency-Key
	Items  []Item `json:"items,omitempty"`
	ID     string `json:"id,omitempty"` // of the message read or cancelled
	Tag    string `json:"tag,omitempty"`
	Status string `json:"status,omitempty"` // of the message read or cancelled
	HTTP   int    `json:"http,omitempty"`
	Code   string `json:"code,omitempty"` // of a problem
	Error  string `json:"error,omitempty"`

	Node    int      `json:"node,omitempty"`    // the server asked or struck, from 0
	Backlog int      `json:"backlog,omitempty"` // at a fault: accepted and not yet handed over
	Rate    float64  `json:"rate,omitempty"`    // at a fault: accepts a second since the start; of a peak and a pace: messages a second
	Leases  []string `json:"leases,omitempty"`  // at a fault: what the server had of those that nodes share
	Setup   *Setup   `json:"setup,omitempty"`   // of a run
}

// Setup is what a run was done with.
type Setup struct {
	Engine string `json:"engine"`
	Nodes  int    `json:"nodes"`
	Shards int    `json:"shards"`
	Rate   int    `json:"rate"`   // parts a second over all nodes; 0: no limit
	Faults string `json:"faults"` // what is struck: the product or the database
	Bind   string `json:"bind"`   // who opens the channel: one server, or each
	Soak   *Soak  `json:"soak,omitempty"`
}

// Item is one message of a send or batch, and in its answer what became of it.
type Item struct {
	Tag       string `json:"tag"`
	To        string `json:"to,omitempty"`
	OnUnknown string `json:"on_unknown,omitempty"`
	Long      bool   `json:"long,omitempty"`
	ID        string `json:"id,omitempty"`
	Code      string `json:"code,omitempty"`
}

// Post is one webhook as the customer's receiver saw it, written before it was answered.
type Post struct {
	At       int64  `json:"at"` // Unix microseconds
	ID       string `json:"id"` // webhook-id
	Attempt  string `json:"attempt,omitempty"`
	Type     string `json:"type"`
	Subject  string `json:"subject"`
	Seq      int64  `json:"seq"`
	Previous int64  `json:"previous"`
	Status   string `json:"status"`
	Verified bool   `json:"verified"`
	Overlaps bool   `json:"overlaps,omitempty"` // another post about the subject was not answered yet
	Answer   int    `json:"answer"`
}

// History appends lines of JSON to a file.
type History struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func createHistory(path string) (*History, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &History{file: file, out: bufio.NewWriterSize(file, 1<<16)}, nil
}

func (h *History) add(value any) {
	line, err := json.Marshal(value)
	if err != nil { // structs of strings and numbers always marshal
		panic(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = h.out.Write(append(line, '\n')) // a failure sticks and shows at close
}

func (h *History) flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Flush()
}

func (h *History) close() error { return errors.Join(h.flush(), h.file.Close()) }

func now() int64 { return time.Now().UnixMicro() }

// readLines reads JSON lines; a last line without its end is left out.
func readLines[T any](path string) ([]T, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []T
	in := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		var value T
		if err := json.Unmarshal(line, &value); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(all)+1, err)
		}
		all = append(all, value)
	}
}

// World is everything that is known about a run once it is over.
type World struct {
	Load    Entries
	SMSC    []smsc.Record
	Posts   []Post
	Final   []product.Message
	Samples []Sample // of a soak
	Books   *Books   // from the database; nil when there is none
	Leaks   []string // secrets found where they must not be
}

// setup is what the run was done with; runs of before there were several kinds say nothing.
func (w World) setup() Setup {
	for _, e := range w.Load {
		if e.Setup != nil {
			return *e.Setup
		}
	}
	return Setup{Engine: sqlite, Nodes: 1, Shards: 1, Faults: onProduct}
}

// readWorld reads a run's folder.
func readWorld(dir string) (w World, err error) {
	if w.Load, err = readLines[Entry](filepath.Join(dir, loadFile)); err != nil {
		return w, err
	}
	if w.SMSC, err = readLines[smsc.Record](filepath.Join(dir, smscFile)); err != nil {
		return w, err
	}
	if w.Posts, err = readLines[Post](filepath.Join(dir, customerFile)); err != nil {
		return w, err
	}
	if w.Final, err = readLines[product.Message](filepath.Join(dir, finalFile)); err != nil {
		return w, err
	}
	if w.setup().Soak != nil {
		if w.Samples, err = readLines[Sample](filepath.Join(dir, sampleFile)); err != nil {
			return w, err
		}
	}
	if w.Books, err = readBooks(dir); err != nil {
		return w, err
	}
	w.Leaks, err = findLeaks(dir)
	return w, err
}

// The tag of a message is in its text, so that it is found wherever the text is.
const tagMark = "tag="

func textOf(i Item) string {
	text := tagMark + i.Tag + " Your code is 482913. It is valid for ten minutes."
	if i.Long {
		text += strings.Repeat(" Do not tell it to anybody, not even to us.", 3)
	}
	return text
}

func tagOf(text string) string {
	_, rest, found := strings.Cut(text, tagMark)
	if !found {
		return ""
	}
	tag, _, _ := strings.Cut(rest, " ")
	return tag
}
