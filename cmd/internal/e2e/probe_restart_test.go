package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestProbesThroughRestarts: a real maddy, which is restarted for each switch, has twelve domains switched at once, and
// mail is the proof: the restart for some of them keeps no message of the others from being seen.
func TestProbesThroughRestarts(t *testing.T) {
	t.Parallel()
	dir, port := signertest.SafeDir(t), nameservertest.FreePort(t)
	dns := net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	m := signertest.NewMaddy(t)
	m.DeliverTo(t, listen)
	m.Start(t)
	t.Cleanup(func() { m.Stop(t) })
	must(t, os.Mkdir(filepath.Join(dir, "zones"), 0o755))
	var domains strings.Builder
	var named []string
	const many = 12
	for i := range many {
		name := fmt.Sprintf("m%d.test", i)
		must(t, os.WriteFile(filepath.Join(dir, "zones", name+".zone"), []byte("$TTL 1\n@ SOA ns1 admin 1 60 60 600 1\n"+
			"@ NS ns1\nns1 A 127.0.0.1\n"), 0o644))
		named = append(named, "--domain", name)
		fmt.Fprintf(&domains, "  - { name: %s, provider: files, signers: [mx1] }\n", name)
	}
	config := filepath.Join(dir, "dkimbot.yaml")
	must(t, os.WriteFile(config, []byte(fmt.Sprintf(`state: { path: state.db }
keystore: { driver: file, path: keys }
providers:
  files: { driver: zonefile, dir: zones, listen: %[1]q }
verify: { nameservers: [%[1]q], timeout: 30s }
signers:
  mx1:
    driver: maddy
    owner: root
    key_dir: %[2]s
    file: %[3]s
    restart: [%[4]q]
    ask: %[5]q
    answer: %[6]s
    probe: { submit: %[7]q, timeout: 60s, receive: { listen: %[8]q } }
policies: { default: { unsafe_timing: true, drain: 1s, settle: 1s, ttl: 1s, splay: 0s } }
domains:
%[9]s`, dns, m.KeyDir, m.File, m.Restart()[0], m.Ask, m.Answer, "smtp://"+m.Submit(), listen, domains.String())), 0o600))
	b := newBot(t, build(t), config)
	for _, active := range []string{"s1", "s2"} {
		if out, code := b.run(append([]string{"rotate"}, named...)...); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		if out := string(b.do("history", "--json")); strings.Contains(out, `"failed"`) {
			t.Errorf("a step failed:\n%s", out)
		}
		if out := string(b.do(append([]string{"probe"}, named...)...)); strings.Count(out, active) < many {
			t.Errorf("not all mail is signed with %s:\n%s", active, out)
		}
	}
}
