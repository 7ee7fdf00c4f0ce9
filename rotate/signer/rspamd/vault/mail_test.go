package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestMail, with one rspamd and one Vault for all of them.
func TestMail(t *testing.T) {
	srv := vaulttest.Start(t)
	cfg := Config{Name: "rs", Path: "secret/rspamd"}
	d := start(t, srv, cfg)
	t.Run("seen", func(t *testing.T) { seenInMail(t, d, open(t, srv, cfg)) })
	t.Run("crash", func(t *testing.T) { crash(t, srv, d, cfg, "k", 4) })
	t.Run("crash, ARC elsewhere", func(t *testing.T) {
		crash(t, srv, d, Config{Name: "rs", Path: cfg.Path, ArcPath: "secret/arc"}, "a", 7)
	})
	t.Run("scheduled", func(t *testing.T) { scheduled(t, srv, d, cfg) })
	t.Run("proved", func(t *testing.T) { proved(t, d, open(t, srv, cfg)) })
	t.Run("several", func(t *testing.T) { several(t, srv, d, open(t, srv, cfg)) })
}

// seenInMail: what rspamd signs carries the selector before, and at once after the switch the other one, once each; a
// second program verifies it, and arc, which reads the same secret, seals with the same selector.
func seenInMail(t *testing.T, d *signertest.Rspamd, s *Signer) {
	k := signertest.Keys(t, 2)
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "s1", k[0])} {
		activate(t, s, key)
		for range 4 {
			a, arc := d.Mail(t, "a.example")
			if len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
				t.Fatalf("%v; want one signature with %s", a, key.Selector)
			}
			if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
				t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
			}
			if is := arcSelectors(arc); !slices.Equal(is, []string{key.Selector}) {
				t.Errorf("ARC: %q\n%s", arc, d.Said())
			}
		}
	}
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	activate(t, s, signertest.At("a.example", "e1", small))
	a, arc := d.Mail(t, "a.example")
	if len(a.Signatures) != 1 || a.Signatures[0].Verify(small) != nil || len(arc) > 0 {
		t.Errorf("Ed25519: %v, ARC %q\n%s", a, arc, d.Said())
	}
}

// crash guards I1, I2 and I7: wherever the process is killed, mail is signed once, with the old key or the new one, and
// running again completes the switch.
func crash(t *testing.T, srv *vaulttest.Server, d *signertest.Rspamd, cfg Config, prefix string, fewest int32) {
	t.Setenv(tokenVariable, srv.RootToken)
	s, k := open(t, srv, cfg), signertest.Keys(t, 2)
	completed := false
	for n := int32(1); !completed; n++ {
		domain := fmt.Sprintf("%s%d.example", prefix, n)
		old, now := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
		activate(t, s, old)
		killed, err := signertest.Elsewhere(t, "rs", far{cfg, srv.Address}, n, now)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < fewest {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), []string{domain})
		is, says := d.SignsWith(t, domain, k...), active[domain]
		if cfg.ArcPath != "" && says == (dkim.Ref{}) {
			says = is // the two modules have two keys meanwhile, so it names none
		}
		if err != nil || is != says || is != old.Ref() && is != now.Ref() {
			t.Fatalf("killed before operation %d: signed with %+v, and Active says %+v, %v", n, is, active, err)
		}
		activate(t, s, now)
		if is := d.SignsWith(t, domain, k...); is != now.Ref() {
			t.Fatalf("after running again %s is signed with %+v", domain, is)
		}
	}
}

