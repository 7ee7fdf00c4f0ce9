package e2e

import (
	"slices"
	"testing"
	"time"
)

// The runs in this file go wrong on purpose: the laboratory must see it.

// withoutDrain replaces a key as soon as nothing signs with it any more. Mail on
// its way can't be verified then.
func withoutDrain(t *testing.T, s *site) {
	l := newLab(t, s, scenario{domain: "hurried.test", pace: 400 * time.Millisecond,
		drain: 15 * time.Second, settle: time.Second, policyDrain: 0, policySettle: time.Second})
	l.bot.do("rotate", "--domain", l.domain)
	l.startMail()
	l.moreMail(10)
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("ready", "s2", 0)
	report := l.stopMail()
	t.Logf("with a drain of nothing:\n%s", report)
	if report.FailedAtDrainEnd == 0 {
		t.Error("no message failed though its key was replaced too early")
	}
	// Nothing else went wrong, and the laboratory can tell.
	report.FailedAtDrainEnd = 0
	l.wantOnly(report, atDrainEnd)
}

// withoutReload lets OpenDKIM never hear of the switch, and dkimbot not ask. It
// continues with a key whose record is then replaced and whose file is removed.
func withoutReload(t *testing.T, s *site) {
	l := newLab(t, s, scenario{domain: "deaf.test", pace: 400 * time.Millisecond,
		drain: 5 * time.Second, settle: time.Second, policyDrain: 5 * time.Second, policySettle: time.Second, unproved: true})
	l.bot.do("rotate", "--domain", l.domain)
	l.breakReload()
	l.startMail()
	l.moreMail(10)
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("ready", "s2", 0)
	l.moreMail(10)
	report := l.stopMail()
	t.Logf("without a reload:\n%s", report)
	if report.FailedAtDrainEnd == 0 || report.Drifted == 0 || report.Refused == 0 {
		t.Error("mail went well though OpenDKIM was never reloaded")
	}
}

// withoutFirstReload bootstraps a domain and lets OpenDKIM never hear of it.
func withoutFirstReload(t *testing.T, s *site) {
	l := newLab(t, s, scenario{domain: "mute.test", pace: 400 * time.Millisecond,
		drain: time.Second, settle: time.Second, policyDrain: time.Second, policySettle: time.Second, unproved: true})
	l.breakReload()
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)
	report := l.stopMail()
	t.Logf("without the first reload:\n%s", report)
	if report.Unsigned == 0 || report.Unsigned != report.Delivered {
		t.Errorf("%d of %d messages count as unsigned though OpenDKIM never heard of the domain", report.Unsigned,
			report.Delivered)
	}
}

// withProof is withoutReload with dkimbot asking OpenDKIM afterwards: it notices, no
// drain begins, and no mail comes to harm; when the reload works, it continues (I1, I2, I10).
func withProof(t *testing.T, s *site) {
	l := newLab(t, s, scenario{domain: "wary.test", pace: 400 * time.Millisecond,
		drain: 3 * time.Second, settle: time.Second, policyDrain: 3 * time.Second, policySettle: time.Second})
	l.bot.do("rotate", "--domain", l.domain)
	l.breakReload()
	l.startMail()
	l.moreMail(10)
	if _, code := l.bot.run("rotate", "--domain", l.domain); code != 1 {
		t.Errorf("dkimbot rotate ended with code %d though OpenDKIM continued with s1; want 1", code)
	}
	l.bot.await("switching", "s1", 0)
	l.moreMail(int((l.drain + lag) / l.pace))
	l.mendReload()
	l.bot.do("rotate", "--domain", l.domain)
	l.bot.await("ready", "s2", 0)
	report := l.stopMail()
	t.Logf("without a reload at first, and noticed:\n%s", report)
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
}

// withoutSettling uses a replaced key at once. Receivers that still have its
// predecessor at that name fail the mail; those that ask again don't.
func withoutSettling(t *testing.T, s *site) {
	l := newLab(t, s, scenario{domain: "unsettled.test", pace: 400 * time.Millisecond,
		drain: 3 * time.Second, settle: time.Minute, policyDrain: 3 * time.Second, policySettle: 0})
	l.bot.do("rotate", "--domain", l.domain)
	l.startMail()
	l.moreMail(10)
	for range 2 {
		l.bot.do("rotate", "--domain", l.domain)
	}
	l.bot.await("ready", "s1", 0)
	report := l.stopMail()
	t.Logf("without settling:\n%s", report)
	if report.FailedAtDelivery == 0 {
		t.Error("no receiver missed the time in which keys settle")
	}
	for _, name := range []string{"dkimpy", "Mail::DKIM"} {
		if n := report.Passed[name][atDelivery]; n != report.Sent {
			t.Errorf("%s, which asks again each time, passed %d of %d messages at delivery", name, n, report.Sent)
		}
	}
}

// wantOnly fails the test if anything is wrong beside the checks at one moment.
func (l *lab) wantOnly(report Report, when moment) {
	l.t.Helper()
	for _, name := range report.verifiers() {
		report.Passed[name][when] = report.Sent
	}
	if wrong := report.Wrong(); len(wrong) > 0 {
		l.t.Error(slices.Insert(wrong, 0, "more went wrong than was meant to:"))
	}
}
