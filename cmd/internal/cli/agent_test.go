package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// agentHost is a signer's host: a real OpenDKIM, and an agent that may run.
type agentHost struct {
	name     string
	lab      *lab
	opendkim *signertest.OpenDKIM
	config   string
	running  *exec.Cmd
	said     *bytes.Buffer
}

// shipped returns a policy of the examples for this mount and host.
func shipped(t *testing.T, file, host string) string {
	t.Helper()
	text, err := os.ReadFile("../../../examples/" + file)
	must(t, err)
	return strings.NewReplacer("dkim-agents/mx1/", "dkim-agents/"+host+"/", "dkim/example.com/", "dkim/example.test/").
		Replace(string(text))
}

// newAgentHost makes a host whose agent logs in by a role that has the policy of the examples.
func newAgentHost(t *testing.T, l *lab, server *vaulttest.Server, name string) *agentHost {
	t.Helper()
	h := &agentHost{name: name, lab: l, opendkim: signertest.StartOpenDKIM(t)}
	roleID, secretID := server.AppRole(t, name, vaulttest.Role{TTL: time.Hour,
		Policies: []string{server.Policy(t, name, shipped(t, "agent/agent.hcl", name))}})
	l.file(t, name+"/role-id", roleID)
	l.file(t, name+"/secret-id", secretID)
	h.config = filepath.Join(l.Dir, name, "agent.yaml")
	l.file(t, name+"/reload", "#!/bin/sh\nexec kill -USR1 $(cat "+filepath.Join(l.Dir, name, "pid")+")\n")
	must(t, os.Chmod(filepath.Join(l.Dir, name, "reload"), 0o700))
	h.pid(t)
	l.file(t, name+"/agent.yaml", fmt.Sprintf(`agent: %s
poll: 300ms
state_dir: state
keystore:
  driver: vault
  address: %s
  auth: { method: approle, role_id_file: role-id, secret_id_file: secret-id }
signer:
  driver: opendkim
  key_dir: %s
  key_table: %s
  signing_table: %s
  owner: opendkim
  reload: [./reload]
  lag: 100ms
  milter: %s
`, name, server.Address, h.opendkim.KeyDir, h.opendkim.KeyTable, h.opendkim.SigningTable, h.opendkim.Socket))
	t.Cleanup(func() {
		h.stop()
		if t.Failed() && h.said != nil {
			t.Logf("the agent on %s said\n%s", h.name, h.said)
		}
	})
	return h
}

// pid writes where the reload finds OpenDKIM.
func (h *agentHost) pid(t *testing.T) { h.lab.file(t, h.name+"/pid", fmt.Sprint(h.opendkim.PID)) }

func (h *agentHost) start(t *testing.T) {
	t.Helper()
	h.said = &bytes.Buffer{}
	h.running = h.lab.command("agent", "--config", h.config)
	h.running.Stderr = h.said
	must(t, h.running.Start())
}

func (h *agentHost) stop() {
	if h.running != nil {
		h.running.Process.Signal(syscall.SIGTERM)
		h.running.Wait()
		h.running = nil
	}
}

// wipe is a host that was rebuilt from nothing: no tables, no keys, no memory.
func (h *agentHost) wipe(t *testing.T) {
	t.Helper()
	h.opendkim.Stop(t)
	for _, table := range []string{h.opendkim.KeyTable, h.opendkim.SigningTable} {
		must(t, os.WriteFile(table, nil, 0o644))
	}
	keys, err := filepath.Glob(h.opendkim.KeyDir + "/*")
	must(t, err)
	for _, path := range append(keys, filepath.Join(h.lab.Dir, h.name, "state")) {
		must(t, os.RemoveAll(path))
	}
	h.opendkim.Start(t)
	h.pid(t)
}

// flow is mail through both hosts: each message is verified when it is signed, and once more when the drain is over.
type flow struct {
	lab    *lab
	drain  time.Duration
	mu     sync.Mutex
	counts map[string]int // by host and selector
	wrong  []string
	sent   int
}

