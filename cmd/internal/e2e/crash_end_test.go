package e2e

import (
	"crypto"
	eddsa "crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// finish checks that the end is that of an undisturbed rotation: state, DNS,
// keystore and signer agree, nothing is left over, nothing remains to be done, and
// all mail went well. The history has nothing but what was done, and that a process that was killed
// in the middle of it was followed by another one.
func (w *world) finish() {
	w.t.Helper()
	for _, e := range w.bot.history() {
		if tookOver := e.Kind == "lease" && e.Outcome == "noticed"; e.Outcome != "done" && !tookOver {
			w.t.Errorf("history: %+v", e)
		}
	}
	w.finishWith("s2")
}

// finishWith is finish where the selector signs in the end, and tries may have failed.
func (w *world) finishWith(active string) {
	w.t.Helper()
	w.finishAt(active)
	if f := w.mail; f.signed["s1"] == 0 || f.signed["s2"] == 0 {
		w.t.Errorf("messages by selector: %v; want some of each", f.signed)
	}
}

// finishAt is finishWith where perhaps nothing was ever signed with the other
// selector. The signer may have the keys of spare selectors, too.
func (w *world) finishAt(active string, spare ...string) {
	t := w.t
	t.Helper()
	st := w.bot.status()
	if st.Phase != "ready" || st.Active != active || st.Failures != 0 || st.LastError != "" {
		t.Errorf("in the end the domain stands so: %+v", st)
	}
	for _, selector := range []string{"s1", "s2"} {
		w.checkSelector(selector, st.Selectors[selector].Record)
	}
	w.checkSigner(active, spare...)
	if out, code := w.bot.run("plan", "--detailed-exitcode"); code != 0 {
		t.Errorf("something remains to be done (exit code %d):\n%s", code, out)
	}
	w.mail.expect(active)
	w.mail.close()
	w.leave()
}

// checkSelector checks that one record stands at the selector, and that the one
// key that the keystore holds for it is the record's (I3, I4, I5).
func (w *world) checkSelector(selector, record string) {
	w.t.Helper()
	name := selector + "._domainkey." + w.domain
	if got := w.dns.Query(w.t, name, "TXT"); !cmp.Equal(got, []string{record}) {
		w.t.Errorf("%s: %s", name, cmp.Diff([]string{record}, got))
	}
	keys := w.keysInFiles
	if w.keystore == inVault {
		keys = w.keysInVault
	}
	if got, want := keys(selector), []string{tag(record, "p")}; !cmp.Equal(got, want) {
		w.t.Errorf("the keystore holds for %s the keys of the records %q; want %q", name, got, want)
	}
}

// keysInVault returns the public halves of the keys in all versions that are not destroyed.
func (w *world) keysInVault(selector string) (public []string) {
	w.t.Helper()
	kv, path := w.vault.Root().KVv2("secret"), "dkim/"+w.domain+"/"+selector
	versions, err := kv.GetVersionsAsList(w.t.Context(), path)
	must(w.t, err)
	for _, v := range versions {
		if v.Destroyed {
			continue
		}
		secret, err := kv.GetVersion(w.t.Context(), path, v.Version)
		must(w.t, err)
		text, _ := secret.Data["key"].(string)
		public = append(public, w.public([]byte(text)))
	}
	return public
}

// keysInFiles does the same for the keystore's files, of whatever name. A second
// name of a file is no second secret.
func (w *world) keysInFiles(selector string) (public []string) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "keys", w.domain, selector, "*"))
	must(w.t, err)
	hidden, err := filepath.Glob(filepath.Join(w.dir, "keys", w.domain, selector, ".*"))
	must(w.t, err)
	var known []os.FileInfo
	for _, path := range append(files, hidden...) {
		info, err := os.Stat(path)
		must(w.t, err)
		text, err := os.ReadFile(path)
		must(w.t, err)
		if slices.ContainsFunc(known, func(k os.FileInfo) bool { return os.SameFile(k, info) }) ||
			!strings.Contains(string(text), "PRIVATE KEY") {
			continue
		}
		known, public = append(known, info), append(public, w.public(text))
	}
	return public
}

// public returns the public half of a private key as key records have it.
func (w *world) public(text []byte) string {
	w.t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		w.t.Fatal("the keystore holds something else than a key")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(w.t, err)
	public := private.(crypto.Signer).Public()
	if short, ok := public.(eddsa.PublicKey); ok { // RFC 8463 section 4
		return base64.StdEncoding.EncodeToString(short)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	must(w.t, err)
	return base64.StdEncoding.EncodeToString(der)
}

// checkSigner checks that the signer has the active key's file, at most one of each
// spare selector, and nothing that a crash has left.
func (w *world) checkSigner(active string, spare ...string) {
	w.t.Helper()
	keys, err := filepath.Glob(filepath.Join(w.signer.KeyDir, w.domain, "*"))
	must(w.t, err)
	var selectors []string
	for _, key := range keys {
		selector, _, _ := strings.Cut(filepath.Base(key), "-")
		selectors = append(selectors, selector)
	}
	slices.Sort(selectors)
	needless := slices.DeleteFunc(slices.Clone(selectors),
		func(s string) bool { return s == active || slices.Contains(spare, s) })
	if !slices.Contains(selectors, active) || len(needless) > 0 || len(slices.Compact(selectors)) != len(keys) {
		w.t.Errorf("the signer has the files %q; want the key of %s, and of %v at most", keys, active, spare)
	}
	beside, err := os.ReadDir(w.signer.Dir)
	must(w.t, err)
	for _, file := range beside {
		if name := file.Name(); !slices.Contains([]string{"keys", "key.table", "key.table.dkimbot-lock", "signing.table",
			"signing.table.dkimbot-lock", "opendkim.conf"}, name) {
			w.t.Errorf("beside the signer's tables lies %s", name)
		}
	}
}
