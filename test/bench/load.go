package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Tally is what a load driver has seen.
type Tally struct {
	OK      int64   `json:"ok"`      // messages that were answered with a 2xx
	Bad     int64   `json:"bad"`     // requests that were not
	Seconds float64 `json:"seconds"` // from the first request to the last answer
	P50     float64 `json:"p50_us"`
	P95     float64 `json:"p95_us"`
	P99     float64 `json:"p99_us"`
	Sample  string  `json:"sample,omitempty"` // of a bad answer
}

func (t Tally) rate() float64 { return float64(t.OK) / t.Seconds }

// form is how a request is written; n counts requests.
type form func(dst []byte, n int64) []byte

const sampleText = "Your code is 482913. It is valid for ten minutes."

// recipient is one of a million numbers of its own, none with a special ending.
func recipient(n int64) string { return fmt.Sprintf("+25471%03d%04d", n/9000%1000, n%9000) }

func jsonBody(dst []byte, n int64) []byte {
	return fmt.Appendf(dst, `{"to":"%s","from":"ACME","text":"m%07d %s"}`, recipient(n), n%10_000_000, sampleText)
}

// postForm writes a POST of JSON with what proves who asks.
func postForm(host, path, authorization string, body form) form {
	return func(dst []byte, n int64) []byte {
		text := body(nil, n)
		dst = fmt.Appendf(dst, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			path, host, authorization, len(text))
		return append(dst, text...)
	}
}

// clicksendBody is a message as the clicksend surface has it.
func clicksendBody(dst []byte, n int64) []byte {
	return fmt.Appendf(dst, `{"to":"%s","from":"ACME","body":"m%07d %s"}`, recipient(n), n%10_000_000, sampleText)
}

func batchBody(size int64, message form) form {
	return func(dst []byte, n int64) []byte {
		dst = append(dst, `{"messages":[`...)
		for i := range size {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = message(dst, n*size+i)
		}
		return append(dst, `]}`...)
	}
}

// kannelForm writes Kannel's GET; with a callback it asks for delivery reports.
func kannelForm(host, callback string) form {
	return func(dst []byte, n int64) []byte {
		dst = fmt.Appendf(dst, "GET /cgi-bin/sendsms?username=u&password=p&from=ACME&to=%s&text=m%07d+Your+code+is+482913.+It+is+valid+for+ten+minutes.%s",
			recipient(n)[1:], n%10_000_000, callback)
		return fmt.Appendf(dst, " HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	}
}

// loadMain drives one server from a process of its own and prints a Tally.
func loadMain(args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	host := flags.String("host", "", "host:port")
	kind := flags.String("kind", "json", "json, batch, clicksend or kannel")
	key := flags.String("key", "none", "API key")
	username := flags.String("username", "", "whose key it is, for clicksend")
	callback := flags.String("callback", "", "what kannel's request ends with")
	connections := flags.Int("connections", 64, "kept alive, one request at a time on each")
	last := flags.Duration("for", 2*time.Second, "how long")
	most := flags.Int64("most", 1<<62, "how many requests at most")
	start := flags.Int64("start", 0, "the number of the first request")
	if err := flags.Parse(args); err != nil {
		return err
	}
	size, holds := int64(1), ""
	var write form
	switch *kind {
	case "json":
		write = postForm(*host, "/tidings/v1/messages", "Bearer "+*key, jsonBody)
	case "batch":
		size = 1000
		write = postForm(*host, "/tidings/v1/messages/batch", "Bearer "+*key, batchBody(size, jsonBody))
	case "clicksend":
		size, holds = 1000, `"queued_count":1000`
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(*username+":"+*key))
		write = postForm(*host, "/v3/sms/send", basic, batchBody(size, clicksendBody))
	case "kannel":
		write = kannelForm(*host, *callback)
	default:
		return fmt.Errorf("no kind %q", *kind)
	}
	d := driver{host: *host, write: write, holds: holds, most: *start + *most, until: time.Now().Add(*last)}
	d.next.Store(*start)
	t, err := d.run(*connections)
	if err != nil {
		return err
	}
	t.OK *= size
	return json.NewEncoder(os.Stdout).Encode(t)
}

// driver keeps connections busy until a time or a number is reached.
type driver struct {
	host  string
	write form
	holds string // what a good answer has in its body besides its status
	most  int64
	until time.Time
	next  atomic.Int64

	mu     sync.Mutex
	took   []time.Duration
	bad    int64
	sample string
}

func (d *driver) run(connections int) (Tally, error) {
	started := time.Now()
	problems := make([]error, connections)
	var all sync.WaitGroup
	for n := range connections {
		all.Go(func() { problems[n] = d.connection() })
	}
	all.Wait()
	t := Tally{OK: int64(len(d.took)), Bad: d.bad, Seconds: time.Since(started).Seconds(), Sample: d.sample}
	slices.Sort(d.took)
	if len(d.took) > 0 {
		t.P50 = float64(d.took[len(d.took)/2].Microseconds())
		t.P95 = float64(d.took[len(d.took)*95/100].Microseconds())
		t.P99 = float64(d.took[len(d.took)*99/100].Microseconds())
	}
	return t, errors.Join(problems...)
}

func (d *driver) connection() error {
	conn, err := net.Dial("tcp", d.host)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 8<<10)
	var out, body []byte
	var took []time.Duration
	var bad int64
	sample := ""
	for time.Now().Before(d.until) {
		n := d.next.Add(1) - 1
		if n >= d.most {
			break
		}
		out = d.write(out[:0], n)
		started := time.Now()
		if _, err := conn.Write(out); err != nil {
			return err
		}
		var status int
		if status, body, err = readAnswer(in, body[:0]); err != nil {
			return fmt.Errorf("answer %d: %w", n, err)
		}
		if status/100 == 2 && bytes.Contains(body, []byte(d.holds)) {
			took = append(took, time.Since(started))
			continue
		}
		bad++
		sample = fmt.Sprintf("%d %.300s", status, body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took = append(d.took, took...)
	d.bad += bad
	if sample != "" {
		d.sample = sample
	}
	return nil
}

// readAnswer reads one HTTP/1.1 answer with just enough of the protocol: a length or chunks.
func readAnswer(in *bufio.Reader, body []byte) (status int, _ []byte, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, body, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, body, fmt.Errorf("not HTTP: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, body, err
	}
	length, chunked := 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, body, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, body, err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		}
	}
	if !chunked {
		body, err = readN(in, body, length)
		return status, body, err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, body, err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
		if err != nil {
			return 0, body, err
		}
		if body, err = readN(in, body, int(size)); err != nil {
			return 0, body, err
		}
		if _, err := in.Discard(2); err != nil {
			return 0, body, err
		}
		if size == 0 {
			return status, body, nil
		}
	}
}

func readN(in io.Reader, body []byte, n int) ([]byte, error) {
	body = append(body, make([]byte, n)...)
	_, err := io.ReadFull(in, body[len(body)-n:])
	return body, err
}
