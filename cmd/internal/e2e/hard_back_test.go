package e2e

import (
	"slices"
	"testing"
	"time"
)

// goneBack guards I1 and I2: a switch is rolled back while the old key drains. Signers
// are back at once, and all mail verifies to the end of its drain.
func goneBack(t *testing.T, g *ground) {
	l := newLab(t, g.site, scenario{domain: "back." + crashZone, pace: 300 * time.Millisecond,
		drain: 8 * time.Second, settle: 4 * time.Second, policyDrain: longDrain, policySettle: 4 * time.Second})
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("draining", "s2", 0)
	l.moreMail(10)

	l.bot.do("rollback", "--domain", l.domain)
	l.wantSigner("s1")
	l.bot.await("ready", "s1", 0)
	l.moreMail(10)
	if out, code := l.bot.run("rollback", "--domain", l.domain); code != 3 {
		t.Errorf("a second rollback ended with code %d, want 3\n%s", code, out)
	}

	report := l.stopMail()
	t.Logf("a rotation of %s that was rolled back:\n%s%s", l.domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	l.checkPostfix()
}

// wantSigner checks by which selector a message is signed now.
func (l *lab) wantSigner(selector string) {
	l.t.Helper()
	if got := l.signer.Mail(l.t, l.domain).Selectors(l.domain); !slices.Equal(got, []string{selector}) {
		l.t.Errorf("mail is signed by %v, want %s", got, selector)
	}
}
