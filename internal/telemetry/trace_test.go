package telemetry_test

import (
	"log/slog"
	"testing"
	"time"

	"tidings.dev/internal/id"
	"tidings.dev/internal/telemetry"
)

func TestTheShareOfTracesIsTheOneAsked(t *testing.T) {
	t.Parallel()
	source := id.NewSource(1)
	for _, percent := range []int{1, 10, 50, 100} {
		tracer, err := telemetry.NewTracer(t.Context(), telemetry.TracerOptions{Endpoint: "http://127.0.0.1:1", Percent: percent, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		const n = 20_000
		taken := 0
		for range n {
			if tracer.Takes(source.Next(time.Now())) {
				taken++
			}
		}
		if want := n * percent / 100; taken < want-want/5-20 || taken > want+want/5+20 {
			t.Errorf("%d of %d, want %d %%", taken, n, percent)
		}
	}
}

// BenchmarkTracingOff: what a part pays where nobody is told.
func BenchmarkTracingOff(b *testing.B) {
	var tracer *telemetry.Tracer
	b.ReportAllocs()
	for i := range b.N {
		if tracer.Takes(int64(i)) {
			b.Fatal("a nil tracer takes it")
		}
	}
}
