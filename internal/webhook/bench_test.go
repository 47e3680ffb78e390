package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store/storetest"
)

// unsigned is the native dialect without what its signature costs.
type unsigned struct{ native }

func (unsigned) Request(p Post) (Request, error) {
	body, err := wrap(p)
	return Request{Header: headers(p, "v1,"+strings.Repeat("A", 44)), Body: body}, err
}

// BenchmarkPost renders one event and posts it over loopback, 16 at a time: signed and unsigned in turns, since what the
// machine does besides changes from second to second.
func BenchmarkPost(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(sink.Close)
	s := startOn(b, storetest.Options(b), map[string]Dialect{"unsigned": unsigned{}})
	var to [2]*endpoint
	for i, dialect := range []string{Native, "unsigned"} {
		e, _ := s.endpoint(Endpoint{URL: sink.URL, Dialect: dialect})
		book, err := s.endpoints.Get(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		to[i] = book.lanes[laneOf(e.ID)]
	}
	s.happen(alice, 1, 1, event.Sent, event.Delivered)
	const chunk = 4096
	var took [2]time.Duration
	b.ReportAllocs()
	for done := 0; done < b.N; done += chunk {
		for i := range to {
			began := time.Now()
			s.posts16(to[i], min(chunk, b.N-done))
			took[i] += time.Since(began)
		}
	}
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "signed/unsigned")
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "signed/s")
}

// posts16 makes n posts, 16 at a time.
func (s *server) posts16(to *endpoint, n int) {
	var running sync.WaitGroup
	for range perLane {
		running.Go(func() {
			t := &queue.Task{Job: queue.Job{Subject: 1, Account: alice}}
			for range n / perLane {
				if a := s.attempt(s.t.Context(), t, &try{ticket: ticket{seq: 2}, to: to}); a.outcome != success {
					s.t.Error(a.problem)
				}
			}
		})
	}
	running.Wait()
}
