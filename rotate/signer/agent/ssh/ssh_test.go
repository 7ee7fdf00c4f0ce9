package ssh_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestConformance runs the suite through a real sshd, with a real OpenDKIM behind it.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		l := newLab(t)
		return signertest.Subject{Signer: l.open(t, nil), Stop: func(t *testing.T) { l.Stop() },
			Files: []string{l.dkim.KeyTable, l.dkim.SigningTable},
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				return l.dkim.SignsWith(t, domain, signertest.Keys(t, 4)...)
			}}
	})
}

// TestKilledAnywhere guards I1 and I7: the host's program is killed before any of its steps, and what comes after
// leads to the same end. What it had not answered is not taken for failed: it is asked again.
func TestKilledAnywhere(t *testing.T) {
	l := newLab(t)
	s, keys := l.open(t, nil), signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{one}))
	died := 0
	for step := 1; ; step++ {
		l.place.DieAt = step
		l.put(t)
		err := s.Activate(t.Context(), []dkim.SigningKey{two})
		l.place.DieAt = 0
		l.put(t)
		if err == nil {
			break
		}
		died++
		if fault.KindOf(err) != fault.Transient {
			t.Errorf("killed before step %d: %v", step, err)
		}
		if n := len(l.dkim.Mail(t, "a.example").Signatures); n != 1 {
			t.Errorf("killed before step %d: mail is signed %d times", step, n)
		}
		must(t, s.Activate(t.Context(), []dkim.SigningKey{two}))
		l.signsWith(t, two)
		must(t, s.Activate(t.Context(), []dkim.SigningKey{one}))
		l.signsWith(t, one)
	}
	if died < 6 {
		t.Errorf("the host died %d times", died)
	}
	l.signsWith(t, two)
}

// TestLeftBehind guards I7: a request whose connection was cut changes nothing after another one was asked.
func TestLeftBehind(t *testing.T) {
	l := newLab(t)
	s, keys := l.open(t, nil), signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{one}))
	// The program on the host has read the request, and takes it up long after ssh was ended.
	l.place.Wait = 8 * time.Second
	l.put(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Activate(ctx, []dkim.SigningKey{two}) }()
	l.await(t, "state.begun")
	cancel()
	err := <-done
	if fault.CodeOf(err) != codes.AgentUnreachable || fault.KindOf(err) != fault.Transient {
		t.Errorf("cut: %v", err)
	}
	faulttest.Shown(t, err)
	l.place.Wait = 0
	l.put(t)
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != one.Ref() {
		t.Errorf("after the cut: %v, %v", active, err)
	}
	l.await(t, "state.ended")
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != one.Ref() {
		t.Errorf("what was left behind had an effect: %v, %v", active, err)
	}
	l.signsWith(t, one)
}

// await waits for a file.
func (l *lab) await(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(l.at(name)); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no file %s", name)
		}
	}
}

