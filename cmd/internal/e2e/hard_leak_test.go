package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// announcement is what is said of a revocation: of which selector, and until when.
var announcement = regexp.MustCompile(`s1: key [0-9a-f]{12} was revoked in DNS; mail in flight signed with it fails from now on; ` +
	`receivers may accept the compromised key until .* UTC from their resolvers' caches, and those that keep keys until .* UTC`)

// leaked has mail signed with a key that leaks. What was signed before fails in the
// end, as was announced; what is signed from then on verifies, and the key is gone
// from DNS, from Vault and from the signer's disk.
func leaked(t *testing.T, g *ground) {
	l := newLab(t, g.site, scenario{domain: "leaked." + crashZone, pace: 300 * time.Millisecond,
		drain: 8 * time.Second, settle: 4 * time.Second, policyDrain: longDrain, policySettle: 4 * time.Second})
	l.bot.do("rotate", "--domain", l.domain)
	before := l.bot.await("ready", "s1", 0)
	l.startMail()
	l.moreMail(10)

	key, name := l.inUse(), "s1._domainkey."+l.domain
	l.ledger.leak("s1")
	// as by Ctrl-C when it has just been revoked
	l.bot.env = []string{"DKIMBOT_FAILPOINT=after publish", "DKIMBOT_FAILSIGNAL=TERM"}
	out, code := l.bot.run("rotate", "--domain", l.domain, "--compromised")
	l.bot.env = nil
	if code != 1 || !announcement.Match(out) {
		t.Errorf("interrupted, dkimbot rotate --compromised ended with code %d and said\n%s\nwant code 1 and %s", code,
			out, announcement)
	}
	if hint := "\nTo continue: dkimbot rotate --due --config "; !strings.Contains(l.bot.said.String(), hint) {
		t.Errorf("interrupted, dkimbot does not say %q", hint)
	}
	l.ledger.fled()
	l.wantSigner("s2")
	if got := l.dns.Query(t, name, "TXT"); len(got) != 1 || !strings.HasSuffix(got[0], " p=") {
		t.Errorf("%s shows %q; want one record with an empty p=", name, got)
	}

	l.bot.do("rotate", "--due")
	after := l.bot.await("ready", "s2", 0)
	if was, is := before.Selectors["s1"].KeyID, after.Selectors["s1"].KeyID; was == is {
		t.Errorf("s1 still has the key %s", is)
	}
	if got := l.dns.Query(t, name, "TXT"); !cmp.Equal(got, []string{after.Selectors["s1"].Record}) {
		t.Errorf("%s shows %q", name, got)
	}
	l.checkVault("s1")
	if files := holding(t, l.signer.Dir, key); len(files) > 0 {
		t.Errorf("the compromised key is still in %v", files)
	}
	l.moreMail(10)

	report := l.stopMail()
	t.Logf("a compromised key of %s:\n%s%s", l.domain, report, l.ledger.bySelector(l.turns()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	for _, name := range []string{"dkimpy", "Mail::DKIM"} {
		if report.Announced[name][atDrainEnd] == 0 {
			t.Errorf("%s still passed all mail that was signed with the compromised key", name)
		}
	}
}

// inUse returns the text of the private key that OpenDKIM signs with.
func (l *lab) inUse() string {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.signer.KeyDir, l.domain, "*.private"))
	must(l.t, err)
	if len(files) != 1 {
		l.t.Fatalf("OpenDKIM has the keys %v, want one", files)
	}
	text, err := os.ReadFile(files[0])
	must(l.t, err)
	return string(text)
}

// holding returns the files below a directory that hold a private key, whatever they are called.
func holding(t testing.TB, dir, key string) (files []string) {
	t.Helper()
	body := strings.Split(key, "\n")[1] // of the PEM block
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), body) {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// bothLeaked reports both keys at once, as when the keystore was read by others.
func bothLeaked(t *testing.T, g *ground) {
	w := g.world(t, kind{inVault, ed25519})
	w.rotate(0)
	before := w.bot.status()
	for _, s := range before.Selectors {
		w.mail.leak(s.Record)
	}
	w.bot.do("rotate", "--domain", w.domain, "--compromised", "--selector", "s1", "--selector", "s2", "--wait")
	w.mail.fled()
	w.mail.expect("s2")
	after := w.bot.status()
	for s, key := range before.Selectors {
		if after.Selectors[s].KeyID == key.KeyID {
			t.Errorf("%s still has the compromised key", s)
		}
	}
	w.finish()
}
