package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// DefaultAgentPath is where an agent's configuration is when it is not named.
const DefaultAgentPath = "/etc/dkimbot/agent.yaml"

// Agent is the configuration of an agent on a signer's host.
type Agent struct {
	File     string // absolute
	Name     string
	Via      string // agent.ViaVault or agent.ViaSSH
	Poll     time.Duration
	StateDir string
	Domains  []string // nil: those that it is asked for
	Keystore Keystore // in Vault; of a host that is asked by ssh, none
	Signer   signer.Config
	Warnings []Error
}

// Fields returns its keys, but for the groups and lists.
func (a *Agent) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "agent",
			Into:    &a.Name,
			Form:    agent.NameForm(),
			Need:    "write the name that the coordinator's configuration has: agent: mx1",
			Meaning: "the agent's name; its documents are at MOUNT/data/PREFIX-agents/NAME",
		},
		{
			Key:     "via",
			Into:    &a.Via,
			Choices: []string{agent.ViaVault, agent.ViaSSH},
			Meaning: "as in the coordinator's configuration: vault, or ssh for a host where sshd runs 'dkimbot agent --stdio'",
		},
		{
			Key:      "poll",
			Into:     &a.Poll,
			Shortest: 100 * time.Millisecond,
			Meaning:  "how often it looks for what is wanted, and reports; at most 5m",
		},
		{
			Key:     "state_dir",
			Into:    &a.StateDir,
			Form:    settings.Path(),
			Meaning: "the directory of what the agent remembers; when it is lost, the host counts as a second one",
		},
	}
}

// Rules returns what is wrong although each key is right by itself.
func (a *Agent) Rules() (out []*settings.Problem) {
	if a.Poll > agent.LongestPoll {
		out = append(out, settings.Wrong("is longer than a switch waits for a report", "write 5m or less", "poll"))
	}
	return out
}

// LoadAgent reads the configuration of an agent. When anything is wrong, the error is an Errors.
func LoadAgent(path string) (*Agent, error) {
	return loadAgent(filepath.Clean(path), os.LookupEnv, Builtin(), &node.Findings{})
}

func loadAgent(path string, env node.Lookup, drivers Drivers, found *node.Findings) (*Agent, error) {
	a := &Agent{Via: agent.ViaVault, Poll: 30 * time.Second, StateDir: "/var/lib/dkimbot-agent"}
	if doc, root, ok := found.Open(path, env); ok {
		a.File = filepath.Join(doc.Dir, filepath.Base(path))
		if s, ok := root.Section(); ok {
			a.build(s, found, drivers)
		}
	}
	if errs := append(found.Errs, found.Unread...); len(errs) > 0 {
		return nil, Errors(found.Sorted(errs))
	}
	a.Warnings = found.Sorted(found.Warns)
	return a, nil
}

func (a *Agent) build(s *node.Section, found *node.Findings, drivers Drivers) {
	b := &builder{Config: &Config{}, Findings: found, claims: map[string]string{}, drivers: Drivers{DNS: drivers.DNS,
		Signers: func() []signer.Settings {
			return slices.DeleteFunc(drivers.Signers(), func(d signer.Settings) bool { return d.Driver().Name == "agent" })
		}}}
	s.Read(a, b.claims)
	a.Domains = agentDomains(s)
	a.readKeystore(s)
	if v, ok := s.Need("signer", "write the signer of this host as it would stand under signers: driver: ..."); ok {
		if sub, ok := v.Section(); ok {
			a.Signer, _ = b.readSigner(a.Name, sub)
		}
	}
	s.Done()
}

// readKeystore reads where wishes and keys are. What is asked by ssh gets its keys with the request.
func (a *Agent) readKeystore(s *node.Section) {
	if a.Via == agent.ViaSSH {
		if v, ok := s.Take("keystore"); ok {
			v.Fail("is not used with via: ssh", "leave it out: keys come with the coordinator's request")
		}
		return
	}
	keys, at := s.Sub("keystore"), s.Line
	a.Keystore = readKeystore(keys)
	if a.Keystore.Vault == nil {
		line, path := keys.At("driver")
		s.Doc.Fail(max(line, at), path, "an agent reads wishes and keys in Vault",
			"write driver: vault, and the keys that the coordinator's keystore has; where there is no Vault, write via: ssh")
	}
}

// agentDomains reads the domains that an agent serves.
func agentDomains(s *node.Section) (out []string) {
	v, ok := s.Take("domains")
	if !ok {
		return nil
	}
	names, at := v.Texts()
	for i, name := range names {
		domain, err := dkim.ParseDomain(name)
		switch {
		case err != nil:
			at[i].Fail(err.Error(), "write a domain such as example.com")
		case slices.Contains(out, domain):
			at[i].Fail(fmt.Sprintf("%s is listed already", domain), "keep one of the two")
		default:
			out = append(out, domain)
		}
	}
	if len(names) == 0 {
		v.Fail("is an empty list", "list the domains that this host signs for, or leave domains out")
	}
	return out
}
