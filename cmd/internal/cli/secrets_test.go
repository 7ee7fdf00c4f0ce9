package cli_test

import (
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
)

// I9: through a whole turn, good and bad, no private key and no secret of the
// configuration reaches what is printed or logged, the state, a saved plan, or
// the programs that are run.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	l, server := bindLab(t, []string{"example.test"}, ns.Zone{Name: "example.test"})
	vault := l.withVault(t)
	l.Keystore = strings.Replace(l.Keystore, "token_file: vault.token", "token_env: OUR_TOKEN", 1)
	l.Env = []string{"OUR_TOKEN=" + vault.RootToken}
	l.Signer = strings.Replace(l.Signer, `["true"]`,
		fmt.Sprintf(`[sh, -c, "env; tr '\\0' ' ' < /proc/$PPID/cmdline; echo; env >> %s/child.env; exit $(cat %s/code)"]`,
			l.Dir, l.Dir), 1)
	l.write(t)
	l.file(t, "code", "0")

	var printed strings.Builder
	keep := func(args ...string) result {
		r := l.run(t, args...)
		printed.WriteString(r.out + r.stderr)
		return r
	}
	all := func() {
		for _, args := range append(reading, []string{"plan", "--out", "plan.json"}) {
			keep(args...)
		}
	}
	l.file(t, "tsig.secret", "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nISE=")
	keep("rotate", "--due", "--log-level", "debug").want(t, 1, "BADSIG")
	all()
	l.file(t, "tsig.secret", server.KeySecret)
	// it does not wait for its next try
	keep("rotate", "--domain", "example.test", "--log-level", "debug", "--log-format", "json").want(t, 0)
	l.file(t, "code", "7")
	keep("rotate", "--domain", "example.test", "--log-level", "debug").want(t, 1, "exit status 7")
	all()
	vault.Seal(t)
	keep("rotate", "--domain", "example.test").want(t, 1, "sealed")
	all()
	vault.Unseal(t)
	l.file(t, "code", "0")
	keep("rotate", "--domain", "example.test", "--json").want(t, 0)
	all()
	d := l.daemon(t)
	d.awaitLog(t, `"msg":"ready"`)
	d.stop(t, syscall.SIGTERM, soon)

	secrets := map[string]string{
		"a private key's PEM block":   "PRIVATE KEY",
		"the TSIG key":                server.KeySecret,
		"the wrong TSIG key":          "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nISE=",
		"Vault's token":               vault.RootToken,
		"a private key's own letters": l.keyLetters(t),
	}
	places := map[string]string{"what was printed": printed.String(),
		"the environment of the reload": l.read(t, "child.env")}
	for _, name := range []string{"state.db", "state.db-wal", "plan.json", "daemon.log", "zones/example.test.zone",
		"opendkim/key.table", "opendkim/signing.table"} {
		places[name] = l.read(t, name)
	}
	for place, text := range places {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", place, what)
			}
		}
	}
	for _, must := range []string{"what was printed", "state.db", "plan.json", "daemon.log",
		"the environment of the reload"} {
		if places[must] == "" {
			t.Errorf("%s is empty: nothing was looked at", must)
		}
	}
}

// keyLetters returns a line of the base64 text of the private key that signs.
func (l *lab) keyLetters(t *testing.T) string {
	t.Helper()
	letters := ""
	must(t, filepath.WalkDir(filepath.Join(l.Dir, "opendkim"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if block, _ := pem.Decode(data); block != nil {
			letters = strings.Split(string(data), "\n")[5]
		}
		return err
	}))
	if len(letters) < 60 {
		t.Fatalf("found no private key: %q", letters)
	}
	return letters
}
