package media

import (
	"github.com/prometheus/client_golang/prometheus"

	"tidings.dev/internal/telemetry"
)

// meters count files.
type meters struct{ files, bytes, fetches *prometheus.CounterVec }

func newMeters(m *telemetry.Metrics) meters {
	return meters{
		m.Counter("media_files_total", "Files kept, by where they came from.", "origin"),
		m.Counter("media_bytes_total", "Bytes of files kept, by where they came from.", "origin"),
		m.Counter("media_fetches_total", "Files fetched, from addresses that customers gave or from networks.", "origin", "outcome"),
	}
}

func (m meters) took(o Origin, size int64) {
	m.files.WithLabelValues(string(o)).Inc()
	m.bytes.WithLabelValues(string(o)).Add(float64(size))
}

func (m meters) fetched(o Origin, err error) {
	outcome := "kept"
	switch {
	case err != nil && Final(err):
		outcome = "failed"
	case err != nil:
		outcome = "retried"
	}
	m.fetches.WithLabelValues(string(o), outcome).Inc()
}
