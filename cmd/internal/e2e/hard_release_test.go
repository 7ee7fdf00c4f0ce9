package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// letGo hands a domain back, to be purged. While OpenDKIM signs with a key of
// dkimbot's, and as long as its mail may be under way, nothing goes (I1, I2), also where
// nobody looked when a person moved OpenDKIM to a key of their own.
func letGo(t *testing.T, g *ground) {
	const drain = 5 * time.Second
	w := g.worldWith(t, kind{inVault, rsa}, func(_ *world, s *settings) { s.drain = drain })
	w.mail.setDrain(drain)
	w.rotate(0)
	before := w.bot.status()

	w.bot.do("release", "--domain", w.domain, "--purge")
	time.Sleep(drain + crashLag + time.Second)
	out := w.bot.do("rotate", "--due")
	if warning := regexp.MustCompile("signer mx1 signs with s1; nothing is purged before"); !warning.Match(out) {
		t.Errorf("dkimbot does not say %q:\n%s", warning, out)
	}
	w.keepsAll(before)

	time.Sleep(drain + crashLag) // what was seen last is long ago
	key := w.moveTo("own")
	w.mail.expect("own")
	w.bot.do("rotate", "--due")
	w.keepsAll(before)
	if out, code := w.bot.run("release", "--domain", w.domain, "--undo", "--dry-run"); code != 0 && code != 2 {
		t.Errorf("it can't be taken back (exit code %d):\n%s", code, out)
	}

	for deadline := time.Now().Add(time.Minute); w.bot.status().Released.PurgedAt.IsZero(); time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute the domain stands so: %+v", w.bot.status())
		}
		w.bot.do("rotate", "--due")
	}
	w.keepsNone("own")
	w.keepsOld("own", key)
	if out := w.bot.do("status"); !strings.Contains(string(out), "nothing: records were revoked and keys destroyed") {
		t.Errorf("status says\n%s", out)
	}
	w.mail.expect("own")
	w.mail.close()
	if f := w.mail; f.signed["s1"] == 0 || f.signed["own"] == 0 || len(f.signed) != 2 {
		t.Errorf("messages by selector: %v; want some of s1 and own", f.signed)
	}
	w.leave()
}

// moveTo makes OpenDKIM sign with a key of a person's own, as a person does, and returns its path.
func (w *world) moveTo(selector string) string {
	w.t.Helper()
	key, name := w.foreignKey(selector), selector+"._domainkey."+w.domain
	prepend := func(path, line string) { // what is found first is in force
		text, err := os.ReadFile(path)
		must(w.t, err)
		must(w.t, os.WriteFile(path, []byte(line+"\n"+string(text)), 0o644))
	}
	prepend(w.signer.KeyTable, name+" "+w.domain+":"+selector+":"+key)
	prepend(w.signer.SigningTable, "*@"+w.domain+" "+name)
	reload := w.signer.Reload()
	must(w.t, exec.Command(reload[0], reload[1:]...).Run())
	time.Sleep(crashLag)
	return key
}

// keepsAll checks that both records and both private keys are as they were.
func (w *world) keepsAll(before status) {
	w.t.Helper()
	for _, selector := range []string{"s1", "s2"} {
		w.checkSelector(selector, before.Selectors[selector].Record)
	}
	w.checkSigner("s1")
}

// keepsNone checks that both records are revoked, that Vault holds none of their private
// keys, and OpenDKIM neither, nor lines for them.
func (w *world) keepsNone(own string) {
	w.t.Helper()
	for _, selector := range []string{"s1", "s2"} {
		name := selector + "._domainkey." + w.domain
		if got := w.dns.Query(w.t, name, "TXT"); len(got) != 1 || !strings.HasSuffix(got[0], " p=") {
			w.t.Errorf("%s shows %q; want one record with an empty p=", name, got)
		}
		if keys := w.keysInVault(selector); len(keys) > 0 {
			w.t.Errorf("Vault still holds for %s the keys of the records %q", selector, keys)
		}
		for _, path := range []string{w.signer.KeyTable, w.signer.SigningTable} {
			if table := show(path); strings.Contains(table, name) || !strings.Contains(table, own+"._domainkey."+w.domain) {
				w.t.Errorf("OpenDKIM's table is\n%s", table)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(w.signer.KeyDir, w.domain, "*"))
	must(w.t, err)
	if len(files) > 0 {
		w.t.Errorf("OpenDKIM still has %q", files)
	}
}
