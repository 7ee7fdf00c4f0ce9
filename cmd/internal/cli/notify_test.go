package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watcher is a web server that is told, and keeps what it is told.
type watcher struct {
	*httptest.Server
	mu   sync.Mutex
	got  map[string][]string // bodies, by path
	hang chan struct{}       // not nil: /hang answers when it is closed
}

func newWatcher(t *testing.T) *watcher {
	w := &watcher{got: map[string][]string{}, hang: make(chan struct{})}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.got[r.URL.Path] = append(w.got[r.URL.Path], string(body))
		w.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/hang") {
			select {
			case <-w.hang:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *watcher) bodies(path string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.got[path]...)
}

// events returns event and domain of what was posted to path.
func (w *watcher) events(t *testing.T, path string) string {
	var out []string
	for _, body := range w.bodies(path) {
		var d struct{ Event, Domain, Command string }
		must(t, json.Unmarshal([]byte(body), &d))
		out = append(out, strings.Join(strings.Fields(d.Event+" "+d.Domain+" "+d.Command), " "))
	}
	return strings.Join(out, ", ")
}

// notify adds a section to the lab's configuration.
func (l *lab) notify(t *testing.T, section string) {
	l.write(t)
	l.file(t, "dkimbot.yaml", l.read(t, "dkimbot.yaml")+"notify:\n  "+strings.ReplaceAll(section, "\n", "\n  ")+"\n")
}

// A good run of what is due beats; a bad one does not, and is told, once for a
// failure that lasts over many runs.
func TestNotifyDue(t *testing.T) {
	t.Parallel()
	w, l := newWatcher(t), newLab(t, "good.test", "bad.test")
	l.file(t, "hook.url", w.URL+"/hook\n")
	l.notify(t, "webhook: {url_file: hook.url, on: [failed, refused, switched]}\nheartbeat: {url: \""+w.URL+
		"/beat\", method: POST}")
	zone := l.read(t, "zones/bad.test.zone")
	must(t, os.Remove(l.Dir+"/zones/bad.test.zone"))
	l.run(t, "rotate", "--due").want(t, 4)
	for range 3 {
		l.run(t, "rotate", "--domain", "bad.test").want(t, 1)
	}
	if got := w.events(t, "/hook"); got != "switched good.test, failed bad.test" &&
		got != "failed bad.test, switched good.test" {
		t.Errorf("told: %s", got)
	}
	if n := len(w.bodies("/beat")); n != 0 {
		t.Errorf("%d heartbeats of bad runs", n)
	}
	l.file(t, "zones/bad.test.zone", zone)
	l.run(t, "rotate", "--domain", "bad.test", "--wait").want(t, 0)
	l.run(t, "rotate", "--due").want(t, 0)
	if n := len(w.bodies("/beat")); n != 1 {
		t.Errorf("%d heartbeats, want 1", n)
	}
	must(t, os.Remove(l.Dir+"/zones/bad.test.zone"))
	l.run(t, "rotate", "--domain", "bad.test").want(t, 1)
	if got := w.events(t, "/hook"); strings.Count(got, "failed bad.test") != 2 ||
		strings.Count(got, "switched bad.test") != 1 {
		t.Errorf("after it was well and failed again, told: %s", got)
	}
}

// A webhook that hangs holds up neither a rotation nor, for long, its end; what
// could not be told is logged, without the address (I9).
func TestNotifyHangs(t *testing.T) {
	t.Parallel()
	w, l := newWatcher(t), newLab(t, "example.test")
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 1h", 1)
	l.Env = []string{"HOOK=" + w.URL + "/hang/hunter2"}
	l.notify(t, "webhook: {url_env: HOOK, on: [switched], timeout: 10m}\naudit: {path: audit.jsonl}\n"+
		"mail: {smtp: \"127.0.0.1:1\", username: dkimbot, password_env: HOOK, from: dkimbot@example.com, to: "+
		"[ops@example.com], on: [switched]}")
	start := time.Now()
	r := l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready", "could not be delivered", "to=webhook",
		"to=mail", "connection refused")
	if took := time.Since(start); took > soon {
		t.Errorf("it took %s", took)
	}
	if strings.Contains(r.out+r.stderr+l.read(t, "audit.jsonl")+l.read(t, "state.db")+l.read(t, "state.db-wal")+
		l.read(t, "notices.json"), "hunter2") || len(w.bodies("/hang/hunter2")) == 0 {
		t.Errorf("I9: %s", r.stderr)
	}
}

// The daemon beats while its scheduler lives; a reload takes up another receiver
// at once, also while the old one hangs, and a refused one is told.
func TestNotifyDaemon(t *testing.T) {
	t.Parallel()
	for range 5 {
		if notifiedDaemon(t) {
			return
		}
		t.Log("the machine was too busy: the time was over in which the old webhook is waited for")
	}
	t.Error("the old webhook was never told in its time")
}

// notifiedDaemon reports whether the test came so far in the ten seconds that the old webhook has after a
// reload.
func notifiedDaemon(t *testing.T) (inTime bool) {
	t.Helper()
	w, l := newWatcher(t), newLab(t, "example.test")
	section := func(path string) string {
		return fmt.Sprintf("webhook: {url: %q, on: [failed, switched]}\nheartbeat: {url: %q, every: 1s}\naudit: {path: "+
			"audit.jsonl}", w.URL+path, w.URL+"/beat"+path)
	}
	l.notify(t, section("/hang"))
	d := l.daemon(t)
	eventually(t, "two heartbeats", func() bool { return len(w.bodies("/beat/hang")) >= 2 })
	eventually(t, "the hanging webhook is asked", func() bool { return len(w.bodies("/hang")) > 0 })

	good := l.read(t, "dkimbot.yaml")
	l.file(t, "dkimbot.yaml", "domains: 7\n")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitLog(t, "the new configuration is refused")
	l.file(t, "dkimbot.yaml", good)
	l.notify(t, section("/hook"))
	reloaded := time.Now()
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitNotified(t, "RELOADING=1", 2)
	eventually(t, "a heartbeat after the reload", func() bool { return len(w.bodies("/beat/hook")) > 0 })
	close(w.hang)
	took := time.Since(reloaded)
	givenUp := func() bool { return strings.Contains(d.log(t), "could not be delivered") }
	d.awaitPhase(t, "example.test", "ready")
	eventually(t, "the refused reload is told",
		func() bool { return givenUp() || strings.Contains(w.events(t, "/hang"), "failed daemon reload") })
	if givenUp() {
		if took < 5*time.Second {
			t.Error("the reload waited for the old webhook to be given up")
		}
		d.stop(t, syscall.SIGTERM, soon)
		return false
	}
	d.stop(t, syscall.SIGTERM, soon)
	audit := l.read(t, "audit.jsonl")
	for _, want := range []string{`"event":"before_switch"`, `"event":"done"`, `"command":"daemon reload"`} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit log lacks %s:\n%s", want, audit)
		}
	}
	return true
}
