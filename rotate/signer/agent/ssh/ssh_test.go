package ssh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh/stdio"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestConformance runs the suite through a real sshd, with a real OpenDKIM behind it.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		l := newLab(t)
		return signertest.Subject{Signer: l.open(t, nil), Stop: func(t *testing.T) { l.Stop() },
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				return l.dkim.SignsWith(t, domain, signertest.Keys(t, 3)...)
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

// TestFaults: what goes wrong on the way has a name, and whether a retry helps.
func TestFaults(t *testing.T) {
	k := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for name, c := range map[string]struct {
		code  codes.Code
		kind  fault.Kind
		words string
		make  func(t *testing.T, l *lab, c *agent.Config)
	}{
		"host key changed": {codes.AgentHostKey, fault.Permanent, "another host key", func(t *testing.T, l *lab, _ *agent.Config) {
			l.NewHostKey(t)
			l.Stop()
			l.Start(t)
		}},
		"host key unknown": {codes.AgentHostKey, fault.Permanent, "is not known", func(t *testing.T, l *lab, _ *agent.Config) {
			must(t, os.WriteFile(l.KnownHosts, nil, 0o600))
		}},
		"check turned off in ssh_config": {codes.AgentHostKey, fault.Permanent, "is not known",
			func(t *testing.T, l *lab, c *agent.Config) {
				must(t, os.WriteFile(l.KnownHosts, nil, 0o600))
				must(t, os.WriteFile(l.at("config"), []byte("StrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes\n"), 0o600))
				c.SSHConfig = l.at("config")
			}},
		"wrong key": {codes.AgentLogin, fault.Permanent, "let dkimbot in", func(t *testing.T, l *lab, _ *agent.Config) {
			signertest.NewSSHKey(t, l.Identity)
		}},
		"key open to others": {codes.AgentLogin, fault.Permanent, "let dkimbot in", func(t *testing.T, l *lab, _ *agent.Config) {
			must(t, os.Chmod(l.Identity, 0o644))
		}},
		"authorized_keys open to others": {codes.AgentLogin, fault.Permanent, "let dkimbot in",
			func(t *testing.T, l *lab, _ *agent.Config) { must(t, os.Chmod(l.Authorized, 0o666)) }},
		"away": {codes.AgentUnreachable, fault.Transient, "refused", func(t *testing.T, l *lab, _ *agent.Config) { l.Stop() }},
		"slow": {codes.AgentUnreachable, fault.Transient, "timed out", func(t *testing.T, l *lab, c *agent.Config) {
			l.instead(t, "sleep 1000")
			c.Timeout = 3 * time.Second
		}},
		"command missing": {codes.CommandMissing, fault.Permanent, "does not find", func(t *testing.T, l *lab, _ *agent.Config) {
			l.Force(t, "/usr/lib/no-such-dkimbot agent --stdio")
		}},
		"command fails": {"", fault.Transient, "failed", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "echo agent.yaml is missing >&2; exit 1")
		}},
		"nothing": {codes.AgentDocument, fault.Transient, "can't be used", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >/dev/null")
		}},
		"another program": {codes.AgentDocument, fault.Transient, "can't be used", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >/dev/null; uname -a")
		}},
		"says back what it got": {codes.AgentDocument, fault.Transient, "can't be used",
			func(t *testing.T, l *lab, _ *agent.Config) { l.instead(t, "cat") }},
		"says it on standard error": {"", fault.Transient, "failed", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >&2; exit 1")
		}},
		"newer version": {codes.AgentDocument, fault.Transient, "format_version", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >/dev/null; echo "+quoted(`{"format_version":2,"signer":"mx2","instance":"A","active":{}}`))
		}},
		"another agent's host": {"", fault.Permanent, "agent mx9, and was asked as another", func(t *testing.T, l *lab,
			_ *agent.Config) {
			l.place.Agent = "mx9"
			l.put(t)
		}},
		"another agent's answer": {codes.AgentDocument, fault.Transient, "another agent", func(t *testing.T, l *lab,
			_ *agent.Config) {
			l.instead(t, "cat >/dev/null; echo "+quoted(`{"format_version":1,"signer":"mx9","instance":"A","active":{}}`))
		}},
		"never the newest ticket": {"", fault.Transient, "at the same time", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >/dev/null; echo "+
				quoted(`{"format_version":1,"signer":"mx2","instance":"A","ticket":"B","stale":true}`))
		}},
		"not confirmed": {codes.AgentDocument, fault.Transient, "does not confirm", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, "cat >/dev/null; echo "+quoted(`{"format_version":1,"signer":"mx2","instance":"A"}`))
		}},
		"domain not listed": {"", fault.Permanent, "does not list this domain", func(t *testing.T, l *lab, _ *agent.Config) {
			l.place.Domains = []string{"b.example"}
			l.put(t)
		}},
		"host's own fault": {"", fault.Permanent, "mx2", func(t *testing.T, l *lab, _ *agent.Config) {
			must(t, os.WriteFile(l.dkim.SigningTable, []byte("*@a.example other._domainkey.a.example\n"), 0o644))
		}},
		"state_dir of others": {"", fault.Permanent, "state_dir", func(t *testing.T, l *lab, _ *agent.Config) {
			must(t, os.Mkdir(l.place.State, 0o700))
			must(t, os.Chmod(l.place.State, 0o777))
		}},
		"no ssh": {codes.CommandMissing, fault.Permanent, "ssh", func(t *testing.T, l *lab, _ *agent.Config) {
			t.Setenv("PATH", t.TempDir())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			s := l.open(t, func(cfg *agent.Config) { c.make(t, l, cfg) })
			err := s.Activate(t.Context(), []dkim.SigningKey{k})
			if err == nil || fault.CodeOf(err) != c.code || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.words) ||
				fault.HintOf(err) == "" {
				t.Fatalf("%s, code %q, hint %q: %v", fault.KindOf(err), fault.CodeOf(err), fault.HintOf(err), err)
			}
			for line := range strings.Lines(string(k.Key.PEM())) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-") && len(line) > 8 &&
					strings.Contains(err.Error()+fault.HintOf(err), line) {
					t.Errorf("a line of the key is in the error: %v", err)
				}
			}
			if os.Geteuid() == 0 && name != "host's own fault" {
				l.signsNothing(t, k.Domain)
			}
		})
	}
}

