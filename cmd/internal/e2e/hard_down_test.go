package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// halfDown gives orders while BIND, then Vault, then the signer is out of order. What
// can be done is done; what can't is told, is in the history, and is done by one run
// when the server is back. All mail verifies but what a compromised key has signed (I1, I2).
func halfDown(t *testing.T, shared *ground) {
	g := newGroundFor(t, shared.binary, map[algorithm]int{ed25519: 1}) // with servers that are its own to stop
	d := &down{reload: filepath.Join(t.TempDir(), "reload")}
	d.world = g.worldWith(t, kind{inVault, ed25519}, func(_ *world, s *settings) {
		s.drain, s.reload, s.reloadTimeout = longDrain, []string{d.reload}, 8*time.Second
	})
	d.setClock(right)
	d.setReload(strings.Join(d.signer.Reload(), " "))
	d.bot.do("rotate", "--domain", d.domain, "--wait")

	d.wayBackInTheDark()
	d.withoutDNS()
	d.withoutVault()
	d.withoutReload()
	d.withoutSigner()
	d.finishAt("s1")
}

// down is a world in which servers are stopped.
type down struct {
	*world
	reload string        // path of the command that reloads OpenDKIM
	ahead  time.Duration // how far the clock has been set
	leaked status        // when the last key was reported
	which  string        // its selector
}

// wayBackInTheDark rolls back while the name server is stopped.
func (d *down) wayBackInTheDark() {
	d.bot.do("rotate", "--domain", d.domain)
	d.bot.await("draining", "s2", 0)
	d.mail.expect("s2")
	d.dns.Stop()
	d.bot.do("rollback", "--domain", d.domain)
	d.bot.await("ready", "s1", 0)
	d.mail.expect("s1")
	d.dns.Start(d.t)
}

// withoutDNS leaves a key that can't be revoked: signers leave it, and it is destroyed. A fresh
// one is made in its place already, since only its record needs DNS.
func (d *down) withoutDNS() {
	d.dns.Stop()
	d.report("s1", nil, "s2: signer mx1 signs with it now", "s1: the old key .* was destroyed")
	d.mail.expect("s2")
	if keys := d.keysInVault("s1"); len(keys) != 1 || keys[0] == tag(d.leaked.Selectors["s1"].Record, "p") {
		d.t.Errorf("Vault holds %q; want the fresh key, and the leaked one no more", keys)
	}
	d.dns.Start(d.t)
	d.wantRevoked(false)
	d.finishes("s2")
}

// withoutVault leaves no way to give the signer another key: the leaked one is revoked when that is told.
func (d *down) withoutVault() {
	d.vault.Seal(d.t)
	d.report("s2", nil, "no signer could be switched away from it yet, and revoking it now would make all mail fail", "--revoke-now")
	d.mail.expect("s2")
	d.wantRevoked(false)
	d.report("s2", []string{"--revoke-now"}, "s2: key .* was revoked in DNS")
	d.wantRevoked(true)
	d.vault.Unseal(d.t)
	d.finishes("s1")
}

// withoutReload lets the signer's reload hang: OpenDKIM continues with the compromised key.
func (d *down) withoutReload() {
	d.setReload("sleep 60")
	d.report("s1", nil, "no signer could be switched away from it yet, and revoking it now would make all mail fail", "reload")
	d.mail.expect("s1")
	d.wantRevoked(false)
	d.setReload(strings.Join(d.signer.Reload(), " "))
	d.finishes("s2")
}

// withoutSigner has OpenDKIM stopped: mail waits at the mail server, and the key that
// it signed with is left when it starts again.
func (d *down) withoutSigner() {
	d.mail.close()
	d.signer.Stop(d.t)
	d.setReload("kill -USR1 " + strconv.Itoa(d.signer.PID))
	d.report("s2", nil, "no signer could be switched away from it yet, and revoking it now would make all mail fail")
	d.wantRevoked(false)
	d.signer.Start(d.t)
	d.setReload(strings.Join(d.signer.Reload(), " "))
	leaked := d.mail.leaked
	d.mail = startFlow(d.t, d.domain, d.signer, d.dns)
	d.mail.leaked = leaked
	d.finishes("s1")
}

// report reports the key that signs as compromised, while something is out of order,
// and checks that the program says these things, and when it tries again.
func (d *down) report(selector string, flags []string, says ...string) {
	d.t.Helper()
	d.leaked, d.which = d.bot.status(), selector
	d.mail.leak(d.leaked.Selectors[selector].Record)
	before := len(d.bot.history())
	report := []string{"rotate", "--domain", d.domain, "--compromised", "--selector", selector}
	out, code := d.bot.run(append(report, flags...)...)
	if code != 1 {
		d.t.Errorf("dkimbot ended with code %d, want 1", code)
	}
	for _, pattern := range append(says, "next +try again, not before", "hint: ") {
		if !regexp.MustCompile(pattern).Match(out) {
			d.t.Errorf("dkimbot does not say %q:\n%s", pattern, out)
		}
	}
	outcomes := map[string]int{}
	for _, e := range d.bot.history()[before:] {
		outcomes[e.Kind+" "+e.Outcome]++
		outcomes[e.Outcome]++
	}
	if outcomes["compromised done"] != 1 || outcomes["failed"] == 0 {
		d.t.Errorf("the history has these events: %v", outcomes)
	}
}

// finishes lets the time of the next try come, and checks that one run leaves the
// compromised key nowhere.
func (d *down) finishes(active string) {
	d.t.Helper()
	d.ahead += 2 * time.Hour
	d.setClock(fmt.Sprint(d.ahead))
	d.bot.do("rotate", "--due", "--wait")
	d.mail.fled()
	d.mail.expect(active)
	st := d.bot.await("ready", active, 0)
	if st.Failures != 0 || st.Selectors[d.which].KeyID == d.leaked.Selectors[d.which].KeyID {
		d.t.Errorf("in the end the domain stands so: %+v", st)
	}
	for _, s := range []string{"s1", "s2"} {
		d.checkSelector(s, st.Selectors[s].Record)
	}
	d.checkSigner(active)
}

// wantRevoked checks whether DNS shows the compromised key's record with an empty p=.
func (d *down) wantRevoked(want bool) {
	d.t.Helper()
	name := d.which + "._domainkey." + d.domain
	if got := d.dns.Query(d.t, name, "TXT"); len(got) != 1 || strings.HasSuffix(got[0], " p=") != want {
		d.t.Errorf("%s shows %q; want it revoked: %v", name, got, want)
	}
}

// setReload makes the reload command do something.
func (d *down) setReload(command string) {
	d.t.Helper()
	must(d.t, os.WriteFile(d.reload, []byte("#!/bin/sh\nexec "+command+"\n"), 0o700))
}
