package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
)

// agentOf reads an agent's configuration with the example's secrets beside it.
func agentOf(t *testing.T, text string) (*Agent, error) {
	t.Helper()
	dir := t.TempDir()
	for _, secret := range []string{"role-id", "secret-id"} {
		if err := os.WriteFile(filepath.Join(dir, secret), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	return loadAgent(filepath.Join(dir, "agent.yaml"), none, Builtin(), &node.Findings{})
}

// TestAgentExample: the agent's example loads without a warning.
func TestAgentExample(t *testing.T) {
	text, err := os.ReadFile(examples + "/agent/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, err := agentOf(t, strings.Replace(string(text), "# domains: [example.com]  ", "domains: [Example.com]  ", 1))
	if err != nil || len(a.Warnings) > 0 {
		t.Fatalf("%v, %v", err, a)
	}
	if a.Name != "mx1" || a.Keystore.Vault == nil || a.Signer.Settings.Driver().Name != "opendkim" ||
		a.Signer.Name != "mx1" ||
		len(a.Domains) != 1 || a.Domains[0] != "example.com" {
		t.Errorf("%+v", a)
	}
}

// TestAgentSSHExample: so does that of a host that is asked by ssh.
func TestAgentSSHExample(t *testing.T) {
	text, err := os.ReadFile(examples + "/agent-ssh/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, err := agentOf(t, string(text))
	if err != nil || len(a.Warnings) > 0 || a.Via != "ssh" || a.Keystore.Vault != nil || len(a.Domains) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAgentRules: what is wrong with an agent's configuration is named by line, with what to write instead.
func TestAgentRules(t *testing.T) {
	const good = "agent: mx1\nkeystore: { driver: vault, address: \"https://vault.example.com:8200\", " +
		"auth: { method: approle, role_id_file: role-id, secret_id_file: secret-id } }\n" +
		"signer: { driver: exec, command: [/bin/true] }\n"
	if _, err := agentOf(t, good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"no name": {"agent: mx1\n", "", "agent: is missing: write the name that the coordinator's"},
		"name":    {"agent: mx1\n", "agent: MX_1\n", "agent: is not a name for an agent: use lower case"},
		"keys in files": {"driver: vault, address: \"https://vault.example.com:8200\", auth: { method: " +
			"approle, role_id_file: role-id, secret_id_file: secret-id } ", "driver: file, path: keys ",
			"keystore.driver: an agent reads wishes and keys in Vault"},
		"keystore with ssh": {"agent: mx1\n", "agent: mx1\nvia: ssh\n",
			"keystore: is not used with via: ssh: leave it out: keys come with the coordinator's request"},
		"no signer": {"signer: { driver: exec, command: [/bin/true] }\n", "",
			"signer: is missing: write the signer of this host"},
		"agent of agents": {"driver: exec, command: [/bin/true]", "driver: agent", "signer.driver: "},
		"long poll": {"agent: mx1\n", "agent: mx1\npoll: 6m\n",
			"poll: is longer than a switch waits for a report: write 5m or less"},
		"no domains": {"agent: mx1\n", "agent: mx1\ndomains: []\n", "domains: is an empty list: list the domains"},
		"domain":     {"agent: mx1\n", "agent: mx1\ndomains: [a..b]\n", "domains[0]: "},
		"domain twice": {"agent: mx1\n", "agent: mx1\ndomains: [a.example, A.example]\n",
			"a.example is listed already: keep one"},
		"unknown": {"agent: mx1\n", "agent: mx1\nstate: x\n", "unknown key \"state\": there are: agent"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := agentOf(t, strings.Replace(good, c.from, c.to, 1))
			var errs Errors
			if !errors.As(err, &errs) || a != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", a, err, c.want)
			}
		})
	}
}
