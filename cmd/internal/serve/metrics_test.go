package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

var (
	errRefused = fault.Refuse(codes.ForeignRecord, "s1 holds a record that is not ours", "look")
	quiet      = slog.New(slog.NewTextHandler(io.Discard, nil))
)

// fake is each part of the engine at once; it answers with err.
type fake struct {
	ports.Store
	err error
}

func (f fake) Get(context.Context, dkim.Name, int) (*dkim.PrivateKey, int, error) {
	return nil, 0, f.err
}
func (f fake) Put(context.Context, dkim.Name, *dkim.PrivateKey, int) (int, error) { return 0, f.err }
func (f fake) Destroy(context.Context, dkim.Name, int) error                      { return f.err }
func (f fake) Look(context.Context, dkim.Name) (rotate.Sight, error)              { return rotate.Sight{}, f.err }
func (f fake) Publish(context.Context, dkim.TXT) error                            { return f.err }
func (f fake) Waited() time.Duration                                              { return 3 * time.Second }
func (f fake) Active(context.Context, []string) (map[string]dkim.Ref, error)      { return nil, f.err }
func (f fake) Activate(context.Context, []dkim.SigningKey) error                  { return f.err }
func (f fake) Lag() time.Duration                                                 { return time.Minute }

func (f fake) Acquire(context.Context, ports.LeaseRequest) (ports.Lease, error) {
	return ports.Lease{}, f.err
}
func (f fake) Release(context.Context, ports.Lease) error { return nil }

// forgetting is a signer that can do what is optional.
type forgetting struct{ fake }

func (f forgetting) Forget(context.Context, []dkim.Ref) error { return f.err }
func (f forgetting) Fetches() bool                            { return true }
func (f forgetting) Screen(context.Context, []dkim.SigningKey) (map[string]error, error) {
	return nil, f.err
}
func (f forgetting) Probes() bool                                   { return true }
func (f forgetting) Prove(context.Context, []dkim.SigningKey) error { return f.err }
func (f forgetting) Signed(context.Context, []string) (map[string][]dkim.Ref, error) {
	return nil, f.err
}

// use calls everything that is counted, once.
func use(m *Metrics, err error) {
	ctx, name := context.Background(), dkim.Name{Domain: "a.test", Selector: "s1"}
	keys, signer := m.Keystore(fake{err: err}), m.Signer("mx1", forgetting{fake{err: err}})
	keys.Get(ctx, name, 1)
	keys.Put(ctx, name, nil, 0)
	keys.Destroy(ctx, name, 1)
	m.Looker(fake{err: err}).Look(ctx, name)
	m.Publisher("office", fake{err: err}).Publish(ctx, dkim.TXT{})
	signer.Active(ctx, nil)
	signer.Activate(ctx, nil)
	signer.(ports.Forgetter).Forget(ctx, nil)
	signer.(ports.Screener).Screen(ctx, nil)
	signer.(ports.Prober).Prove(ctx, nil)
	signer.(ports.Prober).Signed(ctx, nil)
	m.Store(fake{err: err}).Acquire(ctx, ports.LeaseRequest{})
	m.Step(rotate.Event{Kind: rotate.Publish, Outcome: codes.OutcomeDone})
	m.Step(rotate.Event{Kind: rotate.Publish, Outcome: codes.OutcomeBegun})
	m.Failed(rotate.Event{}, cmpErr(err))
	m.Stored(rotate.State{}, rotate.State{})
	m.Loaded(err)
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("no answer")
	}
	return err
}

// values are all series of the metrics but those of Go and the process, by name and labels.
func values(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "dkimbot_") {
			continue
		}
		for _, s := range f.GetMetric() {
			out[series(f.GetName(), s)] = value(s)
		}
	}
	return out
}

func series(name string, s *dto.Metric) string {
	var labels []string
	for _, l := range s.GetLabel() {
		labels = append(labels, l.GetName()+"="+l.GetValue())
	}
	return strings.TrimPrefix(name, "dkimbot_") + "{" + strings.Join(labels, ",") + "}"
}