// signsNothing wants that nothing was changed.
func (l *lab) signsNothing(t *testing.T, domain string) {
	t.Helper()
	if n := len(l.dkim.Mail(t, domain).Signatures); n != 0 {
		t.Errorf("mail of %s is signed", domain)
	}
}

// TestFaultTexts shows what people read.
func TestFaultTexts(t *testing.T) {
	for _, c := range []struct{ script string }{
		{`echo '@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@' >&2; exit 255`},
		{`echo 'Host key verification failed.' >&2; exit 255`},
		{`echo 'dkimbot@mail2: Permission denied (publickey).' >&2; exit 255`},
		{`echo 'ssh: connect to host mail2 port 22: Connection refused' >&2; exit 255`},
		{`exit 127`},
		{`exit 1`},
		{`echo '{"format_version":2}'`},
		{`echo hello`},
		{`echo '{"format_version":1,"signer":"mx9","instance":"A"}'`},
		{`echo '{"format_version":1,"signer":"mx2","instance":"A","ticket":"B","stale":true}'`},
		{`echo '{"format_version":1,"signer":"mx2","instance":"A","refused":{"error":"it is full"}}'`},
		{`echo '{"format_version":1,"signer":"mx2","instance":"A","failed":{"a.example":{"error":"no table","hint":"make it"}}}'`},
	} {
		s := fake(t, "cat >/dev/null; "+c.script)
		faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])}))
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := open(t).Active(t.Context(), []string{"a.example"}); fault.CodeOf(err) != codes.CommandMissing {
		t.Error(err)
	} else {
		faulttest.Shown(t, err)
	}
}

// open returns a signer of a host that nobody asks.
func open(t *testing.T) *ssh.Signer {
	return ssh.New(ssh.Config{Name: "mx2", Agent: "mx2", Host: "mail2", Timeout: time.Minute})
}

