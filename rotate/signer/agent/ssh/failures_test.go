package ssh_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

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
		"half an answer": {codes.AgentUnreachable, fault.Transient, "was cut off", func(t *testing.T, l *lab, _ *agent.Config) {
			l.instead(t, `cat >/dev/null; printf 'Welcome\n{"format_version":1,"signer":"mx2","inst'`)
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
		{`cat >/dev/null; printf '{"format_version":1,"signer":"mx2","inst'`},
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

// untouched is a signer that is never to be changed.
type untouched struct{ t *testing.T }

func (untouched) Active(context.Context, []string) (map[string]dkim.Ref, error) { return nil, nil }

func (u untouched) Activate(context.Context, []dkim.SigningKey) error {
	u.t.Error("it was changed")
	return nil
}

func (untouched) Lag() time.Duration { return 0 }
