package serve

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Metrics count what a process does. They outlive a reload of the configuration. They are safe
// for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	fleet    *fleetCache // nil until Register

	steps       *prometheus.CounterVec
	failures    *prometheus.CounterVec
	lastAttempt prometheus.Gauge
	lastSuccess prometheus.Gauge
	leases      prometheus.Gauge
	calls       *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	waits       *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	reloadedAt  prometheus.Gauge
}

// NewMetrics returns metrics of a program of the version, which have counted nothing yet.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(),
		steps:    counter("steps_total", "Steps that ended, by kind and outcome.", "kind", "outcome"),
		failures: counter("failures_total", "Attempts that failed or were refused, by the code of the error.", "code"),
		lastAttempt: oneGauge("last_attempt_timestamp_seconds",
			"When this process last came to the end of an attempt for a domain."),
		lastSuccess: oneGauge("last_success_timestamp_seconds", "The same, of an attempt that succeeded."),
		leases:      oneGauge("leases_held", "Leases on domains that this process holds: domains that it works on."),
		calls: counter("calls_total", "Calls to DNS, keystore, providers and signers, by the code of their error; "+
			"none for success.", "part", "name", "call", "code"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "dkimbot_call_seconds",
			Help: "How long these calls took.", Buckets: []float64{.01, .05, .25, 1, 5, 15, 60, 300}},
			[]string{"part", "name", "call"}),
		waits: counter("rate_limit_wait_seconds_total",
			"How long calls waited for a provider's rate limit.", "name"),
		reloads:    counter("config_reloads_total", "Reloads of the configuration, by outcome.", "outcome"),
		reloadedAt: oneGauge("config_loaded_timestamp_seconds", "When the configuration in use was read."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dkimbot_build_info",
		Help:        "The version of dkimbot and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(build, m.steps, m.failures, m.lastAttempt, m.lastSuccess, m.leases, m.calls, m.seconds,
		m.waits, m.reloads, m.reloadedAt, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dkimbot_" + name, Help: help}, labels)
}

func oneGauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: "dkimbot_" + name, Help: help})
}

// Register adds metrics that are made of what read returns and of how many notices wait, each time
// that somebody asks. Call it once.
func (m *Metrics) Register(read func(context.Context) (Fleet, error), notices func() int, log *slog.Logger) {
	m.reloadedAt.SetToCurrentTime()
	for _, outcome := range []string{"done", "refused"} {
		m.reloads.WithLabelValues(outcome) // Prometheus sees no increase in a series that begins with 1
	}
	m.fleet = newFleetCache(read, log)
	m.registry.MustRegister(&fleetCollector{m.fleet}, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dkimbot_notices_waiting", Help: "Notices that are yet to be delivered."},
		func() float64 { return float64(notices()) }))
}

// ReadAhead reads where the domains stand before somebody asks, and waits for that: until ctx is done, or longest. What
// rotates keys reads and writes the same states, and would slow it down.
func (m *Metrics) ReadAhead(ctx context.Context, longest time.Duration) {
	over := m.fleet.begin()
	if over == nil {
		return
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Step takes account of a step; see engine.Parts.Notify.
func (m *Metrics) Step(e rotate.Event) {
	if e.Outcome != codes.OutcomeBegun {
		m.steps.WithLabelValues(string(e.Kind), string(e.Outcome)).Inc()
	}
}

// Failed takes account of an attempt that failed; see engine.Parts.Failed.
func (m *Metrics) Failed(_ rotate.Event, err error) {
	m.failures.WithLabelValues(string(codeOf(err))).Inc()
	m.lastAttempt.SetToCurrentTime()
}

// Stored takes account of a state that was written; see engine.Parts.Stored.
func (m *Metrics) Stored(_, after rotate.State) {
	m.lastAttempt.SetToCurrentTime()
	if after.Failures == 0 {
		m.lastSuccess.SetToCurrentTime()
	}
}

// Loaded takes account of a configuration that is in use from now on, or was refused.
func (m *Metrics) Loaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues("refused").Inc()
		return
	}
	m.reloads.WithLabelValues("done").Inc()
	m.reloadedAt.SetToCurrentTime()
}

func codeOf(err error) codes.Code { return cmp.Or(fault.CodeOf(err), codes.Error) }

// call takes account of a call that began at the time.
func (m *Metrics) call(part, name, call string, began time.Time, err error) {
	code := ""
	if err != nil {
		code = string(codeOf(err))
	}
	m.calls.WithLabelValues(part, name, call, code).Inc()
	m.seconds.WithLabelValues(part, name, call).Observe(time.Since(began).Seconds())
}
