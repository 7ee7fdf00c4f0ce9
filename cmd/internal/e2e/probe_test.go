package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// startPostfix starts the laboratory's Postfix. Where mail is the proof, it delivers probes to dkimbot's listener and into
// a Maildir.
func (l *lab) startPostfix(sink string) {
	if !l.probed {
		l.post = startPostfix(l.t, l.signer.Socket, sink)
		return
	}
	listen := fmt.Sprintf("127.0.0.1:%d", nameservertest.FreePort(l.t))
	l.post = startPostfix(l.t, l.signer.Socket, sink, "transport_maps = inline:{probe.invalid=smtp:["+
		strings.Replace(listen, ":", "]:", 1)+", box.invalid=virtual:}", "virtual_mailbox_domains = box.invalid",
		"virtual_mailbox_base = "+l.box(), "virtual_mailbox_maps = inline:{dkimbot@box.invalid=box/}",
		"virtual_uid_maps = static:65534", "virtual_gid_maps = static:65534")
	l.probe = fmt.Sprintf("probe: { submit: %q, timeout: 20s, receive: { listen: %q } }", "smtp://"+l.post.Addr, listen)
}

// box is the directory of the Maildir, of a user of its own.
func (l *lab) box() string {
	if l.boxes == "" {
		l.boxes = filepath.Join(signertest.SafeDir(l.t), "boxes")
		for _, dir := range []string{"", "box", "box/new", "box/cur", "box/tmp"} {
			must(l.t, os.MkdirAll(filepath.Join(l.boxes, dir), 0o755))
			must(l.t, os.Chown(filepath.Join(l.boxes, dir), 65534, 65534))
		}
	}
	return l.boxes
}

// probed runs a probe by hand.
func (l *lab) probeNow(code int) report.Probe {
	l.t.Helper()
	out, got := l.bot.run("probe", "--domain", l.domain, "--json")
	var doc report.ProbeDocument
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Probes) != 1 || got != code {
		l.t.Fatalf("dkimbot probe: exit code %d, %v\n%s", got, err, out)
	}
	return doc.Probes[0]
}

// TestMailProves guards I1, I2 and I10 with a real Postfix and a real OpenDKIM that dkimbot does not ask: the first key
// and a switch are confirmed by mail that came back to dkimbot's listener, one that OpenDKIM never heard of is held and
// explained, also when somebody else's reload comes late, and the whole turn loses no message. A Maildir serves as well.
func TestMailProves(t *testing.T) {
	t.Parallel()
	const domain = "proved.test"
	s := newSite(t, build(t), nameservertest.Options{Narrow: true}.StartBIND(t, quickZone(domain)))
	l := newLab(t, s, scenario{domain: domain, pace: 400 * time.Millisecond, unproved: true, probed: true,
		drain: 3 * time.Second, settle: time.Second, policyDrain: 3 * time.Second, policySettle: time.Second})
	if out := string(l.bot.do("check")); !strings.Contains(out, "ok      signer mx1: probe: mail server") ||
		!strings.Contains(out, "ok      signer mx1: probe: address") {
		t.Errorf("check says\n%s", out)
	}
	l.bot.do("rotate", "--domain", domain)
	l.bot.await("ready", "s1", 0)
	if p := l.probeNow(0); !p.OK || p.Expected != "s1" || len(p.Signatures) != 1 || p.Signatures[0].Selector != "s1" ||
		p.Signatures[0].Valid == nil || !*p.Signatures[0].Valid || p.Signatures[0].Algorithm != "rsa-sha256" {
		t.Errorf("%+v", p)
	}
	l.breakReload()
	l.startMail()
	l.moreMail(5)
	if _, code := l.bot.run("rotate", "--domain", domain); code != 1 {
		t.Errorf("dkimbot rotate ended with code %d though OpenDKIM continued with s1; want 1", code)
	}
	if said := l.bot.said.String(); !strings.Contains(said, "the message is signed with selector s1 (rsa-sha256)") {
		t.Errorf("it does not say what was seen:\n%s", said)
	}
	l.bot.await("switching", "s1", 0)
	l.moreMail(5)
	if p := l.probeNow(0); p.Expected != "s1" {
		t.Errorf("before the switch is confirmed, s1 is expected: %+v", p)
	}
	l.mendReload()
	l.reconfigure("receive: { listen", "to: dkimbot@box.invalid, receive: { maildir: "+filepath.Join(l.box(), "box")+
		" } } # { listen")
	l.bot.do("rotate", "--domain", domain)
	l.bot.await("ready", "s2", 0)
	if p := l.probeNow(0); !p.OK || p.Expected != "s2" {
		t.Errorf("%+v", p)
	}
	if left, err := os.ReadDir(filepath.Join(l.box(), "box", "new")); err != nil || len(left) > 0 {
		t.Errorf("%d probes are left in the mailbox: %v", len(left), err)
	}
	report := l.stopMail()
	t.Logf("mail as the proof:\n%s", report)
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	l.checkPostfix()
}
