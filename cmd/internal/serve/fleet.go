package serve

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// Fleet is where all domains stand.
type Fleet struct {
	States   []rotate.State // of those that the configuration lists; of those that Add added, the gist
	Unlisted []rotate.State

	oldest time.Time // when the oldest key that signs was made, of the domains that Add added
}

// Add adds the state of a domain that the configuration lists, and keeps no more of it than metrics and lists need: a
// fleet stays in memory between two questions.
func (f *Fleet) Add(st rotate.State, now time.Time) {
	f.oldest = earlier(f.oldest, oldestOf(st))
	f.States = append(f.States, report.Gist(st, now))
}

// oldestOf returns when the key that signs was made; the zero time where that is not known.
func oldestOf(st rotate.State) (at time.Time) {
	if s := st.Selectors[st.Active]; s != nil && s.Key != nil {
		at = s.Key.StoredAt
	}
	return at
}

// Metrics of the fleet.
var (
	domains  = about("domains", "Domains by the phase that they are in.", "phase")
	failing  = about("domains_failing", "Domains whose last attempt failed, by the code of the error.", "code")
	drifting = about("domains_drifting",
		"Domains for which something was not as it should be, by the code of the finding.", "code")
	person      = about("domains_needing_a_person", "Domains with which dkimbot can't continue by itself.")
	overdue     = about("domains_overdue", "Domains to which no run came for two hours after their time.")
	queued      = about("domains_due", "Domains whose time to act has come.")
	soon        = about("domains_due_within_a_day", "Domains for which something comes next within 24 hours.")
	unlisted    = about("domains_unlisted", "Domains under management that the configuration does not list any more.")
	onHold      = about("domains_on_hold", "Domains whose next rotation the schedule does not begin, as a person asked.")
	compromised = about("domains_with_compromised_key",
		"Domains that have a key that was reported as compromised, also at a selector that they have left.")
	nextAction  = about("next_action_timestamp_seconds", "When the earliest of the next actions of all domains is due.")
	oldestKey   = about("oldest_active_key_timestamp_seconds", "When the oldest key that signs was made.")
	oldestDrift = about("oldest_drift_timestamp_seconds", "Since when the oldest finding of a health check stands.")
	stateUp     = about("state_up", "1 if the state database can be read, else 0.")
)

func about(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dkimbot_"+name, help, labels, nil)
}

// fleetCollector makes metrics of the states. It is safe for concurrent use.
type fleetCollector struct{ cache *fleetCache }

// Describe implements prometheus.Collector.
func (c *fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{domains, failing, drifting, person, overdue, queued, soon, unlisted, onHold,
		compromised, nextAction, oldestKey, oldestDrift, stateUp} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *fleetCollector) Collect(ch chan<- prometheus.Metric) {
	fleet, now, err := c.cache.get(2 * readTime)
	if err != nil {
		ch <- gauge(stateUp, 0)
		return
	}
	for _, m := range append(fleet.metrics(now), gauge(stateUp, 1)) {
		ch <- m
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// metrics says where the fleet stands at now. Phases without a domain are 0, so that a graph has no
// gaps; codes are there while they occur.
func (f Fleet) metrics(now time.Time) (out []prometheus.Metric) {
	counts, drifts, leaked := report.NewCounts(f.States, f.Unlisted, now), map[string]int{}, 0
	var next, found time.Time
	oldest := f.oldest
	for _, st := range f.States {
		if st.Next != nil {
			next = earlier(next, st.Next.At)
		}
		oldest = earlier(oldest, oldestOf(st))
		if report.HasLeaked(st) {
			leaked++
		}
		of := map[string]bool{}
		for _, d := range st.Drift {
			of[string(d.Code)], found = true, earlier(found, d.Since)
		}
		for code := range of {
			drifts[code]++
		}
	}
	for _, p := range rotate.Phases() {
		out = append(out, gauge(domains, float64(counts.Phases[p]), string(p)))
	}
	for code, n := range counts.FailingBy {
		out = append(out, gauge(failing, float64(n), string(code)))
	}
	for code, n := range drifts {
		out = append(out, gauge(drifting, float64(n), code))
	}
	out = append(out, gauge(person, float64(counts.Person)), gauge(overdue, float64(counts.Overdue)),
		gauge(queued, float64(f.due(now))), gauge(soon, float64(counts.Soon)), gauge(unlisted, float64(counts.Unlisted)),
		gauge(onHold, float64(counts.OnHold)), gauge(compromised, float64(leaked)))
	for d, at := range map[*prometheus.Desc]time.Time{nextAction: next, oldestKey: oldest, oldestDrift: found} {
		if !at.IsZero() {
			out = append(out, gauge(d, float64(at.Unix())))
		}
	}
	return out
}

// due counts the domains whose time to act has come.
func (f Fleet) due(now time.Time) (n int) {
	for _, st := range f.States {
		if st.Released == nil && st.Next != nil && !st.Next.At.After(now) {
			n++
		}
	}
	return n
}

// earlier returns the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// WriteFleet writes the metrics of a fleet in the text form of Prometheus, for the node exporter's
// textfile collector.
func WriteFleet(w io.Writer, f Fleet) error {
	r := prometheus.NewRegistry()
	r.MustRegister(&fleetCollector{newFleetCache(func(context.Context) (Fleet, error) { return f, nil }, slog.Default())})
	families, err := r.Gather()
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return err
		}
	}
	return err
}
