package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// movedOver takes over a domain that signs with a selector of its own, without an
// unsigned message (I1), and leaves what was there alone (I6).
func movedOver(t *testing.T, g *ground) {
	var foreign string
	w := g.worldWith(t, kind{inFiles, rsa}, func(w *world, _ *settings) { foreign = w.signsAlready("mail") })
	w.mail.expect("mail")
	w.rotate(0)
	w.keepsOld("mail", foreign)
	w.rotate(1)
	w.keepsOld("mail", foreign)
	w.finish()
}

// adopted takes a key in use under management, and replaces it after the next rotation.
func adopted(t *testing.T, g *ground) {
	var key string
	w := g.worldWith(t, kind{inVault, rsa}, func(w *world, s *settings) {
		key = w.signsAlready("s1")
		s.selectors = "s1, s2"
	})
	w.mail.expect("s1")
	w.bot.do("adopt", "--domain", w.domain, "--selector", "s1", "--key-file", key, "--wait")
	w.rotate(0) // is done
	if got := w.keysInVault("s1"); len(got) != 1 ||
		!strings.Contains(w.dns.Query(t, "s1._domainkey."+w.domain, "TXT")[0], got[0]) {
		t.Errorf("Vault holds for s1 the keys of the records %q", got)
	}
	w.rotate(1)
	must(t, os.Remove(key))
	w.finish()
}

// signsAlready lets OpenDKIM sign with a key and tables that a person has made, and
// returns the key's path.
func (w *world) signsAlready(selector string) string {
	w.t.Helper()
	key := w.foreignKey(selector)
	name := selector + "._domainkey." + w.domain
	must(w.t, os.WriteFile(w.signer.KeyTable, []byte(name+" "+w.domain+":"+selector+":"+key+"\n"), 0o644))
	must(w.t, os.WriteFile(w.signer.SigningTable, []byte("*@"+w.domain+" "+name+"\n"), 0o644))
	w.signer.Restart(w.t)
	return key
}

// foreignKey makes a key for OpenDKIM, and its record, as a person does; it returns its path.
func (w *world) foreignKey(selector string) string {
	w.t.Helper()
	out, err := exec.Command("opendkim-genkey", "-b", "2048", "-h", "sha256", "-d", w.domain, "-s", selector, "-D",
		w.signer.KeyDir).CombinedOutput()
	if err != nil {
		w.t.Fatalf("opendkim-genkey: %v\n%s; on Debian: apt-get install opendkim-tools", err, out)
	}
	key := filepath.Join(w.signer.KeyDir, selector+".private")
	must(w.t, exec.Command("chown", "--reference", w.signer.KeyDir, key).Run())
	text, err := os.ReadFile(key)
	must(w.t, err)
	p := w.public(text)
	w.dns.Add(w.t, fmt.Sprintf(`%s._domainkey.%s. 1 TXT "v=DKIM1; h=sha256; k=rsa; p=%s" "%s"`, selector, w.domain,
		p[:200], p[200:]))
	return key
}

// keepsOld checks that the record that dkimbot did not make and its key are there as they were.
func (w *world) keepsOld(selector, key string) {
	w.t.Helper()
	text, err := os.ReadFile(key)
	must(w.t, err)
	name := selector + "._domainkey." + w.domain
	if got := w.dns.Query(w.t, name, "TXT"); len(got) != 1 || tag(got[0], "p") != w.public(text) {
		w.t.Errorf("%s shows %q", name, got)
	}
}
