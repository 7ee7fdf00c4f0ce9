package cli_test

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

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// bySSH makes a lab whose signer is on a host with a real sshd and a real OpenDKIM; there is no Vault.
func bySSH(t *testing.T) (*lab, *agentHost, *signertest.SSHD) {
	t.Helper()
	l := newLab(t, "example.test")
	h := &agentHost{name: "mx1", lab: l, opendkim: signertest.StartOpenDKIM(t), config: filepath.Join(l.Dir, "mx1/agent.yaml")}
	l.file(t, "mx1/reload", "#!/bin/sh\nexec kill -USR1 $(cat "+filepath.Join(l.Dir, "mx1/pid")+")\n")
	must(t, os.Chmod(filepath.Join(l.Dir, "mx1/reload"), 0o700))
	h.pid(t)
	l.file(t, "mx1/agent.yaml", fmt.Sprintf(`agent: mx1
via: ssh
state_dir: state
domains: [example.test]
signer:
  driver: opendkim
  key_dir: %s
  key_table: %s
  signing_table: %s
  owner: opendkim
  reload: [./reload]
  lag: 100ms
  milter: %s
`, h.opendkim.KeyDir, h.opendkim.KeyTable, h.opendkim.SigningTable, h.opendkim.Socket))
	program, err := exec.LookPath("dkimbot")
	must(t, err)
	sshd := signertest.StartSSHD(t, program+" agent --stdio --config "+h.config)
	l.Signer = fmt.Sprintf("driver: agent\nvia: ssh\nhost: 127.0.0.1\nport: %d\nuser: %s\nidentity_file: %s\nknown_hosts: %s",
		sshd.Port, sshd.User, sshd.Identity, sshd.KnownHosts)
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 5s", 1)
	l.write(t)
	l.serve(t)
	return l, h, sshd
}

// TestAgentBySSH guards I1, I2, I10 where there is no Vault: two rotations under mail of a signer that is reached by a
// real sshd, a host that is away for longer than the drain, one that was built again, and one with another host key.
func TestAgentBySSH(t *testing.T) {
	t.Parallel()
	l, h, sshd := bySSH(t)
	l.run(t, "check").want(t, 0, "on host", "by a forced command", "differs from this machine's by")
	l.run(t, "agent", "--check", "--config", h.config).want(t, 0, "state_dir")
	ready := func(active string) {
		t.Helper()
		eventually(t, "ready with "+active, func() bool {
			st := l.status(t, "example.test")
			done := st.Phase == "ready" && st.Active != nil && *st.Active == active
			if !done { // named, it is tried again at once
				l.run(t, "rotate", "--domain", "example.test")
			}
			return done
		})
	}
	ready("s1")
	f := &flow{lab: l, drain: 5 * time.Second, counts: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	var flows sync.WaitGroup
	var takesMail sync.RWMutex
	flows.Go(func() { f.run(ctx, t, h, &takesMail) })
	end := func() { stop(); flows.Wait() }
	t.Cleanup(end)

	sshd.Stop()
	record := l.read(t, "zones/example.test.zone")
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "host 127.0.0.1", "refused", "phase switching")
	time.Sleep(6 * time.Second) // longer than the drain
	l.run(t, "rotate", "--due")
	if st := l.status(t, "example.test"); st.Phase != "switching" || l.read(t, "zones/example.test.zone") != record {
		t.Errorf("without the host the phase is %s", st.Phase)
	}
	sshd.Start(t)
	ready("s2")

	takesMail.Lock() // the host is down
	h.wipe(t)
	must(t, os.RemoveAll(filepath.Join(l.Dir, "mx1/state")))
	eventually(t, "the rebuilt host signs", func() bool {
		l.run(t, "rotate", "--domain", "example.test")
		return len(h.opendkim.Mail(t, "example.test").Signatures) == 1
	})
	takesMail.Unlock()
	ready("s1")
	end()
	t.Logf("%d checks of mail, %d connections: %v", f.sent, sshd.Logins(), f.counts)
	for _, w := range f.wrong {
		t.Error(w)
	}
	for _, kind := range []string{"mx1 s1", "mx1 s2"} {
		if f.counts[kind] < 10 {
			t.Errorf("only %d messages of %s", f.counts[kind], kind)
		}
	}

	sshd.NewHostKey(t)
	sshd.Stop()
	sshd.Start(t)
	l.run(t, "check").want(t, 1, "another host key than is known", "replace its line")
	if text, err := os.ReadFile(filepath.Join(l.Dir, "mx1/state/ssh.json")); err != nil || strings.Contains(string(text), "KEY") {
		t.Errorf("%s, %v", text, err)
	}
}
