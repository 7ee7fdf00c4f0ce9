package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// TestRealMail sends mail through real servers while keys rotate. The first run
// is dkimbot as it should be; the others leave out one thing each and must be
// caught by the same laboratory.
func TestRealMail(t *testing.T) {
	var zones []nameservertest.Zone
	for _, name := range []string{"rotating.test", "hurried.test", "deaf.test", "wary.test", "mute.test",
		"unsettled.test"} {
		zones = append(zones, quickZone(name))
	}
	// Only dynamic updates of key records change the zones.
	s := newSite(t, build(t), nameservertest.Options{Narrow: true}.StartBIND(t, zones...))
	var all sync.WaitGroup
	for _, run := range []struct {
		name string
		test func(*testing.T, *site)
	}{
		{"TwoRotations", twoRotations},
		{"WithoutDrain", withoutDrain},
		{"WithoutReload", withoutReload},
		{"WithoutFirstReload", withoutFirstReload},
		{"WithoutReloadProved", withProof},
		{"WithoutSettling", withoutSettling},
	} {
		// Not t.Parallel, which would run no more than there are processors: the runs mostly wait.
		all.Go(func() { t.Run(run.name, func(t *testing.T) { run.test(t, s) }) })
	}
	all.Wait()
}

// twoRotations guards I1, I2, I3, I4, I5, I8 and I10 together: mail flows through a
// bootstrapped domain and two rotations, and all of it is signed once, by the
// selector whose turn it is, and verifies to the end of its drain.
func twoRotations(t *testing.T, s *site) {
	wait := 15 * time.Second
	l := newLab(t, s, scenario{domain: "rotating.test", pace: 200 * time.Millisecond,
		drain: wait, settle: 10 * time.Second, policyDrain: wait, policySettle: 10 * time.Second})

	l.bot.do("rotate", "--domain", l.domain)
	begin := l.bot.await("ready", "s1", 0)
	daemon := l.bot.start("daemon")
	l.startMail()
	l.moreMail(15)

	// Somebody begins a rotation and goes home: the daemon carries it on.
	person := l.bot.start("rotate", "--domain", l.domain)
	l.bot.await("draining", "s2", time.Minute)
	if code := person.end(syscall.SIGINT); code != 1 {
		t.Errorf("interrupted while it waited, dkimbot rotate ended with code %d, want 1", code)
	}
	middle := l.bot.await("ready", "s2", wait+lag+time.Minute)

	// Somebody stays for the next one, beside the daemon.
	if _, code := l.bot.run("rotate", "--domain", l.domain, "--wait"); code != 0 && code != 3 {
		t.Errorf("dkimbot rotate --wait ended with code %d; want 0, or 3 when the daemon holds the lease", code)
	}
	end := l.bot.await("ready", "s1", wait+lag+time.Minute)
	l.moreMail(max(15, 150-l.ledger.sent()))

	report := l.stopMail()
	if code := daemon.end(syscall.SIGTERM); code != 0 {
		t.Errorf("the daemon ended with code %d", code)
	}
	t.Logf("two rotations of %s:\n%s%s", l.domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	if report.Sent < 150 {
		t.Errorf("only %d messages were sent", report.Sent)
	}
	l.checkPostfix()
	l.checkRotations(begin, middle, end)
	l.checkSecrets()
}

// checkPostfix looks for mail that was turned back or had to be tried again.
func (l *lab) checkPostfix() { l.post.check(l.t) }

func (p *postfix) check(t testing.TB) {
	t.Helper()
	for _, trouble := range []string{"status=bounced", "status=deferred", "milter-reject", "warning:",
		"fatal:", "panic:"} {
		if n := p.logged(trouble); n > 0 {
			t.Errorf("Postfix's log says %q %d times", trouble, n)
		}
	}
}

// checkRotations checks that both rotations took place: in the history, in DNS,
// in Vault and on the signer.
func (l *lab) checkRotations(begin, middle, end status) {
	t := l.t
	var selectors []string
	for _, e := range l.bot.history() {
		if e.Outcome != "done" {
			t.Errorf("history: %+v", e)
		}
		if e.Kind == "activate" {
			selectors = append(selectors, e.Selector)
		}
	}
	if want := []string{"s1", "s2", "s1"}; !slices.Equal(selectors, want) {
		t.Errorf("the selectors %v were activated, want %v", selectors, want)
	}
	said := l.bot.said.String()
	// Only the daemon writes such lines.
	for _, step := range []string{"generate", "store", "publish", "verify", "destroy"} {
		if !strings.Contains(said, `msg="step done" domain=`+l.domain+" step="+step) {
			t.Errorf("the daemon did not take the step %s of the rotation that it was left with", step)
		}
	}
	if strings.Contains(said, "DATA RACE") {
		t.Error("the race detector found something")
	}
	keys := func(st status) [2]string { return [2]string{st.Selectors["s1"].KeyID, st.Selectors["s2"].KeyID} }
	first, second, third := keys(begin), keys(middle), keys(end)
	if first[0] == second[0] || first[1] != second[1] {
		t.Errorf("the first rotation made of the keys %v the keys %v; want s1 replaced alone", first, second)
	}
	if second[1] == third[1] || second[0] != third[0] {
		t.Errorf("the second rotation made of the keys %v the keys %v; want s2 replaced alone", second, third)
	}
	for selector, want := range end.Selectors {
		name := selector + "._domainkey." + l.domain
		if got := l.dns.Query(t, name, "TXT"); !cmp.Equal(got, []string{want.Record}) {
			t.Errorf("%s: %s", name, cmp.Diff([]string{want.Record}, got))
		}
		l.checkVault(selector)
	}
	files, err := filepath.Glob(filepath.Join(l.signer.KeyDir, "*", "*.private"))
	must(t, err)
	if len(files) != 1 {
		t.Errorf("OpenDKIM's key directory holds %v; want the active key alone", files)
	}
}

// checkVault checks that a selector's first key is destroyed and its second is there.
func (l *lab) checkVault(selector string) {
	l.t.Helper()
	path := "dkim/" + l.domain + "/" + selector
	versions, err := l.vault.Root().KVv2("secret").GetVersionsAsList(l.t.Context(), path)
	must(l.t, err)
	var destroyed []bool
	for _, v := range versions {
		destroyed = append(destroyed, v.Destroyed)
	}
	if want := []bool{true, false}; !slices.Equal(destroyed, want) {
		l.t.Errorf("of the versions of %s these are destroyed: %v, want %v", path, destroyed, want)
	}
}

// checkSecrets looks for secrets where they must not be (I9).
func (l *lab) checkSecrets() {
	places := map[string]string{"what dkimbot said": l.bot.said.String(), "Postfix's log": show(l.post.log)}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(l.bot.config), "state.db*"))
	must(l.t, err)
	for _, path := range files {
		places[path] = show(path)
	}
	for what, secret := range map[string]string{"a private key": "PRIVATE KEY", "Vault's secret id": l.secretID,
		"the TSIG key": l.dns.KeySecret} {
		for place, text := range places {
			if strings.Contains(text, secret) {
				l.t.Errorf("I9: %s holds %s", place, what)
			}
		}
	}
	if len(files) == 0 {
		l.t.Error("the state database was not found")
	}
}
