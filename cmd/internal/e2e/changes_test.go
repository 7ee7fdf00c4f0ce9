package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestChanges guards I1, I2 and I10 while the configuration changes and mail flows: the signer gets another name, the
// zone a second DNS account, and the drain becomes shorter while mail relies on the longer one; dkimbot-changes(7).
func TestChanges(t *testing.T) {
	t.Parallel()
	const domain = "changing.test"
	options := nameservertest.Options{Narrow: true}
	s := newSite(t, build(t), options.StartBIND(t, quickZone(domain)))
	second := options.StartBIND(t, quickZone(domain))
	drain, settle := 12*time.Second, 6*time.Second
	l := newLab(t, s, scenario{domain: domain, pace: 200 * time.Millisecond,
		drain: drain, settle: settle, policyDrain: drain, policySettle: settle})
	l.bot.do("rotate", "--domain", domain)
	l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)

	l.reconfigure("\n  mx1:\n", "\n  mail:\n    was: mx1\n", "signers: [mx1]", "signers: [mail]")
	l.bot.do("rotate", "--due")
	l.wantSigner("s1")
	l.moreMail(5)

	must(t, os.WriteFile(filepath.Join(filepath.Dir(l.bot.config), "second.secret"), []byte(second.KeySecret), 0o600))
	l.reconfigure("key_file: tsig.secret }", fmt.Sprintf("key_file: tsig.secret, verify: { nameservers: [%q] } }\n  second: "+
		"{ driver: rfc2136, server: %q, key_name: %s, key_algorithm: %s, key_file: second.secret, verify: { nameservers: [%[2]q] } }",
		s.dns.Addr, second.Addr, second.KeyName, second.KeyAlgorithm),
		"provider: office", "providers: [office, second]")
	l.bot.do("rotate", "--due")
	l.moreMail(5)

	person := l.bot.start("rotate", "--domain", domain)
	l.bot.await("draining", "s2", time.Minute)
	person.end(syscall.SIGINT)
	l.reconfigure("    drain: 12s\n", "    drain: 1s\n")
	l.bot.do("rotate", "--due", "--wait")
	end := l.bot.await("ready", "s2", 2*time.Minute)
	l.moreMail(15)

	report := l.stopMail()
	t.Logf("changes of %s:\n%s%s", domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	l.checkPostfix()
	for _, selector := range []string{"s1", "s2"} {
		if got := shownBy(t, second.Addr, selector+"._domainkey."+domain); got != end.Selectors[selector].Record {
			t.Errorf("the second account shows %q at %s", got, selector)
		}
	}
	if out := string(l.bot.do("plan")); strings.Contains(out, "drift") || strings.Contains(out, "mx1") {
		t.Errorf("at the end the plan says\n%s", out)
	}
}

// TestChangeSelectors: a domain moves over to other selectors under real mail: each message is signed once, by what
// the signer had at that time, and each verifies when it arrives and when its drain ends.
func TestChangeSelectors(t *testing.T) {
	t.Parallel()
	const domain = "selectors.test"
	options := nameservertest.Options{Narrow: true}
	s := newSite(t, build(t), options.StartBIND(t, quickZone(domain)))
	drain, settle := 12*time.Second, 6*time.Second
	l := newLab(t, s, scenario{domain: domain, pace: 200 * time.Millisecond,
		drain: drain, settle: settle, policyDrain: drain, policySettle: settle})
	l.bot.do("rotate", "--domain", domain)
	l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)
	l.reconfigure("selectors: [s1, s2]", "selectors: [a, b]")
	l.bot.do("rotate", "--domain", domain, "--change-selectors", "--wait")
	l.bot.await("ready", "a", 2*time.Minute)
	l.wantSigner("a")
	l.moreMail(20)
	l.reconfigure("selectors: [a, b]", "selectors: [s1, s2]") // and back
	l.bot.do("rotate", "--domain", domain, "--change-selectors", "--wait")
	l.bot.await("ready", "s1", 2*time.Minute)
	l.wantSigner("s1")
	l.moreMail(20)
	report := l.stopMail()
	t.Logf("changes of %s:\n%s%s", domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	l.checkPostfix()
}

// TestChangeKeys guards I1, I2 and I4 while the kind of keys, the TTL and the settle time change, and the keys move
// from Vault to files and back, all under real mail; dkimbot-changes(7).
func TestChangeKeys(t *testing.T) {
	t.Parallel()
	const domain = "keys.test"
	options := nameservertest.Options{Narrow: true}
	s := newSite(t, build(t), options.StartBIND(t, quickZone(domain)))
	drain, settle := 8*time.Second, 4*time.Second
	l := newLab(t, s, scenario{domain: domain, pace: 200 * time.Millisecond,
		drain: drain, settle: settle, policyDrain: drain, policySettle: settle})
	l.bot.do("rotate", "--domain", domain)
	l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)

	l.reconfigure("key: rsa2048", "key: rsa4096", "ttl: 1s", "ttl: 2s", "settle: 4s", "settle: 5s")
	l.bot.do("rotate", "--domain", domain, "--replace-standby", "--wait")
	l.bot.await("ready", "s1", time.Minute)
	l.bot.do("rotate", "--domain", domain, "--wait")
	end := l.bot.await("ready", "s2", 2*time.Minute)
	l.wantSigner("s2")
	for selector, sel := range end.Selectors {
		record, err := dkim.ParseRecord(sel.Record)
		must(t, err)
		if bits := record.Key.Bits(); bits != 4096 {
			t.Errorf("%s has %d bits", selector, bits)
		}
	}
	l.moreMail(10)

	inVault, err := os.ReadFile(l.bot.config)
	must(t, err)
	inFiles := filepath.Join(filepath.Dir(l.bot.config), "files.yaml")
	text := strings.Replace(string(inVault), "keystore: "+l.inVault(), "keystore: { driver: file, path: keys }", 1)
	must(t, os.WriteFile(inFiles, []byte(text), 0o600))
	backInVault := filepath.Join(filepath.Dir(l.bot.config), "vault.yaml")
	must(t, os.WriteFile(backInVault, inVault, 0o600))
	for _, move := range []struct{ to, signs string }{{inFiles, "s1"}, {backInVault, "s2"}} {
		l.bot.do("keystore", "copy", "--to", move.to)
		text, err := os.ReadFile(move.to)
		must(t, err)
		must(t, os.WriteFile(l.bot.config, text, 0o600))
		l.bot.do("rotate", "--domain", domain, "--wait")
		l.bot.await("ready", move.signs, 2*time.Minute)
		l.wantSigner(move.signs)
		l.moreMail(10)
	}
	report := l.stopMail()
	t.Logf("changes of %s:\n%s%s", domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	l.checkPostfix()
}

// reconfigure replaces pieces of the configuration by others.
func (l *lab) reconfigure(oldnew ...string) {
	l.t.Helper()
	text, err := os.ReadFile(l.bot.config)
	must(l.t, err)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			l.t.Fatalf("the configuration has no %q:\n%s", oldnew[i], text)
		}
	}
	must(l.t, os.WriteFile(l.bot.config, []byte(strings.NewReplacer(oldnew...).Replace(string(text))), 0o600))
}

// shownBy returns the TXT record that a server shows.
func shownBy(t *testing.T, server, name string) string {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	values, err := r.LookupTXT(t.Context(), name+".")
	must(t, err)
	return strings.Join(values, " | ")
}