func value(s *dto.Metric) float64 {
	switch {
	case s.Gauge != nil:
		return s.Gauge.GetValue()
	case s.Counter != nil:
		return s.Counter.GetValue()
	}
	return float64(s.Histogram.GetSampleCount())
}

// fleetAt is a fleet in which each of the metrics has something to count.
func fleetAt(now time.Time) Fleet {
	key, older := &rotate.Key{StoredAt: now, Leaked: now}, &rotate.Key{StoredAt: now.Add(-40 * 24 * time.Hour)}
	return Fleet{Unlisted: []rotate.State{{Domain: "gone.test"}}, States: []rotate.State{
		{Domain: "a.test", Phase: rotate.Ready, Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: key}},
			Next: &rotate.Next{At: now.Add(-3 * time.Hour)}},
		{Domain: "b.test", Phase: rotate.Draining, Failures: 2, Refused: true,
			Failed: rotate.Failure{Code: codes.ForeignRecord},
			Drift:  []finding.Finding{{Code: codes.KeyMissing, Since: now.Add(-time.Hour)}, {Code: codes.KeyMissing, Since: now}},
			Next:   &rotate.Next{At: now.Add(time.Hour)}},
		{Domain: "c.test", Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: older}},
			OnHold: &rotate.OnHold{At: now}}}}
}

// added is the fleet as it is kept: no more than the gist of each state.
func added(f Fleet, now time.Time) Fleet {
	kept := Fleet{Unlisted: f.Unlisted}
	for _, st := range f.States {
		kept.Add(st, now)
	}
	return kept
}

// TestEachMetricMoves: every metric that there is changes when what it tells of happens, and only
// the ones named here exist.
func TestEachMetricMoves(t *testing.T) {
	m, fleet, waiting, now := NewMetrics("1.2.3"), Fleet{}, 0, time.Now()
	m.Register(func(context.Context) (Fleet, error) { return fleet, nil }, func() int { return waiting }, quiet)
	before := values(t, m)
	for _, outcome := range []string{"done", "refused"} {
		// DkimbotConfigRefused counts increases, and there is none in a series that begins with 1
		if _, there := before["config_reloads_total{outcome="+outcome+"}"]; !there {
			t.Errorf("there is no series of reloads that end with %s before the first of them", outcome)
		}
	}
	use(m, nil)
	use(m, errRefused)
	fleet, waiting = added(fleetAt(now), now), 7
	m.fleet.until = time.Time{}
	after := values(t, m)

	want := map[string]float64{
		"steps_total{kind=publish,outcome=done}":     2,
		"failures_total{code=error}":                 1,
		"failures_total{code=foreign-record}":        1,
		"leases_held{}":                              1,
		"config_reloads_total{outcome=done}":         1,
		"config_reloads_total{outcome=refused}":      1,
		"rate_limit_wait_seconds_total{name=office}": 6,
		"notices_waiting{}":                          7,
		"domains{phase=ready}":                       1,
		"domains{phase=draining}":                    1,
		"domains{phase=new}":                         1,
		"domains_failing{code=foreign-record}":       1,
		"domains_drifting{code=key-missing}":         1,
		"domains_needing_a_person{}":                 1,
		"domains_overdue{}":                          1,
		"domains_due{}":                              1,
		"domains_due_within_a_day{}":                 2,
		"domains_unlisted{}":                         1,
		"domains_on_hold{}":                          1,
		"domains_with_compromised_key{}":             1,
		"next_action_timestamp_seconds{}":            float64(now.Add(-3 * time.Hour).Unix()),
		"oldest_active_key_timestamp_seconds{}":      float64(now.Add(-40 * 24 * time.Hour).Unix()),
		"oldest_drift_timestamp_seconds{}":           float64(now.Add(-time.Hour).Unix()),
	}
	for part, calls := range map[string][]string{"keystore,name=": {"get", "put", "destroy"}, "dns,name=": {"look"},
		"provider,name=office": {"publish"}, "signer,name=mx1": {"active", "activate", "forget", "screen",
			"prove", "probe"}} {
		kind, name, _ := strings.Cut(part, ",")
		for _, call := range calls {
			want["calls_total{call="+call+",code=,"+name+",part="+kind+"}"] = 1
			want["calls_total{call="+call+",code=foreign-record,"+name+",part="+kind+"}"] = 1
			want["call_seconds{call="+call+","+name+",part="+kind+"}"] = 2
		}
	}
	for series, v := range want {
		if after[series] != v || before[series] == v {
			t.Errorf("%s was %v, is %v, want %v", series, before[series], after[series], v)
		}
	}
	for _, at := range []string{"last_attempt_timestamp_seconds{}", "last_success_timestamp_seconds{}",
		"config_loaded_timestamp_seconds{}"} {
		if got := after[at]; got < float64(now.Unix()) || before[at] != 0 && at != "config_loaded_timestamp_seconds{}" {
			t.Errorf("%s was %v, is %v", at, before[at], got)
		}
		want[at] = 0
	}
	for _, series := range slices.Sorted(maps.Keys(after)) {
		if _, known := want[series]; !known && after[series] != 0 && !strings.HasPrefix(series, "build_info{") &&
			series != "state_up{}" {
			t.Errorf("%s moved, and no line of this test says why: %v", series, after[series])
		}
	}
}

