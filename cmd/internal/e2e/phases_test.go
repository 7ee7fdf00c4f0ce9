package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestChangesInEachPhase guards I1, I2 and I10 where the configuration changes in the middle of a turn: in each phase a
// host is added, the one that was added last is taken out, and drain, settle and TTL change. Mail flows through the
// host that stays and through the one that was added, from the moment in which dkimbot says that it signs.
func TestChangesInEachPhase(t *testing.T) {
	t.Parallel()
	const domain = "phases.test"
	options := nameservertest.Options{Narrow: true}
	s := newSite(t, build(t), options.StartBIND(t, quickZone(domain)))
	// The least that the policy says at any time, so the least that receivers may rely on.
	drain, settle := 30*time.Second, 6*time.Second
	c := &changing{lab: newLab(t, s, scenario{domain: domain, pace: 800 * time.Millisecond,
		drain: drain, settle: settle, policyDrain: drain, policySettle: settle})}

	c.breakReload()
	c.bot.run("rotate", "--domain", domain)
	c.inPhase("bootstrapping", "", "")
	c.mendReload()
	c.bot.do("rotate", "--domain", domain)
	c.bot.await("ready", "s1", 0)
	c.wantSigner("s1")
	c.startMail()
	c.added().start(c.lab)
	c.moreMail(10)

	c.inPhase("ready", "s1", "s1")

	c.breakReload()
	c.bot.run("rotate", "--domain", domain)
	c.inPhase("switching", "s1", "s2")
	c.wantSigner("s1")
	c.mendReload()
	person := c.bot.start("rotate", "--domain", domain) // it would stay for so short a drain
	c.bot.await("draining", "s2", time.Minute)
	person.end(syscall.SIGINT)
	c.wantSigner("s2")
	c.moreMail(5)

	c.inPhase("draining", "s2", "s2")

	secret := filepath.Join(filepath.Dir(c.bot.config), "tsig.secret")
	right, err := os.ReadFile(secret)
	must(t, err)
	must(t, os.WriteFile(secret, []byte("d3JvbmcgYW5kIG5vdCByaWdodCBhdCBhbGwu"), 0o600))
	c.poll(3*time.Minute, "the fresh key can't be published", func() bool {
		c.bot.run("rotate", "--due")
		return c.bot.status().Phase == "replacing"
	})
	c.inPhase("replacing", "s2", "s2")
	must(t, os.WriteFile(secret, right, 0o600))
	c.bot.do("rotate", "--domain", domain, "--wait")
	c.bot.await("ready", "s2", 2*time.Minute)
	c.moreMail(5)

	c.bot.do("rotate", "--domain", domain, "--wait")
	c.bot.await("ready", "s1", 3*time.Minute)
	c.wantSigner("s1")
	c.moreMail(10)

	for _, h := range c.hosts {
		h.stop()
	}
	reports := map[string]Report{"mx1": c.closed(c.ledger, "mx1", c.stop)}
	c.checkPostfix()
	for _, h := range c.hosts {
		reports[h.name] = c.closed(h.ledger, h.name, h.stop)
		h.post.check(t)
	}
	for name, report := range reports {
		t.Logf("mail through %s:\n%s", name, report)
		for _, wrong := range report.Wrong() {
			t.Errorf("%s: %s", name, wrong)
		}
		if report.Sent < 5 {
			t.Errorf("%d messages went through %s", report.Sent, name)
		}
	}
}

// changing is a laboratory whose hosts come and go.
type changing struct {
	*lab
	hosts []*host // beside mx1, in the order in which they came
}

// host is one more mail server that signs for the domain.
type host struct {
	name   string
	signer *signertest.OpenDKIM
	post   *postfix
	ledger *ledger
	stop   func() // ends its traffic
}

func (c *changing) added() *host { return c.hosts[len(c.hosts)-1] }

