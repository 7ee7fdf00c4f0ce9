package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// However a name is written, it is one domain, in one normal form everywhere.
func TestNamesHaveOneForm(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.zone(t, "example.test", "")
	l.zone(t, "xn--mnchen-3ya.test", "")
	l.Domains = []string{"EXAMPLE.Test.", "münchen.test"}
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test", "--domain", "Example.TEST").want(t, 0, "example.test  phase ready")
	l.run(t, "rotate", "--domain", "MÜNCHEN.test.").want(t, 0, "xn--mnchen-3ya.test  phase ready")
	l.wantSound(t, "example.test")
	l.wantSound(t, "xn--mnchen-3ya.test")
	for _, name := range []string{"keys/example.test/s1/1.pem", "keys/xn--mnchen-3ya.test/s2/1.pem"} {
		if l.read(t, name) == "" {
			t.Errorf("there is no %s", name)
		}
	}
	if names, err := os.ReadDir(filepath.Join(l.Dir, "keys")); err != nil || len(names) != 2 {
		t.Errorf("the keystore holds %v, %v", names, err)
	}
	l.Domains = append(l.Domains, "xn--mnchen-3ya.test")
	l.write(t)
	l.run(t, "validate").want(t, 1, "xn--mnchen-3ya.test is listed already")
}

// A name that is none, or that would lead out of the key directory, gets no
// further than the configuration or the command line, and nothing is made of it.
func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"../../etc", "a/../../b.test", "/etc/passwd", "..", ".", "a..test", "-a.test", "a b.test", `a\test`, "*.test",
		"ex\x00mple.test",
		strings.Repeat("a", 64) + ".test", strings.Repeat("abcdefg.", 40) + "test", "xn--\u00e4.test",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			unchanged(t, func() {
				if !strings.ContainsRune(name, 0) { // no argument can hold it
					l.run(t, "rotate", "--domain", name).want(t, 1, "is not a domain name",
						"hint: write the domain as it stands after d=")
					l.run(t, "plan", "--domain", name).want(t, 1, "is not a domain name")
					l.run(t, "history", "--domain", name).want(t, 1, "is not a domain name")
				}
			}, l.Dir)
			l.Domains = []string{"example.test", name}
			l.write(t)
			unchanged(t, func() {
				l.run(t, "rotate", "--domain", "example.test").want(t, 1, "dkimbot.yaml:", "domains[1].name", "hint: ",
					"nothing was done")
			}, l.Dir)
		})
	}
}

// What the configuration gets wrong is reported with the remedy before anything is touched.
func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		change func(*lab)
		says   []string
	}{
		"unknown provider": {func(l *lab) { l.Domains = []string{"{name: example.test, provider: labb, signers: [mx1]}"} },
			[]string{`domains[0].provider: unknown provider "labb"`, "hint: did you mean lab?"}},
		"unknown driver": {func(l *lab) { l.Provider = "driver: rout53" },
			[]string{`unknown driver "rout53"`, "hint: did you mean route53?"}},
		"unknown signer": {func(l *lab) { l.Domains = []string{"{name: example.test, provider: lab, signers: [mx2]}"} },
			[]string{`unknown signer "mx2"`, "hint: did you mean mx1?"}},
		"secret readable by others": {func(l *lab) { l.Provider = rfc2136("127.0.0.1:1", "open.secret") },
			[]string{"providers.lab.key_file", "open.secret: others may use it (mode 0644)", "hint: run: chmod o= "}},
		"secret missing": {func(l *lab) { l.Provider = rfc2136("127.0.0.1:1", "no.secret") },
			[]string{"no.secret: there is no such file", "hint: create it, mode 0600"}},
		"waits that break mail": {func(l *lab) { l.Policy = "drain: 1h" },
			[]string{"a drain of 1h is less than seven days", "hint: write 7d or more"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			l.run(t, "rotate", "--domain", "example.test").want(t, 0)
			l.file(t, "open.secret", "c2VjcmV0c2VjcmV0")
			must(t, os.Chmod(filepath.Join(l.Dir, "open.secret"), 0o644))
			good := *l
			c.change(l)
			l.write(t)
			unchanged(t, func() {
				for _, args := range [][]string{{"validate"}, {"plan"}, {"rotate", "--domain", "example.test"},
					{"rotate", "--due"}, {"daemon"}} {
					l.run(t, args...).want(t, 1, append(c.says, "dkimbot.yaml:", "nothing was done")...)
				}
			}, l.Dir)
			good.write(t)
			good.run(t, "rotate", "--domain", "example.test").want(t, 0)
			good.wantSound(t, "example.test")
		})
	}
}

func rfc2136(server, keyFile string) string {
	return "driver: rfc2136\nserver: " + server + "\nkey_name: dkimbot.\nkey_algorithm: hmac-sha256\nkey_file: " + keyFile
}