// TestEndsWithItsParent: ssh and what it has started don't outlive a switch that was interrupted.
func TestEndsWithItsParent(t *testing.T) {
	l := newLab(t)
	must(t, os.WriteFile(l.at("config"), fmt.Appendf(nil, "Host *\n\tProxyCommand sh -c 'echo $$ >%s; sleep 1000; :'\n",
		l.at("proxy")), 0o600))
	s := l.open(t, func(c *agent.Config) { c.SSHConfig = l.at("config") })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := s.Active(ctx, []string{"a.example"}); done <- err }()
	pid := ""
	for pid == "" {
		text, _ := os.ReadFile(l.at("proxy"))
		pid = strings.TrimSpace(string(text))
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	for deadline := time.Now().Add(time.Minute); exec.Command("kill", "-0", pid).Run() == nil; {
		if time.Now().After(deadline) {
			t.Fatalf("process %s lives", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSeveralHosts guards I1: a name behind which two hosts answer in turns is found out; a host that was built again
// is not taken for a second one.
func TestSeveralHosts(t *testing.T) {
	dir := t.TempDir()
	says := func(instance, host string) {
		must(t, os.WriteFile(dir+"/answer", fmt.Appendf(nil,
			`{"format_version":1,"signer":"mx2","instance":%q,"host":%q,"active":{}}`, instance, host), 0o600))
	}
	s := fake(t, "cat >/dev/null; cat "+dir+"/answer")
	ask := func() error { _, err := s.Active(t.Context(), []string{"a.example"}); return err }
	says("A", "mail2a")
	must(t, ask())
	must(t, ask())
	says("B", "mail2b")
	must(t, ask())
	must(t, ask())
	says("A", "mail2a")
	for range 2 {
		err := ask()
		if fault.KindOf(err) != fault.Permanent || err == nil || !strings.Contains(err.Error(), "mail2a, mail2b") {
			t.Fatal(err)
		}
		faulttest.Shown(t, err)
		says("B", "mail2b")
	}
}

// TestTwoCoordinators: what one has asked in between is no failure of the other.
func TestTwoCoordinators(t *testing.T) {
	l, keys := newLab(t), signertest.Keys(t, 2)
	var all sync.WaitGroup
	for n := range 3 {
		s := l.open(t, nil)
		all.Go(func() {
			domain := fmt.Sprintf("d%d.example", n)
			for turn := range 2 {
				if err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s1", keys[turn])}); err != nil &&
					!strings.Contains(err.Error(), "at the same time") {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestRebuilt: a host that comes back with nothing says so, and takes its keys again.
func TestRebuilt(t *testing.T) {
	l := newLab(t)
	s, k := l.open(t, nil), signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{k}))
	l.dkim.Stop(t)
	for _, table := range []string{l.dkim.KeyTable, l.dkim.SigningTable} {
		must(t, os.WriteFile(table, nil, 0o644))
	}
	files, err := filepath.Glob(l.dkim.KeyDir + "/*")
	must(t, err)
	for _, path := range append(files, l.place.State) {
		must(t, os.RemoveAll(path))
	}
	l.dkim.Start(t)
	l.put(t)
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(active) != 0 {
		t.Errorf("it says %v, %v", active, err)
	}
	must(t, s.Activate(t.Context(), []dkim.SigningKey{k}))
	l.signsWith(t, k)
}

// TestCheck: what is asked before the next switch.
func TestCheck(t *testing.T) {
	l := newLab(t)
	s, k := l.open(t, nil), signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{k}))
	ask := func() []preflight.Answer {
		return preflight.Ask(t.Context(), []preflight.Part{{Questions: s.Check([]preflight.Subject{{Name: k.Name}})}},
			preflight.Usual)
	}
	found := ""
	for _, a := range ask() {
		if a.Err != nil {
			t.Errorf("%s: %v", a.What, a.Err)
		}
		found += a.Found + "\n"
	}
	for _, want := range []string{"dkimbot 1 on host mail2, by a forced command", "differs from this machine's by"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not in %q", want, found)
		}
	}
	l.Stop()
	wrong := 0
	for _, a := range ask() {
		if a.Err != nil && !a.Unasked {
			wrong++
		}
	}
	if wrong != 1 {
		t.Errorf("%d questions failed", wrong)
	}
	s = fake(t, `cat >/dev/null; echo '{"format_version":1,"signer":"mx2","instance":"A","at":"2020-01-01T00:00:00Z"}'`)
	for _, a := range ask() {
		if a.What == "clock of the host" {
			if a.Err == nil {
				t.Error("a clock that is years off is not told")
			} else if !strings.Contains(a.Err.Error(), "differs") {
				t.Error(a.Err)
			}
		}
	}
}

// BenchmarkSwitch switches 1,000 domains over a real sshd, with a real OpenDKIM behind it.
func BenchmarkSwitch(b *testing.B) {
	l, keys := newLab(b), signertest.Keys(b, 2)
	l.place.OpenDKIM.Milter = ""
	l.put(b)
	s := l.open(b, nil)
	before := l.Logins()
	for n := 0; b.Loop(); n++ {
		var all []dkim.SigningKey
		for i := range 1000 {
			all = append(all, signertest.At(fmt.Sprintf("d%04d.example", i), []string{"s1", "s2"}[n%2], keys[n%2]))
		}
		must(b, s.Activate(b.Context(), all))
	}
	b.ReportMetric(float64(l.Logins()-before)/float64(b.N), "connections/op")
}
