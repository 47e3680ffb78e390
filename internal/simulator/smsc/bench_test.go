package smsc

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"tidings.dev/internal/smpp"
)

// BenchmarkSubmit is one ESME with a window of 100 in the same process, so it costs both sides.
func BenchmarkSubmit(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkSubmit(b, Config{}, smpp.RegisteredNone) })
	b.Run("receipts", func(b *testing.B) { benchmarkSubmit(b, Config{ReceiptDelay: -1}, smpp.RegisteredFinal) })
	b.Run("receipts after 100 ms", func(b *testing.B) { benchmarkSubmit(b, Config{}, smpp.RegisteredFinal) })
	b.Run("history", func(b *testing.B) {
		benchmarkSubmit(b, Config{History: filepath.Join(b.TempDir(), "history.jsonl")}, smpp.RegisteredNone)
	})
}

func benchmarkSubmit(b *testing.B, config Config, registered byte) {
	s := New(config)
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := smpp.Bind(b.Context(), conn, smpp.BindConfig{SystemID: "bench"}); err != nil {
		b.Fatal(err)
	}
	var open sync.WaitGroup
	open.Add(b.N)
	if registered != 0 {
		open.Add(b.N)
	}
	session := smpp.NewSession(conn, smpp.Config{Window: 100, Handler: func(r *smpp.Request) { r.Respond(smpp.StatusOK, ""); open.Done() }})
	ctx, cancel := context.WithCancel(b.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = session.Run(ctx) }()
	m := &smpp.Message{
		Source: smpp.Address{Addr: "1"}, Dest: smpp.Address{Addr: "491701234567"}, RegisteredDelivery: registered,
		ShortMessage: []byte("Your code is 482913. It is valid for ten minutes."),
	}
	b.ResetTimer()
	b.ReportAllocs()
	left := b.N
	var next func(smpp.Response, error)
	next = func(_ smpp.Response, err error) {
		if err != nil {
			b.Error(err)
		}
		open.Done()
		if left > 0 {
			left--
			if err := session.TryGo(smpp.SubmitSM, m, next); err != nil {
				b.Error(err)
			}
		}
	}
	for range min(100, b.N) {
		left--
	}
	for range min(100, b.N) {
		if err := session.Go(ctx, smpp.SubmitSM, m, next); err != nil {
			b.Fatal(err)
		}
	}
	open.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	cancel()
	<-over
}