// inPhase adds a host and takes out the one before it in the phase, changes drain, settle and TTL, and checks that the
// new host signs by the selector; "" where no host signs yet.
func (c *changing) inPhase(phase, active, signs string) {
	c.t.Helper()
	c.bot.await(phase, active, 0)
	if len(c.hosts) > 0 { // gone for good: as long as it is configured, and signs, its key is kept
		c.added().stop()
		c.change(`(?m)^  `+c.added().name+`: \{ driver: .*\n`, "")
	}
	h := c.newHost()
	c.hosts = append(c.hosts, h)
	odd := len(c.hosts)%2 == 1
	pick := func(a, b string) string {
		if odd {
			return a
		}
		return b
	}
	c.change(`signers: \[.*?\]`, "signers: [mx1, "+h.name+"]", `drain: \w+`, "drain: "+pick("40s", "30s"),
		`settle: \w+`, "settle: "+pick("8s", "6s"), `ttl: \w+`, "ttl: "+pick("2s", "1s"))
	person := c.bot.start("rotate", "--due")
	if signs == "" {
		person.cmd.Wait()
		return
	}
	c.poll(2*time.Minute, h.name+" has been given the domain", func() bool {
		return slices.ContainsFunc(c.bot.history(), func(e event) bool {
			return e.Kind == "activate" && e.Outcome == "done" && e.Signer == h.name
		})
	})
	if st := c.bot.status(); st.Phase != phase {
		c.t.Errorf("with another signer the domain went on from %s to %s", phase, st.Phase)
	}
	person.end(syscall.SIGINT) // it would stay for so short a drain
	if got := h.signer.Mail(c.t, c.domain).Selectors(c.domain); !slices.Equal(got, []string{signs}) {
		c.t.Fatalf("%s, added in phase %s, signs by %v, want %s", h.name, phase, got, signs)
	}
	h.start(c.lab)
	c.moreMail(5)
}

// newHost starts a mail server, and names it in the configuration.
func (c *changing) newHost() *host {
	h := &host{name: fmt.Sprint("mx", len(c.hosts)+2), signer: signertest.StartOpenDKIM(c.t), stop: func() {}}
	h.ledger = newLedger(c.domain, c.drain, c.ledger.verifiers, c.t.TempDir())
	h.post = startPostfix(c.t, h.signer.Socket, startSink(c.t, h.ledger.deliver))
	c.reconfigure("\npolicies:\n", fmt.Sprintf("\n  %s: { driver: opendkim, key_dir: %s, key_table: %s, "+
		"signing_table: %q, reload: [\"%s\"], lag: %s, milter: %q }\npolicies:\n", h.name, h.signer.KeyDir, h.signer.KeyTable,
		"refile:"+h.signer.SigningTable, strings.Join(h.signer.Reload(), `", "`), lag, h.signer.Socket))
	return h
}

// start lets mail flow through the host.
func (h *host) start(l *lab) {
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan struct{})
	h.stop = func() { cancel(); <-ended }
	l.t.Cleanup(h.stop)
	go func() {
		defer close(ended)
		traffic(ctx, h.post.Addr, 2*l.pace, h.ledger)
	}()
}

// change replaces what matches patterns in the configuration.
func (c *changing) change(oldnew ...string) {
	c.t.Helper()
	text, err := os.ReadFile(c.bot.config)
	must(c.t, err)
	for i := 0; i < len(oldnew); i += 2 {
		old := regexp.MustCompile(oldnew[i])
		if !old.Match(text) {
			c.t.Fatalf("the configuration has no %s:\n%s", oldnew[i], text)
		}
		text = old.ReplaceAll(text, []byte(oldnew[i+1]))
	}
	must(c.t, os.WriteFile(c.bot.config, text, 0o600))
}

// closed ends the traffic of a signer, and returns what became of its mail.
func (c *changing) closed(of *ledger, signer string, stop func()) Report {
	c.t.Helper()
	stop()
	c.poll(2*time.Minute, "all mail of "+signer+" has arrived", of.arrived)
	return of.close(c.turnsOf(signer))
}
