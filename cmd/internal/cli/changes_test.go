package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// twoAccounts gives a lab another DNS account, with a copy of the zone, and returns what writes the configuration with
// these providers at the domain.
func (l *lab) twoAccounts(t *testing.T) (with func(at string)) {
	t.Helper()
	other := ownAddress(t)
	must(t, os.MkdirAll(filepath.Join(l.Dir, "new"), 0o700))
	l.file(t, "new/example.test.zone", l.read(t, "zones/example.test.zone"))
	text := strings.NewReplacer(
		"\nverify:\n", "\nverify:\n    timeout: 2s\n", "    timeout: 30s\n", "", "    nameservers: [\""+l.DNS+"\"]\n", "",
		"listen: "+l.DNS, "listen: "+l.DNS+"\n    verify: { nameservers: [\""+l.DNS+"\"] }\n  new: { driver: zonefile, dir: new, listen: \""+
			other+"\", verify: { nameservers: [\""+other+"\"] } }").Replace(l.read(t, "dkimbot.yaml"))
	return func(at string) {
		l.file(t, "dkimbot.yaml", strings.ReplaceAll(text, "provider: lab", at))
	}
}

// TestNameServersMove: while the name servers move, each record is published to both DNS accounts, and no key is used
// before the servers of both show it (I2); dkimbot-changes(7).
func TestNameServersMove(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	use := l.twoAccounts(t)
	use("provider: lab")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	use("providers: [lab, new]")
	l.run(t, "validate").want(t, 0)
	l.run(t, "plan").want(t, 0, "first the DNS account new is listed, too: each record is published there as well",
		"s1._domainkey.example.test TXT, through lab and new", "not every DNS account of the domain (lab and new) shows the record")
	l.run(t, "check").want(t, 0, "provider new: right to change key records")
	l.run(t, "rotate", "--due").want(t, 0, "done the DNS account new is listed, too")
	l.run(t, "status", "--provider", "new").want(t, 0, "example.test  phase ready")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "s2: signer mx1 signs with it now")
	if n := strings.Count(l.read(t, "new/example.test.zone"), "v=DKIM1"); n != 2 {
		t.Errorf("the new account has %d key records", n)
	}

	must(t, os.Rename(filepath.Join(l.Dir, "new/example.test.zone"), filepath.Join(l.Dir, "new/kept")))
	r := l.run(t, "rotate", "--domain", "example.test").want(t, 1, "answers REFUSED")
	if strings.Contains(r.out, "s1: signer mx1 signs with it now") {
		t.Error("I2: a key is used that one account does not show")
	}
	must(t, os.Rename(filepath.Join(l.Dir, "new/kept"), filepath.Join(l.Dir, "new/example.test.zone")))

	use("provider: new")
	l.run(t, "plan").want(t, 0, "first the DNS account lab is no longer listed: what it holds is yours to remove")
	left := l.read(t, "zones/example.test.zone")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done the DNS account lab is no longer listed",
		"s1: signer mx1 signs with it now")
	if l.read(t, "zones/example.test.zone") != left {
		t.Error("I6: what the old account holds was changed")
	}
	l.run(t, "history").want(t, 0, "accounts  ")
	const kept = "drift the DNS account lab, which is no longer listed, had the record of the compromised key"
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--dry-run").want(t, 0, kept)
	l.run(t, "rotate", "--domain", "example.test", "--compromised").want(t, 0, kept)
	l.run(t, "status", "--domain", "example.test").want(t, 0, kept, "remove that record at lab, too")
}

// TestOtherSelectors follows dkimbot-changes(7) to other selectors, over a key that was made by hand: the signer has a
// key at every moment (I1), and what is left of the old selectors is revoked and destroyed.
func TestOtherSelectors(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	key, err := dkim.Generate(dkim.Ed25519)
	must(t, err)
	record := dkim.NewRecord(key.Public(), "").String()
	l.file(t, "hand.private", string(key.PEM()))
	zone := strings.Replace(l.read(t, "zones/example.test.zone"), "hostmaster ", "hostmaster 9", 1)
	l.file(t, "zones/example.test.zone", zone+"m._domainkey TXT \""+record+"\"\n")
	l.file(t, "opendkim/signing.table", "*@example.test hand\n")
	l.file(t, "opendkim/key.table", l.read(t, "opendkim/key.table")+"hand example.test:m:"+
		filepath.Join(l.Dir, "hand.private")+"\n")

	l.run(t, "release", "--domain", "example.test", "--purge").want(t, 0)
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(l.run(t, "status").out, "stays nothing: records were revoked and keys destroyed") {
		if time.Now().After(deadline) {
			t.Fatal("nothing is purged")
		}
		l.run(t, "rotate", "--due")
	}
	if got := l.read(t, "opendkim/signing.table"); got != "*@example.test hand\n" {
		t.Errorf("I6: the SigningTable is\n%s", got)
	}
	l.Policy += "\nselectors: [a, b]"
	l.write(t)
	l.run(t, "release", "--domain", "example.test", "--undo").want(t, 0)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "b: signer mx1 signs with it now")
	l.run(t, "status").want(t, 0, "m._domainkey.example.test may go after")
}
