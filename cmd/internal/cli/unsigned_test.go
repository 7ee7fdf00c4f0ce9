package cli_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// A real OpenDKIM answers, its tables are as dkimbot left them, and it lets the domain's mail through unsigned: it was
// started again with a signing table of another kind. check says so, as repair does, and no success.
func TestCheckOfUnsignedMail(t *testing.T) {
	t.Parallel()
	d := signertest.StartOpenDKIM(t)
	l := newLab(t, "example.test")
	l.Signer = fmt.Sprintf("driver: opendkim\nkey_dir: %s\nkey_table: %s\nsigning_table: refile:%s\nreload: "+
		"[sh, -c, \"kill -USR1 $(cat %s/pid)\"]\nmilter: %q\nlag: 1ms", d.KeyDir, d.KeyTable, d.SigningTable, d.Dir, d.Socket)
	l.write(t)
	restart := func(from, to string) {
		conf, err := os.ReadFile(d.Conf)
		must(t, err)
		must(t, os.WriteFile(d.Conf, []byte(strings.ReplaceAll(string(conf), from, to)), 0o644))
		d.Restart(t)
		must(t, os.WriteFile(d.Dir+"/pid", fmt.Append(nil, d.PID), 0o644))
	}
	restart("", "")
	l.run(t, "check").want(t, 0, "ok      signer mx1: signs as dkimbot left it (example.test)") // nothing yet
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "phase ready")
	l.run(t, "check").want(t, 0, "ok      signer mx1: signs as dkimbot left it (example.test)")

	restart("SigningTable refile:", "SigningTable file:")
	l.run(t, "repair").want(t, 1, "it let the message through unsigned")
	l.run(t, "check").want(t, 1, "ok      signer mx1: the milter at ", "failed  signer mx1: signs as dkimbot left it",
		"signer mx1 does not sign for example.test any more", "1 problem would keep the next rotation")
	l.run(t, "check", "--json").want(t, 1, `"code": "signer-empty"`, `"ready": false`)

	restart("SigningTable file:", "SigningTable refile:")
	l.run(t, "check").want(t, 0, "ok      signer mx1: signs as dkimbot left it (example.test)")
}