// verify asks the lab's name server for the key.
func (f *flow) verify(message string) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.lab.DNS)
	}}
	all, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return r.LookupTXT(context.Background(), name+".") }})
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%d signatures", len(all))
	}
	if err == nil {
		err = all[0].Err
	}
	return err
}

// run sends until ctx is done; a host that is being rebuilt takes no mail.
func (f *flow) run(ctx context.Context, t *testing.T, h *agentHost, takesMail *sync.RWMutex) {
	var late sync.WaitGroup
	defer late.Wait()
	for ctx.Err() == nil {
		takesMail.RLock()
		answer := h.opendkim.Mail(t, "example.test")
		takesMail.RUnlock()
		now := time.Now()
		f.note(h, answer, "at once", now)
		if len(answer.Signatures) == 1 {
			late.Go(func() {
				time.Sleep(f.drain - 200*time.Millisecond)
				f.note(h, answer, "at the drain's end", now)
			})
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (f *flow) note(h *agentHost, answer signertest.Answer, when string, sent time.Time) {
	problem := ""
	if len(answer.Signatures) != 1 {
		problem = "it is signed " + fmt.Sprint(len(answer.Signatures)) + " times"
	} else if err := f.verify(answer.Signatures[0].Message); err != nil {
		problem = "with " + answer.Signatures[0].Selector + ": " + err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	if problem != "" {
		f.wrong = append(f.wrong, fmt.Sprintf("%s, sent %s, %s: %s", h.name, sent.Format("15:04:05.000"), when, problem))
		return
	}
	f.counts[h.name+" "+answer.Signatures[0].Selector]++
}

// withAgents makes a lab whose keys are in a real Vault and whose two signers are agents, with the policies
// of the examples.
func withAgents(t *testing.T) (*lab, *vaulttest.Server) {
	t.Helper()
	server := vaulttest.Start(t)
	l := newLab(t, "example.test")
	roleID, secretID := server.AppRole(t, "dkimbot", vaulttest.Role{TTL: time.Hour, Policies: []string{
		server.Policy(t, "rotator", shipped(t, "vault/rotator.hcl", "")),
		server.Policy(t, "coordinator", shipped(t, "agent/coordinator.hcl", ""))}})
	l.file(t, "role-id", roleID)
	l.file(t, "secret-id", secretID)
	l.Keystore = "driver: vault\naddress: " + server.Address +
		"\nauth: { method: approle, role_id_file: role-id, secret_id_file: secret-id }"
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 5s", 1)
	l.Domains = []string{"{name: example.test, provider: lab, signers: [mx1, mx2]}"}
	const agent = "driver: agent\nsilent_after: 5s\ntimeout: 30s"
	l.Signer = agent
	l.write(t)
	l.file(t, "dkimbot.yaml", strings.Replace(l.read(t, "dkimbot.yaml"), "signers:\n", "signers:\n  mx2:\n    "+
		strings.ReplaceAll(agent, "\n", "\n    ")+"\n", 1))
	l.serve(t)
	return l, server
}

// TestAgents guards I1, I2, I10 with a real Vault and two hosts with real OpenDKIMs: two rotations under mail, an agent
// that is away for longer than the drain, and a host that is rebuilt from nothing.
func TestAgents(t *testing.T) {
	t.Parallel()
	l, server := withAgents(t)
	mx1, mx2 := newAgentHost(t, l, server, "mx1"), newAgentHost(t, l, server, "mx2")
	l.run(t, "check").want(t, 1, "agent mx1 has never reported", "agent mx2 has never reported")
	mx1.start(t)
	mx2.start(t)
	eventually(t, "both agents report", func() bool {
		return strings.Count(l.run(t, "check").out, "ago, by dkimbot") == 2
	})
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
	for _, h := range []*agentHost{mx1, mx2} {
		l.run(t, "agent", "--check", "--config", h.config).want(t, 0, "no other right", "number ", "for 1 domain")
	}

	f := &flow{lab: l, drain: 5 * time.Second, counts: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	var flows sync.WaitGroup
	var mx1TakesMail, mx2TakesMail sync.RWMutex
	flows.Go(func() { f.run(ctx, t, mx1, &mx1TakesMail) })
	flows.Go(func() { f.run(ctx, t, mx2, &mx2TakesMail) })
	end := func() { stop(); flows.Wait() }
	t.Cleanup(end)

	mx2.stop()
	record := l.read(t, "zones/example.test.zone")
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "agent mx2", "since ", "phase switching")
	time.Sleep(6 * time.Second) // longer than the drain and silent_after
	l.run(t, "rotate", "--due")
	if st := l.status(t, "example.test"); st.Phase != "switching" || l.read(t, "zones/example.test.zone") != record {
		t.Errorf("without mx2 the phase is %s", st.Phase)
	}
	for _, command := range [][]string{{"status"}, {"plan"}, {"status", "--check"}} {
		if r := l.run(t, command...); !strings.Contains(r.out+r.stderr, "agent mx2") ||
			!strings.Contains(r.out+r.stderr, "since ") ||
			command[len(command)-1] == "--check" && r.code == 0 {
			t.Errorf("%s ends with %d and does not say which agent is waited for, and since when:\n%s%s", command, r.code, r.out,
				r.stderr)
		}
	}
	mx2.start(t)
	ready("s2")

	mx1.stop()
	mx1TakesMail.Lock() // the host is down
	mx1.wipe(t)
	began := time.Now()
	mx1.start(t)
	eventually(t, "the rebuilt host signs",
		func() bool { return len(mx1.opendkim.Mail(t, "example.test").Signatures) == 1 })
	t.Logf("the rebuilt host signed %s after its agent was started", time.Since(began).Round(10*time.Millisecond))
	mx1TakesMail.Unlock()
	gone := ""
	eventually(t, "the coordinator says which host is not heard of any more", func() bool {
		_, rest, _ := strings.Cut(l.run(t, "check").out, "write gone: ")
		gone, _, _ = strings.Cut(rest, " ")
		return gone != ""
	})
	record = l.read(t, "zones/example.test.zone")
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "("+gone+")", "may still sign with s2", "phase switching")
	time.Sleep(6 * time.Second) // longer than the drain
	l.run(t, "rotate", "--due")
	if st := l.status(t, "example.test"); st.Phase != "switching" || l.read(t, "zones/example.test.zone") != record {
		t.Errorf("while a host is missing the phase is %s", st.Phase)
	}
	config := strings.Replace(l.read(t, "dkimbot.yaml"), "  mx1:\n", "  mx1:\n    gone: "+gone+"\n", 1)
	l.file(t, "dkimbot.yaml", config)
	l.run(t, "check").want(t, 0)
	ready("s1")

	end()
	t.Logf("%d checks of mail: %v", f.sent, f.counts)
	for _, w := range f.wrong {
		t.Error(w)
	}
	for _, kind := range []string{"mx1 s1", "mx1 s2", "mx2 s1", "mx2 s2"} {
		if f.counts[kind] < 10 {
			t.Errorf("only %d messages of %s", f.counts[kind], kind)
		}
	}

	// A token that may do more than an agent needs is found out.
	wide := server.Policy(t, "wide", `path "secret/data/*" { capabilities = ["create", "read", "update"] }`)
	_, err := server.Root().Logical().Write("auth/approle/role/mx1", map[string]any{"token_policies": wide})
	must(t, err)
	l.run(t, "agent", "--check", "--config", mx1.config).want(t, 1,
		"it may do more than an agent needs: read keys of other "+
			"domains, write keys, read the wishes of other agents, write what is wanted, write the reports of other agents")
}
