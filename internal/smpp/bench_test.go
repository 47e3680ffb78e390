package smpp

import (
	"context"
	"fmt"
	"testing"
)

var benchMessage = &Message{
	Source: Address{TONAlphanumeric, NPIUnknown, "ACME"}, Dest: Address{TONInternational, NPIISDN, "491701234567"},
	RegisteredDelivery: RegisteredFinal, ShortMessage: []byte("Your code is 482913. It is valid for ten minutes."),
}

// BenchmarkSubmit keeps a window full over loopback TCP, sending the next message from the end of the last. Both sides
// are in this process, so one operation is the work of an ESME and of an SMSC.
func BenchmarkSubmit(b *testing.B) {
	for _, window := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) { benchmarkSubmit(b, window) })
	}
}

func benchmarkSubmit(b *testing.B, window int) {
	near, far := tcpPair(b)
	ctx, cancel := context.WithCancel(b.Context())
	client := run(ctx, near, Config{Window: window})
	server := run(ctx, far, Config{Handler: func(r *Request) { r.Respond(StatusOK, "0123456789") }})
	b.ReportAllocs()
	b.ResetTimer()
	finished := make(chan struct{})
	answered := 0
	var next func(Response, error)
	sent := window
	next = func(Response, error) {
		if answered++; answered >= b.N {
			close(finished)
			return
		}
		if sent < b.N {
			sent++
			if err := client.TryGo(SubmitSM, benchMessage, next); err != nil {
				b.Error(err)
			}
		}
	}
	for range min(window, b.N) {
		if err := client.Go(ctx, SubmitSM, benchMessage, next); err != nil {
			b.Fatal(err)
		}
	}
	<-finished
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(b.N)/float64(max(1, client.Stats().Writes)), "PDU/write")
	cancel()
	<-client.result
	<-server.result
}

// BenchmarkSubmitBlocking is the same with one goroutine for each slot.
func BenchmarkSubmitBlocking(b *testing.B) {
	near, far := tcpPair(b)
	ctx, cancel := context.WithCancel(b.Context())
	client := run(ctx, near, Config{Window: 10})
	server := run(ctx, far, Config{Handler: func(r *Request) { r.Respond(StatusOK, "0123456789") }})
	b.ReportAllocs()
	b.SetParallelism(5)
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			if _, err := client.Submit(ctx, benchMessage); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	cancel()
	<-client.result
	<-server.result
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	p := PDU{Header: Header{Command: SubmitSM}, Body: benchMessage}
	for b.Loop() {
		dst = Append(dst[:0], p)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	frame := Append(nil, PDU{Header: Header{Command: SubmitSM}, Body: benchMessage})
	for b.Loop() {
		if _, err := Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCountText(b *testing.B) {
	b.ReportAllocs()
	text := times(3, "Your code is 482913. It is valid for ten minutes. ")
	for b.Loop() {
		if _, err := CountText(text, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
