package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestMailcow follows examples/mailcow with an rspamd and a Redis that are set up as mailcow's, and a key that its page
// has made.
func TestMailcow(t *testing.T) {
	t.Parallel()
	const password = "REDISPASS-of-mailcow"
	w := newWalk(t, "mailcow")
	page := mailcowPage{w, signertest.StartRedis(t, []string{"-a", password}, "--requirepass", password)}
	page.add("dkim")
	rspamd := signertest.NewRspamd(t)
	rspamd.Start(t, fmt.Sprintf("redis { servers = %q; password = %q; }\n", page.redis.Address, password)+
		`dkim_signing { allow_envfrom_empty = true; allow_hdrfrom_mismatch = true; allow_hdrfrom_multiple = true;
		allow_username_mismatch = true; path = "/data/dkim/keys/$domain.dkim"; selector = "dkim"; try_fallback = true;
		use_domain = "envelope"; use_esld = false; use_redis = true; key_prefix = "DKIM_PRIV_KEYS";
		selector_prefix = "DKIM_SELECTORS"; }`+"\n")
	w.mail = rspamdMail(rspamd)
	w.signs("dkim")
	w.paths = map[string]string{"127.0.0.1:7654": page.redis.Address}
	w.configure(map[string]string{"redis.password": password})
	key := filepath.Join(t.TempDir(), "dkim.pem")
	w.paths["dkim.pem"] = key
	w.paths["-p 7654"] = "-p " + strings.TrimPrefix(page.redis.Address, "127.0.0.1:")
	for _, line := range w.commands("redis-cli") {
		cmd := exec.Command("sh", "-c", "umask 077; "+w.here(line))
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}

	lines := w.follow(w.commands("dkimbot"), "adopt", "dkim", "dkim")
	page.shows("dkim")
	must(t, os.Remove(key))
	lines = w.follow(lines, "rotate", "dkim", "s2")
	page.shows("s2")
	page.remove()
	if got := w.selectors(); len(got) > 0 {
		t.Errorf("without its fields mail is signed by %v; the README says that it is not", got)
	}
	w.bot.do("repair", "--domain", walkDomain)
	w.signs("s2")
	page.shows("s2")
	if rest := w.follow(lines, "rollback", "s2", "dkim"); len(rest) > 0 {
		t.Errorf("the README has more commands: %q", rest)
	}
	page.shows("dkim")
}

// mailcowPage does to Redis what mailcow's page of keys does.
type mailcowPage struct {
	*walk
	redis *signertest.Redis
}

// add makes a key, as "Add" does; its owner publishes the record that the page shows.
func (p *mailcowPage) add(selector string) {
	pem, err := exec.Command("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").Output()
	must(p.t, err)
	cmd := exec.Command("openssl", "pkey", "-pubout")
	cmd.Stdin = strings.NewReader(string(pem))
	public, err := cmd.Output()
	must(p.t, err)
	lines := strings.Split(strings.TrimSpace(string(public)), "\n")
	key := strings.Join(lines[1:len(lines)-1], "")
	p.redis.Do(p.t, "hset", "DKIM_PUB_KEYS", walkDomain, key)
	p.redis.Do(p.t, "hset", "DKIM_SELECTORS", walkDomain, selector)
	p.redis.Do(p.t, "hset", "DKIM_PRIV_KEYS", selector+"."+walkDomain, strings.TrimSpace(string(pem)))
	p.publish(selector, "v=DKIM1;k=rsa;t=s;s=email;", key)
}

// remove does what "Remove" does.
func (p *mailcowPage) remove() {
	selector := p.redis.Do(p.t, "hget", "DKIM_SELECTORS", walkDomain)
	p.redis.Do(p.t, "hdel", "DKIM_PUB_KEYS", walkDomain)
	p.redis.Do(p.t, "hdel", "DKIM_PRIV_KEYS", selector+"."+walkDomain)
	p.redis.Do(p.t, "hdel", "DKIM_SELECTORS", walkDomain)
}

// mailcowRecord is how its DNS check finds the key in a record.
var mailcowRecord = regexp.MustCompile(`(?i)v=DKIM1;.*k=rsa;.*p=([^;]*)`)

// shows checks that the page shows the selector with a key of 2048 bits, and that its DNS check is content.
func (p *mailcowPage) shows(selector string) {
	p.t.Helper()
	if got := p.redis.Do(p.t, "hget", "DKIM_SELECTORS", walkDomain); got != selector {
		p.t.Errorf("mailcow shows the selector %q, want %s", got, selector)
	}
	public := p.redis.Do(p.t, "hget", "DKIM_PUB_KEYS", walkDomain)
	if n := len(public); n < 391 || n >= 564 { // by which it tells the length
		p.t.Errorf("mailcow shows no key of 2048 bits: %d characters", n)
	}
	records := p.dns.Query(p.t, selector+"._domainkey."+walkDomain, "TXT")
	if len(records) != 1 {
		p.t.Fatalf("the records of %s are %q", selector, records)
	}
	if m := mailcowRecord.FindStringSubmatch(records[0]); m == nil || m[1] != public {
		p.t.Errorf("mailcow finds another key in DNS, %q, than it shows, %q", records[0], public)
	}
}
