package onhost

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// agentWith returns an agent whose token has a policy.
func agentWith(t *testing.T, server *vaulttest.Server, name, hcl string) *onHost {
	t.Helper()
	dir := t.TempDir()
	token := server.Token(t, api.TokenCreateRequest{Policies: []string{server.Policy(t, name, hcl)},
		NoDefaultPolicy: true})
	path := filepath.Join(dir, "agent.yaml")
	text := fmt.Sprintf("agent: mx1\nstate_dir: %s/state\nkeystore: { driver: vault, address: %q, auth: { token: %s } }\n"+
		"signer: { driver: exec, command: [\"sh\", \"-c\", \"echo '{\\\"active\\\":{}}'\"] }\n", dir, server.Address, token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadAgent(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newOnHost(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// answers asks, and returns what is wrong by what was asked.
func (a *onHost) answers(t *testing.T) map[string]error {
	t.Helper()
	wrong := map[string]error{}
	for _, answer := range preflight.Ask(t.Context(), a.questions(t.Context()), preflight.Usual) {
		if answer.Err != nil {
			wrong[answer.What] = answer.Err
		}
	}
	return wrong
}

// TestRights: who asks beforehand hears which right an agent lacks, and which it should not have; the example's policy
// is just right.
func TestRights(t *testing.T) {
	server := vaulttest.Start(t)
	example, err := os.ReadFile("../../../../examples/agent/agent.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if wrong := agentWith(t, server, "right", string(example)).answers(t); len(wrong) > 0 {
		t.Errorf("with the example's policy: %v", wrong)
	}
	none := agentWith(t, server, "none", `path "secret/data/x" { capabilities = ["read"] }`).answers(t)
	if err := none["right to read what is wanted"]; fault.CodeOf(err) != codes.VaultForbidden {
		t.Errorf("without any right: %v", none)
	}
	reads := agentWith(t, server, "reads", `path "secret/data/dkim-agents/mx1/*" { capabilities = ["read"] }`).answers(t)
	faulttest.Shown(t, reads["right to write reports"])
	wide := agentWith(t, server, "wide", `path "secret/data/*" { capabilities = ["create", "read", "update"] }`)
	faulttest.Shown(t, wide.answers(t)["no other right"])

	if err := os.WriteFile(wide.cfg.StateDir, nil, 0o600); err != nil { // a file stands in the way
		t.Fatal(err)
	}
	err = wide.answers(t)["state_dir "+wide.cfg.StateDir]
	if fault.CodeOf(err) != codes.NotWritable || !strings.Contains(fault.HintOf(err), "name another state_dir") {
		t.Errorf("a file in the place of state_dir: %v (%s)", err, fault.HintOf(err))
	}
	faulttest.Shown(t, err)
}

// TestOnceWithDamagedWish: a turn that can't take up what is wanted fails, and so does the check.
func TestOnceWithDamagedWish(t *testing.T) {
	server := vaulttest.Start(t)
	a := agentWith(t, server, "all", `path "secret/data/*" { capabilities = ["create", "read", "update"] }`)
	if err := a.once(t.Context()); err != nil {
		t.Errorf("before anything is wanted: %v", err)
	}
	if _, err := a.store.WritePage(t.Context(), "mx1/wish", []byte(`{"format_version":1,"agent":"mx2"}`), 0); err != nil {
		t.Fatal(err)
	}
	faulttest.Shown(t, a.once(t.Context()))
	faulttest.Shown(t, a.answers(t)["right to read what is wanted"])
}
