package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// site is what several laboratories share.
type site struct {
	binary           string // the program under test
	dns              *nameservertest.Server
	vault            *vaulttest.Server
	roleID, secretID string
}

// newSite starts a Vault in which the program may do what the policy for rotators
// that ships with it allows.
func newSite(t testing.TB, binary string, dns *nameservertest.Server) *site {
	t.Helper()
	return newSiteAt(t, binary, dns, vaulttest.Start(t), shipped(t, "vault/rotator.hcl"))
}

// shipped returns a policy that ships with the program.
func shipped(t testing.TB, path string) string {
	t.Helper()
	policy, err := os.ReadFile("../../../examples/" + path)
	must(t, err)
	return string(policy)
}

// newSiteAt is newSite with a Vault that runs, and other policies.
func newSiteAt(t testing.TB, binary string, dns *nameservertest.Server, v *vaulttest.Server, policies ...string) *site {
	t.Helper()
	s := &site{binary: binary, vault: v, dns: dns}
	role := vaulttest.Role{TTL: time.Hour}
	for i, policy := range policies {
		role.Policies = append(role.Policies, s.vault.Policy(t, fmt.Sprint("dkimbot-", i), policy))
	}
	s.roleID, s.secretID = s.vault.AppRole(t, "dkimbot", role)
	return s
}

// quickZone is a zone whose records are cached for as short as can be.
func quickZone(name string) nameservertest.Zone {
	return nameservertest.Zone{Name: name, TTL: time.Second, Minimum: time.Second}
}

// scenario is one run: what receivers are promised, and what dkimbot is told.
type scenario struct {
	domain string
	pace   time.Duration // one message each

	// What receivers rely on: for how long a message verifies after it was signed,
	// and for how long some of them keep a key.
	drain, settle time.Duration

	// What the policy says; the same, unless the run is to go wrong.
	policyDrain, policySettle time.Duration

	unproved bool // dkimbot does not ask OpenDKIM whether it has switched
	probed   bool // and looks at mail instead
}

// lag is how long a session with OpenDKIM that is open at a switch may continue with
// the old key. It is longer than sessions are, by the time that a check may come late.
const lag = sessionTime + 5*time.Second

// lab is one domain with its mail servers: traffic -> Postfix with OpenDKIM -> sink.
type lab struct {
	*site
	scenario
	t      testing.TB
	bot    *bot
	signer *signertest.OpenDKIM
	reload string // path of the script that reloads OpenDKIM
	probe  string // its section of the configuration
	boxes  string // the directory of a Maildir
	post   *postfix
	ledger *ledger
	stop   func() // ends the traffic
}

func newLab(t testing.TB, s *site, sc scenario) *lab {
	t.Helper()
	l := &lab{site: s, scenario: sc, t: t, signer: signertest.StartOpenDKIM(t)}
	verifiers := newVerifiers(t, s.dns.Addr, newHoarder(s.dns.Addr, sc.settle))
	l.ledger = newLedger(sc.domain, sc.drain, verifiers, t.TempDir())
	l.startPostfix(startSink(t, l.ledger.deliver))
	l.bot = newBot(t, s.binary, l.configure())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("OpenDKIM's tables:\n%s%s", show(l.signer.KeyTable), show(l.signer.SigningTable))
		}
	})
	return l
}

// configure writes the configuration with its secrets, and returns its path.
func (l *lab) configure() string {
	dir := l.t.TempDir()
	l.reload = filepath.Join(dir, "reload")
	l.mendReload()
	return l.site.configure(l.t, dir, settings{
		domain: l.domain, keystore: l.inVault(), signer: l.signer, reload: []string{l.reload}, unproved: l.unproved,
		probe: l.probe,
		lag:   lag, drain: l.policyDrain, settle: l.policySettle,
	})
}

// mendReload makes the reload command reload OpenDKIM.
func (l *lab) mendReload() {
	l.writeReload("exec " + strings.Join(l.signer.Reload(), " "))
}

// breakReload makes the reload command do nothing and report success.
func (l *lab) breakReload() { l.writeReload("exit 0") }

func (l *lab) writeReload(command string) {
	must(l.t, os.WriteFile(l.reload, []byte("#!/bin/sh\n"+command+"\n"), 0o700))
	must(l.t, os.Chmod(l.reload, 0o700))
}

// startMail lets mail flow until stopMail.
func (l *lab) startMail() {
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan struct{})
	l.stop = func() { cancel(); <-ended }
	l.t.Cleanup(l.stop)
	go func() {
		defer close(ended)
		traffic(ctx, l.post.Addr, l.pace, l.ledger)
	}()
}

// moreMail waits until n more messages have been sent, or refused.
func (l *lab) moreMail(n int) {
	l.t.Helper()
	from := l.ledger.attempts()
	l.poll(2*time.Minute, fmt.Sprintf("%d more messages are sent", n),
		func() bool { return l.ledger.attempts() >= from+n })
}

// stopMail stops the traffic, waits until every message has arrived and has been
// checked twice, and returns what was seen.
func (l *lab) stopMail() Report {
	l.t.Helper()
	l.stop()
	l.poll(2*time.Minute, "all mail has arrived", l.ledger.arrived)
	return l.ledger.close(l.turns())
}

// turns tells from dkimbot's history what should have signed when.
func (l *lab) turns() []turn { return l.turnsOf("") }

// turnsOf is turns of one signer; "" for all.
func (l *lab) turnsOf(signer string) []turn {
	var turns []turn
	before := time.Time{}
	for _, e := range l.bot.history() {
		if e.Kind == "activate" && e.Outcome == "done" && (signer == "" || signer == e.Signer) {
			turns = append(turns, turn{selector: e.Selector, begun: before, done: e.At})
		}
		before = e.At
	}
	return turns
}

// poll waits until the condition holds; the test continues in any case, and has failed if it doesn't.
func (l *lab) poll(most time.Duration, what string, holds func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(most)
	for !holds() {
		if time.Now().After(deadline) {
			l.t.Errorf("after %s it is not so that %s", most, what)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func show(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return path + ":\n" + string(data)
}
