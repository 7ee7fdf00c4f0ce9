package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// agentRows are two hosts, each with an OpenDKIM and an agent, that sign mail of one domain.
func agentRows(t *testing.T, binary string, v *vaulttest.Server) []*matrixSigner {
	return []*matrixSigner{agentRow(t, binary, v, "agent-1"), agentRow(t, binary, v, "agent-2")}
}

func agentRow(t *testing.T, binary string, v *vaulttest.Server, name string) *matrixSigner {
	const domain = "agents.test"
	d, dir := signertest.StartOpenDKIM(t), signertest.SafeDir(t)
	policy := strings.NewReplacer("dkim-agents/mx1/", "dkim-agents/"+name+"/", "dkim/example.com/", "dkim/"+domain+"/").
		Replace(shipped(t, "agent/agent.hcl"))
	roleID, secretID := v.AppRole(t, name, vaulttest.Role{TTL: time.Hour, Policies: []string{v.Policy(t, name, policy)}})
	configure := func(keyTable, reload string) {
		for file, text := range map[string]string{"role-id": roleID, "secret-id": secretID,
			"agent.yaml": fmt.Sprintf(`agent: %s
poll: 500ms
state_dir: state
keystore: { driver: vault, address: %s, auth: { method: approle, role_id_file: role-id, secret_id_file: secret-id } }
signer: { driver: opendkim, owner: opendkim, key_dir: %s, key_table: %s, signing_table: %s, reload: [%s], lag: 1s }
`, name, v.Address, d.KeyDir, keyTable, d.SigningTable, reload)} {
			must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
	}
	configure(d.KeyTable, `"`+strings.Join(d.Reload(), `", "`)+`"`)
	a := &agentOnHost{binary: binary, config: filepath.Join(dir, "agent.yaml"), log: filepath.Join(t.TempDir(), "log")}
	a.start(t)
	t.Cleanup(func() { a.stop(t) })
	const section = "driver: agent, silent_after: 20s, timeout: 1m"
	return &matrixSigner{
		name: name, at: domain, section: section, mail: d.Mail,
		sabotage: "its agent reports tables that OpenDKIM has not read",
		ruin: func(t testing.TB) (old, ruined string) {
			a.stop(t)
			configure(d.KeyTable, `"true"`)
			a.start(t)
			return section, section
		},
	}
}

// agentOnHost is an agent that runs.
type agentOnHost struct {
	binary, config, log string
	running             *exec.Cmd
}

func (a *agentOnHost) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer log.Close()
	a.running = exec.Command(a.binary, "agent", "--config", a.config)
	a.running.Stdout, a.running.Stderr = log, log
	must(t, a.running.Start())
}

func (a *agentOnHost) stop(t testing.TB) {
	if a.running == nil {
		return
	}
	a.running.Process.Signal(syscall.SIGTERM)
	a.running.Wait()
	a.running = nil
	if text, err := os.ReadFile(a.log); err == nil && t.Failed() {
		t.Logf("the agent said\n%s", text)
	}
}
