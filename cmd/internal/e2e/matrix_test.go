package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// TestMatrix guards I1, I2 and I10 with every signer that runs on a host, as the real program: mail flows through all
// of them while their domains go through two rotations, and five verifiers that others wrote check each message,
// at delivery and at the end of its drain. Then one thing is wrong with each signer, and the same mail and the same
// verifiers must show it in the next rotation.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	m.bot.do(m.rotate()...)
	m.await(t)
	m.under(t, 2, func() {
		for range 2 {
			m.bot.do(m.rotate("--wait")...)
		}
	})
	t.Logf("two rotations:\n%s", m.table())
	for _, r := range m.rows {
		for _, wrong := range r.wrong() {
			t.Errorf("%s: %s", r.name, wrong)
		}
		if len(r.by) != 2 {
			t.Errorf("%s: signed with %v; want both selectors", r.name, r.by)
		}
	}
	if t.Failed() {
		return
	}
	m.ruin(t)
	m.under(t, 1, func() { m.bot.run(m.rotate("--wait")...) })
	t.Logf("a rotation with one thing wrong at each signer:\n%s", m.table())
	for _, r := range m.rows {
		if len(r.wrong()) == 0 {
			t.Errorf("%s: it is not noticed that %s", r.name, r.signer.sabotage)
		}
	}
}

// The waits that receivers of the matrix rely on.
const (
	matrixDrain  = 20 * time.Second
	matrixSettle = 8 * time.Second
)

// matrix is all signers with a domain of its own for each, and one dkimbot.
type matrix struct {
	*site
	bot       *bot
	verifiers []checker
	dir       string // of the messages
	signers   []*matrixSigner
	rows      []*row
}

func newMatrix(t *testing.T) *matrix {
	v := vaulttest.Start(t)
	binary := build(t)
	m := &matrix{dir: t.TempDir(), signers: matrixSigners(t, binary, v)}
	var zones []nameservertest.Zone
	for _, domain := range m.domains() {
		zones = append(zones, quickZone(domain))
	}
	m.site = newSiteAt(t, binary, nameservertest.Options{Narrow: true}.StartBIND(t, zones...), v,
		shipped(t, "vault/rotator.hcl"), shipped(t, "agent/coordinator.hcl"),
		strings.Replace(shipped(t, "rspamd-vault/dkimbot.hcl"), "rspamd/data/*", "rspamd/*", 1)) // version 1, as it says
	m.verifiers = matrixVerifiers(t, m.dns.Addr)
	m.bot = newBot(t, m.binary, m.configure(t))
	return m
}

const matrixConfiguration = `
state: { path: state.db }
keystore: %s
providers:
  office: { driver: rfc2136, server: "%[2]s", key_name: %[3]s, key_algorithm: %[4]s, key_file: tsig.secret }
policies:
  default: &policy { schedule: "%[5]s", unsafe_timing: true, drain: %[6]s, settle: %[7]s, ttl: 1s, splay: 0s }
  ed25519: { <<: *policy, key: ed25519 }
verify: { nameservers: ["%[2]s"], timeout: 1m }
`

// configure writes the configuration, and returns its path.
func (m *matrix) configure(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"role-id": m.roleID, "secret-id": m.secretID, "tsig.secret": m.dns.KeySecret} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	signers, domains := "signers:\n", "domains:\n"
	for _, s := range m.signers {
		signers += fmt.Sprintf("  %s: { %s, lag: %s }\n", s.name, s.section, s.takes())
	}
	for _, domain := range m.domains() {
		var names []string
		policy := "default"
		for _, s := range m.signers {
			if s.domain() == domain {
				names, policy = append(names, s.name), cmp.Or(s.policy, policy)
			}
		}
		domains += fmt.Sprintf("  - { name: %s, provider: office, signers: [%s], policy: %s }\n", domain,
			strings.Join(names, ", "), policy)
	}
	path := filepath.Join(dir, "dkimbot.yaml")
	must(t, os.WriteFile(path, []byte(fmt.Sprintf(matrixConfiguration, m.inVault(), m.dns.Addr, m.dns.KeyName,
		m.dns.KeyAlgorithm, notSoon(), matrixDrain, matrixSettle)+signers+domains), 0o600))
	return path
}

// domains returns each domain once.
func (m *matrix) domains() (out []string) {
	for _, s := range m.signers {
		if !slices.Contains(out, s.domain()) {
			out = append(out, s.domain())
		}
	}
	return out
}

// rotate is the command that rotates all domains.
func (m *matrix) rotate(more ...string) []string {
	command := append([]string{"rotate"}, more...)
	for _, domain := range m.domains() {
		command = append(command, "--domain", domain)
	}
	return command
}

// ruin makes one thing wrong with each signer.
func (m *matrix) ruin(t *testing.T) {
	text, err := os.ReadFile(m.bot.config)
	must(t, err)
	for _, s := range m.signers {
		old, ruined := s.ruin(t)
		if !strings.Contains(string(text), old) {
			t.Fatalf("%s: the configuration does not hold %q", s.name, old)
		}
		text = []byte(strings.Replace(string(text), old, ruined, 1))
	}
	must(t, os.WriteFile(m.bot.config, text, 0o600))
}

// await waits until each signer signs.
func (m *matrix) await(t *testing.T) {
	for _, s := range m.signers {
		newRow(s, nil, "").begin(t)
	}
}

// under has mail flow through all signers while f runs, and afterwards for as long as it takes until each has sent
// some with the last selector; then it is checked to the end. least are the messages of each signer, in dozens.
func (m *matrix) under(t *testing.T, least int, f func()) {
	m.rows = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for _, s := range m.signers {
		r := newRow(s, m.verifiers, m.dir)
		m.rows = append(m.rows, r)
		all.Go(func() {
			t.Run(s.name, func(t *testing.T) { r.flow(ctx, t, 12*least) })
		})
	}
	f()
	cancel()
	all.Wait()
	for _, r := range m.rows {
		r.checks.Wait()
		r.judge(m.turns(t, r.signer))
	}
}

// turns tells from dkimbot's history what should have signed a signer's mail when.
func (m *matrix) turns(t *testing.T, s *matrixSigner) (turns []turn) {
	var doc struct{ Events []event }
	must(t, json.Unmarshal(m.bot.do("history", "--json", "--domain", s.domain()), &doc))
	before := time.Time{}
	for _, e := range doc.Events {
		if e.Kind == "activate" && e.Signer != s.name {
			continue // another signer of the domain
		}
		if e.Kind == "activate" && e.Outcome == "done" {
			turns = append(turns, turn{selector: e.Selector, begun: before, done: e.At.Add(s.takes() - lag)})
		}
		before = e.At
	}
	return turns
}
