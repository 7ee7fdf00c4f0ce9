package notify

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestConsent: whatever a hook does but end well is a veto, which says who objects
// and in which words. Real programs.
func TestConsent(t *testing.T) {
	slow := hook(t, "sleep 100")
	slow.Timeout = 200 * time.Millisecond
	for title, c := range map[string]struct {
		hooks []Hook
		want  string // "": consent
	}{
		"agrees":  {[]Hook{hook(t, "exit 0"), hook(t, "cat >/dev/null")}, ""},
		"no hook": {nil, ""},
		"second vetoes": {[]Hook{hook(t, "exit 0"), hook(t, "echo one >&2; echo 'not  on a Friday' >&2; echo >&2; exit 7")},
			"/hook ended with status 7: not  on a Friday"},
		"first vetoes": {[]Hook{hook(t, "exit 1"), hook(t, "exit 2")}, "/hook ended with status 1"},
		"hangs":        {[]Hook{slow}, "/hook was not done within 200ms and was killed"},
		"killed":       {[]Hook{hook(t, "kill -9 $$")}, "/hook was ended by a signal (killed)"},
		"not there": {[]Hook{{Command: []string{"/nonexistent/hook"}, Timeout: time.Second}},
			"hook /nonexistent/hook can't be run: fork/exec /nonexistent/hook: no such file or directory"},
		"not in PATH": {[]Hook{{Command: []string{"no-such-hook"}, Timeout: time.Second}},
			`hook no-such-hook can't be run: exec: "no-such-hook": executable file not found in $PATH`},
		"odd words": {[]Hook{hook(t, `printf 'no\033[31m\tway\r\000\377\n' >&2; exit 3`)},
			"/hook ended with status 3: no?[31m way ??"},
		"many words": {[]Hook{hook(t, `head -c 100000 /dev/zero | tr '\0' x >&2; exit 3`)}, "/hook ended with status 3: " +
			strings.Repeat("x", 300)},
	} {
		t.Run(title, func(t *testing.T) {
			log, _ := newLog()
			n := New(Config{BeforeSwitch: c.hooks, Log: log})
			defer n.Close()
			err := n.Consent(t.Context(), domain, begins)
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v, want consent", err)
				}
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), c.want) ||
				!strings.HasPrefix(err.Error(), "switch example.com to s2: hook /") &&
					!strings.Contains(err.Error(), "no-such-hook") {
				t.Errorf("got  %v\nwant ...%s", err, c.want)
			}
			faulttest.Shown(t, err)
			if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "vetoed" ||
				!strings.Contains(fault.HintOf(err), "s1 continues signing") {
				t.Errorf("kind %s, code %s, hint %s", fault.KindOf(err), fault.CodeOf(err), fault.HintOf(err))
			}
		})
	}
}

// TestHangingHookDies: at the time-out everything dies that the hook started.
func TestHangingHookDies(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	h := hook(t, `sleep 1000 & echo $! >"$1.new"; mv "$1.new" "$1"; wait`, pid)
	child := ""
	for h.Timeout = time.Second; child == ""; h.Timeout *= 2 { // more, on a busy machine, until it comes so far
		if h.Timeout > time.Minute {
			t.Fatal("the hook did not come to its child")
		}
		log, _ := newLog()
		n := New(Config{BeforeSwitch: []Hook{h}, Log: log})
		if err := n.Consent(t.Context(), domain, begins); fault.CodeOf(err) != "vetoed" {
			t.Errorf("got %v", err)
		}
		n.Close()
		text, _ := os.ReadFile(pid)
		child = strings.TrimSpace(string(text))
	}
	eventually(t, "child "+child+" is dead", func() bool { return exec.Command("kill", "-0", child).Run() != nil })
}