// fake returns a signer that finds a script for ssh.
func fake(t *testing.T, script string) *ssh.Signer {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return open(t)
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

// TestNoise: what a shell's start-up file and sshd print is passed over.
func TestNoise(t *testing.T) {
	l := newLab(t)
	must(t, os.WriteFile(l.at("banner"), []byte("Authorized use only\n"), 0o600))
	conf, err := os.ReadFile(l.Conf)
	must(t, err)
	must(t, os.WriteFile(l.Conf, append(conf, []byte("Banner "+l.at("banner")+"\nPrintMotd yes\n")...), 0o600))
	l.Stop()
	l.Start(t)
	l.instead(t, "echo Welcome to mail2; echo {; echo the disk is nearly full >&2; exec "+l.at("agent"))
	s, k := l.open(t, nil), signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{k}))
	l.signsWith(t, k)
	if s.Lag() != time.Second {
		t.Errorf("the lag is %s, not the host's", s.Lag())
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

// TestArguments: no argument holds a key, a shell sees none of them, and the host is one word after "--".
func TestArguments(t *testing.T) {
	argv := ssh.Config{Host: "mail2", User: "dkimbot", Port: 2222, Identity: "/i", KnownHosts: "/k", File: "/c",
		ConnectTimeout: 7 * time.Second}.Argv()
	for _, want := range [][]string{{"-o", "BatchMode=yes"}, {"-o", "StrictHostKeyChecking=yes"}, {"-F", "/c"}, {"-a"}, {"-x"},
		{"-T"}, {"-o", "ConnectTimeout=7"}, {"-o", "UserKnownHostsFile=/k"}, {"-i", "/i"}, {"-p", "2222"}, {"-l", "dkimbot"},
		{"--", "mail2", "dkimbot agent --stdio"}} {
		if i := slices.Index(argv, want[len(want)-1]); i < len(want)-1 || !slices.Equal(argv[i-len(want)+1:i+1], want) {
			t.Errorf("%q is not in %q", want, argv)
		}
	}
}

// TestDocuments: a request is read by the form that is promised.
func TestDocuments(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"format_version":1,"action":"active","signer":"a","domains":[{"domain":"a.example","more":1}],"also":{}}`: true,
		`{"format_version":2,"action":"active"}`:                                         false,
		`{"action":"active"}`:                                                            false,
		`{"format_version":1} {"format_version":1}`:                                      false,
		`{"format_version":1,"domains":[{"domain":"A.example"}]}`:                        false,
		`{"format_version":1,"domains":[{"domain":"a.example"},{"domain":"a.example"}]}`: false,
		`{"format_version":1,"domains":[{"domain":"../a"}]}`:                             false,
		`{"format_version":1,"domains":[`:                                                false,
		"":                                                                               false,
	} {
		if _, err := ssh.ReadRequest(strings.NewReader(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := ssh.ReadRequest(strings.NewReader(strings.Repeat(" ", ssh.MaxDocument+1))); err == nil ||
		!strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
}

// TestAnswerAmongLines: what a shell prints before and after the answer is passed over; two answers, or one that is cut
// off, are not taken for one.
func TestAnswerAmongLines(t *testing.T) {
	const answer = `{"format_version":1,"signer":"mx2","instance":"A","active":{}}`
	for text, ok := range map[string]bool{
		answer: true,
		"Welcome\r\n\n" + answer + "\nlogout\n\n": true,
		answer + "\n" + answer[:20]:               false,
		answer[:20] + "\nlogout":                  false,
		"logout":                                  false,
		answer + answer:                           false,
		"[" + answer + "]":                        false,
	} {
		if _, got, err := ssh.ReadAnswer([]byte(text)); (err == nil) != ok || ok && string(got) != answer {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// FuzzAnswer: whatever a host answers, only what it confirms counts, and nothing breaks.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"signer":"mx2","instance":"A","ticket":"B","active":{"a.example":{"selector":"s1"}}}`))
	f.Add([]byte("motd\n" + `{"format_version":1,"signer":"mx2","instance":"A","failed":{"a.example":{"error":"x"}},"lag_ns":-1}`))
	f.Add([]byte(`{"format_version":1,"refused":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, last, err := ssh.ReadAnswer(text)
		if err != nil {
			return
		}
		if a.FormatVersion != 1 || a.Lag < 0 || a.Lag > 24*time.Hour || a.Instance == "" || !json.Valid(last) {
			t.Errorf("%+v", a)
		}
	})
}

// FuzzRequest: whatever reaches a host, it answers with one line that can be read, and changes nothing that it was not
// asked for by a whole document.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"action":"activate","signer":"mx2","ticket":"T","domains":[{"domain":"a.example","selector":"s1","private_key":"x"}]}`))
	f.Add([]byte(`{"format_version":1,"action":"active","signer":"mx2","domains":[{"domain":"a.example"}]}`))
	f.Add([]byte(`{"format_version":1,"action":"forget","signer":"mx2","domains":[{"domain":"a.example"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out strings.Builder
		h := &stdio.Host{Agent: "mx2", Memory: noMemory{}, Signer: untouched{t}, Now: time.Now}
		must(t, h.Serve(t.Context(), strings.NewReader(string(text)), &out))
		if _, _, err := ssh.ReadAnswer([]byte(out.String())); err != nil {
			t.Errorf("%v: %s", err, out.String())
		}
	})
}

// noMemory remembers one ticket.
type noMemory struct{}

func (noMemory) Hold(context.Context) (stdio.Memo, func(), error) {
	return stdio.Memo{Instance: "A", Ticket: "T"}, func() {}, nil
}
func (noMemory) Save(stdio.Memo) error { return nil }

// untouched is a signer that is never to be changed.
type untouched struct{ t *testing.T }

func (untouched) Active(context.Context, []string) (map[string]dkim.Ref, error) { return nil, nil }
func (u untouched) Activate(context.Context, []dkim.SigningKey) error {
	u.t.Error("it was changed")
	return nil
}
func (untouched) Lag() time.Duration { return 0 }

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