// TestStateUp: a state that can't be read is 0, and no count of domains is made up.
func TestStateUp(t *testing.T) {
	m := NewMetrics("1")
	var err error
	m.Register(func(context.Context) (Fleet, error) { return fleetAt(time.Now()), err }, func() int { return 0 }, quiet)
	if v := values(t, m); v["state_up{}"] != 1 {
		t.Errorf("state_up is %v", v["state_up{}"])
	}
	err = errors.New("disk I/O error")
	m.fleet.until = time.Time{}
	got := values(t, m)
	if _, counted := got["domains{phase=ready}"]; got["state_up{}"] != 0 || counted {
		t.Errorf("state_up is %v, domains are counted: %v", got["state_up{}"], counted)
	}
}

// TestSeriesDoNotGrow: the number of series does not depend on the number of domains.
func TestSeriesDoNotGrow(t *testing.T) {
	count := func(n int) int {
		m, fleet := NewMetrics("1"), Fleet{}
		for range n {
			fleet.States = append(fleet.States, fleetAt(time.Now()).States...)
		}
		m.Register(func(context.Context) (Fleet, error) { return fleet, nil }, func() int { return 0 }, quiet)
		return len(values(t, m))
	}
	if few, many := count(1), count(10_000); few != many {
		t.Errorf("%d series for 3 domains, %d for 30,000", few, many)
	}
}

// TestOptionalPartsStay: what a signer can't do does nothing, as the engine expects of such a one.
func TestOptionalPartsStay(t *testing.T) {
	m := NewMetrics("1")
	plain, able := m.Signer("plain", fake{err: errRefused}), m.Signer("able", forgetting{fake{err: errRefused}})
	for _, tt := range []struct {
		s       ports.Signer
		fetches bool
		err     error
	}{{plain, false, nil}, {able, true, errRefused}} {
		if got := tt.s.(ports.Fetcher).Fetches(); got != tt.fetches {
			t.Errorf("fetches: %v", got)
		}
		if err := tt.s.(ports.Forgetter).Forget(t.Context(), nil); !errors.Is(err, tt.err) {
			t.Errorf("forget: %v", err)
		}
		if _, err := tt.s.(ports.Screener).Screen(t.Context(), nil); !errors.Is(err, tt.err) {
			t.Errorf("screen: %v", err)
		}
		if tt.s.Lag() != time.Minute {
			t.Error("the lag is lost")
		}
	}
}

// A compromised key counts until it is revoked, also when the domain has left its selector.
func TestCompromisedKeyLeft(t *testing.T) {
	exposed := []finding.Finding{{Code: codes.RecordExposed, Selector: "s1"}}
	m := metricsOf(Fleet{States: []rotate.State{{Domain: "moved.test", Phase: rotate.Ready, Drift: exposed},
		{Domain: "well.test", Phase: rotate.Ready}}})
	if got := values(t, m)["domains_with_compromised_key{}"]; got != 1 {
		t.Errorf("%v domains with a compromised key; want 1", got)
	}
}