// TestConsentEnds: a process that is asked to end does not wait for a hook.
func TestConsentEnds(t *testing.T) {
	log, _ := newLog()
	n := New(Config{BeforeSwitch: []Hook{hook(t, "sleep 1000")}, Log: log})
	defer n.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := n.Consent(ctx, domain, begins); fault.CodeOf(err) != "vetoed" ||
		!strings.Contains(err.Error(), "did not answer in time") || time.Since(start) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestSameToEveryHook: all hooks get the same document and the same variables, and
// nothing else of the environment but what every program needs (I9).
func TestSameToEveryHook(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "hunter2")
	t.Setenv("DKIMBOT_CONFIG", "hunter2")
	dir := t.TempDir()
	keep := func(name string) []Hook {
		return []Hook{hook(t, `cat >"$1.json"; env | sort >"$1.env"`, filepath.Join(dir, name))}
	}
	log, said := newLog()
	n := New(Config{BeforeSwitch: keep("before"), After: keep("after"), OnFailure: keep("failure"),
		By: "root@mail1", Log: log})
	must(t, n.Consent(t.Context(), domain, begins))
	finishSwitch(n)
	n.Failed(failedAt, trouble)
	n.Close()
	var names [3][]string
	for i, name := range []string{"before", "after", "failure"} {
		docs := documents(t, read(t, filepath.Join(dir, name+".json")))
		if len(docs) != 1 {
			t.Fatalf("%s got %d documents; %s", name, len(docs), said)
		}
		d := docs[0]
		for line := range strings.Lines(read(t, filepath.Join(dir, name+".env"))) {
			variable, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if strings.Contains(value, "hunter2") {
				t.Errorf("%s: a variable of dkimbot's own: %s (I9)", name, line)
			}
			names[i] = append(names[i], variable)
			if want, ok := map[string]string{"DKIMBOT_EVENT": d.Event, "DKIMBOT_DOMAIN": "example.com", "DKIMBOT_SELECTOR": "s2",
				"DKIMBOT_ID":       d.ID,
				"DKIMBOT_PREVIOUS": d.Previous, "DKIMBOT_KEY_ID": "bbbb", "DKIMBOT_MESSAGE": d.Message,
				"DKIMBOT_SIGNER": d.Signer}[variable]; ok && value != want {
				t.Errorf("%s: %s is %q, want %q", name, variable, value, want)
			}
		}
		if !slices.Contains(names[i], "DKIMBOT_ERROR_HINT") {
			t.Errorf("%s: variables %v", name, names[i])
		}
	}
	if diff := cmp.Diff(names[0], names[1]) + cmp.Diff(names[0], names[2]); diff != "" {
		t.Errorf("hooks differ in their variables: %s", diff)
	}
}

// TestHooksHoldUpNothing: hooks that are reported, and fail or hang, are logged, and
// nobody waits for them but the end of the process.
func TestHooksHoldUpNothing(t *testing.T) {
	slow := hook(t, "sleep 1000")
	slow.Timeout = 3 * time.Second
	log, said := newLog()
	n := New(Config{After: []Hook{slow, hook(t, "echo broken >&2; exit 4")}, Log: log})
	start := time.Now()
	finishSwitch(n)
	finishRotation(n)
	if took := time.Since(start); took >= slow.Timeout {
		t.Errorf("mention took %v", took)
	}
	n.Close()
	for _, want := range []string{"was not done within 3s and was killed", "ended with status 4: broken",
		"event=switched domain=example.com", "event=rotated"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, said)
		}
	}
}

// TestManyHooks: hooks for many domains wait for their turn, and all have it.
func TestManyHooks(t *testing.T) {
	dir := t.TempDir()
	log, said := newLog()
	n := New(Config{After: []Hook{hook(t, `: >"$1/$DKIMBOT_DOMAIN"`, dir)}, Log: log})
	for i := range 100 {
		after := drainingState
		after.Domain = fmt.Sprintf("d%d.example", i)
		n.Stored(rotate.State{Domain: after.Domain, Phase: rotate.Switching, Active: "s1"}, after)
	}
	n.Close()
	if files, err := os.ReadDir(dir); err != nil || len(files) != 100 {
		t.Errorf("%d hooks ran, %v:\n%s", len(files), err, said)
	}
}

// TestEvents: which changes of phase finish something.
func TestEvents(t *testing.T) {
	state := func(p rotate.Phase, active, draining string) rotate.State {
		return rotate.State{Domain: "example.com", Phase: p, Active: active, Draining: draining,
			Selectors: drainingState.Selectors}
	}
	for _, c := range []struct {
		before, after rotate.State
		want          string
	}{
		{state(rotate.New, "", ""), state(rotate.Bootstrapping, "", ""), ""},
		{state(rotate.Bootstrapping, "", ""), state(rotate.Ready, "s1", ""),
			"switched s1 (was ) aaaa: all signers sign with s1"},
		{state(rotate.Ready, "s1", ""), state(rotate.Switching, "s1", ""), ""},
		{state(rotate.Switching, "s1", ""), state(rotate.Draining, "s2", "s1"),
			"switched s2 (was s1) bbbb: all signers sign with s2; s1 drains"},
		{rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2"}, state(rotate.Ready, "s1", ""),
			"switched s1 (was s2) aaaa: all signers went back to s1"},
		{state(rotate.Draining, "s2", "s1"), state(rotate.Replacing, "s2", "s1"), ""},
		{state(rotate.Replacing, "s2", "s1"), state(rotate.Ready, "s2", ""),
			"rotated s1 (was ) aaaa: s1 has its fresh key and waits for the next rotation; s2 signs"},
		{state(rotate.Ready, "s2", ""), state(rotate.Ready, "s2", ""), ""},
	} {
		d, ok := ofTurn(c.before, c.after, "me", then)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %s (was %s) %s: %s", d.Event, d.Selector, d.Previous, d.KeyID, d.Message)
		}
		if got != c.want {
			t.Errorf("%s to %s: got %q, want %q", c.before.Phase, c.after.Phase, got, c.want)
		}
	}
}
