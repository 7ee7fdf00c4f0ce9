package serve

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const monitoring = "../../../examples/monitoring"

var metricName = regexp.MustCompile(`\bdkimbot_[a-z_]+`)

// TestMonitoringExample: the alert rules pass their own tests, and every metric that rules and
// dashboard ask for is one that a daemon has.
func TestMonitoringExample(t *testing.T) {
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	known, asked := names(t), 0
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json", "README.md"} {
		text, err := os.ReadFile(filepath.Join(monitoring, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			asked++
			if name = strings.TrimSuffix(name, "_bucket"); !known[name] {
				t.Errorf("%s asks for %s, which there is not", file, name)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d metrics are asked for", asked)
	}
	dashboard, _ := os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	rules, _ := os.ReadFile(filepath.Join(monitoring, "alerts.yml"))
	for name := range known {
		if !strings.Contains(string(dashboard)+string(rules), name) && !unwatched[name] {
			t.Errorf("neither dashboard nor rules look at %s", name)
		}
	}
}

// unwatched are metrics that are there for questions of one's own.
var unwatched = map[string]bool{"dkimbot_build_info": true, "dkimbot_failures_total": true,
	"dkimbot_domains_due_within_a_day": true, "dkimbot_domains_unlisted": true,
	"dkimbot_last_attempt_timestamp_seconds": true, "dkimbot_last_success_timestamp_seconds": true,
	"dkimbot_oldest_drift_timestamp_seconds": true, "dkimbot_config_loaded_timestamp_seconds": true}

// names are the metrics of dkimbot's own, after everything has happened.
func names(t *testing.T) map[string]bool {
	m := NewMetrics("1")
	m.Register(func(context.Context) (Fleet, error) { return fleetAt(time.Now()), nil }, func() int { return 0 }, quiet)
	use(m, errRefused)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "dkimbot_") {
			out[f.GetName()] = true
		}
	}
	return out
}