// scheduled guards I1 and I2: a switch that was written happens at its time in each process of rspamd, although dkimbot
// was killed when it had written; every message has one signature, with the key of its time.
func scheduled(t *testing.T, srv *vaulttest.Server, d *signertest.Rspamd, cfg Config) {
	t.Setenv(tokenVariable, srv.RootToken)
	cfg.After = 4 * time.Second
	s, k := open(t, srv, cfg), signertest.Keys(t, 2)
	old, now := signertest.At("t.example", "s1", k[0]), signertest.At("t.example", "s2", k[1])
	activate(t, s, old)
	if is := d.SignsWith(t, "t.example", k...); is != old.Ref() {
		t.Fatalf("the first key waits: %+v", is)
	}
	killed, err := signertest.Elsewhere(t, "rs", far{cfg, srv.Address}, 3, now) // before it reads again
	if err != nil || !killed {
		t.Fatalf("killed %v, %v", killed, err)
	}
	is := document(t, s, "t.example")
	at := is.find(now.Ref()).start
	if is.find(old.Ref()).end != at {
		t.Fatalf("the old entry ends at %v, the new one begins at %v", is.find(old.Ref()).end, at)
	}
	if active, err := s.Active(t.Context(), []string{"t.example"}); err != nil || active["t.example"] != now.Ref() {
		t.Errorf("Active: %+v, %v; want what signs when Lag is over", active, err)
	}
	activate(t, s, now) // does not put it off
	if again := document(t, s, "t.example").find(now.Ref()).start; again != at {
		t.Errorf("T was %v, and is %v", at, again)
	}
	seen := map[string]int{}
	twice := 0
	for seen["s2"] < 6 {
		before := seconds(time.Now())
		a, _ := d.Mail(t, "t.example")
		after := seconds(time.Now())
		switch { // T lies between the two: it may come between the two entries of one message
		case len(a.Signatures) == 2 && before < at && at <= after:
			twice++
			continue
		case len(a.Signatures) != 1:
			t.Fatalf("at %v, T is %v: %v", before, at, a)
		}
		selector := a.Signatures[0].Selector
		if selector == "s2" && after < at || selector == "s1" && before >= at {
			t.Errorf("between %v and %v, T is %v: signed with %s", before, after, at, selector)
		}
		if a.Signatures[0].Verify(map[string]*dkim.PrivateKey{"s1": k[0], "s2": k[1]}[selector]) != nil {
			t.Errorf("the signature with %s does not verify", selector)
		}
		if seen[selector]++; before > at+60 {
			t.Fatalf("%v; the switch did not come", seen)
		}
	}
	if t.Logf("%v, %d signed twice at T", seen, twice); seen["s1"] < 6 {
		t.Errorf("%v: no mail flowed before T", seen)
	}
}

// proved guards I1: rspamd's proxy is asked where it is known, and what it signs with is believed, not what was written.
func proved(t *testing.T, d *signertest.Rspamd, s *Signer) {
	k := signertest.Keys(t, 2)
	s.cfg.Witness = milter.Witness{Signer: "rs", Milter: d.Milter, Patience: time.Minute, Remedy: "see its log"}
	activate(t, s, signertest.At("p.example", "s1", k[0]))
	elsewhere := *s
	elsewhere.cfg.Path, elsewhere.cfg.Witness.Patience = "secret/other", time.Second
	err := elsewhere.Activate(t.Context(), []dkim.SigningKey{signertest.At("p.example", "s2", k[1])})
	if err == nil || !strings.Contains(err.Error(), "it signs with selector s1") {
		t.Errorf("a path that rspamd does not read: %v", err)
	}
	active, err := elsewhere.Active(t.Context(), []string{"p.example"})
	if err != nil || active["p.example"].Selector != "s1" {
		t.Errorf("rspamd signs with s1: %v, %v", active, err)
	}
}

// several guards I1: two entries that are valid sign twice; that is reported by name, and no switch is tried.
func several(t *testing.T, srv *vaulttest.Server, d *signertest.Rspamd, s *Signer) {
	k := signertest.Keys(t, 2)
	for i := range 2 { // as rspamadm vault newkey does
		put(t, srv, fmt.Sprintf("secret/rspamd/m%d.example", i), fmt.Sprintf(`{"selectors": [
			{"selector": "s1", "domain": "m%[1]d.example", "key": %[2]q, "valid_start": 1767225600},
			{"selector": "mail", "domain": "m%[1]d.example", "key": %[3]q, "valid_end": %[4]d}]}`,
			i, k[0].PEM(), k[1].PEM(), time.Now().Unix()+3600*int64(1-2*i)))
	}
	twice, once := "m0.example", "m1.example"
	if a, _ := d.Mail(t, twice); len(a.Signatures) != 2 {
		t.Errorf("%s: %v", twice, a)
	}
	if a, _ := d.Mail(t, once); len(a.Signatures) != 1 {
		t.Errorf("%s: %v", once, a)
	}
	active, err := s.Active(t.Context(), []string{twice, once})
	if want := signertest.At(once, "s1", k[0]).Ref(); err != nil || len(active) != 1 || active[once] != want {
		t.Errorf("Active: %+v, %v", active, err)
	}
	answers := asked(t, s, twice, once)
	signertest.WantCode(t, answers, "foreign-signer-line", "s1, mail", twice, "leave one entry valid")
	if strings.Contains(answers.Error(), once) {
		t.Errorf("%v", answers)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At(twice, "s2", k[1])}),
		"foreign-signer-line", "mail")
	activate(t, s, signertest.At(once, "s2", k[1]))
	if is := d.SignsWith(t, once, k...); is != signertest.At(once, "s2", k[1]).Ref() {
		t.Errorf("%+v", is)
	}
}
