package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root  = "../../.."
	units = root + "/examples/systemd"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// services are the units that run dkimbot by themselves.
var services = []string{"dkimbot.service", "dkimbot-due.service", "dkimbot-agent.service",
	"dkimbot-agent-once.service"}

// TestUnitsAreConfined: who takes dkimbot over gets little of the machine. 2.5 of 10 is the most.
func TestUnitsAreConfined(t *testing.T) {
	for _, name := range append(slices.Clone(services), "../monitoring/dkimbot-metrics.service") {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager",
			filepath.Join(units, name)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Overall exposure level") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestUnitsAreUnderstood: systemd knows each key and value of the units.
func TestUnitsAreUnderstood(t *testing.T) {
	for _, name := range append(slices.Clone(services), "dkimbot-due.timer", "dkimbot-agent-once.timer",
		"../monitoring/dkimbot-metrics.service", "../monitoring/dkimbot-metrics.timer") {
		out, _ := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(units, name)).CombinedOutput()
		for line := range strings.Lines(string(out)) { // dkimbot itself need not be installed here
			if strings.Contains(line, filepath.Base(name)) && !strings.Contains(line, "is not executable") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// settings returns the lines of a unit's section [Service] that say what the process may do.
func settings(t *testing.T, name string) (out []string) {
	t.Helper()
	_, text, _ := strings.Cut(read(t, filepath.Join(units, name)), "\n[Service]\n")
	text, _, _ = strings.Cut(text, "\n[")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, _, _ := strings.Cut(line, "=")
		switch key {
		case "Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "WatchdogSec", "TimeoutStopSec":
		default:
			if line != "" && !strings.HasPrefix(line, "#") {
				out = append(out, line)
			}
		}
	}
	return out
}

// TestUnitsAreConfinedAlike: what the daemon may do, the timer's run may do, and the other way around.
func TestUnitsAreConfinedAlike(t *testing.T) {
	daemon, due := settings(t, services[0]), settings(t, services[1])
	if !slices.Equal(daemon, due) || len(daemon) < 30 {
		t.Errorf("they differ:\n%s\n\n%s", strings.Join(daemon, "\n"), strings.Join(due, "\n"))
	}
	agent, once := settings(t, services[2]), settings(t, services[3])
	if !slices.Equal(agent, once) || len(agent) < 30 {
		t.Errorf("they differ:\n%s\n\n%s", strings.Join(agent, "\n"), strings.Join(once, "\n"))
	}
	for _, s := range agent { // but for its own state and secrets, an agent may do what the daemon may, and nothing more
		if key, _, _ := strings.Cut(s, "="); !slices.Contains(daemon, s) && key != "StateDirectory" &&
			key != "LoadCredential" {
			t.Errorf("the agent has %s", s)
		}
	}
	for _, needed := range []string{ // what was seen to be needed with OpenDKIM
		"User=dkimbot", "LimitCORE=0", "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE",
		"AmbientCapabilities=CAP_CHOWN CAP_DAC_OVERRIDE", "SystemCallFilter=@chown setrlimit prlimit64",
		"ReadWritePaths=-/etc/dkimkeys -/etc/opendkim", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
	} {
		if !slices.Contains(daemon, needed) {
			t.Errorf("%s is missing", needed)
		}
	}
	// Without them leases can't be compared with the boot, and who holds a lock is not named.
	if slices.ContainsFunc(daemon, func(s string) bool { return strings.HasPrefix(s, "ProcSubset=") }) {
		t.Error("ProcSubset= hides /proc/sys/kernel/random/boot_id and /proc/locks")
	}
}

// TestAdminHasTheServicesRights: a command of a person makes the same files with the same owners.
func TestAdminHasTheServicesRights(t *testing.T) {
	script := read(t, filepath.Join(units, "dkimbot-admin"))
	for _, s := range settings(t, services[0]) {
		if caps, ok := strings.CutPrefix(s, "AmbientCapabilities="); ok {
			want := "caps=-all"
			for c := range strings.FieldsSeq(caps) {
				want += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
			}
			if !strings.Contains(script, want+"\n") {
				t.Errorf("dkimbot-admin lacks %s", want)
			}
		}
	}
}
