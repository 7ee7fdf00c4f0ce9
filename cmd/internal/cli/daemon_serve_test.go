package cli_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// askDaemon asks at a Unix socket, and returns the answer's code and text.
func askDaemon(t *testing.T, socket, path string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	res, err := c.Get("http://dkimbot" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(text)
}

// shortDir is a directory whose path is short enough for a socket in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestDaemonAnswers: metrics of a real daemon count what it does, it is ready while it can work and
// says why not when it can't, and a reload keeps the server, moves it, or ends it.
func TestDaemonAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t, "one.test")
	dir := shortDir(t)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	plain := l.read(t, "dkimbot.yaml")
	l.file(t, "dkimbot.yaml", plain+"serve: { listen: \"unix:"+one+"\" }\n")
	d := l.daemon(t)
	d.awaitPhase(t, "one.test", "ready")

	metric := func(pattern string) bool {
		_, text := askDaemon(t, one, "/metrics")
		return regexp.MustCompile("(?m)^dkimbot_" + pattern + "$").MatchString(text)
	}
	for _, pattern := range []string{
		`domains\{phase="ready"\} 1`,
		`steps_total\{kind="publish",outcome="done"\} 2`,
		`steps_total\{kind="activate",outcome="done"\} 1`,
		`calls_total\{call="publish",code="",name="lab",part="provider"\} [2-9]`,
		`calls_total\{call="put",code="",name="",part="keystore"\} 2`,
		`calls_total\{call="look",code="",name="",part="dns"\} [1-9][0-9]*`,
		`calls_total\{call="activate",code="",name="mx1",part="signer"\} 1`,
		`call_seconds_count\{call="activate",name="mx1",part="signer"\} 1`,
		`last_success_timestamp_seconds 1\..*e\+09`,
		`oldest_active_key_timestamp_seconds 1\..*e\+09`,
		`leases_held 0`,
		`state_up 1`,
		`build_info\{go=".*",version=".*"\} 1`,
	} {
		eventually(t, "the metric "+pattern, func() bool { return metric(pattern) })
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, text := askDaemon(t, one, path); code != 200 || text != "ok\n" {
			t.Errorf("%s: %d, %q", path, code, text)
		}
	}

	for path, want := range map[string]string{"/": "1 domain", "/domain/one.test": "signer mx1 signs with s1",
		"/domains?q=one": "one.test"} {
		if code, text := askDaemon(t, one, path); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d, no %q in\n%s", path, code, want, text)
		}
	}

	// A state that is gone is told, though the program has it open (I1: nothing is lost that nobody knows of).
	state := filepath.Join(l.Dir, "state.db")
	must(t, os.Rename(state, state+".away"))
	if code, text := askDaemon(t, one, "/readyz"); code != 503 || !strings.Contains(text, "find the state database") {
		t.Errorf("without the state: %d, %q", code, text)
	}
	must(t, os.WriteFile(state, []byte("SQLite format 3\x00"), 0o600))
	if code, text := askDaemon(t, one, "/readyz"); code != 503 || !strings.Contains(text, "another file took its place") {
		t.Errorf("with another state in its place: %d, %q", code, text)
	}
	must(t, os.Rename(state+".away", state))
	eventually(t, "it is ready again", func() bool { code, _ := askDaemon(t, one, "/readyz"); return code == 200 })

	// A wrong configuration is counted, a good one moves the server.
	l.file(t, "dkimbot.yaml", plain+"nosuch: 1\n")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "a refused reload", func() bool { return metric(`config_reloads_total\{outcome="refused"\} 1`) })
	l.file(t, "dkimbot.yaml", plain+"serve: { listen: \"unix:"+two+"\" }\n")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the new address", func() bool { code, _ := askDaemon(t, two, "/readyz"); return code == 200 })
	eventually(t, "the end of the old address", func() bool { code, _ := askDaemon(t, one, "/readyz"); return code == 0 })
	if _, text := askDaemon(t, two, "/metrics"); !strings.Contains(text,
		`dkimbot_steps_total{kind="activate",outcome="done"} 1`) {
		t.Errorf("what was counted before the reload is lost:\n%s", text)
	}
	d.stop(t, syscall.SIGTERM, soon)
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("sockets are left: %s", left)
	}
}

// TestWatchdog: systemd hears of a schedule that lives as often as it asked for.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	l := newLab(t, "one.test")
	l.Env = append(l.Env, "WATCHDOG_USEC=200000")
	d := l.daemon(t)
	d.awaitNotified(t, "WATCHDOG=1", 3)
	d.stop(t, syscall.SIGTERM, soon)
}
