package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	msgdkim "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// walkDomain is the domain that the examples have.
const walkDomain = "example.com"

// walk follows the README of an example: it runs dkimbot's commands, as they stand there, with the configuration that
// stands beside it, and looks at mail after each.
type walk struct {
	t      *testing.T
	folder string // in examples
	dns    *nameservertest.Server
	bot    *bot
	mail   func(testing.TB, string) signertest.Answer // asks the signer for a message of a domain

	paths   map[string]string // what stands in the example -> what stands for it here
	signers string            // in the place of this section of the example, unless it is ""
}

// newWalk starts a name server.
func newWalk(t *testing.T, folder string) *walk {
	return &walk{t: t, folder: folder, dns: nameservertest.Options{Narrow: true}.StartBIND(t, quickZone(walkDomain))}
}

const walkPolicy = `
    schedule: "%s"
    unsafe_timing: true
    drain: 2m
    settle: 4s
    ttl: 1s
    splay: 0s
    selectors: `

// configure takes the configuration of the example to where it is tested, with waits that a test can wait for.
func (w *walk) configure(secrets map[string]string, env ...string) {
	dir := w.t.TempDir()
	w.paths["/var/lib/dkimbot"] = dir
	w.paths["192.0.2.1:53"] = w.dns.Addr
	w.paths["key_name: dkimbot."] = fmt.Sprintf("key_name: %s\n    key_algorithm: %s", w.dns.KeyName, w.dns.KeyAlgorithm)
	w.paths["\n    selectors: "] = fmt.Sprintf(walkPolicy, notSoon())
	text := shipped(w.t, w.folder+"/dkimbot.yaml")
	if w.signers != "" {
		from, to := strings.Index(text, "\nsigners:"), strings.Index(text, "\npolicies:")
		text = text[:from+1] + w.signers + text[to:]
	}
	for old := range w.paths {
		if !strings.Contains(text, old) {
			w.t.Fatalf("the configuration of %s does not hold %q", w.folder, old)
		}
	}
	text = w.here(text) + fmt.Sprintf("\nverify: { nameservers: [%q], timeout: 30s }\n", w.dns.Addr)
	for name, secret := range secrets {
		must(w.t, os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600))
	}
	must(w.t, os.WriteFile(filepath.Join(dir, "tsig.secret"), []byte(w.dns.KeySecret), 0o600))
	config := filepath.Join(dir, "dkimbot.yaml")
	must(w.t, os.WriteFile(config, []byte(text), 0o600))
	w.bot = newBot(w.t, build(w.t), config)
	w.bot.env = env
}

// here puts what stands for them here in the place of the example's paths and addresses.
func (w *walk) here(text string) string {
	for old, new := range w.paths {
		text = strings.ReplaceAll(text, old, new)
	}
	return text
}

// commands returns the command lines of the README that begin so.
func (w *walk) commands(prefix string) (lines []string) {
	for line := range strings.Lines(shipped(w.t, w.folder+"/README.md")) {
		if strings.HasPrefix(line, "# "+prefix+" ") {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "# ")))
		}
	}
	return lines
}

// follow runs the commands of the README up to one that begins with last, which is repeated until mail is signed with
// that selector alone. Until then it is signed with the one before.
func (w *walk) follow(lines []string, last, before, after string) (rest []string) {
	w.t.Helper()
	for i, line := range lines {
		args := strings.Fields(w.here(line))[1:]
		if strings.HasPrefix(line, "dkimbot "+last) && !strings.Contains(line, "--dry-run") {
			w.until(args, before, after)
			return lines[i+1:]
		}
		w.bot.do(args...)
		w.signs(before)
	}
	w.t.Fatalf("the README of %s has no command dkimbot %s", w.folder, last)
	return nil
}

// until repeats a command, as a person or the timer does, while a new key settles or the signer reads its files. Who
// has rolled back does not do it twice.
func (w *walk) until(args []string, before, after string) {
	w.t.Helper()
	for deadline, first := time.Now().Add(3*time.Minute), true; ; time.Sleep(200 * time.Millisecond) {
		if first || args[0] != "rollback" {
			w.bot.do(args...)
		}
		first = false
		got := w.selectors()
		switch {
		case slices.Equal(got, []string{after}):
			return
		case !slices.Equal(got, []string{before}):
			w.t.Fatalf("after dkimbot %s mail is signed by %v", strings.Join(args, " "), got)
		case time.Now().After(deadline):
			w.t.Fatalf("after dkimbot %s mail is still signed by %v", strings.Join(args, " "), got)
		}
	}
}

// signs checks by which selector a message is signed now.
func (w *walk) signs(selector string) {
	w.t.Helper()
	if got := w.selectors(); !slices.Equal(got, []string{selector}) {
		w.t.Fatalf("mail is signed by %v, want %s", got, selector)
	}
}

// selectors returns the selectors that sign a message now; each signature verifies with the record in DNS.
func (w *walk) selectors() []string {
	w.t.Helper()
	answer := w.mail(w.t, walkDomain)
	for _, s := range answer.Signatures {
		verified, err := msgdkim.VerifyWithOptions(strings.NewReader(s.Message), &msgdkim.VerifyOptions{
			LookupTXT: func(name string) ([]string, error) { return w.dns.Query(w.t, name, "TXT"), nil },
		})
		if err != nil || len(verified) != 1 || verified[0].Err != nil {
			w.t.Fatalf("a message that is signed by %s does not verify: %v %v", s.Selector, err, verified)
		}
	}
	return answer.Selectors(walkDomain)
}

// publish publishes the key that is in use, as its owner did.
func (w *walk) publish(selector, tags, key string) {
	w.dns.Add(w.t, fmt.Sprintf(`%s._domainkey.%s. 1 TXT "%s" "p=%s" "%s"`, selector, walkDomain, tags, key[:200], key[200:]))
}
