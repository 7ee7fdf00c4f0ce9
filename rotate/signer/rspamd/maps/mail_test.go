package maps

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestSeenInMail: what rspamd signs carries the selector before, and after the switch the other one, once each, a second
// program verifies it, and the arc module signs with the same one; an Ed25519 key works where arc is left out.
func TestSeenInMail(t *testing.T) {
	d, s := start(t, everyMap)
	k := signertest.Keys(t, 2)
	before := dkim.Ref{}
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])} {
		activate(t, s, key)
		t.Logf("every worker signs with %s after %v", key.Selector, becomes(t, d, key.Ref(), k, before))
		before = key.Ref()
		for deadline := time.Now().Add(3 * time.Minute); ; { // the arc module reads a map of its own
			a, arc := d.Mail(t, "a.example")
			if len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
				t.Fatalf("%v; want one signature with %s", a, key.Selector)
			}
			if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
				t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
			}
			if len(arc) == 1 && strings.Contains(arc[0], "s="+key.Selector+";") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("ARC: %q", arc)
			}
		}
	}
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "e1", small)}), "unproven-algorithm",
		"arc")
}

// TestEd25519: rspamd signs with the key, and a second program verifies it.
func TestEd25519(t *testing.T) {
	d, s := start(t, nil)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	key := signertest.At("a.example", "e1", small)
	activate(t, s, key)
	becomes(t, d, key.Ref(), []*dkim.PrivateKey{small}, dkim.Ref{})
	a, _ := d.Mail(t, "a.example")
	if len(a.Signatures) != 1 || !a.Signatures[0].VerifyWithDkimpy(t, small) {
		t.Errorf("%v", a)
	}
}

// TestSwitchesUnderMail guards I1 and I2: while keys and maps change all the time, every message is signed once, and
// with the key that belongs to its selector.
func TestSwitchesUnderMail(t *testing.T) {
	d, s := start(t, everyMap)
	k := signertest.Keys(t, 2)
	keys := []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])}
	activate(t, s, keys[0])
	becomes(t, d, keys[0].Ref(), k, dkim.Ref{})
	done := make(chan struct{})
	seen := map[string]int{}
	go func() {
		defer close(done)
		for range 300 {
			a, _ := d.Mail(t, "a.example")
			if len(a.Signatures) != 1 {
				t.Errorf("%v", a)
				return
			}
			sig := a.Signatures[0]
			if err := sig.Verify(map[string]*dkim.PrivateKey{"s1": k[0], "s2": k[1]}[sig.Selector]); err != nil {
				t.Errorf("%v: %v", a, err)
			}
			seen[sig.Selector]++
		}
	}()
	for i := 1; ; i++ {
		activate(t, s, keys[i%2])
		select {
		case <-done:
			t.Logf("%d switches; messages by selector: %v", i, seen)
			return
		default:
		}
	}
}

// TestClockSetBack guards I2: rspamd has a key in memory whose file is from the future; the one that takes its place is
// loaded all the same.
func TestClockSetBack(t *testing.T) {
	d, s := start(t, nil)
	k := signertest.Keys(t, 2)
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s1", k[1])
	activate(t, s, old)
	becomes(t, d, old.Ref(), k, dkim.Ref{})
	s.now = time.Now
	activate(t, s, now)
	becomes(t, d, now.Ref(), k)
}
