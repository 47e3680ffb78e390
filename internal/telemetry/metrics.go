package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "tidings"

// Metrics is one server's set of metrics. Parts declare theirs where they count and are handed a Metrics to declare them in;
// a nil Metrics takes them and shows them nowhere, which is what most tests want.
type Metrics struct{ registry *prometheus.Registry }

// NewMetrics returns a set that already holds those of the Go runtime and the process.
func NewMetrics() *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return &Metrics{registry}
}

// Counter declares a number that only grows; its name ends in _total. Labels have few values: never an id or an address.
func (m *Metrics) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	return m.factory().NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// Gauge declares a number that rises and falls.
func (m *Metrics) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return m.factory().NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// GaugeFunc declares a number that is asked for when someone looks.
func (m *Metrics) GaugeFunc(name, help string, value func() float64) {
	m.factory().NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value)
}

// Histogram declares how a value is spread; its name ends in its unit. Durations are in seconds.
func (m *Metrics) Histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	options := prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
	return m.factory().NewHistogramVec(options, labels)
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func (m *Metrics) factory() promauto.Factory {
	if m == nil {
		return promauto.With(nil)
	}
	return promauto.With(m.registry)
}
