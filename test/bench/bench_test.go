package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/smpp"
)

func TestQuartilesLieBetweenSamples(t *testing.T) {
	for _, row := range []struct {
		samples []float64
		want    [3]float64
	}{
		{nil, [3]float64{}},
		{[]float64{7}, [3]float64{7, 7, 7}},
		{[]float64{5, 1, 4, 2, 3}, [3]float64{2, 3, 4}},
		{[]float64{1, 2}, [3]float64{1.25, 1.5, 1.75}},
	} {
		for n, share := range []float64{0.25, 0.5, 0.75} {
			if got := quartile(row.samples, share); got != row.want[n] {
				t.Errorf("%v at %v: %v, want %v", row.samples, share, got, row.want[n])
			}
		}
	}
}

func TestVerdictsArePlain(t *testing.T) {
	for _, row := range []struct {
		figure Figure
		want   string
	}{
		{Figure{Floor: 0.4, Aim: 0.5, Samples: []float64{0.39}}, "MISSED"},
		{Figure{Floor: 0.4, Aim: 0.5, Samples: []float64{0.45}}, "ok"},
		{Figure{Floor: 0.4, Aim: 0.5, Samples: []float64{0.6}}, "aim reached"},
		{Figure{Floor: 160, Aim: 110, Lower: true, Samples: []float64{161}}, "MISSED"},
		{Figure{Floor: 160, Aim: 110, Lower: true, Samples: []float64{120}}, "ok"},
		{Figure{Floor: 160, Aim: 110, Lower: true, Samples: []float64{90}}, "aim reached"},
		{Figure{Samples: []float64{90}}, ""},
	} {
		if got := row.figure.verdict(); got != row.want {
			t.Errorf("%+v: %q, want %q", row.figure, got, row.want)
		}
	}
}

// The driver sends well-formed requests, never one number twice, and counts what is refused.
func TestDriverAgainstAServer(t *testing.T) {
	var seen, refused atomic.Int64
	numbers := make(chan string, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			To   string `json:"to"`
			Text string `json:"text"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.To == "" || r.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("request: %+v, %v", in, err)
		}
		numbers <- in.Text
		if seen.Add(1)%10 == 0 {
			refused.Add(1)
			http.Error(w, "no", http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, strings.Repeat("long enough to be sent in chunks ", 200))
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "end")
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	d := driver{host: host, write: postForm(host, "/tidings/v1/messages", "Bearer key", jsonBody), most: 500, until: time.Now().Add(time.Minute)}
	tally, err := d.run(8)
	if err != nil {
		t.Fatal(err)
	}
	if tally.OK+tally.Bad != 500 || tally.Bad != refused.Load() || !strings.HasPrefix(tally.Sample, "429 no") || tally.P99 < tally.P50 {
		t.Errorf("tally %+v, refused %d", tally, refused.Load())
	}
	close(numbers)
	once := map[string]bool{}
	for n := range numbers {
		if once[n] {
			t.Errorf("%s came twice", n)
		}
		once[n] = true
	}
}

func TestBatchBodyIsABatch(t *testing.T) {
	for _, message := range []form{jsonBody, clicksendBody} {
		var in struct {
			Messages []struct{ To, Text, Body string }
		}
		if err := json.Unmarshal(batchBody(1000, message)(nil, 3), &in); err != nil || len(in.Messages) != 1000 || in.Messages[999].Text+in.Messages[999].Body == "" {
			t.Errorf("%d messages, %v", len(in.Messages), err)
		}
	}
}

// A 200 that took only some of the messages is no good answer.
func TestDriverLooksIntoAnswers(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, `{"queued_count":%d}`, 990+n)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	d := driver{host: host, write: postForm(host, "/", "", jsonBody), holds: `"queued_count":1000`, most: 20, until: time.Now().Add(time.Minute)}
	if tally, err := d.run(1); err != nil || tally.OK != 1 || tally.Bad != 19 {
		t.Errorf("%+v, %v", tally, err)
	}
}

func TestAnswersAreReadWhole(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nabc" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"))
	for _, want := range []struct {
		status int
		body   string
	}{{202, "abc"}, {200, "def"}, {204, ""}} {
		status, body, err := readAnswer(in, nil)
		if err != nil || status != want.status || string(body) != want.body {
			t.Errorf("%d %q %v, want %+v", status, body, err, want)
		}
	}
	if _, _, err := readAnswer(in, nil); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestNetworkAnswersAndReports(t *testing.T) {
	near, far := net.Pipe()
	n := &network{receipts: true}
	go n.serve(far)
	if _, err := smpp.Bind(t.Context(), near, smpp.BindConfig{SystemID: "x"}); err != nil {
		t.Fatal(err)
	}
	reported := make(chan smpp.Receipt, 1)
	session := smpp.NewSession(near, smpp.Config{Handler: func(r *smpp.Request) {
		receipt, _ := smpp.ParseReceipt(r.Message(), smpp.ReceiptOptions{})
		r.Respond(smpp.StatusOK, "")
		reported <- receipt
	}})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = session.Run(ctx) }()
	resp, err := session.Submit(ctx, &smpp.Message{Dest: smpp.Address{Addr: "254710000001"}, RegisteredDelivery: 1, ShortMessage: []byte("x")})
	if err != nil || resp.MessageID != "1" {
		t.Fatalf("%+v %v", resp, err)
	}
	if receipt := <-reported; receipt.ID != "1" || receipt.State != smpp.StateDelivered {
		t.Errorf("receipt %+v", receipt)
	}
	if n.n.Load() != 1 {
		t.Errorf("counted %d", n.n.Load())
	}
	cancel()
	<-over
}

func TestOwnProcessIsMeasured(t *testing.T) {
	if _, err := cpuOf(os.Getpid()); err != nil {
		t.Error(err)
	}
	if resident, err := residentOf(os.Getpid()); err != nil || resident < 1 {
		t.Errorf("%v MB, %v", resident, err)
	}
}
