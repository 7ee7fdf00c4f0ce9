package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestDockerMailserverRspamd follows the end of examples/docker-mailserver, where rspamd signs: its commands and its
// lines for rspamd and for dkimbot, with an rspamd that is set up as in the container and a key that
// docker-mailserver has made.
func TestDockerMailserverRspamd(t *testing.T) {
	t.Parallel()
	w := newWalk(t, "docker-mailserver")
	page := shipped(t, w.folder+"/README.md")
	page = page[strings.Index(page, "\n## Where rspamd signs"):]
	rspamd := signertest.NewRspamd(t)
	w.mail = rspamdMail(rspamd)

	host := signertest.SafeDir(t)
	made := filepath.Join(host, "docker-data/dms/config/rspamd/dkim/rsa-2048-mail-"+walkDomain+".private.txt")
	must(t, os.MkdirAll(filepath.Dir(made), 0o700))
	run := func(line string) string {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = host
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	run("rspamadm dkim_keygen -s mail -b 2048 -d " + walkDomain + " -k " + made)
	pem := strings.Split(strings.TrimSpace(run("openssl pkey -pubout -in "+made)), "\n")
	w.publish("mail", "v=DKIM1; k=rsa; ", strings.Join(pem[1:len(pem)-1], ""))

	shared := rspamd.Path("shared")
	w.paths = map[string]string{"/etc/rspamd-dkim": shared}
	for line := range strings.Lines(page) {
		command := strings.TrimPrefix(line, "# ")
		if strings.HasPrefix(line, "# install ") || strings.HasPrefix(line, "# cp ") || strings.HasPrefix(line, "# echo ") {
			run(w.here(command))
		}
	}
	run("chown -R _rspamd:_rspamd " + shared + "/keys") // user-patches.sh
	blocks := slices.DeleteFunc(blocksOf(w.folder, page), func(b block) bool { return b.language != "" })
	if len(blocks) != 2 {
		t.Fatalf("that part of the page has %d blocks of configuration", len(blocks))
	}
	rspamd.Start(t, "dkim_signing { enabled = true; sign_authenticated = true; sign_local = true; try_fallback = false;\n"+
		`use_domain = "header"; use_redis = false; allow_username_mismatch = true;`+"\n"+w.here(blocks[0].text)+"}\n")
	run("rspamadm configtest -c " + rspamd.Path("rspamd.conf"))
	w.signs("mail")

	w.signers = "signers:\n" + blocks[1].text
	w.configure(nil)
	adopt := regexp.MustCompile("`(dkimbot adopt [^`]+)`").FindStringSubmatch(page)
	if adopt == nil {
		t.Fatal("that part of the page does not say how the key is adopted")
	}
	commands := append([]string{adopt[1]}, w.commands("dkimbot rotate")...)
	commands = w.follow(commands, "adopt", "mail", "mail")
	w.follow(commands, "rotate", "mail", "s2")
	if rest := w.follow(w.commands("dkimbot rollback"), "rollback", "s2", "mail"); len(rest) > 0 {
		t.Errorf("the README has more commands: %q", rest)
	}
}
